"""The time of each row of a table, from a column of dates or of numbers, by which the rows are split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from headstart.data.readers.labels.column_names import no_column
from headstart.data.readers.labels.target_column import TargetColumn
from headstart.data.readers.labels.targets import Target
from headstart.data.skipped import Skipped
from headstart.data.tables.dates import learn_dates
from headstart.data.tables.preprocess import as_days, is_missing
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["InTime", "order_in_time", "row_times"]

_MIN_READ = 0.9  # share of the cells that must be times


class InTime(NamedTuple):
    """Rows whose time is known.

    Attributes:
        target: The target of these rows.
        times: Time of each, as ``row_times`` returns it.
        skipped: The other rows, with the reason.
    """

    target: Target
    times: tuple[float, ...]
    skipped: list[Skipped]


def row_times(table: Table, column: str) -> Array:
    """Read the times of a table's rows.

    Args:
        table: Raw cells.
        column: Name of a column of dates (with the year), or of numbers such as years, seconds or steps.

    Returns:
        Days since 1970, or the numbers, float64 ``(n,)``; NaN for a cell that is blank or no time.

    Raises:
        DatasetError: Fewer than nine tenths of the cells that are not blank are times (H139).

    Example:
        >>> import pandas as pd
        >>> from headstart.data.tables.table import table_of_frame
        >>> row_times(table_of_frame(pd.DataFrame({"day": ["1970-01-03", "1970-01-02", ""]})), "day").tolist()
        [2.0, 1.0, nan]
    """
    cells = table.column(column)
    there = ~is_missing(cells)
    times = as_days(cells) if cells.dtype.kind == "M" else TargetColumn(table, column).values
    if np.isfinite(times[there]).sum() < _MIN_READ * there.sum():
        times = _days(cells, there)
    read = np.isfinite(times) & there
    if not there.any() or read.sum() < _MIN_READ * there.sum():
        odd = dict.fromkeys(map(str, cells[there & ~read][:3].tolist()))
        raise DatasetError(
            "H139",
            "no times in the column",
            received=f"--time {printable(column)}: {listed([*map(printable, odd)]) if odd else 'blank cells only'}",
            expected="dates with the year, such as 2024-05-30 or 30.5.2024 14:00, or numbers that grow with time",
            advice="name another column, or write the dates as 2024-05-30",
        )
    return np.where(read, times, np.nan)


def order_in_time(table: Table, column: str, target: Target, splits: Sequence[str], group: str) -> InTime:
    """Keep the rows whose time is known, with their times; the others are skipped.

    Args:
        table: Raw cells.
        column: Name of the column of times.
        target: The target, with the rows that have a usable label.
        splits: Split of each such row, "" if it has none.
        group: Column of groups, or "".

    Raises:
        DatasetError: The column is the target (H108) or holds no times (H139), or the data are split by something else
            too: they have a split, or a column of groups was named (H140).
    """
    if column in target.names:
        raise no_column(f"--time {printable(column)}, which is the target column", option="--time")
    other = f"--group {printable(group)}" if group else "a split in the data" if any(splits) else ""
    if other:
        raise DatasetError(
            "H140",
            "the split can be decided by one thing only",
            received=f"--time {printable(column)} and {other}",
            expected="a split in time, or groups that stay together, or a split of your own",
            advice=f"leave one out{'' if group else ': remove the column, or --time'}",
        )
    times = row_times(table, column)[target.kept]
    known = np.isfinite(times)
    rows = table.row_numbers()[target.kept[~known]]
    reason = f"{target.reason}; split in time by {printable(column)}"
    kept = replace(target, kept=target.kept[known], labels=target.labels[known], reason=reason)
    skipped = [Skipped(f"row {row}", f"no time in the column {printable(column)}") for row in rows]
    return InTime(kept, tuple(times[known].tolist()), skipped)


def _days(cells: Array, there: Array) -> Array:
    """Days of dates that are written as text; NaN if they are not dates with the year."""
    texts, places = np.unique(np.where(there, cells, "").astype(str), return_inverse=True)
    counts = np.bincount(places[there], minlength=len(texts))
    learned = learn_dates(texts, counts, places)
    if learned is None or learned.reading["holds"] != "date":
        return np.full(len(cells), np.nan)
    found: Array = learned.days[places]
    return found
