"""Which trial is selected: the lowest val_loss, or a network within noise of it in a paired comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data.dataset import Dataset
from headstart.evaluation.comparison import paired_difference
from headstart.evaluation.leaderboard import Row
from headstart.foundation.errors import RunError
from headstart.foundation.runs.run_folder import RunFolder
from headstart.search.model_choice import Choice, choose
from headstart.search.trial_answers import keep_answers, read_answers
from headstart.training.examples import HeldOut

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]


def chosen(losses: dict[str, Array], groups: Array | None = None) -> Choice:
    """Choose among trials with these losses, each named after its network."""
    rows = [Row(name, "done", "table", name, val_loss=float(values.mean())) for name, values in losses.items()]
    found = choose([*rows, Row("failed", "failed", "table", "mlp")], losses.__getitem__, groups)
    assert found is not None
    return found


@pytest.fixture
def hard() -> Array:
    """How hard each of 400 samples is for any model, which varies far more than the difference of two models."""
    return np.random.default_rng(0).exponential(1.0, 400)


@pytest.mark.parametrize(
    ("gap", "noise", "shipped"),
    [(0.03, 0.1, "trees"), (0.003, 0.1, "dnn"), (0.03, 1.0, "dnn"), (0.0, 0.0, "dnn"), (-0.03, 0.1, "dnn")],
    ids=["3% and clear", "less than its noise", "3% within noise", "equal", "the network has the lowest"],
)
def test_choose_selects_trees_if_no_network_is_within_noise(hard: Array, gap: float, noise: float, shipped: str) -> None:
    """A difference of 3% is significant in a paired comparison; without pairs, even 10% would not be."""
    random = np.random.default_rng(1).normal(0.0, noise, len(hard))
    losses = {"trees": hard, "dnn": hard + gap + random - random.mean(), "linear": hard + 0.5, "baseline": hard + 1.0}
    found = chosen(losses)
    assert found.shipped.trial == shipped
    assert found.differences.keys() == losses.keys() - {found.best.trial}
    assert found.shipped.trial in found.reason
    assert ("exports to every format" in found.reason) == (found.shipped is not found.best)


def test_choose_prefers_the_lowest_network_within_noise(hard: Array) -> None:
    """Of several networks within noise of the trees, the one with the lowest ``val_loss`` is selected."""
    random = np.random.default_rng(1).normal(0.0, 1.0, len(hard))
    random -= random.mean()
    assert chosen({"trees": hard, "dnn": hard + random + 0.02, "mlp": hard - random + 0.01}).shipped.trial == "mlp"


@pytest.mark.parametrize(
    ("gap", "noise", "shipped"),
    [(0.02, 1.0, "ensemble"), (0.02, 0.01, "linear"), (-0.02, 0.01, "ensemble")],
    ids=["within noise", "clearly worse", "clearly better"],
)
def test_choose_prefers_the_mean_of_models_within_noise_of_the_best(
    hard: Array, gap: float, noise: float, shipped: str
) -> None:
    """The best network was stopped where it suits the validation samples; a difference beyond noise counts all the same."""
    random = np.random.default_rng(1).normal(0.0, noise, len(hard))
    found = chosen({"linear": hard, "mlp": hard + 0.1, "ensemble": hard + gap + random - random.mean()})
    assert found.shipped.trial == shipped
    assert ("the mean of several models, within one standard error of linear" in found.reason) == (noise == 1.0)


def test_choose_prefers_the_mean_to_a_network_within_noise_of_the_trees(hard: Array) -> None:
    """A mean with trees in it is a network too, and depends less on luck than a single one."""
    random = np.random.default_rng(1).normal(0.0, 1.0, len(hard))
    random -= random.mean()
    losses = {"trees": hard, "linear": hard + random + 0.01, "ensemble": hard - random + 0.02}
    assert chosen(losses).shipped.trial == "ensemble"


def test_choose_compares_trials_on_all_held_out_samples(hard: Array) -> None:
    """Samples of all folds count, not only the validation samples that ``val_loss`` is of, and the reason names them."""
    losses = {"linear": hard, "mlp": hard + 0.1}
    rows = [Row("linear", "done", "table", "linear", val_loss=2.0), Row("mlp", "done", "table", "mlp", val_loss=1.0)]
    choice = choose(rows, losses.__getitem__, None)
    assert choice is not None
    assert choice.shipped.trial == "linear"
    assert "linear (val_loss 2.0000, lowest loss on 400 held-out samples)" in choice.reason


def test_choose_selects_a_constant_only_without_a_network_near_it(hard: Array) -> None:
    """A run whose networks learned nothing still ends with a model, and the reason names it."""
    assert chosen({"baseline": hard}).shipped.trial == "baseline"
    assert chosen({"baseline": hard, "linear": hard + 0.001}).shipped.trial == "baseline"
    assert choose([Row("linear", "failed", "table", "linear")], {}.__getitem__, None) is None


def test_paired_difference_of_groups_has_the_error_of_the_groups() -> None:
    """Copies in a group add no information: with each sample ten times over, the error stays that of the groups."""
    values = np.random.default_rng(0).normal(0.1, 1.0, 50)
    alone = paired_difference(values, np.zeros(50))
    copied = paired_difference(np.repeat(values, 10), np.zeros(500), np.repeat(np.arange(50), 10))
    assert copied.mean == pytest.approx(alone.mean)
    assert copied.standard_error == pytest.approx(alone.standard_error)
    assert (copied.n, copied.num_groups) == (500, 50)
    assert paired_difference(np.repeat(values, 10), np.zeros(500)).standard_error < alone.standard_error / 3


def test_paired_difference_by_hand() -> None:
    """Mean 1/3 and deviations 2/3, 2/3, -4/3: a standard error of sqrt(24/9 / 2 / 3)."""
    found = paired_difference(np.array([1.0, 3.0, 2.0]), np.array([0.0, 2.0, 3.0]))
    assert found.mean == pytest.approx(1 / 3)
    assert found.standard_error == pytest.approx((24 / 9 / 2 / 3) ** 0.5)
    single = paired_difference(np.array([1.0]), np.array([0.0]))
    assert single.standard_error == float("inf")
    assert single.is_noise
    assert "unknown" in str(single)
    assert not paired_difference(np.array([np.inf, 1.0]), np.array([1.0, 1.0])).is_noise


def test_read_answers_rejects_other_files(tmp_path: Path) -> None:
    """Predictions are read back bit for bit; a damaged, missing or foreign file raises H502."""
    folder, samples = RunFolder(tmp_path), np.array([4, 0, 3])
    split = ("validation", "test", "test", "train", "validation")
    dataset = Dataset("t", "binary", "", ("a", "b"), tuple("vwxyz"), np.zeros(5, np.int64), tuple("vwxyz"), split)
    answers = np.random.default_rng(0).random((3, 2), np.float32)
    keep_answers(folder, "linear", HeldOut(samples, answers))
    found = read_answers(folder, "linear", dataset)
    np.testing.assert_array_equal(found.answers, answers)
    np.testing.assert_array_equal(found.at(np.array([3, 4])), answers[[2, 0]])
    file = folder.trial("linear") / "held_out.npz"
    for damaged in (file.read_bytes()[:100], b"", b"PK\x03\x04"):
        file.write_bytes(damaged)
        with pytest.raises(RunError, match="H502"):
            read_answers(folder, "linear", dataset)
    for other in (samples[:2], samples + 1, samples - 1, samples * 0, samples / 1.0, samples[None]):
        keep_answers(folder, "linear", HeldOut(other, answers))
        with pytest.raises(RunError, match="H502"):
            read_answers(folder, "linear", dataset)
    for given in (answers * np.nan, answers[:, :1], answers[0]):
        keep_answers(folder, "linear", HeldOut(samples, given))
        with pytest.raises(RunError, match="H502"):
            read_answers(folder, "linear", dataset)
    with pytest.raises(RunError, match="H502"):
        read_answers(folder, "other", dataset)
