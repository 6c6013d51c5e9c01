"""Annotations of images as tools export them: the labels of each picture in documents of COCO and Label Studio."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from headstart.data.readers.split_names import split_in

__all__ = ["Annotated", "Annotations", "annotations_in_file"]

_MAX_BYTES = 1 << 30
_COCO = {"images", "annotations", "categories"}
_LABEL_STUDIO = {"annotation_id", "lead_time"}
_BOOKKEEPING = {"id", "annotator", "created_at", "updated_at", "agreement", "sentiment", "inner_id", *_LABEL_STUDIO}
_IMAGE = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?)($|\?)|\?d=", re.IGNORECASE)


class Annotated(NamedTuple):
    """One picture.

    Attributes:
        file: Path or address as the tool writes it.
        labels: Its labels, each once; none if it has no annotation.
        split: ``train``, ``validation``, ``test`` or "". Defaults to "".
        has_boxes: Whether labels belong to parts of the picture, so that a picture without labels shows none of them.
            Defaults to False: such a picture was not annotated.
    """

    file: str
    labels: tuple[str, ...]
    split: str = ""
    has_boxes: bool = False


class Annotations(NamedTuple):
    """Annotations of one tool.

    Attributes:
        tool: Name of the tool or format.
        pictures: The pictures.
        source: Names of the files they were read from.
    """

    tool: str
    pictures: list[Annotated]
    source: tuple[str, ...]

    def in_split(self, split: str) -> Annotations:
        """Assign a split to pictures without one."""
        return self._replace(pictures=[each._replace(split=each.split or split) for each in self.pictures])


def annotations_in_file(path: Path) -> Annotations | None:
    """Read a file of annotations: COCO, or Label Studio's JSON, JSON-MIN or CSV. None if it is none.

    Example:
        >>> annotations_in_file(Path("no-such-file.json")) is None
        True
    """
    read = {".json": _in_json, ".csv": _in_csv}.get(path.suffix.lower())
    try:
        if read is None or path.stat().st_size > _MAX_BYTES:
            return None
        tool, pictures = read(path)
    except (
        OSError,
        ValueError,
        RecursionError,
        TypeError,
        KeyError,
        AttributeError,
    ):  # whoever reads it as a table reports it
        return None
    return Annotations(tool, pictures, (path.name,)).in_split(split_in(path.stem)) if pictures else None


def _in_json(path: Path) -> tuple[str, list[Annotated]]:
    document = json.loads(path.read_bytes().decode("utf-8-sig", "replace"))
    if isinstance(document, dict) and document.keys() >= _COCO:
        return "COCO", _of_coco(document)
    if isinstance(document, list) and document and all(isinstance(task, dict) for task in document):
        if all(isinstance(task.get("data"), dict) for task in document):
            return "Label Studio", [found for task in document if (found := _of_task(task)) is not None]
        if document[0].keys() >= _LABEL_STUDIO:
            return "Label Studio", _of_records(document)
    return "", []


def _in_csv(path: Path) -> tuple[str, list[Annotated]]:
    with path.open("rb") as file:
        header = file.readline(1 << 16).decode("utf-8-sig", "replace")
    if not {name.strip().strip('"') for name in header.split(",")} >= _LABEL_STUDIO:
        return "", []
    return "Label Studio", _of_records(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig", "replace"))))


def _of_coco(document: Mapping[str, Any]) -> list[Annotated]:
    names = {category["id"]: str(category.get("name", category["id"])) for category in document["categories"]}
    labels: dict[Any, dict[str, None]] = {}
    has_boxes = False
    for annotation in document["annotations"]:
        if (number := annotation.get("category_id")) is not None:
            labels.setdefault(annotation["image_id"], {})[names.get(number, str(number))] = None
            has_boxes |= bool(annotation.get("bbox") or annotation.get("segmentation"))
    return [
        Annotated(str(image["file_name"]), tuple(labels.get(image["id"], ())), has_boxes=has_boxes)
        for image in document["images"]
    ]


def _of_task(task: Mapping[str, Any]) -> Annotated | None:
    """A task of Label Studio with its first annotation, or with the one that is marked as ground truth."""
    file = _file_in(task["data"])
    made = [each for each in task.get("annotations", task.get("completions")) or () if not each.get("was_cancelled")]
    chosen = next((each for each in made if each.get("ground_truth")), made[0] if made else {"result": []})
    labels, has_boxes = _labels_of([result.get("value", {}) for result in chosen["result"]])
    return Annotated(file, labels, has_boxes=has_boxes) if file else None


def _of_records(records: Iterable[Mapping[str, Any]]) -> list[Annotated]:
    """Rows of Label Studio's CSV and JSON-MIN exports, a column of which holds the image and another the labels."""
    pictures = []
    for record in records:
        file = _file_in(record)
        values = [_decoded(value) for key, value in record.items() if key not in _BOOKKEEPING and value != file]
        labels, has_boxes = _labels_of(values)
        if file:
            pictures.append(Annotated(file, labels, has_boxes=has_boxes))
    return pictures


def _file_in(data: Mapping[str, Any]) -> str:
    texts = [value for value in data.values() if isinstance(value, str)]
    return next((text for text in texts if _IMAGE.search(text)), texts[0] if texts and len(data) == 1 else "")


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _labels_of(values: Iterable[Any]) -> tuple[tuple[str, ...], bool]:
    """Labels in the values of Label Studio, and whether they belong to parts of the picture."""
    labels: dict[str, None] = {}
    has_boxes = False
    for value in values:
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                for key, found in part.items():
                    if key == "choices" or key.endswith("labels"):
                        labels |= dict.fromkeys(map(str, found if isinstance(found, list) else [found]))
                        has_boxes |= key != "choices"
            elif isinstance(part, str) and part:
                labels[part] = None
    return tuple(labels), has_boxes
