"""The contract of a cut: wherever a network is cut, what stands before it and what stands behind it are the whole."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras
import numpy as np
import openvino
import pytest

from applications import FAMILIES
from headstart.features.backbones.backbones import BACKBONES
from headstart.features.backbones.stages import crossings
from headstart.features.part_a import PartA
from headstart.foundation.errors import BackboneError

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

LITES = [name for name, card in BACKBONES.items() if card.stages]
OTHERS = [name for name in BACKBONES if name not in (*LITES, *FAMILIES)]
WITHOUT = ("NASNetMobile", "NASNetLarge")  # every block reads the two before it: only the stem and the end are crossed
SIDE = 96  # pixels; the networks are fully convolutional, and small images are quick


def images(side: int, number: int = 2) -> Array:
    """Noise of 0..255."""
    return np.random.default_rng(3).integers(0, 256, (number, side, side, 3)).astype(np.float32)


def shake(model: keras.Model) -> None:
    """Give every normalisation values that it might have learned: a fresh one does nothing, and would hide a missing one."""
    random = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([w * random.uniform(0.8, 1.2, w.shape) + 0.01 for w in layer.get_weights()])


def answer(model: keras.Model, batch: Array) -> Any:
    """What it gives for a batch, an array for each of its outputs, on every backend."""
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(batch))


def assert_every_cut_is_shut(name: str) -> list[str]:
    """What lies between two stages, fed with the first, gives the second: so B(A(x)) is the whole at each of them."""
    image, _, _ = PartA(name, "avg", side=SIDE).tensors(load=False)
    features = BACKBONES[name].network(image, None, False)
    shake(keras.Model(image, features))
    stages = crossings(image, features)
    assert stages[next(reversed(stages))] is features
    rows = answer(keras.Model(image, list(stages.values())), images(SIDE))
    for (before, stage), (row, expected) in zip(pairwise(stages), pairwise(rows), strict=True):
        answered = answer(keras.Model(stages[before], stages[stage]), row)
        assert np.ptp(expected) > 0
        np.testing.assert_allclose(answered, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=stage)
    return list(stages)


@pytest.mark.parametrize("name", [LITES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in LITES[1:])])
def test_every_cut_of_lite_backbones_is_exact(name: str) -> None:
    """Keras after the cut, on OpenVINO's rows, predicts as the whole network does on the image, also in half precision."""
    card, side = BACKBONES[name], 128
    image = keras.Input((side, side, 3))
    features = card.network(image, None, True)
    stages = crossings(image, features)
    assert tuple(stages)[-len(card.stages) :] == card.stages or set(card.stages) <= set(stages)
    batch = images(side, 1)
    expected = answer(keras.Model(image, features), batch)
    for stage in card.stages:
        graph = PartA(name, "avg", stage=stage, side=side).graph()
        assert graph is not None
        compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        row = compiled(batch.astype(np.uint8))[0].copy()
        assert row.shape == (1, *stages[stage].shape[1:])
        for stored, tolerance in ((row, 1e-4), (row.astype(np.float16).astype(np.float32), 1e-2)):
            answered = stored if stages[stage] is features else answer(keras.Model(stages[stage], features), stored)
            np.testing.assert_allclose(answered, expected, atol=tolerance * float(np.abs(expected).max()), err_msg=stage)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_cut_of_one_network_per_family_is_exact(name: str) -> None:
    """Each stage of one network of each family of keras.applications; the last feature map is one of the stages."""
    if name in WITHOUT and keras.backend.backend() == "torch":
        pytest.skip("Keras itself has no NASNet for PyTorch")
    stages = assert_every_cut_is_shut(name)
    assert len(stages) <= 3 if name in WITHOUT else len(stages) > 3


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_cut_of_the_other_networks_is_exact(name: str) -> None:
    """The other cards of the table."""
    stages = assert_every_cut_is_shut(name)
    assert len(stages) <= 3 if name in WITHOUT else len(stages) > 3


def test_unknown_stage_is_rejected_with_the_known_ones() -> None:
    """H206 lists the stages, which for these networks only the built network shows."""
    with pytest.raises(BackboneError) as caught:
        PartA("MobileNetV2", "avg", stage="block_99_add", side=SIDE).tensors(load=False)
    assert caught.value.code == "H206"
    assert "block_12_add" in caught.value.expected


def test_crossings_skip_tensors_inside_a_residual_block() -> None:
    """A tensor inside the block is bypassed by the shortcut; the block's sum is a stage."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    inside = keras.layers.Conv2D(4, 3, padding="same", name="inside")(x)
    out = keras.layers.Add(name="sum")([x, inside])
    last = keras.layers.Conv2D(4, 3, name="last")(out)
    assert list(crossings(image, last)) == ["first", "sum", "last"]
