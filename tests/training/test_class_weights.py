"""Part B: rare classes are learned with weights, and answers are for the data as they are all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.tasks import TASKS
from headstart.training.class_weights import IMBALANCE, class_weights, corrected, fold_in, has_open_output
from headstart.training.examples import Examples
from headstart.training.networks.networks import build_head
from headstart.training.recipe import Recipe
from headstart.training.trainer import train

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]


@given(st.lists(st.integers(1, 200), min_size=2, max_size=5))
def test_class_weights_balance_the_classes(counts: list[int]) -> None:
    """Each class has the same total weight, up to a cap; classes of similar size have no weights."""
    labels = np.repeat(np.arange(len(counts)), counts)
    weights = class_weights(labels, len(counts))
    assert (weights is None) == (max(counts) < IMBALANCE * min(counts))
    if weights is not None:
        even = len(labels) / len(counts) / np.array(counts)
        np.testing.assert_allclose(weights, np.minimum(even, 50))


def test_corrected_restores_class_frequencies() -> None:
    """Probabilities for equally frequent classes become those for the actual frequencies, by Bayes' rule."""
    counts = np.array([90, 9, 1])
    weights = class_weights(np.repeat(np.arange(3), counts), 3)
    assert weights is not None
    np.testing.assert_allclose(corrected(np.full((1, 3), 1 / 3), weights), [counts / 100])
    likelihood = np.array([[0.2, 0.5, 0.3]])  # of the row in each class: what an even network answers
    np.testing.assert_allclose(corrected(likelihood, weights), likelihood * counts / (likelihood * counts).sum())


@pytest.mark.parametrize("num_classes", [2, 3])
def test_fold_in_corrects_the_output_layer(num_classes: int) -> None:
    """For softmax and sigmoid, the network then predicts what ``corrected`` computes from its predictions."""
    task = TASKS["binary" if num_classes == 2 else "multiclass"]
    keras.utils.set_random_seed(0)
    network = build_head("mlp", (4,), task.name, num_classes)
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    weights = np.array([0.4, 3.0, 9.0][:num_classes])
    before = task.to_answers(np.asarray(network(rows, training=False)))
    fold_in(network, weights)
    after = task.to_answers(np.asarray(network(rows, training=False)))
    np.testing.assert_allclose(after, corrected(before, weights), atol=1e-5)
    assert np.abs(after - before).max() > 0.05


def test_output_layer_of_a_user_model_is_not_corrected() -> None:
    """The last layer of a user's model is not changed."""
    rows = keras.Input((4,))
    assert has_open_output(build_head("linear", (4,), "multiclass", 3))
    assert not has_open_output(keras.Model(rows, keras.layers.Softmax()(keras.layers.Dense(3)(rows))))
    assert not has_open_output(build_head("ovr_linear", (4,), "multiclass", 3))


def test_training_on_rare_classes_reports_corrected_predictions(tmp_path: Path) -> None:
    """``val_loss`` and weights are those of corrected predictions, which follow the class frequencies."""
    random = np.random.default_rng(0)
    labels = (np.arange(400) % 10 == 0).astype(np.int64)
    rows = (random.normal(size=(400, 3)) + labels[:, None]).astype(np.float32)
    task = TASKS["binary"]
    examples = Examples(rows[:200], labels[:200], rows[200:], labels[200:], task, 2)
    recipe = Recipe("linear", optimizer="adam", learning_rate=0.05, epochs=15)
    trained = train(examples, recipe, tmp_path, build=lambda: (build_head("linear", (3,), "binary", 2), []))
    assert len(trained.weights_of_classes) == 2
    assert trained.weights_of_classes[1] == pytest.approx(5.0)
    head = build_head("linear", (3,), "binary", 2)
    head.set_weights(trained.weights)
    answers = task.to_answers(np.asarray(head(rows[200:])))
    assert trained.val_loss == pytest.approx(task.score(labels[200:], answers), rel=1e-4)
    assert answers[:, 1].mean() == pytest.approx(0.1, abs=0.06)
    for ours, theirs in zip(keras.models.load_model(tmp_path / "model.keras").get_weights(), trained.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
