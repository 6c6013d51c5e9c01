"""``Table``: columns of raw cells, read from CSV files of any kind, Parquet, data frames or arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.tables.number_formats import decimal_of, decimal_sign, usual_sign, with_other_sign
from headstart.data.tables.preprocess import as_numbers
from headstart.data.tables.text_columns import TextColumns
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import array_digest, settings_digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "as_texts", "make_table", "table_of_array", "table_of_frame"]


@dataclass(frozen=True)
class Table:
    """Columns of raw cells, before anything is learned from them.

    Attributes:
        names: Unique names of the columns.
        columns: Cells of each column, ``(n,)``: float64 (NaN is missing), datetime64[s] (NaT is missing), or objects of type
            str (stripped text; ``""`` is missing). Columns of a CSV file are always text, and are made into arrays when they
            are asked for.
        numbering: Number of each row in the file or frame, ``(n,)``. Defaults to None: 1 to n.
        recurring: Names that several columns had; all but the first got a number as suffix. Defaults to none.
        decimal: Decimal sign in its text, ``.`` or ``,``, decided from all columns. Defaults to "": not known.
        separator: Cell separator of the file. Defaults to "": none.
        splits: Split of each row, ``(n,)``, if the files or arrays that the table was read from are splits: ``train``,
            ``validation``, ``test`` or "". Defaults to None: not known.
        targets: Columns that are the targets by the way the table was stored. Defaults to none: not known.
        notes: What was decided when the table was read, in a sentence each. Defaults to none.
        source: Path of the file or folder that it was read from, for messages. Defaults to "": none.

    Example:
        >>> table = Table(("a", "b"), (np.array([1.0, 2.0]), np.array(["x", ""], object)))
        >>> len(table), table.take([1]).column("a")
        (2, array([2.]))
    """

    names: tuple[str, ...]
    columns: Sequence[Array]
    numbering: Array | None = None
    recurring: tuple[str, ...] = ()
    decimal: str = ""
    separator: str = ""
    splits: Array | None = None
    targets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""

    def __len__(self) -> int:
        if isinstance(self.columns, TextColumns):
            return self.columns.num_rows
        return len(self.columns[0]) if self.columns else 0

    def take(self, rows: Sequence[int] | Array) -> Table:
        """Select rows by position, in the order given."""
        chosen = np.asarray(rows, np.int64)
        if np.array_equal(chosen, np.arange(len(self))):
            return self
        columns: Sequence[Array]
        if isinstance(self.columns, TextColumns):
            columns = self.columns.take(chosen)
        else:
            columns = tuple(column[chosen] for column in self.columns)
        splits = None if self.splits is None else self.splits[chosen]
        return replace(self, columns=columns, numbering=self.row_numbers()[chosen], splits=splits)

    def column(self, name: str) -> Array:
        """Cells of one column."""
        return self.columns[self.names.index(name)]

    def head(self, name: str, num_rows: int) -> list[Any]:
        """First cells of one column."""
        if isinstance(self.columns, TextColumns):
            return self.columns.head(self.names.index(name), num_rows)
        return list(self.column(name)[:num_rows].tolist())

    def row_texts(self, names: Sequence[str]) -> Iterable[str]:
        """Cells of each row in some columns, as text with the separator U+001F."""
        if isinstance(self.columns, TextColumns):
            return self.columns.joined([self.names.index(name) for name in names], "\x1f")
        texts = [[str(cell) for cell in self.column(name).tolist()] for name in names]
        return map("\x1f".join, zip(*texts, strict=True))

    def select(self, names: Sequence[str]) -> Table:
        """Select columns by name, in the order given."""
        places = [self.names.index(name) for name in names]
        columns: Sequence[Array]
        if isinstance(self.columns, TextColumns):
            columns = self.columns.select(places)
        else:
            columns = tuple(self.columns[place] for place in places)
        return replace(self, names=tuple(names), columns=columns)

    def plus(self, other: Table) -> Table:
        """Append the rows of a table with the same columns; numbers in its text get this table's decimal sign."""
        is_other = {self.decimal, other.decimal} == {".", ","}
        columns = [
            np.concatenate(
                [self.column(name), with_other_sign(other.column(name), other.decimal) if is_other else other.column(name)]
            )
            for name in self.names
        ]
        numbering = np.concatenate([self.row_numbers(), other.row_numbers()])
        return replace(self, columns=tuple(columns), numbering=numbering)

    def digest(self) -> str:
        """SHA-256 of all names and cells, in their order; a number and its text have different digests."""
        cells = [_digest(column) for column in self.columns]
        return settings_digest(names=list(self.names), cells=[*cells, array_digest(self.row_numbers())])

    def row_numbers(self) -> Array:
        """Number of each row in messages: its number in the file, from 1."""
        return np.arange(1, len(self) + 1) if self.numbering is None else self.numbering


