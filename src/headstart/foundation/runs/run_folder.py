"""Ground: the format of a run on disk. Every file is whole or absent; the manifest with the digests comes last.

A run folder may come from anyone, so it is data: its files are held to their digests and their shapes when they are read,
links in it are not followed, and nothing in it is imported or executed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.foundation.csv_output import from_csv, to_csv
from headstart.foundation.errors import RunError, StackError
from headstart.foundation.runs.digests import COUNTER, MANIFEST, damaged, digest_of, digests_in, refuse_damaged, refuse_links
from headstart.foundation.runs.file_reading import held_to, parse_json, reading
from headstart.foundation.runs.schema import SHAPES

__all__ = [
    "FORMAT",
    "RunFolder",
    "append_json_line",
    "read_csv",
    "read_json",
    "read_json_lines",
    "replacing",
    "write_bytes",
    "write_csv",
    "write_json",
]

FORMAT = 2
_OWN_EYES = ("golden.npz", "report.html")  # they hold samples of the user, which may be private
_SCRATCH = ".writing-"  # begins the name of folders in which files wait for their final name


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
        raise _disk_error(path, error) from error
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
        raise _disk_error(path, error) from error
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
        raise _disk_error(path, error) from error


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


class RunFolder:
    """A run on disk. It knows names and formats; what the numbers mean is for the floors above.

    The digests of its files stand in the manifest; where there is none yet, in a saved model or beside exports, those that
    ``signature.json`` holds take its place.

    Args:
        path: The folder. ``create`` makes a new one, ``open`` checks an old one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, out: Path | None, data_name: str) -> RunFolder:
        """Make a new folder: ``out``, or the next free ``runs/<data name>-NNN``; an existing run is never overwritten.

        Raises:
            RunError: ``out`` exists and is not empty (H501).
            StackError: The folder cannot be made (H601).
        """
        try:
            if out is not None:
                if out.exists() and (not out.is_dir() or any(out.iterdir())):
                    raise RunError(
                        "H501",
                        "the output folder is taken",
                        received=str(out),
                        expected="a folder that does not exist yet, or an empty one",
                        advice="choose another with --out, or headstart resume to go on with a run that was killed",
                    )
                out.mkdir(parents=True, exist_ok=True)
                return cls(out)
            name = re.sub(r"[^\w.-]+", "-", data_name).strip("-.") or "run"
            for number in range(1, 100_000):
                path = Path("runs") / f"{name}-{number:03d}"
                try:
                    path.mkdir(parents=True)
                except FileExistsError:
                    continue
                return cls(path)
        except OSError as error:
            raise _disk_error(out or Path("runs"), error) from error
        raise RunError(
            "H501",
            "the output folder is taken",
            received=f"runs/{name}-001 to -99999 are all taken",
            expected="a free name",
            advice="name a folder with --out",
        )

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run.

        Raises:
            RunError: It is no run (H503), was written by a newer Headstart (H504), run.json was changed or cannot be read
                (H506, H502), or there is a link or a device in it (H520).
        """
        folder = cls(path)
        if not (path / "run.json").is_file():
            raise RunError(
                "H503",
                "this is not a run",
                received=str(path),
                expected="a folder with a run.json in it, as `headstart fit` writes it",
                advice="name the folder that `headstart fit` printed, for example runs/flowers-001",
            )
        refuse_links(path)
        number = held_to(path / "run.json", read_json(path / "run.json"), {}).get("format")
        if number != FORMAT:
            raise RunError(
                "H504",
                "the run has another format",
                received=f"{path}: format {number!r:.40}",
                expected=f"format {FORMAT}",
                advice="open it with the version of Headstart that wrote it, or fit again",
            )
        folder.json("run.json")
        return folder

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def state(self) -> dict[str, Any]:
        """What run.json holds."""
        state: dict[str, Any] = self.json("run.json")
        return state

    def json(self, name: str) -> Any:
        """What a JSON file of the run holds, as it was written.

        Raises:
            RunError: It was changed (H506), or is missing or has not the shape of such a file (H502).
        """
        self.check(name)
        return held_to(self.path / name, read_json(self.path / name), SHAPES[name])

    def rows(self, name: str) -> list[dict[str, str]]:
        """Rows of a CSV file of the run, as they were written.

        Raises:
            RunError: See ``json``.
        """
        self.check(name)
        rows: list[dict[str, str]] = held_to(self.path / name, read_csv(self.path / name), SHAPES[name])
        return rows

    def write_state(self, state: Mapping[str, object]) -> None:
        """Write run.json anew."""
        write_json(self.path / "run.json", {"format": FORMAT, **state})

    def count_look(self) -> None:
        """Count a further look at the test split; all else in a sealed run stays as it is."""
        state = self.state
        self.write_state({**state, COUNTER: state.get(COUNTER, 0) + 1})

    def sweep(self) -> None:
        """Take away what a killed process was writing; nothing that has its final name is touched."""
        for scratch in [path for path in self.path.rglob(".*") if path.name.startswith(_SCRATCH)]:
            shutil.rmtree(scratch, ignore_errors=True)

    def trial(self, name: str) -> Path:
        """The folder of one trial, made if it is not there."""
        path = self.path / "trials" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def seal(self, *names: str) -> None:
        """Write the manifest: the digest of every file in the run, or in a sealed run those of ``names`` anew."""
        files = sorted(p for p in self.path.rglob("*") if p.is_file() and p.name != MANIFEST)
        given = names or [p.relative_to(self.path).as_posix() for p in files]
        kept = digests_in(self.path) if names else {}
        digests = kept | {name: digest_of(self.path, name) for name in given}
        write_json(self.path / MANIFEST, {"format": FORMAT, "files": digests})

    @property
    def is_sealed(self) -> bool:
        """Whether it was written to the end."""
        return (self.path / MANIFEST).is_file()

    def has(self, name: str) -> bool:
        """Whether a file is there that the manifest, or else the signature, knows of."""
        digests = digests_in(self.path)
        return (self.path / name).is_file() and (name in digests or not digests)

    def check(self, *names: str) -> None:
        """Refuse files that are not as they were written.

        Raises:
            RunError: One is a link, or is missing, new or different by the manifest, or else by the signature (H506).
        """
        refuse_damaged(self.path, names)

    def damaged(self, *names: str) -> list[str]:
        """Of ``names``, or of all that have a digest, those that are links, missing, new or different."""
        return damaged(self.path, names)


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


def _disk_error(path: Path, error: OSError) -> StackError:
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
