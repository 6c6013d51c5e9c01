"""Copies of networks compute what the original does: every network of keras.applications, and a user's own."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import headstart
from applications import APPLICATIONS, local_weights
from headstart.data.dataset import Dataset
from headstart.data.readers.arrays import read_arrays
from headstart.features.backbones.backbones import _APPLICATIONS
from headstart.features.backbones.network_weights import finalize_layers, set_weights
from headstart.features.part_a import PartA
from headstart.models.model import Model
from headstart.training.callbacks import BestCheckpoint, TrainingState
from headstart.training.networks.networks import adopt, build_head
from headstart.training.part_b import PartB
from headstart.training.recipe import Recipe

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`input_shape` is undefined or non-square:UserWarning"),  # MobileNet, below 224
]

Array = np.ndarray[Any, Any]

LEAST_SIDES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}  # what Keras allows; 32 for all others
QUICK = ("EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small")
EVERY = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in APPLICATIONS]
_GET_FILE = "keras.src.utils.file_utils.get_file"


def pixels(side: int, number: int = 3) -> Array:
    """Coloured noise of 0..255, each image around a colour and contrast of its own."""
    random = np.random.default_rng(side + number)
    colours, contrasts = random.uniform(60, 190, (number, 1, 1, 3)), random.uniform(10, 60, (number, 1, 1, 1))
    noise = random.normal(size=(number, side, side, 3))
    return np.clip(colours + contrasts * noise, 0, 255).astype(np.float32)


def adapted(shape: tuple[int, ...], units: int = 3) -> keras.Model:
    """A user's own network that begins with a Normalization adapted to their data, one nested and one wrapped."""
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(2)
    data = random.normal(120, 40, (50, *shape)).astype(np.float32)
    normalise = keras.layers.Normalization(name="adapted")
    normalise.adapt(data)
    given = keras.Input(shape)
    inner = keras.Model(given, normalise(given), name="inner")
    rows = keras.Input(shape, name="rows")
    x = keras.layers.Flatten()(inner(rows))
    repeated = keras.layers.RepeatVector(2)(x)
    of_each = keras.layers.Normalization()
    of_each.adapt(random.normal(0.5, 3, (50, x.shape[-1])).astype(np.float32))
    x = keras.layers.Flatten()(keras.layers.TimeDistributed(of_each)(repeated))
    return keras.Model(rows, keras.layers.Dense(units, activation="softmax")(x), name="mine")


def part_b_of(part: PartA, network: str, shape: tuple[int, ...]) -> PartB:
    """Part B for three classes of images, untrained."""
    labels, names = np.arange(6) % 3, tuple(map(str, range(6)))
    dataset = Dataset("made", "multiclass", "", ("ash", "elm", "oak"), names, labels, names, ("train",) * 6)
    return PartB(part, Recipe(network), dataset, shape, 6)


def rows_of(part: PartA, batch: Array) -> Array:
    """Rows of Part A by Keras."""
    tensors = part.tensors()
    return np.asarray(keras.Model(tensors.image, tensors.row).predict(batch, verbose=0))


def factored(batch: Array) -> Array:
    """What Keras adds to EfficientNetB0 to B7 where it fetches the weights: a division by the root of the deviation."""
    factors = np.array([0.229, 0.224, 0.225]) ** -0.5
    offsets = 255 * np.array([0.485, 0.456, 0.406]) * (1 - factors)
    return np.asarray(keras.layers.Rescaling(factors.tolist(), offsets.tolist())(batch))


