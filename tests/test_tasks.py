"""Data: labels decide the task, and a task its output and its score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from headstart.errors import DatasetError
from headstart.tasks import TASKS, cross_entropy, infer_task, integer_labels


@pytest.mark.parametrize("name", TASKS)
def test_every_task_of_the_table_is_whole(name: str) -> None:
    """The contract of a row: its name is its key, and its output becomes probabilities that sum to one."""
    task = TASKS[name]
    assert task.name == name
    for num_classes in (2,) if name == "binary" else (2, 3, 7):
        units = task.units(num_classes)
        output = np.random.default_rng(0).dirichlet(np.ones(max(2, units)), 5)[:, :units]
        probabilities = task.to_probabilities(output)
        assert probabilities.shape == (5, num_classes)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
        labels = probabilities.argmax(axis=1)
        assert task.score(labels, probabilities) < task.score((labels + 1) % num_classes, probabilities)


def test_the_binary_output_is_the_probability_of_the_second_class() -> None:
    """A sigmoid of 0.9 says 0.1 for the first class and 0.9 for the second."""
    np.testing.assert_allclose(TASKS["binary"].to_probabilities(np.array([[0.9]])), [[0.1, 0.9]], rtol=1e-6)


def test_cross_entropy_by_hand() -> None:
    """Halves cost ln 2, a quarter ln 4; the mean is unweighted."""
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert cross_entropy(np.array([0, 0]), probabilities) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_cross_entropy_of_a_sure_mistake_is_finite() -> None:
    """A zero for the true class costs ln 1e7, not infinity, and a sure answer that is right costs nothing."""
    certain = np.array([[1.0, 0.0]])
    assert cross_entropy(np.array([1]), certain) == pytest.approx(math.log(1e7), rel=1e-3)
    assert cross_entropy(np.array([0]), certain) == pytest.approx(0.0, abs=1e-6)


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(1e-3, 1)))
def test_cross_entropy_needs_no_normalised_rows(scores: np.ndarray[Any, Any]) -> None:
    """One-vs-rest scores and trees are judged on normalised probabilities."""
    labels = np.arange(len(scores)) % 4
    normalised = scores / scores.sum(axis=1, keepdims=True)
    assert cross_entropy(labels, scores) == pytest.approx(cross_entropy(labels, normalised), rel=1e-6)


@pytest.mark.parametrize(
    ("classes", "asked", "task"),
    [
        (["cat", "dog"], None, "binary"),
        (["a", "b", "c"], None, "multiclass"),
        (["cat", "dog"], "binary", "binary"),
        (["cat", "dog"], "multiclass", "multiclass"),
        (["a", "b", "c"], "multiclass", "multiclass"),
    ],
)
def test_the_classes_decide_the_task(classes: list[str], asked: str | None, task: str) -> None:
    """Two classes are binary unless asked otherwise, more are multiclass, and the reason says which it was."""
    found, reason = infer_task(classes, asked)
    assert found == task
    assert ("as asked" in reason) == (asked is not None)
    assert asked is not None or str(len(classes)) in reason


@pytest.mark.parametrize("classes", [[], ["cat"]])
def test_fewer_than_two_classes_are_no_task(classes: list[str]) -> None:
    """H101, with the class there is."""
    with pytest.raises(DatasetError) as caught:
        infer_task(classes)
    assert caught.value.code == "H101"
    assert all(name in caught.value.received for name in classes)


@pytest.mark.parametrize(("classes", "asked"), [(["a", "b", "c"], "binary"), (["a", "b"], "regression"), (["a"] * 3, "x")])
def test_a_task_that_does_not_fit_is_refused(classes: list[str], asked: str) -> None:
    """H102 names the task and the number of classes."""
    with pytest.raises(DatasetError) as caught:
        infer_task(classes, asked)
    assert caught.value.code == "H102"
    assert asked in caught.value.received


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        ([3, 1, 3], [1, 0, 1], ("1", "3")),
        ([[3], [1], [3]], [1, 0, 1], ("1", "3")),
        (["dog", "cat"], [1, 0], ("cat", "dog")),
        ([True, False], [1, 0], ("False", "True")),
        (np.array(["dog", "cat"], dtype=object), [1, 0], ("cat", "dog")),
        (np.array([b"dog", b"cat"]), [1, 0], ("cat", "dog")),
        ([[0, 1, 0], [1, 0, 0]], [1, 0], ("0", "1", "2")),
        (np.array([[0.0, 1.0], [1.0, 0.0]], np.float32), [1, 0], ("0", "1")),
    ],
    ids=["integers", "a column", "strings", "booleans", "objects", "bytes", "one-hot", "one-hot floats"],
)
def test_labels_of_every_kind_become_numbers(labels: Any, numbers: list[int], names: tuple[str, ...]) -> None:
    """Integers, strings and one-hot rows give int64 numbers and the names they stand for."""
    found, classes = integer_labels(labels)
    assert found.dtype == np.int64
    assert found.tolist() == numbers
    assert classes == names


@given(st.lists(st.integers(-5, 5) | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=4), min_size=1))
def test_a_number_stands_for_its_name(labels: list[int | str]) -> None:
    """Whatever the labels, the class name at each number is the label that was given."""
    texts = [str(label) for label in labels]
    numbers, classes = integer_labels(np.array(texts))
    assert [classes[number] for number in numbers] == texts
    assert len(set(classes)) == len(classes) == len(set(texts))


@pytest.mark.parametrize(
    "labels",
    [
        [0.5, 1.5],
        [[1, 1], [1, 0]],
        [[0, 0], [1, 0]],
        [[2, 0], [1, 0]],
        np.zeros((2, 2, 2)),
        np.array(3),
        np.array(["cat", None], dtype=object),
        np.array(["cat", float("nan")], dtype=object),
    ],
    ids=["fractions", "two at once", "none", "a two", "three axes", "no axis", "a None", "a NaN"],
)
def test_what_is_no_label_is_refused(labels: Any) -> None:
    """H103: no class is made up for a label that is missing or is none."""
    with pytest.raises(DatasetError) as caught:
        integer_labels(np.asarray(labels))
    assert caught.value.code == "H103"
