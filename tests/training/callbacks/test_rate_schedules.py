"""Schedules of the learning rate: what each batch of a plain Keras fit is trained with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.foundation.errors import UsageError
from headstart.training.callbacks import CosineWithWarmUp, OneCycle, RateSchedule, StepDecay

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

ROWS, TARGETS = np.ones((8, 1), np.float32), np.zeros((8, 1), np.float32)


class Rates(keras.callbacks.Callback):
    """Notes the rate of every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the optimizer."""
        self.seen.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def network(optimizer: keras.optimizers.Optimizer | None = None) -> keras.Model:
    """One weight, which starts at 1."""
    x = keras.Input((1,))
    model = keras.Model(x, keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(x))
    model.compile(optimizer or keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
    return model


def seen_rates(schedule: RateSchedule, **settings: Any) -> list[float]:
    """The rates of a fit of four steps an epoch."""
    rates = Rates()
    network().fit(ROWS, TARGETS, batch_size=2, verbose=0, callbacks=[schedule, rates], **settings)
    return rates.seen


@pytest.mark.parametrize(
    "schedule",
    [
        CosineWithWarmUp(0.1, warm_up=0.3),
        OneCycle(0.1),
        StepDecay(0.1, factor=0.5, every_epochs=1),
        RateSchedule(lambda step, num_steps: 0.1 + step / num_steps),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_rate_schedule_sets_the_rate_of_each_batch(schedule: RateSchedule) -> None:
    """The optimizer has the rate of each step; a resumed training has the rates of its epoch."""
    seen = seen_rates(schedule, epochs=3)
    assert seen == pytest.approx([schedule.rate(step, 12) for step in range(12)], rel=1e-6)
    assert seen_rates(schedule, epochs=3, initial_epoch=1) == seen[4:]


def test_rate_schedule_takes_effect_in_the_same_step() -> None:
    """A rate of zero leaves the weight unchanged, another rate moves it."""
    model = network()
    schedule = RateSchedule(lambda step, num_steps: 0.0 if step < 4 else 0.25)
    model.fit(ROWS, TARGETS, batch_size=2, epochs=1, verbose=0, callbacks=[schedule])
    assert model.get_weights()[0].item() == 1.0
    model.fit(ROWS, TARGETS, batch_size=2, epochs=2, initial_epoch=1, verbose=0, callbacks=[schedule])
    assert model.get_weights()[0].item() == pytest.approx(0.5**4)  # the gradient of w² is 2w


def test_cosine_with_warm_up_rises_and_falls() -> None:
    """The peak is at the end of the warm-up, half of it in the middle of the fall, and the last rate at the end."""
    schedule = CosineWithWarmUp(2.0, warm_up=0.2, end=0.1)
    assert [schedule.rate(step, 100) for step in (0, 19, 20)] == pytest.approx([0.1, 2.0, 2.0])
    assert schedule.rate(60, 100) == pytest.approx(2.0 * 0.55)
    assert schedule.rate(99, 100) == pytest.approx(0.2, abs=2e-3)


def test_step_decay_halves_the_rate() -> None:
    """Two epochs at each rate, then half of it."""
    assert seen_rates(StepDecay(0.4, factor=0.5, every_epochs=2), epochs=5) == pytest.approx(
        [0.4] * 8 + [0.2] * 8 + [0.1] * 4
    )


def test_one_cycle_ends_far_below_its_start() -> None:
    """The rate rises to the peak in the given share, and ends below its first value."""
    rates = [OneCycle(1.0, rise=0.25, start=0.1, end=0.001).rate(step, 101) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[25] == 1.0
    assert rates[100] == pytest.approx(0.001)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


@given(st.integers(1, 10_000), st.data())
def test_rates_stay_within_bounds(num_steps: int, data: st.DataObject) -> None:
    """However long a training is, every rate is a number from 0 to the peak."""
    step = data.draw(st.integers(0, num_steps - 1))
    for schedule in (CosineWithWarmUp(0.1), OneCycle(0.1), StepDecay(0.1, steps_per_epoch=3)):
        assert 0 <= schedule.rate(step, num_steps) <= 0.1 * (1 + 1e-9)
        assert math.isfinite(schedule.rate(step, num_steps))


def batches() -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Batches without a length."""
    while True:
        yield ROWS[:2], TARGETS[:2]


def test_rate_schedule_needs_a_number_of_steps() -> None:
    """A generator without steps is rejected, and accepted once the number is given to the schedule or to fit."""
    with pytest.raises(UsageError, match=r"H024(.|\n)*OneCycle\(..., steps_per_epoch=100\)"):
        network().fit(batches(), epochs=2, shuffle=False, verbose=0, callbacks=[OneCycle(0.1)])
    rates = Rates()
    network().fit(batches(), epochs=2, steps_per_epoch=3, shuffle=False, verbose=0, callbacks=[OneCycle(0.1), rates])
    assert len(rates.seen) == 6
    assert rates.seen[-1] == pytest.approx(1e-5, rel=1e-4)


def test_rate_schedule_rejects_an_optimizer_with_its_own_schedule() -> None:
    """A schedule that was compiled into the optimizer is not silently overridden."""
    own = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    with pytest.raises(UsageError, match=r"H027(.|\n)*ExponentialDecay"):
        network(own).fit(ROWS, TARGETS, verbose=0, callbacks=[OneCycle(0.1)])
