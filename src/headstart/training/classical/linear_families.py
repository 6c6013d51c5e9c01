"""Part B: what the outputs of a linear head are: their link, their loss, and where to start, for each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["FAMILIES", "Family"]


class Family(NamedTuple):
    """What the outputs are: how logits become answers, what a wrong answer costs, and where to start.

    For each of these the slope of the loss in the logits is ``answers - truth``.

    Attributes:
        link: Logits ``(n, outputs)`` to answers.
        loss: Truth and answers, both ``(n, outputs)``, to what each answer costs, ``(n, outputs)``.
        start: Of the biases, from the mean truth ``(outputs,)``.
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


def _surprise(truth: Array, probabilities: Array) -> Array:
    """Of the classes that are true."""
    result: Array = -truth * np.log(np.clip(probabilities, 1e-12, 1))
    return result


def _both_surprises(truth: Array, probabilities: Array) -> Array:
    return _surprise(truth, probabilities) + _surprise(1 - truth, 1 - probabilities)


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


_SOFTMAX = Family(_softmax, _surprise, _log_share)

_SIGMOIDS = Family(_sigmoid, _both_surprises, _log_odds)

FAMILIES = {
    "binary": _SOFTMAX,
    "multiclass": _SOFTMAX,
    "multilabel": _SIGMOIDS,
    "one_vs_rest": _SIGMOIDS,
    "regression": Family(_identity, _half_square, _identity),
}
