"""Thresholds: moved where the validation split says so clearly, and left at 0.5 where it may be chance."""

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
    """Answers of a model whose logits are all off by the same amount; it is calibrated where that is 0."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.5).astype(int)
    logits = 3 * (rng.normal(size=n) / 2 + labels - 0.5) * 4 / 3 + by
    return labels, 1 / (1 + np.exp(-logits))


@settings(max_examples=80, deadline=None)
@given(answered())
def test_a_threshold_is_never_worse_than_the_usual_one(case: tuple[Any, Any]) -> None:
    """On the split that it was chosen on, and it answers some samples either way."""
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
def test_a_model_that_leans_is_set_right(by: float, least: float, most: float) -> None:
    """Where all probabilities are too high or too low the threshold follows them."""
    assert least < best_threshold(*shifted(600, 1, by)) < most
    assert least < best_threshold(*shifted(600, 1, by), "f1") < most


def test_chance_moves_it_rarely() -> None:
    """A calibrated model keeps 0.5 for most validation splits."""
    moved = [best_threshold(*shifted(200, seed, 0.0)) != 0.5 for seed in range(100)]
    assert np.mean(moved) < 0.25


def test_among_equals_the_nearest_wins() -> None:
    """Any threshold between 0.1 and 0.3 would do; halfway between neighbours lies 0.2."""
    labels, chances = np.repeat([0, 1, 1], 10), np.repeat([0.1, 0.3, 0.4], 10)
    assert best_threshold(labels, chances) == pytest.approx(0.2)
    labels = np.repeat([0, 0, 1], 10)
    assert best_threshold(labels, chances) == pytest.approx(0.35)


def test_few_positives_keep_the_usual_threshold() -> None:
    """With nine positives F1 is too uncertain to follow."""
    chances = np.repeat([0.1, 0.3], [20, 9])
    assert best_threshold((chances > 0.2).astype(int), chances, "f1") == 0.5
    chances = np.repeat([0.1, 0.3], [20, 10])
    assert best_threshold((chances > 0.2).astype(int), chances, "f1") == pytest.approx(0.2)


def test_neighbours_without_a_middle_are_told_apart() -> None:
    """Where two probabilities are so near that their mean is one of them, the upper one is the threshold."""
    low = np.float64(0.3)
    high = np.nextafter(low, 1)
    labels, chances = np.repeat([0, 1], 20), np.repeat([low, high], 20)
    assert best_threshold(labels, chances) == high


def test_each_task_has_its_thresholds() -> None:
    """One for two classes, one a label, none for several classes or values."""
    chances = np.repeat([0.1, 0.3], 10)
    labels = (chances > 0.2).astype(int)
    assert best_thresholds("binary", labels, np.c_[1 - chances, chances]) == (pytest.approx(0.2),)
    assert best_thresholds("multilabel", np.c_[labels, labels * 0], np.c_[chances, chances]) == (pytest.approx(0.2), 0.5)
    assert best_thresholds("multiclass", labels, np.c_[1 - chances, chances, chances * 0]) == ()
    assert best_thresholds("regression", chances[:, None], chances[:, None]) == ()
