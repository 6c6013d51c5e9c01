"""Classes decide the task, and a task its output, loss and score: a contract test for every row of the table."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score

from headstart.data.metrics import cross_entropies
from headstart.data.tasks import ONE_VS_REST, TASKS, Task, check_loss, infer_task, integer_labels
from headstart.foundation.errors import DatasetError, UsageError

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

ROWS = [*TASKS.values(), ONE_VS_REST]
NUM_SAMPLES = 60


def example(task: Task, num_classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Labels of a task, and answers that are better than chance and far from perfect."""
    random = np.random.default_rng(seed)
    if task.has_classes:
        labels = np.arange(NUM_SAMPLES) % num_classes
        scores = random.uniform(0.05, 1, (NUM_SAMPLES, num_classes)) + 0.7 * np.eye(num_classes)[labels]
        return labels, scores / scores.sum(axis=1, keepdims=True)
    if task.name == "multilabel":
        labels = (random.random((NUM_SAMPLES, num_classes)) < [0.2, 0.5, 0.8][:num_classes]).astype(np.int64)
        return labels, np.clip(0.5 + 0.3 * (labels - 0.5) + random.normal(0, 0.2, labels.shape), 0.01, 0.99)
    values = random.normal([5.0, -3.0, 0.0][:num_classes], [1.0, 20.0, 0.1][:num_classes], (NUM_SAMPLES, num_classes))
    return values, values + random.normal(0, 0.5, values.shape) * values.std(axis=0)


def of_scikit_learn(task: Task, labels: Array, answers: Array) -> tuple[float, float]:
    """Score and metric as scikit-learn has them."""
    if task.has_classes:
        return log_loss(labels, answers), accuracy_score(labels, answers.argmax(axis=1))
    if task.name == "multilabel":
        losses = [log_loss(truth, column) for truth, column in zip(labels.T, answers.T, strict=True)]
        return float(np.mean(losses)), roc_auc_score(labels, answers, average="macro")
    return mean_squared_error(labels, answers), r2_score(labels, answers)


by_row = pytest.mark.parametrize(
    ("task", "num_classes"),
    [(task, 2 if task.name == "binary" else 3) for task in ROWS],
    ids=[task.name for task in ROWS],
)


@pytest.mark.parametrize("name", TASKS)
def test_the_key_of_a_row_is_its_name(name: str) -> None:
    """Only one-vs-rest, which is no task of data, stands apart."""
    assert TASKS[name].name == name
    assert ONE_VS_REST.name not in TASKS


@by_row
@pytest.mark.parametrize("seed", [0, 1])
def test_score_and_metric_are_those_of_scikit_learn(task: Task, num_classes: int, seed: int) -> None:
    """Log loss, squared error; accuracy, macro AUC, R²: and truth beats the answers in both."""
    labels, answers = example(task, num_classes, seed)
    score, metric = of_scikit_learn(task, labels, answers)
    assert task.score(labels, answers) == pytest.approx(score, rel=1e-6)
    assert task.measure(labels, answers) == pytest.approx(metric, rel=1e-9)
    truth = np.eye(num_classes)[labels] if task.has_classes else labels.astype(float)
    assert task.score(labels, truth) < score
    assert task.measure(labels, truth) == pytest.approx(1.0)
    assert metric < 1


@by_row
def test_the_output_becomes_answers(task: Task, num_classes: int) -> None:
    """A column a class, label or target in float32; classes share one, labels and values stay as they are."""
    output = np.random.default_rng(0).uniform(0.1, 0.9, (5, task.units(num_classes)))
    if task.activation == "softmax":
        output /= output.sum(axis=1, keepdims=True)
    answers = task.to_answers(output)
    assert answers.shape == (5, num_classes)
    assert answers.dtype == np.float32
    if task.has_classes:
        np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-6)
    else:
        np.testing.assert_array_equal(answers, output.astype(np.float32))


@by_row
def test_every_loss_of_a_row_takes_what_it_is_given(task: Task, num_classes: int) -> None:
    """A tiny network with the row's output layer, trained on ``to_targets``, gets better by each loss and metric."""
    labels, _ = example(task, num_classes)
    truth = np.eye(num_classes)[labels] if task.has_classes else labels.astype(float)
    rows = ((truth - truth.mean(axis=0)) / truth.std(axis=0)).astype(np.float32)  # the answer stands in the row
    if task.name == "regression":
        labels = rows
    assert task.loss in task.losses
    for loss in task.losses:
        keras.utils.set_random_seed(0)
        given = keras.Input((rows.shape[1],))
        units = task.units(num_classes)
        output = keras.layers.Dense(units, activation=task.activation, kernel_initializer=task.initializer)(given)
        model = keras.Model(given, output)
        model.compile(keras.optimizers.Adam(0.2), loss=loss, metrics=task.metrics(), run_eagerly=True)
        before = task.score(labels, task.to_answers(np.asarray(model(rows))))
        targets = task.to_targets(labels, loss, num_classes)
        assert len(targets) == len(labels)
        for _ in range(15):
            told = model.train_on_batch(rows, targets, return_dict=True)
        after = task.score(labels, task.to_answers(np.asarray(model(rows))))
        assert after < 0.7 * before, loss
        assert np.isfinite([*told.values()]).all()
        assert all(told[name] > 0.6 for name in ("accuracy", "auc") if name in told), loss


