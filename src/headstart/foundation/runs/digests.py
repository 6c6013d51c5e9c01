"""Detection of changed files in a run, by the digests in its manifest.

Where there is no manifest (a run in progress, a saved model, an export), the digests in ``signature.json`` are used.
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
COUNTER = "test_looks"  # in run.json: the only value of a run that changes after the manifest is written


def digests_in(folder: Path) -> dict[str, str]:
    """Digests by file name, from the manifest or else from the signature; empty if there is neither.

    Raises:
        RunError: The manifest or signature cannot be read (H502).
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
    """Digest of a file; that of run.json leaves out ``COUNTER``, which changes later.

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
    """Names of files that are links, missing, new or changed.

    A file that the manifest does not list is new. A signature lists only some of the files next to it, so that unlisted
    files are then accepted.

    Args:
        folder: The run folder.
        names: Files to check. Defaults to all files that have a digest.
    """
    digests, is_sealed = digests_in(folder), (folder / MANIFEST).is_file()
    return [name for name in names or digests if _is_damaged(folder, digests, name, is_sealed=is_sealed)]


def refuse_damaged(folder: Path, names: Iterable[str]) -> None:
    """Reject files that changed since they were written.

    Raises:
        RunError: A file is a link, missing, new or changed (H506), or the digests cannot be read (H502).
    """
    if changed := damaged(folder, names):
        raise RunError(
            "H506",
            "run was modified after it was written",
            received=f"{folder}: {', '.join(changed)} missing, new, or different from its digest",
            expected="the files that Headstart wrote",
            advice="restore them from a copy of the run, or fit again",
        )


def refuse_links(folder: Path) -> None:
    """Reject a run that contains anything but regular files and folders.

    Raises:
        RunError: The run contains a link or a device (H520).
    """
    if found := next(_links_in(folder), None):
        raise RunError(
            "H520",
            "run contains a link",
            received=f"{found}: a link to another place, or a device",
            expected="only regular files and folders, as Headstart writes them",
            advice=f"if you trust the run, copy it together with the targets of its links: cp -rL {folder} COPY",
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
    """Yield every entry that is neither a regular file nor a folder: links and devices."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # the run is being written, and this was one of its temporary folders
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _links_in(Path(entry.path))
        elif not entry.is_file(follow_symlinks=False):
            yield Path(entry.path)
