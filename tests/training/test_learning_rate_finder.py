"""The learning-rate finder: a usable rate, a model that is as it was, and never a number that is none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.foundation.errors import UsageError
from headstart.training.learning_rate_finder import choose_rate, find_learning_rate, sweep

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

ROWS = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
LABELS = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(np.int64)
BATCHES = [(ROWS[start : start + 16], LABELS[start : start + 16]) for start in range(0, 64, 16)]


def network(optimizer: keras.optimizers.Optimizer, seed: int = 0) -> keras.Model:
    """Dropout and BatchNormalization, so that there is more to put back than weights."""
    keras.utils.set_random_seed(seed)
    rows = keras.Input((4,))
    x = keras.layers.Dense(16)(rows)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Dropout(0.2)(x)
    model = keras.Model(rows, keras.layers.Dense(2, activation="softmax")(x))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def values(model: keras.Model) -> list[Array]:
    """Everything a model and its optimizer hold."""
    return [np.array(keras.ops.convert_to_numpy(v)) for v in [*model.variables, *model.optimizer.variables]]


def trained_loss(rate: float) -> float:
    """The loss of a fresh network after two epochs at a rate."""
    model = network(keras.optimizers.SGD(rate))
    model.fit(ROWS, LABELS, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return float(model.evaluate(ROWS, LABELS, verbose=0)[0])


def test_find_learning_rate_returns_a_useful_rate() -> None:
    """With plain gradient descent, two epochs at the rate found end lower than at a hundredth of it."""
    rate = find_learning_rate(network(keras.optimizers.SGD(0.01)), BATCHES, high=100.0)
    assert trained_loss(rate) < trained_loss(rate / 100) - 0.05


@pytest.mark.parametrize("is_trained", [False, True], ids=["fresh", "trained"])
def test_find_learning_rate_restores_the_model(is_trained: bool) -> None:
    """Weights, statistics, seeds, moments, step and rate: later training is the same as without the finder."""

    def trained(is_found: bool) -> tuple[list[Array], dict[str, list[float]]]:
        model = network(keras.optimizers.Adam(0.01))
        if is_trained:
            model.fit(ROWS, LABELS, batch_size=16, shuffle=False, verbose=0)
        model.optimizer.build(model.trainable_variables)
        # Keras builds the metrics of a fresh model by a look at the data, which moves PyTorch's generator.
        model.test_on_batch(ROWS, LABELS)
        if is_found:
            find_learning_rate(model, BATCHES)
        before = values(model)
        return before, model.fit(ROWS, LABELS, batch_size=16, epochs=2, shuffle=False, verbose=0).history

    (found, first), (plain, second) = trained(True), trained(False)
    for ours, theirs in zip(found, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert first == second


def test_find_learning_rate_is_deterministic() -> None:
    """Twice on one model, and on another with the same weights, it returns one number."""
    model = network(keras.optimizers.Adam(0.01))
    rates = [find_learning_rate(m, BATCHES) for m in (model, model, network(keras.optimizers.Adam(0.5)))]
    assert rates[0] == rates[1] == rates[2]


@pytest.mark.parametrize("optimizer", [lambda: keras.optimizers.SGD(0.1), lambda: keras.optimizers.AdamW(0.1)])
def test_find_learning_rate_stops_at_divergence(optimizer: Callable[[], keras.optimizers.Optimizer]) -> None:
    """A sweep into absurd rates stops where the loss diverges, and the result is far below that rate."""
    model = network(optimizer())
    before = values(model)
    rates = np.geomspace(1e-3, 1e12, 64)
    losses = sweep(model, BATCHES, rates)
    rate = find_learning_rate(model, BATCHES, low=1e-3, high=1e12)
    assert np.isfinite(losses).all()
    assert len(losses) < len(rates)
    assert 1e-3 <= rate < rates[len(losses) - 1]
    for ours, theirs in zip(values(model)[: len(before)], before, strict=False):
        np.testing.assert_array_equal(ours, theirs)


def test_find_learning_rate_of_nan_returns_the_lowest_rate() -> None:
    """Rows of NaN end the sweep at once, and the model is restored."""
    model = network(keras.optimizers.SGD(0.1))
    assert find_learning_rate(model, [(ROWS * np.nan, LABELS)], low=1e-5) == 1e-5
    assert all(np.isfinite(array).all() for array in values(model))


def test_find_learning_rate_restores_the_model_after_an_error() -> None:
    """Data that raise an error have not trained the model."""
    model = network(keras.optimizers.SGD(0.1))
    model.optimizer.build(model.trainable_variables)
    before = values(model)

    def broken() -> Iterable[Any]:
        yield BATCHES[0]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        find_learning_rate(model, broken())
    for ours, theirs in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Dataset(keras.utils.PyDataset):
    """The batches, as Keras takes them."""

    def __len__(self) -> int:
        return len(BATCHES)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        return BATCHES[index]


def test_find_learning_rate_stops_at_the_deadline() -> None:
    """After the deadline only one step is made, and the model is restored."""
    model = network(keras.optimizers.Adam())
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    losses = sweep(model, BATCHES, np.geomspace(1e-6, 1.0, 64), deadline=time.perf_counter())
    assert len(losses) == 1
    for value, was in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(value, was)


def test_find_learning_rate_accepts_any_batches() -> None:
    """A PyDataset, a list and a long enough generator give the same rate; sample weights are used."""
    model = network(keras.optimizers.Adam(0.01))
    expected = find_learning_rate(model, BATCHES, num_steps=16)
    assert find_learning_rate(model, Dataset(), num_steps=16) == expected
    assert find_learning_rate(model, (batch for _ in range(4) for batch in BATCHES), num_steps=16) == expected
    rates = np.geomspace(1e-6, 1.0, 8)
    losses = [sweep(model, [(x, y, np.full(16, weight, np.float32)) for x, y in BATCHES], rates) for weight in (1, 2)]
    assert losses[1][0] == pytest.approx(2 * losses[0][0], rel=1e-5)


def test_find_learning_rate_rejects_a_short_generator() -> None:
    """There is an error, and the model is restored."""
    with pytest.raises(UsageError, match=r"H026(.|\n)*4 batches"):
        find_learning_rate(network(keras.optimizers.SGD(0.1)), iter(BATCHES))


@pytest.mark.parametrize("bounds", [{"low": 0.0}, {"low": 1.0, "high": 0.1}, {"high": math.nan}, {"num_steps": 3}])
def test_find_learning_rate_rejects_invalid_bounds(bounds: dict[str, Any]) -> None:
    """Rates that do not increase, or too few steps."""
    with pytest.raises(UsageError, match="H025"):
        find_learning_rate(network(keras.optimizers.SGD(0.1)), BATCHES, **bounds)


def test_find_learning_rate_rejects_unsuitable_models() -> None:
    """A model that is not built, not compiled, or has a schedule in its optimizer."""
    with pytest.raises(UsageError, match="H025"):
        find_learning_rate(keras.Sequential([keras.layers.Dense(1)]), BATCHES)
    x = keras.Input((4,))
    with pytest.raises(UsageError, match="H025"):
        find_learning_rate(keras.Model(x, keras.layers.Dense(2)(x)), BATCHES)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    with pytest.raises(UsageError, match="H027"):
        find_learning_rate(network(keras.optimizers.SGD(schedule)), BATCHES)


def valley(rates: Array, centre: float) -> Array:
    """A loss that falls from 2.3 around a rate and rises steeply at thirty times that."""
    return 0.5 + 1.8 / (1 + rates / centre) + (rates / (30 * centre)) ** 2


@given(st.floats(1e-5, 1e-2), st.integers(0, 1000))
def test_choose_rate_follows_the_curve(centre: float, seed: int) -> None:
    """Wherever the fall is, and despite noise, the rate is within it and well before the rise."""
    rates = np.geomspace(1e-6, 1.0, 64)
    losses = valley(rates, centre) + np.random.default_rng(seed).normal(0, 0.03, 64)
    kept = losses < 6
    rate = choose_rate(rates[kept], losses[kept], low=1e-6, high=1.0)
    assert 0.3 * centre < rate < 10 * centre


@given(st.lists(st.floats(-1e9, 1e9), max_size=40))
def test_choose_rate_is_always_within_bounds(losses: list[float]) -> None:
    """Whatever the losses are, the result is a valid rate."""
    rates = np.geomspace(1e-6, 1.0, max(1, len(losses)))[: len(losses)]
    assert 1e-6 <= choose_rate(rates, np.array(losses), low=1e-6, high=1.0) <= 1.0
