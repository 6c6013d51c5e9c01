"""Evaluation: what every comparison of answers with the truth has, whatever the task."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from headstart.data.skipped import Skipped
from headstart.foundation.arrays import Array

__all__ = ["Evaluation", "Headline", "check_names", "check_thresholds", "count_groups", "finite"]


class Headline(NamedTuple):
    """The one number that tells how good the answers are.

    Attributes:
        name: What it is called: ``accuracy``, ``macro AUC`` or ``mae``.
        value: Its value; None where nothing defines it.
        interval: Its 95% interval; None where there is none.
        baseline: What the best constant answer would have; None where that was not stored.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    baseline: float | None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Evaluation(ABC):
    """What a model answered on one split, beside the truth.

    It is a ``Classification``, a ``MultiLabel`` or a ``Regression``; each has the numbers of its kind besides.

    Attributes:
        task: A key of ``TASKS``.
        split: The split that was evaluated: ``test``, ``validation`` or ``train``.
        classes: Names of the classes, labels or targets in the order of the columns.
        labels: The truth: class numbers ``(n,)``, 0 and 1 for each label ``(n, labels)``, or values ``(n, targets)``.
        answers: What the model answered: probabilities ``(n, classes)``, or values ``(n, targets)``.
        predicted: The answers that follow from them, in the shape of ``labels``.
        loss: Cross-entropy in nats, unweighted and without penalties; for values the mean squared error.
        skipped: Samples that were found and not evaluated, with their reasons.
        num_groups: How many independent groups the samples come in, by which intervals are wider; None where each sample
            stands for itself.
        num_seen: Of data that were brought to a fitted model, how many are equal to samples that it was fitted on or chosen
            by.
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

    @property
    def optimistic(self) -> bool:
        """Whether choices were made on this split, so that its numbers flatter the model."""
        return self.split != "test"

    @property
    @abstractmethod
    def headline(self) -> Headline:
        """The number that is said first, with its interval and what a constant answer has."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The object of ``headstart evaluate --json``; plain Python values, no NaN."""

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
    """The number, None where it is too large for one or nothing defines it.

    Example:
        >>> finite(0.5), finite(float("nan")), finite(None)
        (0.5, None, None)
    """
    return float(value) if value is not None and math.isfinite(value) else None


def count_groups(groups: Array | None) -> int | None:
    """How many groups there are; None where samples are independent.

    Example:
        >>> count_groups(np.array([3, 3, 5])), count_groups(None)
        (2, None)
    """
    return None if groups is None else len(np.unique(groups))


def check_names(task: str, names: tuple[str, ...], least: int, most: int | None = None) -> None:
    """Refuse names that do not make the columns of a task.

    Raises:
        ValueError: There are too few or too many, or two are the same.
    """
    if len(set(names)) != len(names) or len(names) < least or (most is not None and len(names) > most):
        raise ValueError(f"{len(names)} classes, {len(set(names))} of them different, do not make a {task} task")


def check_thresholds(thresholds: tuple[float, ...], num_needed: int) -> tuple[float, ...]:
    """The thresholds, 0.5 each if none is given.

    Raises:
        ValueError: Their number is another than needed, or one of them is no number.
    """
    chosen = thresholds or (0.5,) * num_needed
    if len(chosen) != num_needed or not all(math.isfinite(threshold) for threshold in chosen):
        raise ValueError(f"thresholds {chosen}; {num_needed} of them are needed")
    return tuple(float(threshold) for threshold in chosen)
