"""Reading of a folder of class folders into a ``Dataset``; every file below it is used or listed as skipped."""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from headstart.data.dataset import Dataset, dataset_of_files
from headstart.data.readers.folders.folder_errors import IMAGE_FOLDERS, check_no_masks, no_training_split, too_few_classes
from headstart.data.readers.folders.folder_notes import folder_notes
from headstart.data.readers.folders.listed_split import listed_classes
from headstart.data.readers.folders.unpacked import archive_of, read_unpacked
from headstart.data.readers.listing import HIDDEN, files_in, folders_in, is_hidden, is_image_name, visible_in
from headstart.data.readers.split_names import split_named
from headstart.data.skipped import Skipped
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import printable

__all__ = ["opened", "read_class_folders", "read_folder"]

_PAIRS = ({"valid", "invalid"}, {"test", "control"})  # names of two classes, although one is the name of a split
_NO_CLASS, _NO_LABELS = "not inside a class folder", "in a folder with the name of a split, without class folders"
_NOT_INSIDE = "not inside train, validation or test"
_NO_SPLIT = "in a class folder, beside its folders of splits"
_KINDS = mimetypes.MimeTypes()  # Python's own table, the same on every machine, and what it lacks
for _suffix in (".yaml", ".yml", ".toml", ".cfg", ".ini", ".log", ".jsonl", ".parquet", ".ipynb"):
    _KINDS.add_type("text/plain", _suffix)
_NOTES = {"license", "licence", "readme", "makefile", "dockerfile", "changelog", "authors", "notice"}  # without a suffix
_MASK = re.compile(r"(.+?)[ _-](mask|masks|segmentation|seg|gt)([ _-]?\d+)?", re.IGNORECASE | re.DOTALL)
_MAX_BESIDE = 20  # an archive, notes and the like beside the folder that holds everything
_OURS, _NO_IMAGES = "a run of Headstart", "in a folder without images"


def read_folder(folder: str | os.PathLike[str], *, task: str | None = None, classes: Sequence[str] | None = None) -> Dataset:
    """Read images from ``folder/<class>/*`` or ``folder/<split>/<class>/*``.

    The folders of splits may have any usual name, such as ``train``, ``Training``, ``seg_train``, ``val``, ``dev`` or
    ``test``; a folder ``test`` or ``val`` with class folders may also be beside the class folders for training, and each
    class folder may hold the folders of all splits. A folder that holds everything is opened, also if there are notes beside
    it. Other folders inside a class folder belong to that class. Class names are sorted naturally (``img2`` before
    ``img10``). Links are followed, except those that form a loop. Hidden and system files are listed as skipped. Whether a
    file is an image is decided later, when it is decoded.

    Args:
        folder: Path of the folder, or of a zip or tar archive of it.
        task: A key of ``TASKS``. Defaults to None: binary for two classes, else multiclass.
        classes: Classes of a trained model, in their order; files of other classes are listed as skipped. Defaults to None:
            the names of the class folders.

    Raises:
        DatasetError: The folder does not exist (H106), has fewer than two classes (H101), or ``task`` does not fit them
            (H102), or it holds pictures and their masks (H133), or its training split is not recognised (H138).
            An archive cannot be read (H123, H135, H136).

    Example::

        dataset = hs.read_folder("photos/")
        print(dataset.classes, len(dataset), dataset.skipped[:3])
    """
    read = partial(read_class_folders, task=task, classes=classes)
    archive = archive_of(Path(folder))
    return read(Path(folder)) if archive is None else read_unpacked(archive, read)


