"""Data: columns of raw cells from CSV of any kind, Parquet, data frames or arrays; what a cell says as a number or date."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import DatasetError
from headstart.skipping import Skipped

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "dates", "is_day_first", "is_missing", "numbers", "read_cells", "table_of_array", "table_of_frame"]

Array = np.ndarray[Any, Any]

_MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "-", ".")
_NUMBER = re.compile(r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf(?:inity)?)\s*", re.ASCII | re.IGNORECASE)
_DATE = re.compile(
    r"\s*(?:(?P<year>\d{4})[-/](?P<month>\d\d?)[-/](?P<day>\d\d?)"
    r"|(?P<first>\d\d?)(?P<mark>[-/.])(?P<second>\d\d?)(?P=mark)(?P<last>\d{4}|\d\d))"
    r"(?:[T ]\s*(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<seconds>\d\d)(?:\.\d+)?)?"
    r"\s*(?:Z|(?P<sign>[-+])(?P<off_hours>\d\d):?(?P<off_minutes>\d\d))?)?\s*",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)
_SEPARATORS = "\t;,|"  # of two that fit alike, the earlier one
_SAMPLE = 50  # rows that the separator is told from
_NUMBER_LIKE = re.compile(r"\s*[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True)
class Table:
    """Columns of raw cells, as they were read; nothing is learned from them yet.

    Attributes:
        names: Unique names of the columns.
        columns: Each ``(n,)``: float64 (NaN is missing), datetime64[s] (NaT is missing), or object of str (text as it
            stood, stripped; ``""`` is missing). A CSV file has text alone.
        numbering: The number of each row in what it was read from, ``(n,)``; 1 to n if None.

    Example:
        >>> table = Table(("a", "b"), (np.array([1.0, 2.0]), np.array(["x", ""], object)))
        >>> len(table), table.take([1]).column("a")
        (2, array([2.]))
    """

    names: tuple[str, ...]
    columns: tuple[Array, ...]
    numbering: Array | None = None

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def take(self, rows: Sequence[int] | Array) -> Table:
        """These rows only, in this order."""
        chosen = np.asarray(rows, np.int64)
        return Table(self.names, tuple(column[chosen] for column in self.columns), self.row_numbers()[chosen])

    def column(self, name: str) -> Array:
        """The cells of one column."""
        return self.columns[self.names.index(name)]

    def select(self, names: Sequence[str]) -> Table:
        """These columns only, in this order."""
        return Table(tuple(names), tuple(self.column(name) for name in names), self.numbering)

    def plus(self, other: Table) -> Table:
        """The rows of both, these first; the columns are the same."""
        columns = [np.concatenate([self.column(name), other.column(name)]) for name in self.names]
        return Table(self.names, tuple(columns), np.concatenate([self.row_numbers(), other.row_numbers()]))

    def row_numbers(self) -> Array:
        """What each row is called in messages: its number in the file, from 1."""
        return np.arange(1, len(self) + 1) if self.numbering is None else self.numbering


def read_cells(path: Path, *, names: Sequence[str] | None = None) -> tuple[Table, list[Skipped]]:
    """Read a CSV file of any kind, or Parquet. Each data row is in the table or listed.

    A CSV file may be UTF-8, UTF-16 with its mark, or of a Western code page; separated by commas, semicolons, tabs, bars
    or spaces; quoted or not; with a header or without one, where columns are called c0, c1 and so on. Blank lines are
    no rows.

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
        rows = _rows(_decoded(content))
    except OSError as error:
        raise _unreadable(f"{path}: {error.strerror or error}") from error
    except (ValueError, ImportError, csv.Error) as error:
        raise _unreadable(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from error
    return _table_of_rows(rows, names or ())


def table_of_frame(frame: pd.DataFrame) -> Table:
    """The columns of a data frame as raw cells; its index is left out.

    Booleans become the texts True and False, time spans become seconds, lists in cells are joined by ``;``.
    """
    columns = tuple(_cells(frame.iloc[:, i]) for i in range(frame.shape[1]))
    return Table(_unique(["_".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in frame.columns]), columns)


def table_of_array(array: Array, names: Sequence[str] | None = None) -> Table:
    """The columns of an array ``(rows, columns)`` as raw cells, called c0, c1 and so on where they have no names.

    Raises:
        DatasetError: It is no such array, or there are more or fewer names than columns (H107).
    """
    import pandas as pd

    array = np.asanyarray(array)
    if array.ndim != 2 or (names is not None and len(names) != array.shape[1]):
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"an array of shape {array.shape}" + ("" if names is None else f" and {len(names)} names"),
            expected="an array of shape (rows, columns), and a name a column or none at all",
            advice="reshape it: array.reshape(len(array), -1)",
        )
    return table_of_frame(pd.DataFrame(array, columns=list(names or [f"c{i}" for i in range(array.shape[1])])))


