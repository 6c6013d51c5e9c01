"""Examples in folds, and held-out predictions, which are found by sample, whatever their order."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.tasks import TASKS
from headstart.training.examples import Examples, HeldOut


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


def make(folds: np.ndarray | None) -> Examples:
    """Six training rows and four validation rows, numbered; the label of a row is its number."""
    rows = np.arange(10.0)[:, None]
    return Examples(rows[:6], np.arange(6), rows[6:], np.arange(6, 10), TASKS["multiclass"], 10, folds=folds)


@pytest.mark.parametrize("folds", [None, np.repeat([-1, 0], [6, 4])], ids=["none", "validation"])
def test_examples_without_folds_are_one_fold(folds: np.ndarray | None) -> None:
    """The validation rows are held out, and the arrays are those that were given."""
    examples = make(folds)
    ((held_out, part),) = examples.in_folds()
    assert held_out.tolist() == [6, 7, 8, 9]
    assert part is examples


def test_examples_in_folds_hold_out_every_row_once() -> None:
    """Rows in no fold are always fitted; labels stay with their rows."""
    folds = np.array([2, 0, 1, -1, 1, 0, 2, 1, 0, 2])
    for number, (held_out, part) in enumerate(make(folds).in_folds()):
        assert held_out.tolist() == np.flatnonzero(folds == number).tolist()
        assert part.val_labels.tolist() == part.val_rows[:, 0].tolist() == held_out.tolist()
        assert part.labels.tolist() == part.rows[:, 0].tolist() == np.flatnonzero(folds != number).tolist()
