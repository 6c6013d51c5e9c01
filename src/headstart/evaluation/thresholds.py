"""Decision thresholds for binary and multi-label tasks, chosen on held-out predictions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["best_threshold", "best_thresholds"]

_USUAL = 0.5
# With one standard error, chance would usually move the threshold of a calibrated model, and make it worse.
_STANDARD_ERRORS = 2.0
_MIN_F1_GAIN, _MIN_POSITIVES = 0.01, 10

Measure = Literal["accuracy", "f1"]


def best_thresholds(task: str, labels: Array, answers: Array) -> tuple[float, ...]:
    """Choose the thresholds of a task: one for binary, one per label for multilabel, none for other tasks.

    Args:
        task: A key of ``TASKS``.
        labels: True labels of samples that the model was not fitted to.
        answers: Predictions of these samples, in the columns of the task.

    Example:
        >>> best_thresholds("regression", np.array([[1.5]]), np.array([[1.4]]))
        ()
    """
    if task == "binary":
        return (best_threshold(labels, answers[:, 1]),)
    if task == "multilabel":
        return tuple(best_threshold(*column, "f1") for column in zip(labels.T, answers.T, strict=True))
    return ()


def best_threshold(labels: Array, probabilities: Array, measure: Measure = "accuracy") -> float:
    """Choose the threshold with the best accuracy or F1; 0.5 unless another one is clearly better.

    Candidates are halfway between neighbouring probabilities; of equally good ones, the one nearest to 0.5 is chosen. The
    best of many candidates looks better than it is, so the threshold stays 0.5 if the gain may be due to chance. For
    accuracy, that is a gain within two standard errors, counted over the samples that the two thresholds predict
    differently (Q. McNemar, 1947, "Note on the sampling error of the difference between correlated proportions"). For F1,
    it is a gain of at most 0.01, or any gain with fewer than 10 positives.

    Args:
        labels: 1 for the positive class and 0 for the other, shape ``(n,)``.
        probabilities: Probabilities of the positive class, shape ``(n,)``.
        measure: ``accuracy`` or ``f1``. Defaults to ``accuracy``.

    Example:
        >>> best_threshold(np.array([0] * 9 + [1] * 9), np.array([0.1] * 9 + [0.3] * 9))
        0.2
    """
    truth, scores = np.asarray(labels) == 1, np.asarray(probabilities, np.float64)
    candidates = _candidates(scores)
    # For each candidate, the number of true positives and of positive predictions.
    hits = _from(scores[truth], candidates)
    answered = _from(scores, candidates)
    if measure == "f1":
        values = 2 * hits / np.maximum(answered + truth.sum(), 1)
        chosen = _nearest_best(values, candidates)
        is_clear = truth.sum() >= _MIN_POSITIVES and values[chosen] - values[0] > _MIN_F1_GAIN
    else:
        right = 2 * hits - answered + (~truth).sum()
        chosen = _nearest_best(right, candidates)
        num_different = abs(int(answered[chosen]) - int(answered[0]))
        is_clear = right[chosen] - right[0] > _STANDARD_ERRORS * np.sqrt(num_different)
    return float(candidates[chosen]) if is_clear else _USUAL


def _candidates(scores: Array) -> Array:
    """0.5 and the midpoints of neighbouring scores; if no float lies between two scores, the upper one."""
    distinct = np.unique(scores)
    middles = (distinct[:-1] + distinct[1:]) / 2
    return np.concatenate([[_USUAL], np.where(middles > distinct[:-1], middles, distinct[1:])])


def _from(scores: Array, thresholds: Array) -> Array:
    """Number of scores that are at least each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def _nearest_best(values: Array, candidates: Array) -> int:
    best = np.flatnonzero(values == values.max())
    return int(best[np.argmin(np.abs(candidates[best] - _USUAL))])
