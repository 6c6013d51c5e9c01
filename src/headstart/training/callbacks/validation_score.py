"""ValidationScore: compute ``val_loss`` and the task's metric in the same way for every network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from headstart.data.tasks import Task
from headstart.foundation.arrays import Array
from headstart.training.row_batches import predict_rows

__all__ = ["ValidationScore"]


class ValidationScore(keras.callbacks.Callback):
    """Add ``val_loss`` and ``val_<metric>`` to the logs, computed without weights and penalties.

    The loss with penalties, which Keras would report, is added as ``keras_val_loss``.

    Args:
        rows: Validation inputs, ``(n, …)``, in memory or mapped from a file.
        labels: Validation labels in the form of the task.
        task: An entry of ``TASKS``, which defines the loss and the metric.
        to_answers: Function from the network's output to predictions. Defaults to None: the task's own.

    Attributes:
        seconds: Seconds that the last pass over the rows took.

    Example::

        score = hs.callbacks.ValidationScore(val_x, val_y, hs.TASKS["multiclass"])
        model.fit(x, y, callbacks=[score, hs.callbacks.BestCheckpoint("best.keras")])
    """

    def __init__(self, rows: Array, labels: Array, task: Task, to_answers: Callable[[Array], Array] | None = None) -> None:
        super().__init__()
        self._rows = rows
        self._labels = labels
        self._task = task
        self._to_answers = to_answers or task.to_answers
        self.seconds = 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict the validation split once and score it."""
        if logs is None:
            return
        start = time.perf_counter()
        answers = self._to_answers(predict_rows(self.model, self._rows))
        self.seconds = time.perf_counter() - start
        logs["val_loss"] = self._task.score(self._labels, answers)
        logs[f"val_{self._task.metric}"] = self._task.measure(self._labels, answers)
        penalties = [float(keras.ops.convert_to_numpy(penalty)) for penalty in self.model.losses]
        logs["keras_val_loss"] = logs["val_loss"] + sum(penalties)
