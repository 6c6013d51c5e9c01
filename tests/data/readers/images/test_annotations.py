"""Exports of annotation tools: which labels each picture has, and what is not taken for an export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.data.readers.images.annotations import Annotated, annotations_in_file
from headstart.data.readers.images.box_files import annotations_beside
from headstart.data.readers.read import read
from headstart.foundation.errors import DatasetError


def written(path: Path, value: object) -> Path:
    """A document, as JSON unless it is text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def result(kind: str, *labels: str) -> dict[str, Any]:
    """A result of Label Studio."""
    return {"type": kind, "value": {kind: list(labels), "x": 1, "width": 9}}


def task(*annotations: dict[str, Any], name: str = "a.jpg") -> dict[str, Any]:
    """A task of Label Studio."""
    return {"id": 1, "data": {"image": name, "note": "x"}, "annotations": list(annotations)}


@pytest.mark.parametrize(
    ("found", "labels", "has_boxes"),
    [
        (task({"result": [result("choices", "cat")]}), ("cat",), False),
        (task({"result": [result("choices", "cat", "dog")]}), ("cat", "dog"), False),
        (task({"result": [result("rectanglelabels", "cat"), result("rectanglelabels", "cat")]}), ("cat",), True),
        (
            task({"result": [result("choices", "eel")], "was_cancelled": True}, {"result": [result("choices", "cat")]}),
            ("cat",),
            False,
        ),
        (
            task({"result": [result("choices", "eel")]}, {"result": [result("choices", "cat")], "ground_truth": True}),
            ("cat",),
            False,
        ),
        (task({"result": [{"type": "textarea", "value": {"text": ["hello"]}}]}), (), False),
        (task(), (), False),
    ],
    ids=["one", "several", "boxes", "cancelled", "ground truth", "text", "none"],
)
def test_label_studio_tasks(tmp_path: Path, found: dict[str, Any], labels: tuple[str, ...], has_boxes: bool) -> None:
    """Of several annotations one counts: the ground truth, or the first that was not cancelled."""
    annotations = annotations_in_file(written(tmp_path / "export.json", [found]))
    assert annotations is not None
    assert (annotations.tool, annotations.pictures) == ("Label Studio", [Annotated("a.jpg", labels, "", has_boxes)])


def test_label_studio_rows(tmp_path: Path) -> None:
    """The short JSON export and the CSV export hold choices as text, as an object of several, or as boxes."""
    rows = [
        {"image": "/data/upload/1.jpg", "annotation_id": 1, "annotator": 1, "lead_time": 2.5, "choice": choice, "id": 1}
        for choice in ("cat", {"choices": ["cat", "dog"]}, [{"rectanglelabels": ["dog"], "x": 1}])
    ]
    found = annotations_in_file(written(tmp_path / "a.json", rows))
    cells = ["cat", '"{""choices"": [""cat"", ""dog""]}"', '"[{""rectanglelabels"": [""dog""], ""x"": 1}]"']
    lines = [
        "annotation_id,annotator,choice,id,image,lead_time",
        *(f"1,1,{cell},1,/data/upload/1.jpg,2.5" for cell in cells),
    ]
    same = annotations_in_file(written(tmp_path / "a.csv", "\n".join(lines)))
    assert found is not None
    assert same is not None
    assert [each.labels for each in found.pictures] == [("cat",), ("cat", "dog"), ("dog",)]
    assert found.pictures == same.pictures


