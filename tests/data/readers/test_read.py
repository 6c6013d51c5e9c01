"""Folders, tables and arrays become samples with labels, and every file is used or listed."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.data import dataset as dataset_module
from headstart.data.dataset import Dataset
from headstart.data.readers.arrays import read_arrays
from headstart.data.readers.folders.folder import read_folder
from headstart.data.readers.read import read, read_table, unlabelled
from headstart.data.readers.tables.table import Known
from headstart.data.skipped import Skipped
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import array_digest, bytes_digest, file_digest
from headstart.foundation.text import natural_key
from headstart.models.model import Model

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="file names of any bytes, links and pipes")
not_as_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")

PLAIN_NAMES = [
    "cat",
    "dog",
    "train",
    "val",
    "test",
    "Test",
    "img2",
    "img10",
    ".hidden",
    "._x.jpg",
    "Thumbs.db",
    "a b",
    "x",
]
ODD_NAMES = ["new\nline", "<script>", "caf\udce9.jpg"] if sys.platform.startswith("linux") else []


def fill(root: Path, *names: str) -> Path:
    """Files below ``root``, no two with the same content; whether they are images is not a reader's question."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(str(path)))
    return root


def used(dataset: Dataset, root: Path) -> dict[str, tuple[str, str]]:
    """Class and split of each sample, by its path below ``root``."""
    return {
        os.path.relpath(path, root): (dataset.classes[label], split)
        for path, label, split in zip(dataset.paths, dataset.labels, dataset.split, strict=True)
    }


def left_out(dataset: Dataset, root: Path) -> dict[str, str]:
    """The reason of each skipped file, by its path below ``root``."""
    return {os.path.relpath(path, root): reason for path, reason in dataset.skipped}


# Folders


def test_a_folder_a_class(photos: Callable[..., Path]) -> None:
    """The plain layout: classes are the folders, no split is decided, digests are those of the files."""
    root = photos("flowers", classes=("rose", "tulip"), per_class=3)
    dataset = read_folder(root)
    assert (dataset.name, dataset.task, dataset.classes) == ("flowers", "binary", ("rose", "tulip"))
    assert used(dataset, root) == {f"{c}/00{i}.jpg": (c, "") for c in ("rose", "tulip") for i in range(3)}
    assert dataset.labels.dtype == np.int64
    assert dataset.digests == tuple(file_digest(path) for path in dataset.paths)
    assert dataset.skipped == ()


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN"])
@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_a_folder_a_split(tmp_path: Path, train: str, validation: str) -> None:
    """The split layout, under all the names that people give it, in any case."""
    fill(tmp_path, *(f"{split}/{c}/1.jpg" for split in (train, validation, "test") for c in ("cat", "dog")))
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("cat", "dog")
    names = ((train, "train"), (validation, "validation"), ("test", "test"))
    assert used(dataset, tmp_path) == {f"{given}/{c}/1.jpg": (c, split) for given, split in names for c in ("cat", "dog")}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    """Vehicles: a folder ``train`` that holds images and no folders is a class."""
    fill(tmp_path, "train/1.jpg", "plane/1.jpg", "boat/1.jpg")
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("boat", "plane", "train")
    assert set(dataset.split) == {""}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Test"),
        ("training", "testing"),
        ("seg_train", "seg_test"),
        ("train_images", "TestSet"),
        ("trn", "holdout"),
    ],
)
def test_splits_of_any_usual_name(tmp_path: Path, train: str, test: str) -> None:
    """None of them is a class; what is in no split is listed."""
    fill(tmp_path, *(f"{split}/{c}/1.jpg" for split in (train, test) for c in ("cat", "dog")), "seg_pred/1.jpg")
    dataset = read_folder(tmp_path)
    named = ((train, "train"), (test, "test"))
    assert used(dataset, tmp_path) == {f"{given}/{c}/1.jpg": (c, split) for given, split in named for c in ("cat", "dog")}
    assert left_out(dataset, tmp_path) == {"seg_pred/1.jpg": "not inside train, validation or test"}


def test_a_split_folder_inside_one_of_its_name_is_opened(tmp_path: Path) -> None:
    """As some archives have it."""
    fill(tmp_path, *(f"{split}/{split}/{c}/1.jpg" for split in ("seg_train", "seg_test") for c in ("cat", "dog")))
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert Counter(dataset.split) == {"train": 2, "test": 2}


@pytest.mark.parametrize(
    ("beside", "splits"),
    [("dog/a.txt", {"train": 4, "test": 4}), ("owl/val/4.jpg", {"train": 4, "test": 4, "validation": 1})]
    + [(name, {"": 9}) for name in ("dog/4.jpg", "dog/red/4.jpg", "owl/4.jpg", "dog/train.jpg")],
)
def test_splits_inside_class_folders(tmp_path: Path, beside: str, splits: dict[str, int]) -> None:
    """They are splits unless there are other folders or images: then ``train`` may be a kind of what the class is."""
    fill(tmp_path, *(f"{name}/{split}/{i}.jpg" for name in ("cat", "dog") for split in ("Train", "test") for i in range(2)))
    assert Counter(read_folder(tmp_path).split) == {"train": 4, "test": 4}
    fill(tmp_path, beside)
    dataset = read_folder(tmp_path)
    assert Counter(dataset.split) == splits
    assert len(dataset) + len(dataset.skipped) == 9


def test_one_folder_inside_class_folders_is_no_split(tmp_path: Path) -> None:
    """Named ``train`` in each class, it sets nothing apart."""
    fill(tmp_path, "car/train/1.jpg", "ship/train/2.jpg")
    assert set(read_folder(tmp_path).split) == {""}


@pytest.mark.parametrize(
    ("folders", "unknown", "advice"),
    [
        (("entrainement", "validation", "test"), "entrainement holds", "rename {0}/entrainement to train"),
        (("trian", "test"), "trian holds", "rename {0}/trian to train"),
        (("fold1", "fold2", "test"), "fold1, fold2 hold", "move their class folders into {0}/train"),
    ],
)
def test_a_training_split_of_another_name_is_named(
    tmp_path: Path, folders: Sequence[str], unknown: str, advice: str
) -> None:
    """H138, with the name that is expected."""
    fill(tmp_path, *(f"{folder}/{name}/{i}.jpg" for folder in folders for name in ("cat", "dog") for i in range(2)))
    with pytest.raises(DatasetError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "H138"
    assert f"{unknown} class folders like" in caught.value.received
    assert caught.value.advice == advice.format(tmp_path)


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("train/cat/1", "train/dog/1", "vaild/cat/1"), "not used: vaild (rename it to validation if it is a split)"),
        (("train/cat/1", "train/dog/1", "val/cat/1", "prueba/cat/1"), "prueba (rename it to test if it is a split)"),
        (("2023/dress/1", "2023/hat/1", "2024/dress/2", "2024/hat/3"), "folders dress, hat recur inside each class: if"),
        (("train/a/x/1", "train/a/y/1", "train/b/x/1", "train/b/y/1"), "folders x, y recur inside each class: if"),
        (("Dress/1", "dress/2", "hat/3"), "classes Dress, dress differ only in case"),
        (("train/dress/1", "train/hat/1", "test/Dress/2"), "classes Dress, dress differ only in case"),
    ],
)
def test_names_that_may_mean_something_else_are_in_the_first_line(tmp_path: Path, names: Sequence[str], note: str) -> None:
    """With what to do if they do."""
    fill(tmp_path, *names)
    assert note in read_folder(tmp_path).task_reason


