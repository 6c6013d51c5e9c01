"""Choosing samples to label: the uncertain, typical and different ones."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.uncertainty.active_learning import choose, uncertainties
from headstart.foundation.arrays import Array


@pytest.fixture(scope="module")
def groups() -> tuple[Array, Array]:
    """Six clouds of 40 samples each, in the order of their numbers, and the number of each sample."""
    random = np.random.default_rng(0)
    numbers = np.repeat(np.arange(6), 40)
    return random.normal(0, 9, (6, 20))[numbers] + random.normal(0, 0.5, (240, 20)), numbers


def test_one_sample_of_each_group_is_chosen(groups: tuple[Array, Array]) -> None:
    """Not six of the group with the highest uncertainty, which only comes first."""
    few = np.arange(240) % 40 < 5
    features, numbers = (values[few] for values in groups)
    chosen = choose(features, np.where(numbers == 2, 1.0, 0.5), 6)
    assert sorted(numbers[chosen]) == list(range(6))
    assert numbers[chosen[0]] == 2


def test_samples_that_the_model_is_sure_of_are_not_chosen(groups: tuple[Array, Array]) -> None:
    """However many there are, and however different."""
    features, _ = groups
    weights = np.where(np.arange(240) % 40 < 5, 0.5, 0.1)
    assert (weights[choose(features, weights, 6)] == 0.5).all()


def test_uncertain_groups_get_more(groups: tuple[Array, Array]) -> None:
    """If only two groups are uncertain, they get all."""
    features, numbers = groups
    weights = np.where(np.isin(numbers, (1, 4)), 1.0, 0.0)
    chosen = choose(features, weights, 12)
    assert len(set(chosen)) == 12
    assert np.isin(numbers[chosen], (1, 4)).sum() >= 8


@pytest.mark.parametrize("number", [1, 239, 240, 500])
def test_any_number_may_be_asked_for(groups: tuple[Array, Array], number: int) -> None:
    """All of them if there are no more; each once."""
    features, _ = groups
    chosen = choose(features, np.linspace(1, 0, 240), number)
    assert len(set(chosen)) == len(chosen) == min(number, 240)


def test_equal_samples_do_not_crowd_out_others() -> None:
    """Copies of one picture are one; if there are fewer different ones than asked for, the most uncertain are chosen."""
    features = np.repeat(np.eye(3), [8, 1, 1], axis=0)
    chosen = choose(features, np.ones(10), 2)
    assert len({tuple(features[place]) for place in chosen}) == 2
    assert len(set(choose(features, np.ones(10), 7))) == 7


def test_uncertainty_of_each_task() -> None:
    """The lead of the best class; the mean over labels; nothing for values."""
    sure, torn = [0.98, 0.01, 0.01], [0.4, 0.4, 0.2]
    np.testing.assert_allclose(uncertainties("multiclass", np.array([sure, torn])), [0.03, 1.0])
    np.testing.assert_allclose(uncertainties("binary", np.array([[0.5, 0.5], [1.0, 0.0]])), [1.0, 0.0])
    np.testing.assert_allclose(uncertainties("multilabel", np.array([[0.5, 1.0], [0.5, 0.5]])), [0.5, 1.0])
    np.testing.assert_array_equal(uncertainties("regression", np.array([[3.0], [7.0]])), [1.0, 1.0])
