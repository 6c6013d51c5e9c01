"""Sets and intervals contain the truth as often as promised, and their limits survive a signature."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from headstart.data.target_scaling import Scaling, fit_scaling
from headstart.evaluation.uncertainty.conformal import Conformal, PredictionSets, fit_conformal
from headstart.foundation.errors import UsageError

Array = np.ndarray[Any, Any]
NAMES = {"binary": "ab", "multiclass": "abcd", "multilabel": "abc", "regression": "yz"}


def make(task: str, num_samples: int, random: np.random.Generator) -> tuple[Array, Array, Scaling | None]:
    """Truths, predictions that are overconfident, and the scale of values; the second target is skewed."""
    width = len(NAMES[task])
    if task == "regression":
        truth = np.stack([random.normal(10, 3, num_samples), random.lognormal(2, 1, num_samples)], axis=1)
        near = truth[:, 0] + random.normal(0, 2, num_samples), truth[:, 1] * random.lognormal(0, 0.5, num_samples)
        answers = np.stack(near, axis=1)
        return truth, answers, fit_scaling(truth)
    logits = random.normal(0, 2, (num_samples, width))
    if task == "multilabel":
        truth = (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(int)
        return truth, 1 / (1 + np.exp(-2 * logits)), None
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([random.choice(width, p=row) for row in shares])
    sharper = shares**2 / (shares**2).sum(axis=1, keepdims=True)
    return labels, sharper, None


def covered(sets: PredictionSets, labels: Array, answers: Array) -> Array:
    """Whether each set contains the truth, ``(n,)``; of values, whether each interval does, ``(n, targets)``."""
    if sets.task == "regression":
        low, high = sets.interval(answers)
        return (low <= labels) & (labels <= high)
    are_true = labels == 1 if sets.task == "multilabel" else np.arange(len(sets.classes)) == labels[:, None]
    inside: Array = (sets.contains(answers) | ~are_true).all(axis=1)
    return inside


@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_coverage_is_as_promised(task: str, coverage: float) -> None:
    """Over 100 splits of exchangeable data, as many truths are covered as were asked for, whatever the task."""
    random = np.random.default_rng(0)
    shares = []
    for _ in range(100):
        labels, answers, scaling = make(task, 400, random)
        conformal = fit_conformal(task, labels[:200], answers[:200], scaling)
        sets = conformal.with_coverage(coverage, task, NAMES[task], scaling)
        shares.append(covered(sets, labels[200:], answers[200:]).mean(axis=0))
    np.testing.assert_allclose(np.mean(shares, axis=0), coverage, atol=0.02)


def test_covered_truths_are_in_the_cells() -> None:
    """What the limits say is what a user reads: classes joined by semicolons, and ends of intervals in their units."""
    random = np.random.default_rng(1)
    for task, names in NAMES.items():
        labels, answers, scaling = make(task, 300, random)
        sets = fit_conformal(task, labels, answers, scaling).with_coverage(0.7, task, names, scaling)
        labels, answers = labels[:50], answers[:50]
        for truth, answer, is_covered in zip(labels, answers, covered(sets, labels, answers), strict=True):
            cells = dict(zip(sets.columns, sets.cells(answer), strict=True))
            if task == "regression":
                ends = [(float(cells[f"low_{name}"]), float(cells[f"high_{name}"])) for name in names]
                assert [low <= value <= high for (low, high), value in zip(ends, truth, strict=True)] == list(is_covered)
            else:
                are_true = truth == 1 if task == "multilabel" else np.arange(len(names)) == truth
                wanted = {name for name, is_true in zip(names, are_true, strict=True) if is_true}
                assert (wanted <= {*str(cells["set"]).split(";")}) == is_covered


def test_interval_of_logarithms_is_a_factor_and_contains_its_prediction() -> None:
    """A target that is learned as a logarithm is uncertain by a factor, whether its mean or its median is predicted."""
    scaling = Scaling((True,), (2.0,), (1.0,), (1.5,))
    sets = Conformal(99, {90: (0.5,)}).with_coverage(0.9, "regression", ["price"], scaling)
    assert sets.columns == ["low", "high"]
    (low,), (high,) = (ends[0] for ends in sets.interval(np.array([[9.0]])))
    assert (low, high) == (pytest.approx(10 / np.exp(0.5) - 1), pytest.approx(10 * np.exp(0.5) - 1))


def test_limits_survive_a_signature() -> None:
    """As JSON and back, the limits are the same."""
    labels, answers, scaling = make("regression", 60, np.random.default_rng(2))
    conformal = fit_conformal("regression", labels, answers, scaling)
    assert Conformal.from_json(json.loads(json.dumps(conformal.to_json()))) == conformal
    assert [*conformal.limits] == [*range(50, 99)]  # the 61 * 0.99th of 60 samples does not exist


@pytest.mark.parametrize("coverage", [0.0, 0.4, 0.995, 1.0, 90.0, float("nan"), float("inf")])
def test_coverage_out_of_range_is_refused(coverage: float) -> None:
    """H048 names the range."""
    with pytest.raises(UsageError, match="H048"):
        Conformal(500, {90: (0.5,)}).with_coverage(coverage, "binary", "ab", None)


@pytest.mark.parametrize(("num_samples", "advice"), [(10, "--coverage 0.9"), (1, "--coverage 0.5")])
def test_too_few_samples_for_a_coverage_are_told(num_samples: int, advice: str) -> None:
    """H049 names the highest coverage that so many held-out samples can promise."""
    labels, answers, _ = make("binary", num_samples, np.random.default_rng(3))
    with pytest.raises(UsageError, match="H049") as caught:
        fit_conformal("binary", labels, answers).with_coverage(0.95, "binary", "ab", None)
    assert caught.value.advice == advice
    with pytest.raises(UsageError, match="H049") as caught:
        Conformal().with_coverage(0.5, "binary", "ab", None)
    assert caught.value.advice == "add samples and fit again"


def test_coverage_is_rounded_up_to_percents() -> None:
    """0.901 promises at least 90.1%, and 0.9 is 90%, however it is rounded."""
    conformal = Conformal(500, {90: (0.5,), 91: (0.6,)})
    assert conformal.with_coverage(0.9, "binary", "ab", None).limits == (0.5,)
    assert conformal.with_coverage(0.1 + 0.8, "binary", "ab", None).limits == (0.5,)
    assert conformal.with_coverage(0.901, "binary", "ab", None).limits == (0.6,)