def keras_features(name: str, path: Path, batch: Array, monkeypatch: pytest.MonkeyPatch) -> Array:
    """What Keras itself gives, with its own preprocessing, for the weights in a file that it takes to be the published.

    Before EfficientNetB0 to B7 our factors and Keras's stand in another order; random weights amplify that rounding a
    hundredfold. So these get the batch as it lies behind our factors; ``test_backbones.py`` holds both orders together.
    """
    shape = batch.shape[1:]
    build = getattr(keras.applications, name)
    if name.startswith("EfficientNetB"):
        network = build(include_top=False, weights=str(path), input_shape=shape, pooling="avg")
        return np.asarray(network.predict(factored(batch), verbose=0))
    with monkeypatch.context() as patch:
        patch.setattr(_GET_FILE, lambda *_, **__: str(path))
        network = build(include_top=False, weights="imagenet", input_shape=shape, pooling="avg")
    preprocess = sys.modules[build.__module__].preprocess_input
    return np.asarray(network.predict(preprocess(batch.copy()), verbose=0))


@pytest.mark.parametrize("name", EVERY)
def test_part_a_gives_the_features_of_keras(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same weights, up to rounding: network, weights and scaling are copied completely."""
    side = LEAST_SIDES.get(name, 32)
    path = local_weights(tmp_path, name, pixels(side, 12))
    batch = pixels(side)
    expected = keras_features(name, path, batch, monkeypatch)
    assert expected.std(axis=0).max() > 0
    ours = rows_of(PartA(name, "avg", path, side=side), batch)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))


def test_contract_covers_every_network_of_keras_applications() -> None:
    """The test of features runs for each card that comes from keras.applications."""
    assert set(APPLICATIONS) == set(_APPLICATIONS)


@pytest.mark.parametrize("stage", ["pixels", *(pytest.param(s, marks=pytest.mark.slow) for s in ("", "block4a_activation"))])
def test_cut_network_and_its_copies_predict_as_keras_does(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joined, saved in a trial's folder, exported and read again: the head sees the features that Keras computes."""
    path = local_weights(tmp_path, "EfficientNetB0", pixels(32, 12))
    batch = pixels(32)
    part = PartA("EfficientNetB0", "avg", path, stage, 32)
    rows = rows_of(part, batch)
    made = part_b_of(part, "linear", rows.shape[1:])
    built, _ = made.build()
    made.set_weights(built.get_weights())
    head = build_head("linear", (1280,), "multiclass", 3)
    head.set_weights(built.get_weights()[-2:])
    expected = np.asarray(head.predict(keras_features("EfficientNetB0", path, batch, monkeypatch), verbose=0))
    assert expected.std(axis=0).min() > 1e-3
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(made.answers(rows), expected, **close)
    np.testing.assert_allclose(made.output(batch), expected, **close)
    made.save(tmp_path)
    made.shipped().save(tmp_path / "shipped.keras")
    again = part_b_of(part, "linear", rows.shape[1:])
    again.restore(tmp_path)
    np.testing.assert_allclose(again.answers(rows), expected, **close)
    np.testing.assert_allclose(again.output(batch), expected, **close)
    loaded = part_b_of(part, "linear", rows.shape[1:])
    loaded.load(tmp_path / "shipped.keras")
    np.testing.assert_allclose(loaded.output(batch), expected, **close)
    plain = keras.models.load_model(tmp_path / "shipped.keras", compile=False)
    np.testing.assert_allclose(np.asarray(plain.predict(batch, verbose=0)), expected, **close)


def test_set_weights_updates_every_normalization_layer() -> None:
    """Nested, wrapped, and after the copy has already predicted; Keras's own set_weights updates none of them."""
    mine = adapted((4, 4, 1))
    batch = np.random.default_rng(0).normal(120, 40, (5, 4, 4, 1)).astype(np.float32)
    expected = mine.predict(batch, verbose=0)
    copy = keras.models.clone_model(mine)
    copy.predict(batch, verbose=0)
    set_weights(copy, mine.get_weights())
    np.testing.assert_allclose(copy.predict(batch, verbose=0), expected, rtol=1e-6)
    assert not finalize_layers(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


@pytest.mark.usefixtures("networks")
def test_user_network_is_copied_with_its_normalization() -> None:
    """A model with an adapted Normalization starts with the predictions of the original, and so do later copies."""
    mine = adapted((6,))
    rows = np.random.default_rng(0).normal(120, 40, (9, 6)).astype(np.float32)
    expected = mine.predict(rows, verbose=0)
    made = part_b_of(PartA("table"), adopt(mine), (6,))
    built, _ = made.build()
    np.testing.assert_allclose(built.predict(rows, verbose=0), expected, rtol=1e-5)
    again = part_b_of(PartA("table"), "mine", (6,))
    again.set_weights(built.get_weights())
    np.testing.assert_allclose(again.answers(rows), expected, rtol=1e-5)
    np.testing.assert_allclose(again.output(rows), expected, rtol=1e-5)


@pytest.mark.usefixtures("networks")
def test_user_network_is_trained_saved_and_exported(tmp_path: Path) -> None:
    """On arrays of images, the trained, the loaded and the exported model agree."""
    random = np.random.default_rng(4)
    labels = np.arange(36) % 3
    images = np.clip(random.normal(60 + 60 * labels[:, None, None, None], 10, (36, 16, 16, 3)), 0, 255).astype(np.uint8)
    model = Model("pixels", head=adapted((16, 16, 3)), side=16)
    model.compile(epochs=2, learning_rate=0.001)
    model.fit(read_arrays(images, labels))
    expected = model.predict(images)
    model.save(tmp_path / "saved")
    loaded = Model.load(tmp_path / "saved").predict(images)
    names = [name for name in expected if name.startswith("p_")]
    np.testing.assert_allclose(loaded[names].to_numpy(float), expected[names].to_numpy(float), atol=1e-5)
    (exported,) = model.export("keras", out=tmp_path / "out")  # checked against the model: H402 where they differ
    assert exported.max_difference <= 1e-4


def test_callbacks_restore_normalization_layers(tmp_path: Path) -> None:
    """BestCheckpoint and TrainingState give a new copy the state of the old one, including its normalisation."""
    mine = adapted((6,))
    rows = np.random.default_rng(0).normal(120, 40, (9, 6)).astype(np.float32)
    expected = mine.predict(rows, verbose=0)
    best = BestCheckpoint(tmp_path / "best.keras")
    best.set_state({"best": 0.1, "best_epoch": 3, "weights": mine.get_weights()})
    copy = keras.models.clone_model(mine)
    best.restore(copy)
    np.testing.assert_allclose(copy.predict(rows, verbose=0), expected, rtol=1e-5)
    mine.compile("sgd", "mse")
    targets = np.eye(3)[np.arange(9) % 3]
    mine.fit(rows, targets, epochs=1, shuffle=False, verbose=0, callbacks=[TrainingState(tmp_path / "state.npz")])
    resumed = keras.models.clone_model(mine)
    resumed.compile("sgd", "mse")
    state = TrainingState(tmp_path / "state.npz")
    settings = {"shuffle": False, "verbose": 0, "initial_epoch": state.initial_epoch}
    resumed.fit(rows, targets, epochs=2, callbacks=[state], **settings)
    mine.fit(rows, targets, epochs=2, **settings)
    np.testing.assert_allclose(resumed.predict(rows, verbose=0), mine.predict(rows, verbose=0), rtol=1e-5)


def _calls(path: Path, belongs: Callable[[ast.Attribute], bool]) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        f"{path.name}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and belongs(node.func)
    ]


def test_only_network_weights_calls_set_weights_of_keras() -> None:
    """All copying goes through ``network_weights``; ``part_b.set_weights`` is Headstart's own and uses it too."""

    def is_keras_own(called: ast.Attribute) -> bool:
        receiver = called.value.attr if isinstance(called.value, ast.Attribute) else getattr(called.value, "id", "")
        return called.attr == "set_weights" and receiver != "part_b"

    folder = Path(headstart.__file__).parent
    found = [call for path in folder.rglob("*.py") if path.stem != "network_weights" for call in _calls(path, is_keras_own)]
    assert found == []
