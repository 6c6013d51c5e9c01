"""Areas under ROC curves, each class or label against the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.evaluation.intervals import bootstrap_interval
from headstart.foundation.arrays import Array

__all__ = ["macro_area_interval", "roc_areas"]


def roc_areas(names: tuple[str, ...], truth: Array, scores: Array) -> dict[str, Any]:
    """Compute the ROC AUC of each column and their averages.

    Args:
        names: Names of the columns.
        truth: True for positives, ``(n, columns)``.
        scores: Scores, higher for more likely positives, ``(n, columns)``.

    Returns:
        ``micro``, ``macro`` (mean over the columns that have an area) and ``per_class``; None for an area that is not
        defined because positives or negatives are missing.

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
    """95% bootstrap interval of the macro AUC, from resampled samples with all their labels; None if it is not defined.

    Args:
        truth: True for positives, ``(n, columns)``.
        scores: Scores, higher for more likely positives, ``(n, columns)``.
        groups: Group number of each sample, ``(n,)``; whole groups are resampled. Defaults to None, for independent
            samples.
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
    """One column sorted by score once, so that its AUC takes only a few sums for each resample."""

    def __init__(self, truth: Array, scores: Array) -> None:
        order = np.argsort(scores, kind="stable")
        self._positives, self._negatives = order[truth[order]], order[~truth[order]]
        # AUC counts the negatives scored below each positive, and ties as one half.
        below = scores[self._negatives]
        self._under = np.searchsorted(below, scores[self._positives], side="left")
        self._upto = np.searchsorted(below, scores[self._positives], side="right")

    def areas(self, counts: Array) -> Array:
        """AUC for each row of counts ``(resamples, n)``; NaN for a row without positives or negatives."""
        of_positives, of_negatives = counts[:, self._positives], counts[:, self._negatives]
        sums = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(of_negatives, axis=1)], axis=1)
        right = (of_positives * (sums[:, self._under] + sums[:, self._upto])).sum(axis=1) / 2
        pairs = of_positives.sum(axis=1) * of_negatives.sum(axis=1).astype(np.float64)
        areas: Array = right / np.where(pairs > 0, pairs, np.nan)
        return areas
