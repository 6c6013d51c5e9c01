"""Classes of which there are too few samples to split are left out, and their samples listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.data.dataset import Dataset
from headstart.data.rare_classes import without_rare_classes
from headstart.data.splits import make_split
from headstart.data.tables.table import Table
from headstart.foundation.errors import DatasetError

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def make(labels: Sequence[int], split: Sequence[str] = (), digests: Sequence[str] = ()) -> Dataset:
    """Samples of four classes that nobody reads."""
    names = tuple(f"{i}.jpg" for i in range(len(labels)))
    return Dataset(
        name="made",
        task="multiclass",
        task_reason="4 classes → multiclass",
        classes=("ash", "elm", "oak", "yew"),
        paths=names,
        labels=np.array(labels, np.int64),
        digests=tuple(digests) or names,
        split=tuple(split) or ("",) * len(labels),
    )


def test_rare_classes_are_left_out_and_listed() -> None:
    """One sample and two are too few for three splits; the others keep their labels, and can be split."""
    dataset = without_rare_classes(make([0, 1, 2, 3, 0, 2, 3, 0, 2, 2, 0, 2]))
    assert dataset.classes == ("ash", "oak")
    assert dataset.label_texts() == ["ash", "oak", "ash", "oak", "ash", "oak", "oak", "ash", "oak"]
    assert [(row.path, row.reason) for row in dataset.skipped] == [
        ("1.jpg", "its class elm has 1 sample, and a split needs 3 different ones"),
        ("3.jpg", "its class yew has 2 samples, and a split needs 3 different ones"),
        ("6.jpg", "its class yew has 2 samples, and a split needs 3 different ones"),
    ]
    assert dataset.task == "binary"
    assert dataset.task_reason == "4 classes → multiclass; left out, with too few samples: elm, yew; 2 classes → binary"
    assert all(make_split(dataset).counts("validation").values())


def test_the_task_that_was_asked_for_stays() -> None:
    """Two classes that are left may be learned as several."""
    assert without_rare_classes(make([0, 1, 2, 3] + [0, 2] * 4), "multiclass").task == "multiclass"


def test_copies_are_one_sample_and_equal_rows_are_not() -> None:
    """Three copies of a picture cannot be on both sides; three equal rows of a table may be of three people."""
    labels = [0, 1, 2, 3] * 5
    copies = make(labels, digests=["x" if label == 3 else str(i) for i, label in enumerate(labels)])
    assert without_rare_classes(copies).classes == ("ash", "elm", "oak")
    rows = replace(copies, table=Table(("a",), (np.zeros(20),)))
    assert without_rare_classes(rows) is rows


@pytest.mark.parametrize(("given", "classes"), [(("train", "test"), ("ash", "elm", "oak")), (("train", "validation"), None)])
def test_the_user_s_own_splits(given: tuple[str, str], classes: tuple[str, ...] | None) -> None:
    """Beside a test split, two samples for training suffice; a validation split is the user's to judge."""
    labels = [0, 1, 2, 3] * 4
    split = [given[i // 4 == 3 or (label == 3 and i > 4)] for i, label in enumerate(labels)]
    dataset = make(labels, split)
    found = without_rare_classes(dataset)
    assert found.classes == (classes or dataset.classes)


def test_two_classes_are_never_left_alone() -> None:
    """With one class there is nothing to learn: the split refuses, and names the class."""
    dataset = replace(make([0] * 9 + [1]), classes=("ash", "elm"))
    assert without_rare_classes(dataset) is dataset
    with pytest.raises(DatasetError, match="H104"):
        make_split(dataset)


def test_a_fit_goes_on_without_a_class_of_one(photos: Callable[..., Path], tmp_path: Path, no_converter: None) -> None:
    """The run has the other classes, and tells what it left out."""
    folder = photos(per_class=12)
    (folder / "star").mkdir()
    (folder / "circle" / "000.jpg").rename(folder / "star" / "000.jpg")
    run = hs.fit(folder, trial="avg-linear", out=tmp_path / "run")
    assert run.to_json()["classes"] == ["circle", "square", "triangle"]
    assert "its class star has 1 sample" in (run.path / "skipped.csv").read_text("utf-8")
    assert "its class star has 1 sample" in (run.path / "findings.json").read_text("utf-8")
    model = hs.Model("efficientnet_lite0", "linear")
    model.fit(hs.read_folder(folder))
    assert model.evaluate().classes == ("circle", "square", "triangle")
