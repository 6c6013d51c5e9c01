"""Part B: the history of a training, a line an epoch."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from headstart.foundation.runs.files import append_json_line, write_bytes

__all__ = ["RunRecorder"]


class RunRecorder(keras.callbacks.Callback):
    """Appends one JSON line an epoch: losses, metrics, the learning rate and the seconds since training began.

    Args:
        path: The history file.

    Attributes:
        seconds_before: What this training took in the processes before, where it was taken up.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._path = Path(path)
        self._start = 0.0
        self.seconds_before = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._start, self.seconds_before = time.perf_counter(), 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Append the epoch's numbers; one that is not finite is written as null."""
        numbers = {name: _finite(value) for name, value in (logs or {}).items()}
        numbers["learning_rate"] = _finite(self.model.optimizer.learning_rate)
        append_json_line(self._path, {"epoch": epoch, **numbers, "seconds": time.perf_counter() - self._start})

    def get_state(self) -> dict[str, Any]:
        """The clock, and how long the file is."""
        num_bytes = self._path.stat().st_size if self._path.exists() else 0
        return {"seconds": time.perf_counter() - self._start, "num_bytes": num_bytes}

    def set_state(self, state: dict[str, Any]) -> None:
        """Set the clock to the seconds trained before; take off lines of later epochs, which will be trained again."""
        self.seconds_before = state["seconds"]
        self._start = time.perf_counter() - self.seconds_before
        if self._path.exists() and self._path.stat().st_size > state["num_bytes"]:
            write_bytes(self._path, self._path.read_bytes()[: state["num_bytes"]])


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
