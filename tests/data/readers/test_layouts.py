"""Layouts in which people have their images: how each is read, or what the error says. The guide holds the same table."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from headstart.data.readers.read import read, read_table
from headstart.foundation.errors import DatasetError

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "images.md"
PNG = b"\x89PNG\r\n\x1a\n"


def fill(root: Path, *names: str) -> None:
    """Files that no two have the same content; whether they are images is not a reader's question."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG + name.encode())


def photos(folder: str, number: int = 2, classes: Sequence[str] = ("cat", "dog")) -> list[str]:
    """Names of images in class folders."""
    return [f"{folder}{name}/{i}.jpg" for name in classes for i in range(number)]


def write_rows(path: Path, *rows: Sequence[object]) -> None:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_json(path: Path, value: object) -> None:
    """A JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def kind(i: int) -> str:
    """Class of the i-th image where classes alternate."""
    return ("cat", "dog")[i % 2]


# Each writes a layout below a folder.


def _class_folders(root: Path) -> None:
    fill(root, *photos(""))


def _split_folders(root: Path) -> None:
    fill(root, *photos("train/", 3), *photos("val/", 1), *photos("test/", 1))


def _splits_inside_classes(root: Path) -> None:
    fill(
        root,
        *(
            f"{name}/{split}/{i}.jpg"
            for name in ("cat", "dog")
            for split, n in (("train", 3), ("test", 1))
            for i in range(n)
        ),
    )


def _other_split_names(root: Path) -> None:
    fill(root, *photos("Training/", 3), *photos("Testing/", 1))


def _beside_classes(root: Path) -> None:
    fill(root, *photos("", 3), *photos("test/", 1))


def _kaggle(root: Path) -> None:
    fill(root, *(f"train/{i}.jpg" for i in range(6)), "test/7.jpg", "test/8.jpg")
    write_rows(root / "train.csv", ("id", "label"), *((f"{i}.jpg", kind(i)) for i in range(6)))
    write_rows(root / "sample_submission.csv", ("id", "label"), ("7.jpg", ""), ("8.jpg", ""))


def _ids_without_suffix(root: Path) -> None:
    fill(root, *(f"photos/a{i}.jpg" for i in range(4)))
    write_rows(root / "labels.csv", ("id", "breed"), *((f"a{i}", kind(i)) for i in range(4)))


def _other_machine(root: Path) -> None:
    fill(root, *(f"photos/{i}.jpg" for i in range(4)))
    write_rows(root / "labels.csv", ("file", "label"), *((rf"C:\Users\ann\photos\{i}.jpg", kind(i)) for i in range(4)))


def _split_by_path(root: Path) -> None:
    fill(root, *(f"train/{i}.jpg" for i in range(4)), *(f"test/{i}.jpg" for i in range(2)))
    rows = [(f"{split}/{i}.jpg", kind(i)) for split, number in (("train", 4), ("test", 2)) for i in range(number)]
    write_rows(root / "labels.csv", ("path", "label"), *rows)


def _metadata_csv(root: Path) -> None:
    for split, number in (("train", 4), ("validation", 2)):
        fill(root / split, *(f"{i}.jpg" for i in range(number)))
        write_rows(root / split / "metadata.csv", ("file_name", "label"), *((f"{i}.jpg", kind(i)) for i in range(number)))


def _metadata_jsonl(root: Path) -> None:
    for split, number in (("train", 6), ("test", 2)):
        fill(root / split, *(f"{i}.jpg" for i in range(number)))
        lines = [json.dumps({"file_name": f"{i}.jpg", "labels": ["cat", "dog"][i % 2 : 1 + i % 3]}) for i in range(number)]
        (root / split / "metadata.jsonl").write_text("\n".join(lines))


def _label_studio(root: Path) -> None:
    fill(root, *(f"images/{i}.jpg" for i in range(5)))
    tasks = [
        {
            "id": i,
            "data": {"image": f"/data/upload/1/3f2a91bc-{i}.jpg"},
            "annotations": [{"result": [{"type": "choices", "value": {"choices": [kind(i)]}}]}] if i < 4 else [],
        }
        for i in range(5)
    ]
    write_json(root / "project-1.json", tasks)


def _label_studio_csv(root: Path) -> None:
    fill(root, *(f"images/{i} a.jpg" for i in range(4)))
    names = ("annotation_id", "annotator", "choice", "created_at", "id", "image", "lead_time", "updated_at")
    rows = [
        (i, 1, kind(i), "2024-01-01", i, f"/data/local-files/?d=images/{i}%20a.jpg", 2.5, "2024-01-01") for i in range(4)
    ]
    write_rows(root / "project-1.csv", names, *rows)


def _coco(root: Path) -> None:
    for split, number in (("train", 4), ("val", 2)):
        fill(root / f"{split}2017", *(f"{i:012}.jpg" for i in range(number)))
        document = {
            "images": [{"id": i, "file_name": f"{i:012}.jpg"} for i in range(number)],
            "annotations": [{"image_id": i, "category_id": 1 + i % 2, "bbox": [1, 2, 3, 4]} for i in range(number)],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        }
        write_json(root / "annotations" / f"instances_{split}2017.json", document)


def _coco_of_several_classes(root: Path) -> None:
    _coco(root)
    path = root / "annotations" / "instances_train2017.json"
    document = json.loads(path.read_text())
    document["annotations"].append({"image_id": 0, "category_id": 2, "bbox": [1, 2, 3, 4]})
    path.write_text(json.dumps(document))


def _yolo_classification(root: Path) -> None:
    fill(root, *photos("train/", 3), *photos("val/", 1), "data.yaml")


def _yolo(root: Path, boxes: Mapping[int, str] | None = None) -> None:
    for split, number in (("train", 4), ("val", 2)):
        fill(root / "images" / split, *(f"{i}.jpg" for i in range(number)))
        for i in range(number):
            path = root / "labels" / split / f"{i}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{i % 2} 0.5 0.5 0.2 0.3\n" + (boxes or {}).get(i, ""))
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnc: 2\nnames: ['cat', 'dog']  # in order\n")


def _yolo_of_several_classes(root: Path) -> None:
    _yolo(root, {0: "1 0.1 0.1 0.05 0.05\n"})


def _pascal_voc(root: Path) -> None:
    fill(root, *(f"JPEGImages/{i}.jpg" for i in range(4)))
    for i in range(4):
        path = root / "Annotations" / f"{i}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<annotation><filename>{i}.jpg</filename><object><name>{kind(i)}</name></object></annotation>")
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("0\n1\n2\n")
    (root / "ImageSets" / "Main" / "val.txt").write_text("3\n")


def _image_net(root: Path) -> None:
    fill(root, *photos("train/", 3, ("n01440764", "n01443537")), *(f"val/ILSVRC2012_val_{i:08}.JPEG" for i in range(4)))
    (root / "val.txt").write_text("".join(f"ILSVRC2012_val_{i:08}.JPEG {i % 2}\n" for i in range(3)))


def _tiny_image_net(root: Path) -> None:
    names = ("n01440764", "n01443537")
    fill(root, *(f"train/{name}/images/{i}.JPEG" for name in names for i in range(3)))
    fill(root, *(f"val/images/val_{i}.JPEG" for i in range(2)), "test/images/test_0.JPEG")
    (root / "val" / "val_annotations.txt").write_text(
        "".join(f"val_{i}.JPEG\t{names[i % 2]}\t0\t32\t44\t62\n" for i in range(2))
    )


def _zip_file(root: Path) -> None:
    root.mkdir(parents=True)
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for name in (*photos("photos/"), "__MACOSX/photos/cat/._0.jpg"):
            archive.writestr(name, name)


def _tar_file(root: Path) -> None:
    pack(_kaggle, root / "photos.tar.gz")


def _zip_of_annotations(root: Path) -> None:
    pack(_yolo, root / "export.zip")


def _folder_of_zip(root: Path) -> None:
    pack(_split_folders, root / "photos.zip")


def pack(write: Callable[[Path], None], archive: Path) -> None:
    """An archive of a layout, as if its folder had been packed."""
    archive.parent.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "packed"))
        kind, suffix = ("zip", ".zip") if archive.suffix == ".zip" else ("gztar", ".tar.gz")
        shutil.make_archive(str(archive).removesuffix(suffix), kind, folder, "packed")


def _parquet(root: Path) -> None:
    (root / "data").mkdir(parents=True)
    for split, number in (("train", 4), ("test", 2)):
        rows = [
            {"image": {"bytes": PNG + f"{split}{i}".encode(), "path": f"{i}.png"}, "label": i % 2} for i in range(number)
        ]
        write_parquet(pd.DataFrame(rows), root / "data" / f"{split}-00000-of-00001.parquet")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """A file as Hugging Face's library writes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    table = pa.Table.from_pandas(frame)
    notes = json.dumps({"info": {"features": features}}).encode()
    pq.write_table(table.replace_schema_metadata({b"huggingface": notes}), path)


