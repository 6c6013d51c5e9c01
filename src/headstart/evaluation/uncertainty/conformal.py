"""Conformal prediction: sets of classes and intervals of values that contain the truth with a chosen probability.

The limits come from predictions of held-out samples, as in split conformal prediction (V. Vovk, A. Gammerman and G. Shafer,
2005, "Algorithmic learning in a random world"): a score says how strange a truth would be beside a prediction, and a truth
is in the set if its score is at most that of the chosen share of these samples. For classes the score is 1 - p (M. Sadinle,
J. Lei and L. Wasserman, 2019, "Least ambiguous set-valued classifiers with bounded error levels", JASA 114), for labels that
of the least probable true label, and for values the absolute error in the scale in which they were learned.

The coverage is exact, on average, if nothing else was chosen on the same samples. Here they also selected the model, and the
folds predicted them by other models than the one that is shipped, so that it is approximate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.data.target_scaling import Scaling
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

__all__ = ["Conformal", "PredictionSets", "fit_conformal"]

_PERCENTS = range(50, 100)
_DECIMALS = 6  # of a score; rounded up, so that a set is rather too large
_ROUNDING = 1e-6  # of predictions in float32, by another runtime


@dataclass(frozen=True)
class Conformal:
    """Score that the truths of a share of the held-out samples stay within, for each share.

    Attributes:
        num_samples: Number of held-out samples. Defaults to 0.
        limits: For each coverage in percent, 50 to 99, the limit of the score: one number, or one per regression target. A
            coverage that so few samples cannot promise is missing. Defaults to none.
    """

    num_samples: int = 0
    limits: Mapping[int, tuple[float, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Convert to the JSON object that ``signature.json`` stores."""
        return {"num_samples": self.num_samples, "limits": {str(key): list(value) for key, value in self.limits.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Conformal:
        """Restore the result of ``to_json``; None stands for a model that was not tuned."""
        return (
            cls()
            if value is None
            else cls(value["num_samples"], {int(key): tuple(given) for key, given in value["limits"].items()})
        )

    def with_coverage(self, coverage: float, task: str, classes: Sequence[str], scaling: Scaling | None) -> PredictionSets:
        """Sets or intervals with a chosen coverage, rounded up to whole percents.

        Args:
            coverage: Share of samples whose truth is in the set, 0.5 to 0.99.
            task: A key of ``TASKS``.
            classes: Names of classes, labels or targets.
            scaling: Scale of regression targets.

        Raises:
            UsageError: The coverage is out of range (H048), or there were too few held-out samples for it (H049).
        """
        percent = math.ceil(100 * coverage - 1e-9) if math.isfinite(coverage) else 0
        if percent not in _PERCENTS:
            raise UsageError(
                "H048",
                "coverage out of range",
                received=f"{coverage:g}",
                expected=f"a share from {_PERCENTS[0] / 100:g} to {_PERCENTS[-1] / 100:g}",
                advice="--coverage 0.9",
            )
        if percent not in self.limits:
            most = max(self.limits, default=0)
            raise UsageError(
                "H049",
                "too few held-out samples for this coverage",
                received=f"{coverage:g}, and {self.num_samples} held-out samples of the run",
                expected=f"at most {most / 100:g}" if most else "a run with more samples",
                advice=f"--coverage {most / 100:g}" if most else "add samples and fit again",
            )
        return PredictionSets(self.limits[percent], task, tuple(classes), scaling)


@dataclass(frozen=True)
class PredictionSets:
    """Sets of classes or labels, or intervals of values, with one coverage; ``Conformal.with_coverage`` makes it."""

    limits: tuple[float, ...]
    task: str
    classes: tuple[str, ...]
    scaling: Scaling | None

    @property
    def columns(self) -> list[str]:
        """Names of the columns in a table of predictions: ``set``, or ``low`` and ``high`` for each target."""
        if self.task != "regression":
            return ["set"]
        several = len(self.classes) > 1
        return [f"{end}_{name}" if several else end for name in self.classes for end in ("low", "high")]

    def cells(self, answers: Array) -> list[str | float]:
        """Cells of these columns for one prediction ``(columns,)``, in the user's units."""
        if self.task != "regression":
            names = zip(self.classes, self.contains(answers[None])[0], strict=True)
            return [";".join(name for name, is_in in names if is_in)]
        low, high = self.interval(answers[None])
        return [float(f"{end:.7g}") for ends in zip(low[0], high[0], strict=True) for end in ends]

    def contains(self, answers: Array) -> Array:
        """Whether each class or label is in the set of each prediction, ``(n, classes)``.

        A set may be empty: no class is as probable as the true ones of held-out samples are.
        """
        found: Array = np.asarray(answers, np.float64) >= 1 - self.limits[0] - _ROUNDING
        return found

    def interval(self, answers: Array) -> tuple[Array, Array]:
        """Lower and upper ends of the intervals of predictions ``(n, targets)``, in the user's units."""
        if self.scaling is None:
            raise ValueError("values without a scale")
        scaled = self.scaling.apply(answers)
        low, high = (_plain(self.scaling).invert(scaled + sign * np.array(self.limits)) for sign in (-1, 1))
        return low, high


def fit_conformal(task: str, labels: Array, answers: Array, scaling: Scaling | None = None) -> Conformal:
    """Learn the limits of the scores from predictions of samples that the model was not fitted to.

    Args:
        task: A key of ``TASKS``.
        labels: True labels in the form of the task, or values in the user's units.
        answers: Predictions ``(n, columns)``, in the user's units.
        scaling: Scale of regression targets. Defaults to None: none.

    Example:
        >>> answers = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
        >>> fit_conformal("binary", np.array([0, 0, 1]), answers).with_coverage(0.75, "binary", ["no", "yes"], None).limits
        (0.3,)
    """
    scores = np.sort(_scores(task, labels, answers, scaling), axis=0)
    limits = {}
    for percent in _PERCENTS:
        rank = -(-(len(scores) + 1) * percent // 100)  # rounded up
        if rank <= len(scores):
            limits[percent] = tuple(math.ceil(score * 10**_DECIMALS - 1e-3) / 10**_DECIMALS for score in scores[rank - 1])
    return Conformal(len(scores), limits)


def _plain(scaling: Scaling) -> Scaling:
    """The scaling with medians in place of means, whose ``invert`` is the inverse of ``apply``."""
    return Scaling(scaling.logs, scaling.means, scaling.deviations)


def _scores(task: str, labels: Array, answers: Array, scaling: Scaling | None) -> Array:
    """How strange each truth is beside its prediction, ``(n, 1)``, or ``(n, targets)`` for values."""
    if scaling is not None:
        found: Array = np.abs(scaling.apply(labels) - scaling.apply(answers))
        return found
    answers = np.asarray(answers, np.float64)
    if task == "multilabel":
        least: Array = np.where(labels == 1, answers, 1.0).min(axis=1, keepdims=True)
        return 1 - least
    of_truth: Array = np.take_along_axis(answers, np.asarray(labels)[:, None], axis=1)
    return 1 - of_truth
