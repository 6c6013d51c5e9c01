"""Evaluation: how far a number may be off because the split is one sample of many that might have been drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["bootstrap_interval", "wilson_interval"]

_Z95 = 1.959963984540054  # the 97.5% quantile of the normal distribution
_SEED = 1979
_MOST_RESAMPLES, _LEAST_RESAMPLES = 1000, 200
_CELLS = 2_000_000  # of the table of weights, at most this many at a time

Array = np.ndarray[Any, Any]


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% score interval of a share.

    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22. Unlike the
    normal approximation it stays within 0 and 1 and is useful at n = 1.

    Raises:
        ValueError: ``n`` is below 1, or ``successes`` is not between 0 and ``n``.

    Example:
        >>> [round(bound, 3) for bound in wilson_interval(310, 372)]
        [0.792, 0.868]
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    share, square = successes / n, _Z95 * _Z95
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # At 0 and n the bounds are 0 and 1 exactly; rounding would leave them a hair away.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def bootstrap_interval(measure: Callable[[Array], Array], n: int, cost: int = 1) -> tuple[float, float] | None:
    """The middle 95% of a number over resampled splits; the same split always gives the same interval.

    B. Efron (1979), "Bootstrap methods: another look at the jackknife", The Annals of Statistics 7: samples are drawn
    with replacement, here as the count of each sample.

    Args:
        measure: Takes counts, ``(resamples, n)``, and gives one number a resample, NaN where it is not defined.
        n: Samples in the split.
        cost: How many times ``measure`` reads the counts; fewer resamples are drawn where much is to be read.

    Returns:
        Both bounds; None for a single sample, which says nothing about others, or where no resample has a number.

    Example:
        >>> errors = np.array([1.0, 2.0, 3.0, 4.0])
        >>> low, high = bootstrap_interval(lambda counts: counts @ errors / len(errors), len(errors))
        >>> 1.0 <= low < 2.5 < high <= 4.0
        True
    """
    if n < 2:
        return None
    rng = np.random.default_rng(_SEED)
    left = max(_LEAST_RESAMPLES, min(_MOST_RESAMPLES, 10 * _CELLS // (n * cost)))
    values: list[float] = []
    while left > 0:
        rows = min(left, max(1, _CELLS // n))
        drawn = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        values += measure(np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)).tolist()
        left -= rows
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)
