"""Dense and convolutional blocks, and whole networks that are sized to the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.training.networks.layer_options import check_choices, check_room, initializer_for, parse_regularizer

if TYPE_CHECKING:
    import keras

__all__ = ["cnn", "conv_block", "dense_block", "dnn"]

# Each batch gets a weight of 0.1. With Keras's default of 0.01, the statistics of a short training would still depend on
# their initial values, and so would the scores of the first epochs.
_MOMENTUM = 0.9
_MIN_MAP = 4  # side in pixels: a smaller feature map has lost its spatial information
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
    """Apply Dense → BatchNormalization → activation → Dropout: rows ``(batch, features)`` to ``(batch, units)``.

    Args:
        x: Rows.
        units: Width of the layer.
        activation: Keras name of an activation, which also decides the initializer. Defaults to ``"relu"``.
        dropout: Share of the units dropped in training. Defaults to 0.
        regularizer: Penalty on the kernel, in the form that ``parse_regularizer`` takes. Defaults to None.
        normalise: Whether to apply BatchNormalization. Defaults to True.
        name: Name of the Dense layer, and prefix of the other layers' names.
    """
    from keras import layers

    x = layers.Dense(
        units,
        use_bias=not normalise,  # the normalisation has its own offset, so a bias would have no effect
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
    """Apply Conv → BatchNormalization → activation → Dropout: ``(batch, height, width, channels)`` to ``(…, filters)``.

    Pooling comes before the activation, which then costs a quarter of the time. With a shortcut, the block is one step of
    a residual network (He et al., 2016, https://arxiv.org/abs/1512.03385): its input is added before the activation.

    Args:
        x: Feature maps.
        filters: Number of output channels.
        kernel: Side of the kernel in pixels. Defaults to 3.
        activation: Keras name of an activation, which also decides the initializer. Defaults to ``"relu"``.
        shrink: How to halve both sides: ``"stride"``, or ``"max"`` or ``"average"`` pooling. Defaults to None: not halved.
        padding: ``"same"``, or ``"valid"``, which shortens each side by ``kernel - 1`` pixels. Defaults to ``"same"``.
        residual: Whether to add the input, pooled and projected to the output's shape if needed. Defaults to False.
        regularizer: Penalty on the kernels, in the form that ``parse_regularizer`` takes. Defaults to None.
        dropout: Share of whole channels dropped in training, because neighbouring pixels are nearly equal. Defaults to 0.
        name: Name of the Conv layer, and prefix of the other layers' names.

    Raises:
        UsageError: ``shrink`` or ``padding`` is invalid (H021), or the maps are smaller than the kernel (H022).
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
        use_bias=False,  # the normalisation has its own offset
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
    """Bring a block's input to the shape of its output: crop, pool and project it as far as needed."""
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
    """Build a dense network up to its last hidden layer: rows ``(batch, features)`` to ``(batch, units[-1])``.

    Args:
        rows: Input of the network.
        num_samples: Number of training samples. More samples allow a wider network and need less dropout.
        units: Width of each hidden layer. Defaults to None: chosen from ``num_samples``.
        dropout: Share of the units dropped in training. Defaults to None: chosen from ``num_samples``.
        activation: Keras name of an activation. Defaults to ``"relu"``.
        regularizer: Penalty on the kernels, in the form that ``parse_regularizer`` takes. Defaults to None.
        normalise: Whether to apply BatchNormalization to rows and hidden layers. Defaults to True. On small tables, whose
            rows are standardised already and whose batches are small, networks without it were better.
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
    """Build a convolutional network up to its output layer: images (0 to 255) of any size from 20 pixels a side, to rows.

    Its first layer scales to -1..1. Each stage has two convolutions: the first halves the sides, the second keeps them.

    Args:
        image: Input of the network, ``(batch, height, width, channels)``.
        num_samples: Number of training images. More images allow more filters and need less dropout.
        filters: Channels of each stage. Defaults to None: chosen from the size of the image and ``num_samples``.
        kernel: Side of the kernels in pixels. Defaults to 3.
        shrink: How a stage halves the sides: ``"stride"``, ``"max"`` or ``"average"``. Defaults to ``"stride"``.
        padding: ``"same"`` or ``"valid"``. Defaults to ``"same"``.
        residual: Whether the second convolution of a stage has a shortcut. Defaults to True.
        activation: Keras name of an activation. Defaults to ``"relu"``.
        dropout: Share of the last row dropped in training. Defaults to None: chosen from ``num_samples``.
        regularizer: Penalty on the kernels, in the form that ``parse_regularizer`` takes. Defaults to None.
        end: ``"pool"`` (the default) averages each channel; ``"flatten"`` feeds all pixels of the last map to a dense block.

    Raises:
        UsageError: ``shrink``, ``padding`` or ``end`` is invalid (H021), or the image is too small (H022).
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
    """Channels of each stage: as many stages as the side can be halved, each twice as wide as the last, up to 256."""
    first = 16 if num_samples < 5_000 else 32 if num_samples < 50_000 else 64
    filters: list[int] = []
    side = _halved(side, kernel, padding)
    while not filters or (side >= _MIN_MAP and len(filters) < _MAX_STAGES):
        filters.append(min(first * 2 ** len(filters), 256))
        side = _halved(side, kernel, padding)
    return tuple(filters)


def _halved(side: int, kernel: int, padding: str) -> int:
    """Side of a feature map after a stage, in pixels."""
    border = kernel - 1 if padding == "valid" else 0
    return (side - border + 1) // 2 - border


def _side(x: keras.KerasTensor) -> int:
    """The shorter known side of feature maps in pixels, or 64, which every network here accepts, if neither is known."""
    return min((side for side in x.shape[1:3] if side is not None), default=64)


def _activate(x: keras.KerasTensor, activation: str, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.Activation(activation, name=f"{name}_{activation}")(x)
