"""Evaluation: every number is scikit-learn's, whatever the data looks like."""

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

from headstart.metrics import Evaluation, evaluate_predictions, wilson_interval
from headstart.saliency import most_unsure, most_wrong

NAMES = ("a", "b", "c", "d", "e")


@st.composite
def answers(draw: st.DrawFn, least: int = 2, most: int = 5) -> tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Classes, labels and probabilities, with ties and classes that never occur."""
    num_classes, n = draw(st.integers(least, most)), draw(st.integers(1, 40))
    labels = draw(st.lists(st.integers(0, num_classes - 1), min_size=n, max_size=n))
    weights = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 7.3]), min_size=num_classes, max_size=num_classes)
    rows = np.array(draw(st.lists(weights.filter(any), min_size=n, max_size=n)))
    return num_classes, np.array(labels), rows / rows.sum(axis=1, keepdims=True)


def evaluate(num_classes: int, labels: Any, rows: Any, **settings: Any) -> Evaluation:
    """Evaluate on a test split."""
    task = "binary" if num_classes == 2 else "multiclass"
    return evaluate_predictions(task, NAMES[:num_classes], labels, rows, **({"split": "test"} | settings))


@settings(max_examples=60, deadline=None)
@given(answers())
def test_every_number_is_that_of_scikit_learn(case: tuple[int, Any, Any]) -> None:
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
def test_areas_are_those_of_each_class_against_the_rest(case: tuple[int, Any, Any]) -> None:
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
def test_json_is_finite_and_complete(case: tuple[int, Any, Any]) -> None:
    """The object passes through strict JSON unchanged and has the fields of the contract."""
    num_classes, labels, rows = case
    value = evaluate(num_classes, labels, rows).to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    fields = "task n loss accuracy accuracy_interval balanced_accuracy baseline_accuracy roc_auc confusion_matrix classes"
    binary = {"precision", "recall", "f1", "threshold"} if num_classes == 2 else set()
    assert set(value) == {*fields.split(), "report", "split", "optimistic", "num_skipped"} | binary


def test_the_threshold_decides_the_second_class() -> None:
    """Two classes: the second is answered where its probability is at least the threshold."""
    rows = np.array([[0.7, 0.3], [0.71, 0.29], [0.2, 0.8]])
    result = evaluate(2, np.array([1, 1, 0]), rows, threshold=0.3)
    assert result.predicted.tolist() == [1, 0, 1]
    assert result.to_json()["precision"] == 0.5
    assert result.to_json()["threshold"] == 0.3


def test_the_baseline_answers_with_the_commonest_class() -> None:
    """The baseline is the best constant answer on the split."""
    labels, rows = np.array([0, 0, 0, 1]), np.full((4, 3), 1 / 3)
    assert evaluate(3, labels, rows).baseline_accuracy == 0.75


@pytest.mark.parametrize("split", ["test", "validation", "train"])
def test_only_the_test_split_is_not_optimistic(split: str) -> None:
    """Any split but test is marked as optimistic."""
    value = evaluate(2, np.array([0]), np.array([[1.0, 0.0]]), split=split).to_json()
    assert (value["split"], value["optimistic"]) == (split, split != "test")


@pytest.mark.parametrize(
    ("task", "classes", "labels", "rows"),
    [
        ("multilabel", "ab", [0], [[1.0, 0.0]]),
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
def test_what_is_no_prediction_is_refused(task: str, classes: str, labels: Any, rows: Any) -> None:
    """Wrong shapes, labels out of range and rows that are no probabilities never become a score."""
    with pytest.raises(ValueError, match=r"\w"):
        evaluate_predictions(task, list(classes), np.asarray(labels), np.asarray(rows), split="test")


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share(case: tuple[int, int]) -> None:
    """The interval lies in 0..1, holds the share, and solves the score equation it comes from."""
    successes, n = case
    low, high = wilson_interval(successes, n)
    share = successes / n
    assert 0.0 <= low <= share <= high <= 1.0
    for bound in {low, high} - {0.0, 1.0}:
        score = (share - bound) ** 2 * n / (bound * (1 - bound))
        assert score == pytest.approx(1.959963984540054**2, rel=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_interval_refuses_what_is_no_share(successes: int, n: int) -> None:
    """More successes than trials, or no trial, is a mistake."""
    with pytest.raises(ValueError, match="no share"):
        wilson_interval(successes, n)


@settings(max_examples=40, deadline=None)
@given(answers(), st.integers(0, 10))
def test_what_to_look_at_is_ordered(case: tuple[int, Any, Any], k: int) -> None:
    """Most wrong: only mistakes, the least credit first. Most unsure: never more than k, no sample twice."""
    result = evaluate(*case)
    wrong, unsure = most_wrong(result, k), most_unsure(result, k)
    credit = [result.probabilities[i, result.labels[i]] for i in wrong]
    assert credit == sorted(credit)
    assert all(result.predicted[i] != result.labels[i] for i in wrong)
    assert len(wrong) == min(k, int((result.predicted != result.labels).sum()))
    assert len(set(unsure)) == len(unsure) == min(k, len(result))


def test_unsure_is_measured_from_the_threshold() -> None:
    """Two classes: the answer nearest to the threshold is the most unsure one."""
    rows = np.array([[0.5, 0.5], [0.19, 0.81], [0.9, 0.1]])
    assert most_unsure(evaluate(2, np.array([0, 1, 0]), rows, threshold=0.8), 2) == [1, 0]
    rows3 = np.array([[0.5, 0.3, 0.2], [0.4, 0.39, 0.21]])
    assert most_unsure(evaluate(3, np.array([0, 1]), rows3), 1) == [1]


def test_importing_metrics_is_light() -> None:
    """Neither scikit-learn nor matplotlib is loaded until a number or a picture is asked for."""
    code = "import sys, headstart.metrics; print([m for m in ('sklearn', 'matplotlib', 'keras') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
