"""A data set is described in one line, and as a table of its classes and splits, however many samples there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped

PETS = Dataset(
    name="<pets>",
    task="multiclass",
    task_reason="3 classes",
    classes=("cat", "dog", "<b>"),
    paths=tuple(map(str, range(1000))),
    labels=np.arange(1000) % 3,
    digests=("",) * 1000,
    split=("test",) * 100 + ("train",) * 900,
)


def test_dataset_is_described_in_one_line() -> None:
    """Its name, its splits in their order, its task and a few classes."""
    assert repr(PETS) == "Dataset('<pets>', 900 train, 100 test images, multiclass: cat, dog, <b>)"
    assert repr(replace(PETS, split=("",) * 1000)) == "Dataset('<pets>', 1000 images, multiclass: cat, dog, <b>)"
    many = replace(PETS, classes=tuple(map(str, range(40))))
    assert repr(many).endswith("multiclass: 0, 1, 2, 3, 4 and 35 more)")
    assert "10 more classes" in many._repr_html_()


def test_dataset_is_a_table_of_classes_and_splits_in_a_notebook() -> None:
    """Texts are escaped; what was found and not used is counted."""
    html = replace(PETS, skipped=(Skipped("x", "broken"),))._repr_html_()
    assert ">&lt;b&gt;</td><td>300</td><td>33</td>" in html
    assert "1 found and not used" in html
    assert "<b>" not in html


def test_labels_are_counted_and_values_are_not() -> None:
    """With several labels a sample, each is counted; a regression has no table."""
    labels = np.zeros((1000, 3), np.int64)
    labels[:200, :2] = 1
    assert ">dog</td><td>100</td><td>100</td>" in replace(PETS, task="multilabel", labels=labels)._repr_html_()
    values = replace(PETS, task="regression", labels=np.zeros((1000, 3)))
    assert "<table" not in values._repr_html_()
