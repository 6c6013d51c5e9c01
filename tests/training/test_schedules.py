"""Learning rates: a name gives callbacks, and the backbone's own layers move more slowly than the head."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from headstart.foundation.errors import TrainingError
from headstart.training.recipe import Recipe
from headstart.training.schedules import SCHEDULES, slow_down

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def moved(optimizer: keras.optimizers.Optimizer, share: float) -> tuple[float, float]:
    """How far one step moves a tail and a head that begin alike and get the same gradient."""
    inputs = keras.Input((1,))
    tail = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="tail")
    head = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="head")
    model = keras.Model(inputs, keras.layers.Add()([tail(inputs), head(inputs)]))
    slow_down(optimizer, [tail], share)
    model.compile(optimizer=optimizer, loss="mse", run_eagerly=True)
    model.fit(np.ones((8, 1), np.float32), np.ones(8, np.float32), batch_size=8, epochs=1, verbose=0)
    return abs(float(tail.get_weights()[0][0, 0])), abs(float(head.get_weights()[0][0, 0]))


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_slow_down_scales_the_updates_of_a_tail(name: str) -> None:
    """A tenth of the rate is a tenth of the step, for every kind of optimizer."""
    tail, head = moved(keras.optimizers.get(name), 0.1)
    assert head > 0
    assert tail == pytest.approx(0.1 * head, rel=1e-3)


def test_slow_down_does_not_change_the_saved_optimizer() -> None:
    """Its settings are those of the class, so that any Keras can read them."""
    optimizer = keras.optimizers.Adam(0.01)
    before = keras.optimizers.serialize(optimizer)
    slow_down(optimizer, [], 0.1)
    assert keras.optimizers.serialize(optimizer) == before


def test_slow_down_rejects_nadam() -> None:
    """H307: Nadam would count each step twice."""
    with pytest.raises(TrainingError) as caught:
        slow_down(keras.optimizers.Nadam(), [], 0.1)
    assert caught.value.code == "H307"


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_trains(name: str) -> None:
    """Each entry returns callbacks for a Keras fit, with a rate above zero and at most the peak."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", run_eagerly=True)
    rates: list[float] = []

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            rates.append(float(self.model.optimizer.learning_rate))

    callbacks = SCHEDULES[name](Recipe("linear", patience=2), 0.01, 4)
    rows = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    validation = (rows, rows.sum(axis=1))
    model.fit(*validation, batch_size=4, epochs=6, validation_data=validation, verbose=0, callbacks=[*callbacks, Note()])
    assert len(rates) >= 4
    assert all(0 < rate <= 0.01 * 1.0001 for rate in rates)
    assert name in ("plateau", "constant", "step") or rates[-1] < 0.3 * max(rates)
