"""BestCheckpoint: save the model of the best epoch."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array
from headstart.foundation.runs.files import replacing

__all__ = ["BestCheckpoint"]


class _Kept(NamedTuple):
    """Values that change in one assignment, so that Ctrl-C between two of them cannot leave weights of another epoch."""

    val_loss: float
    epoch: int
    weights: list[Array]


_NOTHING = _Kept(float("inf"), -1, [])


class BestCheckpoint(keras.callbacks.Callback):
    """Save the model of the epoch with the lowest ``val_loss``. The file is complete at any moment.

    The file is written once more when training ends, with the optimizer's state of the last epoch, so that its content does
    not depend on how long epochs take.

    Args:
        path: Path of the ``.keras`` file.
        every_seconds: Minimum number of seconds between two writes during training. Defaults to 2.0.

    Example::

        checkpoint = hs.callbacks.BestCheckpoint("best.keras")
        model.fit(x, y, validation_data=(val_x, val_y), callbacks=[checkpoint])
        checkpoint.restore(model)
    """

    def __init__(self, path: str | os.PathLike[str], every_seconds: float = 2.0) -> None:
        super().__init__()
        self._path = Path(path)
        self._every_seconds = every_seconds
        self._kept = _NOTHING
        self._written = 0.0

    @property
    def best(self) -> float:
        """Lowest ``val_loss`` so far; infinite before there is one."""
        return self._kept.val_loss

    @property
    def best_epoch(self) -> int:
        """Epoch with the lowest ``val_loss``, from 0; -1 before there is one."""
        return self._kept.epoch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset."""
        self._kept = _NOTHING
        self._written = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the model if it is the best so far."""
        val_loss = (logs or {}).get("val_loss", float("nan"))
        if val_loss < self.best:
            self._kept = _Kept(val_loss, epoch, self.model.get_weights())
            if time.perf_counter() - self._written > self._every_seconds:
                self.write(self.model)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write the best weights to the file. The model itself keeps its last weights."""
        if self._kept.weights:
            last = self.model.get_weights()
            self.restore(self.model)
            self.write(self.model)
            set_weights(self.model, last)

    def get_state(self) -> dict[str, Any]:
        """Return the best epoch and its weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self._kept.weights}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the best epoch and its weights."""
        self._kept = _Kept(state["best"], state["best_epoch"], state["weights"])

    def write(self, model: keras.Model) -> None:
        """Write a model, replacing the file."""
        with replacing(self._path) as temporary:
            model.save(temporary)
        self._written = time.perf_counter()

    def restore(self, model: keras.Model) -> None:
        """Load the best weights into ``model``."""
        set_weights(model, self._kept.weights)
