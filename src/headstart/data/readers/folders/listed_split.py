"""Classes of the images in a split without class folders, from a list of files and classes beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from headstart.data.readers.listing import files_in, is_image_name, visible_in

__all__ = ["listed_classes"]

_MAX_BYTES = 64 << 20
_SUFFIXES = (".txt", ".csv", ".tsv")
_BETWEEN = re.compile(r"[\s,;]+")


def listed_classes(split_folder: Path, root: Path, classes: Iterable[str]) -> dict[Path, str]:
    """Find the class of each image of a split, such as ImageNet's ``val/``, in a text file; {} if there is no such list.

    Each line of the list begins with the name of an image, with or without suffix, and a class: its name, or its number
    among the sorted classes, from 0. At least half of the images have to be listed.

    Args:
        split_folder: Folder of the split.
        root: Folder of the data set; lists are looked for in both.
        classes: Names of the class folders of the training split.
    """
    images = [path for path in files_in(split_folder, []) if is_image_name(path.name)]
    for place in (split_folder, root):
        for path in (entry for entry in visible_in(place, []) if entry.suffix.lower() in _SUFFIXES):
            class_of = _read_list(path, sorted(classes))
            found = {image: class_of[image.stem] for image in images if image.stem in class_of}
            if found and 2 * len(found) >= len(images):
                return found
    return {}


def _read_list(path: Path, classes: list[str]) -> dict[str, str]:
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return {}
    lines = path.read_bytes().decode("utf-8-sig", "replace").splitlines()
    pairs = [parts[:2] for line in lines if len(parts := _BETWEEN.split(line.strip())) >= 2]
    named = {Path(file).stem: name for file, name in pairs if name in classes}
    numbered = {Path(file).stem: classes[int(name)] for file, name in pairs if name.isdecimal() and int(name) < len(classes)}
    return named or numbered
