"""RunRecorder: write the history of a training, one JSON line per epoch."""

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
    """Append one JSON line per epoch with losses, metrics, the learning rate and the seconds since training began.

    Args:
        path: Path of the history file.

    Attributes:
        seconds_before: Seconds that a resumed training took in earlier processes; 0 otherwise.

    Example::

        model.fit(x, y, callbacks=[hs.callbacks.RunRecorder("history.jsonl")])
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
        """Append the epoch's numbers. Numbers that are not finite are written as null."""
        numbers = {name: _finite(value) for name, value in (logs or {}).items()}
        numbers["learning_rate"] = _finite(self.model.optimizer.learning_rate)
        append_json_line(self._path, {"epoch": epoch, **numbers, "seconds": time.perf_counter() - self._start})

    def get_state(self) -> dict[str, Any]:
        """Return the seconds so far and the length of the file."""
        num_bytes = self._path.stat().st_size if self._path.exists() else 0
        return {"seconds": time.perf_counter() - self._start, "num_bytes": num_bytes}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the clock, and remove lines of later epochs, which will be trained again."""
        self.seconds_before = state["seconds"]
        self._start = time.perf_counter() - self.seconds_before
        if self._path.exists() and self._path.stat().st_size > state["num_bytes"]:
            write_bytes(self._path, self._path.read_bytes()[: state["num_bytes"]])


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
