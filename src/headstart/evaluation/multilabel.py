"""Evaluation of multi-label tasks: ROC AUC, accuracy of label sets, precision and recall of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from headstart.data.tasks import TASKS
from headstart.evaluation.evaluation import Evaluation, Headline, check_names, check_thresholds, count_groups
from headstart.evaluation.intervals import share_interval
from headstart.evaluation.roc_auc import macro_area_interval, roc_areas
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MultiLabel", "evaluate_labels"]


@final
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MultiLabel(Evaluation):
    """Evaluation of a model that predicts several labels per sample; the task is ``multilabel``.

    Attributes:
        thresholds: For each label, the probability at or above which it is predicted.
        accuracy: Subset accuracy: share of samples whose labels are all correct.
        accuracy_interval: 95% Wilson interval of the accuracy; with groups, at the effective sample size.
        hamming_accuracy: Share of correct predictions among all labels of all samples.
        baseline_accuracy: Accuracy of always predicting the most common label set of this split.
        roc_auc: Areas under the ROC curves: ``micro``, ``macro`` (mean over the labels that have an area) and
            ``per_class``; None for a label without positives or negatives.
        macro_auc_interval: 95% bootstrap interval of the macro mean; None if it is not defined.
        f1: ``micro`` over all predictions, and ``macro``, the mean over the labels.
        confusion_matrices: For each label, counts; rows are the truth (no, yes), columns the predictions (no, yes).
        report: For each label ``precision``, ``recall``, ``f1`` and ``support``; 0 where they are not defined.
    """

    thresholds: Mapping[str, float]
    accuracy: float
    accuracy_interval: tuple[float, float]
    hamming_accuracy: float
    baseline_accuracy: float
    roc_auc: Mapping[str, Any]
    macro_auc_interval: tuple[float, float] | None
    f1: Mapping[str, float]
    confusion_matrices: Mapping[str, Array]
    report: Mapping[str, Mapping[str, float]]

    @property
    def probabilities(self) -> Array:
        """Predicted probabilities, ``(n, labels)``; rows need not sum to one."""
        return self.answers

    @property
    def headline(self) -> Headline:
        """The macro AUC, with the 0.5 of a constant prediction as the baseline."""
        return Headline("macro AUC", self.roc_auc["macro"], self.macro_auc_interval, 0.5)

    def to_json(self) -> dict[str, Any]:
        """Return the scores as ``headstart evaluate --json`` prints them: plain Python values without NaN."""
        return self._shared_json() | {
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "hamming_accuracy": self.hamming_accuracy,
            "baseline_accuracy": self.baseline_accuracy,
            "roc_auc": dict(self.roc_auc),
            "macro_auc_interval": None if self.macro_auc_interval is None else list(self.macro_auc_interval),
            "f1": dict(self.f1),
            "confusion_matrices": {name: matrix.tolist() for name, matrix in self.confusion_matrices.items()},
            "classes": list(self.classes),
            "report": {name: dict(row) for name, row in self.report.items()},
            "thresholds": dict(self.thresholds),
        }

    def plot_roc(self, ax: Axes | None = None) -> Axes:
        """Draw the ROC curves on matplotlib axes (new ones by default), and return the axes."""
        from headstart.evaluation.plots.axes import new_axes  # imports matplotlib, which only plots need
        from headstart.evaluation.plots.classification import draw_roc

        return draw_roc(ax or new_axes(), self.classes, self.labels == 1, self.answers, self.roc_auc)

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrices of at most 12 labels on matplotlib axes (new ones by default), and return the axes."""
        from headstart.evaluation.plots.axes import new_axes
        from headstart.evaluation.plots.classification import draw_label_confusions

        return draw_label_confusions(ax or new_axes(), self.confusion_matrices)


def evaluate_labels(
    task: str,
    classes: Sequence[str],
    labels: Array,
    answers: Array,
    *,
    split: str,
    thresholds: Sequence[float] = (),
    groups: Array | None = None,
) -> MultiLabel:
    """Evaluate the predictions of a ``multilabel`` task; arguments as in ``evaluate_predictions``.

    Raises:
        ValueError: The shapes do not fit, a label is neither 0 nor 1, or a probability is invalid.
    """
    names = tuple(classes)
    check_names(task, names, least=1)
    truth, rows = _checked(names, labels, answers)
    chosen = check_thresholds(tuple(thresholds), len(names))
    predicted = (rows >= np.array(chosen)).astype(np.int64)
    right = (predicted == truth).all(axis=1)
    hits, answered, support = (truth * predicted).sum(axis=0), predicted.sum(axis=0), truth.sum(axis=0)
    f1 = 2 * hits / np.maximum(answered + support, 1)
    return MultiLabel(
        task=task,
        split=split,
        classes=names,
        labels=truth,
        answers=rows,
        predicted=predicted,
        thresholds=dict(zip(names, chosen, strict=True)),
        loss=TASKS[task].score(truth, rows),
        num_groups=count_groups(groups),
        accuracy=int(right.sum()) / len(truth),
        accuracy_interval=share_interval(right, groups),
        hamming_accuracy=float((predicted == truth).mean()),
        baseline_accuracy=float(np.unique(truth, axis=0, return_counts=True)[1].max() / len(truth)),
        roc_auc=roc_areas(names, truth == 1, rows),
        macro_auc_interval=macro_area_interval(truth == 1, rows, groups),
        f1={"micro": float(2 * hits.sum() / max(answered.sum() + support.sum(), 1)), "macro": float(f1.mean())},
        confusion_matrices=_matrices(names, len(truth), hits, answered, support),
        report={
            name: {"precision": float(precision), "recall": float(recall), "f1": float(score), "support": int(count)}
            for name, precision, recall, score, count in zip(
                names, hits / np.maximum(answered, 1), hits / np.maximum(support, 1), f1, support, strict=True
            )
        },
    )


def _matrices(names: tuple[str, ...], n: int, hits: Array, answered: Array, support: Array) -> dict[str, Array]:
    cells = np.array([[n - answered - support + hits, answered - hits], [support - hits, hits]])
    return {name: cells[:, :, k] for k, name in enumerate(names)}


def _checked(labels_named: tuple[str, ...], labels: Any, probabilities: Any) -> tuple[Array, Array]:
    truth, rows = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 2 or truth.shape[1] != len(labels_named) or len(truth) == 0 or not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1 for each of {len(labels_named)} labels, received shape {truth.shape}")
    if rows.shape != truth.shape:
        raise ValueError(f"probabilities must have shape {truth.shape}, received {rows.shape}")
    if not ((rows >= 0) & (rows <= 1)).all():  # comparisons with NaN are false, so this rejects NaN as well
        raise ValueError("probabilities must be numbers from 0 to 1")
    return truth.astype(np.int64), rows
