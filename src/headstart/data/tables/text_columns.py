"""``TextColumns``: the text cells of a file, stored compactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["TextColumns"]


_ROWS_AT_ONCE = 4096  # rows that are str at one time
_MAX_BYTES = 2**31 - 1  # of text in one array of pyarrow, whose offsets are int32


class TextColumns(Sequence[Array]):
    """Columns of text cells; each becomes an array of str when it is asked for, and is not kept.

    A str takes 50 bytes beside its characters and an array of them 8 more, so that a table in which all cells are str takes
    15 times its file. Here a cell takes 4 bytes beside its characters.

    Args:
        cells: A pyarrow table whose columns are strings without nulls.

    Example:
        >>> columns = TextColumns.from_rows([["Ulm", "5"], ["Graz", "7"]])
        >>> len(columns), columns.num_rows, columns[1]
        (2, 2, array(['5', '7'], dtype=object))
    """

    def __init__(self, cells: Any) -> None:
        self._cells = cells

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[str]], width: int = 0) -> TextColumns:
        """Convert rows of equally many cells; ``width`` is their number, for the case that there are no rows."""
        import pyarrow as pa

        columns = list(zip(*rows, strict=True)) if rows else [()] * width
        return cls(pa.table([_strings(column) for column in columns], [*map(str, range(len(columns)))]))

    def __len__(self) -> int:
        return int(self._cells.num_columns)

    @property
    def num_rows(self) -> int:
        """Number of cells in each column."""
        return int(self._cells.num_rows)

    @overload
    def __getitem__(self, place: int) -> Array: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Array]: ...
    def __getitem__(self, place: int | slice) -> Array | Sequence[Array]:
        if isinstance(place, slice):
            return self.select(range(len(self))[place])
        place = range(len(self))[place]
        cells = self.lines(place).split("\n")  # several times faster than to_pylist
        if len(cells) != self.num_rows:  # cells hold line breaks, or there are none
            cells = self._cells.column(place).to_pylist()
        column = np.empty(len(cells), object)
        column[:] = cells
        return column

    def head(self, place: int, num_rows: int) -> list[str]:
        """First cells of a column."""
        cells: list[str] = self._cells.column(place).slice(0, num_rows).to_pylist()
        return cells

    def sampled(self, place: int, number: int) -> list[str]:
        """About so many cells of a column, spread over it evenly."""
        rows = np.arange(0, self.num_rows, 1 + self.num_rows // number)
        cells: list[str] = self._cells.column(place).take(_integers(rows)).to_pylist()
        return cells

    def plus(self, other: TextColumns | Sequence[Sequence[str]]) -> TextColumns:
        """Append rows."""
        import pyarrow as pa

        more = other if isinstance(other, TextColumns) else TextColumns.from_rows(other, len(self))
        return TextColumns(
            pa.concat_tables([table.rename_columns(self._cells.column_names) for table in (self._cells, more._cells)])
        )

    def take(self, rows: Array) -> TextColumns:
        """Select rows by position, in the order given."""
        return TextColumns(self._cells.take(_integers(np.asarray(rows, np.int64))))

    def below(self, start: int) -> TextColumns:
        """Rows from a position on."""
        return TextColumns(self._cells.slice(start))

    def select(self, places: Sequence[int]) -> TextColumns:
        """Select columns by position, in the order given."""
        return TextColumns(self._cells.select(list(places)))

    def row(self, place: int) -> list[str]:
        """Cells of one row."""
        return [column[place].as_py() for column in self._cells.columns]

    def where(self, place: int, text: str) -> Array:
        """Positions of the rows with this text in a column, ascending."""
        import pyarrow.compute as pc

        if not self.num_rows:
            return np.zeros(0, np.int64)
        found = pc.indices_nonzero(pc.equal(self._cells.column(place), _strings([text])[0]))
        return np.array(found.to_pylist(), np.int64)

    def equal_rows(self, cells: Sequence[str]) -> list[int]:
        """Positions of the rows with these cells, ascending."""
        rows = self.where(0, cells[0])
        for place in range(1, len(self)) if len(rows) else ():
            rows = np.intersect1d(rows, self.where(place, cells[place]), assume_unique=True)
        return [*map(int, rows)]

    def lines(self, place: int) -> str:
        """Cells of a column, joined by line breaks."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._cells.column(place)
        if column.nbytes + len(column) > _MAX_BYTES:  # too long for one array
            return "\n".join(column.to_pylist())
        cells = column.combine_chunks()
        whole = pa.ListArray.from_arrays(_integers(np.array([0, len(cells)], np.int32)), cells)
        return str(pc.binary_join(whole, _strings(["\n"])[0])[0].as_py())

    def joined(self, places: Sequence[int], separator: str) -> Iterator[str]:
        """Cells of each row, joined by a separator."""
        import pyarrow.compute as pc

        mark = _strings([separator])[0]
        for batch in self._cells.select(list(places)).to_batches(max_chunksize=_ROWS_AT_ONCE):
            yield from pc.binary_join_element_wise(*batch.columns, mark).to_pylist()


# pyarrow imports pandas where it is given or asked for other arrays than its own, which predictions need not wait for.


def _integers(values: Array) -> Any:
    """An array of integers for pyarrow."""
    import pyarrow as pa

    kind = pa.int32() if values.dtype == np.int32 else pa.int64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _strings(cells: Sequence[str]) -> Any:
    """An array of strings for pyarrow; several, as one chunked array, if the text is longer than one may be.

    Raises:
        ValueError: A single cell is longer than that.
    """
    import pyarrow as pa

    encoded = [cell.encode() for cell in cells]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    parts: list[Any] = []
    start = 0
    while start < len(encoded) or not parts:
        end = int(np.searchsorted(ends, ends[start] + _MAX_BYTES, side="right")) - 1
        if end == start < len(encoded):
            raise ValueError("a cell of more than 2 GiB")
        offsets = (ends[start : end + 1] - ends[start]).astype(np.int32)
        text = pa.py_buffer(b"".join(encoded[start:end]))
        parts.append(pa.StringArray.from_buffers(end - start, pa.py_buffer(offsets), text))
        start = end
    return parts[0] if len(parts) == 1 else pa.chunked_array(parts)