def is_missing(cells: Array) -> Array:
    """Which cells say nothing: NaN, NaT, blank, or a marker such as ``?`` or ``n/a``.

    Example:
        >>> is_missing(np.array(["5", " ?", "NaN", "0"], object)).tolist()
        [False, True, True, False]
    """
    if cells.dtype.kind in "fM":
        return np.isnan(cells) if cells.dtype.kind == "f" else np.isnat(cells)
    return np.fromiter((cell.strip().lower() in _MISSING for cell in cells), bool, len(cells))


def numbers(cells: Array) -> Array:
    """Cells as float64: NaN where a cell is missing or no number; of dates, the days since 1970-01-01.

    Example:
        >>> numbers(np.array(["1e3", " 5 ", "1_000", "", "-inf"], object))
        array([1000.,    5.,   nan,   nan,  -inf])
    """
    if cells.dtype.kind == "f":
        return cells.astype(np.float64)
    if cells.dtype.kind == "M":
        days: Array = (cells - np.datetime64(0, "s")) / np.timedelta64(1, "D")
        return days
    is_number = _NUMBER.fullmatch
    return np.fromiter((float(cell) if is_number(cell) else np.nan for cell in cells), np.float64, len(cells))


def dates(cells: Array, *, day_first: bool | None = None) -> Array:
    """Cells as datetime64[s] in UTC: ISO 8601, or d/m/y or m/d/y with slashes, dots or hyphens; NaT where a cell is neither.

    Args:
        cells: One column.
        day_first: Whether 1/2/2020 is in February; told from the column if None.

    Example:
        >>> dates(np.array(["2020-02-01", "soon"], object)).astype("datetime64[D]")
        array(['2020-02-01',        'NaT'], dtype='datetime64[D]')
    """
    if cells.dtype.kind == "M":
        return cells.astype("datetime64[s]")
    found = np.full(len(cells), "NaT", "datetime64[s]")
    if cells.dtype.kind == "f":
        return found
    day_first = is_day_first(cells) if day_first is None else day_first
    for place, cell in enumerate(cells):
        if match := _DATE.fullmatch(cell):
            found[place] = _moment(match.groupdict(), day_first)
    return found


def is_day_first(cells: Array) -> bool:
    """Whether dates such as 1/2/2020 have the day first: they do, unless more cells can only have the month first."""
    if cells.dtype.kind in "fM":
        return True
    pairs = [(int(m["first"]), int(m["second"])) for cell in cells if (m := _DATE.fullmatch(cell)) and m["first"]]
    return sum(first > 12 for first, _ in pairs) >= sum(second > 12 for _, second in pairs)