def test_folders_with_names_of_their_own_get_no_note(tmp_path: Path) -> None:
    """Neither breeds inside classes, nor one folder that is in each, nor an empty folder beside the splits."""
    fill(tmp_path, "train/cat/images/1", "train/cat/siamese/2", "train/dog/images/1", "train/dog/beagle/2", "test/cat/3")
    (tmp_path / "empty").mkdir()
    assert ";" not in read_folder(tmp_path).task_reason
    fill(tmp_path / "splits", *(f"{name}/{split}/1" for name in ("cat", "dog") for split in ("train", "test")))
    assert ";" not in read_folder(tmp_path / "splits").task_reason


def test_a_split_beside_class_folders(tmp_path: Path) -> None:
    """With the class folders again it is that split, and the others are for training; with images only it is no class."""
    fill(tmp_path, *(f"{c}/{i}.jpg" for c in ("cat", "dog") for i in range(3)), "test/cat/9.jpg", "val/8.jpg")
    dataset = read_folder(tmp_path)
    assert used(dataset, tmp_path) == {f"{c}/{i}.jpg": (c, "train") for c in ("cat", "dog") for i in range(3)} | {
        "test/cat/9.jpg": ("cat", "test")
    }
    reason = "in a folder with the name of a split, without class folders"
    assert left_out(dataset, tmp_path) == {"val/8.jpg": reason}


def test_images_in_folders_of_splits_are_not_classes(tmp_path: Path) -> None:
    """H101 names the folders: what tells them apart is nothing to learn."""
    fill(tmp_path, "train/1.jpg", "test/2.jpg", "labels.csv")
    with pytest.raises(DatasetError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "H101"
    assert "test, train have the names of splits" in caught.value.received
    fill(tmp_path / "other", "test/2.jpg", "images/1.jpg")
    with pytest.raises(DatasetError) as caught:
        read_folder(tmp_path / "other")
    assert "test has the name of a split and holds no class folders" in caught.value.received


@pytest.mark.parametrize("names", [("valid", "invalid"), ("test", "control"), ("Valid", "Invalid")])
def test_a_class_may_be_called_like_a_split_in_a_pair_of_names(tmp_path: Path, names: tuple[str, str]) -> None:
    """In no other pair: pictures in test beside one class are without labels, and no class to learn."""
    fill(tmp_path, *(f"{name}/{i}.jpg" for name in names for i in range(3)))
    dataset = read_folder(tmp_path)
    assert {*dataset.classes} == {*names}
    assert ({*dataset.split}, len(dataset)) == ({""}, 6)
    assert f"{names[0]} is a class beside the other folder" in dataset.task_reason
    fill(tmp_path, "third/1.jpg")
    assert names[0] not in read_folder(tmp_path).classes


def test_a_folder_around_everything_is_opened(tmp_path: Path) -> None:
    """As unpacking an archive makes them; the data set keeps the name of the folder that was given."""
    root = fill(
        tmp_path / "flowers",
        *(f"archive/all/{c}/1.jpg" for c in ("rose", "tulip")),
        "archive/.DS_Store",
        "__MACOSX/archive/._x",
    )
    dataset = read_folder(root)
    assert (dataset.name, dataset.classes) == ("flowers", ("rose", "tulip"))
    assert left_out(dataset, root) == dict.fromkeys(("archive/.DS_Store", "__MACOSX/archive/._x"), "hidden or a system file")


def test_a_folder_of_other_files_is_not_a_class(tmp_path: Path) -> None:
    """Notes beside the class folders; names that say nothing may be images."""
    fill(tmp_path, "cat/1.jpg", "dog/1", "notes/a.txt", "notes/b.csv", "notes/.hidden.jpg", "code/x.py", "empty/.keep")
    fill(tmp_path, "code/LICENSE", "code/settings.yaml")
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("cat", "dog")
    skipped = left_out(dataset, tmp_path)
    assert {skipped[name] for name in ("notes/a.txt", "notes/b.csv", "code/x.py", "code/LICENSE", "code/settings.yaml")} == {
        "in a folder without images"
    }
    assert {skipped[name] for name in ("notes/.hidden.jpg", "empty/.keep")} == {"hidden or a system file"}


@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv", "train.csv", "Annotations.csv"])
@pytest.mark.parametrize("folders", [("train", "test"), ("images",), ("images", "masks"), ("1", "2")])
def test_a_folder_is_read_by_the_table_that_lists_its_images(tmp_path: Path, name: str, folders: Sequence[str]) -> None:
    """Whatever the folders are called: what the table says about the images counts, and the reason names it."""
    fill(tmp_path, *(f"{folder}/{folder}_{i}.jpg" for folder in folders for i in range(4)))
    (tmp_path / name).write_text("file,kind\n" + "".join(f"{folders[0]}_{i}.jpg,{'xy'[i % 2]}\n" for i in range(4)))
    (tmp_path / "sample_submission.csv").write_text("file,kind\na,x\n")
    dataset = read(tmp_path)
    assert used(dataset, tmp_path) == {f"{folders[0]}/{folders[0]}_{i}.jpg": ("xy"[i % 2], "") for i in range(4)}
    assert dataset.name == tmp_path.name
    assert dataset.task_reason.startswith(f"read by the table {name}; the target is kind")


@pytest.mark.parametrize(
    ("images", "table"),
    [
        ("Bilder", "Inventar.xlsx"),
        ("pics", "labels.txt"),
        ("scans", "ground_truth.csv"),
        ("train_images", "train_labels.csv"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"target": "kind"}])
def test_one_folder_of_images_is_read_by_the_only_table_that_lists_them(
    tmp_path: Path, images: str, table: str, options: dict[str, str]
) -> None:
    """Whatever both are called; the form of a competition's answers lists other images, and notes none."""
    fill(tmp_path, *(f"{images}/{i}.jpg" for i in range(7)), "test_images/9.jpg", "readme.txt")
    frame = pd.DataFrame({"file": [f"{i}.jpg" for i in range(6)], "kind": ["cat", "dog"] * 3})
    if table.endswith("xlsx"):
        pytest.importorskip("openpyxl")
        frame.to_excel(tmp_path / table, index=False)
    else:
        frame.to_csv(tmp_path / table, index=False)
    write_table(tmp_path / "sample_submission.csv", ["file,kind", "9.jpg,cat"])
    dataset = read(tmp_path, **options)
    assert (dataset.classes, len(dataset)) == (("cat", "dog"), 6)
    assert f"read by the table {table}" in dataset.task_reason
    reason = "not in the table or annotations that the folder was read by"
    assert left_out(dataset, tmp_path) == dict.fromkeys((f"{images}/6.jpg", "test_images/9.jpg"), reason)


def test_images_that_the_table_of_a_folder_does_not_list_are_skipped(tmp_path: Path) -> None:
    """Each once: those whose row has no label keep their reason; a link to the folder changes nothing."""
    fill(tmp_path / "data", *(f"img/{i}.jpg" for i in range(6)), "img/notes.txt", "img/.hidden.jpg", "other/7.png")
    rows = [f"img/{i}.jpg,{'cat' if i % 2 else 'dog'}" for i in range(4)]
    write_table(tmp_path / "data" / "labels.csv", ["file,kind", *rows, "img/4.jpg,"])
    reasons = left_out(read(tmp_path / "data"), tmp_path / "data")
    reason = "not in the table or annotations that the folder was read by"
    unlisted = {"img/5.jpg": reason, "other/7.png": reason, "img/.hidden.jpg": "hidden or a system file"}
    assert {name: reasons[name] for name in unlisted} == unlisted
    assert reasons.keys() == {*unlisted, "img/4.jpg"}
    (tmp_path / "link").symlink_to(tmp_path / "data", target_is_directory=True)
    assert left_out(read(tmp_path / "link"), tmp_path / "link") == reasons


def test_a_folder_with_a_table_of_features_is_read_by_it(tmp_path: Path) -> None:
    """Its only table, or the one of a usual name; the same with a column that was named."""
    rows = "".join(f"{i}.5,{'xy'[i % 2]}\n" for i in range(8))
    (tmp_path / "flowers.csv").write_text(f"size,kind\n{rows}")
    assert read(tmp_path).num_classes == 2
    (tmp_path / "train.csv").write_text(f"width,size,sort\n{rows.replace('5,', '5,1,')}")
    for target in (None, "sort"):
        dataset = read(tmp_path, target=target)
        assert dataset.table is not None
        assert dataset.table.names == ("width", "size")


def test_class_folders_count_where_the_table_lists_no_images(tmp_path: Path) -> None:
    """Notes about the classes, say."""
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "metadata.csv").write_text("class,latin\ncat,felis\ndog,canis\n")
    assert read(tmp_path).classes == ("cat", "dog")


