"""Compare two models on the same samples: mean difference of their losses and its standard error."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["Difference", "paired_difference"]


class Difference(NamedTuple):
    """Mean difference of the losses of two models on the same samples.

    Attributes:
        mean: Mean over the samples; positive if the first model is worse.
        standard_error: Standard error of ``mean``; infinite (unknown) with fewer than two samples or groups.
        n: Number of samples.
        num_groups: Number of independent groups of samples; None if samples are independent.
    """

    mean: float
    standard_error: float
    n: int
    num_groups: int | None = None

    @property
    def is_noise(self) -> bool:
        """Whether the mean is within one standard error of zero."""
        return abs(self.mean) <= self.standard_error

    def __str__(self) -> str:
        groups = "" if self.num_groups is None else f" in {self.num_groups} groups"
        error = "unknown" if math.isinf(self.standard_error) else f"{self.standard_error:.4f}"
        return f"{abs(self.mean):.4f} (standard error {error}, {self.n} paired samples{groups})"


def paired_difference(losses: Array, others: Array, groups: Array | None = None) -> Difference:
    """Compare the losses of two models on the same samples.

    Samples that are hard for one model tend to be hard for the other, so the difference of the losses varies far less than
    either loss. Samples of one group, for example images of one patient, vary together; with groups, the variance is that
    of the differences summed over each group (K.-Y. Liang and S. L. Zeger, 1986, "Longitudinal data analysis using
    generalized linear models", Biometrika 73).

    Args:
        losses: Losses of the first model, ``(n,)``.
        others: Losses of the second model, ``(n,)``.
        groups: Group number of each sample, ``(n,)``. Defaults to None, for independent samples.

    Example:
        >>> found = paired_difference(np.array([1.0, 3.0, 2.0]), np.array([0.0, 2.0, 3.0]))
        >>> round(found.mean, 4), round(found.standard_error, 4), found.is_noise
        (0.3333, 0.6667, True)
    """
    with np.errstate(invalid="ignore"):  # if both losses overflowed, the difference is NaN and never counts as noise
        differences = np.asarray(losses, np.float64) - np.asarray(others, np.float64)
        mean = float(differences.mean())
        deviations: Array = differences - mean
    if groups is not None:
        deviations = np.bincount(np.unique(groups, return_inverse=True)[1], weights=deviations)
    n, count = len(differences), len(deviations)
    error = math.sqrt(count / (count - 1) * float(np.square(deviations).sum())) / n if count > 1 else math.inf
    return Difference(mean, error, n, None if groups is None else count)
