"""Detection of columns that only number the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["numbering_columns", "numbers_rows", "rises_or_falls"]

_MIN_STEPS = 10  # rows that a column needs before it can count as row numbers
_MAX_SHARE, _MIN_DEVIATIONS = 1 / 3, 2.5  # repeats relative to those expected by chance, and standard deviations below
_MIN_IN_ORDER = 20


def numbering_columns(columns: Mapping[str, tuple[Array, Array]]) -> set[str]:
    """Names of columns that number the rows: those that rise in step with the rows, or the only one that hardly repeats.

    If several columns hardly repeat and none of them is in step with the rows, they are features, for example the
    permutations of a designed experiment, because a table has at most one such numbering.

    Args:
        columns: Values and row numbers of each column, as the arguments of ``numbers_rows``.
    """
    in_step = {name for name, (values, rows) in columns.items() if _is_in_step(values, rows)}
    numbering = in_step | {name for name, (values, rows) in columns.items() if numbers_rows(values, rows)}
    return numbering if len(numbering) == 1 else in_step


def numbers_rows(values: Array, rows: Array) -> bool:
    """Whether values number the rows of a file: they rise in step with the rows, or repeat less often than chance allows.

    Whole-numbered measurements repeat: of ``n`` values in a range of ``r``, about ``n - r (1 - exp(-n / r))`` do. Row
    numbers hardly ever repeat, whatever their order and however many rows were removed.

    Args:
        values: Values without NaN, float64 ``(n,)``.
        rows: Row number of each value in the file, ascending, ``(n,)``.

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
    """Whether values strictly rise, or strictly fall, from row to row, over at least 20 rows."""
    steps = np.diff(values)
    return len(values) >= _MIN_IN_ORDER and bool((steps > 0).all() or (steps < 0).all())
