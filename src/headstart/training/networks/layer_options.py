"""Part B: what may be chosen by name when a network is built: activations, penalties, ways to shrink, and their checks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headstart.foundation.errors import UsageError

if TYPE_CHECKING:
    import keras

__all__ = ["check_choices", "check_room", "initializer_for", "parse_regularizer", "read_regularizer"]

# ReLU and its smooth relatives pass about half of the variance on.
_RELU_FAMILY = frozenset(
    ("relu", "relu6", "leaky_relu", "elu", "celu", "gelu", "silu", "swish", "hard_silu", "hard_swish", "mish")
)
_SHRINKS = ("stride", "max", "average")


def initializer_for(activation: str) -> str:
    """The initialiser that keeps the variance from layer to layer under an activation.

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
    """A penalty on weights from its name and rate: ``l1:1e-5``, ``l2:1e-4``, ``l1_l2:1e-5`` or ``l1_l2:1e-5,1e-4``.

    Args:
        regularizer: Such a text, where one rate of ``l1_l2`` stands for both; a Keras regularizer, or None.

    Raises:
        UsageError: The text cannot be read (H020).
    """
    import keras

    if regularizer is None or isinstance(regularizer, keras.Regularizer):
        return regularizer
    kind, rates = read_regularizer(str(regularizer))
    if kind == "l1_l2":
        return keras.regularizers.L1L2(l1=rates[0], l2=rates[-1])
    return keras.regularizers.L1(rates[0]) if kind == "l1" else keras.regularizers.L2(rates[0])


def read_regularizer(text: str) -> tuple[str, list[float]]:
    """The kind of penalty and its rates, without Keras.

    Raises:
        UsageError: The text cannot be read (H020).

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
        "the regularizer cannot be read",
        received=text,
        expected="l1, l2 or l1_l2 with a rate of 0 or more, as in l2:1e-4",
        advice="write l2:1e-4, or leave it out",
    )


def check_choices(shrink: str | None, padding: str, end: str = "pool") -> None:
    """Refuse names that no block knows.

    Raises:
        UsageError: A choice is none of those allowed (H021).
    """
    for choice, received, allowed in (
        ("shrink", shrink, (*_SHRINKS, None)),
        ("padding", padding, ("same", "valid")),
        ("end", end, ("pool", "flatten")),
    ):
        if received not in allowed:
            raise UsageError(
                "H021",
                "a network cannot be built like that",
                received=f"{choice}={received!r}",
                expected=f"{choice}= one of {', '.join(map(repr, allowed))}",
                advice="choose one of these, or leave it out",
            )


def check_room(side: int, kernel: int, padding: str) -> None:
    """Refuse a map that an unpadded kernel does not fit into.

    Raises:
        UsageError: It is smaller than the kernel (H022).
    """
    if padding == "valid" and side < kernel:
        raise UsageError(
            "H022",
            "the image is too small for the network",
            received=f"a map of {side} pixels a side before a kernel of {kernel} without padding",
            expected="maps at least as large as the kernel in every stage",
            advice="use padding='same', fewer filters, or larger images",
        )
