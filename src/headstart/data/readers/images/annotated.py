"""From annotations of images to a ``Dataset``: one class per image, or several labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.readers.images.annotations import Annotated, Annotations, annotations_in_file
from headstart.data.readers.images.box_files import annotations_beside
from headstart.data.readers.listing import folders_in
from headstart.data.readers.split_names import split_in
from headstart.data.readers.tables.image_list import no_images
from headstart.data.readers.tables.image_paths import PathRule, find_rule, places_to_look
from headstart.data.readers.tables.table import dataset_of_table
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["ANNOTATIONS", "annotations_in", "dataset_of_annotations"]

ANNOTATIONS = "annotations"  # name of a folder of documents, in lower case; the images are beside it
_LOOKED_AT = 20


def annotations_in(folder: Path) -> Annotations | None:
    """Find the annotations of a folder of images: documents in it, in a folder of splits or of annotations, or box files."""
    inside = [place for place in folders_in(folder) if split_in(place.name) or place.name.lower() == ANNOTATIONS]
    found = []
    for place in (folder, *inside):
        try:
            files = sorted(path for path in place.iterdir() if path.suffix.lower() in (".json", ".csv"))
        except OSError:
            continue
        split = "" if place == folder else split_in(place.name)
        found += [each.in_split(split) for path in files if (each := annotations_in_file(path)) is not None]
    return _joined(found) if found else annotations_beside(folder)


def _joined(found: list[Annotations]) -> Annotations:
    """Annotations of several documents of one tool; of several about one picture, the first counts."""
    tool = found[0].tool
    pictures: dict[tuple[str, str], Annotated] = {}
    for each in found:
        if each.tool == tool:
            for picture in each.pictures:
                pictures.setdefault((picture.split, picture.file), picture)
    return Annotations(
        tool, [*pictures.values()], tuple(name for each in found if each.tool == tool for name in each.source)
    )


def dataset_of_annotations(found: Annotations, folder: Path, settings: Mapping[str, Any]) -> Dataset:
    """Build the data set of annotated images.

    Args:
        found: The annotations.
        folder: Folder that they are in.
        settings: Other arguments of ``dataset_of_table``.

    Raises:
        DatasetError: Pictures hold objects of several classes, and no multilabel task was asked for (H131), or none of the
            images is found (H117).
    """
    import pandas as pd

    several = [picture for picture in found.pictures if len(picture.labels) > 1]
    known = settings.get("known")
    task = settings.get("task") if known is None else known.task
    if several and task != "multilabel" and any(picture.has_boxes for picture in several):
        raise _boxes(found, several, folder)
    are_lists = task == "multilabel" or (bool(several) and task is None)
    column = "labels" if are_lists else "label"
    texts = [_list_of(picture) if are_lists else "".join(picture.labels[:1]) for picture in found.pictures]
    frame = pd.DataFrame({"image": _paths(found, folder), column: pd.Series(texts, dtype=object)})
    if any(picture.split for picture in found.pictures):
        frame["split"] = [picture.split for picture in found.pictures]
    named = {"image": "image", "target": settings.get("target") or column, "task": "multilabel" if are_lists else task}
    dataset = dataset_of_table(frame, **{**settings, **named})
    how = "labels of a picture" if are_lists else "one label a picture"
    source = listed([*map(printable, found.source)])
    reason = f"read as annotations of {found.tool} ({source}); {how} → {dataset.task}"
    return replace(dataset, name=folder.resolve().name, task_reason=reason)


def _list_of(picture: Annotated) -> list[str] | str:
    """Labels of a picture; an empty text if it was not annotated."""
    return [*picture.labels] if picture.labels or picture.has_boxes else ""


def _paths(found: Annotations, folder: Path) -> list[str]:
    files = [picture.file for picture in found.pictures]
    by_split = {
        picture.split: [each.file for each in found.pictures if each.split == picture.split] for picture in found.pictures
    }
    rules = {split: _rule(names, folder, split) for split, names in by_split.items()}
    if not any(rules.values()):
        raise no_images(
            f"annotations of {found.tool} of {len(files)} images, such as {printable(files[0])}",
            places_to_look(folder),
            files,
        )
    usual = PathRule(folder)
    return [(rules[picture.split] or usual).path(picture.file) for picture in found.pictures]


def _rule(files: list[str], folder: Path, split: str) -> PathRule | None:
    """How the names of files become paths; of folders with equally many files, that of the split."""
    places = places_to_look(folder)
    places.sort(key=lambda place: not split or split_in(place.name) != split)
    step = max(1, len(files) // _LOOKED_AT)
    return find_rule(files[::step][: _LOOKED_AT + 1], places, column=lambda: files)


def _boxes(found: Annotations, several: list[Annotated], folder: Path) -> DatasetError:
    counts = Counter(label for picture in found.pictures for label in picture.labels)
    example = several[0]
    return DatasetError(
        "H131",
        "annotations for object detection",
        received=f"{found.tool} with objects of {len(counts)} classes, several of them in {len(several)} of "
        f"{len(found.pictures)} pictures, such as {printable(Path(example.file).name)}: "
        f"{listed([*map(printable, example.labels)])}",
        expected="pictures of one class each: Headstart classifies pictures as a whole, and finds no boxes",
        advice=f"to learn which classes are in a picture: headstart fit {printable(folder)} --task multilabel",
    )
