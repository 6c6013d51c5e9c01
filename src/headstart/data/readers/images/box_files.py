"""Annotations in a file per image, for object detection: YOLO's text files and Pascal VOC's XML files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from headstart.data.readers.images.annotations import Annotated, Annotations
from headstart.data.readers.listing import folders_in, is_image_name
from headstart.data.readers.split_names import split_in, split_named

__all__ = ["annotations_beside"]

_MAX_BYTES = 1 << 20  # of a file about one image
_DEPTH = 3
_IMAGE_FOLDERS = {"images", "jpegimages", "img", "imgs", "data", "obj_train_data", "obj_valid_data", "obj_test_data"}
_BESIDE = ("labels", "Annotations", "annotations", "annotations/xmls", "xmls")  # in place of the folder of images
_BOX = re.compile(r"\d+(\s+[-+.\de]+){4,}")
_LISTS = ("", "ImageSets/Main", "ImageSets/Layout")  # folders of train.txt and val.txt
_NAME = re.compile(r"""'([^']*)'|"([^"]*)"|([^\s,\[\]{}'":#][^,\[\]{}'"#\n]*)""")


def annotations_beside(folder: Path) -> Annotations | None:
    """Read the annotations that lie beside the images of a folder, or in a folder beside theirs; None if there are none.

    Only folders of splits and folders called images, JPEGImages or the like are looked at, never those of classes.
    """
    pairs = {
        image: _annotation(image, files) for place in _image_folders(folder, 0) for image, files in _images(place, folder)
    }
    found = [path for path in pairs.values() if path is not None]
    if not found:
        return None
    is_yolo = found[0].suffix == ".txt"
    names = _yolo_names(folder)
    read: Callable[[Path], tuple[str, ...]] = (lambda path: _in_text(path, names)) if is_yolo else _in_xml
    if is_yolo and not all(map(_is_yolo, found[:20])):
        return None
    if not is_yolo and "<annotation" not in _text(found[0]):
        return None
    splits = _listed_splits(folder)
    pictures = [
        Annotated(str(image), () if path is None else read(path), _split(image, folder) or splits.get(image.stem, ""), True)
        for image, path in pairs.items()
    ]
    return Annotations("YOLO" if is_yolo else "Pascal VOC", pictures, (f"{len(found)} {found[0].suffix} files",))


def _image_folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth < _DEPTH:
        for place in folders_in(folder):
            if split_in(place.name) or place.name.lower() in _IMAGE_FOLDERS:
                yield from _image_folders(place, depth + 1)


def _images(place: Path, folder: Path) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Images of a folder, each with the annotations that are in the same place or beside, by stem."""
    try:
        entries = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    except OSError:
        return
    images = [entry for entry in entries if is_image_name(entry.name)]
    if not images:
        return
    inside = place.relative_to(folder).parts
    beside = [
        folder.joinpath(*inside[:i], name, *inside[i + 1 :])
        for i, part in enumerate(inside)
        if part.lower() in _IMAGE_FOLDERS
        for name in _BESIDE
    ]
    files: dict[str, Path] = {}
    for where in (place, *beside):
        files |= {path.stem: path for suffix in (".txt", ".xml") for path in sorted(where.glob(f"*{suffix}"))}
        if any(image.stem in files for image in images):
            break
    yield from ((image, files) for image in images)


def _annotation(image: Path, files: dict[str, Path]) -> Path | None:
    return files.get(image.stem)


def _split(image: Path, folder: Path) -> str:
    return next(filter(None, map(split_in, image.relative_to(folder).parts[:-1])), "")


def _listed_splits(folder: Path) -> dict[str, str]:
    """Split of each image by the stem of its file, as files such as ``ImageSets/Main/train.txt`` list them."""
    splits: dict[str, str] = {}
    for place in _LISTS:
        for path in sorted((folder / place).glob("*.txt")):
            if split := split_named(path.stem):
                splits |= {
                    Path(line.split()[0]).stem: split for line in _text(path, 64 * _MAX_BYTES).splitlines() if line.strip()
                }
    return splits


def _text(path: Path, max_bytes: int = _MAX_BYTES) -> str:
    try:
        with path.open("rb") as file:
            return file.read(max_bytes).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _is_yolo(path: Path) -> bool:
    return all(_BOX.fullmatch(line.strip()) for line in _text(path).splitlines() if line.strip())


def _in_text(path: Path, names: list[str]) -> tuple[str, ...]:
    """Classes in a file whose lines begin with the number of a class."""
    numbers = dict.fromkeys(int(line.split()[0]) for line in _text(path).splitlines() if _BOX.fullmatch(line.strip()))
    return tuple(names[number] if number < len(names) else str(number) for number in numbers)


def _in_xml(path: Path) -> tuple[str, ...]:
    """Names of the objects in a file of Pascal VOC; none if it is damaged."""
    text = _text(path)
    if "<!ENTITY" in text:  # which could unpack to anything
        return ()
    try:
        objects = ElementTree.fromstring(text).iter("object")
    except ElementTree.ParseError:
        return ()
    return tuple(dict.fromkeys(name.strip() for each in objects if (name := each.findtext("name"))))


def _yolo_names(folder: Path) -> list[str]:
    """Names of the classes, from ``data.yaml``, ``classes.txt`` or a ``.names`` file; none if there is no such file."""
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        if match := re.search(r"^names:[ \t]*(.*(?:\n[ \t]*(?:-|\d+:|[\]\},'\"]).*)*)", _text(path), re.MULTILINE):
            listed = re.sub(r"(?m)^[ \t]*(?:-|\d+:)[ \t]+|(?<=[{,])\s*\d+:", "", match[1])
            return [one or two or three.strip() for one, two, three in _NAME.findall(listed)]
    for place in (folder, *folders_in(folder)):
        for path in (*sorted(place.glob("*.names")), place / "classes.txt", place / "_darknet.labels"):
            if lines := [line.strip() for line in _text(path).splitlines() if line.strip()]:
                return lines
    return []