def _npz(root: Path) -> None:
    root.mkdir(parents=True)
    images = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    arrays = {"x_train": images[:4], "y_train": np.array([0, 1, 0, 1]), "x_test": images[4:], "y_test": np.array([0, 1])}
    np.savez(root / "digits.npz", **arrays)


def _med_mnist(root: Path) -> None:
    root.mkdir(parents=True)
    images = np.arange(8 * 192, dtype=np.uint32).astype(np.uint8).reshape(8, 8, 8, 3)
    cuts = {"train": slice(0, 4), "val": slice(4, 6), "test": slice(6, 8)}
    arrays = {f"{name}_images": images[cut] for name, cut in cuts.items()}
    labels = np.array([[0], [1]] * 4)
    np.savez(root / "digits.npz", **arrays, **{f"{name}_labels": labels[cut] for name, cut in cuts.items()})


def _nested(root: Path) -> None:
    fill(root, "cat/siamese/1.jpg", "cat/persian/2.jpg", "dog/3.jpg", "dog/poodle/small/4.jpg")


def _class_of_two(root: Path) -> None:
    fill(root, *photos("", 6), "eel/1.jpg", "eel/2.jpg")


def _labels_in_names(root: Path) -> None:
    fill(root, *(f"train/{name}.{i}.jpg" for name in ("cat", "dog") for i in range(3)))


