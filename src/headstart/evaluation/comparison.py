"""Evaluation: two models compared on the same samples: the mean difference of their losses and its standard error."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["Difference", "paired_difference"]


class Difference(NamedTuple):
    """A mean difference of paired losses.

    Attributes:
        mean: Mean over the samples; positive where the first model is worse.
        standard_error: Of that mean; infinite where fewer than two samples, or groups, leave it unknown.
        n: Samples.
        num_groups: Independent groups of samples; None where each sample stands for itself.
    """

    mean: float
    standard_error: float
    n: int
    num_groups: int | None = None

    @property
    def is_noise(self) -> bool:
        """Whether the mean lies within one standard error of zero."""
        return abs(self.mean) <= self.standard_error

    def __str__(self) -> str:
        groups = "" if self.num_groups is None else f" in {self.num_groups} groups"
        error = "unknown" if math.isinf(self.standard_error) else f"{self.standard_error:.4f}"
        return f"{abs(self.mean):.4f} (standard error {error}, {self.n} paired samples{groups})"


def paired_difference(losses: Array, others: Array, groups: Array | None = None) -> Difference:
    """Compare the losses of two models on the same samples.

    Both models find the same samples hard, so the difference of their losses varies far less than either loss: it is the
    differences that are averaged. Samples of one group, for example images of one patient, vary together: the differences
    are then summed over each group and the groups are what varies (K.-Y. Liang and S. L. Zeger, 1986, "Longitudinal data
    analysis using generalized linear models", Biometrika 73).

    Args:
        losses: Of the first model, ``(n,)``.
        others: Of the second.
        groups: Group number of each sample; None where samples are independent.

    Example:
        >>> found = paired_difference(np.array([1.0, 3.0, 2.0]), np.array([0.0, 2.0, 3.0]))
        >>> round(found.mean, 4), round(found.standard_error, 4), found.is_noise
        (0.3333, 0.6667, True)
    """
    with np.errstate(invalid="ignore"):  # a loss may have overflowed; its difference is then NaN and never noise
        differences = np.asarray(losses, np.float64) - np.asarray(others, np.float64)
        mean = float(differences.mean())
        deviations: Array = differences - mean
    if groups is not None:
        deviations = np.bincount(np.unique(groups, return_inverse=True)[1], weights=deviations)
    n, count = len(differences), len(deviations)
    error = math.sqrt(count / (count - 1) * float(np.square(deviations).sum())) / n if count > 1 else math.inf
    return Difference(mean, error, n, None if groups is None else count)