def read_class_folders(root: Path, *, task: str | None = None, classes: Sequence[str] | None = None) -> Dataset:
    """Read a folder, but no archive, as ``read_folder`` does."""
    if not root.is_dir():
        raise DatasetError(
            "H106",
            "no data found",
            received=str(root),
            expected="a folder with one folder per class",
            advice="check the path; `headstart demo` shows a working example",
        )
    skipped: list[Skipped] = []
    inside = frozenset({os.path.realpath(root)})
    tops = visible_in(root, skipped)
    while (wrapper := _wrapper(tops)) is not None and os.path.realpath(wrapper) not in inside:
        inside |= {os.path.realpath(wrapper)}
        skipped += [Skipped(str(path), why) for top in tops if top != wrapper for path, why in _beside(top)]
        tops = visible_in(wrapper, skipped)
    check_no_masks(root, tops)
    roles = _roles(tops)
    _check_training_split(root, roles)
    found: list[tuple[str, str, str]] = []  # path, class, split
    of_training = [top for top in tops if roles[top].split == "train" and not roles[top].is_class]
    trained = {entry.name for top in of_training for entry in _class_folders(top, "train", []) if entry.is_dir()}
    are_split = _hold_splits([top for top in tops if roles[top].is_class])
    for top in tops:
        role = roles[top]
        if role.why_not:
            files = files_in(top, skipped, inside) if top.is_dir() else [top]
            skipped += [Skipped(str(path), role.why_not) for path in files]
        elif role.is_class:
            parts = visible_in(top, skipped) if are_split else [top]
            skipped += [Skipped(str(part), _NO_SPLIT) for part in parts if not part.is_dir()]
            for part in filter(Path.is_dir, parts):
                split = split_named(part.name) if are_split else role.split
                found += [(str(path), top.name, split) for path in files_in(part, skipped, inside)]
        else:
            found += _in_split(top, role.split, trained, skipped, inside)
    found = _without_masks(found, skipped)
    names = {name for _, name, _ in found}
    if classes is None and len(names) < 2:
        unlabelled = [top.name for top in tops if roles[top].why_not == _NO_LABELS]
        blank = [top.name for top in roles if roles[top].is_class and top.name not in names]
        blank += [top.name for top in roles if roles[top].why_not == _NO_IMAGES]
        raise too_few_classes(root, found, skipped, unlabelled, blank)
    dataset = dataset_of_files(root.resolve().name, found, skipped, task, classes)
    called = [printable(top.name) for top in tops if roles[top].is_class and split_named(top.name)]
    notes = [f"{called[0]} is a class beside the other folder"] if called else []
    unused = [top for top in tops if roles[top].why_not == _NOT_INSIDE]
    notes += folder_notes(_folders_of_classes(roles), unused, {role.split for role in roles.values()})
    return replace(dataset, task_reason="; ".join([dataset.task_reason, *notes]))


def _folders_of_classes(roles: Mapping[Path, _Role]) -> list[Path]:
    """Folders of the classes, in all splits."""
    inside = (
        [top] if role.is_class else _class_folders(top, role.split, []) for top, role in roles.items() if not role.why_not
    )
    return [folder for folders in inside for folder in folders if folder.is_dir()]


def _check_training_split(root: Path, roles: Mapping[Path, _Role]) -> None:
    """Reject a folder of splits whose training split has another name, such as ``entrainement``.

    Raises:
        DatasetError: There is no training split, and other folders have class folders of the splits' names (H138).
    """
    splits = [top for top, role in roles.items() if role.why_not == _NO_LABELS]
    others = [top for top, role in roles.items() if role.is_class]
    of_splits = {folder.name for top in splits for folder in folders_in(top)} - IMAGE_FOLDERS
    shared = {top: of_splits & {folder.name for folder in folders_in(top)} for top in others}
    unknown = [top.name for top in others if len(shared[top]) >= min(2, len(others))]
    if unknown:
        raise no_training_split(root, unknown, [top.name for top in splits])


def opened(folder: Path) -> list[Path]:
    """The folder, and those inside that hold everything, as archives often unpack into, from the outermost on."""
    folders = [folder]
    while (wrapper := _wrapper(visible_in(folders[-1], []))) is not None and not any(map(wrapper.samefile, folders)):
        folders.append(wrapper)
    return folders


def _beside(top: Path) -> list[tuple[Path, str]]:
    if not top.is_dir():
        return [(top, _NO_CLASS)]
    why_not = _OURS if _is_of_runs(top) else _NO_IMAGES
    return [(path, HIDDEN if is_hidden(path.name) else why_not) for path in files_in(top, None)]


