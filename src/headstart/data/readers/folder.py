"""Reading of a folder of class folders into a ``Dataset``; every file below it is used or listed as skipped."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from headstart.data.dataset import Dataset, dataset_of_files
from headstart.data.readers.split_names import split_named
from headstart.data.skipped import Skipped
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import natural_key

__all__ = ["folders_in", "read_folder"]

_NO_CLASS, _NO_LABELS = "not inside a class folder", "in a folder with the name of a split, without class folders"
_KINDS = mimetypes.MimeTypes()  # Python's own table, the same on every machine
_OURS, _NO_IMAGES = "a run of Headstart", "in a folder without images"
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "icon\r", "__macosx"}


def read_folder(folder: str | os.PathLike[str], *, task: str | None = None, classes: Sequence[str] | None = None) -> Dataset:
    """Read images from ``folder/<class>/*`` or ``folder/<split>/<class>/*``.

    The folders of splits may have any usual name, such as ``train``, ``Training``, ``seg_train``, ``val``, ``dev`` or
    ``test``; a folder ``test`` or ``val`` with class folders may also be beside the class folders for training. A single
    folder that holds everything is opened. Folders inside a class folder belong to that class. Class names are sorted
    naturally (``img2`` before ``img10``). Links are followed, except those that form a loop. Hidden and system files are
    listed as skipped. Whether a file is an image is decided later, when it is decoded.

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
    skipped: list[Skipped] = []
    inside = frozenset({os.path.realpath(root)})
    tops = _visible(root, skipped)
    while (
        len(tops) == 1 and not split_named(tops[0].name) and folders_in(tops[0]) and os.path.realpath(tops[0]) not in inside
    ):
        inside |= {os.path.realpath(tops[0])}
        tops = _visible(tops[0], skipped)  # an archive often unpacks into one more folder
    roles = _roles(tops)
    found: list[tuple[str, str, str]] = []  # path, class, split
    for top in tops:
        role = roles[top]
        if role.why_not:
            files = _files(top, skipped, inside) if top.is_dir() else [top]
            skipped += [Skipped(str(path), role.why_not) for path in files]
        elif role.is_class:
            found += [(str(path), top.name, role.split) for path in _files(top, skipped, inside)]
        else:
            for entry in _class_folders(top, role.split, skipped):
                if entry.is_dir():
                    found += [(str(path), entry.name, role.split) for path in _files(entry, skipped, inside)]
                else:
                    skipped.append(Skipped(str(entry), _NO_CLASS))
    if classes is None and len({name for _, name, _ in found}) < 2:
        raise _too_few_classes(root, found, skipped, [top.name for top in tops if roles[top].why_not == _NO_LABELS])
    return dataset_of_files(root.resolve().name, found, skipped, task, classes)


class _Role(NamedTuple):
    """Use of one entry of a data set's folder: a class folder, a folder of a split, or neither.

    Attributes:
        split: Split of the images inside, or "".
        is_class: Whether it is a class folder; otherwise class folders are inside.
        why_not: Why its images are not used; "" if they are.
    """

    split: str = ""
    is_class: bool = False
    why_not: str = ""


def _roles(tops: Sequence[Path]) -> dict[Path, _Role]:
    """Find the folders of splits and of classes among the entries of a folder.

    A folder with the name of a split holds class folders; beside class folders, at least one of their names has to recur
    inside. If it holds images only, these have no labels, and it is not a class. The exception is ``train`` without a folder
    for another split: it may be a class of vehicles.
    """
    roles = {top: _Role(why_not=_NO_CLASS) for top in tops if not top.is_dir()}
    roles |= {top: _Role(why_not=_NO_IMAGES) for top in tops if top.is_dir() and _is_of_other_files(top)}
    roles |= {top: _Role(why_not=_OURS) for top in tops if top.is_dir() and _is_of_runs(top)}
    folders = [top for top in tops if top not in roles]
    splits = {top: split for top in folders if (split := split_named(top.name))}
    if any(split == "train" and folders_in(top) for top, split in splits.items()):
        not_inside = "not inside train, validation or test"
        return roles | {top: _Role(splits.get(top, ""), why_not="" if top in splits else not_inside) for top in folders}
    names = {top.name for top in folders if top not in splits}
    beside = {top: split for top, split in splits.items() if names & {folder.name for folder in folders_in(top)}}
    for top in folders:
        if top in beside:
            roles[top] = _Role(beside[top])
        elif top in splits and not (splits[top] == "train" and len(splits) == 1):
            roles[top] = _Role(why_not=_NO_LABELS)
        else:
            roles[top] = _Role("train" if beside else "", is_class=True)
    return roles


def _class_folders(split_folder: Path, split: str, skipped: list[Skipped]) -> list[Path]:
    entries = _visible(split_folder, skipped)
    is_doubled = len(entries) == 1 and split_named(entries[0].name) == split and folders_in(entries[0])  # seg_test/seg_test
    return _visible(entries[0], skipped) if is_doubled else entries


def folders_in(folder: Path) -> list[Path]:
    """Return the folders inside that are not hidden, in order of their names; none if the folder cannot be listed.

    The files inside are not looked at, so that a folder of a million images takes little time.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _is_of_other_files(folder: Path) -> bool:
    """Whether there are files, and the names of all of them are those of other kinds, such as ``notes.txt``."""
    kind = ""
    for name in (name for _, _, names in os.walk(folder) for name in names if not name.startswith(".")):
        kind = _KINDS.guess_type(name)[0] or ""
        if kind in ("", "application/octet-stream") or kind.startswith("image/"):  # a name may say nothing
            return False
    return bool(kind)


def _is_of_runs(folder: Path) -> bool:
    """Whether it is a run of Headstart, or holds runs."""
    return any((place / "run.json").is_file() for place in (folder, *folders_in(folder)))


def _too_few_classes(
    root: Path, found: Sequence[tuple[str, str, str]], skipped: Sequence[Skipped], of_splits: Sequence[str]
) -> DatasetError:
    names = sorted({name for _, name, _ in found})
    if of_splits:
        others = f"; besides them, 1 class: {names[0]}" if names else ""
        return DatasetError(
            "H101",
            "fewer than two different labels",
            received=f"{root}: {', '.join(of_splits)} have the names of splits and hold no class folders{others}",
            expected="class folders inside them: train/cat/*.jpg, test/cat/*.jpg; or a table that lists images and labels",
            advice="rename a folder that is a class, or fit the table that has the labels: headstart fit TABLE.csv",
        )
    return DatasetError(
        "H101",
        "fewer than two different labels",
        received=f"1 class: {names[0]}" if names else f"{root}: {len(skipped)} files, none of them inside a class folder",
        expected="one folder per class, with its images inside, and at least two classes",
        advice="sort the images into folders: photos/cat/*.jpg, photos/dog/*.jpg",
    )


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
