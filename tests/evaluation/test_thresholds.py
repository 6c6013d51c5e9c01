"""Thresholds move if the validation split clearly supports it, and stay at 0.5 if the gain may be due to chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from headstart.evaluation.thresholds import best_threshold, best_thresholds


@st.composite
def answered(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels and probabilities with ties."""
    n = draw(st.integers(1, 60))
    labels = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    chances = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.45, 0.5, 0.7, 0.9, 1.0])
    return np.array(labels), np.array(draw(st.lists(chances, min_size=n, max_size=n)))


def shifted(n: int, seed: int, by: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels and probabilities of a model whose logits are all shifted by one amount; calibrated if it is 0."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.5).astype(int)
    logits = 3 * (rng.normal(size=n) / 2 + labels - 0.5) * 4 / 3 + by
    return labels, 1 / (1 + np.exp(-logits))


@settings(max_examples=80, deadline=None)
@given(answered())
def test_best_threshold_is_never_worse_than_half(case: tuple[Any, Any]) -> None:
    """On the split that it was chosen on, the threshold is not worse than 0.5 and predicts samples of both classes."""
    labels, chances = case
    threshold = best_threshold(labels, chances)
    ours, usual = (accuracy_score(labels, chances >= t) for t in (threshold, 0.5))
    assert ours >= usual
    if threshold != 0.5:
        assert chances.min() < threshold <= chances.max()
        gain, num_different = (ours - usual) * len(labels), int(((chances >= threshold) != (chances >= 0.5)).sum())
        assert gain > 2 * np.sqrt(num_different) - 1e-9
    moved = best_threshold(labels, chances, "f1")
    if moved != 0.5:
        assert labels.sum() >= 10
        assert f1_score(labels, chances >= moved) > f1_score(labels, chances >= 0.5) + 0.01


@pytest.mark.parametrize(("by", "least", "most"), [(2.5, 0.7, 1.0), (-2.5, 0.0, 0.3)])
def test_best_threshold_corrects_a_biased_model(by: float, least: float, most: float) -> None:
    """If all probabilities are too high or too low, the threshold moves with them."""
    assert least < best_threshold(*shifted(600, 1, by)) < most
    assert least < best_threshold(*shifted(600, 1, by), "f1") < most


def test_best_threshold_of_a_calibrated_model_stays_at_half() -> None:
    """A calibrated model keeps 0.5 on most validation splits."""
    moved = [best_threshold(*shifted(200, seed, 0.0)) != 0.5 for seed in range(100)]
    assert np.mean(moved) < 0.25


def test_best_threshold_breaks_ties_towards_half() -> None:
    """Any threshold between 0.1 and 0.3 is equally good; 0.2 is halfway between neighbouring probabilities."""
    labels, chances = np.repeat([0, 1, 1], 10), np.repeat([0.1, 0.3, 0.4], 10)
    assert best_threshold(labels, chances) == pytest.approx(0.2)
    labels = np.repeat([0, 0, 1], 10)
    assert best_threshold(labels, chances) == pytest.approx(0.35)


def test_best_threshold_stays_at_half_with_few_positives() -> None:
    """With nine positives, F1 is too uncertain to move the threshold."""
    chances = np.repeat([0.1, 0.3], [20, 9])
    assert best_threshold((chances > 0.2).astype(int), chances, "f1") == 0.5
    chances = np.repeat([0.1, 0.3], [20, 10])
    assert best_threshold((chances > 0.2).astype(int), chances, "f1") == pytest.approx(0.2)


def test_best_threshold_separates_neighbouring_floats() -> None:
    """If two probabilities have no float between them, the upper one is the threshold."""
    low = np.float64(0.3)
    high = np.nextafter(low, 1)
    labels, chances = np.repeat([0, 1], 20), np.repeat([low, high], 20)
    assert best_threshold(labels, chances) == high


def test_best_thresholds_of_each_task() -> None:
    """Binary has one threshold, multi-label one per label, and other tasks have none."""
    chances = np.repeat([0.1, 0.3], 10)
    labels = (chances > 0.2).astype(int)
    assert best_thresholds("binary", labels, np.c_[1 - chances, chances]) == (pytest.approx(0.2),)
    assert best_thresholds("multilabel", np.c_[labels, labels * 0], np.c_[chances, chances]) == (pytest.approx(0.2), 0.5)
    assert best_thresholds("multiclass", labels, np.c_[1 - chances, chances, chances * 0]) == ()
    assert best_thresholds("regression", chances[:, None], chances[:, None]) == ()