def table_of_frame(frame: pd.DataFrame) -> Table:
    """Convert a data frame to raw cells; its index is left out.

    Booleans become the texts True and False, time spans become seconds, and lists are joined by ``;`` (an empty list becomes
    a single ``;``). Columns with integers that float64 would round, from 2**53 on, become text.
    """
    columns = tuple(_cells(frame.iloc[:, i]) for i in range(frame.shape[1]))
    names = ["_".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in frame.columns]
    return make_table([name.strip() for name in names], columns)  # as in a CSV file


def table_of_array(array: Array) -> Table:
    """Convert an array ``(rows, columns)`` to raw cells; columns are called c0, c1 and so on.

    Raises:
        DatasetError: The array does not have two dimensions (H107).
    """
    import pandas as pd

    array = np.asanyarray(array)
    if array.ndim != 2:
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"an array of shape {array.shape}",
            expected="an array of shape (rows, columns)",
            advice="reshape it: array.reshape(len(array), -1); for images in memory, use hs.read_arrays",
        )
    return table_of_frame(pd.DataFrame(array, columns=[f"c{i}" for i in range(array.shape[1])]))


def as_texts(column: Array) -> Array:
    """Convert a column to text, with "" for missing cells."""
    return column if column.dtype.kind == "O" else np.array([_text(cell) for cell in column.tolist()] + [""], object)[:-1]


def _digest(cells: Array) -> str:
    return settings_digest(text=list(cells)) if cells.dtype.hasobject else array_digest(cells)


def make_table(names: Sequence[str], columns: Sequence[Array], numbering: Array | None = None, separator: str = "") -> Table:
    """Make a table of raw cells: its names become unique, and its decimal sign is detected."""
    recurring = tuple(name for name, count in Counter(names).items() if name and count > 1)
    if isinstance(columns, TextColumns):
        decimal = usual_sign(
            decimal_sign(partial(columns.lines, i), partial(columns.sampled, i)) for i in range(len(columns))
        )
    else:
        decimal = decimal_of([column.tolist() for column in columns if column.dtype.kind == "O"])
    return Table(_unique(names), columns, numbering, recurring, decimal, separator)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Make column names unique: blank ones become c0, c1 and so on, and repeated ones get a number as suffix."""
    taken: dict[str, None] = {}
    given_names, numbers_of = set(names), Counter[str]()
    for place, given in enumerate(names):
        name = stem = given or f"c{place}"
        while name in taken or (name != given and name in given_names):
            numbers_of[stem] += 1
            name = f"{stem}_{numbers_of[stem] + 1}"
        taken[name] = None
    return tuple(taken)


def _cells(values: pd.Series[Any]) -> Array:
    """Convert a column of a data frame to numbers, dates or text."""
    from pandas.api import types

    kind = types.infer_dtype(values, skipna=True)
    if kind in ("datetime", "datetime64", "date"):
        return _date_cells(values)
    if kind in ("timedelta", "timedelta64"):
        seconds: Array = values.astype("timedelta64[s]").dt.total_seconds().to_numpy(np.float64)
        return seconds
    if types.is_numeric_dtype(values.dtype) and kind in ("integer", "floating"):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        if kind == "floating" or _are_exact(numbers):
            return numbers
    texts = np.array([_text(value) for value in values] + [""], object)[:-1]
    if kind not in ("integer", "floating", "mixed-integer-float", "decimal"):
        return texts
    numbers = as_numbers(texts)
    return numbers if kind == "floating" or _are_exact(numbers) else texts


def _are_exact(integers: Array) -> bool:
    """Whether float64 can represent these integers exactly; larger ones, such as ids, stay text."""
    return not ((np.abs(integers) >= 2**53) & np.isfinite(integers)).any()


def _date_cells(values: pd.Series[Any]) -> Array:
    import pandas as pd

    moments = pd.to_datetime(values.astype(object), errors="coerce", utc=True)
    return moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]")


def _text(value: Any) -> str:
    import pandas as pd

    if isinstance(value, (list, tuple, set, np.ndarray)):
        return ";".join(_text(part) for part in value) if len(value) else ";"  # an empty list is not a missing value
    if pd.isna(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    return str(int(value)) if isinstance(value, (float, np.floating)) and value.is_integer() else str(value).strip()
