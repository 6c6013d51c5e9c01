"""Atomic writing of files: each is written under a temporary name, flushed and renamed, so that none is half-written."""

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

_OWN_EYES = ("golden.npz", "report.html")  # they contain samples of the user, which may be private

SCRATCH = ".writing-"  # prefix of the temporary folders in which files are written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or folder atomically: yield a temporary path, then flush it and rename it to ``path``.

    The file name is kept, because savers choose their format by its suffix. Whatever the umask, only the owner can read a
    file if only the owner can read its folder, or if it contains samples of the user (golden.npz and report.html). After
    an error, no temporary file remains, and whatever was at ``path`` before is unchanged.

    Raises:
        StackError: The disk is full or not writable (H601).
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
    """Write a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write JSON in pure ASCII, so that file names with undecodable bytes survive as escapes; NaN is rejected."""
    text = json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False)
    write_bytes(path, text.encode("ascii") + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RunError: The file is missing, is not JSON, or contains a number that is not finite (H502).
    """
    with reading(path):
        return parse_json(path.read_text("utf-8"))


def append_json_line(path: Path, row: Mapping[str, object]) -> None:
    """Append one line to a JSON-lines file, after removing an incomplete last line left by a crash."""
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
    """Rows of a JSON-lines file, without an incomplete last line left by a crash; empty if the file is missing.

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
    """Write a UTF-8 CSV file that is safe to open in a spreadsheet; see ``csv_output.to_csv``."""
    write_bytes(path, to_csv(columns, rows).encode("utf-8"))


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV file written by ``write_csv``: one dictionary of text per row.

    Raises:
        RunError: The file is missing, not UTF-8 or not valid CSV (H502).
    """
    with reading(path):
        return from_csv(path.read_bytes().decode("utf-8"))


def _exchange(new: Path, path: Path, previous: Path) -> None:
    """Replace a folder in two renames, because a folder cannot be renamed onto one that is not empty."""
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
    """Create the error for a disk that is full or not writable (H601)."""
    free = shutil.disk_usage(_existing_parent(path)).free
    return StackError(
        "H601",
        "cannot write to disk",
        received=f"{path}: {error.strerror or error} ({free / 1e6:,.0f} MB free)",
        expected="free space and write permission",
        advice="free some space, or choose another place with --out or the variable HEADSTART_CACHE",
        exit_code=1,
    )


def _existing_parent(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
