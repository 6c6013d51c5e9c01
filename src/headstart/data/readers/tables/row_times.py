"""The time of each row of a table, from a column of dates or of numbers, by which the rows are split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.data.readers.labels.target_column import TargetColumn
from headstart.data.skipped import Skipped
from headstart.data.tables.dates import learn_dates
from headstart.data.tables.preprocess import as_days, is_missing
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["check_times_decide", "row_times", "without_time"]

_MIN_READ = 0.9  # share of the cells that must be times


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
    if np.isfinite(times[there]).mean() < _MIN_READ if there.any() else True:
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


def check_times_decide(column: str, splits: Sequence[str], group: str) -> None:
    """Reject a split in time for data that are split by something else too.

    Raises:
        DatasetError: The data have a split, or a column of groups was named (H140).
    """
    other = f"--group {printable(group)}" if group else "a split in the data" if any(splits) else ""
    if other:
        raise DatasetError(
            "H140",
            "the split can be decided by one thing only",
            received=f"--time {printable(column)} and {other}",
            expected="a split in time, or groups that stay together, or a split of your own",
            advice=f"leave one out{'' if group else ': remove the column, or --time'}",
        )


def without_time(rows: Sequence[int] | Array, column: str) -> list[Skipped]:
    """List rows whose time is not known as skipped."""
    return [Skipped(f"row {row}", f"no time in the column {printable(column)}") for row in rows]


def _days(cells: Array, there: Array) -> Array:
    """Days of dates that are written as text; NaN if they are not dates with the year."""
    texts, places = np.unique(np.where(there, cells, "").astype(str), return_inverse=True)
    counts = np.bincount(places[there], minlength=len(texts))
    learned = learn_dates(texts, counts, places)
    if learned is None or learned.reading["holds"] != "date":
        return np.full(len(cells), np.nan)
    found: Array = learned.days[places]
    return found
