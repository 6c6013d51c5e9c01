"""95% confidence intervals of scores: Wilson's for shares, the bootstrap for anything else."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["bootstrap_interval", "share_interval", "wilson_interval"]

_Z95 = 1.959963984540054  # the 97.5% quantile of the normal distribution
_SEED = 1979
_MAX_RESAMPLES, _MIN_RESAMPLES = 1000, 200
_CELLS = 2_000_000  # cells of the table of resampled counts that are held in memory at a time


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% score interval of a share of independent samples.

    Unlike the normal approximation, it stays within 0 and 1 and is useful even for n = 1. See E. B. Wilson (1927),
    "Probable inference, the law of succession, and statistical inference", JASA 22.

    Raises:
        ValueError: ``n`` is below 1, or ``successes`` is not between 0 and ``n``.

    Example:
        >>> [round(bound, 3) for bound in wilson_interval(310, 372)]
        [0.792, 0.868]
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share")
    return _wilson(successes / n, n, _Z95)


def share_interval(hits: Array, groups: Array | None = None) -> tuple[float, float]:
    """95% interval of a share of samples, which may come in groups.

    Samples of one group, for example images of one patient, tend to be right or wrong together, so they carry less
    information than as many independent samples. With groups, Wilson's interval is computed at the effective sample size,
    the number of independent samples with the same variance (at most ``n``, at least 1), with Student's t for the number
    of groups (E. L. Korn and B. I. Graubard, 1998, "Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data", Survey Methodology 24). If all samples are hits, or none is, the effective
    sample size is the number of groups.

    Args:
        hits: Whether each sample is a hit, ``(n,)``; at least one sample.
        groups: Group number of each sample, ``(n,)``. Defaults to None, for independent samples.

    Example:
        >>> hits = np.repeat([True, True, True, False], 10)
        >>> [round(bound, 2) for bound in share_interval(hits)]
        [0.6, 0.86]
        >>> [round(bound, 2) for bound in share_interval(hits, np.repeat(np.arange(4), 10))]
        [0.13, 0.98]
    """
    n, share = len(hits), float(np.mean(hits))
    if groups is None:
        return wilson_interval(int(np.sum(hits)), n)
    _, places = np.unique(groups, return_inverse=True)
    num_groups = int(places.max()) + 1
    if num_groups < 2:
        return _wilson(share, 1.0, _Z95)
    sums = np.bincount(places, weights=np.asarray(hits, np.float64) - share)
    variance = num_groups / (num_groups - 1) * float(np.square(sums).sum()) / n**2
    spread = share * (1 - share)
    effective = float(num_groups) if spread == 0 else n if variance == 0 else spread / variance
    return _wilson(share, min(max(effective, 1.0), n), _t95(num_groups - 1))


def _wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    square = quantile * quantile
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = quantile * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # At a share of 0 or 1 the bound is exactly 0 or 1, which rounding errors would miss.
    return (0.0 if share == 0 else centre - half, 1.0 if share == 1 else centre + half)


def _t95(degrees: int) -> float:
    """The 97.5% quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


def bootstrap_interval(
    measure: Callable[[Array], Array], n: int, cost: int = 1, groups: Array | None = None
) -> tuple[float, float] | None:
    """95% bootstrap interval of a score; deterministic, with a fixed seed.

    Samples, or whole groups of samples, are drawn with replacement (B. Efron, 1979, "Bootstrap methods: another look at
    the jackknife", The Annals of Statistics 7). A resample is represented by the count of each sample. Resamples of few
    samples vary too little, so the quantiles are moved outwards in the ratio of Student's t to the normal distribution
    (T. C. Hesterberg, 2015, "What teachers should know about the bootstrap", The American Statistician 69).

    Args:
        measure: Computes one score per resample from counts ``(resamples, n)``, NaN where it is not defined. With groups
            of unequal size, the sum of the counts varies.
        n: Number of samples in the split.
        cost: How many times ``measure`` reads the counts; the more, the fewer resamples are drawn (200 to 1000). Defaults
            to 1.
        groups: Group number of each sample, ``(n,)``. Defaults to None, for independent samples.

    Returns:
        Lower and upper bound; None for a single sample or group, or if the score is not defined in any resample.

    Example:
        >>> errors = np.array([1.0, 2.0, 3.0, 4.0])
        >>> low, high = bootstrap_interval(lambda counts: counts @ errors / len(errors), len(errors))
        >>> 1.0 <= low < 2.5 < high <= 4.0
        True
    """
    places = None if groups is None else np.unique(groups, return_inverse=True)[1]
    num_drawn = n if places is None else int(places.max()) + 1
    if num_drawn < 2:
        return None
    rng = np.random.default_rng(_SEED)
    left = max(_MIN_RESAMPLES, min(_MAX_RESAMPLES, 10 * _CELLS // (n * cost)))
    values: list[float] = []
    while left > 0:
        rows = min(left, max(1, _CELLS // n))
        drawn = rng.integers(0, num_drawn, (rows, num_drawn)) + num_drawn * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * num_drawn).reshape(rows, num_drawn)
        values += measure(counts if places is None else counts[:, places]).tolist()
        left -= rows
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None
    tail = _tail(num_drawn)
    low, high = np.quantile(known, (tail, 1 - tail))
    return float(low), float(high)


def _tail(num_drawn: int) -> float:
    """Share of resamples beyond each bound: 2.5% for many samples, less for few."""
    from scipy.special import ndtr

    return float(ndtr(-math.sqrt(num_drawn / (num_drawn - 1)) * _t95(num_drawn - 1)))
