"""Options of networks given by name: initializers, regularizers, ways to shrink, and their checks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headstart.foundation.errors import UsageError

if TYPE_CHECKING:
    import keras

__all__ = [
    "check_choices",
    "check_room",
    "embedding_width",
    "initializer_for",
    "parse_regularizer",
    "read_regularizer",
    "select_columns",
]

# Activations that roughly halve the variance.
_RELU_FAMILY = frozenset(
    ("relu", "relu6", "leaky_relu", "elu", "celu", "gelu", "silu", "swish", "hard_silu", "hard_swish", "mish")
)
_SHRINKS = ("stride", "max", "average")


def initializer_for(activation: str) -> str:
    """Choose the initializer that keeps the variance constant from layer to layer for an activation.

    ``he_normal`` for the ReLU family (He et al., 2015, https://arxiv.org/abs/1502.01852), ``lecun_normal`` for selu
    (Klambauer et al., 2017, https://arxiv.org/abs/1706.02515), ``glorot_uniform`` for all others (Glorot and Bengio, 2010).

    Example:
        >>> initializer_for("relu"), initializer_for("selu"), initializer_for("tanh")
        ('he_normal', 'lecun_normal', 'glorot_uniform')
    """
    if activation in _RELU_FAMILY:
        return "he_normal"
    return "lecun_normal" if activation == "selu" else "glorot_uniform"


def parse_regularizer(regularizer: str | keras.Regularizer | None) -> keras.Regularizer | None:
    """Create a Keras regularizer from text: ``l1:1e-5``, ``l2:1e-4``, ``l1_l2:1e-5`` or ``l1_l2:1e-5,1e-4``.

    Args:
        regularizer: Text as above, where a single rate of ``l1_l2`` is used for both; a Keras regularizer; or None.

    Raises:
        UsageError: The text is not a regularizer (H020).
    """
    import keras

    if regularizer is None or isinstance(regularizer, keras.Regularizer):
        return regularizer
    kind, rates = read_regularizer(str(regularizer))
    if kind == "l1_l2":
        return keras.regularizers.L1L2(l1=rates[0], l2=rates[-1])
    return keras.regularizers.L1(rates[0]) if kind == "l1" else keras.regularizers.L2(rates[0])


def read_regularizer(text: str) -> tuple[str, list[float]]:
    """Parse a regularizer into its kind and rates, without importing Keras.

    Raises:
        UsageError: The text is not a regularizer (H020).

    Example:
        >>> read_regularizer("l1_l2:1e-5,1e-4")
        ('l1_l2', [1e-05, 0.0001])
    """
    kind, _, after = text.partition(":")
    try:
        rates = [float(rate) for rate in after.split(",")]
    except ValueError:
        rates = []
    most = {"l1": 1, "l2": 1, "l1_l2": 2}.get(kind, 0)
    if 1 <= len(rates) <= most and all(math.isfinite(rate) and rate >= 0 for rate in rates):
        return kind, rates
    raise UsageError(
        "H020",
        "unknown regularizer",
        received=text,
        expected="l1, l2 or l1_l2 with a rate of 0 or more, as in l2:1e-4",
        advice="write l2:1e-4, or leave it out",
    )


def check_choices(shrink: str | None, padding: str, end: str = "pool") -> None:
    """Reject unknown values of the options ``shrink``, ``padding`` and ``end``.

    Raises:
        UsageError: A value is not allowed (H021).
    """
    for choice, received, allowed in (
        ("shrink", shrink, (*_SHRINKS, None)),
        ("padding", padding, ("same", "valid")),
        ("end", end, ("pool", "flatten")),
    ):
        if received not in allowed:
            raise UsageError(
                "H021",
                "invalid network option",
                received=f"{choice}={received!r}",
                expected=f"{choice}= one of {', '.join(map(repr, allowed))}",
                advice="choose one of these, or leave it out",
            )


def check_room(side: int, kernel: int, padding: str) -> None:
    """Reject a feature map that is smaller than a kernel without padding.

    Raises:
        UsageError: The feature map is smaller than the kernel (H022).
    """
    if padding == "valid" and side < kernel:
        raise UsageError(
            "H022",
            "the image is too small for the network",
            received=f"a feature map with a side of {side} pixels, and a kernel of {kernel} without padding",
            expected="feature maps at least as large as the kernel in every stage",
            advice="use padding='same', fewer filters, or larger images",
        )


def embedding_width(num_codes: int) -> int:
    """Width of the embedding of a category, by fastai's rule."""
    return int(min(32, round(1.6 * num_codes**0.56)))


def select_columns(rows: keras.KerasTensor, first: int, number: int) -> keras.KerasTensor:
    """Select columns of the rows, with layers that every export format supports."""
    from keras import layers

    column_by_column = layers.Reshape((rows.shape[-1], 1))(rows)
    chosen = layers.Cropping1D((first, rows.shape[-1] - first - number))(column_by_column)
    return layers.Reshape((number,))(chosen)