def _wrapper(tops: Sequence[Path]) -> Path | None:
    """The folder that holds everything, as archives unpack into, or None.

    It is the only one but for runs and folders of notes or code; it is none of a split, holds folders, and has no images
    beside it.
    """
    if len(tops) > _MAX_BESIDE:
        return None
    folders = [top for top in tops if top.is_dir() and not _is_of_runs(top)]
    folders = folders if len(folders) == 1 else [folder for folder in folders if not _is_of_other_files(folder)]
    if len(folders) != 1 or split_named(folders[0].name) or not folders_in(folders[0]):
        return None
    return None if any(is_image_name(top.name) for top in tops) else folders[0]


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
    inside. If it holds images only, these have no labels, and it is not a class. Without a folder for another split, two are
    classes: ``train``, which may be one of vehicles, and one of a pair of names such as valid and invalid.
    """
    roles = {top: _Role(why_not=_NO_CLASS) for top in tops if not top.is_dir()}
    roles |= {top: _Role(why_not=_NO_IMAGES) for top in tops if top.is_dir() and _is_of_other_files(top)}
    roles |= {top: _Role(why_not=_OURS) for top in tops if top.is_dir() and _is_of_runs(top)}
    folders = [top for top in tops if top not in roles]
    splits = {top: split for top in folders if (split := split_named(top.name))}
    if any(split == "train" and folders_in(top) for top, split in splits.items()):
        return roles | {top: _Role(splits.get(top, ""), why_not="" if top in splits else _NOT_INSIDE) for top in folders}
    names = {top.name for top in folders if top not in splits}
    beside = {top: split for top, split in splits.items() if names & {folder.name for folder in folders_in(top)}}
    is_pair = {top.name.lower() for top in folders} in _PAIRS
    for top in folders:
        may_be_class = len(splits) == 1 and (splits.get(top) == "train" or is_pair)
        if top in beside:
            roles[top] = _Role(beside[top])
        elif top in splits and not may_be_class:
            roles[top] = _Role(why_not=_NO_LABELS)
        else:
            roles[top] = _Role("train" if beside else "", is_class=True)
    return roles


def _hold_splits(classes: Sequence[Path]) -> bool:
    """Whether the class folders hold folders of splits, for training and for another, and no other folders or images."""
    entries = [entry for folder in classes for entry in visible_in(folder, [])]
    splits = {split_named(entry.name) for entry in entries if entry.is_dir()}
    return "" not in splits and "train" in splits and len(splits) > 1 and not any(is_image_name(e.name) for e in entries)


def _in_split(
    top: Path, split: str, trained: set[str], skipped: list[Skipped], inside: frozenset[str]
) -> list[tuple[str, str, str]]:
    """Path, class and split of each image in the folder of a split; classes are folders, or those of a list of files."""
    entries = _class_folders(top, split, skipped)
    folders = [entry for entry in entries if entry.is_dir()]
    are_classes = split == "train" or not trained or any(entry.name in trained for entry in folders)
    class_of = {} if are_classes else listed_classes(top, top.parent, trained)
    if class_of or (not are_classes and all(entry.name.lower() in IMAGE_FOLDERS for entry in folders)):
        files = [*files_in(top, skipped, inside)]
        skipped += [Skipped(str(path), _NO_CLASS) for path in files if path not in class_of]
        return [(str(path), class_of[path], split) for path in files if path in class_of]
    skipped += [Skipped(str(entry), _NO_CLASS) for entry in entries if not entry.is_dir()]
    return [(str(path), entry.name, split) for entry in folders for path in files_in(entry, skipped, inside)]


def _without_masks(found: list[tuple[str, str, str]], skipped: list[Skipped]) -> list[tuple[str, str, str]]:
    """Leave out masks beside their picture, such as ``benign (1)_mask.png`` beside ``benign (1).png``."""
    stems = {os.path.splitext(path)[0] for path, _, _ in found}  # noqa: PTH122 - as text, for many files
    pictures = []
    for path, name, split in found:
        match = _MASK.fullmatch(os.path.splitext(path)[0])  # noqa: PTH122
        if match and match[1] in stems:
            skipped.append(Skipped(path, "a mask of the picture beside it"))
        else:
            pictures.append((path, name, split))
    return pictures


def _class_folders(split_folder: Path, split: str, skipped: list[Skipped]) -> list[Path]:
    entries = visible_in(split_folder, skipped)
    is_doubled = len(entries) == 1 and split_named(entries[0].name) == split and folders_in(entries[0])  # seg_test/seg_test
    return visible_in(entries[0], skipped) if is_doubled else entries


def _is_of_other_files(folder: Path) -> bool:
    """Whether there are files, and the names of all of them are those of other kinds, such as ``notes.txt``."""
    kind = ""
    for name in (name for _, _, names in os.walk(folder) for name in names if not name.startswith(".")):
        kind = "text/plain" if name.lower() in _NOTES else _KINDS.guess_type(name)[0] or ""
        if kind in ("", "application/octet-stream") or kind.startswith("image/"):  # a name may say nothing
            return False
    return bool(kind)


def _is_of_runs(folder: Path) -> bool:
    """Whether it is a run of Headstart, or holds runs."""
    return any((place / "run.json").is_file() for place in (folder, *folders_in(folder)))
