"""Part B: reasons to end a training before its last epoch: no time left, or a loss that is no number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras

__all__ = ["StopAtDeadline", "StopOnNaN"]


class StopAtDeadline(keras.callbacks.Callback):
    """Ends training after the batch that passes a deadline.

    Args:
        deadline: A value of ``time.perf_counter()``.
        reserve: Gives the seconds, asked for after each batch, by which the end comes earlier: for what is still to do then.

    Attributes:
        is_reached: Whether it ended the training.
    """

    def __init__(self, deadline: float, reserve: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__()
        self._deadline = deadline
        self._reserve = reserve
        self.is_reached = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the training before."""
        self.is_reached = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ask for the end once the deadline has passed."""
        if time.perf_counter() + self._reserve() > self._deadline:
            self.is_reached = self.model.stop_training = True


class StopOnNaN(keras.callbacks.Callback):
    """Ends training after the batch that makes the loss infinite or no number, and remembers which one that was.

    Attributes:
        epoch: Its epoch, from 0; None while all is well.
        batch: Its number in the epoch, from 0; None while all is well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: int | None = None
        self.batch: int | None = None
        self._epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the training before."""
        self.epoch = self.batch = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss. Keras gives the mean since the epoch began, which one bad batch spoils for good."""
        if self.epoch is None and not math.isfinite((logs or {}).get("loss", 0.0)):
            self.epoch, self.batch = self._epoch, batch
            self.model.stop_training = True
