"""The network of members: groups share no weight, and numbers and codes are embedded for each group."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from headstart.training.networks.networks import build_head
from headstart.training.networks.outputs import outputs_of_members
from headstart.training.networks.table_network import groups_of

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

FEW, MANY = 400, 5000


def members_of(network: keras.Model) -> keras.Model:
    """The network without the mean at its end."""
    return keras.Model(network.inputs, outputs_of_members(network))


@pytest.mark.parametrize(("num_samples", "num_members", "groups"), [(FEW, 20, 5), (MANY, 32, 1)])
def test_tabm_returns_the_mean_of_its_members(num_samples: int, num_members: int, groups: int) -> None:
    """Few rows get five groups, one for each fold; many rows get one group of many members."""
    network = build_head("tabm", (6,), "multiclass", 3, num_samples=num_samples)
    rows = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    members = members_of(network).predict(rows, verbose=0)
    assert members.shape == (7, num_members, 3)
    assert groups_of(network) == groups
    np.testing.assert_allclose(network.predict(rows, verbose=0), members.mean(axis=1), atol=1e-6)


def test_tabm_groups_have_no_weight_in_common() -> None:
    """A change of any weight changes members of one group only, so that a group knows nothing of the rows it left out."""
    network = build_head("tabm", (4,), "regression", 1, num_samples=FEW, code_sizes=(9,), options={"dropout": 0.0})
    rows = np.concatenate([np.random.default_rng(0).normal(size=(30, 3)), np.arange(30)[:, None] % 9], axis=1)
    members, weights = members_of(network), network.get_weights()
    before = members.predict(rows, verbose=0)[..., 0]
    random = np.random.default_rng(1)
    for position, weight in enumerate(weights):
        place = tuple(random.integers(0, side) for side in weight.shape)
        changed = [one.copy() for one in weights]
        changed[position][place] += 10.0
        network.set_weights(changed)
        is_other = (members.predict(rows, verbose=0)[..., 0] != before).any(axis=0)
        assert len({int(number) % groups_of(network) for number in np.flatnonzero(is_other)}) <= 1
    network.set_weights(weights)


def test_tabm_members_differ_only_by_their_scale_and_biases_within_a_group() -> None:
    """The kernels of hidden layers belong to groups; the scales are 1 or -1 before training."""
    network = build_head("tabm", (6,), "binary", 2, num_samples=FEW, options={"members": 3, "units": [8]})
    (scales,) = network.get_layer("scale_of_members").get_weights()
    assert set(np.unique(scales)) == {-1.0, 1.0}
    kernel, bias = network.get_layer("hidden_1").get_weights()
    assert kernel.shape == (5, 30, 8)
    assert bias.shape == (3, 5, 8)


@pytest.mark.parametrize(("num_samples", "is_embedded"), [(89, False), (90, True)])
def test_tabm_embeds_numbers_if_there_are_enough_rows(num_samples: int, *, is_embedded: bool) -> None:
    """With few rows for each column, embeddings would only add noise."""
    names = {layer.name for layer in build_head("tabm", (6,), "binary", 2, num_samples=num_samples).layers}
    assert ("embedded_numbers" in names) == is_embedded
