"""The weights of an ensemble suit the validation split, and the one model that it becomes gives the weighted mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.ensemble import mixing_weights
from headstart.tasks import cross_entropy


@given(seed=st.integers(0, 10_000), members=st.integers(1, 5), classes=st.integers(2, 4))
def test_no_member_alone_is_better(seed: int, members: int, classes: int) -> None:
    """Weights sum to one, none is negative, and the mixture scores at least as well as its best member does."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, 40)
    answers = [random.dirichlet(np.ones(classes), 40) for _ in range(members)]
    weights = mixing_weights(answers, labels)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    mixed = cross_entropy(labels, np.sum([w * p for w, p in zip(weights, answers, strict=True)], axis=0))
    assert mixed <= min(cross_entropy(labels, p) for p in answers) + 0.01


def test_a_member_that_says_nothing_is_left_out() -> None:
    """One that is always wrong beside one that is always right gets no weight at all."""
    labels = np.array([0, 1, 0, 1])
    right = np.eye(2)[labels] * 0.8 + 0.1
    assert mixing_weights([right, 1 - right], labels).tolist() == [1.0, 0.0]
