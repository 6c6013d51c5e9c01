"""Regression targets are scaled for training and converted back, whatever their units."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from headstart.data.target_scaling import LARGEST_LOG, Scaling, fit_scaling, skewness
from headstart.training.networks.outputs import in_units

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

EVEN = np.linspace(100.0, 200.0, 41)
SKEWED = np.exp(np.random.default_rng(0).normal(3, 1.5, 200))

columns = arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.floats(-1e12, 1e12))
scalings = st.lists(st.tuples(st.booleans(), st.floats(-5, 20), st.floats(0.01, 5)), min_size=1, max_size=3).map(
    lambda rows: Scaling(*(tuple(column) for column in zip(*rows, strict=True)))
)


def test_targets_are_standardised() -> None:
    """Mean 0 and deviation 1 on what it was fitted on, each target for itself."""
    values = np.stack([EVEN, -3 * EVEN + 1e6], axis=1)
    scaled = fit_scaling(values).apply(values)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        (EVEN, False),
        (SKEWED, True),
        (-SKEWED, False),
        (SKEWED - 1, False),
        (np.append(np.zeros(50), SKEWED), True),
        (np.append(EVEN, 1e4), False),
        (np.full(9, 7.0), False),
    ],
    ids=["even", "skewed", "skewed downwards", "below zero", "with zeros", "one outlier", "constant"],
)
def test_only_skewed_amounts_become_logarithms(values: Array, is_log: bool) -> None:
    """Those that are never negative, have a long tail, and that the logarithm makes less skewed by half."""
    assert fit_scaling(values[:, None]).logs == (is_log,)
    assert fit_scaling(np.stack([EVEN[:9], np.resize(values, 9)], axis=1)).logs[0] is False


def test_a_target_over_nine_decades_is_learned_in_a_scale_of_its_own() -> None:
    """From 1 to 1e9: every decade gets its room, none is lost, and all come back."""
    values = 10.0 ** np.linspace(0, 9, 91)[:, None]
    scaling = fit_scaling(values)
    scaled = scaling.apply(values)
    assert scaling.logs == (True,)
    assert np.abs(scaled).max() < 2
    assert np.diff(scaled[::10, 0]).min() > 0.2
    np.testing.assert_allclose(scaling.invert(scaled), values, rtol=1e-6)


@given(columns)
def test_what_goes_in_comes_back(values: Array) -> None:
    """Whatever the targets, and also a constant one, to the rounding of the largest of them."""
    scaling = fit_scaling(values)
    scaled = scaling.apply(values)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaling.invert(scaled), values, rtol=1e-6, atol=1e-6 * (1 + np.abs(values).max()))


def test_a_constant_target_is_not_divided_by_nought() -> None:
    """Its answers are that constant."""
    scaling = fit_scaling(np.full((5, 1), 42.0))
    assert scaling.deviations == (1.0,)
    np.testing.assert_array_equal(scaling.invert(np.zeros((2, 1))), [[42.0], [42.0]])
    assert fit_scaling(np.full((10, 1), 0.1)).deviations == (1.0,)  # whose mean is no longer 0.1


def test_answers_beyond_what_was_learned_stay_numbers() -> None:
    """A logarithm of an answer ends at e^80, and an amount that is never negative is never answered as negative."""
    scaling = Scaling((True,), (3.0,), (2.0,))
    values = scaling.invert(np.array([[1e6], [-1e6]]))
    assert values[0, 0] == pytest.approx(np.expm1(LARGEST_LOG))
    assert np.isfinite(np.float32(values)).all()
    assert values[1, 0] == 0.0


@given(scalings)
def test_json_gives_it_back(scaling: Scaling) -> None:
    """As ``signature.json`` holds it, every bit."""
    assert Scaling.from_json(json.loads(json.dumps(scaling.to_json()))) == replace(scaling, smearing=scaling.factors)


@given(scaling=scalings, seed=st.integers(0, 100))
@settings(max_examples=12)
def test_the_graph_inverts_as_the_formula_does(scaling: Scaling, seed: int) -> None:
    """``in_units`` is ``Scaling.invert`` in built-in layers, to the rounding of float32."""
    scaled = np.random.default_rng(seed).normal(0, 3, (20, len(scaling.logs))).astype(np.float32)
    given_ = keras.Input((len(scaling.logs),))
    graph = in_units(keras.Model(given_, given_), scaling)
    expected = scaling.invert(scaled)
    size = np.abs(expected) + np.abs(scaled) * scaling.deviations + np.abs(scaling.means) + 1
    assert (np.abs(np.asarray(graph(scaled)) - expected) / size).max() < 2e-5
    assert all(type(layer).__module__.startswith("keras.src.layers") for layer in graph.layers)


def test_skewness_by_hand() -> None:
    """Nought for a symmetric column and for a constant one; 0, 0, 0, 1 has 2 / sqrt(3)."""
    assert skewness(EVEN) == pytest.approx(0, abs=1e-12)
    assert skewness(np.ones(4)) == skewness(np.full(10, 0.1)) == 0
    assert skewness(np.array([0.0, 0, 0, 1])) == pytest.approx(2 / np.sqrt(3))
