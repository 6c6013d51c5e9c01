"""Reading of a file of any supported kind into a ``Table``: the kind is that of its content, else that of its suffix."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.skipped import Skipped
from headstart.data.tables.files.archives import COMPRESSED, MAGIC, bare_name, check_zip, members, uncompressed
from headstart.data.tables.files.conversions import unsupported
from headstart.data.tables.files.csv_columns import CsvTable, read_csv_table, table_of_rows
from headstart.data.tables.files.csv_rows import rows_of_lists
from headstart.data.tables.files.numpy_files import loaded, table_of_arrays
from headstart.data.tables.files.records import Records, records_of_json, records_of_lines
from headstart.data.tables.table import Table, make_table, table_of_array, table_of_frame
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "is_table_name", "read_cells", "table_name"]

_Read = tuple[Table, list[Skipped]]
_MAGIC = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"FEA1": ".feather",
    b"\x93NUMPY": ".npy",
    **MAGIC,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_ZIPPED = (".npz", ".docx", ".keras", ".pt", ".pth", ".numbers")  # suffixes of files that are zip archives too
_NOTES = re.compile(r"(^|/)(readme|licen[sc]e|description|notes?|sample_?submission)|\.(txt|data|dat|json)$", re.IGNORECASE)
_SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
_INSIDE = {"xl/workbook.xml": ".xlsx", "xl/workbook.bin": ".xlsb", "content.xml": ".ods"}  # spreadsheets are zip archives


def is_table_name(name: str) -> bool:
    """Whether a file of this name is a table, packed or not.

    Example:
        >>> [is_table_name(name) for name in ("pay.csv", "PAY.CSV.GZ", "pay.jpg", "pay.zip")]
        [True, True, False, False]
    """
    return PurePosixPath(bare_name(name)).suffix.lower() in FORMATS


def table_name(path: Path) -> str:
    """Name of a table without the suffixes of its file."""
    return PurePosixPath(bare_name(path.name)).stem


def read_cells(path: Path, *, names: Sequence[str] | None = None) -> tuple[Table, list[Skipped]]:
    """Read a table from a file of any kind in ``FORMATS``, packed or not. Every row is in the table or listed as skipped.

    A CSV file may be encoded in UTF-8, UTF-16 with a byte order mark, or a Western code page, and separated by commas,
    semicolons, tabs, vertical bars or spaces. Cells may be quoted, and quoted cells may contain line breaks. Without a
    header, columns are called c0, c1 and so on. Blank lines are ignored.

    Args:
        path: Path of the file.
        names: Column names that a trained model knows; a first row that contains most of them is a header. Defaults to None.

    Returns:
        The table, and the rows with another number of cells than the table, as skipped.

    Raises:
        DatasetError: The file cannot be read as a table (H107), is of another kind (H122), or unpacks to too much (H123).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(f"{path}: {error.strerror or error}", "check the path") from error
    table, skipped = _read(path, content, names or (), may_be_packed=True)
    return replace(table, source=str(path)), skipped


def _read(path: Path, content: bytes, names: Sequence[str], *, may_be_packed: bool) -> _Read:
    kind = _kind(path, content)
    if kind in COMPRESSED or kind == ".zip":
        if not may_be_packed:
            raise _unreadable(f"{path}: an archive within an archive", "unpack it, and give the path of the table inside")
        name, inner = _table_inside(path, content) if kind == ".zip" else (bare_name(path.name), None)
        inner = uncompressed(content, kind, str(path)) if inner is None else inner
        return _read(path / name if kind == ".zip" else path.with_name(name), inner, names, may_be_packed=False)
    if kind not in FORMATS:
        if (error := unsupported(path, content)) is not None:
            raise error
        kind = ".csv"  # if it is text
    if FORMATS[kind] is _csv and _is_json(content):
        kind = ".json"
    try:
        return FORMATS[kind](content, names)
    except (ValueError, ImportError, csv.Error) as error:
        if not content.strip():
            raise _unreadable(
                f"{path}: an empty file", "write the table once more, or give the path of another file"
            ) from error
        raise _unreadable(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from error


def _kind(path: Path, content: bytes) -> str:
    """Kind of a file, as a suffix: that of its first bytes, else that of its name."""
    suffix = path.suffix.lower()
    kind = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), suffix)
    if not content.startswith(_ZIP):
        return kind
    inside = {member.name for member in members(content, str(path))}
    return next((kind for name, kind in _INSIDE.items() if name in inside), suffix if suffix in _ZIPPED else ".zip")


def _is_json(content: bytes) -> bool:
    """Whether text is a JSON document of records, or an object per line: its first line is an object, or opens one."""
    line = content.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0].strip()
    if not line.startswith((b"{", b"[{")):
        return line == b"["
    try:
        return line == b"{" or bool(json.loads(line))
    except (ValueError, RecursionError):
        return False


