"""Evaluation: what to look at. The answers that were most wrong, and those that were most unsure."""

from __future__ import annotations

import numpy as np

from headstart.metrics import Evaluation

__all__ = ["most_unsure", "most_wrong"]


def most_wrong(evaluation: Evaluation, k: int) -> list[int]:
    """Positions of at most ``k`` mistakes, the least probability for the true class first.

    These are the samples that cost the most loss: wrong labels, odd images, or a class the model has not understood.

    Example:
        >>> from headstart.metrics import evaluate_predictions
        >>> rows = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]
        >>> most_wrong(evaluate_predictions("binary", ["cat", "dog"], [1, 1, 1], rows, split="test"), 5)
        [0, 1]
    """
    mistakes = np.flatnonzero(evaluation.predicted != evaluation.labels)
    credit = evaluation.probabilities[mistakes, evaluation.labels[mistakes]]
    # Stable, so that equal probabilities keep the order of the samples and the report stays the same.
    return [int(position) for position in mistakes[np.argsort(credit, kind="stable")][:k]]


def most_unsure(evaluation: Evaluation, k: int) -> list[int]:
    """Positions of the ``k`` samples nearest to another answer, right or wrong.

    For two classes that is the distance of the second class's probability from the threshold, for more the margin
    between the two most probable classes. Labelling more images like these teaches the model the most.

    Example:
        >>> from headstart.metrics import evaluate_predictions
        >>> rows = [[0.9, 0.1], [0.45, 0.55], [0.3, 0.7]]
        >>> most_unsure(evaluate_predictions("binary", ["cat", "dog"], [0, 1, 1], rows, split="test"), 2)
        [1, 2]
    """
    if evaluation.task == "binary":
        margin = np.abs(evaluation.probabilities[:, 1] - evaluation.threshold)
    else:
        top = np.partition(evaluation.probabilities, -2, axis=1)[:, -2:]
        margin = top[:, 1] - top[:, 0]
    return [int(position) for position in np.argsort(margin, kind="stable")[:k]]
