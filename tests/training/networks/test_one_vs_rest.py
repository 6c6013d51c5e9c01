"""Part B: models of one class each become probabilities of one answer, by a slope and an offset for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit

from headstart.data.tasks import ONE_VS_REST
from headstart.training.networks.one_vs_rest import calibrate, cross_calibrated

Array = np.ndarray[Any, Any]


def logit(probabilities: Array) -> Array:
    """The inverse of a sigmoid."""
    odds: Array = np.log(probabilities) - np.log1p(-probabilities)
    return odds


def loss(labels: Array, probabilities: Array, slope: float, offsets: Array) -> float:
    """Cross-entropy of the calibrated shares, with the penalty, written another way than in the source."""
    sigmoids = expit(slope * logit(probabilities) + offsets)
    shares = sigmoids / sigmoids.sum(axis=1, keepdims=True)
    penalty = 1e-2 / 2 * float(np.log(slope) ** 2 + np.square(offsets).sum())
    return float(-np.log(shares[np.arange(len(labels)), labels]).mean()) + penalty


def example(num_rows: int = 200, num_classes: int = 4, sureness: float = 3.0, seed: int = 0) -> tuple[Array, Array]:
    """Models that are too sure of themselves, some classes more than others."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, num_classes, num_rows)
    logits = random.normal(size=(num_rows, num_classes)) + 1.5 * np.eye(num_classes)[labels] - 1
    return labels, expit(sureness * logits + np.linspace(-2, 2, num_classes))


def test_calibrate_finds_a_stationary_point() -> None:
    """At the solution the gradient of the loss is zero in every direction, by finite differences."""
    labels, probabilities = example()
    slope, offsets = calibrate(labels, probabilities)

    def objective(parameters: Array) -> float:
        return loss(labels, probabilities, float(np.exp(parameters[0])), parameters[1:])

    found = np.concatenate([[np.log(slope)], offsets])
    np.testing.assert_allclose(approx_fprime(found, objective, 1e-6), 0, atol=2e-4)
    start = np.zeros(5)
    assert np.abs(approx_fprime(start, objective, 1e-6)).max() > 0.05
    elsewhere = minimize(objective, start, method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-9}).fun
    assert objective(found) == pytest.approx(elsewhere, abs=1e-4)


def test_calibrate_corrects_overconfidence() -> None:
    """Probabilities score better on new samples of the same kind, and favoured classes are no longer favoured."""
    labels, probabilities = example()
    slope, offsets = calibrate(labels, probabilities)
    assert 0 < slope < 0.8
    assert np.diff(offsets).max() < 0  # what linspace had added
    new_labels, new = example(num_rows=1000, seed=1)
    before, after = ONE_VS_REST.to_answers(new), ONE_VS_REST.to_answers(expit(slope * logit(new) + offsets))
    assert ONE_VS_REST.score(new_labels, after) < ONE_VS_REST.score(new_labels, before) - 0.1
    np.testing.assert_allclose(after.sum(axis=1), 1, rtol=1e-6)


@settings(max_examples=30)
@given(num_rows=st.integers(1, 30), num_classes=st.integers(3, 6), sureness=st.floats(0, 100), seed=st.integers(0, 1000))
def test_calibrate_handles_any_probabilities(num_rows: int, num_classes: int, sureness: float, seed: int) -> None:
    """Also sure or equal ones, and classes that validation lacks: positive slope, finite, and no worse than before."""
    labels, probabilities = example(num_rows, num_classes, sureness, seed)
    rounded = probabilities.astype(np.float32)  # 0 and 1 among them
    slope, offsets = calibrate(labels, rounded)
    assert slope > 0
    assert np.isfinite([slope, *offsets]).all()
    clipped = np.clip(rounded.astype(np.float64), 1e-7, 1 - 1e-7)
    assert loss(labels, clipped, slope, offsets) <= loss(labels, clipped, 1.0, np.zeros(num_classes)) + 1e-9


def test_calibrate_on_one_sample_changes_little() -> None:
    """With one validation sample, the penalty keeps the networks nearly as they are."""
    slope, offsets = calibrate(np.array([0]), np.array([[0.6, 0.3, 0.2]]))
    assert slope < 20
    assert np.abs(offsets).max() < 5


def test_cross_calibrated_scores_are_those_of_new_samples() -> None:
    """With 30 classes and 60 samples, the score on samples that the calibration was fitted on is far too good."""
    labels, probabilities = example(60, 30, sureness=1.0)
    slope, offsets = calibrate(labels, probabilities)
    new_labels, new = example(5000, 30, sureness=1.0, seed=1)
    flattered, honest = (
        ONE_VS_REST.score(truth, ONE_VS_REST.to_answers(expit(slope * logit(given) + offsets)))
        for truth, given in ((labels, probabilities), (new_labels, new))
    )
    found = ONE_VS_REST.score(labels, cross_calibrated(labels, probabilities))
    assert flattered < honest - 0.1
    assert abs(found - honest) < abs(flattered - honest) / 2


def test_cross_calibrated_keeps_groups_together() -> None:
    """Ten copies of a sample in one group are predicted as if none had been seen, and alike."""
    labels, probabilities = example(20, 4)
    copies, groups = np.repeat(np.arange(20), 10), np.repeat(np.arange(20), 10)
    together = cross_calibrated(labels[copies], probabilities[copies], groups)
    np.testing.assert_array_equal(together, together[::10][copies])
    apart = ONE_VS_REST.score(labels[copies], cross_calibrated(labels[copies], probabilities[copies]))
    assert apart < ONE_VS_REST.score(labels[copies], together)


@pytest.mark.parametrize("num_rows", [1, 2, 7])
def test_cross_calibrated_of_a_single_sample(num_rows: int) -> None:
    """It has no others to be calibrated by, so its probabilities are only normalised."""
    labels, probabilities = example(num_rows, 3)
    answers = cross_calibrated(labels, probabilities)
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    if num_rows == 1:
        np.testing.assert_allclose(answers, ONE_VS_REST.to_answers(probabilities), rtol=1e-5)
