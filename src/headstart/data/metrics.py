"""Loss of each sample, whose mean is ``val_loss``, and the main metric of each task."""

from __future__ import annotations

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["accuracy", "binary_cross_entropies", "cross_entropies", "macro_auc", "r2", "squared_errors"]

_MIN = 1e-7  # of a probability whose logarithm is taken


def cross_entropies(labels: Array, probabilities: Array) -> Array:
    """Cross-entropy of each sample in nats, ``(n,)``; probabilities are clipped at 1e-7 and normalised.

    Args:
        labels: Label numbers, ``(n,)``.
        probabilities: ``(n, classes)``.
    """
    clipped = np.clip(np.asarray(probabilities, np.float64), _MIN, 1.0)
    clipped /= clipped.sum(axis=1, keepdims=True)
    losses: Array = -np.log(clipped[np.arange(len(labels)), labels])
    return losses


def binary_cross_entropies(labels: Array, probabilities: Array) -> Array:
    """Binary cross-entropy of each sample in nats, averaged over its labels, ``(n,)``; arguments are ``(n, labels)``."""
    of_truth = np.where(labels == 1, probabilities, 1 - np.asarray(probabilities, np.float64))
    losses: Array = -np.log(np.clip(of_truth, _MIN, 1.0)).mean(axis=1)
    return losses


def squared_errors(labels: Array, values: Array) -> Array:
    """Squared error of each sample, averaged over its targets, ``(n,)``; arguments are ``(n, targets)``."""
    losses: Array = np.square(np.asarray(values, np.float64) - labels).mean(axis=1)
    return losses


def accuracy(labels: Array, probabilities: Array) -> float:
    """Share of samples whose most probable class is the true one; labels ``(n,)``, probabilities ``(n, classes)``."""
    return float((probabilities.argmax(axis=1) == labels).mean())


def macro_auc(labels: Array, probabilities: Array) -> float:
    """Mean area under the ROC curve over labels that are present in some samples and absent in others; 0.5 if none is.

    The area is computed by ranks as the share of correctly ordered pairs (Mann and Whitney, 1947). Both arguments are
    ``(n, labels)``.
    """
    areas = []
    for truth, scores in zip(labels.T == 1, np.asarray(probabilities).T, strict=True):
        num_positive, num_negative = int(truth.sum()), int((~truth).sum())
        if num_positive and num_negative:
            above = _ranks(scores)[truth].sum() - num_positive * (num_positive + 1) / 2
            areas.append(above / (num_positive * num_negative))
    return float(np.mean(areas)) if areas else 0.5


def _ranks(values: Array) -> Array:
    """Ranks from 1; equal values have their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Array = (last - (counts - 1) / 2)[places]
    return shared


def r2(labels: Array, values: Array) -> float:
    """Coefficient of determination, averaged over targets; 0 for a target that does not vary."""
    residual = np.square(np.asarray(values, np.float64) - labels).sum(axis=0)
    total = np.square(labels - labels.mean(axis=0)).sum(axis=0)
    varies = (labels.min(axis=0) < labels.max(axis=0)) & (total > 0)  # rounding can make the mean of equal numbers differ
    return float(np.where(varies, 1 - residual / np.where(varies, total, 1.0), 0.0).mean())
