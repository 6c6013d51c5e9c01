"""Part A: our builds of EfficientNet-Lite answer as the original does, and a cut is one row in Keras and OpenVINO."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset13 as ops

from headstart.features.backbones.backbones import BACKBONES
from headstart.features.backbones.efficientnet_lite import rows
from headstart.features.part_a import POOLINGS, PartA, _halves
from headstart.foundation.errors import BackboneError
from headstart.foundation.fingerprint import settings_digest

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

LITES = [f"efficientnet_lite{variant}" for variant in range(3)]
PRECISE = {"INFERENCE_PRECISION_HINT": "f32"}
HERE = Path(__file__).parents[1]


class Golden(NamedTuple):
    """A variant, its pictures, the original network's answers and ours from Keras."""

    name: str
    pictures: Array
    avg: Array
    places: Array
    values: Array
    maps: Array


@pytest.fixture(scope="module", params=LITES)
def golden(request: pytest.FixtureRequest) -> Golden:
    """The stored answers, the pictures drawn anew, and the Keras build run once."""
    picture = runpy.run_path(str(HERE.parent / "scripts" / "make_golden_features.py"))["picture"]
    name = request.param
    card = BACKBONES[name]
    stored = np.load(HERE / "golden" / f"{name}.npz")
    pictures = np.stack([picture(int(seed), card.size) for seed in stored["seeds"]])
    np.testing.assert_array_equal(pictures.sum(axis=(1, 2)), stored["sums"], "another picture than the stored one")
    image = keras.Input((card.size, card.size, 3))
    maps = keras.Model(image, card.network(image, None, True)).predict(pictures.astype(np.float32), verbose=0)
    return Golden(name, pictures, stored["avg"], stored["places"], stored["values"], maps)


def assert_agrees(actual: Array, expected: Array) -> None:
    """Equal to 1e-4 of a value, or of the values' spread where one is near zero."""
    assert actual.shape == expected.shape
    assert expected.std() > 0
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))


def graph_rows(graph: openvino.Model, pictures: Array) -> Array:
    """Rows of a graph that takes one image at a time."""
    compiled = openvino.Core().compile_model(graph, "CPU", PRECISE)
    return np.concatenate([compiled(picture[None])[0].copy() for picture in pictures])


def test_keras_network_matches_the_original(golden: Golden) -> None:
    """Averages and single positions of the last feature map, including corners, equal those of the PyTorch network."""
    assert_agrees(golden.maps.mean(axis=(1, 2)), golden.avg)
    places = np.stack([golden.maps[:, row, column] for row, column in golden.places], axis=1)
    assert_agrees(places, golden.values)


def test_openvino_network_matches_the_original(golden: Golden) -> None:
    """The network from OpenVINO operations gives the numbers of the PyTorch network."""
    graph = PartA(golden.name, "avg").graph()
    assert graph is not None
    assert_agrees(graph_rows(graph, golden.pictures), golden.avg)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_poolings_give_the_same_row_in_keras_and_openvino(golden: Golden, pooling: str) -> None:
    """Each entry of POOLINGS gives the same numbers in the same order."""
    graph = PartA(golden.name, pooling).graph()
    assert graph is not None
    maps = keras.Input(golden.maps.shape[1:])
    ours = keras.Model(maps, POOLINGS[pooling].layers(maps)).predict(golden.maps, verbose=0)
    assert_agrees(graph_rows(graph, golden.pictures), ours)


def test_part_a_of_a_single_image_equals_that_in_a_batch() -> None:
    """An image alone has the row that it has among others."""
    model = keras.Model(*PartA("efficientnet_lite0", "avg").tensors()[:2])
    batch = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3)).astype(np.float32)
    together = model.predict(batch, verbose=0)
    assert_agrees(model.predict(batch[1:2], verbose=0), together[1:2])
    assert together.shape == (3, 1280)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 4), (7, 7), (9, 8), (1, 5)], ids=str)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_poolings_agree_on_maps_of_any_shape(pooling: str, shape: tuple[int, int]) -> None:
    """Keras and OpenVINO agree on even, odd and single-line maps."""
    maps = np.random.default_rng(1).normal(size=(1, *shape, 5)).astype(np.float32)
    given_maps = keras.Input(maps.shape[1:])
    ours = keras.Model(given_maps, POOLINGS[pooling].layers(given_maps)).predict(maps, verbose=0)
    parameter = ops.parameter([1, 5, *shape], np.float32)
    graph = openvino.Model([POOLINGS[pooling].graph(parameter)], [parameter], "pooling")
    compiled = openvino.Core().compile_model(graph, "CPU", PRECISE)
    assert_agrees(compiled(np.ascontiguousarray(maps.transpose(0, 3, 1, 2)))[0], ours)


