"""The base class of all evaluations, ``Evaluation``, and checks of their inputs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from headstart.data.skipped import Skipped
from headstart.evaluation.summary import summary_lines
from headstart.foundation.arrays import Array
from headstart.foundation.text import html_card, html_table

__all__ = ["Evaluation", "Headline", "check_names", "check_thresholds", "count_groups", "finite"]


class Headline(NamedTuple):
    """The main score of an evaluation, with its interval and baseline.

    Attributes:
        name: Name of the score: ``accuracy``, ``macro AUC`` or ``mae``.
        value: Its value; None if it is not defined.
        interval: Its 95% interval; None if there is none.
        baseline: Score of the best constant prediction; None if it was not stored.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    baseline: float | None

    @property
    def baseline_name(self) -> str:
        """Name of the best constant prediction, for example ``majority-class baseline``."""
        return _BASELINES[self.name]


_SHOWN_CLASSES = 30  # of the report of a notebook

_BASELINES = {
    "accuracy": "majority-class baseline",
    "macro AUC": "constant-prediction baseline",
    "mae": "median baseline",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Evaluation(ABC):
    """Predictions of a model on one split compared with the true labels: scores, intervals and plots.

    ``Run.evaluate`` and ``Model.evaluate`` return one: a ``Classification``, a ``MultiLabel`` or a ``Regression``, each with
    the metrics of its task.

    Attributes:
        task: A key of ``TASKS``.
        split: The split that was evaluated: ``test``, ``validation`` or ``train``.
        classes: Names of the classes, labels or targets, in the order of the columns.
        labels: True labels: class numbers ``(n,)``, 0 or 1 for each label ``(n, labels)``, or values ``(n, targets)``.
        answers: Outputs of the model: probabilities ``(n, classes)``, or values ``(n, targets)``.
        predicted: Predictions that follow from the outputs, in the shape of ``labels``.
        loss: Cross-entropy in nats, unweighted and without penalties; for regression, the mean squared error.
        skipped: Samples that were found but not evaluated, with their reasons.
        num_groups: Number of independent groups of samples, which makes intervals wider; None if samples are independent.
        num_seen: Number of evaluated samples that equal a sample that the model was trained or selected on; counted when a
            fitted model is evaluated on new data.

    Example:
        >>> from headstart.evaluation.evaluate import evaluate_predictions
        >>> probabilities = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
        >>> evaluation = evaluate_predictions("binary", ["cat", "dog"], [0, 1, 1], probabilities, split="test")
        >>> round(evaluation.loss, 4), evaluation.predicted.tolist(), evaluation.headline.baseline
        (0.4149, [0, 1, 0], 0.6666666666666666)
    """

    task: str
    split: str
    classes: tuple[str, ...]
    labels: Array
    answers: Array
    predicted: Array
    loss: float
    num_groups: int | None = None
    skipped: tuple[Skipped, ...] = ()
    num_seen: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        name, value, bounds, _ = self.headline
        shown = "not defined" if value is None else f"{value:.4g}"
        interval = "" if bounds is None else f" [{bounds[0]:.4g}, {bounds[1]:.4g}]"
        return f"{type(self).__name__}({self.split}, n={len(self)}, {name} {shown}{interval}, loss {self.loss:.4g})"

    def _repr_html_(self) -> str:
        """Return the scores as HTML, for notebooks."""
        value = self.to_json()
        report = value.get("report") or {}
        columns = list(next(iter(report.values()), {}))
        rows = [
            [name, *(f"{row[key]:.3f}" if key != "support" else row[key] for key in columns)] for name, row in report.items()
        ]
        table = html_table(["class", *columns], rows[:_SHOWN_CLASSES]) if rows else ""
        more = [f"{len(rows) - _SHOWN_CLASSES} more classes are in to_json()"] if len(rows) > _SHOWN_CLASSES else []
        return html_card(f"{type(self).__name__} of {len(self)} samples", [*more, *summary_lines(value, "samples")], table)

    @property
    def optimistic(self) -> bool:
        """Whether the model was trained or selected on this split, so that its scores are too good."""
        return self.split != "test"

    @property
    @abstractmethod
    def headline(self) -> Headline:
        """The main score, with its interval and that of the best constant prediction."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the scores as ``headstart evaluate --json`` prints them: plain Python values without NaN."""

    def _shared_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "split": self.split,
            "optimistic": self.optimistic,
            "n": len(self),
            "num_groups": self.num_groups,
            "num_skipped": len(self.skipped),
            "num_seen": self.num_seen,
            "loss": finite(self.loss),
        }


def finite(value: float | None) -> float | None:
    """Return ``value`` as a float, or None if it is None, infinite or NaN.

    Example:
        >>> finite(0.5), finite(float("nan")), finite(None)
        (0.5, None, None)
    """
    return float(value) if value is not None and math.isfinite(value) else None


def count_groups(groups: Array | None) -> int | None:
    """Number of distinct groups; None if samples are independent.

    Example:
        >>> count_groups(np.array([3, 3, 5])), count_groups(None)
        (2, None)
    """
    return None if groups is None else len(np.unique(groups))


def check_names(task: str, names: tuple[str, ...], least: int, most: int | None = None) -> None:
    """Reject class names that do not fit a task.

    Raises:
        ValueError: There are too few or too many names, or two are equal.
    """
    if len(set(names)) != len(names) or len(names) < least or (most is not None and len(names) > most):
        raise ValueError(f"{len(names)} classes ({len(set(names))} distinct) do not fit task {task}")


def check_thresholds(thresholds: tuple[float, ...], num_needed: int) -> tuple[float, ...]:
    """Return the thresholds, or 0.5 for each of ``num_needed`` if none is given.

    Raises:
        ValueError: The number of thresholds is wrong, or one of them is not finite.
    """
    chosen = thresholds or (0.5,) * num_needed
    if len(chosen) != num_needed or not all(math.isfinite(threshold) for threshold in chosen):
        raise ValueError(f"expected {num_needed} finite thresholds, received {chosen}")
    return tuple(float(threshold) for threshold in chosen)
