"""Part B: schedules of the learning rate, set batch by batch. Each is a function of the step alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from headstart.foundation.errors import UsageError

__all__ = ["CosineWithWarmUp", "OneCycle", "RateSchedule", "StepDecay", "set_rate"]


def set_rate(optimizer: keras.optimizers.Optimizer, rate: float) -> None:
    """Give an optimizer another learning rate.

    Raises:
        UsageError: It was compiled with a schedule of its own (H027).
    """
    try:
        optimizer.learning_rate = rate
    except (TypeError, AttributeError) as error:
        raise UsageError(
            "H027",
            "the optimizer has a schedule of its own",
            received=f"{type(optimizer).__name__} with learning_rate={_schedule_of(optimizer)}",
            expected="an optimizer with a number for its learning rate",
            advice="compile with a number, as in keras.optimizers.Adam(1e-3), or leave the other schedule out",
        ) from error


def _schedule_of(optimizer: keras.optimizers.Optimizer) -> str:
    config = optimizer.get_config().get("learning_rate")
    return str(config.get("class_name")) if isinstance(config, dict) else "a function"


class RateSchedule(keras.callbacks.Callback):
    """Sets the learning rate before every batch by a function of the step.

    The rate depends on the epoch and the batch alone, so a training that is taken up again at an epoch goes on with the
    right rate, and there is nothing to reset. ReduceLROnPlateau and a schedule overrule one another; choose one.

    Args:
        function: The step, from 0, and the number of steps in the whole training, to a rate.
        steps_per_epoch: Needed only where ``fit`` cannot know it, as with a generator.

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
        """The learning rate of a step, from 0, in a training of ``num_steps``."""
        return float(self._function(step, num_steps))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Learn how many steps there will be.

        Raises:
            UsageError: ``fit`` does not know it and nobody said it (H024).
        """
        params = self.params or {}
        steps = self._steps_per_epoch or params.get("steps")
        if steps is None:
            raise UsageError(
                "H024",
                "the number of steps is not known",
                received="data without a length, and no steps_per_epoch",
                expected="a number of steps an epoch, from which a schedule knows how far training is",
                advice=f"{type(self).__name__}(..., steps_per_epoch=100), or the same argument for fit",
            )
        self._steps, self._num_steps = steps, steps * params["epochs"]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate of this batch."""
        step = min(self._epoch * self._steps + batch, self._num_steps - 1)
        if keras.config.backend() == "jax":  # there the variables are carried beside the model, which has to be told
            self.model.jax_state_sync()
        set_rate(self.model.optimizer, self.rate(step, self._num_steps))


class CosineWithWarmUp(RateSchedule):
    """Rises in a straight line to the peak, then falls along half a cosine (Loshchilov and Hutter, 2017).

    See https://arxiv.org/abs/1608.03983; the warm-up is that of Goyal et al., 2017, https://arxiv.org/abs/1706.02677.

    Args:
        peak: The highest rate.
        warm_up: Share of the training that the rise takes.
        end: The last rate, as a share of the peak.
        steps_per_epoch: Needed only where ``fit`` cannot know it.

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
    """Multiplies the rate by a factor after every so many epochs.

    Args:
        start: The first rate.
        factor: What it is multiplied by.
        every_epochs: How long each rate holds.
        steps_per_epoch: Needed only where ``fit`` cannot know it.

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
    """Rises to the peak and falls far below the start, both along half a cosine (Smith, 2018).

    See https://arxiv.org/abs/1803.09820. The momentum stays as it is: Keras's optimizers have it as a constant.

    Args:
        peak: The highest rate. ``Model`` finds its own where ``compile`` names an optimizer and no ``learning_rate``.
        rise: Share of the training that the rise takes.
        start: The first rate, as a share of the peak.
        end: The last rate, as a share of the peak.
        steps_per_epoch: Needed only where ``fit`` cannot know it.

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
    """From ``start`` to ``end`` along half a cosine; progress is 0..1."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
