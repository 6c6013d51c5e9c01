"""Stop a training early: at a deadline, or when the loss is not finite."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras

__all__ = ["StopAtDeadline", "StopOnNaN"]


class StopAtDeadline(keras.callbacks.Callback):
    """Stop training after the batch during which a deadline passes.

    Args:
        deadline: Deadline as a value of ``time.perf_counter()``.
        reserve: Function that returns how many seconds before the deadline to stop, to leave time for work after training.
            It is called after each batch. Defaults to no reserve.

    Attributes:
        is_reached: Whether the deadline ended the training.

    Example::

        one_minute = hs.callbacks.StopAtDeadline(time.perf_counter() + 60)
        model.fit(x, y, epochs=1000, callbacks=[one_minute])
    """

    def __init__(self, deadline: float, reserve: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__()
        self._deadline = deadline
        self._reserve = reserve
        self.is_reached = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset."""
        self.is_reached = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop once the deadline has passed."""
        if time.perf_counter() + self._reserve() > self._deadline:
            self.is_reached = self.model.stop_training = True


class StopOnNaN(keras.callbacks.Callback):
    """Stop training after the first batch whose loss is infinite or NaN, and remember which batch that was.

    Attributes:
        epoch: Epoch of that batch, from 0; None if there was none.
        batch: Number of that batch in its epoch, from 0; None if there was none.

    Example::

        model.fit(x, y, callbacks=[hs.callbacks.StopOnNaN()])
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: int | None = None
        self.batch: int | None = None
        self._epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset."""
        self.epoch = self.batch = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the loss. Keras reports the mean since the epoch began, which stays NaN after one bad batch."""
        if self.epoch is None and not math.isfinite((logs or {}).get("loss", 0.0)):
            self.epoch, self.batch = self._epoch, batch
            self.model.stop_training = True