@pytest.mark.parametrize(
    "document",
    [
        {"name": "package", "version": "1"},
        [{"size": 1, "label": "cat"}],
        [],
        {"images": [], "annotations": []},
        {"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1, "name": "cat"}]},
        "not JSON",
        "[" * 100_000,
    ],
    ids=["object", "table", "empty", "captions", "without names", "damaged", "deep"],
)
def test_other_documents_are_no_annotations(tmp_path: Path, document: object) -> None:
    """Whoever reads them as tables reports what is wrong with them."""
    assert annotations_in_file(written(tmp_path / "a.json", document)) is None


@pytest.mark.parametrize(
    "names",
    [
        "names: [cat, 'big dog']",
        'names:\n- cat\n- "big dog"\n',
        "nc: 2\nnames:\n  0: cat\n  1: big dog\n# end",
        "names: {0: cat, 1: big dog}",
        "names: [\n  'cat',\n  'big dog',\n]\nnc: 2",
    ],
)
def test_yolo_class_names_in_yaml(tmp_path: Path, names: str) -> None:
    """In brackets or braces, on one line or on several."""
    written(tmp_path / "data.yaml", f"train: ../train/images\n{names}\n")
    for i in range(2):
        written(tmp_path / "train" / "images" / f"{i}.jpg", "x")
        written(tmp_path / "train" / "labels" / f"{i}.txt", f"{i} 0.1 0.2 0.3 0.4\n")
    found = annotations_beside(tmp_path)
    assert found is not None
    assert [(each.labels, each.split) for each in found.pictures] == [(("cat",), "train"), (("big dog",), "train")]


def test_yolo_files_beside_images_and_names_in_a_list(tmp_path: Path) -> None:
    """As Darknet has them; a class without a name is its number, and an empty file is a picture without objects."""
    written(tmp_path / "classes.txt", "cat\n")
    for i, text in enumerate(("0 0.1 0.1 0.1 0.1", "3 0.1 0.2 0.3 0.4 0.5 0.6", "")):
        written(tmp_path / "obj_train_data" / f"{i}.jpg", "x")
        written(tmp_path / "obj_train_data" / f"{i}.txt", text)
    found = annotations_beside(tmp_path)
    assert found is not None
    assert [each.labels for each in found.pictures] == [("cat",), ("3",), ()]


def test_captions_beside_images_are_no_annotations(tmp_path: Path) -> None:
    """Nor are text files beside the images of a class folder."""
    written(tmp_path / "images" / "a.jpg", "x")
    written(tmp_path / "images" / "a.txt", "a cat on a mat")
    written(tmp_path / "cat" / "a.jpg", "x")
    written(tmp_path / "cat" / "a.txt", "0 0.1 0.1 0.1 0.1")
    assert annotations_beside(tmp_path) is None


def test_xml_with_entities_is_not_read(tmp_path: Path) -> None:
    """It could unpack to anything, so the picture has no label; nor has that of a damaged file."""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><annotation><object><name>&a;</name></object></annotation>'
    for i, text in enumerate(("<annotation><object><name>cat</name></object></annotation>", bomb, "<annotation><object>")):
        written(tmp_path / "images" / f"{i}.jpg", "x")
        written(tmp_path / "annotations" / "xmls" / f"{i}.xml", text)
    found = annotations_beside(tmp_path)
    assert found is not None
    assert [each.labels for each in found.pictures] == [("cat",), (), ()]


def test_boxes_of_several_classes_say_what_they_are(tmp_path: Path) -> None:
    """H131 names the tool and a picture; pictures without objects are negatives in a multilabel task."""
    for i, text in enumerate(("0 .1 .1 .1 .1\n1 .1 .1 .1 .1", "1 .1 .1 .1 .1", "", "0 .1 .1 .1 .1")):
        written(tmp_path / "images" / f"{i}.jpg", str(i))
        written(tmp_path / "labels" / f"{i}.txt", text)
    with pytest.raises(DatasetError) as caught:
        read(tmp_path)
    assert caught.value.code == "H131"
    assert "YOLO" in caught.value.received
    assert "0.jpg: 0, 1" in caught.value.received
    dataset = read(tmp_path, task="multilabel")
    assert dataset.labels.tolist() == [[1, 1], [0, 1], [0, 0], [1, 0]]
    assert dataset.task_reason.startswith("read as annotations of YOLO (4 .txt files); labels of a picture → multilabel")


def test_several_choices_are_multilabel(tmp_path: Path) -> None:
    """Choices describe the picture as a whole, so that nothing has to be asked for; one without any was not annotated."""
    tasks = []
    for i, labels in enumerate((["cat"], ["cat", "dog"], ["dog"], ["big dog"])):
        written(tmp_path / f"{i}.jpg", str(i))
        tasks.append(task({"result": [result("choices", *labels)]}, name=f"{i}.jpg"))
    dataset = read(written(tmp_path / "export.json", [*tasks, task(name="0.jpg")]))
    assert [reason for _, reason in dataset.skipped] == [
        "row 5: no value in the target column 'labels'; write a single ; if no label applies"
    ]
    assert (dataset.task, dataset.classes) == ("multilabel", ("big dog", "cat", "dog"))
    assert dataset.labels.tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 0]]


def test_annotations_without_their_images_say_where_they_were_looked_for(tmp_path: Path) -> None:
    """H117 names the tool."""
    tasks = [task({"result": [result("choices", name)]}, name=f"{name}.jpg") for name in ("cat", "dog")]
    with pytest.raises(DatasetError) as caught:
        read(written(tmp_path / "export.json", tasks))
    assert caught.value.code == "H117"
    assert "Label Studio" in caught.value.received
    assert str(tmp_path) in caught.value.received
