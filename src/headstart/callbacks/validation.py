"""Part B: the score on the validation split, the same for every network and however it was trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from headstart.batches import predict_rows

__all__ = ["ValidationScore"]

Array = np.ndarray[Any, Any]


class ValidationScore(keras.callbacks.Callback):
    """Puts ``val_loss`` and ``val_accuracy`` into the logs: unweighted, without penalties.

    Keras's own figure, penalties included, goes to ``keras_val_loss``.

    Args:
        rows: Validation inputs, ``(n, …)``, in memory or mapped from a file.
        labels: Label numbers, ``(n,)``.
        to_probabilities: The network's output to ``(n, classes)``.
        score: Labels and probabilities to a number, lower is better.

    Attributes:
        seconds: What the last pass over the rows took.
    """

    def __init__(
        self,
        rows: Array,
        labels: Array,
        to_probabilities: Callable[[Array], Array],
        score: Callable[[Array, Array], float],
    ) -> None:
        super().__init__()
        self._rows = rows
        self._labels = labels
        self._to_probabilities = to_probabilities
        self._score = score
        self.seconds = 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict the validation split once and score it."""
        if logs is None:
            return
        start = time.perf_counter()
        probabilities = self._to_probabilities(predict_rows(self.model, self._rows))
        self.seconds = time.perf_counter() - start
        logs["val_loss"] = self._score(self._labels, probabilities)
        logs["val_accuracy"] = float((probabilities.argmax(axis=1) == self._labels).mean())
        penalties = [float(keras.ops.convert_to_numpy(penalty)) for penalty in self.model.losses]
        logs["keras_val_loss"] = logs["val_loss"] + sum(penalties)
