"""Errors about folders of images: fewer than two classes, labels in the names of files, pictures with masks."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from headstart.data.readers.listing import HIDDEN, files_in, is_image_name
from headstart.data.skipped import Skipped
from headstart.data.tables.files.read_cells import is_table_name
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["IMAGE_FOLDERS", "check_no_masks", "no_training_split", "too_few_classes"]

IMAGE_FOLDERS = {"images", "image", "imgs", "img", "pictures", "photos", "jpegimages"}
_MASK_FOLDERS = {
    "masks",
    "mask",
    "segmentation",
    "segmentations",
    "gt",
    "groundtruth",
    "ground_truth",
    "labels",
    "annotations",
}
_MASK_ENDING = re.compile(r"[ _-](mask|masks|segmentation|seg|gt)$", re.IGNORECASE)

_WORD = re.compile(r"[A-Za-z]+(?=[\W_\d])")  # at the beginning of a file's name
_CAMERAS = {"img", "dsc", "dscn", "dscf", "image", "photo", "pic", "picture", "scan", "frame", "p", "file"}
_MAX_WORDS = 50


def too_few_classes(
    root: Path,
    found: Sequence[tuple[str, str, str]],
    skipped: Sequence[Skipped],
    of_splits: Sequence[str],
    blank: Sequence[str],
) -> DatasetError:
    """Create the error for a folder without two class folders (H101).

    Args:
        root: The folder.
        found: Path, class and split of each image.
        skipped: Files that are not used.
        of_splits: Folders with the names of splits that hold no class folders.
        blank: Other folders without images.
    """
    names = sorted({name for _, name, _ in found})
    files = [path for path, _, _ in found] or [file.path for file in skipped]
    words = [] if len(names) > 1 else _first_words([Path(path).name for path in files])
    expected = "one folder per class, with its images inside, and at least two classes"
    has_images = any(is_image_name(file.path) for file in skipped)
    tables = [file.path for file in skipped if file.reason != HIDDEN and _is_table(file.path)]
    fit = f"headstart fit {shlex.quote(tables[0])}" if tables else "headstart fit TABLE.csv"
    no_images = f"{listed(blank)} {'holds' if len(blank) == 1 else 'hold'} no images" if blank else ""
    if words:
        received = f"{root}: images in one folder, whose names begin with {listed(words)}"
        advice = f"list them with these labels: {_listing(root)}"
    elif of_splits:
        others = f"; besides them, 1 class: {printable(names[0])}" if names else ""
        have = "has the name of a split and holds" if len(of_splits) == 1 else "have the names of splits and hold"
        received = f"{root}: {listed(of_splits)} {have} no class folders{others}"
        expected = "class folders inside them: train/cat/*.jpg, test/cat/*.jpg; or a table that lists images and labels"
        advice = f"rename a folder that is a class, or fit the table that has the labels: {fit}"
    elif names:
        received = f"{root}: 1 class, {printable(names[0])}, of {len(found)} {'file' if len(found) == 1 else 'files'}"
        received += f"; {no_images}" if blank else ""
        other = blank[0] if blank else "OTHER"
        advice = f"add a folder with images of another class: {_class_folder(found[0], root).parent / other}"
        advice += f"; or fit the table, if it lists the images with their labels: {fit}" if tables else ""
    elif tables and not has_images:
        received = f"{root}: no images, and {len(tables)} table{'s' * (len(tables) > 1)}"
        expected = "one folder per class, with its images inside; or the path of a table"
        advice = f"fit {'one of the tables' if len(tables) > 1 else 'the table'}: {fit}"
    elif blank and not has_images:
        received = f"{root}: {no_images}"
        advice = f"put images into {root / blank[0]}, or give another folder: headstart fit FOLDER"
    elif skipped and all(file.reason == HIDDEN for file in skipped):
        received = f"{root}: nothing but hidden files and folders, such as {printable(skipped[0].path)}"
        advice = "rename the folders, so that their names do not begin with a dot"
    elif has_images:
        received = f"{root}: {len(skipped)} files, none of them inside a class folder"
        advice = f"sort them into {root / 'cat'}, {root / 'dog'}, or fit a table that lists them: {fit}"
    else:
        received = f"{root}: {len(skipped)} files, none of them an image" if skipped else f"{root}: an empty folder"
        advice = "give the folder that holds the class folders: headstart fit FOLDER"
    return DatasetError("H101", "fewer than two different labels", received=received, expected=expected, advice=advice)


def _is_table(name: str) -> bool:
    """Whether the name is that of a table, and not of notes, which are often text or JSON too."""
    return is_table_name(name) and not name.lower().endswith((".txt", ".json"))


def no_training_split(root: Path, unknown: Sequence[str], splits: Sequence[str]) -> DatasetError:
    """Create the error for folders with the class folders of the splits beside them, but with names of no split (H138).

    Args:
        root: The folder.
        unknown: Names of these folders.
        splits: Names of the folders of splits.
    """
    is_one = len(unknown) == 1
    advice = f"rename {root / unknown[0]} to train" if is_one else f"move their class folders into {root / 'train'}"
    return DatasetError(
        "H138",
        "no training split",
        received=f"{root}: {listed(unknown)} {'holds' if is_one else 'hold'} class folders like {listed(splits)}, but "
        f"{'is' if is_one else 'are'} not recognised as a split",
        expected="class folders in folders called train, validation and test",
        advice=advice,
    )


def check_no_masks(root: Path, folders: Sequence[Path]) -> None:
    """Reject a folder of pictures beside a folder of their masks, which are no two classes.

    Raises:
        DatasetError: Most files of both folders have the same names (H133).
    """
    pictures = [folder for folder in folders if folder.name.lower() in IMAGE_FOLDERS]
    masks = [folder for folder in folders if folder.name.lower() in _MASK_FOLDERS]
    if len(pictures) != 1 or len(masks) != 1:
        return
    stems, others = ({path.stem for path in files_in(each[0], []) if is_image_name(path.name)} for each in (pictures, masks))
    if stems and 2 * len(stems & {_MASK_ENDING.sub("", stem) for stem in others}) > len(stems):
        raise DatasetError(
            "H133",
            "pictures with masks",
            received=f"{root}: {printable(pictures[0].name)} and {printable(masks[0].name)} hold images of the same names",
            expected="classes of whole pictures: one folder per class, or a table; Headstart learns no masks",
            advice="fit a table that lists the pictures with their labels: headstart fit TABLE.csv",
        )


def _class_folder(found: tuple[str, str, str], root: Path) -> Path:
    """Folder of a class, from one of its images."""
    path, name, _ = found
    return next((parent for parent in Path(path).parents if parent.name == name), root / name)


def _first_words(names: Sequence[str]) -> list[str]:
    """Words that the names of images begin with, such as cat and dog of ``cat.0.jpg``, if they could be classes."""
    images = [name for name in names if is_image_name(name)]
    words = Counter(match[0] for name in images if (match := _WORD.match(name)) and match[0].lower() not in _CAMERAS)
    are_classes = 2 <= len(words) <= _MAX_WORDS and min(words.values()) >= 2 and words.total() == len(images)
    return sorted(words) if are_classes else []


def _listing(root: Path) -> str:
    """Command that lists images with the words that their names begin with, and fits the list."""
    program = (
        "import csv, pathlib, re; "
        f'files = [file for file in pathlib.Path({json.dumps(str(root))}).rglob("*.*") if re.match("[A-Za-z]", file.name)]; '
        'rows = [(file, re.match("[A-Za-z]+", file.name)[0]) for file in files]; '
        'csv.writer(open("labels.csv", "w", newline="")).writerows([("image", "label"), *rows])'
    )
    return f"python -c {shlex.quote(program)} && headstart fit labels.csv"
