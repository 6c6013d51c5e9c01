"""Evaluate predictions: dispatches to the evaluation of each task."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation.classification import evaluate_classes
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.multilabel import evaluate_labels
from headstart.evaluation.regression import evaluate_values
from headstart.foundation.arrays import Array

__all__ = ["evaluate_predictions"]


def evaluate_predictions(
    task: str,
    classes: Sequence[str],
    labels: Array,
    answers: Array,
    *,
    split: str,
    thresholds: Sequence[float] = (),
    groups: Array | None = None,
) -> Evaluation:
    """Compare the outputs of a model with the true labels. Metrics that scikit-learn also has equal scikit-learn's.

    Args:
        task: A key of ``TASKS``: ``binary`` (two classes, of which the second is positive), ``multiclass``, ``multilabel``
            or ``regression``.
        classes: Names of the classes, labels or targets, in the order of the columns.
        labels: True labels of at least one sample: class numbers ``(n,)``, 0 or 1 ``(n, labels)``, or values
            ``(n, targets)``.
        answers: Outputs of the model: probabilities ``(n, classes)`` whose rows sum to one (two columns for binary, too),
            independent probabilities ``(n, labels)``, or values ``(n, targets)``.
        split: Name of the evaluated split.
        thresholds: Probability at or above which the positive class (binary, one number) or each label (multilabel, one
            number per label) is predicted. Defaults to 0.5 each; other tasks have no thresholds.
        groups: Group number of each sample, ``(n,)``, from ``Dataset.group_numbers``; intervals then account for the
            groups. Defaults to None, for independent samples.

    Raises:
        ValueError: The task is unknown, the shapes do not fit, a label is out of range, or an output is invalid.

    Example:
        >>> result = evaluate_predictions("binary", ["cat", "dog"], [0, 1], [[0.9, 0.1], [0.2, 0.8]], split="test")
        >>> result.headline.name, result.headline.value
        ('accuracy', 1.0)
    """
    if task in ("binary", "multiclass"):
        return evaluate_classes(task, classes, labels, answers, split=split, thresholds=thresholds, groups=groups)
    if task == "multilabel":
        return evaluate_labels(task, classes, labels, answers, split=split, thresholds=thresholds, groups=groups)
    if task == "regression":
        return evaluate_values(task, classes, labels, answers, split=split, groups=groups)
    raise ValueError(f"unknown task {task!r}")
