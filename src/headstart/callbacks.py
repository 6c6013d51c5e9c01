"""Part B: callbacks with one job each, usable in any Keras ``fit``. EarlyStopping and ReduceLROnPlateau are Keras's own.

They share their numbers through the epoch's logs, so the order matters: ``ValidationScore`` first, readers after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from headstart.runfolder import append_json_line, replacing

__all__ = ["BestCheckpoint", "RunRecorder", "StopAtDeadline", "ValidationScore"]

Array = np.ndarray[Any, Any]


class ValidationScore(keras.callbacks.Callback):
    """Puts ``val_loss`` and ``val_accuracy`` into the logs: unweighted, without penalties.

    Keras's own figure, penalties included, goes to ``keras_val_loss``.

    Args:
        rows: Validation inputs.
        labels: Label numbers, ``(n,)``.
        to_probabilities: The network's output to ``(n, classes)``.
        score: Labels and probabilities to a number, lower is better.
        batch_size: Samples a prediction batch.
    """

    def __init__(
        self,
        rows: Array,
        labels: Array,
        to_probabilities: Callable[[Array], Array],
        score: Callable[[Array, Array], float],
        batch_size: int = 1024,
    ) -> None:
        super().__init__()
        self._rows = rows
        self._labels = labels
        self._to_probabilities = to_probabilities
        self._score = score
        self._batch_size = batch_size

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict the validation split once and score it."""
        if logs is None:
            return
        output = self.model.predict(self._rows, batch_size=self._batch_size, verbose=0)
        probabilities = self._to_probabilities(output)
        logs["val_loss"] = self._score(self._labels, probabilities)
        logs["val_accuracy"] = float((probabilities.argmax(axis=1) == self._labels).mean())
        logs["keras_val_loss"] = logs["val_loss"] + float(sum(float(penalty) for penalty in self.model.losses))


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least ``val_loss``, in a file that is whole at every moment.

    Args:
        path: A ``.keras`` file.
        every_seconds: At least so long between two writes; the end of training always writes what is still owed.

    Attributes:
        best: The least ``val_loss`` so far.
        best_epoch: Its epoch, from 0.
    """

    def __init__(self, path: Path, every_seconds: float = 2.0) -> None:
        super().__init__()
        self._path = path
        self._every_seconds = every_seconds
        self.best, self.best_epoch = float("inf"), -1
        self._weights: list[Array] = []
        self._is_owed, self._written = False, 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the training before."""
        self.best, self.best_epoch = float("inf"), -1
        self._weights = []
        self._is_owed, self._written = False, time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the model if it is better than any before."""
        val_loss = (logs or {}).get("val_loss", float("nan"))
        if val_loss < self.best:
            self.best, self.best_epoch = val_loss, epoch
            self._weights, self._is_owed = self.model.get_weights(), True
            if time.perf_counter() - self._written > self._every_seconds:
                self._write()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write the best weights if that is still owed; the model keeps the weights that it ended with."""
        if self._is_owed:
            last = self.model.get_weights()
            self.restore(self.model)
            self._write()
            self.model.set_weights(last)

    def _write(self) -> None:
        with replacing(self._path) as temporary:
            self.model.save(temporary)
        self._is_owed, self._written = False, time.perf_counter()

    def restore(self, model: keras.Model) -> None:
        """Give ``model`` the best weights."""
        model.set_weights(self._weights)


class RunRecorder(keras.callbacks.Callback):
    """Appends one JSON line an epoch: losses, metrics, the learning rate and the seconds since training began.

    Args:
        path: The history file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._start = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Append the epoch's numbers; one that is not finite is written as null."""
        numbers = {name: _finite(value) for name, value in (logs or {}).items()}
        numbers["learning_rate"] = _finite(self.model.optimizer.learning_rate)
        append_json_line(self._path, {"epoch": epoch, **numbers, "seconds": time.perf_counter() - self._start})


class StopAtDeadline(keras.callbacks.Callback):
    """Ends training after the batch that passes a deadline.

    Args:
        deadline: A value of ``time.perf_counter()``.
    """

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ask for the end once the deadline has passed."""
        if time.perf_counter() > self._deadline:
            self.model.stop_training = True


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
