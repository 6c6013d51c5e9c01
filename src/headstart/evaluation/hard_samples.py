"""Find the samples worth looking at: the worst and the most uncertain predictions."""

from __future__ import annotations

import numpy as np

from headstart.evaluation.classification import Classification
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.multilabel import MultiLabel
from headstart.evaluation.regression import Regression
from headstart.foundation.arrays import Array

__all__ = ["credit", "margin", "most_unsure", "most_wrong"]


def most_wrong(evaluation: Evaluation, k: int) -> list[int]:
    """Positions of at most ``k`` wrong predictions, the worst first.

    The worst prediction is the one with the lowest probability of the true class, for several labels the lowest joint
    probability of all true labels, and for values the largest error relative to the standard deviation of the truth. Such
    samples often have a wrong label, are unusual, or show something that the model has not learned.

    Example:
        >>> from headstart.evaluation.evaluate import evaluate_predictions
        >>> rows = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]
        >>> most_wrong(evaluate_predictions("binary", ["cat", "dog"], [1, 1, 1], rows, split="test"), 5)
        [0, 1]
    """
    is_wrong = (evaluation.predicted != evaluation.labels).reshape(len(evaluation), -1).any(axis=1)
    mistakes = np.flatnonzero(is_wrong)
    # A stable sort keeps ties in the order of the samples, so that the report is reproducible.
    return [int(position) for position in mistakes[np.argsort(credit(evaluation)[mistakes], kind="stable")][:k]]


def credit(evaluation: Evaluation) -> Array:
    """Number by which ``most_wrong`` sorts, for each prediction; lower is worse.

    It is the probability of the true class, the logarithm of the joint probability of all true labels, or minus the error in
    standard deviations of the true values, as a mean over the targets.
    """
    labels, answers = evaluation.labels, evaluation.answers
    if isinstance(evaluation, Classification):
        return answers[np.arange(len(labels)), labels]
    if isinstance(evaluation, MultiLabel):
        joint: Array = np.log(np.clip(np.where(labels == 1, answers, 1 - answers), 1e-7, 1)).sum(axis=1)
        return joint
    spread = labels.std(axis=0)
    nearness: Array = -(np.abs(answers - labels) / np.where(spread > 0, spread, 1.0)).mean(axis=1)
    return nearness


def most_unsure(evaluation: Evaluation, k: int) -> list[int]:
    """Positions of the ``k`` most uncertain predictions, right or wrong; none for regression.

    Uncertainty is measured by the distance of the positive class's probability from the threshold (binary), by the margin
    between the two most probable classes (multiclass), or by the smallest distance of a label's probability from its
    threshold (multilabel). The model learns the most from more labelled samples like these.

    Example:
        >>> from headstart.evaluation.evaluate import evaluate_predictions
        >>> rows = [[0.9, 0.1], [0.45, 0.55], [0.3, 0.7]]
        >>> most_unsure(evaluate_predictions("binary", ["cat", "dog"], [0, 1, 1], rows, split="test"), 2)
        [1, 2]
    """
    if isinstance(evaluation, Regression):
        return []
    return [int(position) for position in np.argsort(margin(evaluation), kind="stable")[:k]]


def margin(evaluation: Evaluation) -> Array:
    """Number by which ``most_unsure`` sorts, for each prediction of classes or labels; lower is less certain."""
    if isinstance(evaluation, MultiLabel):
        thresholds = np.array([evaluation.thresholds[name] for name in evaluation.classes])
        least: Array = np.abs(evaluation.answers - thresholds).min(axis=1)
        return least
    if isinstance(evaluation, Classification) and evaluation.task == "binary":
        return np.abs(evaluation.answers[:, 1] - evaluation.threshold)
    top = np.partition(evaluation.answers, -2, axis=1)[:, -2:]
    lead: Array = top[:, 1] - top[:, 0]
    return lead
