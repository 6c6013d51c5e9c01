"""Data: targets of a regression in the scale that networks learn in, and back: standardised, skewed ones as logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["LARGEST_LOG", "Scaling", "fit_scaling", "skewness"]

Array = np.ndarray[Any, Any]

LARGEST_LOG = 80.0  # of an answer: float32 ends at e^88
_SKEWED = 2.0  # of an exponential distribution; from there on the largest values alone would make the loss


@dataclass(frozen=True)
class Scaling:
    """What is done to each target: ``(log1p(y) or y, less the mean, by the deviation)``.

    Attributes:
        logs: For each target, whether its logarithm is learned.
        means: Of the training split, behind the logarithm.
        deviations: Standard deviations there.
    """

    logs: tuple[bool, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def apply(self, values: Array) -> Array:
        """Targets ``(n, targets)`` as networks learn them."""
        plain = np.asarray(values, np.float64)
        logged = np.where(self.logs, np.log1p(np.maximum(plain, 0.0)), plain)
        scaled: Array = (logged - self.means) / self.deviations
        return scaled

    def invert(self, scaled: Array) -> Array:
        """And back, in the user's own units, in the float32 that models answer in."""
        plain = np.asarray(scaled, np.float64) * self.deviations + self.means
        values: Array = np.where(self.logs, np.expm1(np.clip(plain, 0.0, LARGEST_LOG)), plain).astype(np.float32)
        return values

    def to_json(self) -> dict[str, list[float] | list[bool]]:
        """As ``signature.json`` holds it."""
        return {"log1p": list(self.logs), "mean": list(self.means), "deviation": list(self.deviations)}

    @classmethod
    def of_json(cls, value: dict[str, Sequence[Any]]) -> Scaling:
        """What ``to_json`` gave."""
        return cls(tuple(value["log1p"]), tuple(value["mean"]), tuple(value["deviation"]))


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
