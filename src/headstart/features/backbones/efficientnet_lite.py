"""EfficientNet-Lite, built from one list of rows both as a Keras network and as an OpenVINO graph.

The network is EfficientNet (Tan and Le, 2019, https://arxiv.org/abs/1905.11946) in the Lite variant that Google published
for mobile devices: no squeeze-and-excitation, ReLU6 instead of swish, and a stem and a head of fixed width. Batch
normalisation uses epsilon 1e-3, and padding is TensorFlow's SAME.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.features.backbones.network_weights import set_weights

if TYPE_CHECKING:
    import keras
    import openvino

__all__ = ["Conv", "Weights", "keras_network", "openvino_network", "rows", "stages"]

Weights = dict[str, np.ndarray[Any, Any]]

_EPSILON = 1e-3
_STAGES = (  # expansion, kernel, stride, filters, repeats
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


@dataclass(frozen=True)
class Conv:
    """One row of the network: a convolution with batch normalisation, followed by ReLU6 unless it is a projection.

    ``source`` names the convolution and the normalisation in the checkpoint. A residual block starts at a row with ``opens``
    and ends at a row with ``adds``, which adds the block's input. ``ends`` is the name of the stage that ends with the row:
    every path through the network crosses the row's output.
    """

    name: str
    source: tuple[str, str]
    filters: int
    kernel: int
    stride: int = 1
    depthwise: bool = False
    activation: bool = True
    opens: bool = False
    adds: bool = False
    ends: str = ""


def rows(width: float, depth: float) -> Iterator[Conv]:
    """Yield the rows of the network from stem to head, for a width and a depth multiplier."""
    yield Conv("stem_conv", ("_conv_stem", "_bn0"), 32, 3, stride=2, ends="stem")
    filters_in, block = 32, 0
    for stage, (expansion, kernel, first_stride, base_filters, base_repeats) in enumerate(_STAGES, start=1):
        filters = _round_filters(base_filters * width)
        repeats = base_repeats if stage in (1, len(_STAGES)) else math.ceil(base_repeats * depth)
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            name, source = f"stage{stage}_block{repeat + 1}", f"_blocks.{block}."
            wide = filters_in * expansion
            if expansion > 1:
                expand = (source + "_expand_conv", source + "_bn0")
                yield Conv(f"{name}_expand", expand, wide, 1, opens=True)
            depthwise = (source + "_depthwise_conv", source + "_bn1")
            yield Conv(f"{name}_depthwise", depthwise, wide, kernel, stride, depthwise=True, opens=expansion == 1)
            project = (source + "_project_conv", source + "_bn2")
            adds = stride == 1 and filters_in == filters
            yield Conv(f"{name}_project", project, filters, 1, activation=False, adds=adds, ends=name)
            filters_in, block = filters, block + 1
    yield Conv("head_conv", ("_conv_head", "_bn1"), 1280, 1, ends="head")


def keras_network(image: keras.KerasTensor, width: float, depth: float, weights: Weights | None) -> keras.KerasTensor:
    """Build the network in Keras, from images (0 to 255) to the last feature map, ``(batch, height, width, 1280)``.

    With ``weights=None``, the weights stay random, to be replaced by those of a saved model.
    """
    from keras import layers

    x = layers.Rescaling(1 / 128, -127 / 128, name="scale")(image)
    shortcut = x
    loads = []
    for row in rows(width, depth):
        shortcut = x if row.opens else shortcut
        kind = layers.DepthwiseConv2D if row.depthwise else layers.Conv2D
        filters = () if row.depthwise else (row.filters,)
        conv = kind(*filters, row.kernel, row.stride, padding="same", use_bias=False, name=row.name)
        is_last = not row.activation and not row.adds
        norm = layers.BatchNormalization(epsilon=_EPSILON, name=row.ends if is_last else f"{row.name}_bn")
        x = norm(conv(x))
        if row.activation:
            x = layers.ReLU(6.0, name=row.ends or f"{row.name}_relu")(x)
        if row.adds:
            x = layers.Add(name=row.ends)([x, shortcut])
        loads.append((conv, norm, row))
    if weights is None:
        return x
    for conv, norm, row in loads:
        kernel, scale, offset, mean, variance = _arrays(row, weights)
        # PyTorch stores (out, in, h, w), Keras (h, w, in, out), and (h, w, channels, 1) for a depthwise kernel.
        set_weights(conv, [kernel.transpose(2, 3, 0, 1) if row.depthwise else kernel.transpose(2, 3, 1, 0)])
        set_weights(norm, [scale, offset, mean, variance])
    return x


def openvino_network(image: openvino.Node, width: float, depth: float, weights: Weights, stage: str) -> openvino.Node:
    """Build the network up to a stage from OpenVINO operations, channels first, without TensorFlow.

    Args:
        image: Float32 node of images (0 to 255), ``(batch, height, width, 3)``.
        width: Width multiplier.
        depth: Depth multiplier.
        weights: Arrays of the checkpoint; normalisation is folded into the kernels.
        stage: Last stage to build; ``head`` is the last feature map, ``(batch, 1280, height, width)``.
    """
    from openvino import opset13 as ops

    scaled = ops.multiply(ops.subtract(image, np.float32(127)), np.float32(1 / 128))
    x = shortcut = ops.transpose(scaled, np.array([0, 3, 1, 2]))
    for row in rows(width, depth):
        shortcut = x if row.opens else shortcut
        kernel, scale, offset, mean, variance = _arrays(row, weights)
        factor = scale / np.sqrt(variance + _EPSILON)
        folded = kernel * factor[:, None, None, None]
        settings = ([row.stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper")
        x = ops.group_convolution(x, folded[:, None], *settings) if row.depthwise else ops.convolution(x, folded, *settings)
        x = ops.add(x, (offset - mean * factor)[None, :, None, None])
        if row.activation:
            x = ops.clamp(x, 0.0, 6.0)
        if row.adds:
            x = ops.add(x, shortcut)
        if row.ends == stage:
            break
    return x


def stages(width: float, depth: float) -> tuple[str, ...]:
    """Return the names of the stages in order, from ``stem`` to ``head``. Keras layers of these names produce them."""
    return tuple(row.ends for row in rows(width, depth) if row.ends)


def _arrays(row: Conv, weights: Weights) -> tuple[np.ndarray[Any, Any], ...]:
    conv, norm = row.source
    names = (f"{conv}.weight", f"{norm}.weight", f"{norm}.bias", f"{norm}.running_mean", f"{norm}.running_var")
    return tuple(weights[name] for name in names)


def _round_filters(filters: float, divisor: int = 8) -> int:
    rounded = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * filters else rounded
