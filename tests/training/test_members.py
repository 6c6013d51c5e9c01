"""Members of one network: what each learns from, which rows it predicts, and their common temperature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from headstart.data.tasks import TASKS
from headstart.foundation.runs.files import read_json_lines
from headstart.training.examples import Examples
from headstart.training.members import Members
from headstart.training.networks.networks import build_head
from headstart.training.networks.outputs import MEMBERS, outputs_of_members
from headstart.training.recipe import Recipe
from headstart.training.row_batches import predict_rows
from headstart.training.trainer import train

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]
NUM_CLASSES = {"binary": 2, "multiclass": 3, "multilabel": 2, "regression": 2}


def examples_for(task: str, *, num_folds: int = 3) -> Examples:
    """Rows that say much about their labels; the last third of them validate."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(90, 4)).astype(np.float32)
    values = rows[:, :2] + random.normal(size=(90, 2)) / 3
    labels = {
        "binary": (values[:, 0] > 0).astype(np.int64),
        "multiclass": np.digitize(values[:, 0], [-0.5, 0.5]),
        "multilabel": (values > 0).astype(np.int64),
        "regression": values,
    }[task]
    folds = np.arange(90) % num_folds if num_folds > 1 else None
    return Examples(rows[:60], labels[:60], rows[60:], labels[60:], TASKS[task], NUM_CLASSES[task], folds=folds)


def network_for(examples: Examples) -> keras.Model:
    """A small network of members."""
    options = {"units": [16], "members": 2, "dropout": 0.0}
    task, shape = examples.task.name, examples.rows.shape[1:]
    return build_head("tabm", shape, task, examples.num_classes, num_samples=len(examples.rows), options=options)


def trained(examples: Examples, folder: Path) -> tuple[Any, keras.Model]:
    """What a training returns, and its network."""
    keras.utils.set_random_seed(0)
    network = network_for(examples)
    recipe = Recipe("tabm", learning_rate=0.02, epochs=15, schedule="cosine")
    return train(examples, recipe, folder, build=lambda: (network, [])), network


def test_members_learn_from_the_rows_outside_their_fold() -> None:
    """Groups are dealt to the folds in turn; weights are 0 in a member's own fold, and 1 on average."""
    examples = examples_for("multiclass")
    members = Members.of(network_for(examples), examples)
    assert members.folds.tolist() == [0, 1, 2, 0, 1] * 2
    weights = members.weights()
    assert weights is not None
    np.testing.assert_array_equal(weights == 0, (np.arange(90) % 3)[:, None] == members.folds)
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    assert members.rows.shape == (90, 4)
    assert members.targets("sparse_categorical_crossentropy").shape == (90, 10)


def test_members_without_folds_learn_from_all_training_rows() -> None:
    """The validation rows are then left out by all of them."""
    examples = examples_for("binary", num_folds=1)
    members = Members.of(network_for(examples), examples)
    assert members.weights() is None
    assert members.rows is examples.rows
    assert members.held_out_rows is examples.val_rows
    assert members.places.tolist() == list(range(60, 90))
    assert members.targets("binary_crossentropy").shape == (60, 10, 1)


def test_answers_are_of_the_members_that_left_a_row_out() -> None:
    """Outputs of other members, which learned the row, count for nothing."""
    examples = examples_for("regression")
    members = Members.of(network_for(examples), examples)
    outputs = np.where((np.arange(90) % 3)[:, None] == members.folds, np.arange(90.0)[:, None], np.nan)
    outputs = np.nan_to_num(np.stack([outputs, -outputs], axis=-1), nan=1e6)
    expected = np.stack([np.arange(90), -np.arange(90)], axis=1)
    np.testing.assert_allclose(members.answers(outputs), expected, rtol=1e-5)


@pytest.mark.parametrize("num_folds", [1, 3])
@pytest.mark.parametrize("task", NUM_CLASSES)
def test_training_predicts_each_held_out_row_by_members_that_left_it_out(task: str, num_folds: int, tmp_path: Path) -> None:
    """Held-out predictions are those of the returned weights, they are scored, and the file holds the same weights."""
    examples = examples_for(task, num_folds=num_folds)
    result, network = trained(examples, tmp_path)
    members = Members.of(network, examples)
    model = keras.Model(network.inputs, outputs_of_members(network))
    held_out = result.held_out
    assert held_out.samples.tolist() == (list(range(60, 90)) if num_folds == 1 else list(range(90)))
    np.testing.assert_allclose(held_out.answers, members.answers(predict_rows(model, members.held_out_rows)), atol=1e-5)
    assert result.val_loss == examples.task.score(examples.val_labels, held_out.at(np.arange(60, 90)))
    assert result.val_loss < {"binary": 0.5, "multiclass": 0.9, "multilabel": 0.5, "regression": 0.9}[task]
    copy = network_for(examples)
    copy.load_weights(tmp_path / "model.keras")
    for ours, theirs in zip(copy.get_weights(), result.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(read_json_lines(tmp_path / "history.jsonl")) == 15


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_calibration_lowers_the_loss_of_members_that_are_too_sure(task: str) -> None:
    """The temperature is part of the output layer's weights, so that the mean is calibrated too."""
    examples = examples_for(task)
    network = network_for(examples)
    layer = network.get_layer(MEMBERS)
    layer.set_weights([30 * weight for weight in layer.get_weights()])
    members, model = Members.of(network, examples), keras.Model(network.inputs, outputs_of_members(network))
    before = members.answers(predict_rows(model, members.held_out_rows))
    held_out = members.calibrate(model)
    labels = members.labels[members.places]
    assert examples.task.score(labels, held_out.answers) < examples.task.score(labels, before)
    np.testing.assert_allclose(members.answers(predict_rows(model, members.held_out_rows)), held_out.answers, atol=1e-3)
