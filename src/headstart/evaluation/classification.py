"""Evaluation of binary and multiclass tasks: accuracy, ROC AUC, confusion matrix, precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from headstart.data.metrics import cross_entropies
from headstart.evaluation.evaluation import Evaluation, Headline, check_names, check_thresholds, count_groups
from headstart.evaluation.intervals import share_interval
from headstart.evaluation.roc_auc import roc_areas
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Classification", "evaluate_classes"]

_ROW_SUM_TOLERANCE = 1e-3  # rows stored in half precision sum to one only approximately


@final
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Classification(Evaluation):
    """Evaluation of a classifier with one class per sample; the task is ``binary`` or ``multiclass``.

    Attributes:
        threshold: Probability at or above which the second class is predicted (binary only).
        accuracy: Share of correct predictions.
        accuracy_interval: 95% Wilson interval of the accuracy; with groups, at the effective sample size.
        balanced_accuracy: Mean recall over the classes that occur in this split.
        baseline_accuracy: Accuracy of the majority-class baseline: always predicting the most common class of this split.
        roc_auc: Areas under the ROC curves, one-vs-rest: ``micro``, ``macro`` (mean over the classes that have an area) and
            ``per_class``; None for a class without positives or negatives.
        confusion_matrix: Counts; rows are true classes, columns predicted classes.
        report: For each class ``precision``, ``recall``, ``f1`` and ``support``; 0 where they are not defined.
    """

    threshold: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    baseline_accuracy: float
    roc_auc: Mapping[str, Any]
    confusion_matrix: Array
    report: Mapping[str, Mapping[str, float]]

    @property
    def probabilities(self) -> Array:
        """Predicted probabilities, ``(n, classes)``."""
        return self.answers

    @property
    def headline(self) -> Headline:
        """The accuracy, with the majority-class baseline."""
        return Headline("accuracy", self.accuracy, self.accuracy_interval, self.baseline_accuracy)

    def to_json(self) -> dict[str, Any]:
        """Return the scores as ``headstart evaluate --json`` prints them: plain Python values without NaN."""
        value = self._shared_json() | {
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
        """Draw the ROC curves on matplotlib axes (new ones by default), and return the axes."""
        from headstart.evaluation.plots.axes import new_axes  # imports matplotlib, which only plots need
        from headstart.evaluation.plots.classification import draw_binary_roc, draw_roc

        ax = ax or new_axes()
        if self.task == "binary":
            name, area = self.classes[1], self.roc_auc["per_class"][self.classes[1]]
            return draw_binary_roc(ax, name, self.labels == 1, self.answers[:, 1], area, self.threshold)
        truth = self.labels[:, None] == np.arange(len(self.classes))
        return draw_roc(ax, self.classes, truth, self.answers, self.roc_auc)

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix on matplotlib axes (new ones by default), and return the axes."""
        from headstart.evaluation.plots.axes import new_axes
        from headstart.evaluation.plots.classification import draw_confusion

        return draw_confusion(ax or new_axes(), self.confusion_matrix, self.classes)


def evaluate_classes(
    task: str,
    classes: Sequence[str],
    labels: Array,
    answers: Array,
    *,
    split: str,
    thresholds: Sequence[float] = (),
    groups: Array | None = None,
) -> Classification:
    """Evaluate the predictions of a ``binary`` or ``multiclass`` task; arguments as in ``evaluate_predictions``.

    Raises:
        ValueError: The shapes do not fit, a label is out of range, or a probability is invalid.
    """
    from sklearn.metrics import confusion_matrix

    names = tuple(classes)
    check_names(task, names, least=2, most=2 if task == "binary" else None)
    truth, rows = _checked(names, labels, answers)
    (threshold,) = check_thresholds(tuple(thresholds), 1) if task == "binary" else (0.5,)
    predicted = (rows[:, 1] >= threshold).astype(np.int64) if task == "binary" else rows.argmax(axis=1)
    right = predicted == truth
    report = _report(names, truth, predicted)
    return Classification(
        task=task,
        split=split,
        classes=names,
        labels=truth,
        answers=rows,
        predicted=predicted,
        threshold=threshold,
        loss=float(cross_entropies(truth, rows).mean()),
        num_groups=count_groups(groups),
        accuracy=int(right.sum()) / len(truth),
        accuracy_interval=share_interval(right, groups),
        balanced_accuracy=float(np.mean([row["recall"] for row in report.values() if row["support"] > 0])),
        baseline_accuracy=float(np.bincount(truth).max() / len(truth)),
        roc_auc=roc_areas(names, truth[:, None] == np.arange(len(names)), rows),
        confusion_matrix=confusion_matrix(truth, predicted, labels=np.arange(len(names))),
        report=report,
    )


def _checked(classes: tuple[str, ...], labels: Any, probabilities: Any) -> tuple[Array, Array]:
    truth, rows = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or len(truth) == 0 or not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(f"labels must be a row of class numbers, received shape {truth.shape} and type {truth.dtype}")
    if truth.min() < 0 or truth.max() >= len(classes):
        raise ValueError(f"labels are out of range: {truth.min()} to {truth.max()} for {len(classes)} classes")
    if rows.shape != (len(truth), len(classes)):
        raise ValueError(f"probabilities must have shape {(len(truth), len(classes))}, received {rows.shape}")
    # Comparisons with NaN are false, so this rejects NaN as well.
    if not (rows >= 0).all() or not (np.abs(rows.sum(axis=1) - 1) <= _ROW_SUM_TOLERANCE).all():
        raise ValueError("probabilities must be numbers of at least 0, and every row must sum to 1")
    return truth.astype(np.int64), rows


def _report(classes: tuple[str, ...], labels: Array, predicted: Array) -> dict[str, dict[str, float]]:
    from sklearn.metrics import precision_recall_fscore_support

    numbers = np.arange(len(classes))
    columns = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    return {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for name, precision, recall, f1, support in zip(classes, *columns, strict=True)
    }
