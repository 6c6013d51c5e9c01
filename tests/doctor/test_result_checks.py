"""Findings about results: a model no better than a constant prediction, and trials within noise of one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headstart.data.dataset import Dataset
from headstart.doctor.result_checks import check_results
from headstart.evaluation.comparison import Difference
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation

Array = np.ndarray[Any, Any]

CLEAR = {"dnn": Difference(0.2, 0.05, 100)}


def evaluated(task: str, labels: Array, answers: Array, together: tuple[str, ...] = ()) -> tuple[Dataset, Evaluation]:
    """A data set whose training and test splits are equal, and the evaluation of ``answers`` on the test split."""
    n, columns = len(labels), answers.shape[1]
    classes = tuple("abc"[:columns])
    split = ("train",) * n + ("test",) * n
    names = tuple(map(str, range(2 * n)))
    both = np.concatenate([labels, labels])
    dataset = Dataset("made", task, "", classes, names, both, names, split, groups=together * 2)
    groups = dataset.group_numbers(dataset.indices("test"))
    return dataset, evaluate_predictions(task, classes, labels, answers, split="test", groups=groups)


def answers_to(task: str, labels: Array, skill: float) -> Array:
    """Predictions between chance (skill 0) and the truth (skill 1)."""
    random = np.random.default_rng(1)
    if task == "regression":
        return skill * labels + (1 - skill) * random.normal(0, 1, labels.shape)
    share = np.clip(0.5 + skill * (labels - 0.5) + 0.1 * random.normal(size=labels.shape), 0.01, 0.99)
    return np.stack([1 - share, share], axis=1) if task == "binary" else share


LABELS = {
    "binary": np.arange(200) % 2,
    "multilabel": np.random.default_rng(0).integers(0, 2, (200, 2)),
    "regression": np.random.default_rng(0).normal(0, [[1.0, 1000.0]], (200, 2)),
}


@pytest.mark.parametrize("task", LABELS)
@pytest.mark.parametrize(("skill", "found"), [(0.0, ["D301"]), (0.8, [])])
def test_model_without_skill_is_a_finding(task: str, skill: float, found: list[str]) -> None:
    """D301 fires for predictions at random and not for a model with skill, whatever the task."""
    labels = LABELS[task]
    dataset, evaluation = evaluated(task, labels, answers_to(task, labels, skill))
    findings = check_results(dataset, evaluation, "linear", CLEAR)
    assert [finding.code for finding in findings] == found
    assert all("200 samples" in finding.measured for finding in findings)


def test_skill_in_a_rare_class_is_no_finding() -> None:
    """If 98% of the samples have one class, accuracy hardly exceeds the majority baseline; the loss shows the skill."""
    labels = (np.arange(500) % 50 == 0).astype(int)
    share = np.where(labels == 1, 0.4, 0.01)
    dataset, evaluation = evaluated("binary", labels, np.stack([1 - share, share], axis=1))
    assert evaluation.headline.value == evaluation.headline.baseline
    assert check_results(dataset, evaluation, "linear", {}) == []


def test_skill_within_a_few_groups_is_a_finding() -> None:
    """An accuracy of 60% is significant on 400 independent samples, but not on 8 groups that are each all right or wrong."""
    labels = np.arange(400) % 2
    is_right = np.repeat([True, True, True, True, True, False, False, False], 50)
    share = np.where(is_right == (labels == 1), 0.9, 0.1)
    answers = np.stack([1 - share, share], axis=1)
    together = tuple(f"p{number}" for number in np.repeat(np.arange(8), 50))
    assert check_results(*evaluated("binary", labels, answers), "linear", {}) == []
    (finding,) = check_results(*evaluated("binary", labels, answers, together), "linear", {})
    assert finding.code == "D301"
    assert "400 samples in 8 groups" in finding.measured


def test_trials_within_noise_are_a_finding() -> None:
    """D302 names at most four trials, the nearest first, and leaves out a trial that is clearly worse."""
    dataset, evaluation = evaluated("binary", LABELS["binary"], answers_to("binary", LABELS["binary"], 0.8))
    near = {f"near{number}": Difference(0.01 * number, 0.1, 90) for number in range(6)}
    (finding,) = check_results(dataset, evaluation, "linear", near | {"far": Difference(0.2, 0.05, 90)})
    assert (finding.code, finding.severity) == ("D302", "info")
    assert finding.title == "6 trials differ from the best by less than the noise"
    assert finding.measured.startswith(
        "linear has the lowest loss, ahead of near0 by 0.0000 (standard error 0.1000, 90 paired"
    )
    assert finding.measured.endswith("near3 by 0.0300 (standard error 0.1000, 90 paired samples); and 2 more")
