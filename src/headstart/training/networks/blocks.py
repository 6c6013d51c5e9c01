"""Part B: the blocks that networks are built from, and whole networks sized to the data: dense and convolutional."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.training.networks.layer_options import check_choices, check_room, initializer_for, parse_regularizer

if TYPE_CHECKING:
    import keras

__all__ = ["cnn", "conv_block", "dense_block", "dnn"]

# A share of 0.1 of the newest batch: with the usual 0.01 the statistics of a short training still remember their start,
# and the first epochs are judged by numbers that are not the network's.
_MOMENTUM = 0.9
_SMALLEST_MAP = 4  # pixels a side: a smaller one holds no place any more
_MAX_STAGES = 5


def dense_block(
    x: keras.KerasTensor,
    units: int,
    *,
    activation: str = "relu",
    dropout: float = 0.0,
    regularizer: str | keras.Regularizer | None = None,
    normalise: bool = True,
    name: str,
) -> keras.KerasTensor:
    """Dense → BatchNormalization → activation → Dropout: rows ``(batch, features)`` to ``(batch, units)``.

    Args:
        x: Rows.
        units: Length of a row of the output.
        activation: Keras's name of an activation; the initialiser follows it.
        dropout: Share of the units that is left out in training.
        regularizer: Penalty on the kernel, as ``parse_regularizer`` reads it.
        normalise: Whether there is a BatchNormalization.
        name: Name of the Dense layer, and first part of the other layers' names.
    """
    from keras import layers

    x = layers.Dense(
        units,
        use_bias=not normalise,  # the normalisation brings its own offset, so that a bias would do nothing
        kernel_initializer=initializer_for(activation),
        kernel_regularizer=parse_regularizer(regularizer),
        name=name,
    )(x)
    if normalise:
        x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    x = _activate(x, activation, name)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x


def conv_block(  # noqa: PLR0913 - every argument is a choice that a plan may make
    x: keras.KerasTensor,
    filters: int,
    *,
    kernel: int = 3,
    activation: str = "relu",
    shrink: str | None = None,
    padding: str = "same",
    residual: bool = False,
    regularizer: str | keras.Regularizer | None = None,
    dropout: float = 0.0,
    name: str,
) -> keras.KerasTensor:
    """Conv → BatchNormalization → activation → Dropout: maps ``(batch, height, width, channels)`` to ``(…, filters)``.

    Pooling stands before the activation, where it saves three quarters of it. With a shortcut the block is one step of a
    residual network (He et al., 2016, https://arxiv.org/abs/1512.03385): what goes in is added before the activation.

    Args:
        x: Maps.
        filters: Channels of the output.
        kernel: Pixels a side of the filters.
        activation: Keras's name of an activation; the initialiser follows it.
        shrink: Halve both sides by ``"stride"``, ``"max"`` or ``"average"`` pooling; None keeps them.
        padding: ``"same"``, or ``"valid"``, which takes ``kernel - 1`` pixels off each side's length.
        residual: Whether to add the input. Where its shape differs it is pooled and projected, as is usual.
        regularizer: Penalty on the kernels, as ``parse_regularizer`` reads it.
        dropout: Share of whole channels that is left out in training; neighbouring pixels say nearly the same.
        name: Name of the Conv layer, and first part of the other layers' names.

    Raises:
        UsageError: ``shrink`` or ``padding`` is none of these (H021), or the maps are smaller than the kernel (H022).
    """
    from keras import layers

    check_choices(shrink, padding)
    check_room(_side(x), kernel, padding)
    shortcut, penalty = x, parse_regularizer(regularizer)
    x = layers.Conv2D(
        filters,
        kernel,
        strides=2 if shrink == "stride" else 1,
        padding=padding,
        use_bias=False,  # the normalisation brings its own offset
        kernel_initializer=initializer_for(activation),
        kernel_regularizer=penalty,
        name=name,
    )(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    if shrink in ("max", "average"):
        pooling = layers.MaxPooling2D if shrink == "max" else layers.AveragePooling2D
        x = pooling(2, padding="same", name=f"{name}_{shrink}")(x)
    if residual:
        border = kernel - 1 if padding == "valid" else 0
        shortcut = _shortcut(shortcut, x.shape[-1], border, is_halved=shrink is not None, name=name)
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    x = _activate(x, activation, name)
    return layers.SpatialDropout2D(dropout, name=f"{name}_dropout")(x) if dropout else x


def _shortcut(x: keras.KerasTensor, filters: int, border: int, *, is_halved: bool, name: str) -> keras.KerasTensor:
    """The block's input in the shape of its output: cropped, pooled and projected as far as each is needed."""
    from keras import layers

    if border:
        before = border // 2
        x = layers.Cropping2D(((before, border - before),) * 2, name=f"{name}_crop")(x)
    if is_halved:
        x = layers.AveragePooling2D(2, padding="same", name=f"{name}_halve")(x)
    if x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer="lecun_normal", name=f"{name}_project")(x)
        x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_project_bn")(x)
    return x