def _pictures_and_masks(root: Path) -> None:
    fill(root, *(f"{folder}/{i}.png" for folder in ("images", "masks") for i in range(3)))


def _masks_beside_pictures(root: Path) -> None:
    fill(
        root, *(f"{name}/{name} ({i}){end}.png" for name in ("benign", "normal") for i in range(2) for end in ("", "_mask"))
    )


def _one_class(root: Path) -> None:
    fill(root, "photos/1.jpg", "photos/2.jpg")


def _multilabel(root: Path) -> None:
    fill(root, *(f"images/{i}.jpg" for i in range(6)))
    write_rows(root / "labels.csv", ("image", "tags"), *((f"{i}.jpg", ("sea", "sun", "sea, sun")[i % 3]) for i in range(6)))


class Layout(NamedTuple):
    """A layout.

    Attributes:
        name: What people call it.
        write: Function that writes it below a folder.
        command: What is fitted; DATA is that folder.
        outcome: How it is read, as ``outcome_of`` describes it, or the code of an error and what it advises.
    """

    name: str
    write: Callable[[Path], None]
    command: str
    outcome: str


FIT = "headstart fit DATA"
LAYOUTS = [
    Layout("`cat/1.jpg`, `dog/2.jpg`", _class_folders, FIT, "cat 2, dog 2"),
    Layout("`train/cat/`, `val/cat/`, `test/cat/`", _split_folders, FIT, "cat 5, dog 5; train 6, validation 2, test 2"),
    Layout("`Training/cat/`, `Testing/cat/`", _other_split_names, FIT, "cat 4, dog 4; train 6, test 2"),
    Layout("`cat/`, `dog/` and `test/cat/`", _beside_classes, FIT, "cat 4, dog 4; train 6, test 2"),
    Layout("`cat/train/`, `cat/test/`", _splits_inside_classes, FIT, "cat 4, dog 4; train 6, test 2"),
    Layout("Kaggle: `train/1.jpg`, `test/7.jpg`, `train.csv`", _kaggle, FIT, "cat 3, dog 3; 2 skipped"),
    Layout("a CSV file with ids that lack the suffix", _ids_without_suffix, f"{FIT}/labels.csv", "cat 2, dog 2"),
    Layout("a CSV file with another machine's paths", _other_machine, FIT, "cat 2, dog 2"),
    Layout("a CSV file with paths in `train/` and `test/`", _split_by_path, FIT, "cat 3, dog 3; train 4, test 2"),
    Layout("a CSV file with several labels an image", _multilabel, FIT, "sea 4, sun 4"),
    Layout("Hugging Face: `train/metadata.csv`", _metadata_csv, FIT, "cat 3, dog 3; train 4, validation 2"),
    Layout("Hugging Face: `train/metadata.jsonl` with `labels`", _metadata_jsonl, FIT, "cat 4, dog 5; train 6, test 2"),
    Layout("Hugging Face: `data/train-00000-of-00001.parquet`", _parquet, FIT, "cat 3, dog 3; train 4, test 2"),
    Layout("Label Studio, JSON with choices", _label_studio, FIT, "cat 2, dog 2; 1 skipped"),
    Layout("Label Studio, CSV with choices", _label_studio_csv, f"{FIT}/project-1.csv", "cat 2, dog 2"),
    Layout("COCO, one class an image", _coco, FIT, "cat 3, dog 3; train 4, validation 2"),
    Layout("the same, by one document", _coco, f"{FIT}/annotations/instances_train2017.json", "cat 2, dog 2; train 4"),
    Layout(
        "COCO, several classes an image",
        _coco_of_several_classes,
        FIT,
        "H131: to learn which classes are in a picture: headstart fit",
    ),
    Layout("the same", _coco_of_several_classes, f"{FIT} --task multilabel", "cat 3, dog 4; train 4, validation 2"),
    Layout("YOLO for classification", _yolo_classification, FIT, "cat 4, dog 4; train 6, validation 2; 1 skipped"),
    Layout("YOLO with boxes, one class an image", _yolo, FIT, "cat 3, dog 3; train 4, validation 2"),
    Layout(
        "YOLO with boxes, several classes an image",
        _yolo_of_several_classes,
        FIT,
        "H131: to learn which classes are in a picture: headstart fit",
    ),
    Layout("Pascal VOC, one class an image", _pascal_voc, FIT, "cat 2, dog 2; train 3, validation 1"),
    Layout(
        "ImageNet: `train/n01440764/`, `val/`, `val.txt`",
        _image_net,
        FIT,
        "n01440764 5, n01443537 4; train 6, validation 3; 2 skipped",
    ),
    Layout(
        "Tiny ImageNet: `val/images/`, `val/val_annotations.txt`",
        _tiny_image_net,
        FIT,
        "n01440764 4, n01443537 4; train 6, validation 2; 2 skipped",
    ),
    Layout("a zip archive of class folders", _zip_file, f"{FIT}/photos.zip", "cat 2, dog 2; 1 skipped"),
    Layout("a tar archive of images and `train.csv`", _tar_file, f"{FIT}/photos.tar.gz", "cat 3, dog 3; 2 skipped"),
    Layout("a zip archive of YOLO boxes", _zip_of_annotations, f"{FIT}/export.zip", "cat 3, dog 3; train 4, validation 2"),
    Layout("a folder with nothing but `photos.zip`", _folder_of_zip, FIT, "cat 5, dog 5; train 6, validation 2, test 2"),
    Layout(
        "`x_train`, `y_train`, `x_test`, `y_test` in an `.npz` file", _npz, f"{FIT}/digits.npz", "0 3, 1 3; train 4, test 2"
    ),
    Layout(
        "MedMNIST: `train_images`, `train_labels` …",
        _med_mnist,
        f"{FIT}/digits.npz",
        "0 4, 1 4; train 4, validation 2, test 2",
    ),
    Layout("`cat/siamese/1.jpg`", _nested, FIT, "cat 2, dog 2"),
    Layout("a class of two images", _class_of_two, FIT, "cat 6, dog 6; 2 skipped"),
    Layout("one folder of images", _one_class, FIT, "H101: add a folder with images of another class"),
    Layout(
        "`train/cat.0.jpg`: the label in the name", _labels_in_names, FIT, "H101: list them with these labels: python -c"
    ),
    Layout(
        "`images/` beside `masks/`", _pictures_and_masks, FIT, "H133: fit a table that lists the pictures with their labels"
    ),
    Layout("`benign (1).png`, `benign (1)_mask.png`", _masks_beside_pictures, FIT, "benign 2, normal 2; 4 skipped"),
]