def test_poolings_match_values_by_hand() -> None:
    """On a known map of 3 by 3: average, average with maximum, and the four overlapping corners."""
    maps = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    given_maps = keras.Input((3, 3, 1))
    expected = {"avg": [4.0], "avg_max": [4.0, 8.0], "grid2": [2.0, 3.0, 5.0, 6.0]}
    assert set(expected) == set(POOLINGS)
    for pooling, row in expected.items():
        model = keras.Model(given_maps, POOLINGS[pooling].layers(given_maps))
        np.testing.assert_allclose(model.predict(maps, verbose=0), [row])


@given(side=st.integers(1, 64))
def test_halves_cover_a_side_exactly(side: int) -> None:
    """Two windows, from the first line and to the last, leave no line out; a single line is one window."""
    (window,), (step,) = _halves((side,))
    starts = range(0, side - window + 1, step)
    assert len(starts) == min(2, side)
    assert starts[-1] + window == side
    assert step <= window


@given(width=st.floats(0.5, 2.0), depth=st.floats(0.5, 2.0))
def test_residual_blocks_add_equal_shapes(width: float, depth: float) -> None:
    """For any multipliers, additions join equal shapes, names are unique and filters are multiples of eight."""
    channels, opened, names = 3, 0, []
    for row in rows(width, depth):
        opened = channels if row.opens else opened
        channels = channels if row.depthwise else row.filters
        assert row.filters % 8 == 0
        assert not row.adds or (opened == channels and row.stride == 1)
        names.append(row.name)
    assert channels == 1280
    assert len(set(names)) == len(names)


def test_settings_differ_between_parts() -> None:
    """Backbone and pooling both change the cache key; equal parts have equal keys."""
    parts = [PartA(name, pooling) for name in LITES for pooling in POOLINGS]
    digests = [settings_digest(**part.settings()) for part in parts]
    assert len(set(digests)) == len(parts)
    assert [settings_digest(**replace(part).settings()) for part in parts] == digests
    assert parts[0].name == "efficientnet_lite0-grid2"


def test_geometry_comes_from_the_card() -> None:
    """Size, crop and filter are those of the card, and the network takes images of that size."""
    part = PartA("efficientnet_lite2", "avg")
    (card,) = part.cards
    assert part.geometry.as_dict() == {"size": 260, "crop": card.crop, "filter": card.filter} | part.rendering._asdict()
    image, row, _ = part.tensors(load=False)
    assert image.shape == (None, 260, 260, 3)
    assert row.shape == (None, 1280)


def test_tensors_without_load_have_random_weights() -> None:
    """A network for a saved model's weights does not read the checkpoint."""
    keras.utils.set_random_seed(0)
    loaded = keras.Model(*PartA("efficientnet_lite0", "avg").tensors()[:2])
    empty = keras.Model(*PartA("efficientnet_lite0", "avg").tensors(load=False)[:2])
    assert [w.shape for w in loaded.weights] == [w.shape for w in empty.weights]
    assert not np.allclose(loaded.get_layer("stem_conv").get_weights()[0], empty.get_layer("stem_conv").get_weights()[0])


def test_graph_is_none_for_networks_that_only_keras_builds() -> None:
    """A network of keras.applications has no graph; an unknown one is reported when it is looked up."""
    assert PartA("MobileNetV2").graph() is None
    with pytest.raises(BackboneError, match="H201"):
        _ = PartA("mobilenet_v9").cards
