"""Notes about the names of folders for the first line of a run: what may be meant otherwise than it is read."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from headstart.data.readers.listing import files_in, folders_in
from headstart.data.readers.split_names import meant_split, split_named
from headstart.foundation.text import listed, printable

__all__ = ["folder_notes"]

_MAX_NAMES = 3


def folder_notes(class_folders: Iterable[Path], unused: Sequence[Path], splits: Iterable[str]) -> list[str]:
    """Describe names of folders that may be meant otherwise than they are read.

    Args:
        class_folders: Folders of the classes, in all splits.
        unused: Folders beside those of splits that are not used.
        splits: The splits that there are.
    """
    class_folders, splits = [*class_folders], {*splits}
    notes = [
        f"classes {listed(names)} differ only in case or Unicode form: if they are one class, give their folders one name"
        for names in _alike({folder.name for folder in class_folders})
    ]
    if names := _recurring(class_folders):
        notes.append(f"folders {_some(names)} recur inside each class: if they are the classes, move each into one folder")
    meant = [
        f"{printable(folder.name)} (rename it to {meant_split(folder.name, splits) or 'another name'} if it is a split)"
        for folder in unused
        if any(files_in(folder, []))
    ]
    return [*notes, f"not used: {_some(meant)}"] if meant else notes


def _alike(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case or Unicode form."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        groups[unicodedata.normalize("NFC", name).casefold()].append(printable(name))
    return [group for group in groups.values() if len(group) > 1]


def _recurring(class_folders: Sequence[Path]) -> list[str]:
    """Names of the folders that are inside each class folder, if there are several, and none that is a split."""
    recurring: set[str] | None = None
    for folder in class_folders:
        names = {inside.name for inside in folders_in(folder) if not split_named(inside.name)}
        recurring = names if recurring is None else recurring & names
        if len(recurring) < 2:
            return []
    return sorted(map(printable, recurring or ()))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
