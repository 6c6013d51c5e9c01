"""Held-out predictions are found by sample, whatever their order."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.training.examples import HeldOut


def test_predictions_are_found_by_sample() -> None:
    """In any order, some of them or all; none for no sample."""
    samples = np.random.default_rng(0).permutation(50)[:20]
    held_out = HeldOut(samples, np.stack([samples, -samples], axis=1) / 10)
    for wanted in (samples, samples[::-1], np.sort(samples)[3:7], samples[:0]):
        np.testing.assert_array_equal(held_out.at(wanted), np.stack([wanted, -wanted], axis=1) / 10)


@pytest.mark.parametrize("absent", [-1, 3, 1000])
def test_a_sample_without_a_prediction_is_an_error(absent: int) -> None:
    """Before, between and after the samples that were predicted."""
    held_out = HeldOut(np.array([5, 2]), np.ones((2, 3)))
    with pytest.raises(ValueError, match="without a held-out prediction"):
        held_out.at(np.array([2, absent]))
    with pytest.raises(ValueError, match="without a held-out prediction"):
        HeldOut(np.zeros(0, np.int64), np.ones((0, 3))).at(np.array([absent]))
