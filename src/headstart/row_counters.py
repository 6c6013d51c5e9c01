"""Data: columns that number the rows of a table, known by their cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["numbers_rows", "rises_or_falls"]

Array = np.ndarray[Any, Any]

_MIN_STEPS = 10  # rows whose numbers rise in step with the rows of the file
_MAX_SHARE, _MIN_DEVIATIONS = 1 / 3, 2.5  # of the repeats that chance would make, and standard deviations below them
_MIN_IN_ORDER = 20


def numbers_rows(values: Array, rows: Array) -> bool:
    """Whether whole numbers number the rows of a file: in step with them, or too close together to differ by chance.

    Measurements repeat where they are close together: of ``n`` numbers in a range of ``r``, ``n - r (1 - exp(-n / r))``
    would. Numbers of rows hardly ever do, in whatever order they come and however many rows were taken out.

    Args:
        values: Float64 without NaN, ``(n,)``.
        rows: The number of each one's row in the file, ascending.

    Example:
        >>> numbers_rows(np.arange(100.0, 120.0), np.arange(20)), numbers_rows(np.arange(20.0) ** 2, np.arange(20))
        (True, False)
    """
    if len(values) < _MIN_STEPS or not np.isfinite(values).all() or (values % 1 != 0).any():
        return False
    steps, row_steps = np.diff(values), np.diff(rows)
    if steps[0] != 0 and (steps * row_steps[0] == steps[0] * row_steps).all():
        return True
    above = np.unique(values - values.min())
    if above[-1] >= 2**53 or len(above) < 2:
        return False
    num_places = above[-1] / np.gcd.reduce(above.astype(np.int64)) + 1
    num_expected = len(values) - num_places * -math.expm1(-len(values) / num_places)
    num_missing = num_expected - (len(values) - len(above))
    return bool(num_missing >= max((1 - _MAX_SHARE) * num_expected, _MIN_DEVIATIONS * math.sqrt(num_expected)))


def rises_or_falls(values: Array) -> bool:
    """Whether enough numbers rise, or fall, from each row to the next."""
    steps = np.diff(values)
    return len(values) >= _MIN_IN_ORDER and bool((steps > 0).all() or (steps < 0).all())
