"""The format of a run on disk. Every file is written atomically; the manifest with the digests comes last.

A run folder may come from anyone and is not trusted: files are checked against their digests and shapes when they are read,
links are not followed, and nothing in it is imported or executed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.foundation.errors import RunError
from headstart.foundation.runs.digests import COUNTER, MANIFEST, damaged, digest_of, digests_in, refuse_damaged, refuse_links
from headstart.foundation.runs.file_reading import held_to
from headstart.foundation.runs.files import SCRATCH, disk_error, read_csv, read_json, write_json
from headstart.foundation.runs.run_lock import LOCK
from headstart.foundation.runs.schema import SHAPES

__all__ = ["FORMAT", "RunFolder", "check_free", "disk_error"]

FORMAT = 3
_FIRST_FILES = ("run.json", "leaderboard.csv")  # which a run has before its first trial
RUNS = "runs"  # folder of the runs that were not given a place


def check_free(out: Path, advice: str = "choose another with --out") -> None:
    """Reject an output folder that has files in it.

    Raises:
        RunError: It is not empty, or is a file (H501).
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(
            "H501",
            "output folder already exists",
            received=str(out),
            expected="a folder that does not exist yet, or an empty one",
            advice=advice,
        )


class RunFolder:
    """A run folder on disk: file names, formats and digests, without the meaning of the numbers in them.

    Digests of the files are in the manifest. Where there is none (a run in progress, a saved model, an export), the digests
    in ``signature.json`` are used.

    Args:
        path: The folder. Use ``create`` to make a new one and ``open`` to check an existing one.
        made: Folders that were made for the run, innermost first. Defaults to none.
    """

    def __init__(self, path: Path, made: Sequence[Path] = ()) -> None:
        self.path = path
        self._made = made

    @classmethod
    def create(cls, out: Path | None, data_name: str) -> RunFolder:
        """Create a new folder: ``out``, or the next free ``runs/<data name>-NNN``; an existing run is never overwritten.

        Raises:
            RunError: ``out`` exists and is not empty, or all names are taken (H501).
            StackError: The folder cannot be created (H601).
        """
        try:
            if out is not None:
                check_free(out, "choose another with --out, or continue a run that was killed: headstart resume RUN")
                made = [folder for folder in (out, *out.parents) if not folder.exists()]
                out.mkdir(parents=True, exist_ok=True)
                return cls(out, made)
            name = re.sub(r"[^\w.-]+", "-", data_name).strip("-.") or "run"
            made = [folder for folder in (Path(RUNS),) if not folder.exists()]
            for number in range(1, 100_000):
                path = Path(RUNS) / f"{name}-{number:03d}"
                try:
                    path.mkdir(parents=True)
                except FileExistsError:
                    continue
                return cls(path, [path, *made])
        except OSError as error:
            raise disk_error(out or Path(RUNS), error) from error
        raise RunError(
            "H501",
            "output folder already exists",
            received=f"runs/{name}-001 to -99999 all exist",
            expected="a free name",
            advice="choose a folder with --out",
        )

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run.

        Raises:
            RunError: The folder is not a run (H503), was written by an incompatible version (H504), its run.json was changed
                (H506) or cannot be read (H502), or it contains a link or a device (H520).
        """
        folder = cls(path)
        if not (path / "run.json").is_file():
            raise RunError(
                "H503",
                "not a run folder",
                received=str(path),
                expected="a folder that contains a run.json, as written by `headstart fit`",
                advice="give the folder that `headstart fit` printed, for example runs/flowers-001",
            )
        refuse_links(path)
        number = held_to(path / "run.json", read_json(path / "run.json"), {}).get("format")
        if number != FORMAT:
            raise RunError(
                "H504",
                "incompatible run format",
                received=f"{path}: format {number!r:.40}",
                expected=f"format {FORMAT}",
                advice="open it with the version of Headstart that wrote it, or fit again",
            )
        folder.json("run.json")
        return folder

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name

    @property
    def state(self) -> dict[str, Any]:
        """Contents of run.json."""
        state: dict[str, Any] = self.json("run.json")
        return state

    def json(self, name: str) -> Any:
        """Read a JSON file of the run, after checking its digest and shape.

        Raises:
            RunError: The file was changed (H506), or is missing or does not have the expected shape (H502).
        """
        self.check(name)
        return held_to(self.path / name, read_json(self.path / name), SHAPES[name])

    def rows(self, name: str) -> list[dict[str, str]]:
        """Read the rows of a CSV file of the run, after checking its digest and shape.

        Raises:
            RunError: The file was changed (H506), or is missing or does not have the expected shape (H502).
        """
        self.check(name)
        rows: list[dict[str, str]] = held_to(self.path / name, read_csv(self.path / name), SHAPES[name])
        return rows

    def write_state(self, state: Mapping[str, object]) -> None:
        """Replace run.json."""
        write_json(self.path / "run.json", {"format": FORMAT, **state})

    def count_look(self) -> None:
        """Add one to the number of times the test split was evaluated; nothing else in a sealed run changes."""
        state = self.state
        self.write_state({**state, COUNTER: state.get(COUNTER, 0) + 1})

    def sweep(self) -> None:
        """Remove temporary files of killed processes; files with their final names are not touched."""
        for scratch in [path for path in self.path.rglob(".*") if path.name.startswith(SCRATCH)]:
            shutil.rmtree(scratch, ignore_errors=True)

    def trial(self, name: str) -> Path:
        """Path of a trial's folder, created if missing."""
        path = self.path / "trials" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def seal(self, *names: str) -> None:
        """Write the manifest, which seals the run.

        Args:
            names: Files of a sealed run whose digests are updated. Defaults to every file in the run.
        """
        files = sorted(p for p in self.path.rglob("*") if p.is_file() and p.name not in (MANIFEST, LOCK))
        given = names or [p.relative_to(self.path).as_posix() for p in files]
        kept = digests_in(self.path) if names else {}
        digests = kept | {name: digest_of(self.path, name) for name in given}
        write_json(self.path / MANIFEST, {"format": FORMAT, "files": digests})

    @property
    def is_sealed(self) -> bool:
        """Whether the run is complete: its manifest was written."""
        return (self.path / MANIFEST).is_file()

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing to resume: the run is sealed and was not ended by Ctrl-C."""
        return self.is_sealed and self.state.get("status") != "interrupted"

    def unseal(self) -> None:
        """Remove the manifest, so that the run can be continued.

        Raises:
            RunError: A file was changed (H506).
        """
        self.check()
        (self.path / MANIFEST).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the files of a run that never began, and the folders that ``create`` made if nothing else is in them."""
        shutil.rmtree(self.path / "trials", ignore_errors=True)
        for name in (*_FIRST_FILES, LOCK):
            (self.path / name).unlink(missing_ok=True)
        for folder in self._made:
            if not any(folder.iterdir()):
                folder.rmdir()

    def has(self, name: str) -> bool:
        """Whether a file exists and is listed in the manifest, or else in the signature."""
        digests = digests_in(self.path)
        return (self.path / name).is_file() and (name in digests or not digests)

    def check(self, *names: str) -> None:
        """Reject files that changed since they were written.

        Raises:
            RunError: By the manifest, or else by the signature, a file is a link, missing, new or changed (H506).
        """
        refuse_damaged(self.path, names)

    def damaged(self, *names: str) -> list[str]:
        """Names of files that are links, missing, new or changed; checks ``names``, or all files that have a digest."""
        return damaged(self.path, names)
