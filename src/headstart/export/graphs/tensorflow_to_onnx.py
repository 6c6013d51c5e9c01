"""Conversion of a network's forward pass from TensorFlow to ONNX, with operations that tf2onnx does not support."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    import onnx

__all__ = ["NoCounterpartError", "inline_constants", "inlined", "to_onnx"]

_OPSET = 18  # the newest version that every ONNX runtime of the last two years supports


class NoCounterpartError(ValueError):
    """A network has operations that ONNX does not support."""


@contextmanager
def inlined() -> Iterator[None]:
    """Inline nested functions while tracing.

    Keras compiles a grouped convolution with XLA, as a nested function, which tf2onnx cannot convert.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)  # affects calls of inner functions only; tracing still works
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def inline_constants(model: keras.Model) -> None:
    """Turn mean and variance of ``Normalization`` layers into constants of the traced graph.

    As tensors they would be captured from outside the graph, and tf2onnx would treat them as inputs.
    """
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def to_onnx(function: Any) -> onnx.ModelProto:
    """Convert a TensorFlow function with an input signature to an ONNX model of standard operations.

    The result is checked because tf2onnx 1.17.0 copies operations that it does not support and reports success.

    Raises:
        NoCounterpartError: ONNX lacks some of the operations, which the text lists.
    """
    import tf2onnx

    _add_operations()
    model: onnx.ModelProto
    model, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=_OPSET)
    if unknown := sorted(_unknown(model.graph)):
        raise NoCounterpartError(f"operations without a counterpart in ONNX: {', '.join(unknown)}")
    if len(model.graph.input) != len(function.input_signature):
        outside = ", ".join(sorted(value.name for value in model.graph.input)[:3])
        raise NoCounterpartError(f"constants outside the graph, which ONNX would treat as inputs: {outside}")
    return model


def _unknown(graph: onnx.GraphProto) -> set[str]:
    """Operations that are in no ONNX operator set, including those of subgraphs."""
    import onnx

    found = {node.op_type for node in graph.node if not onnx.defs.has(node.op_type, node.domain)}
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return found.union(*map(_unknown, inner))


def _add_operations() -> None:
    """Add operations that tf2onnx lacks to its table: ``Erfc``, used by gelu, and ``Expm1``, used by celu."""
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class _Erfc:
        @classmethod
        def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
            _replace(ctx, node, "Erf", lambda one, value: [one, value])

    @tf_op("Expm1")
    class _Expm1:
        @classmethod
        def version_7(cls, ctx: Any, node: Any, **_: Any) -> None:
            _replace(ctx, node, "Exp", lambda one, value: [value, one])


def _replace(ctx: Any, node: Any, operation: str, order: Any) -> None:
    """Replace a node by the difference of 1 and an operation; the precision is that of 1, not of the difference."""
    from tf2onnx import utils

    kind, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
    given, outputs = list(node.input), list(node.output)
    ctx.remove_node(node.name)
    one = ctx.make_const(utils.make_name("one"), np.array(1, utils.map_onnx_to_numpy_type(kind)))
    value = ctx.make_node(operation, given, shapes=[shape], dtypes=[kind])
    terms = order(one.output[0], value.output[0])
    ctx.make_node("Sub", terms, outputs=outputs, shapes=[shape], dtypes=[kind])