def test_runs_beside_class_folders_are_not_a_class(tmp_path: Path) -> None:
    """``headstart fit .`` a second time finds its first run there."""
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg", "runs/photos-001/run.json", "runs/photos-001/plots/roc.svg", "best/run.json")
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert set(left_out(dataset, tmp_path).values()) == {"a run of Headstart"}
    assert len(dataset.skipped) == 3


def test_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    """However deep; a folder there that is called like a split or another class is neither."""
    fill(tmp_path, "cat/1.jpg", "cat/2020/may/2.jpg", "cat/dog/3.jpg", "cat/test/4.jpg", "dog/1.jpg")
    dataset = read_folder(tmp_path)
    assert dataset.counts("") == {"cat": 4, "dog": 1}


def test_the_extension_says_nothing(tmp_path: Path) -> None:
    """Upper case, wrong or none: what a file is is decided by its content, later."""
    fill(tmp_path, "cat/1.JPG", "cat/2", "cat/3.txt", "dog/1.png")
    assert len(read_folder(tmp_path)) == 4


def test_classes_and_files_sort_naturally(tmp_path: Path) -> None:
    """``img2`` comes before ``img10`` and case does not count, so label numbers follow what a person expects."""
    fill(tmp_path, *(f"{c}/{f}.jpg" for c in ("img10", "img2", "IMG1", "9", "10") for f in ("b10", "b9", "A1")))
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("9", "10", "IMG1", "img2", "img10")
    assert [Path(path).stem for path in dataset.paths[:3]] == ["A1", "b9", "b10"]


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_natural_order_is_an_order(names: list[str]) -> None:
    """Any names can be compared, digits of any script among them, and sorting twice changes nothing."""
    once = sorted(names, key=natural_key)
    assert sorted(once, key=natural_key) == once
    assert Counter(once) == Counter(names)


def test_hidden_and_system_files_are_listed(tmp_path: Path) -> None:
    """None is a class or a sample, each is listed with that reason, what lies in a hidden folder too."""
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg")
    hidden = (
        ".DS_Store",
        ".ipynb_checkpoints/cat/1-checkpoint.jpg",
        "cat/._1.jpg",
        "cat/Thumbs.db",
        "cat/.ipynb_checkpoints/1-checkpoint.jpg",
        "dog/desktop.ini",
    )
    fill(tmp_path, *hidden)
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert len(dataset) == 2
    assert left_out(dataset, tmp_path) == dict.fromkeys(hidden, "hidden or a system file")


def test_what_lies_outside_the_classes_is_listed(tmp_path: Path) -> None:
    """A file in the root of either layout, in a split, or in a folder beside the splits."""
    fill(tmp_path / "plain", "cat/1.jpg", "dog/1.jpg", "readme.txt", "3.jpg")
    dataset = read_folder(tmp_path / "plain")
    assert len(dataset) == 2
    assert left_out(dataset, tmp_path / "plain") == dict.fromkeys(("readme.txt", "3.jpg"), "not inside a class folder")

    fill(tmp_path / "split", "train/cat/1.jpg", "train/dog/1.jpg", "train/2.jpg", "labels.csv", "extra/a/.b", "extra/c")
    dataset = read_folder(tmp_path / "split")
    assert len(dataset) == 2
    assert sorted(left_out(dataset, tmp_path / "split")) == ["extra/a/.b", "extra/c", "labels.csv", "train/2.jpg"]


@needs_linux
def test_odd_names_of_classes_and_files(tmp_path: Path) -> None:
    """Newlines, markup and undecodable bytes: paths stay usable, class names can be printed."""
    fill(tmp_path, "new\nline/1\n.jpg", "<script>/caf\udce9.jpg", "caf\udce9/2.jpg")
    dataset = read_folder(tmp_path)
    assert dataset.classes == ("<script>", "caf\\udce9", "new\\nline")
    assert all(dataset.file(i).is_file() for i in range(len(dataset)))


