"""Evaluation: answers against the truth, with every metric of the task and its interval."""

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
    """Compare answers with the truth; every number that scikit-learn has too equals scikit-learn's.

    Args:
        task: A key of ``TASKS``: ``binary`` (two classes, the second is the positive one), ``multiclass``,
            ``multilabel`` or ``regression``.
        classes: Names of the classes, labels or targets in the order of the columns.
        labels: The truth, at least one sample: class numbers ``(n,)``, 0 and 1 ``(n, labels)``, or values ``(n, targets)``.
        answers: Probabilities ``(n, classes)`` whose rows sum to one, two columns for binary as well; independent
            probabilities ``(n, labels)``; or values ``(n, targets)``.
        split: Name of the evaluated split.
        thresholds: From which probability on the positive class or a label is answered: one number for binary, one a
            label for multilabel, 0.5 where none is given. Other tasks have none.

        groups: Group number of each sample, ``(n,)``, as ``Dataset.group_numbers`` gives it; intervals are then those of as
            many independent groups. None where samples are independent.

    Raises:
        ValueError: The task is not known, the shapes do not fit, a label is out of range, or an answer is none.

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
    raise ValueError(f"task {task!r} is none that can be evaluated")
