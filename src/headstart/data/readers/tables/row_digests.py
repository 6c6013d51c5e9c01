"""Digests of the rows of a table, by which copies are found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np

from headstart.data.tables.dates import are_dates
from headstart.data.tables.name_hints import is_id_name, is_measurement_name
from headstart.data.tables.number_formats import learn_numbers
from headstart.data.tables.preprocess import as_numbers
from headstart.data.tables.row_counters import numbering_columns
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.fingerprint import bytes_digest

__all__ = ["RowDigests", "row_digests"]

_MIN_FOR_ID = 20  # rows that a table needs before a column can count as an id

_FIRST_ROWS = (500, 5000)  # in which most columns recur, so that the others need not be compared

_OF_DATES, _NUM_TRIED = 0.95, 5000  # share of different texts that must be dates in a column of dates; texts that are tried


class RowDigests(Sequence[str]):
    """Digests of the rows of a table, computed when the first of them is asked for: reading and predicting need none.

    Args:
        table: The rows.

    Example:
        >>> digests = RowDigests(Table(("a",), (np.array([1.0, 2.0, 1.0]),)))
        >>> len(digests), digests[0] == digests[2], digests[0] == digests[1]
        (3, True, False)
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    @cached_property
    def _digests(self) -> tuple[str, ...]:
        return tuple(row_digests(self._table))

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        return self._digests[place]


def row_digests(table: Table) -> list[str]:
    """SHA-256 of the cells of each row, independent of the order of the columns.

    Columns that only number or identify rows are left out, so that a copy of a row with another id is detected as one.
    """
    naming = _naming_columns(table)
    telling = sorted(set(table.names) - naming) or sorted(table.names)
    return [bytes_digest(row.encode("utf-8", "backslashreplace")) for row in table.row_texts(telling)]


def _naming_columns(table: Table) -> set[str]:
    """Columns that identify rows (a different text in each row) or number them; dates and measurements do neither."""
    naming: set[str] = set()
    whole: dict[str, tuple[Array, Array]] = {}
    for name in table.names if len(table) >= _MIN_FOR_ID else ():
        if any(len(set(first := table.head(name, num_rows))) < len(first) for num_rows in _FIRST_ROWS):
            continue
        cells = table.column(name)
        if cells.dtype.kind == "M" or len(set(cells)) < len(cells):
            continue
        if np.isnan(as_numbers(cells[:_NUM_TRIED])).all():
            some = cells[:: 1 + len(cells) // _NUM_TRIED]
            has_numbers = not np.isnan(learn_numbers(some).values).all()  # with units, or thousands separators
            naming |= set() if has_numbers or are_dates(some, _OF_DATES) else {name}
            continue
        values = as_numbers(cells)
        if np.isfinite(values).all() and (values % 1 == 0).all() and not is_measurement_name(name):
            whole[name] = values, np.arange(len(values))
    return naming | {name for name in whole if is_id_name(name)} | numbering_columns(whole)