@needs_linux
def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    """A linked folder is read like any other; a link back is listed and leads nowhere, nor into other classes."""
    fill(tmp_path, "root/cat/1.jpg", "root/dog/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "root/cat/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/cat/itself").symlink_to(tmp_path / "root/cat")
    (tmp_path / "root/dog/up").symlink_to("..")
    (tmp_path / "root/dog/ring").symlink_to("ring")
    (tmp_path / "root/dog/gone.jpg").symlink_to("nowhere")
    dataset = read_folder(tmp_path / "root")
    assert used(dataset, tmp_path / "root") == {
        "cat/1.jpg": ("cat", ""),
        "cat/linked/2.jpg": ("cat", ""),
        "dog/1.jpg": ("dog", ""),
    }
    back, other = "a link back to an enclosing folder", "not a regular file"
    assert left_out(dataset, tmp_path / "root") == {
        "cat/itself": back,
        "dog/up": back,
        "dog/ring": other,
        "dog/gone.jpg": other,
    }


@needs_linux
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe among the images is listed; opening it would block for ever."""
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    assert left_out(read_folder(tmp_path), tmp_path) == {"cat/pipe.jpg": "not a regular file"}


@not_as_root
@needs_linux
def test_what_may_not_be_read_is_listed(tmp_path: Path) -> None:
    """A folder and a file without permission do not stop the others."""
    fill(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/locked/2.jpg")
    (tmp_path / "cat/2.jpg").chmod(0)
    (tmp_path / "dog/locked").chmod(0)
    try:
        dataset = read_folder(tmp_path)
    finally:
        (tmp_path / "dog/locked").chmod(0o700)
    assert sorted(used(dataset, tmp_path)) == ["cat/1.jpg", "dog/1.jpg"]
    assert sorted(left_out(dataset, tmp_path)) == ["cat/2.jpg", "dog/locked"]


@pytest.mark.parametrize("locked", ["dog/locked", "locked"])
def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str) -> None:
    """The same for any user, with the refusal simulated: the folder is listed with the system's reason."""
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg", f"{locked}/2.jpg")
    for name in ("iterdir", "glob"):
        real = getattr(Path, name)

        def refuse(self: Path, *arguments: object, real: Callable[..., Any] = real) -> Any:
            if self == tmp_path / locked:
                raise PermissionError(13, "Permission denied", str(self))
            return real(self, *arguments)

        monkeypatch.setattr(Path, name, refuse)
    dataset = read_folder(tmp_path)
    assert sorted(used(dataset, tmp_path)) == ["cat/1.jpg", "dog/1.jpg"]
    assert "permission denied" in left_out(dataset, tmp_path)[locked].lower()


def test_a_file_that_cannot_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission denied, or a file that went away: listed with the system's reason."""
    fill(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    real = dataset_module.file_digests

    def digests(paths: Sequence[str]) -> list[str | OSError]:
        paths = list(paths)
        known = real(paths)
        return [PermissionError(13, "Permission denied") if "2.jpg" in p else d for p, d in zip(paths, known, strict=True)]

    monkeypatch.setattr(dataset_module, "file_digests", digests)
    dataset = read_folder(tmp_path)
    assert sorted(used(dataset, tmp_path)) == ["cat/1.jpg", "dog/1.jpg"]
    assert left_out(dataset, tmp_path) == {"cat/2.jpg": "cannot be read: Permission denied"}


@pytest.mark.parametrize(
    "names",
    [(), ("1.jpg",), ("cat/1.jpg",), ("cat/1.jpg", "dog/.hidden"), ("cat/1.jpg", "test/1.jpg"), ("cat/1.jpg", "val/1.jpg")],
    ids=["empty", "files alone", "one class", "one class and a hidden file", "one class and test", "one class and val"],
)
def test_fewer_than_two_classes_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    """H101 shows the one class that there is, and a folder that was not taken for one."""
    fill(tmp_path, *names)
    with pytest.raises(DatasetError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "H101"
    only = next((name.split("/")[0] for name in names if "/" in name), "")
    assert only in caught.value.received


@pytest.mark.parametrize(
    ("names", "received", "advice"),
    [
        ((".cat/1.jpg", ".dog/1.jpg"), "nothing but hidden files", "rename the folders"),
        (("cat/1.jpg", "dog/notes.txt"), "1 class, cat, of 1 file; dog holds no images", "another class: {0}/dog"),
        (("cat/a.txt", "dog/a.txt"), "cat, dog hold no images", "put images into {0}/cat"),
        (("train/cat/1.jpg",), "1 class, cat", "another class: {0}/train/OTHER"),
        (("a.txt", "b.pdf"), "2 files, none of them an image", "give the folder that holds the class folders"),
        (
            ("IMG_1.jpg", "IMG_2.jpg", "DSC_3.jpg", "DSC_4.jpg"),
            "none of them inside a class folder",
            "sort them into {0}/cat",
        ),
        (
            ("iris.csv", "wine.csv", "readme.txt"),
            "no images, and 2 tables",
            "fit one of the tables: headstart fit {0}/iris.csv",
        ),
        (("data/iris.csv",), "no images, and 1 table", "fit the table: headstart fit {0}/data/iris.csv"),
        (("pics/1.jpg", "stock.xlsx", "notes.txt"), "1 class, pics", "fit the table, if it lists the images with their"),
        (
            ("1.jpg", "2.jpg", "sub/a.csv", "b.csv"),
            "none of them inside",
            "fit a table that lists them: headstart fit {0}/b.csv",
        ),
        (
            ("train/1.jpg", "test/2.jpg", "stock.xlsx"),
            "have the names of splits",
            "the labels: headstart fit {0}/stock.xlsx",
        ),
        (("cat_1.jpg", "cat_2.jpg", "dog-3.jpg", "dog.4.jpg"), "whose names begin with cat, dog", "python -c"),
    ],
)
def test_fewer_than_two_classes_say_what_to_do(tmp_path: Path, names: tuple[str, ...], received: str, advice: str) -> None:
    """Each cause has its own advice, with the folder."""
    fill(tmp_path, *names)
    with pytest.raises(DatasetError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "H101"
    assert received in caught.value.received
    assert advice.format(tmp_path) in caught.value.advice


def test_a_wrapper_with_its_archive_beside_it_is_opened(tmp_path: Path) -> None:
    """As after unpacking in place; what is beside it is listed."""
    fill(tmp_path, "photos/cat/1.jpg", "photos/dog/1.jpg", "photos.zip", "readme.md", "runs/photos-001/run.json")
    dataset = read(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert left_out(dataset, tmp_path) == {
        **dict.fromkeys(("photos.zip", "readme.md"), "not inside a class folder"),
        "runs/photos-001/run.json": "a run of Headstart",
    }


@pytest.mark.parametrize(
    ("inside", "beside"),
    [
        ("images", ("meta/classes.txt", "meta/train.json", "license_agreement.txt")),
        ("data", ("code/x.py", "code/setup.yaml")),
    ],
)
def test_a_wrapper_with_folders_of_notes_beside_it_is_opened(tmp_path: Path, inside: str, beside: Sequence[str]) -> None:
    """As in Food-101 and in repositories; a folder beside it that may hold images is a class."""
    fill(tmp_path, f"{inside}/cat/1.jpg", f"{inside}/dog/1.jpg", *beside)
    dataset = read(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert left_out(dataset, tmp_path) == {
        name: "in a folder without images" if "/" in name else "not inside a class folder" for name in beside
    }
    fill(tmp_path, "bird/1.jpg")
    assert read(tmp_path).classes == ("bird", inside)


def test_a_wrapper_from_a_mac_is_one_class(tmp_path: Path) -> None:
    """``__MACOSX`` from an unpacked archive holds hidden files only, and is no second class."""
    fill(tmp_path, "photos/cat/1.jpg", "__MACOSX/photos/cat/._1.jpg")
    with pytest.raises(DatasetError, match="H101"):
        read_folder(tmp_path)


def test_a_path_where_nothing_is_is_reported_with_the_path_that_was_meant(tmp_path: Path) -> None:
    """H106 names the most similar path, also if a folder on the way is misspelled."""
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "labels.csv").touch()
    for wrong, meant in (("flower", "flowers"), ("flowers/label.csv", "flowers/labels.csv"), ("flwers/x.csv", "flowers")):
        with pytest.raises(DatasetError) as caught:
            read(tmp_path / wrong)
        assert (caught.value.code, caught.value.advice) == ("H106", f"did you mean {tmp_path / meant}?")
    with pytest.raises(DatasetError, match="H106"):
        read_folder(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("given", "received", "advice"),
    [
        ("/dev/null", "/dev/null (not a regular file)", "save the data in a file, and give its path"),
        ("https://x.org/a b.csv", "https://x.org/a b.csv (a web address, ", "first: curl -LO 'https://x.org/a b.csv'"),
        (
            "s3://bucket/x.csv",
            "s3://bucket/x.csv (a web address, ",
            "aws s3 cp s3://bucket/x.csv . (with --recursive for a folder)",
        ),
        ("hdfs://host/x", "hdfs://host/x (a web address, ", "download it first, and give the path of the file or folder"),
        ("file:///no/x.csv", "file://", "give the path alone: /no/x.csv"),
        ("*.csv", "*.csv (a pattern, which fits 2 files)", "give one of them, for example a.csv, or a folder"),
        ("*.tsv", "*.tsv (a pattern, which fits 0 files)", "give the path of a file or a folder"),
    ],
)
def test_a_path_that_is_no_path_of_data_is_called_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, received: str, advice: str
) -> None:
    """H106 for a device, a web address and a pattern says what to give instead."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.csv").touch()
    for path in (given, Path(given)):
        with pytest.raises(DatasetError, match="H106") as caught:
            read(path)
        assert caught.value.received.startswith(received)
        assert caught.value.advice.endswith(advice)


def test_a_damaged_archive_is_reported(tmp_path: Path) -> None:
    """H107 for an archive that cannot be opened; a file is no folder of images."""
    path = tmp_path / "flowers.zip"
    path.write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"H107.*\n.*flowers\.zip"):
        read(path)
    with pytest.raises(DatasetError, match="H106"):
        read_folder(path)


def test_known_classes_decide(tmp_path: Path) -> None:
    """With ``classes``, their order is kept, a missing one stays, and samples of another are listed."""
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg", "bird/1.jpg")
    dataset = read_folder(tmp_path, classes=["fish", "dog", "cat"])
    assert dataset.classes == ("fish", "dog", "cat")
    assert used(dataset, tmp_path) == {"cat/1.jpg": ("cat", ""), "dog/1.jpg": ("dog", "")}
    assert left_out(dataset, tmp_path) == {"bird/1.jpg": "its class bird is not one of the model's classes"}


def test_the_task_can_be_asked_for(tmp_path: Path) -> None:
    """``task`` overrules what the labels say where it fits, and is refused where it does not."""
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg")
    assert read(tmp_path, task="multiclass").task == "multiclass"
    with pytest.raises(DatasetError, match="H102"):
        read(tmp_path, task="regression")


entries = st.lists(
    st.tuples(st.lists(st.sampled_from(PLAIN_NAMES + ODD_NAMES), min_size=1, max_size=4), st.sampled_from(["file", "link"])),
    max_size=14,
)


@settings(deadline=None)
@given(entries=entries, layout=st.sampled_from(["", "train/"]))
def test_found_is_used_plus_skipped(entries: list[tuple[list[str], str]], layout: str) -> None:
    """The invariant, over any tree of plain, hidden and odd names: each file is a sample or listed, and only once."""
    with tempfile.TemporaryDirectory() as folder:
        root = fill(Path(folder), *(f"{layout}{c}/{i}.jpg" for c in ("apple", "pear") for i in range(2)))
        for parts, kind in entries:
            path = root.joinpath(*parts)
            if path.exists() or path.is_symlink() or any(p.is_file() or p.is_symlink() for p in path.parents):
                continue
            if kind == "link" and ODD_NAMES:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to("nowhere")
            else:
                fill(root, str(path.relative_to(root)))
        found = [str(Path(place) / name) for place, _, names in os.walk(root) for name in names]
        try:
            dataset = read_folder(root)
        except DatasetError as error:  # a folder "train" with folders in it turned the plain layout into the other
            assert error.code == "H101"  # noqa: PT017  the alternative is a result, checked below
            return
        assert Counter(dataset.paths) + Counter(s.path for s in dataset.skipped) == Counter(found)
        assert all(s.reason for s in dataset.skipped)
        assert len(dataset.digests) == len(dataset.split) == len(dataset.labels) == len(dataset)


# Tables


def write_table(path: Path, lines: Sequence[str], *, encoding: str = "utf-8") -> Path:
    """A text file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with four images in ``images`` beside where a table goes."""
    return fill(tmp_path, *(f"images/{i}.jpg" for i in range(4)))


ROWS = ("0.jpg,cat", "1.jpg,dog", "2.jpg,cat", "3.jpg,dog")
EXPECTED = {f"images/{i}.jpg": ("dog" if i % 2 else "cat", "") for i in range(4)}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_paths_and_labels(shop: Path, separator: str, encoding: str) -> None:
    """Separators are found, a byte order mark is no part of a name, images lie in a folder beside the table."""
    lines = [line.replace(",", separator) for line in ("image,label", *ROWS)]
    dataset = read_table(write_table(shop / "labels.csv", lines, encoding=encoding))
    assert (dataset.name, dataset.classes) == ("labels", ("cat", "dog"))
    assert used(dataset, shop) == EXPECTED
    assert dataset.skipped == ()


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".tsv", ".txt"])
def test_a_table_is_known_by_its_suffix(shop: Path, suffix: str) -> None:
    """``read`` takes every text table, in either case."""
    assert used(read(write_table(shop / f"labels{suffix}", ["image,label", *ROWS])), shop) == EXPECTED


def test_paths_may_lie_in_the_table_s_folder_or_anywhere(shop: Path) -> None:
    """Relative to the table's own folder, with a folder in the path, or absolute."""
    near = write_table(shop / "images" / "near.csv", ["image,label", *ROWS])
    below = write_table(shop / "below.csv", ["image,label", *(f"images/{row}" for row in ROWS)])
    absolute = write_table(shop / "else" / "absolute.csv", ["image,label", *(f"{shop}/images/{row}" for row in ROWS)])
    for table in (near, below, absolute):
        assert used(read_table(table), shop) == EXPECTED


def test_quoted_cells(tmp_path: Path) -> None:
    """Separators, quotes and newlines inside quotes belong to the cell."""
    fill(tmp_path, "a, b.jpg", "c.jpg", "d.jpg")
    lines = ["image,label", '"a, b.jpg","red, ""dark"""', '"c.jpg","two\nlines"', '"d.jpg"," cat "']
    dataset = read_table(write_table(tmp_path / "t.csv", lines))
    assert used(dataset, tmp_path) == {
        "a, b.jpg": ('red, "dark"', ""),
        "c.jpg": ("two\\nlines", ""),
        "d.jpg": ("cat", ""),
    }


def test_a_split_column_is_honoured(shop: Path) -> None:
    """Under all the names of a split, in any case; an unknown one is listed with its row."""
    rows = ("0.jpg,cat,train", "1.jpg,dog, VAL ", "2.jpg,cat,test", "3.jpg,dog,later")
    dataset = read_table(write_table(shop / "t.csv", ["image,label,Split", *rows]))
    assert dataset.split == ("train", "validation", "test")
    assert left_out(dataset, shop) == {"images/3.jpg": "row 4: unknown split 'later'"}


@pytest.mark.parametrize("target", ["kind", "2", "-1"])
def test_the_target_by_name_and_by_position(shop: Path, target: str) -> None:
    """Positions count from 0, or from the end with a minus."""
    rows = [f"{row.split(',')[0]},x{i},{row.split(',')[1]}" for i, row in enumerate(ROWS)]
    table = write_table(shop / "t.csv", ["file,colour,kind", *rows])
    assert used(read(table, target=target), shop) == EXPECTED


@pytest.mark.parametrize("name", ["label", "Labels", "CLASS", "target", "category", "y"])
def test_the_target_is_found_by_its_name(shop: Path, name: str) -> None:
    """Among several columns, the one that is called like a label."""
    rows = [f"{i},{row}" for i, row in enumerate(ROWS)]
    assert used(read_table(write_table(shop / "t.csv", [f"id,image,{name}", *rows])), shop) == EXPECTED


def test_the_only_other_column_is_the_target(shop: Path) -> None:
    """Whatever it is called, and wherever it stands; a split column is none."""
    rows = [f"{label},{path},train" for path, label in (row.split(",") for row in ROWS)]
    dataset = read_table(write_table(shop / "t.csv", ["what is it,where,split", *rows]))
    assert dataset.counts("train") == {"cat": 2, "dog": 2}


@pytest.mark.parametrize("image", [None, "thumb", "1"])
def test_the_image_column(shop: Path, image: str | None) -> None:
    """The first column of files is taken, unless another is named."""
    fill(shop, *(f"thumbs/t{i}.jpg" for i in range(4)))
    rows = [f"{row.split(',')[0]},t{i}.jpg,{row.split(',')[1]}" for i, row in enumerate(ROWS)]
    dataset = read_table(write_table(shop / "t.csv", ["image,thumb,label", *rows]), image=image)
    assert {Path(path).parent.name for path in dataset.paths} == {"thumbs" if image else "images"}


def test_rows_without_an_image_or_a_label_are_listed(shop: Path) -> None:
    """Each with its row and its reason; the others are used."""
    rows = ("0.jpg,cat", "1.jpg,dog", "2.jpg,", "3.jpg,  ", "9.jpg,cat", ",dog", f"{'long' * 99}.jpg,cat")
    dataset = read_table(write_table(shop / "t.csv", ["image,label", *rows]))
    assert sorted(used(dataset, shop)) == ["images/0.jpg", "images/1.jpg"]
    reasons = [s.reason for s in dataset.skipped]
    assert reasons[:2] == [f"row {number}: no value in the target column 'label'" for number in (3, 4)]
    assert reasons[2:] == [f"row {number}: no such file" for number in (5, 6, 7)]
    assert len(dataset) + len(dataset.skipped) == len(rows)


def test_a_table_without_a_header_loses_no_row(shop: Path) -> None:
    """The first row is a sample where it names a file, not the names of the columns."""
    assert used(read_table(write_table(shop / "t.csv", ROWS)), shop) == EXPECTED


@pytest.mark.parametrize(
    ("header", "options", "shown"),
    [
        ("image,colour,shape", {}, "shape, has a different text in each row"),
        ("image,colour,shape", {"target": "label"}, "image, colour, shape"),
        ("image,colour,shape", {"target": "3"}, "image, colour, shape"),
        ("image,colour,shape", {"image": "photo"}, "image, colour, shape"),
    ],
    ids=["several candidates", "no such name", "no such position", "no such image column"],
)
def test_a_column_that_cannot_be_told_is_asked_for(shop: Path, header: str, options: dict[str, str], shown: str) -> None:
    """H108 lists the columns that there are and the option to name one with."""
    table = write_table(shop / "t.csv", [header, "0.jpg,red,round", "1.jpg,blue,square"])
    with pytest.raises(DatasetError) as caught:
        read_table(table, **options)
    assert caught.value.code == "H108"
    assert shown in caught.value.received
    assert "--" in caught.value.advice


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["image,label"], "H101"),
        (["image,label", "0.jpg,cat"], "H101"),
        (["image", "0.jpg"], "H108"),
        (["image,split", "0.jpg,train"], "H108"),
    ],
    ids=["header alone", "one row", "paths alone", "paths and split"],
)
def test_a_table_without_anything_to_tell_apart_is_told(shop: Path, lines: list[str], code: str) -> None:
    """No two labels: H101. No column that could hold any: H108."""
    with pytest.raises(DatasetError) as caught:
        read_table(write_table(shop / "t.csv", lines))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b""),
        ("t.csv", b"\n\n"),
        ("t.csv", b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe"),
        ("t.parquet", b"image,label\n0.jpg,cat\n"),
        ("t.parquet", b""),
    ],
    ids=["empty", "blank", "an image", "CSV as Parquet", "empty Parquet"],
)
def test_what_is_no_table_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    """H107 with the file's name, never a traceback."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        read(tmp_path / name)
    assert caught.value.code == "H107"
    assert name in caught.value.received


def test_rows_that_are_cut_short_or_too_long_are_listed(shop: Path) -> None:
    """The others are used."""
    lines = ["image,label", ROWS[0], "1.jpg", *ROWS[1:], "1.jpg,dog,and,more"]
    dataset = read_table(write_table(shop / "t.csv", lines))
    assert used(dataset, shop) == EXPECTED
    assert [(row.path, row.reason) for row in dataset.skipped] == [
        ("row 2", "1 cell, but the table has 2 columns"),
        ("row 6", "4 cells, but the table has 2 columns"),
    ]


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    """H106 from every door."""
    for door in (read, read_table, read_folder):
        with pytest.raises(DatasetError, match="H106"):
            door(tmp_path / "t.csv")


@pytest.mark.parametrize("kind", ["text", "integers", "nullable integers", "fractions"])
def test_a_parquet_table(shop: Path, kind: str) -> None:
    """Labels of every column type; a missing one is listed, whatever stands for it."""
    import pandas as pd

    fill(shop, *(f"images/{i}.jpg" for i in range(4, 7)))
    numbers = [1, 2, 1, 2, 1, 2, None]
    labels = {
        "text": pd.Series(["1", "2", "1", "2", "1", "2", None]),
        "integers": pd.Series([*numbers[:-1], 1]),
        "nullable integers": pd.Series(numbers, dtype="Int64"),
        "fractions": pd.Series(numbers, dtype=float),
    }[kind]
    frame = pd.DataFrame({"image": [f"{i}.jpg" for i in range(7)], "label": labels})
    frame.to_parquet(shop / "t.parquet")
    dataset = read(shop / "t.parquet")
    assert dataset.classes == ("1", "2")
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1, 0][: len(dataset)]
    expected = {} if kind == "integers" else {"images/6.jpg": "row 7: no value in the target column 'label'"}
    assert left_out(dataset, shop) == expected


def test_known_classes_decide_in_a_table_too(shop: Path) -> None:
    """Samples of a class that the model does not know are listed."""
    table = write_table(shop / "t.csv", ["image,label", *ROWS[:3], "3.jpg,bird"])
    dataset = read(table, known=Known(("dog", "cat"), "binary"))
    assert (dataset.classes, dataset.task) == (("dog", "cat"), "binary")
    assert dataset.labels.tolist() == [1, 0, 1]
    assert dataset.skipped == (
        Skipped(str(shop / "images/3.jpg"), "row 4: its class bird is not one of the model's classes"),
    )


cells = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\n\r"), max_size=8)  # text, no binary
NO_WORDS = ("na", "nan", "null", "none", "inf", "infinity")


@settings(deadline=None, max_examples=60)
@given(labels=st.lists(cells, min_size=2, max_size=6), extra=cells)
def test_any_cells_give_a_result_or_three_lines(labels: list[str], extra: str) -> None:
    """Whatever a CSV's cells hold, each row is used or listed, or a DatasetError tells why not."""
    import csv

    with tempfile.TemporaryDirectory() as folder:
        root = fill(Path(folder), *(f"{i}.jpg" for i in range(len(labels))))
        with (root / "t.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(["image", "label", "note"])
            writer.writerows([f"{i}.jpg", label, extra] for i, label in enumerate(labels))
        try:
            dataset = read_table(root / "t.csv")
        except DatasetError as error:
            words = {word for label in labels if (word := label.strip()).isalpha() and word.lower() not in NO_WORDS}
            assert (error.code, len(words) < 2) == ("H101", True), error  # noqa: PT017  see below
            return
        assert len(dataset) + len(dataset.skipped) == len(labels)


# Arrays

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([7, 3, 7, 3], ("3", "7")),
        (np.array([[7], [3], [7], [3]]), ("3", "7")),
        (["dog", "cat", "dog", "cat"], ("cat", "dog")),
        (np.eye(2)[[1, 0, 1, 0]], ("0", "1")),
    ],
    ids=["integers", "a column", "strings", "one-hot"],
)
@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0], IMAGES[..., :1] / 255], ids=["colour", "grey", "floats"])
def test_arrays(images: np.ndarray[Any, Any], labels: Any, classes: tuple[str, ...]) -> None:
    """Labels of every kind over images of every shape; a sample is known by its content."""
    dataset = read_arrays(images, labels)
    assert (dataset.classes, dataset.task) == (classes, "binary")
    assert dataset.labels.tolist() == [1, 0, 1, 0]
    assert dataset.paths == ("[0]", "[1]", "[2]", "[3]")
    levels = images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)
    assert dataset.digests == tuple(array_digest(image) for image in levels)
    assert dataset.split == ("",) * 4
    assert dataset.arrays is not None
    np.testing.assert_array_equal(dataset.arrays, levels)


