"""Reading of a folder of class folders into a ``Dataset``; every file below it is used or listed as skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from headstart.data.dataset import SPLIT_NAMES, Dataset, dataset_of_files
from headstart.data.skipped import Skipped
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import natural_key

__all__ = ["read_folder"]

_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "icon\r"}


def read_folder(folder: str | os.PathLike[str], *, task: str | None = None, classes: Sequence[str] | None = None) -> Dataset:
    """Read images from ``folder/<class>/*`` or ``folder/{train,val,valid,validation,test}/<class>/*``.

    Folders inside a class folder belong to that class. Class names are sorted naturally (``img2`` before ``img10``). Links
    are followed, except those that form a loop. Hidden and system files are listed as skipped. Whether a file is an image is
    decided later, when it is decoded.

    Args:
        folder: Path of the folder.
        task: A key of ``TASKS``. Defaults to None: binary for two classes, else multiclass.
        classes: Classes of a trained model, in their order; files of other classes are listed as skipped. Defaults to None:
            the names of the class folders.

    Raises:
        DatasetError: The folder does not exist (H106), has fewer than two classes (H101), or ``task`` does not fit them
            (H102).

    Example::

        dataset = hs.read_folder("photos/")
        print(dataset.classes, len(dataset), dataset.skipped[:3])
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(
            "H106",
            "no data found",
            received=str(folder),
            expected="a folder with one folder per class",
            advice="check the path, and unpack an archive first; `headstart demo` shows a working example",
        )
    found: list[tuple[str, str, str]] = []  # path, class, split
    skipped: list[Skipped] = []
    inside = frozenset({os.path.realpath(root)})
    tops = _visible(root, skipped)
    train = [p for p in tops if p.name.lower() == "train" and p.is_dir()]
    has_splits = any(entry.is_dir() for folder in train for entry in _entries(folder, []))
    for top in tops:
        split = SPLIT_NAMES.get(top.name.lower(), "") if has_splits else ""
        if not top.is_dir() or (has_splits and not split):
            where = "train, validation or test" if has_splits else "a class folder"
            files = _files(top, skipped, inside) if top.is_dir() else [top]
            skipped += [Skipped(str(p), f"not inside {where}") for p in files]
            continue
        for class_folder in _visible(top, skipped) if split else [top]:
            if class_folder.is_dir():
                found += [(str(p), class_folder.name, split) for p in _files(class_folder, skipped, inside)]
            else:
                skipped.append(Skipped(str(class_folder), "not inside a class folder"))
    if not found:
        raise DatasetError(
            "H101",
            "fewer than two different labels",
            received=f"{root}: {len(skipped)} files, none of them inside a class folder",
            expected="one folder per class, with its images inside",
            advice="sort the images into folders: photos/cat/*.jpg, photos/dog/*.jpg",
        )
    return dataset_of_files(root.resolve().name, found, skipped, task, classes)


def _visible(folder: Path, skipped: list[Skipped]) -> list[Path]:
    """Entries of a folder in natural order; hidden and system entries, with their contents, are added to ``skipped``."""
    visible = []
    for entry in sorted(_entries(folder, skipped), key=lambda p: (natural_key(p.name), p.name)):
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_FILES:
            inside = _files(entry, None) if entry.is_dir() else [entry]
            skipped += [Skipped(str(p), "hidden or a system file") for p in inside]
        else:
            visible.append(entry)
    return visible


def _files(folder: Path, skipped: list[Skipped] | None, seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield every file below a folder; links back to an enclosing folder are not followed."""
    real = os.path.realpath(folder)
    if real in seen:
        if skipped is not None:
            skipped.append(Skipped(str(folder), "a link back to an enclosing folder"))
        return
    entries = sorted(_entries(folder, [])) if skipped is None else _visible(folder, skipped)
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry, skipped, seen | {real})
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
