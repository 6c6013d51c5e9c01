"""The heads, and the seam: predict(x) == B(A(x)) for every head behind every cut."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import openvino
import pytest

from headstart.data.tasks import ONE_VS_REST, TASKS
from headstart.features.part_a import POOLINGS, PartA
from headstart.training.networks.networks import NETWORKS, build_head, join
from headstart.training.networks.one_vs_rest import CALIBRATION, shared_out
from headstart.training.networks.outputs import MEMBERS

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


ONE_FOR_ALL = [name for name, network in NETWORKS.items() if not network.is_one_vs_rest]
ONE_FOR_EACH = [name for name, network in NETWORKS.items() if network.is_one_vs_rest]


def rows_for(network: str) -> Array:
    """A few rows, or images, at random."""
    shape = (32, 32, 3) if NETWORKS[network].takes_images else (NUM_FEATURES,)
    return np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("network", ONE_FOR_ALL)
def test_every_network_fits_its_task(network: str, task: str, num_classes: int) -> None:
    """From rows to the task's units, activation and initializer, with a prediction for each class, label or target."""
    rows = rows_for(network)
    keras.utils.set_random_seed(0)
    head = build_head(network, rows.shape[1:], task, num_classes)
    last = head.layers[-1]
    if NETWORKS[network].has_members:
        last = head.get_layer(MEMBERS)
    assert head.name == network
    assert head.input_shape == (None, *rows.shape[1:])
    assert head.output_shape == (None, TASKS[task].units(num_classes))
    assert head.layers[-1].name == ("values" if task == "regression" else "probabilities")
    assert keras.activations.serialize(last.activation) == TASKS[task].activation
    assert all(type(layer).__module__.startswith("keras.") for layer in head.layers)
    answers = TASKS[task].to_answers(np.asarray(head(rows, training=False)))
    assert answers.shape == (3, 2 if task == "binary" else num_classes)
    assert np.ptp(answers, axis=0).max() > 0  # the row counts
    if TASKS[task].has_classes:
        np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("num_classes", [3, 5])
@pytest.mark.parametrize("network", ONE_FOR_EACH)
def test_one_vs_rest_has_one_network_per_class(network: str, num_classes: int) -> None:
    """No weight is shared, a change of one network moves its output only, and the initial calibration has no effect."""
    rows = rows_for(network)
    head = build_head(network, rows.shape[1:], "multiclass", num_classes)
    before = np.asarray(head(rows))
    models = [head.get_layer(f"class_{number}") for number in range(num_classes)]
    alone = np.concatenate([np.asarray(model(rows)) for model in models], axis=1)
    np.testing.assert_allclose(before, 1 / (1 + np.exp(-alone)), atol=1e-5)
    models[1].set_weights([weight + 0.1 for weight in models[1].get_weights()])
    moved = np.abs(np.asarray(head(rows)) - before).max(axis=0) > 0
    assert moved.tolist() == [number == 1 for number in range(num_classes)]
    assert [w.path for w in head.get_layer(CALIBRATION).trainable_weights] == []
    np.testing.assert_allclose(ONE_VS_REST.to_answers(before).sum(axis=1), 1, rtol=1e-5)


def test_shared_out_normalises_one_vs_rest() -> None:
    """It equals the task's ``to_answers`` in built-in layers, without NaN if every class is surely absent."""
    head = build_head("ovr_linear", (NUM_FEATURES,), "multiclass", 3)
    rows = rows_for("ovr_linear")
    shipped = shared_out(head)
    np.testing.assert_allclose(np.asarray(shipped(rows)), ONE_VS_REST.to_answers(np.asarray(head(rows))), rtol=1e-5)
    gamma, beta, mean, variance = head.get_layer(CALIBRATION).get_weights()
    head.get_layer(CALIBRATION).set_weights([gamma, beta - 1e4, mean, variance])
    assert np.asarray(head(rows)).max() == 0.0
    assert np.isfinite(np.asarray(shipped(rows))).all()
    assert all(
        type(layer).__module__.startswith("keras.src.layers") or layer.name.startswith("class_") for layer in shipped.layers
    )


CODES = [5, 40]


@pytest.mark.parametrize("network", HEADS)
def test_codes_of_categories_are_embedded_or_left_out(network: str) -> None:
    """The last columns of a table's rows are codes: networks that embed look them up, others drop them."""
    rows = np.random.default_rng(0).normal(size=(6, NUM_FEATURES + 2)).astype(np.float32)
    rows[:, -2:] = [[number % 5, number * 7] for number in range(6)]
    task = "multiclass"
    head = build_head(network, (NUM_FEATURES + 2,), task, 3, code_sizes=CODES)
    embeddings = [layer for layer in head.layers if isinstance(layer, keras.layers.Embedding)]
    assert [layer.input_dim for layer in embeddings] == (CODES if NETWORKS[network].embeds else [])
    other = rows.copy()
    other[:, -1] = 39 - other[:, -1]
    before, after = (np.asarray(head(given, training=False)) for given in (rows, other))
    assert np.array_equal(before, after) != NETWORKS[network].embeds
    assert all(type(layer).__module__.startswith("keras.src.layers") or layer.name[:6] == "class_" for layer in head.layers)
    if embeddings:  # the number of a code is a name: where both codes have one vector, they are one category
        table = embeddings[1].get_weights()[0]
        embeddings[1].set_weights([np.tile(table[:1], (len(table), 1))])
        before, after = (np.asarray(head(given, training=False)) for given in (rows, other))
        np.testing.assert_array_equal(before, after)


def test_build_head_shares_no_weights() -> None:
    """Training one head does not change another."""
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


@pytest.mark.parametrize("network", [name for name in HEADS if name != "ovr_linear"])  # it ends as ovr_mlp does
def test_joined_model_equals_part_b_on_part_a(cut: Cut, network: str) -> None:
    """To 1e-4, whichever engine computed the rows."""
    head = build_head(network, (cut.num_features,), "multiclass", 3)
    shake(head, seed=2)
    joined = join(cut.part, lambda _: head).whole.predict(cut.images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(head.predict(cut.keras_rows, verbose=0), joined, atol=1e-4)
    np.testing.assert_allclose(head.predict(cut.graph_rows, verbose=0), joined, atol=1e-4)
    assert np.ptp(joined) > 1e-3


def test_joined_model_is_flat_and_shares_the_head(cut: Cut) -> None:
    """There is no nested model, all layers are built in, and the last weights are those of the head."""
    head = build_head("mlp", (cut.num_features,), "multiclass", 3)
    joined = join(cut.part, lambda _: head).whole
    assert not any(isinstance(layer, keras.Model) for layer in joined.layers)
    assert all(type(layer).__module__.startswith("keras.src.layers") for layer in joined.layers)
    assert [w.path for w in joined.weights[-len(head.weights) :]] == [w.path for w in head.weights]
    assert all(ours is theirs for ours, theirs in zip(joined.weights[-len(head.weights) :], head.weights, strict=True))