def test_the_range_of_floats_is_decided_once() -> None:
    """A value just above 1, as resizing leaves behind, turns no picture black; values between the ranges are refused."""
    images = np.full((4, 5, 6), 0.5)
    images[2, 0, 0] = 1.003
    assert set(np.unique(read_arrays(images, [0, 1, 0, 1]).arrays)) == {128, 255}
    for wrong in (-3.0, 400.0, np.nan):
        images[2, 0, 0] = wrong * 10
        with pytest.raises(DatasetError) as caught:
            read_arrays(images, [0, 1, 0, 1])
        assert caught.value.code == "H111"


def test_arrays_may_bring_names_and_a_split() -> None:
    """``classes`` names label numbers in their order; ``split`` is kept."""
    split = ("train", "train", "validation", "")
    dataset = read_arrays(IMAGES, [1, 0, 1, 0], classes=["no", "yes"], split=split)
    assert dataset.classes == ("no", "yes")
    assert [dataset.classes[i] for i in dataset.labels] == ["yes", "no", "yes", "no"]
    assert dataset.split == split


def test_names_of_text_labels_keep_their_meaning() -> None:
    """``classes`` in another order than the alphabet's reorders the numbers and renames nothing."""
    dataset = read_arrays(IMAGES, ["dog", "cat", "dog", "cat"], classes=["dog", "cat"])
    assert [dataset.classes[i] for i in dataset.labels] == ["dog", "cat", "dog", "cat"]


