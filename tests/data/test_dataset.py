"""A Dataset keeps everything that belongs to a sample together and is never modified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table
from headstart.data.target_scaling import Scaling
from headstart.data.tasks import TASKS
from headstart.foundation.errors import DatasetError


def make() -> Dataset:
    """Five samples of two classes, each with all that a sample can have."""
    return Dataset(
        name="pets",
        task="binary",
        task_reason="2 classes",
        classes=("cat", "dog"),
        paths=("a", "b", "c", "d", "e"),
        labels=np.array([0, 1, 0, 1, 0]),
        digests=("A", "B", "C", "D", "E"),
        split=("train", "train", "validation", "test", ""),
        skipped=(Skipped("x", "no image"),),
        arrays=np.arange(5 * 4).reshape(5, 2, 2, 1),
        duplicate_groups=(0, 1, 2, 3, 4),
    )


def make_labels() -> Dataset:
    """The same samples, each with none, one or both of two labels."""
    labels = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [1, 1]])
    return replace(make(), task="multilabel", classes=("wet", "cold"), labels=labels)


def make_values() -> Dataset:
    """The same samples as rows of a table, each with two values to predict."""
    cells = Table(("size", "kind"), (np.arange(5.0), np.array(list("xyxyz"), object)), np.array([2, 4, 5, 7, 9]))
    values = np.array([[1.0, -1.5], [2.0, 0.25], [4.0, 1e9], [8.0, 0.0], [16.0, 3.0]])
    scaling = Scaling((True, False), (1.0, 2.0), (0.5, 4.0))
    return replace(
        make(), task="regression", classes=("price", "heat"), labels=values, arrays=None, table=cells, scaling=scaling
    )


@given(st.lists(st.integers(0, 4), max_size=8))
def test_taken_samples_keep_all_that_is_theirs(indices: list[int]) -> None:
    """Path, label, digest, split, array and group move together, in the order asked for."""
    whole = make()
    taken = whole.take(indices)
    assert len(taken) == len(indices)
    for position, i in enumerate(indices):
        assert taken.paths[position] == whole.paths[i]
        assert taken.digests[position] == whole.digests[i]
        assert taken.split[position] == whole.split[i]
        assert taken.duplicate_groups[position] == whole.duplicate_groups[i]
        assert taken.labels[position] == whole.labels[i]
        assert taken.arrays is not None
        assert whole.arrays is not None
        np.testing.assert_array_equal(taken.arrays[position], whole.arrays[i])
    assert (taken.classes, taken.skipped) == (whole.classes, whole.skipped)


def test_indices_and_counts_follow_the_split() -> None:
    """Positions are ascending, over one split or several; counts name every class, empty ones too."""
    dataset = make()
    assert dataset.indices("train").tolist() == [0, 1]
    assert dataset.indices("test", "validation").tolist() == [2, 3]
    assert dataset.indices("").tolist() == [4]
    assert dataset.counts("train") == {"cat": 1, "dog": 1}
    assert dataset.counts("test") == {"cat": 0, "dog": 1}


def test_labels_are_counted_each_and_values_are_not() -> None:
    """A sample with two labels counts for both; a regression has nothing to count."""
    assert make_labels().counts("train") == {"wet": 1, "cold": 0}
    assert make_labels().counts("validation") == {"wet": 1, "cold": 1}
    assert make_values().counts("train") == {}


@pytest.mark.parametrize(
    ("dataset", "texts"),
    [
        (make(), ["cat", "dog", "cat", "dog", "cat"]),
        (make_labels(), ["", "wet", "wet;cold", "cold", "wet;cold"]),
        (make_values(), ["1;-1.5", "2;0.25", "4;1000000000", "8;0", "16;3"]),
    ],
    ids=["classes", "labels", "values"],
)
def test_every_label_has_words(dataset: Dataset, texts: list[str]) -> None:
    """The class, the labels, or the values; and the digest of the data changes with them."""
    assert dataset.label_texts() == texts
    other = dataset.take([1, 0, 2, 3, 4]).labels
    assert replace(dataset, labels=other).digest() != dataset.digest()


def test_targets_are_what_networks_learn_and_answers_come_back() -> None:
    """A regression is scaled both ways; the labels of all other tasks are their own targets."""
    values = make_values()
    np.testing.assert_allclose(values.targets[0], [(np.log1p(1.0) - 1) / 0.5, (-1.5 - 2) / 4])
    np.testing.assert_allclose(values.in_units(values.targets), values.labels, rtol=1e-12)
    for dataset in (make(), make_labels()):
        assert dataset.targets is dataset.labels
        assert dataset.in_units(dataset.labels) is dataset.labels
        assert dataset.scored_task is TASKS[dataset.task]


def test_the_score_is_of_the_scale_and_the_metric_of_the_units() -> None:
    """``val_loss`` is what training lowers; R² is what the user would compute."""
    dataset = make_values()
    answers = dataset.targets + np.array([0.1, -0.2])
    task = dataset.scored_task
    assert task.score(dataset.targets, answers) == pytest.approx((0.01 + 0.04) / 2)
    expected = TASKS["regression"].measure(dataset.labels, dataset.in_units(answers))
    assert task.measure(dataset.targets, answers) == pytest.approx(expected)


@given(st.lists(st.integers(0, 4), max_size=8))
def test_rows_of_a_table_keep_their_cells_and_numbers(indices: list[int]) -> None:
    """A taken row is the row of the file that it was, and joining gives both in order."""
    whole = make_values()
    joined = whole.take(indices).plus(whole)
    assert joined.table is not None
    assert joined.table.row_numbers().tolist() == [[2, 4, 5, 7, 9][i] for i in [*indices, *range(5)]]
    assert joined.table.column("kind").tolist() == ["xyxyz"[i] for i in [*indices, *range(5)]]
    np.testing.assert_array_equal(joined.labels, whole.labels[[*indices, *range(5)]])
    assert (whole.key, whole.sample_noun, make().key, make().sample_noun) == ("row", "row", "path", "image")


def test_classes_are_numbered_as_a_model_has_them() -> None:
    """Samples of others are listed; found is used plus listed."""
    found = make().relabelled(("dog", "cow"), "binary")
    assert (found.labels.tolist(), found.paths) == ([0, 0], ("b", "d"))
    assert [row.path for row in found.skipped] == ["x", "a", "c", "e"]
    assert "cat is not one of the model's classes" in found.skipped[1].reason


@pytest.mark.parametrize("make_some", [make_labels, make_values])
def test_labels_and_targets_are_put_in_the_order_of_a_model(make_some: Any) -> None:
    """Columns move with their names, others are left out, and one that is not there is H110."""
    dataset = make_some()
    first, second = dataset.classes
    turned = dataset.relabelled((second, first), dataset.task)
    assert turned.classes == (second, first)
    np.testing.assert_array_equal(turned.labels, dataset.labels[:, ::-1])
    np.testing.assert_array_equal(dataset.relabelled((second,), dataset.task).labels, dataset.labels[:, 1:])
    with pytest.raises(DatasetError) as caught:
        dataset.relabelled((first, "colour"), dataset.task)
    assert caught.value.code == "H110"
    assert "colour" in caught.value.received
    for task in {"multiclass", "multilabel", "regression"} - {dataset.task}:
        with pytest.raises(DatasetError, match="H110"):
            dataset.relabelled((first, second), task)


def test_a_list_names_no_label_that_does_not_apply() -> None:
    """So a label of a model that no list names is 0 there; of columns, one that is not there is told."""
    lists = replace(make_labels(), target_columns=("labels",))
    found = lists.relabelled(("wet", "rare"), "multilabel")
    np.testing.assert_array_equal(found.labels[:, 0], lists.labels[:, 0])
    assert found.labels[:, 1].tolist() == [0] * len(found)


def test_joined_samples_keep_what_belongs_together() -> None:
    """Those of which nothing was said belong to no other."""
    dataset = make()
    named = replace(dataset, groups=("p",) * len(dataset))
    assert dataset.plus(named).groups == ("",) * len(dataset) + ("p",) * len(dataset)
    assert dataset.plus(dataset).groups == ()
    assert named.digest() != dataset.digest()


def test_samples_that_leave_are_listed() -> None:
    """Found is used plus skipped, still, after a file turned out to be unreadable."""
    before = make()
    after = before.without([Skipped("b", "damaged")], [1])
    assert after.paths == ("a", "c", "d", "e")
    assert after.skipped == (Skipped("x", "no image"), Skipped("b", "damaged"))
    assert len(after) + len(after.skipped) == len(before) + len(before.skipped)
    assert before.paths == ("a", "b", "c", "d", "e")


def test_two_parts_make_one_set() -> None:
    """Samples come in order, a file that both left out is listed once, and groups are forgotten."""
    whole = make()
    joined = whole.take([0, 1]).plus(whole.take([2, 3, 4]))
    assert joined.paths == whole.paths
    assert joined.labels.tolist() == whole.labels.tolist()
    assert joined.split == whole.split
    assert joined.skipped == whole.skipped
    assert joined.duplicate_groups == ()
    assert joined.arrays is not None
    np.testing.assert_array_equal(joined.arrays, whole.arrays)


def test_a_sample_is_a_file() -> None:
    """``file`` gives the path as it was written."""
    assert make().file(1) == Path("b")