def outcome_of(command: str, folder: Path) -> str:
    """Samples of each class, samples of each split if the data have one, and how many are skipped; or code and advice."""
    from headstart.data.rare_classes import without_rare_classes

    words = command.replace("DATA", str(folder)).split()[2:]
    task = words[words.index("--task") + 1] if "--task" in words else None
    try:
        dataset = without_rare_classes(read(words[0], task=task), task)
    except DatasetError as error:
        return f"{error.code}: {error.advice}"
    classes: Counter[str] = sum((Counter(dataset.counts(split)) for split in ("", "train", "validation", "test")), Counter())
    splits = Counter(dataset.split)
    texts = [", ".join(f"{name} {classes[name]}" for name in dataset.classes)]
    if "" not in splits:
        texts.append(", ".join(f"{name} {splits[name]}" for name in ("train", "validation", "test") if splits[name]))
    return "; ".join([*texts, *([f"{len(dataset.skipped)} skipped"] if dataset.skipped else [])])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.write.__name__[1:]}{len(layout.command)}")
def test_layouts_are_the_same_data_by_every_door(layout: Layout, tmp_path: Path) -> None:
    """``hs.read_table`` gives what ``fit`` reads, or its error."""
    layout.write(tmp_path / "photos")
    words = layout.command.replace("DATA", str(tmp_path / "photos")).split()[2:]
    task = words[words.index("--task") + 1] if "--task" in words else None
    found: list[str] = []
    for door in (read, read_table):
        try:
            found.append(door(words[0], task=task).digest())
        except DatasetError as error:
            found.append(str(error))
    assert found[0] == found[1]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.write.__name__[1:]}{len(layout.command)}")
