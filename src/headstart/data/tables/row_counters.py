"""Data: columns that number the rows of a table, known by their cells."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["numbering_columns", "numbers_rows", "rises_or_falls"]

_MIN_STEPS = 10  # rows whose numbers rise in step with the rows of the file
_MAX_SHARE, _MIN_DEVIATIONS = 1 / 3, 2.5  # of the repeats that chance would make, and standard deviations below them
_MIN_IN_ORDER = 20


def numbering_columns(columns: Mapping[str, tuple[Array, Array]]) -> set[str]:
    """Names of the columns that number the rows of a table: those in step with the rows, or the only one to hardly repeat.

    A table has one numbering: where several columns hardly repeat and none is in step with the rows, they are features,
    such as the permutations of a designed experiment.

    Args:
        columns: Values of each column and the numbers of their rows, as ``numbers_rows`` takes them.
    """
    in_step = {name for name, (values, rows) in columns.items() if _is_in_step(values, rows)}
    numbering = in_step | {name for name, (values, rows) in columns.items() if numbers_rows(values, rows)}
    return numbering if len(numbering) == 1 else in_step


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
    if _is_in_step(values, rows):
        return True
    if not _are_countable(values):
        return False
    above = np.unique(values - values.min())
    if above[-1] >= 2**53 or len(above) < 2:
        return False
    num_places = above[-1] / np.gcd.reduce(above.astype(np.int64)) + 1
    num_expected = len(values) - num_places * -math.expm1(-len(values) / num_places)
    num_missing = num_expected - (len(values) - len(above))
    return bool(num_missing >= max((1 - _MAX_SHARE) * num_expected, _MIN_DEVIATIONS * math.sqrt(num_expected)))


def _are_countable(values: Array) -> bool:
    return len(values) >= _MIN_STEPS and bool(np.isfinite(values).all() and (values % 1 == 0).all())


def _is_in_step(values: Array, rows: Array) -> bool:
    if not _are_countable(values):
        return False
    steps, row_steps = np.diff(values), np.diff(rows)
    return bool(steps[0] != 0 and (steps * row_steps[0] == steps[0] * row_steps).all())


def rises_or_falls(values: Array) -> bool:
    """Whether enough numbers rise, or fall, from each row to the next."""
    steps = np.diff(values)
    return len(values) >= _MIN_IN_ORDER and bool((steps > 0).all() or (steps < 0).all())
