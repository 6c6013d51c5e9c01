"""Metrics of every task equal those of scikit-learn, whatever the data look like."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from headstart.evaluation.classification import Classification
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.hard_samples import most_unsure, most_wrong
from headstart.evaluation.intervals import bootstrap_interval, wilson_interval
from headstart.evaluation.multilabel import MultiLabel
from headstart.evaluation.regression import Regression
from headstart.models.scoring import origin_of

NAMES = ("a", "b", "c", "d", "e")


@st.composite
def answers(draw: st.DrawFn, least: int = 2, most: int = 5) -> tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Classes, labels and probabilities, with ties and classes that never occur."""
    num_classes, n = draw(st.integers(least, most)), draw(st.integers(1, 40))
    labels = draw(st.lists(st.integers(0, num_classes - 1), min_size=n, max_size=n))
    weights = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 7.3]), min_size=num_classes, max_size=num_classes)
    rows = np.array(draw(st.lists(weights.filter(any), min_size=n, max_size=n)))
    return num_classes, np.array(labels), rows / rows.sum(axis=1, keepdims=True)


def evaluate(num_classes: int, labels: Any, rows: Any, **settings: Any) -> Classification:
    """Evaluate classes on a test split."""
    task = "binary" if num_classes == 2 else "multiclass"
    result = evaluate_predictions(task, NAMES[:num_classes], labels, rows, **({"split": "test"} | settings))
    assert isinstance(result, Classification)
    return result


def evaluate_labels(labels: Any, rows: Any, **settings: Any) -> MultiLabel:
    """Evaluate labels on a test split."""
    names = NAMES[: np.asarray(labels).shape[1]]
    result = evaluate_predictions("multilabel", names, np.asarray(labels), np.asarray(rows), split="test", **settings)
    assert isinstance(result, MultiLabel)
    return result


def evaluate_values(labels: Any, rows: Any) -> Regression:
    """Evaluate values on a test split."""
    names = NAMES[: np.asarray(labels).shape[1]]
    result = evaluate_predictions("regression", names, np.asarray(labels), np.asarray(rows), split="test")
    assert isinstance(result, Regression)
    return result


