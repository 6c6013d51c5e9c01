"""Evaluation: predictions against the truth, with every metric and its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.dataset import Skipped
from headstart.tasks import cross_entropy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Evaluation", "evaluate_predictions", "wilson_interval"]

_Z95 = 1.959963984540054  # the 97.5% quantile of the normal distribution
_ROW_SUM_TOLERANCE = 1e-3  # rows stored in half precision sum to one only roughly

Labels = np.ndarray[Any, np.dtype[np.int64]]
Probabilities = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a classifier answered on one split, beside the truth.

    Attributes:
        task: ``binary`` or ``multiclass``.
        split: The split that was evaluated: ``test``, ``validation`` or ``train``.
        classes: Class names in the order of the columns.
        labels: True class numbers, shape ``(n,)``.
        probabilities: One row a sample, one column a class, shape ``(n, num_classes)``.
        predicted: Predicted class numbers, shape ``(n,)``.
        threshold: Binary only: the second class is answered from this probability on.
        loss: Unweighted cross-entropy in nats, without penalties.
        accuracy: Share of right answers.
        accuracy_interval: Wilson's 95% interval of the accuracy.
        balanced_accuracy: Mean recall over the classes that occur in this split.
        baseline_accuracy: Accuracy of always answering with the most common class of this split: the best that a
            constant can do here.
        roc_auc: ``micro``, ``macro`` (mean of the classes that have one) and ``per_class``, each class against the
            rest; None where a class has no positives or no negatives.
        confusion_matrix: Counts; rows are the truth, columns the predictions.
        skipped: Samples that were found and not evaluated, with their reasons.
        report: For each class ``precision``, ``recall``, ``f1`` and ``support``; 0 where nothing defines them.
    """

    task: str
    split: str
    classes: tuple[str, ...]
    labels: Labels
    probabilities: Probabilities
    predicted: Labels
    threshold: float
    loss: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    baseline_accuracy: float
    roc_auc: Mapping[str, Any]
    confusion_matrix: Labels
    report: Mapping[str, Mapping[str, float]]
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def optimistic(self) -> bool:
        """Whether choices were made on this split, so that its numbers flatter the model."""
        return self.split != "test"

    def to_json(self) -> dict[str, Any]:
        """The object of ``headstart evaluate --json``; plain Python values, no NaN."""
        value: dict[str, Any] = {
            "task": self.task,
            "split": self.split,
            "optimistic": self.optimistic,
            "n": len(self),
            "num_skipped": len(self.skipped),
            "loss": self.loss,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "balanced_accuracy": self.balanced_accuracy,
            "baseline_accuracy": self.baseline_accuracy,
            "roc_auc": dict(self.roc_auc),
            "confusion_matrix": self.confusion_matrix.tolist(),
            "classes": list(self.classes),
            "report": {name: dict(row) for name, row in self.report.items()},
        }
        if self.task == "binary":
            positive = self.report[self.classes[1]]
            value |= {key: positive[key] for key in ("precision", "recall", "f1")} | {"threshold": self.threshold}
        return value

    def plot_roc(self, ax: Axes | None = None) -> Axes:
        """Draw the ROC curves on matplotlib axes, new ones if none are given, and return the axes."""
        # Drawing lies above this module and needs matplotlib: it is fetched only when a picture is asked for.
        from headstart.plots import draw_roc, new_axes

        return draw_roc(ax or new_axes(), self)

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix on matplotlib axes, new ones if none are given, and return the axes."""
        from headstart.plots import draw_confusion, new_axes  # inside, for the reason given in plot_roc

        return draw_confusion(ax or new_axes(), self.confusion_matrix, self.classes)


def evaluate_predictions(
    task: str,
    classes: Sequence[str],
    labels: Labels,
    probabilities: Probabilities,
    *,
    split: str,
    threshold: float = 0.5,
) -> Evaluation:
    """Compare predicted probabilities with the truth; every number equals scikit-learn's.

    Args:
        task: ``binary`` (two classes, the second is the positive one) or ``multiclass``.
        classes: Class names in the order of the columns.
        labels: True class numbers, shape ``(n,)``, n at least 1.
        probabilities: Rows that sum to one, shape ``(n, len(classes))``; two columns for binary as well.
        split: Name of the evaluated split.
        threshold: Binary only: the second class is answered where its probability is at least this.

    Raises:
        ValueError: The shapes do not fit, a label is out of range, or a probability is none.

    Example:
        >>> result = evaluate_predictions("binary", ["cat", "dog"], [0, 1], [[0.9, 0.1], [0.2, 0.8]], split="test")
        >>> result.accuracy, result.roc_auc["macro"]
        (1.0, 1.0)
    """
    from sklearn.metrics import confusion_matrix

    names = tuple(classes)
    truth, rows = _checked(task, names, labels, probabilities)
    predicted = (rows[:, 1] >= threshold).astype(np.int64) if task == "binary" else rows.argmax(axis=1)
    right = int((predicted == truth).sum())
    report = _report(names, truth, predicted)
    present = [row["recall"] for row in report.values() if row["support"] > 0]
    return Evaluation(
        task=task,
        split=split,
        classes=names,
        labels=truth,
        probabilities=rows,
        predicted=predicted,
        threshold=float(threshold),
        loss=cross_entropy(truth, rows),
        accuracy=right / len(truth),
        accuracy_interval=wilson_interval(right, len(truth)),
        balanced_accuracy=float(np.mean(present)),
        baseline_accuracy=float(np.bincount(truth).max() / len(truth)),
        roc_auc=_roc_auc(names, truth, rows),
        confusion_matrix=confusion_matrix(truth, predicted, labels=np.arange(len(names))),
        report=report,
    )


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% score interval of a share.

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22. Unlike the
    normal approximation it stays within 0 and 1 and is useful at n = 1.

    Raises:
        ValueError: ``n`` is below 1, or ``successes`` is not between 0 and ``n``.

    Example:
        >>> [round(bound, 3) for bound in wilson_interval(310, 372)]
        [0.792, 0.868]
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    share, square = successes / n, _Z95 * _Z95
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # At 0 and n the bounds are 0 and 1 exactly; rounding would leave them a hair away.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def _checked(task: str, classes: tuple[str, ...], labels: Any, probabilities: Any) -> tuple[Labels, Probabilities]:
    truth, rows = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if task not in ("binary", "multiclass"):
        raise ValueError(f"task {task!r} is not a classification with one class a sample")
    if len(set(classes)) != len(classes) or len(classes) < 2 or (task == "binary" and len(classes) != 2):
        raise ValueError(f"{len(classes)} classes, {len(set(classes))} of them different, do not make a {task} task")
    if truth.ndim != 1 or len(truth) == 0 or not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(f"labels of shape {truth.shape} and type {truth.dtype}; a row of class numbers is needed")
    if truth.min() < 0 or truth.max() >= len(classes):
        raise ValueError(f"labels from {truth.min()} to {truth.max()} for {len(classes)} classes")
    if rows.shape != (len(truth), len(classes)):
        raise ValueError(f"probabilities of shape {rows.shape}; {(len(truth), len(classes))} is needed")
    # A comparison with NaN is false, so this refuses it too.
    if not (rows >= 0).all() or not (np.abs(rows.sum(axis=1) - 1) <= _ROW_SUM_TOLERANCE).all():
        raise ValueError("probabilities must be numbers of at least 0, and every row must sum to 1")
    return truth.astype(np.int64), rows


def _report(classes: tuple[str, ...], labels: Labels, predicted: Labels) -> dict[str, dict[str, float]]:
    from sklearn.metrics import precision_recall_fscore_support

    numbers = np.arange(len(classes))
    columns = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    return {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for name, precision, recall, f1, support in zip(classes, *columns, strict=True)
    }


def _roc_auc(classes: tuple[str, ...], labels: Labels, probabilities: Probabilities) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    truth = labels[:, None] == np.arange(len(classes))
    per_class: dict[str, float | None] = {}
    for column, name in enumerate(classes):
        defined = bool(truth[:, column].any()) and not bool(truth[:, column].all())
        per_class[name] = float(roc_auc_score(truth[:, column], probabilities[:, column])) if defined else None
    known = [auc for auc in per_class.values() if auc is not None]
    return {
        "micro": float(roc_auc_score(truth.ravel(), probabilities.ravel())),
        "macro": float(np.mean(known)) if known else None,
        "per_class": per_class,
    }
