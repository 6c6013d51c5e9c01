"""Notes about the names of folders for the first line of a run: what may be meant otherwise than it is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from headstart.data.readers.listing import files_in, folders_in
from headstart.data.readers.split_names import meant_split, split_named
from headstart.foundation.text import alike, listed, printable

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
    notes = []
    for names in alike(sorted({folder.name for folder in class_folders})):
        several = listed([*map(printable, names)])
        notes.append(f"classes {several} differ only in case, blanks or Unicode form: if they are one, give them one name")
    if names := _recurring(class_folders):
        inside = listed(names, _MAX_NAMES)
        notes.append(f"folders {inside} recur inside each class: if they are the classes, move each into one folder")
    meant = [
        f"{printable(folder.name)} (rename it to {meant_split(folder.name, splits) or 'another name'} if it is a split)"
        for folder in unused
        if any(files_in(folder, []))
    ]
    return [*notes, f"not used: {listed(meant, _MAX_NAMES)}"] if meant else notes


def _recurring(class_folders: Sequence[Path]) -> list[str]:
    """Names of the folders that are inside each class folder, if there are several, and none that is a split."""
    recurring: set[str] | None = None
    for folder in class_folders:
        names = {inside.name for inside in folders_in(folder) if not split_named(inside.name)}
        recurring = names if recurring is None else recurring & names
        if len(recurring) < 2:
            return []
    return sorted(map(printable, recurring or ()))