@st.composite
def label_answers(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels and probabilities of at least two labels, with ties and labels that never or always apply."""
    n, num_labels = draw(st.integers(1, 25)), draw(st.integers(2, 4))
    chances = st.sampled_from([0.0, 0.2, 0.5, 0.5, 0.8, 1.0])
    truth = draw(st.lists(st.lists(st.integers(0, 1), min_size=num_labels, max_size=num_labels), min_size=n, max_size=n))
    rows = draw(st.lists(st.lists(chances, min_size=num_labels, max_size=num_labels), min_size=n, max_size=n))
    return np.array(truth), np.array(rows)


@st.composite
def value_answers(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """True and predicted values of one or two targets, with zeros and constant targets."""
    n, num_targets = draw(st.integers(1, 25)), draw(st.integers(1, 2))
    values = st.sampled_from([-3.5, 0.0, 0.0, 1.0, 2.25, 1e4])
    rows = st.lists(st.lists(values, min_size=num_targets, max_size=num_targets), min_size=n, max_size=n)
    return np.array(draw(rows)), np.array(draw(rows))


@settings(max_examples=60, deadline=None)
@given(answers())
def test_classification_metrics_equal_scikit_learn(case: tuple[int, Any, Any]) -> None:
    """Loss, accuracies, confusion matrix, report and areas equal scikit-learn's to 1e-12."""
    num_classes, labels, rows = case
    result = evaluate(num_classes, labels, rows)
    clipped = np.clip(rows, 1e-7, 1.0)
    clipped /= clipped.sum(axis=1, keepdims=True)
    numbers = range(num_classes)
    assert result.loss == pytest.approx(sk.log_loss(labels, clipped, labels=numbers), abs=1e-12)
    assert result.accuracy == pytest.approx(sk.accuracy_score(labels, result.predicted), abs=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of predicted classes that never occur
        assert result.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(labels, result.predicted), abs=1e-12)
    assert (result.confusion_matrix == sk.confusion_matrix(labels, result.predicted, labels=numbers)).all()
    report = sk.classification_report(
        labels, result.predicted, labels=numbers, target_names=NAMES[:num_classes], output_dict=True, zero_division=0.0
    )
    for name in NAMES[:num_classes]:
        theirs = report[name]
        ours = result.report[name]
        for key, other in (
            ("precision", "precision"),
            ("recall", "recall"),
            ("f1", "f1-score"),
            ("support", "support"),
        ):
            assert ours[key] == pytest.approx(theirs[other], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(answers())
def test_roc_auc_is_one_vs_rest(case: tuple[int, Any, Any]) -> None:
    """A class that is always or never true has no area, and the macro mean leaves it out."""
    num_classes, labels, rows = case
    auc = evaluate(num_classes, labels, rows).roc_auc
    truth = np.eye(num_classes)[labels]
    known = []
    for k, name in enumerate(NAMES[:num_classes]):
        if truth[:, k].min() == truth[:, k].max():
            assert auc["per_class"][name] is None
        else:
            known.append(sk.roc_auc_score(truth[:, k], rows[:, k]))
            assert auc["per_class"][name] == pytest.approx(known[-1], abs=1e-12)
    assert auc["micro"] == pytest.approx(sk.roc_auc_score(truth, rows, average="micro"), abs=1e-12)
    assert auc["macro"] == (pytest.approx(np.mean(known), abs=1e-12) if known else None)


@settings(max_examples=40, deadline=None)
@given(answers())
def test_classification_json_is_finite_and_complete(case: tuple[int, Any, Any]) -> None:
    """The object passes through strict JSON unchanged and has the promised keys."""
    num_classes, labels, rows = case
    value = evaluate(num_classes, labels, rows).to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    fields = "task n loss accuracy accuracy_interval balanced_accuracy baseline_accuracy roc_auc confusion_matrix classes"
    binary = {"precision", "recall", "f1", "threshold"} if num_classes == 2 else set()
    assert set(value) == {*fields.split(), "report", "split", "optimistic", "num_groups", "num_skipped", "num_seen"} | binary


def test_threshold_decides_the_second_class() -> None:
    """In a binary task, the second class is predicted if its probability is at least the threshold."""
    rows = np.array([[0.7, 0.3], [0.71, 0.29], [0.2, 0.8]])
    result = evaluate(2, np.array([1, 1, 0]), rows, thresholds=[0.3])
    assert result.predicted.tolist() == [1, 0, 1]
    assert result.to_json()["precision"] == 0.5
    assert result.to_json()["threshold"] == 0.3


def test_baseline_accuracy_is_that_of_the_majority_class() -> None:
    """The baseline always predicts the most common class of the split."""
    labels, rows = np.array([0, 0, 0, 1]), np.full((4, 3), 1 / 3)
    assert evaluate(3, labels, rows).baseline_accuracy == 0.75


def test_origin_of_rows() -> None:
    """Rows come from a split if most are only in it; contents of several splits, or that mostly recur, do not count."""
    known = [(str(i), ("train", "train", "validation", "test")[i % 4]) for i in range(80)]
    train, test = [str(i) for i in range(0, 80, 4)], [str(i) for i in range(3, 80, 4)]
    assert origin_of(train, known, are_rows=True) == ("train", 20, False)
    assert origin_of(test, known, are_rows=True) == ("test", 0, True)
    assert origin_of([*test, train[0]], known, are_rows=True) == ("test", 1, True)
    assert origin_of([*train[:9], *"abcdefghij"], known, are_rows=True) == ("test", 9, False)
    assert origin_of([*test, train[0]], known, are_rows=False) == ("test", 1, True)
    assert origin_of([*test, *train[:2]], known, are_rows=False) == ("test", 2, True)
    assert origin_of([*test, *train[:3]], known, are_rows=False) == ("train", 3, True)
    both = [*known, *((digest, "train") for digest in test)]
    assert origin_of(test, both, are_rows=True) == ("test", 20, False)
    assert origin_of(train, [*known, *known, *known], are_rows=True) == ("test", 20, False)


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression"])
def test_evaluation_repr_is_one_line(task: str) -> None:
    """As the last value of a notebook cell, an evaluation takes one line."""
    answers = np.random.default_rng(0).random((200, 2))
    answers = answers / answers.sum(axis=1, keepdims=True) if task == "binary" else answers
    labels: Any = np.arange(200) % 2 if task == "binary" else (answers > 0.4).astype(float)
    told = repr(evaluate_predictions(task, ("a", "b"), labels, answers, split="test"))
    assert len(told) < 120
    assert "test, n=200" in told
    assert {"binary": "accuracy", "multilabel": "macro AUC", "regression": "mae"}[task] in told


@pytest.mark.parametrize("split", ["test", "validation", "train"])
def test_evaluation_is_optimistic_unless_on_the_test_split(split: str) -> None:
    """Any split but test is marked as optimistic."""
    value = evaluate(2, np.array([0]), np.array([[1.0, 0.0]]), split=split).to_json()
    assert (value["split"], value["optimistic"]) == (split, split != "test")


@settings(max_examples=60, deadline=None)
@given(label_answers())
def test_multilabel_metrics_equal_scikit_learn(case: tuple[Any, Any]) -> None:
    """Loss, accuracies, matrices, report, F1 and areas of several labels equal scikit-learn's to 1e-12."""
    truth, rows = case
    result = evaluate_labels(truth, rows)
    clipped = np.clip(rows, 1e-7, 1 - 1e-7)
    losses = [sk.log_loss(truth[:, k], clipped[:, k], labels=[0, 1]) for k in range(truth.shape[1])]
    assert result.loss == pytest.approx(np.mean(losses), abs=1e-6)
    assert result.accuracy == pytest.approx(sk.accuracy_score(truth, result.predicted), abs=1e-12)
    assert result.hamming_accuracy == pytest.approx(1 - sk.hamming_loss(truth, result.predicted), abs=1e-12)
    columns = sk.precision_recall_fscore_support(truth, result.predicted, zero_division=0.0)
    matrices = sk.multilabel_confusion_matrix(truth, result.predicted)
    for k, name in enumerate(result.classes):
        assert list(result.report[name].values()) == pytest.approx([column[k] for column in columns], abs=1e-12)
        assert (result.confusion_matrices[name] == matrices[k]).all()
        if 0 < truth[:, k].sum() < len(truth):
            assert result.roc_auc["per_class"][name] == pytest.approx(sk.roc_auc_score(truth[:, k], rows[:, k]), abs=1e-12)
        else:
            assert result.roc_auc["per_class"][name] is None
    for how in ("micro", "macro"):
        assert result.f1[how] == pytest.approx(
            sk.f1_score(truth, result.predicted, average=how, zero_division=0.0), abs=1e-12
        )
    known = [area for area in result.roc_auc["per_class"].values() if area is not None]
    assert result.roc_auc["macro"] == (pytest.approx(np.mean(known)) if known else None)
    if truth.any() and not truth.all():
        assert result.roc_auc["micro"] == pytest.approx(sk.roc_auc_score(truth.ravel(), rows.ravel()), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(value_answers())
def test_regression_metrics_equal_scikit_learn(case: tuple[Any, Any]) -> None:
    """Errors and R² equal scikit-learn's, averaged over the targets; a score that is not defined is None."""
    truth, rows = case
    result = evaluate_values(truth, rows)
    for ours, theirs in (
        (result.mse, sk.mean_squared_error),
        (result.rmse, sk.root_mean_squared_error),
        (result.mae, sk.mean_absolute_error),
    ):
        assert ours == pytest.approx(theirs(truth, rows), rel=1e-12)
    varies = truth.min(axis=0) < truth.max(axis=0)
    assert result.r2 == (pytest.approx(sk.r2_score(truth[:, varies], rows[:, varies])) if varies.any() else None)
    for k, name in enumerate(result.classes):
        known = truth[:, k] != 0
        mape = result.per_target[name]["mape"]
        assert result.per_target[name]["mape_n"] == known.sum()
        if known.any():
            assert mape == pytest.approx(sk.mean_absolute_percentage_error(truth[known, k], rows[known, k]))
        else:
            assert mape is None
    assert result.baseline_mse == pytest.approx(truth.var(axis=0).mean())
    assert result.baseline_mae == pytest.approx(np.abs(truth - np.median(truth, axis=0)).mean())
    assert result.loss == result.mse


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        label_answers().map(lambda case: evaluate_labels(*case)), value_answers().map(lambda case: evaluate_values(*case))
    )
)
def test_multilabel_and_regression_json_is_finite_and_complete(result: Evaluation) -> None:
    """The object passes through strict JSON unchanged and has the promised keys."""
    value = result.to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    shared = {"task", "split", "optimistic", "n", "num_groups", "num_skipped", "num_seen", "loss"}
    if isinstance(result, MultiLabel):
        fields = "accuracy accuracy_interval hamming_accuracy baseline_accuracy roc_auc macro_auc_interval f1 classes report"
        assert set(value) == shared | {*fields.split(), "confusion_matrices", "thresholds"}
    else:
        fields = "mse rmse mae mae_interval mape mape_n r2 baseline_mse baseline_mae targets"
        assert set(value) == shared | {*fields.split()} | ({"per_target"} if len(result.classes) > 1 else set())


def test_overflowing_scores_are_null_in_json() -> None:
    """A squared error that overflows is null in JSON, without a warning."""
    value = evaluate_values([[1e200], [-1e200]], [[1e308], [0.0]]).to_json()
    assert value["mse"] is None
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_threshold_decides_each_label() -> None:
    """A label is predicted if its probability is at least its own threshold."""
    result = evaluate_labels([[1, 1], [0, 1]], [[0.4, 0.4], [0.2, 0.6]], thresholds=[0.3, 0.5])
    assert result.predicted.tolist() == [[1, 0], [0, 1]]
    assert result.to_json()["thresholds"] == {"a": 0.3, "b": 0.5}


def test_multilabel_baseline_is_the_most_common_label_set() -> None:
    """The baseline accuracy is the share of samples with the most common label set."""
    assert evaluate_labels([[1, 0], [1, 0], [0, 0], [1, 1]], np.full((4, 2), 0.5)).baseline_accuracy == 0.5


def test_single_label_is_multilabel() -> None:
    """A task with one label is evaluated as multi-label, not as two classes."""
    result = evaluate_labels([[1], [0], [1]], [[0.9], [0.2], [0.1]])
    assert result.confusion_matrices["a"].tolist() == [[1, 0], [1, 1]]
    assert result.f1["micro"] == result.f1["macro"] == pytest.approx(2 / 3)


def test_headline_has_a_name_an_interval_and_a_baseline() -> None:
    """Each task has a main score with its interval and baseline."""
    rng = np.random.default_rng(3)
    labels = (rng.random((200, 3)) < 0.4).astype(int)
    chances = np.clip(0.3 * labels + 0.7 * rng.random((200, 3)), 0, 1)
    results: list[Evaluation] = [
        evaluate(2, labels[:, 0], np.c_[1 - chances[:, 0], chances[:, 0]]),
        evaluate_labels(labels, chances),
        evaluate_values(labels * 2.0, chances),
    ]
    assert [result.headline.name for result in results] == ["accuracy", "macro AUC", "mae"]
    for result in results:
        name, value, interval, baseline = result.headline
        assert value is not None
        assert interval is not None
        assert baseline is not None
        assert interval[0] < value < interval[1], name


def test_macro_auc_interval_equals_that_of_resampled_splits() -> None:
    """The interval agrees with scikit-learn's AUC on splits that are resampled one by one."""
    rng = np.random.default_rng(5)
    labels = (rng.random((300, 2)) < 0.3).astype(int)
    chances = np.round(np.clip(0.2 * labels + 0.8 * rng.random((300, 2)), 0, 1), 1)
    drawn = [rng.integers(0, 300, 300) for _ in range(400)]
    areas = [sk.roc_auc_score(labels[rows], chances[rows], average="macro") for rows in drawn]
    interval = evaluate_labels(labels, chances).macro_auc_interval
    assert interval == pytest.approx(np.quantile(areas, (0.025, 0.975)), abs=0.01)


def test_bootstrap_interval_needs_two_samples_and_is_reproducible() -> None:
    """A single sample has no interval; equal splits have equal intervals."""
    assert evaluate_values([[1.0]], [[2.0]]).mae_interval is None
    errors = np.arange(10.0)
    first, second = (bootstrap_interval(lambda counts: counts @ errors / 10, 10) for _ in range(2))
    assert first == second
    assert bootstrap_interval(lambda counts: np.full(len(counts), np.nan), 10) is None


@pytest.mark.parametrize(
    ("task", "classes", "labels", "rows"),
    [
        ("ranking", "ab", [0], [[1.0, 0.0]]),
        ("multilabel", "ab", [0], [[1.0, 0.0]]),
        ("multilabel", "ab", [[0, 2]], [[1.0, 0.0]]),
        ("multilabel", "ab", [[0, 1]], [[1.5, 0.0]]),
        ("multilabel", "ab", [[0, 1]], [[float("nan"), 0.0]]),
        ("multilabel", "ab", [[0, 1]], [[0.5]]),
        ("multilabel", "aa", [[0, 1]], [[1.0, 0.0]]),
        ("multilabel", "ab", np.empty((0, 2)), np.empty((0, 2))),
        ("regression", "a", [0.5], [0.5]),
        ("regression", "ab", [[0.5]], [[0.5]]),
        ("regression", "a", [[float("inf")]], [[0.5]]),
        ("regression", "a", [[0.5]], [[float("nan")]]),
        ("regression", "a", [[0.5]], [[0.5, 0.5]]),
        ("regression", "a", np.empty((0, 1)), np.empty((0, 1))),
        ("binary", "abc", [0], [[1.0, 0.0, 0.0]]),
        ("binary", "aa", [0], [[1.0, 0.0]]),
        ("binary", "ab", [], np.empty((0, 2))),
        ("binary", "ab", [0.5], [[1.0, 0.0]]),
        ("binary", "ab", [2], [[1.0, 0.0]]),
        ("binary", "ab", [-1], [[1.0, 0.0]]),
        ("binary", "ab", [0], [[1.0]]),
        ("binary", "ab", [0], [[float("nan"), 1.0]]),
        ("binary", "ab", [0], [[2.0, -1.0]]),
        ("binary", "ab", [0], [[0.9, 0.9]]),
    ],
)
def test_invalid_predictions_are_rejected(task: str, classes: str, labels: Any, rows: Any) -> None:
    """Wrong shapes, labels out of range and invalid probabilities raise a ValueError."""
    with pytest.raises(ValueError, match=r"\w"):
        evaluate_predictions(task, list(classes), np.asarray(labels), np.asarray(rows), split="test")


@pytest.mark.parametrize(("task", "thresholds"), [("binary", [0.5, 0.5]), ("multilabel", [0.5]), ("binary", [float("nan")])])
def test_invalid_thresholds_are_rejected(task: str, thresholds: list[float]) -> None:
    """Binary needs one threshold and multi-label one per label, each a finite number."""
    labels = np.array([0]) if task == "binary" else np.array([[0, 1]])
    with pytest.raises(ValueError, match="thresholds"):
        evaluate_predictions(task, ["a", "b"], labels, np.array([[0.5, 0.5]]), split="test", thresholds=thresholds)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_contains_the_share(case: tuple[int, int]) -> None:
    """The interval is within 0 and 1, contains the share, and solves the score equation that it comes from."""
    successes, n = case
    low, high = wilson_interval(successes, n)
    share = successes / n
    assert 0.0 <= low <= share <= high <= 1.0
    for bound in {low, high} - {0.0, 1.0}:
        score = (share - bound) ** 2 * n / (bound * (1 - bound))
        assert score == pytest.approx(1.959963984540054**2, rel=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_interval_rejects_invalid_counts(successes: int, n: int) -> None:
    """More successes than samples, or no sample, raises a ValueError."""
    with pytest.raises(ValueError, match="is not a share"):
        wilson_interval(successes, n)


@settings(max_examples=40, deadline=None)
@given(answers(), st.integers(0, 10))
def test_most_wrong_and_most_unsure_of_classes_are_ordered(case: tuple[int, Any, Any], k: int) -> None:
    """``most_wrong`` returns only mistakes, worst first; ``most_unsure`` returns at most k distinct samples."""
    result = evaluate(*case)
    wrong, unsure = most_wrong(result, k), most_unsure(result, k)
    credit = [result.probabilities[i, result.labels[i]] for i in wrong]
    assert credit == sorted(credit)
    assert all(result.predicted[i] != result.labels[i] for i in wrong)
    assert len(wrong) == min(k, int((result.predicted != result.labels).sum()))
    assert len(set(unsure)) == len(unsure) == min(k, len(result))


def test_most_unsure_of_two_classes_is_closest_to_the_threshold() -> None:
    """In a binary task, the most uncertain prediction is the one closest to the threshold."""
    rows = np.array([[0.5, 0.5], [0.19, 0.81], [0.9, 0.1]])
    assert most_unsure(evaluate(2, np.array([0, 1, 0]), rows, thresholds=[0.8]), 2) == [1, 0]
    rows3 = np.array([[0.5, 0.3, 0.2], [0.4, 0.39, 0.21]])
    assert most_unsure(evaluate(3, np.array([0, 1]), rows3), 1) == [1]


@settings(max_examples=40, deadline=None)
@given(label_answers(), st.integers(0, 10))
def test_most_wrong_and_most_unsure_of_labels_are_ordered(case: tuple[Any, Any], k: int) -> None:
    """``most_wrong`` sorts samples with a wrong label by loss; ``most_unsure`` sorts by the distance to a threshold."""
    truth, rows = case
    result = evaluate_labels(truth, rows, thresholds=[0.4] * truth.shape[1])
    wrong, unsure = most_wrong(result, k), most_unsure(result, k)
    loss = -np.log(np.clip(np.where(truth == 1, rows, 1 - rows), 1e-7, 1)).sum(axis=1)
    assert [loss[i] for i in wrong] == sorted((loss[i] for i in wrong), reverse=True)
    assert len(wrong) == min(k, int((result.predicted != truth).any(axis=1).sum()))
    margin = np.abs(rows - 0.4).min(axis=1)
    assert [margin[i] for i in unsure] == sorted(margin)[:k]


def test_most_wrong_of_values_have_the_largest_relative_errors() -> None:
    """Errors are relative to the deviation of each target, an exact prediction is not a mistake, and none is uncertain."""
    truth = np.array([[0.0, 0.0], [1.0, 1000.0], [2.0, 0.0], [3.0, 1000.0]])
    rows = truth + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 100.0], [0.0, -1.0]])
    assert most_wrong(evaluate_values(truth, rows), 5) == [1, 2, 3]
    assert most_unsure(evaluate_values(truth, rows), 5) == []


def test_importing_the_evaluation_is_light() -> None:
    """scikit-learn and matplotlib are not loaded before a score or a figure is requested."""
    code = "import sys, headstart.evaluation.evaluate;"
    code += "print([m for m in ('sklearn', 'matplotlib', 'keras') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