def test_layouts_of_images_are_read_or_named(layout: Layout, tmp_path: Path) -> None:
    """Each has its classes, counts and splits, or an error that says what to type."""
    layout.write(tmp_path / "photos")
    found = outcome_of(layout.command, tmp_path / "photos")
    assert layout.outcome in found if layout.outcome.startswith("H") else found == layout.outcome


def row_of(layout: Layout) -> str:
    """Row of the table in the guide."""
    code, _, advice = layout.outcome.partition(": ")
    outcome = f"error {code}: `{advice}`" if layout.outcome.startswith("H1") else layout.outcome
    return f"| {layout.name} | `{layout.command}` | {outcome} |"


def test_the_guide_shows_the_outcome_of_each_layout() -> None:
    """Its table has a row for each, in this order."""
    lines = GUIDE.read_text().splitlines()
    start = lines.index("| layout | command | outcome |") + 2
    assert lines[start : start + len(LAYOUTS)] == [row_of(layout) for layout in LAYOUTS]


def test_nothing_is_written_beside_the_data(tmp_path: Path) -> None:
    """No layout is changed by being read."""
    for number, layout in enumerate(LAYOUTS):
        folder = tmp_path / str(number)
        layout.write(folder)
        before = state_of(folder)
        outcome_of(layout.command, folder)
        assert state_of(folder) == before


def state_of(folder: Path) -> dict[str, Any]:
    """Size and time of every file and folder."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}
