"""Learning-rate schedules that are set before every batch and depend on the step only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from headstart.foundation.errors import UsageError

__all__ = ["CosineWithWarmUp", "OneCycle", "RateSchedule", "StepDecay", "set_rate"]


def set_rate(optimizer: keras.optimizers.Optimizer, rate: float) -> None:
    """Set an optimizer's learning rate.

    Raises:
        UsageError: The optimizer has a schedule of its own (H027).
    """
    try:
        optimizer.learning_rate = rate
    except (TypeError, AttributeError) as error:
        raise UsageError(
            "H027",
            "the optimizer has a schedule of its own",
            received=f"{type(optimizer).__name__} with learning_rate={_schedule_of(optimizer)}",
            expected="an optimizer whose learning rate is a number",
            advice="compile with a number, as in keras.optimizers.Adam(1e-3), or leave the other schedule out",
        ) from error


def _schedule_of(optimizer: keras.optimizers.Optimizer) -> str:
    config = optimizer.get_config().get("learning_rate")
    return str(config.get("class_name")) if isinstance(config, dict) else "a function"


class RateSchedule(keras.callbacks.Callback):
    """Set the learning rate before every batch, as a function of the step.

    The rate depends only on the epoch and the batch, so a resumed training continues with the right rate. Do not combine a
    schedule with ReduceLROnPlateau: each would overwrite the rate that the other one sets.

    Args:
        function: Function from the step (from 0) and the number of steps of the whole training to a learning rate.
        steps_per_epoch: Steps per epoch, needed only for data of unknown length, such as a generator. Defaults to None.

    Example:
        >>> falling = RateSchedule(lambda step, num_steps: 1e-3 * (1 - step / num_steps))
        >>> falling.rate(50, 100)
        0.0005
    """

    def __init__(self, function: Callable[[int, int], float], *, steps_per_epoch: int | None = None) -> None:
        super().__init__()
        self._function = function
        self._steps_per_epoch = steps_per_epoch
        self._steps, self._num_steps, self._epoch = 0, 0, 0

    def rate(self, step: int, num_steps: int) -> float:
        """Return the learning rate of a step (from 0) in a training of ``num_steps`` steps."""
        return float(self._function(step, num_steps))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find out how many steps there will be.

        Raises:
            UsageError: The data have no length and ``steps_per_epoch`` was not given (H024).
        """
        params = self.params or {}
        steps = self._steps_per_epoch or params.get("steps")
        if steps is None:
            raise UsageError(
                "H024",
                "unknown number of steps",
                received="data without a length, and no steps_per_epoch",
                expected="a number of steps per epoch, which the schedule needs to compute the rate",
                advice=f"{type(self).__name__}(..., steps_per_epoch=100), or pass steps_per_epoch to fit",
            )
        self._steps, self._num_steps = steps, steps * params["epochs"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate of this batch."""
        step = min(self._epoch * self._steps + batch, self._num_steps - 1)
        if keras.config.backend() == "jax":  # JAX keeps the variables outside the model during fit
            self.model.jax_state_sync()
        set_rate(self.model.optimizer, self.rate(step, self._num_steps))


class CosineWithWarmUp(RateSchedule):
    """Increase the rate linearly to a peak, then decrease it along half a cosine (Loshchilov and Hutter, 2017).

    See https://arxiv.org/abs/1608.03983, and for the warm-up Goyal et al., 2017, https://arxiv.org/abs/1706.02677.

    Args:
        peak: Highest learning rate.
        warm_up: Share of the training spent on the increase. Defaults to 0.1.
        end: Last rate, as a share of the peak. Defaults to 0.
        steps_per_epoch: Steps per epoch, needed only for data of unknown length. Defaults to None.

    Example:
        >>> schedule = CosineWithWarmUp(1e-3, warm_up=0.1)
        >>> [round(schedule.rate(step, 100), 6) for step in (0, 9, 10, 55, 99)]
        [0.0001, 0.001, 0.001, 0.0005, 0.0]
    """

    def __init__(self, peak: float, *, warm_up: float = 0.1, end: float = 0.0, steps_per_epoch: int | None = None) -> None:
        super().__init__(self._at, steps_per_epoch=steps_per_epoch)
        self._peak, self._warm_up, self._end = peak, warm_up, end

    def _at(self, step: int, num_steps: int) -> float:
        rise = round(self._warm_up * num_steps)
        if step < rise:
            return self._peak * (step + 1) / rise
        return self._peak * _cosine(1.0, self._end, (step - rise) / max(1, num_steps - rise))


class StepDecay(RateSchedule):
    """Multiply the rate by a factor every few epochs.

    Args:
        start: First learning rate.
        factor: Factor by which the rate is multiplied. Defaults to 0.1.
        every_epochs: Number of epochs with the same rate. Defaults to 10.
        steps_per_epoch: Steps per epoch, needed only for data of unknown length. Defaults to None.

    Example:
        >>> schedule = StepDecay(0.1, factor=0.5, every_epochs=2, steps_per_epoch=10)
        >>> [schedule.rate(step, 60) for step in (0, 19, 20, 40)]
        [0.1, 0.1, 0.05, 0.025]
    """

    def __init__(
        self, start: float, *, factor: float = 0.1, every_epochs: int = 10, steps_per_epoch: int | None = None
    ) -> None:
        super().__init__(self._at, steps_per_epoch=steps_per_epoch)
        self._start, self._factor, self._every_epochs = start, factor, every_epochs
        self._steps = steps_per_epoch or 1

    def _at(self, step: int, num_steps: int) -> float:
        return self._start * float(self._factor ** (step // self._steps // self._every_epochs))


class OneCycle(RateSchedule):
    """Increase the rate to a peak and decrease it far below the start, both along half a cosine (Smith, 2018).

    See https://arxiv.org/abs/1803.09820. The momentum is not changed, because it is a constant in Keras's optimizers.

    Args:
        peak: Highest learning rate. ``Model`` finds one if ``compile`` names an optimizer and no ``learning_rate``.
        rise: Share of the training spent on the increase. Defaults to 0.3.
        start: First rate, as a share of the peak. Defaults to 0.04.
        end: Last rate, as a share of the peak. Defaults to 1e-4.
        steps_per_epoch: Steps per epoch, needed only for data of unknown length. Defaults to None.

    Example:
        >>> schedule = OneCycle(1e-2, rise=0.25)
        >>> [round(schedule.rate(step, 101), 6) for step in (0, 25, 100)]
        [0.0004, 0.01, 1e-06]
    """

    def __init__(
        self,
        peak: float,
        *,
        rise: float = 0.3,
        start: float = 0.04,
        end: float = 1e-4,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__(self._at, steps_per_epoch=steps_per_epoch)
        self._peak, self._rise, self._start, self._end = peak, rise, start, end

    def _at(self, step: int, num_steps: int) -> float:
        last = max(1, num_steps - 1)
        top = round(self._rise * last)
        if step < top:
            return self._peak * _cosine(self._start, 1.0, step / top)
        return self._peak * _cosine(1.0, self._end, (step - top) / max(1, last - top))


def _cosine(start: float, end: float, progress: float) -> float:
    """Interpolate from ``start`` to ``end`` along half a cosine, for a progress of 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