BITS = [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]]
PRICES = [0.5, 20.25, -7.0, 3.5]


@pytest.mark.parametrize(
    ("labels", "options", "task", "classes", "reason"),
    [
        (BITS, {}, "multilabel", ("0", "1", "2"), "3 columns of 0 and 1 → multilabel"),
        (np.array(BITS, bool), {"classes": ["a", "b", "c"]}, "multilabel", ("a", "b", "c"), "3 columns of 0 and 1"),
        (np.eye(4), {"task": "multilabel"}, "multilabel", ("0", "1", "2", "3"), "multilabel, as requested"),
        (np.eye(4), {}, "multiclass", ("0", "1", "2", "3"), "4 classes → multiclass"),
        (PRICES, {}, "regression", ("target",), "numeric column with 4 values → regression"),
        (np.array(PRICES, np.float32)[:, None], {"classes": ["price"]}, "regression", ("price",), "numeric column"),
        (np.array([PRICES, PRICES[::-1]]).T, {}, "regression", ("0", "1"), "2 numeric columns → regression"),
        ([3, 5, 3, 4], {"task": "regression"}, "regression", ("target",), "regression, as requested"),
        ([3.0, 5.0, 3.0, 4.0], {}, "multiclass", ("3", "4", "5"), "3 classes → multiclass"),
    ],
)
def test_arrays_of_any_task(labels: Any, options: dict[str, Any], task: str, classes: tuple[str, ...], reason: str) -> None:
    """What the numbers are decides, and the reason is told; labels have the shape and the type of their task."""
    dataset = read_arrays(IMAGES, labels, **options)
    assert (dataset.task, dataset.classes) == (task, classes)
    assert reason in dataset.task_reason
    numbers = np.asarray(labels, float).reshape(4, -1)
    if task == "multiclass":
        assert [dataset.classes[i] for i in dataset.labels] == (
            ["0", "1", "2", "3"] if len(classes) == 4 else ["3", "5", "3", "4"]
        )
    else:
        np.testing.assert_array_equal(dataset.labels, numbers)
        assert dataset.labels.dtype == (np.int64 if task == "multilabel" else np.float64)


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ([1.5, np.nan, 2.5, np.inf], [0, 2]),
        ([1.5, None, 2.5, 3.5], [0, 2, 3]),
        ([[1, 0], [np.nan, 1], [0, 0], [1, 1]], [0, 2, 3]),
        ([[1, 0], [0, 1], [1, np.nan], [0, 1]], [0, 1, 3]),
        (["cat", None, "dog", "cat"], [0, 2, 3]),
        ([1, None, 0, pd.NA], [0, 2]),
    ],
    ids=["values", "objects", "labels", "one-hot", "words", "numbers"],
)
def test_arrays_with_gaps_in_their_labels(labels: Any, kept: list[int]) -> None:
    """A sample without a label is listed; the others keep their places and their pictures."""
    dataset = read_arrays(IMAGES, labels, split=["train", "train", "validation", "test"])
    assert dataset.paths == tuple(f"[{i}]" for i in kept)
    assert [row.path for row in dataset.skipped] == [f"[{i}]" for i in range(4) if i not in kept]
    assert all(row.reason for row in dataset.skipped)
    assert dataset.digests == tuple(array_digest(IMAGES[i]) for i in kept)
    assert dataset.split == tuple(("train", "train", "validation", "test")[i] for i in kept)
    np.testing.assert_array_equal(dataset.arrays, IMAGES[kept])


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_a_model_learns_from_arrays_of_labels_and_of_values(task: str) -> None:
    """Which colours are bright, and how bright they are: both are told better than by a constant answer."""
    random = np.random.default_rng(0)
    bright = random.uniform(0.2, 1, (60, 2))
    images = (random.integers(0, 256, (60, 24, 24, 3)) * np.insert(bright, 2, 0.5, axis=1)[:, None, None]).astype(np.uint8)
    dataset = read_arrays(images, (bright > 0.6).astype(int) if task == "multilabel" else bright, classes=["red", "green"])
    model = Model(head="linear")
    model.fit(dataset)
    found = model.evaluate()
    assert (found.task, found.classes) == (task, ("red", "green"))
    value, baseline = found.headline.value, found.headline.baseline
    assert value is not None
    assert baseline is not None
    assert value > baseline if task == "multilabel" else value < baseline