def _moment(parts: dict[str, str | None], day_first: bool) -> datetime | None:
    first, second, last = (int(parts[name] or 0) for name in ("first", "second", "last"))
    if parts["last"]:
        day, month = (first, second) if day_first else (second, first)
        year = last if len(parts["last"]) == 4 else last + (1900 if last > 68 else 2000)  # as POSIX has it
    else:
        year, month, day = (int(parts[name] or 0) for name in ("year", "month", "day"))
    hour, minute, seconds = (int(parts[name] or 0) for name in ("hour", "minute", "seconds"))
    offset = timedelta(hours=int(parts["off_hours"] or 0), minutes=int(parts["off_minutes"] or 0))
    try:
        moment = datetime(year, month, day, hour, minute, seconds)
        return moment + offset if parts["sign"] == "-" else moment - offset
    except (ValueError, OverflowError):  # the 31st of February, or before the year 1
        return None


def _unreadable(received: str) -> DatasetError:
    return DatasetError(
        "H107",
        "the table cannot be read",
        received=received,
        expected="a CSV, best in UTF-8, or a Parquet file",
        advice="open it in a spreadsheet and save it again as CSV (UTF-8)",
    )


# CSV: bytes to text, text to rows of cells, rows to a table


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encodings = ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1252", "latin-1")
    text = next((text for encoding in encodings if (text := _decoded_as(content, encoding)) is not None), "\0")
    num_controls = sum(map(text[:100_000].count, (*map(chr, range(9)), *map(chr, range(14, 32)))))
    if "\0" in text or num_controls > len(text[:100_000]) / 100:
        raise ValueError("it holds bytes that are no text")
    return text


