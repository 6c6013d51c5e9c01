"""Listing of folders: what is hidden, what is a file, and which names are those of images."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from headstart.data.skipped import Skipped
from headstart.foundation.text import natural_key

__all__ = ["HIDDEN", "entries_in", "files_in", "folders_in", "is_hidden", "is_image_name", "visible_in"]

HIDDEN = "hidden or a system file"
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "icon\r", "__macosx"}
_IMAGE = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?)$", re.IGNORECASE)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden or belongs to the system, as ``__MACOSX`` and ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def is_image_name(name: str) -> bool:
    """Whether a name ends like that of an image file."""
    return bool(_IMAGE.search(name))


def folders_in(folder: Path) -> list[Path]:
    """Return the folders inside that are not hidden, in order of their names; none if the folder cannot be listed.

    The files inside are not looked at, so that a folder of a million images takes little time.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def entries_in(folder: Path, most: int = 1000) -> list[Path]:
    """Return at most ``most`` files and folders that are not hidden, in order of their names; none if there is no access."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in itertools.islice(entries, most) if not entry.name.startswith("."))
    except OSError:
        return []


def visible_in(folder: Path, skipped: list[Skipped]) -> list[Path]:
    """Entries of a folder in natural order; hidden and system entries, with their contents, are added to ``skipped``."""
    visible = []
    for entry in sorted(_entries(folder, skipped), key=lambda p: (natural_key(p.name), p.name)):
        if is_hidden(entry.name):
            inside = files_in(entry, None) if entry.is_dir() else [entry]
            skipped += [Skipped(str(p), HIDDEN) for p in inside]
        else:
            visible.append(entry)
    return visible


def files_in(folder: Path, skipped: list[Skipped] | None, seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield every file below a folder; links back to an enclosing folder are not followed.

    Args:
        folder: The folder.
        skipped: Receives files that are not used. None to yield hidden files and others too.
        seen: Real paths of enclosing folders. Defaults to none.
    """
    real = os.path.realpath(folder)
    if real in seen:
        if skipped is not None:
            skipped.append(Skipped(str(folder), "a link back to an enclosing folder"))
        return
    entries = sorted(_entries(folder, [])) if skipped is None else visible_in(folder, skipped)
    for entry in entries:
        if entry.is_dir():
            yield from files_in(entry, skipped, seen | {real})
        elif skipped is None or entry.is_file():
            yield entry
        else:
            skipped.append(Skipped(str(entry), "not a regular file"))


def _entries(folder: Path, skipped: list[Skipped]) -> list[Path]:
    try:
        entries = list(folder.iterdir())
        for entry in entries:
            entry.is_dir()  # raises for a folder that can be listed but not entered
    except OSError as error:
        skipped.append(Skipped(str(folder), f"cannot be listed: {error.strerror}"))
        return []
    return entries
