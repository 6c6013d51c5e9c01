"""Learning-rate finder: choose a learning rate from a sweep over a few dozen batches."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.training.callbacks.rate_schedules import set_rate
from headstart.training.framework_state import random_state, set_random_state

if TYPE_CHECKING:
    import keras

__all__ = ["choose_rate", "find_learning_rate", "sweep"]

_SMOOTHING_STEPS = 2.0  # standard deviation of the window, in steps
_RISE = 2.0  # a loss has diverged if its rise is this many times its previous fall
_BELOW_LOWEST = 2.0  # the rate of the lowest loss is nearly too high: stay below it by this factor


def find_learning_rate(
    model: keras.Model,
    batches: Iterable[Any],
    *,
    low: float = 1e-6,
    high: float = 1.0,
    num_steps: int = 64,
    deadline: float = math.inf,
) -> float:
    """Find a learning rate that is high but safe, to use as the peak of a one-cycle or cosine schedule (Smith, 2015).

    The rate is increased exponentially from batch to batch until the loss diverges (https://arxiv.org/abs/1506.01186).
    Weights, seeds and optimizer are then restored, so the sweep does not affect training. A given model and given batches
    always result in the same rate.

    Args:
        model: A model that is built and compiled.
        batches: A ``PyDataset``, or an iterable of ``(x, y)`` or ``(x, y, weights)``. It is started again when it ends.
        low: First rate. Defaults to 1e-6.
        high: Last rate. Defaults to 1.0.
        num_steps: Steps of the whole sweep, which ends sooner if the loss diverges. Defaults to 64.
        deadline: ``time.perf_counter()`` value after which no further step is made. Defaults to none.

    Raises:
        UsageError: The bounds or the model are unsuitable (H025), the batches end too soon and cannot be started again
            (H026), or the optimizer has a schedule of its own (H027).
    """
    _check(model, low, high, num_steps)
    rates = np.geomspace(low, high, num_steps)
    losses = sweep(model, batches, rates, deadline=deadline)
    return choose_rate(rates[: len(losses)], losses, low=low, high=high)


def sweep(model: keras.Model, batches: Iterable[Any], rates: Array, *, deadline: float = math.inf) -> Array:
    """Train one batch per rate until the loss diverges, is not finite, or time is up. Returns losses; restores the model."""
    import keras

    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    before, seeds = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables], random_state()
    losses: list[float] = []
    try:
        for rate, batch in zip(rates, _endless(batches, len(rates)), strict=False):
            set_rate(model.optimizer, float(rate))
            x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
            loss = float(model.train_on_batch(x, y, sample_weight=weights, return_dict=True)["loss"])
            if not math.isfinite(loss):
                break
            losses.append(loss)
            if _has_diverged(losses) or time.perf_counter() > deadline:
                break
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        set_random_state(seeds)
        model.reset_metrics()
    return np.array(losses)


def choose_rate(rates: Array, losses: Array, *, low: float, high: float) -> float:
    """Choose a learning rate from the losses of a sweep.

    The result is the geometric mean of two rates, read from the smoothed losses: the rate at which half of the fall is
    reached, and half the rate of the lowest loss. The rate of the steepest fall, a common choice, is very sensitive to a
    few unusual batches. If the loss never falls, the result is a tenth of the last rate; with fewer than three losses,
    ``low``.

    Args:
        rates: Increasing rates.
        losses: Loss at each rate, all finite.
        low: Lower bound of the result.
        high: Upper bound of the result.

    Example:
        >>> rates = np.geomspace(1e-5, 1e-1, 9)
        >>> losses = np.array([2.0, 2.0, 2.0, 1.8, 1.2, 0.8, 0.7, 1.5, 5.0])
        >>> round(choose_rate(rates, losses, low=1e-5, high=1e-1), 4)
        0.0007
    """
    if len(rates) < 3:
        return low
    worst_start = losses[: max(3, len(losses) // 4)].max()
    capped = np.minimum(losses, worst_start)  # diverging losses at the end must not affect the smoothing
    smoothed = _smoothed(capped)
    lowest = int(smoothed.argmin())
    start = float(losses[: max(1, lowest // 4)].mean())
    if lowest == 0 or smoothed[lowest] >= start:
        return float(np.clip(rates[-1] / 10, low, high))
    above = np.flatnonzero(smoothed[:lowest] >= (start + smoothed[lowest]) / 2)
    halfway, safe = rates[above[-1] if len(above) else 0], rates[lowest] / _BELOW_LOWEST
    return float(np.clip(math.sqrt(halfway * safe), low, high))


def _smoothed(losses: Array) -> Array:
    """Smooth with a Gaussian window centred on each step, so that the curve is not shifted towards higher rates."""
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps[None, :]) / _SMOOTHING_STEPS) ** 2)
    means: Array = (weights @ losses) / weights.sum(axis=1)
    return means


def _has_diverged(losses: list[float]) -> bool:
    """Whether the losses have risen above the first by ``_RISE`` times their fall, or times half the first if larger."""
    if len(losses) < 6:
        return False
    first, recent = max(losses[:3]), float(np.median(losses[-3:]))  # batches differ, so compare with the worst of the first
    best = min(float(np.median(losses[end - 3 : end])) for end in range(3, len(losses) + 1))
    return recent > first + _RISE * max(first - best, 0.5 * abs(first))


def _endless(batches: Iterable[Any], num_steps: int) -> Iterator[Any]:
    """Repeat the batches without end."""
    count = 0
    while True:
        seen = count
        for batch in batches:
            count += 1
            yield batch
        if count == seen:  # an exhausted generator
            raise UsageError(
                "H026",
                "the batches ended too soon",
                received=f"{count} batches that cannot be iterated again",
                expected=f"{num_steps} batches, or data that can be iterated more than once",
                advice="pass a PyDataset or a list, not a generator, or ask for fewer steps",
            )


def _check(model: keras.Model, low: float, high: float, num_steps: int) -> None:
    if not (model.built and model.compiled):
        received = "a model that is not compiled" if model.built else "a model that is not built"
    elif not (0 < low < high < math.inf):
        received = f"rates from {low} to {high}"
    elif num_steps < 8:
        received = f"{num_steps} steps"
    else:
        return
    raise UsageError(
        "H025",
        "cannot search for a learning rate",
        received=received,
        expected="a built and compiled model, rates 0 < low < high, and at least 8 steps",
        advice="build the model with keras.Input, compile it, and leave the bounds out",
    )
