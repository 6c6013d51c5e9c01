"""Data: targets of a regression in the scale that networks learn in, and back: standardised, skewed ones as logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["LARGEST_LOG", "Scaling", "fit_scaling", "skewness", "smeared"]

LARGEST_LOG = 80.0  # of an answer: float32 ends at e^88
_SKEWED = 2.0  # of an exponential distribution; from there on the largest values alone would make the loss


@dataclass(frozen=True)
class Scaling:
    """What is done to each target: ``(log1p(y) or y, less the mean, by the deviation)``.

    Attributes:
        logs: For each target, whether its logarithm is learned.
        means: Of the training split, behind the logarithm.
        deviations: Standard deviations there.
        smearing: Factor of each target's exponential on the way back, by which the mean is predicted; 1 predicts the median
            of a target whose logarithm is learned. Empty where all are 1.
    """

    logs: tuple[bool, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    smearing: tuple[float, ...] = ()

    @property
    def factors(self) -> tuple[float, ...]:
        """The factor of each target, spelled out."""
        return self.smearing or (1.0,) * len(self.logs)

    @property
    def offsets(self) -> tuple[float, ...]:
        """What is added to each target on the way back: its mean and, before the exponential, the log of its factor."""
        return tuple(mean + float(np.log(factor)) for mean, factor in zip(self.means, self.factors, strict=True))

    def apply(self, values: Array) -> Array:
        """Targets ``(n, targets)`` as networks learn them."""
        plain = np.asarray(values, np.float64)
        logged = np.where(self.logs, np.log1p(np.maximum(plain, 0.0)), plain)
        scaled: Array = (logged - self.means) / self.deviations
        return scaled

    def invert(self, scaled: Array) -> Array:
        """Predictions in the user's own units, from those in the scale, in the float32 that models answer in.

        With factors of 1 it is the inverse of ``apply``; with others it turns predicted medians into means.
        """
        plain = np.asarray(scaled, np.float64) * self.deviations + self.offsets
        values: Array = np.where(self.logs, np.expm1(np.clip(plain, 0.0, LARGEST_LOG)), plain).astype(np.float32)
        return values

    @property
    def predicts(self) -> tuple[str | None, ...]:
        """``mean`` or ``median`` for each target whose logarithm is learned; None for the others."""
        pairs = zip(self.logs, self.factors, strict=True)
        return tuple(("median" if factor == 1 else "mean") if is_log else None for is_log, factor in pairs)

    def to_json(self) -> dict[str, list[Any]]:
        """As ``signature.json`` holds it."""
        return {
            "log1p": list(self.logs),
            "mean": list(self.means),
            "deviation": list(self.deviations),
            "offset": list(self.offsets),
            "smearing": list(self.factors),
            "predicts": list(self.predicts),
        }

    @classmethod
    def from_json(cls, value: dict[str, Sequence[Any]]) -> Scaling:
        """What ``to_json`` gave."""
        return cls(*(tuple(value[key]) for key in ("log1p", "mean", "deviation", "smearing")))


def fit_scaling(values: Array) -> Scaling:
    """Learn the scale of targets ``(n, targets)``, which are those of the training split.

    The logarithm is taken of targets that are never negative and skewed, and that it makes less so.

    Example:
        >>> fit_scaling(np.array([[1.0], [2.0], [3.0]])).logs
        (False,)
    """
    values = np.asarray(values, np.float64)
    logs = tuple(_wants_log(column) for column in values.T)
    logged = np.where(logs, np.log1p(np.maximum(values, 0.0)), values)
    deviations = [float(column.std()) or 1.0 if _varies(column) else 1.0 for column in logged.T]
    return Scaling(logs, tuple(float(mean) for mean in logged.mean(axis=0)), tuple(deviations))


def smeared(scaling: Scaling, values: Array, scaled: Array) -> Scaling:
    """The scale under which predictions of log targets are means, unless medians are clearly better in units.

    A model of logarithms predicts the mean of logarithms, and its exponential is the median: sums of predictions are too
    low. Duan's smearing estimate of the mean multiplies the exponential by the mean exponential of the residuals
    (N. Duan, 1983, "Smearing estimate: a nonparametric retransformation method", JASA 78). It supposes that residuals are
    alike everywhere; whether that is so is judged on each sample by a factor that is estimated without it.

    Args:
        scaling: The scale that the targets were learned in.
        values: Targets in the user's units, ``(n, targets)``, of samples that the model was not trained on.
        scaled: What the model predicts for them, in the scale.
    """
    factors = [
        _smearing(np.log1p(np.maximum(truth, 0.0)), logged) if is_log else 1.0
        for is_log, truth, logged in zip(
            scaling.logs,
            np.asarray(values, np.float64).T,
            (np.asarray(scaled, np.float64) * scaling.deviations + scaling.means).T,
            strict=True,
        )
    ]
    return replace(scaling, smearing=tuple(factors))


def _smearing(truth: Array, predicted: Array) -> float:
    """Duan's factor for logarithms of one target, 1 where the median is clearly better by the squared error in units.

    Clearly is by more than one standard error: a few large values decide the error of a mean, and sums of medians are low.
    """
    n = len(truth)
    if n < 2:
        return 1.0
    ratios = np.exp(np.clip(truth - predicted, -LARGEST_LOG, LARGEST_LOG))
    without = (ratios.sum() - ratios) / (n - 1)
    of_median, of_mean = (
        np.square(np.expm1(np.clip(predicted + shift, 0.0, LARGEST_LOG)) - np.expm1(truth))
        for shift in (0.0, np.log(np.maximum(without, np.finfo(float).tiny)))
    )
    worse = of_mean - of_median
    return 1.0 if worse.mean() > worse.std(ddof=1) / np.sqrt(n) else float(ratios.mean())


def skewness(values: Array) -> float:
    """Fisher's coefficient of skewness of ``(n,)``; 0 where they do not vary."""
    centred = values - values.mean()
    deviation = float(np.sqrt(np.square(centred).mean()))
    return float(((centred / deviation) ** 3).mean()) if _varies(values) and deviation > 0 else 0.0


def _varies(values: Array) -> bool:
    """By the values themselves: the mean of equal numbers may be a hair beside them."""
    return bool(values.min() < values.max())


def _wants_log(column: Array) -> bool:
    if column.min(initial=0.0) < 0:
        return False
    skew = skewness(column)
    return skew > _SKEWED and abs(skewness(np.log1p(column))) < skew / 2