def _decoded_as(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _rows(text: str) -> list[list[str]]:
    """Stripped cells, row by row; blank lines are left out."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    start = "".join(islice(io.StringIO(text[: 1 << 23], newline=""), 10 * _SAMPLE))
    quote = _quote(start)
    separator = _separator(start, quote)
    if separator == " ":
        text, separator = _tabbed(text, quote), "\t"
    rows = _parsed(text, separator, quote)
    if any("\n" in cell or "\r" in cell for row in rows for cell in row):
        # Lines in a cell: they belong to it, unless a stray quote has swallowed rows.
        plain = _parsed(text, separator, None)
        if _usual_width(plain)[1] > _usual_width(rows)[1]:
            rows = [[cell.strip(quote).strip() for cell in row] for row in plain]
    if not rows:
        raise ValueError("it is empty")
    return rows


def _parsed(text: str, separator: str, quote: str | None) -> list[list[str]]:
    form: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, **form)
    rows = ([cell.strip() for cell in line] for line in lines)
    return [row for row in rows if row and row != [""]]


def _tabbed(text: str, quote: str) -> str:
    """A tab for any run of spaces outside quotes."""
    trimmed = re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text)
    return re.sub(rf"({quote}[^{quote}\n]*{quote})|[ \t]+", lambda run: run[1] or "\t", trimmed)


def _quote(text: str) -> str:
    """The single quote where a line has at least one cell in single quotes and fewer in double ones; else the double."""
    single, double = (len(re.findall(rf"(?m)(?:^|[,;\t|]) *{q}[^{q}\n]*{q} *(?=[,;\t|\r]|$)", text)) for q in ("'", '"'))
    return "'" if single > double and single >= 0.8 * text.count("\n") else '"'


def _separator(text: str, quote: str) -> str:
    """What splits the rows into equally many cells, the first one too; and into numbers rather than pieces of them."""
    ranked = [(_fitness(_parsed(text, mark, quote)[:_SAMPLE]), mark) for mark in _SEPARATORS]
    fitness, separator = max(ranked, key=lambda pair: pair[0])
    if fitness[:2] == (True, True):
        return separator
    if _fitness(_parsed(_tabbed(text, quote), "\t", quote)[:_SAMPLE])[:2] == (True, True):
        return " "
    return separator if fitness[3] > 0.5 else ","


def _fitness(rows: list[list[str]]) -> tuple[bool, bool, float, float]:
    """Whether most rows have as many cells, two at least; whether the first has; the share of numbers; that of such rows."""
    width, count = _usual_width(rows)
    if width < 2:
        return False, False, 0.0, 0.0
    cells = [cell for row in rows if len(row) == width for cell in row]
    num_numbers = sum(_NUMBER_LIKE.fullmatch(cell) is not None for cell in cells)
    is_short = len(rows[0]) == width - 1 > 1  # a header may lack a name, or the separator at its end
    share = (count + is_short) / len(rows)
    return share >= 0.8, is_short or len(rows[0]) == width, num_numbers / len(cells), share


def _usual_width(rows: list[list[str]]) -> tuple[int, int]:
    """The commonest number of cells in a row, and how many rows have it."""
    return Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)


def _table_of_rows(rows: list[list[str]], known: Sequence[str]) -> tuple[Table, list[Skipped]]:
    width, _ = _usual_width(rows)
    if width > 1 and not any(row[-1] for row in rows if len(row) == width):  # a separator at the end of each line
        rows = [row[:-1] if len(row) == width else row for row in rows]
        width -= 1
    if len(rows[0]) == width - 1 > 1 and _is_header(["", *rows[0]], rows[1:], known):
        rows[0].insert(0, "")  # as R writes a table whose rows have names
    place = next(i for i, row in enumerate(rows) if len(row) == width)
    body = [row for row in rows[place + 1 :] if len(row) == width]
    names = [""] * width
    if _is_header(rows[place], body, known):
        names = rows.pop(place)
    kept = [(number, row) for number, row in enumerate(rows, 1) if len(row) == width]
    size = f"{width} column" + "s" * (width != 1)
    skipped = [
        Skipped(f"row {number}", f"{len(row)} cell{'s' * (len(row) != 1)} where the table has {size}")
        for number, row in enumerate(rows, 1)
        if len(row) != width
    ]
    columns = [[row[i] for _, row in kept] for i in range(width)]
    numbering = np.array([number for number, _ in kept], np.int64)
    return Table(_unique(names), tuple(np.array(column, object) for column in columns), numbering), skipped


def _is_header(first: list[str], body: list[list[str]], known: Sequence[str]) -> bool:
    """Whether the first row names the columns: known ones, or with texts that are neither numbers nor cells below."""
    if known and 2 * sum(name in first for name in known) > len(known):
        return True
    if any(map(_NUMBER_LIKE.fullmatch, first)):
        return False
    told = np.flatnonzero(~is_missing(np.array(first, object)))
    below = {i: {row[i] for row in body if len(row) == len(first)} for i in told}
    if known and abs(len(first) - len(known)) <= 1 and all(re.fullmatch(r"c\d+", name) for name in known):
        # The model's table had no header. One here would stand above numbers.
        return any(cells and np.isfinite(numbers(np.array([*cells], object))).all() for cells in below.values())
    return 2 * sum(first[i] in cells for i, cells in below.items()) < len(told)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns: c0, c1 and so on for blanks, and a number behind a name that is taken."""
    taken: dict[str, None] = {}
    for place, given in enumerate(names):
        name, number = given or f"c{place}", 2
        while name in taken or (name != given and name in names):
            name, number = f"{given or f'c{place}'}_{number}", number + 1
        taken[name] = None
    return tuple(taken)


# Parquet, data frames and arrays


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
        return values.to_numpy(np.float64, na_value=np.nan)
    texts = np.array([_text(value) for value in values] + [""], object)[:-1]
    return numbers(texts) if kind in ("integer", "floating", "mixed-integer-float", "decimal") else texts


def _date_cells(values: pd.Series[Any]) -> Array:
    import pandas as pd

    moments = pd.to_datetime(values.astype(object), errors="coerce", utc=True)
    return moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]")


def _text(value: Any) -> str:
    import pandas as pd

    if isinstance(value, (list, tuple, set, np.ndarray)):
        return ";".join(_text(part) for part in value)
    if pd.isna(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    return str(int(value)) if isinstance(value, (float, np.floating)) and value.is_integer() else str(value).strip()