@pytest.mark.parametrize(
    ("images", "labels", "options", "code"),
    [
        (IMAGES, [0, 1, 0], {}, "H109"),
        (IMAGES[0, :, 0], [0, 1, 0, 1, 0], {}, "H109"),
        (IMAGES[None], [0], {}, "H109"),
        (IMAGES, [0, 1, 0, 1], {"classes": ["a", "b", "c"]}, "H109"),
        (IMAGES, [0, 1, 0, 1], {"split": ["train"] * 3}, "H109"),
        (IMAGES, [0, 1, 0, 1], {"split": ["training"] * 4}, "H109"),
        (IMAGES, [0, 1, 0, 1], {"classes": ["a", "a"]}, "H109"),
        (IMAGES, np.eye(4), {"classes": ["a", "b"], "task": "multilabel"}, "H109"),
        (IMAGES, [0.5, 1.5, 0.5, 1.5], {"task": "binary"}, "H103"),
        (IMAGES, [[1, 1], [0, 0], [1, 0], [0, 1]], {"task": "multiclass"}, "H103"),
        (IMAGES, ["a", "b", "a", "b"], {"task": "regression"}, "H102"),
        (IMAGES, [0.5, 0.5, 0.5, np.nan], {}, "H101"),
        (IMAGES, [1, 1, 1, 1], {}, "H101"),
    ],
    ids=[
        "one label short",
        "flat",
        "five axes",
        "three names",
        "split short",
        "unknown split",
        "a name twice",
        "names for columns",
        "fractions",
        "two at once",
        "no numbers",
        "one value",
        "one class",
    ],
)
def test_arrays_that_do_not_fit_are_refused(images: Any, labels: Any, options: dict[str, Any], code: str) -> None:
    """Nothing is cut to length, repeated or guessed."""
    with pytest.raises(DatasetError) as caught:
        read_arrays(images, labels, **options)
    assert caught.value.code == code


def test_samples_to_predict(tmp_path: Path) -> None:
    """Files keep their order, an unreadable one its place; arrays are told apart by content."""
    like = read_arrays(IMAGES, [0, 1, 0, 1], classes=["no", "yes"])
    fill(tmp_path, "a.jpg")
    files = unlabelled([str(tmp_path / "missing.jpg"), str(tmp_path / "a.jpg")], like)
    assert files.digests == (bytes_digest(os.fsencode(tmp_path / "missing.jpg")), file_digest(tmp_path / "a.jpg"))
    assert files.classes == ("no", "yes")
    assert files.arrays is None
    arrays = unlabelled(IMAGES, like)
    assert arrays.digests == like.digests
    assert arrays.paths == like.paths
