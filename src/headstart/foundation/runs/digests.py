"""Ground: which files of a run are as they were written, by the digests in its manifest.

Where there is no manifest yet, in a saved model or beside exports, the digests in ``signature.json`` take its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from headstart.foundation.errors import RunError
from headstart.foundation.fingerprint import file_digest, settings_digest
from headstart.foundation.runs.file_reading import held_to, parse_json, reading

__all__ = ["COUNTER", "MANIFEST", "damaged", "digest_of", "digests_in", "refuse_damaged", "refuse_links"]

MANIFEST = "manifest.json"
COUNTER = "test_looks"  # of run.json: the one value in a run that changes after the manifest was written


def digests_in(folder: Path) -> dict[str, str]:
    """The digest of each file by its name, as the manifest or else the signature has it; empty where there is neither.

    Raises:
        RunError: That file cannot be read (H502).
    """
    name, key = (MANIFEST, "files") if (folder / MANIFEST).is_file() else ("signature.json", "digests")
    path = folder / name
    if not path.is_file():
        return {}
    with reading(path):
        value = parse_json(path.read_text("utf-8"))
    digests: dict[str, str] = held_to(path, value, {f"{key}?": {"*": str}}).get(key, {})
    return digests


def digest_of(folder: Path, name: str) -> str:
    """The digest of a file; of run.json without the one value that changes later.

    Raises:
        RunError: run.json cannot be read (H502).
    """
    path = folder / name
    if name != "run.json":
        return file_digest(path)
    with reading(path):
        state = held_to(path, parse_json(path.read_text("utf-8")), {})
        return settings_digest(**{key: value for key, value in state.items() if key != COUNTER})


def damaged(folder: Path, names: Iterable[str] = ()) -> list[str]:
    """Of ``names``, or of all that have a digest, those that are links, missing, new or different.

    A file that the manifest does not list is new; a signature lists only some of the files beside it.
    """
    digests, is_sealed = digests_in(folder), (folder / MANIFEST).is_file()
    return [name for name in names or digests if _is_damaged(folder, digests, name, is_sealed=is_sealed)]


def refuse_damaged(folder: Path, names: Iterable[str]) -> None:
    """Refuse files that are not as they were written.

    Raises:
        RunError: One of them is damaged (H506), or the digests cannot be read (H502).
    """
    if changed := damaged(folder, names):
        raise RunError(
            "H506",
            "the run was changed after it was written",
            received=f"{folder}: {', '.join(changed)} missing, new, or not what its digest says",
            expected="the files that Headstart wrote",
            advice="restore them from a copy of the run, or fit again",
        )


def refuse_links(folder: Path) -> None:
    """Refuse a run that holds anything but files and folders of its own.

    Raises:
        RunError: There is a link or a device in it (H520).
    """
    if found := next(_links_in(folder), None):
        raise RunError(
            "H520",
            "the run holds a link",
            received=f"{found}: a link to somewhere else, or a device",
            expected="nothing but files and folders, as Headstart writes them",
            advice=f"if you trust it, copy the run with what its links point to: cp -rL {folder} COPY",
        )


def _is_damaged(folder: Path, digests: Mapping[str, str], name: str, *, is_sealed: bool) -> bool:
    path, known = folder / name, name in digests
    if path.is_symlink() or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return True
    if name == MANIFEST:
        return False
    if not path.is_file():
        return is_sealed and known
    return digest_of(folder, name) != digests[name] if known else is_sealed


def _links_in(folder: Path) -> Iterator[Path]:
    """All that is neither a file nor a folder: links to somewhere else, and devices."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # the run is being written, and this was a passing folder of it
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _links_in(Path(entry.path))
        elif not entry.is_file(follow_symlinks=False):
            yield Path(entry.path)
