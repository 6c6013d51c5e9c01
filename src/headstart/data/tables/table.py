"""Data: columns of raw cells from CSV of any kind, Parquet, data frames or arrays."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.skipped import Skipped
from headstart.data.tables.csv_columns import read_csv_table
from headstart.data.tables.number_formats import decimal_of, with_other_sign
from headstart.data.tables.preprocess import as_numbers
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import array_digest, settings_digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "read_cells", "table_of_array", "table_of_frame"]


@dataclass(frozen=True)
class Table:
    """Columns of raw cells, as they were read; nothing is learned from them yet.

    Attributes:
        names: Unique names of the columns.
        columns: Each ``(n,)``: float64 (NaN is missing), datetime64[s] (NaT is missing), or object of str (text as it
            stood, stripped; ``""`` is missing). A CSV file has text alone.
        numbering: The number of each row in what it was read from, ``(n,)``; 1 to n if None.
        recurring: Names that several columns had; all but the first have a number behind it now.
        decimal: The decimal sign of its text, ``.`` or ``,``, as all of its columns show together; "" if they do not.
        separator: What separated the cells in the file; "" if there was none.

    Example:
        >>> table = Table(("a", "b"), (np.array([1.0, 2.0]), np.array(["x", ""], object)))
        >>> len(table), table.take([1]).column("a")
        (2, array([2.]))
    """

    names: tuple[str, ...]
    columns: tuple[Array, ...]
    numbering: Array | None = None
    recurring: tuple[str, ...] = ()
    decimal: str = ""
    separator: str = ""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def take(self, rows: Sequence[int] | Array) -> Table:
        """These rows only, in this order."""
        chosen = np.asarray(rows, np.int64)
        columns = tuple(column[chosen] for column in self.columns)
        return replace(self, columns=columns, numbering=self.row_numbers()[chosen])

    def column(self, name: str) -> Array:
        """The cells of one column."""
        return self.columns[self.names.index(name)]

    def select(self, names: Sequence[str]) -> Table:
        """These columns only, in this order."""
        return replace(self, names=tuple(names), columns=tuple(self.column(name) for name in names))

    def plus(self, other: Table) -> Table:
        """The rows of both, these first; the columns are the same, and numbers in text are written as in these rows."""
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
        """SHA-256 of all names and cells, in their order; a number is not the text of a number."""
        columns = (*self.columns, self.row_numbers())
        cells = [settings_digest(text=list(cells)) if cells.dtype.hasobject else array_digest(cells) for cells in columns]
        return settings_digest(names=list(self.names), cells=cells)

    def row_numbers(self) -> Array:
        """What each row is called in messages: its number in the file, from 1."""
        return np.arange(1, len(self) + 1) if self.numbering is None else self.numbering


def read_cells(path: Path, *, names: Sequence[str] | None = None) -> tuple[Table, list[Skipped]]:
    """Read a CSV file of any kind, or Parquet. Each data row is in the table or listed.

    A CSV file may be UTF-8, UTF-16 with its mark, or of a Western code page; separated by commas, semicolons, tabs, bars
    or spaces; quoted or not; with a header or without one, where columns are called c0, c1 and so on. Blank lines are
    no rows; a cell in quotes may hold lines.

    Args:
        path: The file.
        names: The columns that a trained model knows: a first row that names most of them is a header.

    Returns:
        The table, and the rows whose number of cells is not the table's.

    Raises:
        DatasetError: The file cannot be read as a table (H107).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if content.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq"):
            return table_of_frame(_parquet(content)), []
        found = read_csv_table(content, names or ())
    except OSError as error:
        raise _unreadable(f"{path}: {error.strerror or error}", "check the path") from error
    except (ValueError, ImportError, csv.Error) as error:
        raise _unreadable(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from error
    columns = tuple(np.array(column, object) for column in found.columns)
    return _table(found.names, columns, np.array(found.numbering, np.int64), found.separator), found.skipped


def table_of_frame(frame: pd.DataFrame) -> Table:
    """The columns of a data frame as raw cells; its index is left out.

    Booleans become the texts True and False, time spans become seconds, lists in cells are joined by ``;``, and an empty
    list is ``;`` alone. Integers that float64 would round, 2**53 and larger, are text.
    """
    columns = tuple(_cells(frame.iloc[:, i]) for i in range(frame.shape[1]))
    return _table(["_".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in frame.columns], columns)


def table_of_array(array: Array) -> Table:
    """The columns of an array ``(rows, columns)`` as raw cells, called c0, c1 and so on.

    Raises:
        DatasetError: It is no such array (H107).
    """
    import pandas as pd

    array = np.asanyarray(array)
    if array.ndim != 2:
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"an array of shape {array.shape}",
            expected="an array of shape (rows, columns)",
            advice="reshape it: array.reshape(len(array), -1); images in memory are for hs.read_arrays",
        )
    return table_of_frame(pd.DataFrame(array, columns=[f"c{i}" for i in range(array.shape[1])]))


def _unreadable(received: str, advice: str = "open it in a spreadsheet and save it again as CSV (UTF-8)") -> DatasetError:
    return DatasetError(
        "H107",
        "the table cannot be read",
        received=received,
        expected="a CSV, best in UTF-8, or a Parquet file",
        advice=advice,
    )


def _table(names: Sequence[str], columns: tuple[Array, ...], numbering: Array | None = None, separator: str = "") -> Table:
    recurring = tuple(name for name, count in Counter(names).items() if name and count > 1)
    decimal = decimal_of([column.tolist() for column in columns if column.dtype.kind == "O"])
    return Table(_unique(names), columns, numbering, recurring, decimal, separator)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns: c0, c1 and so on for blanks, and a number behind a name that is taken."""
    taken: dict[str, None] = {}
    given_names, numbers_of = set(names), Counter[str]()
    for place, given in enumerate(names):
        name = stem = given or f"c{place}"
        while name in taken or (name != given and name in given_names):
            numbers_of[stem] += 1
            name = f"{stem}_{numbers_of[stem] + 1}"
        taken[name] = None
    return tuple(taken)


def _parquet(content: bytes) -> pd.DataFrame:
    import pandas as pd
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(io.BytesIO(content))
    except (ArrowException, NotImplementedError, KeyError) as error:
        raise ValueError(str(error)) from error


def _cells(values: pd.Series[Any]) -> Array:
    """One column of a data frame as numbers, dates or text."""
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
    """Whether float64 tells these from their neighbours: larger ones, ids say, stay as text."""
    return not ((np.abs(integers) >= 2**53) & np.isfinite(integers)).any()


def _date_cells(values: pd.Series[Any]) -> Array:
    import pandas as pd

    moments = pd.to_datetime(values.astype(object), errors="coerce", utc=True)
    return moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]")


def _text(value: Any) -> str:
    import pandas as pd

    if isinstance(value, (list, tuple, set, np.ndarray)):
        return ";".join(_text(part) for part in value) if len(value) else ";"  # an empty list is no missing one
    if pd.isna(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    return str(int(value)) if isinstance(value, (float, np.floating)) and value.is_integer() else str(value).strip()
