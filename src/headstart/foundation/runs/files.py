"""Files that are whole or absent: written beside their final name, flushed and renamed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.foundation.csv_output import from_csv, to_csv
from headstart.foundation.errors import StackError
from headstart.foundation.runs.file_reading import held_to, parse_json, reading

__all__ = [
    "SCRATCH",
    "append_json_line",
    "disk_error",
    "read_csv",
    "read_json",
    "read_json_lines",
    "replacing",
    "write_bytes",
    "write_csv",
    "write_json",
]

_OWN_EYES = ("golden.npz", "report.html")  # they hold samples of the user, which may be private

SCRATCH = ".writing-"  # begins the name of folders in which files wait for their final name


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; flush and rename what was written there, file or folder.

    The last suffix is kept, since savers choose their format by it. Whatever the umask, a file is readable by its owner
    alone if its folder is, or if it holds samples of the user: golden.npz and report.html. On an error nothing is left
    behind, and what stood at ``path`` before stands there still.

    Raises:
        StackError: The disk is full or refuses the write (H601).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        temporary = scratch / path.name
        yield temporary
        if temporary.is_file() and (path.name in _OWN_EYES or not path.parent.stat().st_mode & 0o077):
            temporary.chmod(0o600)
        _flush(temporary)
        if temporary.is_dir() and path.is_dir():
            _exchange(temporary, path, scratch / "previous")
        else:
            temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write JSON in pure ASCII (file names with undecodable bytes survive as escapes); NaN is refused."""
    text = json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False)
    write_bytes(path, text.encode("ascii") + b"\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        RunError: The file is missing or is not JSON, or a number in it is not finite (H502).
    """
    with reading(path):
        return parse_json(path.read_text("utf-8"))


def append_json_line(path: Path, row: Mapping[str, object]) -> None:
    """Append one JSON line; a last line that a crash cut short is taken off first."""
    line = json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
            file.write(line)
            file.flush()
    except OSError as error:
        raise disk_error(path, error) from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON-lines file, without a last line that a crash cut short; none if the file is missing.

    Raises:
        RunError: A line is not a JSON object (H502).
    """
    if not path.exists():
        return []
    with reading(path):
        rows = [parse_json(line.decode("utf-8")) for line in path.read_bytes().split(b"\n")[:-1] if line]
    checked: list[dict[str, Any]] = held_to(path, rows, [{}])
    return checked


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write UTF-8 CSV as ``csv_output.to_csv`` makes it: escapes for control characters, and no cell that would run."""
    write_bytes(path, to_csv(columns, rows).encode("utf-8"))


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file that ``write_csv`` wrote, as dictionaries of text.

    Raises:
        RunError: The file is missing, not UTF-8, or not such a file (H502).
    """
    with reading(path):
        return from_csv(path.read_bytes().decode("utf-8"))


def _exchange(new: Path, path: Path, previous: Path) -> None:
    """Put a folder in another's place; a folder cannot be renamed onto one with files in it."""
    path.replace(previous)
    try:
        new.replace(path)
    except OSError:
        previous.replace(path)
        raise


def _flush(path: Path) -> None:
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())


def _flush_folder(path: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_error(path: Path, error: OSError) -> StackError:
    """The error for a disk that is full or refuses a write (H601)."""
    free = shutil.disk_usage(_existing_parent(path)).free
    return StackError(
        "H601",
        "the disk refused a write",
        received=f"{path}: {error.strerror or error} ({free / 1e6:,.0f} MB free)",
        expected="room and permission to write there",
        advice="free some space, or choose another place with --out or the variable HEADSTART_CACHE",
        exit_code=1,
    )


def _existing_parent(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
