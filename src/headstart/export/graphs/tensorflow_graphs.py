"""The table encoder and boosted trees as TensorFlow operations, for a SavedModel that takes columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.data.tables.preprocess import CLIP, segments
from headstart.data.target_scaling import LARGEST_LOG
from headstart.export.graphs.tree_arrays import projection

__all__ = ["tf_encoder", "tf_trees"]

Spec = Mapping[str, Any]


def tf_encoder(encoding: Mapping[str, Any]) -> tuple[Callable[[Mapping[str, Any]], Any], list[Any]]:
    """Build the table encoder from TensorFlow operations.

    Returns:
        A function from typed columns by name (float32, float64 or string tensors ``(batch, 1)``) to rows, float32
        ``(batch, width)``, which may be called within a ``tf.function``; and its lookup tables for text, which a module that
        is saved with the function must hold.
    """
    import tensorflow as tf

    specs = encoding["columns"]
    blocks = [_TF_BLOCKS[spec["kind"]](spec) for spec in specs]
    codes = [
        (spec["name"], _TfLookup(spec["codes"], range(1, len(spec["codes"]) + 1), 0.0)) for spec in specs if "codes" in spec
    ]

    def encoder(columns: Mapping[str, Any]) -> Any:
        dense = [block(columns[spec["name"]]) for spec, block in zip(specs, blocks, strict=True)]
        return tf.concat([*dense, *(look_up(columns[name]) for name, look_up in codes)], axis=1)

    lookups = [block.lookup for block in blocks if isinstance(block, _TfCategory)] + [look_up for _, look_up in codes]
    return encoder, [look_up.table for look_up in lookups]


def tf_trees(weights: Sequence[Any], scaling: Mapping[str, Any] | None) -> Callable[[Any], Any]:
    """Build boosted trees from TensorFlow operations.

    Args:
        weights: Arrays from ``Trees.weights``.
        scaling: Target scaling of a regression, from a signature, by which predictions are converted to the user's units;
            None for other tasks.

    Returns:
        A function from encoded rows ``(batch, width)`` to predictions, float32 ``(batch, units)``.
    """
    import tensorflow as tf

    features, thresholds, left, right, missing_left, values, roots, outputs, base, columns, factors, link = weights
    to_output = np.equal.outer(outputs, np.arange(len(base))).astype(np.float64)
    depth, matrix = _depth(left, right, roots), projection(columns, factors)

    def answer(rows: Any) -> Any:
        if matrix is not None:  # in float64: a GPU rounds products of float32 to ten bits
            rows = tf.cast(tf.matmul(tf.cast(rows, tf.float64), tf.constant(matrix, tf.float64)), tf.float32)
        nodes = tf.tile(tf.constant(roots, tf.int32)[None], [tf.shape(rows)[0], 1])
        for _ in range(depth):
            compared = tf.gather(rows, tf.gather(features, nodes), batch_dims=1)
            missing = tf.math.is_nan(compared) & tf.gather(missing_left, nodes)
            goes_left = (compared <= tf.gather(thresholds, nodes)) | missing
            nodes = tf.where(goes_left, tf.gather(left, nodes), tf.gather(right, nodes))
        sums = tf.matmul(tf.gather(values, nodes), tf.constant(to_output)) + base
        answers = (tf.sigmoid, tf.nn.softmax, tf.identity)[int(link[0])](sums)
        return tf.cast(answers if scaling is None else _tf_units(answers, scaling), tf.float32)

    return answer


def _depth(left: Any, right: Any, roots: Any) -> int:
    """Number of steps from a root to the deepest leaf."""
    nodes, steps = np.unique(roots), 0
    while True:
        following = np.unique(np.concatenate([left[nodes], right[nodes]]))
        if np.isin(following, nodes).all() and (left[following] == following).all():
            return steps
        nodes, steps = following, steps + 1


def _tf_units(values: Any, scaling: Mapping[str, Any]) -> Any:
    import tensorflow as tf

    plain = values * np.array(scaling["deviation"]) + np.array(scaling["offset"])
    return tf.where(scaling["log1p"], tf.math.expm1(tf.clip_by_value(plain, 0.0, LARGEST_LOG)), plain)


class _TfLookup:
    """Lookup table from text to numbers, float32."""

    def __init__(self, keys: Sequence[str], values: Sequence[float], default: float) -> None:
        import tensorflow as tf

        pairs = tf.lookup.KeyValueTensorInitializer(list(keys), [float(value) for value in values], tf.string, tf.float32)
        self.table = tf.lookup.StaticHashTable(pairs, float(default))

    def __call__(self, column: Any) -> Any:
        return self.table.lookup(column)


class _TfCategory:
    """Encoded columns of a category."""

    def __init__(self, spec: Spec) -> None:
        self._spec, levels = spec, spec["levels"]
        is_two_way, others = spec["two_way"], len(levels)
        self.lookup = _TfLookup(levels, (0.0, 1.0), 0.5) if is_two_way else _TfLookup(levels, range(others), others)

    def __call__(self, column: Any) -> Any:
        import tensorflow as tf

        found = self.lookup(column)
        return found if self._spec["two_way"] else tf.cast(found == np.arange(len(self._spec["levels"]) + 1), tf.float32)


def _tf_number(spec: Spec) -> Callable[[Any], Any]:
    def block(column: Any) -> Any:
        filled, flag = _tf_filled(column, spec)
        return _tf_side_by_side([_tf_standardised(_tf_transformed(filled, spec), spec), *flag])

    return block


def _tf_date(spec: Spec) -> Callable[[Any], Any]:
    import tensorflow as tf

    def block(column: Any) -> Any:
        filled, flag = _tf_filled(column, spec)
        columns = [_tf_standardised(filled, spec)]
        for period in spec["periods"]:
            turns = filled / period
            angle = (turns - tf.floor(turns)) * (2 * math.pi)
            columns += [angle / math.pi - 1, tf.sin(angle), tf.cos(angle)]
        return _tf_side_by_side([*columns, *flag])

    return block


def _tf_filled(column: Any, spec: Spec) -> tuple[Any, list[Any]]:
    import tensorflow as tf

    missing = tf.math.is_nan(column)
    filled = tf.where(missing, tf.constant(spec["fill"], tf.float64), tf.cast(column, tf.float64))
    return filled, [missing] if spec["flag"] else []


def _tf_transformed(values: Any, spec: Spec) -> Any:
    import tensorflow as tf

    if spec["transform"] == "log":
        return tf.sign(values) * tf.math.log1p(tf.abs(values))
    if spec["transform"] == "quantile":
        knots, widths, slopes = np.array(segments(spec)).T
        within = tf.minimum(tf.maximum(values - knots, 0.0), widths)
        return tf.reduce_sum(within * slopes, axis=1, keepdims=True) + spec["values"][0]
    return values


def _tf_standardised(values: Any, spec: Spec) -> Any:
    import tensorflow as tf

    return tf.clip_by_value((values - spec["offset"]) / spec["scale"], -CLIP, CLIP)


def _tf_side_by_side(columns: Sequence[Any]) -> Any:
    import tensorflow as tf

    return tf.concat([tf.cast(column, tf.float32) for column in columns], axis=1)


_TF_BLOCKS: dict[str, Callable[[Spec], Callable[[Any], Any]]] = {
    "number": _tf_number,
    "date": _tf_date,
    "category": _TfCategory,
}