def _table_inside(path: Path, content: bytes) -> tuple[str, bytes]:
    """Name and bytes of the only table in a zip archive; of several, files that may be notes do not count."""
    found = members(content, str(path))
    tables = [member for member in found if is_table_name(member.name)]
    tables = [member for member in tables if not _NOTES.search(member.name)] or tables or found
    if len(tables) == 1:
        return tables[0].name, tables[0].read()
    names = listed([member.name for member in tables])
    raise _unreadable(
        f"{path}: {len(tables)} tables in the archive: {names}" if tables else f"{path}: an archive without files",
        f"unpack it, and give the path of one table: unzip {shlex.quote(str(path))}",
    )


def _csv(content: bytes, names: Sequence[str]) -> _Read:
    import pyarrow as pa

    found = _of_csv(read_csv_table(content, names))
    pa.default_memory_pool().release_unused()  # what parsing took
    return found


def _of_csv(found: CsvTable) -> _Read:
    table = make_table(found.names, found.columns, found.numbering, found.separator)
    return replace(table, notes=found.notes), found.skipped


def _parquet(content: bytes, _: Sequence[str]) -> _Read:
    import pandas as pd
    from pyarrow import ArrowException

    try:
        return table_of_frame(pd.read_parquet(io.BytesIO(content))), []
    except (ArrowException, NotImplementedError, KeyError) as error:
        raise ValueError(str(error)) from error


def _arrow(content: bytes, _: Sequence[str]) -> _Read:
    """Feather and Arrow files, and Arrow streams."""
    import pyarrow as pa

    try:
        is_file = content.startswith(b"ARROW1")
        reader = pa.ipc.open_file(content) if is_file else pa.ipc.open_stream(content)
        return table_of_frame(reader.read_all().to_pandas()), []
    except (pa.ArrowException, NotImplementedError, KeyError, OSError) as error:
        raise ValueError(str(error)) from error


def _records(read: Callable[[bytes], Records]) -> Callable[..., _Read]:
    def read_records(content: bytes, _: Sequence[str]) -> _Read:
        found = read(content)
        return replace(
            table_of_frame(found.frame),
            numbering=None if found.numbering is None else np.array(found.numbering, np.int64),
            splits=None if found.splits is None else np.array(found.splits, object),
            notes=found.notes,
        ), [*found.skipped]

    return read_records


def _sheet(content: bytes, names: Sequence[str]) -> _Read:
    """The first sheet that holds a table, whose cells are read as those of a CSV file; other sheets are reported."""
    import pandas as pd

    if content.startswith(b"PK"):
        check_zip(content, "spreadsheet")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats and pictures in the file, which are not read
            engine: Any = "calamine" if find_spec("python_calamine") else None
            sheets = pd.read_excel(io.BytesIO(content), sheet_name=None, header=None, dtype=object, engine=engine)
    except ImportError as error:
        raise _no_spreadsheets() from error
    except Exception as error:
        raise ValueError(str(error)) from error
    read = max(sheets, key=lambda name: _table_size(sheets[name]), default="")
    frame = sheets.get(read, pd.DataFrame())
    others = [printable(str(name)) for name, sheet in sheets.items() if len(sheet) and name != read]
    columns = [[str(cell) for cell in column.tolist()] for column in table_of_frame(frame).columns]
    rows = [list(row) for row in zip(*columns, strict=True) if any(row)]
    found = table_of_rows(rows_of_lists(rows, ""), names)
    verb = "is" if len(others) == 1 else "are"
    note = f"read the sheet {printable(str(read))}; {listed(others)} {verb} not read (to read one, save it as CSV)"
    about = [note] if others else []
    return _of_csv(found._replace(notes=(*about, *found.notes)))


def _table_size(sheet: pd.DataFrame) -> tuple[int, int]:
    """Number of rows with at least two filled cells, and of all rows, up to 2, which a table has and a cover has not."""
    return min(2, int((sheet.notna().sum(axis=1) > 1).sum())), min(2, len(sheet))


def _no_spreadsheets() -> DatasetError:
    return DatasetError(
        "H124",
        "package for spreadsheets not installed",
        received="a spreadsheet, and no package that reads it",
        expected="python-calamine, or a CSV file",
        advice="pip install python-calamine, or save the sheet as CSV (UTF-8)",
    )


def _arrays(content: bytes, _: Sequence[str]) -> _Read:
    found = loaded(content, "arrays")
    return table_of_arrays(found) if isinstance(found, dict) else (table_of_array(found), [])


FORMATS: dict[str, Callable[[bytes, Sequence[str]], _Read]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".psv", ".txt", ".data", ".dat"), _csv),
    **dict.fromkeys((".parquet", ".pq"), _parquet),
    **dict.fromkeys((".feather", ".arrow", ".ipc"), _arrow),
    **dict.fromkeys((".jsonl", ".ndjson"), _records(records_of_lines)),
    ".json": _records(records_of_json),
    **dict.fromkeys(_SHEETS, _sheet),
    **dict.fromkeys((".npz", ".npy"), _arrays),
}


def _unreadable(received: str, advice: str = "open it in a spreadsheet and save it again as CSV (UTF-8)") -> DatasetError:
    return DatasetError(
        "H107",
        "the table cannot be read",
        received=received,
        expected="a table: CSV, preferably in UTF-8, Parquet, Feather, JSON, Excel or .npz",
        advice=advice,
    )
