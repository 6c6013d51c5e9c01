"""Evaluation: areas under ROC curves, each class or label against the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.evaluation.intervals import bootstrap_interval
from headstart.foundation.arrays import Array

__all__ = ["macro_area_interval", "roc_areas"]


def roc_areas(names: tuple[str, ...], truth: Array, scores: Array) -> dict[str, Any]:
    """``micro``, ``macro`` (mean of those that have one) and ``per_class``; None where positives or negatives are missing.

    Args:
        names: Names of the columns.
        truth: True for positives, ``(n, columns)``.
        scores: The higher, the more likely positive, ``(n, columns)``.

    Example:
        >>> areas = roc_areas(("cat", "dog"), np.eye(2) == 1, np.array([[0.9, 0.1], [0.8, 0.2]]))
        >>> areas["micro"], areas["per_class"]
        (0.75, {'cat': 1.0, 'dog': 1.0})
    """
    per_class = {name: _area(truth[:, k], scores[:, k]) for k, name in enumerate(names)}
    known = [area for area in per_class.values() if area is not None]
    return {
        "micro": _area(truth.ravel(), scores.ravel()),
        "macro": float(np.mean(known)) if known else None,
        "per_class": per_class,
    }


def _area(truth: Array, scores: Array) -> float | None:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores)) if truth.any() and not truth.all() else None


def macro_area_interval(truth: Array, scores: Array, groups: Array | None = None) -> tuple[float, float] | None:
    """The 95% interval of the macro mean, by resampling samples with all their labels; None where nothing defines it.

    Args:
        truth: True for positives, ``(n, columns)``.
        scores: The higher, the more likely positive, ``(n, columns)``.
        groups: Group number of each sample, which are then resampled whole; None where samples are independent.
    """
    columns = [_Ranked(truth[:, k], scores[:, k]) for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    if not columns:
        return None

    def macro(counts: Array) -> Array:
        areas = np.stack([column.areas(counts) for column in columns])
        known = np.isfinite(areas)
        means: Array = np.where(known, areas, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
        return means

    return bootstrap_interval(macro, len(truth), cost=len(columns), groups=groups)


class _Ranked:
    """One column in the order of its scores, so that its area is a few sums for any counts of the samples."""

    def __init__(self, truth: Array, scores: Array) -> None:
        order = np.argsort(scores, kind="stable")
        self._positives, self._negatives = order[truth[order]], order[~truth[order]]
        # A positive is in the right order with the negatives below it, and half so with those of the same score.
        below = scores[self._negatives]
        self._under = np.searchsorted(below, scores[self._positives], side="left")
        self._upto = np.searchsorted(below, scores[self._positives], side="right")

    def areas(self, counts: Array) -> Array:
        """The area for each row of counts, NaN where a row has no positives or no negatives."""
        of_positives, of_negatives = counts[:, self._positives], counts[:, self._negatives]
        sums = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(of_negatives, axis=1)], axis=1)
        right = (of_positives * (sums[:, self._under] + sums[:, self._upto])).sum(axis=1) / 2
        pairs = of_positives.sum(axis=1) * of_negatives.sum(axis=1).astype(np.float64)
        areas: Array = right / np.where(pairs > 0, pairs, np.nan)
        return areas
