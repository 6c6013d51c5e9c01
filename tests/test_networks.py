"""The heads, and the seam: predict(x) == B(A(x)) for every head behind every cut."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import openvino
import pytest

from headstart.extractor import POOLINGS, PartA
from headstart.networks import NETWORKS, build_head, join
from headstart.tasks import TASKS

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

NUM_FEATURES = 12
HEADS = [name for name, network in NETWORKS.items() if not network.takes_images]


def shake(model: keras.Model, seed: int) -> None:
    """Give every normalisation values that it might learn: a fresh one does nothing, and would hide a missing one."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 2, w.shape) for w in layer.get_weights()])


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_answers_its_task(network: str, task: str, num_classes: int) -> None:
    """Rows in; the task's units, activation and initialiser at the end; probabilities of every class come out."""
    shape = (32, 32, 3) if NETWORKS[network].takes_images else (NUM_FEATURES,)
    head = build_head(network, shape, task, num_classes)
    last = head.layers[-1]
    assert head.name == network
    assert head.input_shape == (None, *shape)
    assert last.units == TASKS[task].units(num_classes)
    assert keras.activations.serialize(last.activation) == TASKS[task].activation
    assert all(type(layer).__module__.startswith("keras.") for layer in head.layers)
    rows = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    probabilities = TASKS[task].to_probabilities(head.predict(rows, verbose=0))
    assert probabilities.shape == (3, 2 if task == "binary" else num_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_heads_are_fresh_each_time() -> None:
    """Two heads share no weights: training one leaves the other alone."""
    first, second = (build_head("linear", (NUM_FEATURES,), "multiclass", 3) for _ in range(2))
    before = second.get_weights()
    first.set_weights([w + 1 for w in first.get_weights()])
    for old, new in zip(before, second.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Cut(NamedTuple):
    """Lite0 behind one pooling: tensors, images, and their rows by Keras and by OpenVINO."""

    part: PartA
    num_features: int
    images: Array
    keras_rows: Array
    graph_rows: Array


@pytest.fixture(scope="module", params=POOLINGS)
def cut(request: pytest.FixtureRequest) -> Cut:
    """Part A, built and run once for all heads."""
    part = PartA("efficientnet_lite0", request.param)
    tensors = part.tensors()
    images = np.random.default_rng(4).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    graph = part.graph()
    assert graph is not None
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    graph_rows = np.concatenate([compiled(picture[None])[0].copy() for picture in images])
    keras_rows = keras.Model(tensors.image, tensors.row).predict(images.astype(np.float32), verbose=0)
    return Cut(part, keras_rows.shape[1], images, keras_rows, graph_rows)


@pytest.mark.parametrize("network", HEADS)
def test_the_seam_is_shut(cut: Cut, network: str) -> None:
    """The joined model answers as Part B does on Part A's rows, whichever engine made them, to 1e-4."""
    head = build_head(network, (cut.num_features,), "multiclass", 3)
    shake(head, seed=2)
    joined = join(cut.part, lambda _: head).whole.predict(cut.images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(head.predict(cut.keras_rows, verbose=0), joined, atol=1e-4)
    np.testing.assert_allclose(head.predict(cut.graph_rows, verbose=0), joined, atol=1e-4)
    assert np.ptp(joined) > 1e-3


def test_the_joined_model_is_flat_and_shares_the_head(cut: Cut) -> None:
    """No model inside the model, built-in layers only, and the head's own weights at its end."""
    head = build_head("mlp", (cut.num_features,), "multiclass", 3)
    joined = join(cut.part, lambda _: head).whole
    assert not any(isinstance(layer, keras.Model) for layer in joined.layers)
    assert all(type(layer).__module__.startswith("keras.src.layers") for layer in joined.layers)
    assert [w.path for w in joined.weights[-len(head.weights) :]] == [w.path for w in head.weights]
    assert all(ours is theirs for ours, theirs in zip(joined.weights[-len(head.weights) :], head.weights, strict=True))