def dnn(
    rows: keras.KerasTensor,
    *,
    num_samples: int,
    units: Sequence[int] | None = None,
    dropout: float | None = None,
    activation: str = "relu",
    regularizer: str | keras.Regularizer | None = None,
    normalise: bool = True,
) -> keras.KerasTensor:
    """A dense network up to its last hidden layer: rows ``(batch, features)`` to ``(batch, units[-1])``.

    Args:
        rows: Its input.
        num_samples: Training samples: more of them allow a wider network and need less dropout.
        units: Width of each hidden layer; None fits them to the data.
        dropout: Share of the units left out in training; None fits it to the data.
        activation: Keras's name of an activation.
        regularizer: Penalty on the kernels, as ``parse_regularizer`` reads it.
        normalise: Whether rows and hidden layers go through a BatchNormalization. On small tables, whose rows are
            standardised already and whose batches are small, networks without it were better.
    """
    from keras import layers

    if units is None:
        widest = int(2 ** round(math.log2(min(max(4 * math.sqrt(num_samples), 32), 512))))
        units = (widest, widest // 2)
    if dropout is None:
        dropout = 0.3 if num_samples < 10_000 else 0.1
    x = rows
    if normalise:
        x = layers.BatchNormalization(momentum=_MOMENTUM, scale=False, center=False, name="normalise")(x)
    for number, width in enumerate(units, 1):
        settings = {"dropout": dropout, "regularizer": regularizer, "normalise": normalise}
        x = dense_block(x, width, activation=activation, name=f"hidden_{number}", **settings)  # type: ignore[arg-type]
    return x


def cnn(  # noqa: PLR0913 - every argument is a choice that a plan may make
    image: keras.KerasTensor,
    *,
    num_samples: int,
    filters: Sequence[int] | None = None,
    kernel: int = 3,
    shrink: str = "stride",
    padding: str = "same",
    residual: bool = True,
    activation: str = "relu",
    dropout: float | None = None,
    regularizer: str | keras.Regularizer | None = None,
    end: str = "pool",
) -> keras.KerasTensor:
    """A convolutional network up to its output layer: images of 0..255, ``(batch, height, width, channels)``, to rows.

    A stage halves the sides and then looks once more at the same size. Scaling to -1..1 is its first layer.

    Args:
        image: Its input, of any size from 20 pixels a side.
        num_samples: Training images: more of them allow more filters and need less dropout.
        filters: Channels of each stage; None fits their number to the side and to the samples.
        kernel: Pixels a side of the filters.
        shrink: ``"stride"``, ``"max"`` or ``"average"``: how a stage halves the sides.
        padding: ``"same"`` or ``"valid"``.
        residual: Whether the second look of a stage has a shortcut.
        activation: Keras's name of an activation.
        dropout: Share of the last row left out in training; None fits it to the data.
        regularizer: Penalty on the kernels, as ``parse_regularizer`` reads it.
        end: ``"pool"``: the mean of each channel; ``"flatten"``: every pixel of the last map, and a dense block on them.

    Raises:
        UsageError: ``shrink``, ``padding`` or ``end`` is none of these (H021), or the image is too small (H022).
    """
    from keras import layers

    check_choices(shrink, padding, end)
    if filters is None:
        filters = _filters(_side(image), num_samples, kernel, padding)
    if dropout is None:
        dropout = 0.3 if num_samples < 10_000 else 0.1
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    for number, width in enumerate(filters, 1):
        for look, halving in (("a", shrink), ("b", None)):
            x = conv_block(
                x,
                width,
                kernel=kernel,
                activation=activation,
                shrink=halving,
                padding=padding,
                residual=residual and halving is None,
                regularizer=regularizer,
                name=f"stage_{number}{look}",
            )
    if end == "flatten":
        x = layers.Flatten(name="flatten")(x)
        return dense_block(x, 128, activation=activation, dropout=dropout, regularizer=regularizer, name="hidden")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.Dropout(dropout, name="pool_dropout")(x) if dropout else x


def _filters(side: int, num_samples: int, kernel: int, padding: str) -> tuple[int, ...]:
    """Channels of each stage: as many stages as the side can be halved, twice as wide each time, up to 256."""
    first = 16 if num_samples < 5_000 else 32 if num_samples < 50_000 else 64
    found: list[int] = []
    side = _halved(side, kernel, padding)
    while not found or (side >= _SMALLEST_MAP and len(found) < _MAX_STAGES):
        found.append(min(first * 2 ** len(found), 256))
        side = _halved(side, kernel, padding)
    return tuple(found)


def _halved(side: int, kernel: int, padding: str) -> int:
    """Pixels a side behind a stage."""
    border = kernel - 1 if padding == "valid" else 0
    return (side - border + 1) // 2 - border


def _side(x: keras.KerasTensor) -> int:
    """The shorter known side of maps, in pixels; where neither is known, a side that every network here can take."""
    return min((side for side in x.shape[1:3] if side is not None), default=64)


def _activate(x: keras.KerasTensor, activation: str, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.Activation(activation, name=f"{name}_{activation}")(x)
