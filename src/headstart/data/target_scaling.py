"""Scaling of regression targets for training: standardisation, after a logarithm for skewed targets, and its inverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["LARGEST_LOG", "Scaling", "fit_scaling", "skewness", "smeared"]

LARGEST_LOG = 80.0  # of a prediction: float32 overflows at e^88
_SKEWED = 2.0  # skewness of an exponential distribution; above it the largest values would dominate the loss


@dataclass(frozen=True)
class Scaling:
    """Scale of regression targets: ``(log1p(y) - mean) / deviation`` for skewed targets, else ``(y - mean) / deviation``.

    Attributes:
        logs: For each target, whether its logarithm is learned.
        means: Means over the training split, after the logarithm.
        deviations: Standard deviations over the training split, after the logarithm.
        smearing: For each target, the factor of the exponential when predictions are converted back to units. For a target
            whose logarithm is learned, a factor of 1 predicts the median; ``smeared`` estimates the factor that predicts the
            mean. Empty if all factors are 1.
    """

    logs: tuple[bool, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    smearing: tuple[float, ...] = ()

    @property
    def factors(self) -> tuple[float, ...]:
        """Smearing factor of each target; 1.0 where ``smearing`` is empty."""
        return self.smearing or (1.0,) * len(self.logs)

    @property
    def offsets(self) -> tuple[float, ...]:
        """Value that ``invert`` adds to each target: its mean plus the logarithm of its smearing factor."""
        return tuple(mean + float(np.log(factor)) for mean, factor in zip(self.means, self.factors, strict=True))

    def apply(self, values: Array) -> Array:
        """Scale targets ``(n, targets)`` from the user's units to those that networks learn."""
        plain = np.asarray(values, np.float64)
        logged = np.where(self.logs, np.log1p(np.maximum(plain, 0.0)), plain)
        scaled: Array = (logged - self.means) / self.deviations
        return scaled

    def invert(self, scaled: Array) -> Array:
        """Convert scaled predictions to the user's units, in float32 like the models' output.

        With smearing factors of 1 it is the inverse of ``apply``; other factors turn predicted medians into means.
        """
        plain = np.asarray(scaled, np.float64) * self.deviations + self.offsets
        values: Array = np.where(self.logs, np.expm1(np.clip(plain, 0.0, LARGEST_LOG)), plain).astype(np.float32)
        return values

    @property
    def predicts(self) -> tuple[str | None, ...]:
        """Whether ``invert`` yields the ``mean`` or ``median`` of each target; None for targets without a logarithm."""
        pairs = zip(self.logs, self.factors, strict=True)
        return tuple(("median" if factor == 1 else "mean") if is_log else None for is_log, factor in pairs)

    def to_json(self) -> dict[str, list[Any]]:
        """Convert to the JSON object that ``signature.json`` stores."""
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
        """Restore a scaling from the result of ``to_json``."""
        return cls(*(tuple(value[key]) for key in ("log1p", "mean", "deviation", "smearing")))


def fit_scaling(values: Array) -> Scaling:
    """Learn the scale of targets ``(n, targets)`` from the training split.

    The logarithm is used for targets that are never negative and skewed, if it makes them less skewed.

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
    """Estimate the smearing factors, so that log-scaled targets are predicted as means instead of medians.

    A model of logarithms predicts the mean logarithm, whose exponential is the median, so sums of predictions are too low.
    Duan's smearing estimate of the mean multiplies the exponential by the mean exponential of the residuals (N. Duan, 1983,
    "Smearing estimate: a nonparametric retransformation method", JASA 78). The estimate assumes that residuals have the same
    distribution everywhere. To check this, each sample is predicted with a factor estimated without it; if medians are
    clearly better in squared error, in the user's units, the factor stays 1.

    Args:
        scaling: Scale in which the targets were learned.
        values: Targets in the user's units, ``(n, targets)``, of samples that the model was not trained on.
        scaled: Scaled predictions for these samples, ``(n, targets)``.
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
    """Duan's factor for the logarithms of one target, or 1 if the median is clearly better in squared error.

    Clearly means by more than one standard error. The test favours the mean, because a few large values dominate its error,
    while sums of medians are too low.
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
    """Fisher's coefficient of skewness of values ``(n,)``; 0 if they do not vary."""
    centred = values - values.mean()
    deviation = float(np.sqrt(np.square(centred).mean()))
    return float(((centred / deviation) ** 3).mean()) if _varies(values) and deviation > 0 else 0.0


def _varies(values: Array) -> bool:
    """Whether values differ; compares minimum and maximum, because rounding can make the mean of equal numbers differ."""
    return bool(values.min() < values.max())


def _wants_log(column: Array) -> bool:
    if column.min(initial=0.0) < 0:
        return False
    skew = skewness(column)
    return skew > _SKEWED and abs(skewness(np.log1p(column))) < skew / 2
