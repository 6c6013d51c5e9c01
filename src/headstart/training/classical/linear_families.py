"""Link, loss and initial bias of a linear head for each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["FAMILIES", "Family"]


class Family(NamedTuple):
    """Functions that define a linear model: from logits to predictions, the loss, and the initial bias.

    In every family, the gradient of the loss with respect to the logits is ``predictions - truth``.

    Attributes:
        link: Function from logits ``(n, outputs)`` to predictions.
        loss: Function from truth and predictions, both ``(n, outputs)``, to the loss of each prediction, ``(n, outputs)``.
        start: Function from the mean truth ``(outputs,)`` to the initial bias.
    """

    link: Callable[[Array], Array]
    loss: Callable[[Array, Array], Array]
    start: Callable[[Array], Array]


def _softmax(logits: Array) -> Array:
    shifted = np.exp(np.asarray(logits, np.float64) - logits.max(axis=1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def _sigmoid(logits: Array) -> Array:
    from scipy.special import expit

    result: Array = expit(np.asarray(logits, np.float64))
    return result


def _cross_entropy(truth: Array, probabilities: Array) -> Array:
    """Cross-entropy of the true classes only."""
    result: Array = -truth * np.log(np.clip(probabilities, 1e-12, 1))
    return result


def _binary_cross_entropy(truth: Array, probabilities: Array) -> Array:
    return _cross_entropy(truth, probabilities) + _cross_entropy(1 - truth, 1 - probabilities)


def _log_share(share: Array) -> Array:
    result: Array = np.log(np.clip(share, 1e-9, 1))
    return result


def _log_odds(share: Array) -> Array:
    share = np.clip(share, 1e-4, 1 - 1e-4)
    result: Array = np.log(share / (1 - share))
    return result


def _identity(values: Array) -> Array:
    result: Array = np.asarray(values, np.float64)
    return result


def _half_square(truth: Array, values: Array) -> Array:
    result: Array = np.square(values - truth) / 2
    return result


_SOFTMAX = Family(_softmax, _cross_entropy, _log_share)

_SIGMOIDS = Family(_sigmoid, _binary_cross_entropy, _log_odds)

FAMILIES = {
    "binary": _SOFTMAX,
    "multiclass": _SOFTMAX,
    "multilabel": _SIGMOIDS,
    "one_vs_rest": _SIGMOIDS,
    "regression": Family(_identity, _half_square, _identity),
}