def test_the_binary_output_is_the_probability_of_the_second_class() -> None:
    """A sigmoid of 0.9 says 0.1 for the first class and 0.9 for the second."""
    np.testing.assert_allclose(TASKS["binary"].to_answers(np.array([[0.9]])), [[0.1, 0.9]], rtol=1e-6)


def test_one_vs_rest_answers_in_shares() -> None:
    """Probabilities 0.9 and 0.3 of classes of their own are shares 0.75 and 0.25; none at all are no NaN."""
    answers = ONE_VS_REST.to_answers(np.array([[0.9, 0.3, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(answers[0], [0.75, 0.25, 0], rtol=1e-6)
    assert np.isfinite(answers).all()
    np.testing.assert_array_equal(ONE_VS_REST.to_targets(np.array([2, 0]), "binary_crossentropy", 3), [[0, 0, 1], [1, 0, 0]])


def test_sure_mistakes_about_labels_are_finite() -> None:
    """A label answered with 0 that is there costs ln 1e7, beside one that is right and costs nothing."""
    score = TASKS["multilabel"].score(np.array([[1, 0]]), np.array([[0.0, 0.0]]))
    assert score == pytest.approx(math.log(1e7) / 2, rel=1e-6)


def test_a_label_that_never_varies_has_no_area() -> None:
    """The mean is over the others; where there are none, it is chance. Ties count half."""
    measure = TASKS["multilabel"].measure
    labels = np.array([[1, 1], [0, 1], [1, 1], [0, 1]])
    answers = np.array([[0.9, 0.1], [0.5, 0.9], [0.5, 0.3], [0.1, 0.2]])
    assert measure(labels, answers) == roc_auc_score(labels[:, 0], answers[:, 0]) == 0.875
    assert measure(labels[:, 1:], answers[:, 1:]) == 0.5


def test_r2_of_a_target_that_does_not_vary_is_nought() -> None:
    """It is no NaN, and counts in the mean beside the others."""
    labels = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    assert TASKS["regression"].measure(labels, labels) == 0.5
    assert TASKS["regression"].measure(labels[:, 1:], labels[:, 1:] + 1) == 0.0
    tenths = np.full((10, 1), 0.1)  # whose mean is no longer 0.1
    assert TASKS["regression"].measure(tenths, tenths + 1) == 0.0


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_a_loss_of_another_task_is_refused(task: Task) -> None:
    """H040 names the losses that fit; a row's own, and none named, are let through."""
    for loss in (None, *task.losses):
        check_loss(loss, task.name, "table-dnn")
    others = {loss for row in ROWS for loss in row.losses} - set(task.losses)
    for loss in others:
        with pytest.raises(UsageError) as caught:
            check_loss(loss, task.name, "table-dnn")
        assert (caught.value.code, caught.value.expected) == ("H040", " or ".join(task.losses))


def test_cross_entropy_by_hand() -> None:
    """Halves cost ln 2, a quarter ln 4; the score is their unweighted mean."""
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert cross_entropies(np.array([0, 0]), probabilities) == pytest.approx([math.log(2), math.log(4)])
    assert TASKS["binary"].score(np.array([0, 0]), probabilities) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_cross_entropy_of_a_sure_mistake_is_finite() -> None:
    """A zero for the true class costs ln 1e7, not infinity, and a sure answer that is right costs nothing."""
    certain = np.array([[1.0, 0.0]])
    assert cross_entropies(np.array([1]), certain) == pytest.approx(math.log(1e7), rel=1e-3)
    assert cross_entropies(np.array([0]), certain) == pytest.approx(0.0, abs=1e-6)


@given(arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(1e-3, 1)))
def test_cross_entropy_needs_no_normalised_rows(scores: np.ndarray[Any, Any]) -> None:
    """One-vs-rest scores and trees are judged on normalised probabilities."""
    labels = np.arange(len(scores)) % 4
    normalised = scores / scores.sum(axis=1, keepdims=True)
    assert cross_entropies(labels, scores) == pytest.approx(cross_entropies(labels, normalised), rel=1e-6)


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
    assert ("as requested" in reason) == (asked is not None)
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
