"""Intervals of samples in groups contain the truth as often as stated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, ndtr

from headstart.data.dataset import Dataset
from headstart.data.readers.read import read_table
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.intervals import bootstrap_interval, share_interval, wilson_interval
from headstart.evaluation.roc_auc import macro_area_interval

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]
Bounds = tuple[float, float] | None

NUM_GROUPS, SIZE = 40, 25
GROUPS = np.repeat(np.arange(NUM_GROUPS), SIZE)


def accuracy(random: np.random.Generator, groups: Array | None) -> tuple[Bounds, float]:
    """Accuracy on groups of which some are easy and others hard."""
    ease = random.normal(0, 1.5, NUM_GROUPS)[GROUPS]
    drawn = np.random.default_rng(0).normal(0, 1.5, 100_000)
    return share_interval(random.random(len(GROUPS)) < expit(1 + ease), groups), float(expit(1 + drawn).mean())


def mean_error(random: np.random.Generator, groups: Array | None) -> tuple[Bounds, float]:
    """Mean error on groups whose errors differ in size."""
    errors = random.normal(3, 1, NUM_GROUPS)[GROUPS] + random.exponential(1.0, len(GROUPS))
    return bootstrap_interval(lambda counts: counts @ errors / counts.sum(axis=1), len(GROUPS), groups=groups), 4.0


def area(random: np.random.Generator, groups: Array | None) -> tuple[Bounds, float]:
    """AUC on groups whose scores are shifted together."""
    truth = (random.random(NUM_GROUPS) < 0.5)[GROUPS]
    scores = truth + random.normal(0, 1, NUM_GROUPS)[GROUPS] + random.normal(0, 0.5, len(GROUPS))
    return macro_area_interval(truth[:, None], scores[:, None], groups), float(ndtr(1 / np.sqrt(2 * 1.25)))


@pytest.mark.parametrize(("simulate", "repeats"), [(accuracy, 400), (mean_error, 100), (area, 60)])
def test_grouped_interval_has_the_stated_coverage(simulate: Callable[..., Any], repeats: int) -> None:
    """With 40 groups of 25, coverage is near 95% with groups, and far below if samples are treated as independent."""
    covered = {"grouped": 0, "independent": 0}
    for seed in range(repeats):
        for name, groups in (("grouped", GROUPS), ("independent", None)):
            bounds, truth = simulate(np.random.default_rng([seed, repeats]), groups)
            covered[name] += bounds[0] <= truth <= bounds[1]
    assert covered["grouped"] >= 0.9 * repeats
    assert covered["independent"] <= 0.75 * repeats


def test_interval_of_independent_groups_equals_that_of_samples() -> None:
    """Groups of independent samples hardly widen the interval; groups of one do not change it."""
    hits = np.random.default_rng(0).random(1000) < 0.8
    low, high = wilson_interval(int(hits.sum()), 1000)
    assert share_interval(hits) == (low, high)
    for groups in (GROUPS, np.arange(1000)):
        wide = share_interval(hits, groups)
        assert wide == pytest.approx((low, high), abs=0.015)
        assert wide[1] - wide[0] >= high - low


@pytest.mark.parametrize(
    ("hits", "groups", "expected"),
    [
        ([1] * 50, [0] * 25 + [1] * 25, (0.0, 1.0)),
        ([1] * 50, [0] * 50, wilson_interval(1, 1)),
        ([0] * 100, list(range(20)) * 5, None),
        ([1, 0] * 20, [0] * 20 + [1] * 20, None),
    ],
    ids=["two groups, all right", "one group", "none right", "groups alike"],
)
def test_few_groups_have_wide_intervals(hits: list[int], groups: list[int], expected: Bounds) -> None:
    """Bounds are within 0 and 1 and contain the share; one group counts as one observation."""
    low, high = share_interval(np.array(hits, bool), np.array(groups))
    assert 0 <= low <= np.mean(hits) <= high <= 1
    if expected is not None:
        assert low <= expected[0] + 0.2
        assert high == pytest.approx(expected[1])
    assert high - low > np.subtract(*wilson_interval(sum(hits), len(hits))[::-1])


def test_single_group_has_no_bootstrap_interval() -> None:
    """One group has no bootstrap interval; several have one that is the same each time."""
    errors = np.arange(20.0)

    def mean(counts: Array) -> Array:
        shares: Array = counts @ errors / counts.sum(axis=1)
        return shares

    assert bootstrap_interval(mean, 20, groups=np.zeros(20, int)) is None
    groups = np.repeat(np.arange(4), 5)
    assert bootstrap_interval(mean, 20, groups=groups) == bootstrap_interval(mean, 20, groups=groups)


@pytest.mark.parametrize(
    ("task", "classes", "labels", "answers"),
    [
        ("binary", ["a", "b"], np.arange(40) % 2, np.tile([0.4, 0.6], (40, 1))),
        ("multilabel", ["a", "b"], np.eye(2, dtype=int)[np.arange(40) % 2], np.tile([0.4, 0.6], (40, 1))),
        ("regression", ["y"], np.arange(40.0)[:, None], np.zeros((40, 1))),
    ],
)
def test_evaluation_counts_groups(task: str, classes: list[str], labels: Array, answers: Array) -> None:
    """``num_groups`` is the number of groups, also in JSON, and null if samples are independent."""
    groups = np.repeat(np.arange(8), 5)
    found = evaluate_predictions(task, classes, labels, answers, split="test", groups=groups)
    assert found.num_groups == found.to_json()["num_groups"] == 8
    alone = evaluate_predictions(task, classes, labels, answers, split="test")
    assert alone.to_json()["num_groups"] is None
    assert found.headline.value == alone.headline.value


def test_group_numbers_give_ungrouped_samples_their_own_group() -> None:
    """Group numbers are those of the requested samples; a data set without groups has none."""
    rows = ["a,who,y", *(f"{i},{'' if i % 3 == 0 else f'p{i % 5}'},{'xy'[i % 2]}" for i in range(30))]
    frame = np.array([row.split(",") for row in rows[1:]], object)
    dataset: Dataset = read_table(frame, target=2, group=1)
    numbers = dataset.group_numbers(np.arange(30))
    assert numbers is not None
    assert len(np.unique(numbers)) == 10 + 5
    assert dataset.take([0, 1]).group_numbers(np.array([0, 1])) is not None
    assert read_table(frame[:, [0, 2]], target=1).group_numbers(np.arange(30)) is None
