"""Ground: the format of a run on disk. Every file is whole or absent; the manifest with the digests comes last.

A run folder may come from anyone, so it is data: its files are held to their digests and their shapes when they are read,
links in it are not followed, and nothing in it is imported or executed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.foundation.errors import RunError
from headstart.foundation.runs.digests import COUNTER, MANIFEST, damaged, digest_of, digests_in, refuse_damaged, refuse_links
from headstart.foundation.runs.file_reading import held_to
from headstart.foundation.runs.files import SCRATCH, disk_error, read_csv, read_json, write_json
from headstart.foundation.runs.schema import SHAPES

__all__ = ["FORMAT", "RunFolder", "disk_error"]

FORMAT = 2


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
            raise disk_error(out or Path("runs"), error) from error
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
        for scratch in [path for path in self.path.rglob(".*") if path.name.startswith(SCRATCH)]:
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
