"""The heads, and the seam: predict(x) == B(A(x)) for every head behind every cut."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import openvino
import pytest

from headstart.extractor import POOLINGS, PartA
from headstart.networks import NETWORKS, dense_block, join, part_b
from headstart.tasks import TASKS

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

NUM_FEATURES = 12


def block(activation: str = "relu", dropout: float = 0.5, units: int = 6) -> keras.Model:
    """A model of one dense block."""
    rows = keras.Input((NUM_FEATURES,))
    return keras.Model(rows, dense_block(rows, units, activation=activation, dropout=dropout, name="hidden"))


def shake(model: keras.Model, seed: int) -> None:
    """Give every normalisation values that it might learn: a fresh one does nothing, and would hide a missing one."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 2, w.shape) for w in layer.get_weights()])


def test_a_block_is_dense_normalisation_activation_dropout() -> None:
    """The order is fixed, the dense layer has no bias of its own, and the names say what is what."""
    _, dense, norm, activation, dropout = block("relu", 0.25).layers
    kinds = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert [type(layer).__name__ for layer in (dense, norm, activation, dropout)] == kinds
    assert dense.use_bias is False
    assert dense.activation is keras.activations.linear
    assert activation.activation is keras.activations.relu
    assert dropout.rate == 0.25
    assert [layer.name for layer in (dense, norm)] == ["hidden", "hidden_bn"]


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [("relu", "HeNormal"), ("selu", "LecunNormal"), ("tanh", "GlorotUniform"), ("sigmoid", "GlorotUniform")],
)
def test_the_initialiser_follows_the_activation(activation: str, initializer: str) -> None:
    """He for ReLU, LeCun for SELU, Glorot for what is even around zero."""
    assert type(block(activation).layers[1].kernel_initializer).__name__ == initializer


def test_dropout_acts_in_training_and_not_in_predict() -> None:
    """Training drops its share and differs from call to call; predict drops nothing and is the same each time."""
    keras.utils.set_random_seed(1)
    model = block("linear", dropout=0.5, units=400)
    rows = np.random.default_rng(0).normal(size=(20, NUM_FEATURES)).astype(np.float32)
    first, second = (np.asarray(model(rows, training=True)) for _ in range(2))
    assert 0.45 < (first == 0).mean() < 0.55
    assert (first != second).any()
    answered = model.predict(rows, verbose=0)
    assert (answered != 0).all()
    np.testing.assert_array_equal(answered, model.predict(rows, verbose=0))


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_head_answers_its_task(network: str, task: str, num_classes: int) -> None:
    """Rows in; the task's units, activation and initialiser at the end; probabilities of every class come out."""
    head = part_b(network, NUM_FEATURES, task, num_classes)
    last = head.layers[-1]
    assert head.name == network
    assert head.input_shape == (None, NUM_FEATURES)
    assert last.units == TASKS[task].units(num_classes)
    assert keras.activations.serialize(last.activation) == TASKS[task].activation
    assert all(type(layer).__module__.startswith("keras.") for layer in head.layers)
    rows = np.random.default_rng(0).normal(size=(3, NUM_FEATURES)).astype(np.float32)
    probabilities = TASKS[task].to_probabilities(head.predict(rows, verbose=0))
    assert probabilities.shape == (3, 2 if task == "binary" else num_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_heads_are_fresh_each_time() -> None:
    """Two heads share no weights: training one leaves the other alone."""
    first, second = (part_b("linear", NUM_FEATURES, "multiclass", 3) for _ in range(2))
    before = second.get_weights()
    first.set_weights([w + 1 for w in first.get_weights()])
    for old, new in zip(before, second.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Cut(NamedTuple):
    """Lite0 behind one pooling: tensors, images, and their rows by Keras and by OpenVINO."""

    image: Any
    rows: Any
    images: Array
    keras_rows: Array
    graph_rows: Array


@pytest.fixture(scope="module", params=POOLINGS)
def cut(request: pytest.FixtureRequest) -> Cut:
    """Part A, built and run once for all heads."""
    part = PartA("efficientnet_lite0", request.param)
    image, rows = part.tensors()
    images = np.random.default_rng(4).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    graph = part.graph()
    assert graph is not None
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    graph_rows = np.concatenate([compiled(picture[None])[0].copy() for picture in images])
    keras_rows = keras.Model(image, rows).predict(images.astype(np.float32), verbose=0)
    return Cut(image, rows, images, keras_rows, graph_rows)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_seam_is_shut(cut: Cut, network: str) -> None:
    """The joined model answers as Part B does on Part A's rows, whichever engine made them, to 1e-4."""
    head = part_b(network, cut.rows.shape[-1], "multiclass", 3)
    shake(head, seed=2)
    joined = join(cut.image, cut.rows, head).predict(cut.images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(head.predict(cut.keras_rows, verbose=0), joined, atol=1e-4)
    np.testing.assert_allclose(head.predict(cut.graph_rows, verbose=0), joined, atol=1e-4)
    assert np.ptp(joined) > 1e-3


def test_the_joined_model_is_flat_and_shares_the_head(cut: Cut) -> None:
    """No model inside the model, built-in layers only, and the head's own weights at its end."""
    head = part_b("mlp", cut.rows.shape[-1], "multiclass", 3)
    joined = join(cut.image, cut.rows, head)
    assert not any(isinstance(layer, keras.Model) for layer in joined.layers)
    assert all(type(layer).__module__.startswith("keras.src.layers") for layer in joined.layers)
    assert [w.path for w in joined.weights[-len(head.weights) :]] == [w.path for w in head.weights]
    assert all(ours is theirs for ours, theirs in zip(joined.weights[-len(head.weights) :], head.weights, strict=True))
