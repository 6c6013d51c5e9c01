"""Part B: the best epoch's model, kept in memory and on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import keras

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array
from headstart.foundation.runs.files import replacing

__all__ = ["BestCheckpoint"]


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the least ``val_loss``, in a file that is whole at every moment.

    The end of training writes it once more: the optimizer in it is then that of the end, and nothing in the file depends on
    how long an epoch took.

    Args:
        path: A ``.keras`` file.
        every_seconds: At least so long between two writes before the end.

    Attributes:
        best: The least ``val_loss`` so far.
        best_epoch: Its epoch, from 0.
    """

    def __init__(self, path: str | os.PathLike[str], every_seconds: float = 2.0) -> None:
        super().__init__()
        self._path = Path(path)
        self._every_seconds = every_seconds
        self.best, self.best_epoch = float("inf"), -1
        self._weights: list[Array] = []
        self._written = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the training before."""
        self.best, self.best_epoch = float("inf"), -1
        self._weights = []
        self._written = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the model if it is better than any before."""
        val_loss = (logs or {}).get("val_loss", float("nan"))
        if val_loss < self.best:
            self.best, self.best_epoch = val_loss, epoch
            self._weights = self.model.get_weights()
            if time.perf_counter() - self._written > self._every_seconds:
                self.write(self.model)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write the best weights; the model keeps the weights that it ended with."""
        if self._weights:
            last = self.model.get_weights()
            self.restore(self.model)
            self.write(self.model)
            set_weights(self.model, last)

    def get_state(self) -> dict[str, Any]:
        """The best epoch with its weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self._weights}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from that epoch."""
        self.best, self.best_epoch, self._weights = state["best"], state["best_epoch"], state["weights"]

    def write(self, model: keras.Model) -> None:
        """Write a model in place of the one before."""
        with replacing(self._path) as temporary:
            model.save(temporary)
        self._written = time.perf_counter()

    def restore(self, model: keras.Model) -> None:
        """Give ``model`` the best weights."""
        set_weights(model, self._weights)
