"""TrainingState: resume a training that was killed, with bit-identical results."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np

from headstart.features.backbones.network_weights import finalize_layers
from headstart.foundation.arrays import Array
from headstart.foundation.errors import RunError
from headstart.foundation.runs.file_reading import held_to
from headstart.foundation.runs.schema import Maybe
from headstart.training.callbacks.state_file import read_tree, write_tree
from headstart.training.framework_state import random_state, set_random_state

__all__ = ["Resumable", "TrainingState"]

FORMAT = 1
# Attributes of Keras's own callbacks that change during a fit and must be restored in a new one.
KERAS_STATE: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best",),
}
_BEYOND = 2**31 - 1  # an epoch number that no training reaches
_SHAPE = {
    "epoch": int,
    "is_finished": bool,
    "history": [{"epoch": int, "logs": {}}],
    "callbacks": [(str, Maybe({}))],
}


@runtime_checkable
class Resumable(Protocol):
    """A callback whose state at the end of an epoch can be saved and restored.

    Implement both methods in a callback of your own that keeps state, so that ``TrainingState`` can resume it.

    Example::

        class CountEpochs(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                self.count = 0

            def on_epoch_end(self, epoch, logs=None):
                self.count += 1

            def get_state(self):
                return {"count": self.count}

            def set_state(self, state):
                self.count = state["count"]
    """

    def get_state(self) -> dict[str, Any]:
        """Return the state as plain values, lists and arrays."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what ``get_state`` returned. Called after ``on_train_begin``, which resets the callback."""
        ...


class TrainingState(keras.callbacks.Callback):
    """Save the whole state of a training at the end of epochs, and resume from it if the file exists.

    The state consists of all variables of the model (including the seeds of its Dropout layers, which ``weights`` omits),
    all variables of the optimizer with its learning rate, the epoch, the history, and the state of the other callbacks. On a
    CPU, a resumed training is bit-identical to an uninterrupted one if the order of the data depends on the epoch only.
    ``fit`` shuffles arrays with a state of its own, so pass a ``PyDataset`` and ``shuffle=False``.

    Put it last in the list of callbacks, after those it saves, because they reset themselves when training begins. A
    training that had ended is not continued: its ``initial_epoch`` is larger than any number of epochs. An interrupted
    epoch, or one whose loss is not finite, is not saved; the file then keeps the epoch before it.

    Args:
        path: Path of the ``.npz`` file. It is kept when training ends; delete it to start from the beginning.
        callbacks: The other callbacks of the fit, in the same order. Saved are Keras's callbacks with a state and callbacks
            with ``get_state`` and ``set_state``; all others are ignored. Defaults to none.
        every_seconds: Minimum number of seconds between two writes; the last epoch is always written. Defaults to 2.0.

    Attributes:
        initial_epoch: First epoch that is still to be trained; pass it to ``fit``.
        is_finished: Whether the training saved at ``path`` was ended by one of its callbacks.

    Raises:
        RunError: The file is damaged (H502), or was written with another backend or a newer Headstart (H510).

    Example:
        >>> others = [keras.callbacks.EarlyStopping("loss", patience=3)]
        >>> state = TrainingState("no such folder/state.npz", others)
        >>> fit = {"callbacks": [*others, state], "initial_epoch": state.initial_epoch, "shuffle": False}
        >>> state.initial_epoch
        0
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        callbacks: Sequence[keras.callbacks.Callback] = (),
        *,
        every_seconds: float = 2.0,
    ) -> None:
        super().__init__()
        self._path = Path(path)
        self._callbacks = list(callbacks)
        self._every_seconds = every_seconds
        self._written, self._num_batches = 0.0, 0
        self._rows: list[dict[str, Any]] = []
        self._is_history_owed = False
        self._saved: dict[str, Any] | None = self._read() if self._path.exists() else None
        self.is_finished = bool(self._saved and self._saved["is_finished"])
        self.initial_epoch = self._saved["epoch"] if self._saved else 0
        if self.is_finished:
            self.initial_epoch = _BEYOND

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset, or restore the saved training."""
        self._written = -math.inf
        self._rows = []
        saved, self._saved = self._saved, None
        self._is_history_owed = saved is not None
        if saved is not None:
            self._restore(saved)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the batches of this epoch."""
        self._num_batches = 0
        self._give_history()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the batch."""
        self._num_batches = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the state, unless the last write is too recent or training cannot be resumed from this epoch."""
        numbers, params = dict(logs or {}), self.params or {}
        self._rows.append({"epoch": epoch, "logs": numbers})
        is_stopped = bool(self.model.stop_training)
        is_broken_off = is_stopped and self._num_batches < (params.get("steps") or 0)
        if is_broken_off or not math.isfinite(numbers.get("loss", 0.0)):
            return
        is_last = is_stopped or epoch + 1 >= params.get("epochs", _BEYOND)
        if is_last or time.perf_counter() - self._written >= self._every_seconds:
            write_tree(self._path, self._state(epoch + 1))
            self._written = time.perf_counter()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Restore the history even if there was no epoch left to train."""
        self._give_history()

    def _state(self, epoch: int) -> dict[str, Any]:
        model = self.model
        return {
            "format": FORMAT,
            "backend": keras.config.backend(),
            "epoch": epoch,
            "is_finished": bool(model.stop_training),
            "history": self._rows,
            "model": _values(model.variables),
            "optimizer": _values(model.optimizer.variables),
            "random_state": random_state(),
            "callbacks": [[type(callback).__name__, _state_of(callback)] for callback in self._callbacks],
        }

    def _read(self) -> dict[str, Any]:
        saved: dict[str, Any] = held_to(self._path, read_tree(self._path), {})
        here = {"format": FORMAT, "backend": keras.config.backend()}
        for name, value in here.items():
            if saved.get(name) != value:
                raise _unfit(self._path, f"{name} {saved.get(name)}", f"{name} {value}")
        held_to(self._path, saved, _SHAPE)
        return saved

    def _restore(self, saved: dict[str, Any]) -> None:
        model = self.model
        if not model.optimizer.built:  # Keras builds it at the first step, which is too late
            model.optimizer.build(model.trainable_variables)
        states = [(callback, state) for callback, state in self._paired(saved["callbacks"]) if state is not None]
        for name, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
            shapes, expected = [value.shape for value in saved[name]], [tuple(v.shape) for v in variables]
            if shapes != expected:
                raise _unfit(self._path, f"{name}: {_described(shapes)}", f"{name}: {_described(expected)}")
        for name, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
            for variable, value in zip(variables, saved[name], strict=True):
                variable.assign(value)
        finalize_layers(model)
        for callback, state in states:
            if isinstance(callback, Resumable):
                callback.set_state(state)
            else:
                for name in next(names for kind, names in KERAS_STATE.items() if isinstance(callback, kind)):
                    setattr(callback, name, state.get(name))
        set_random_state(saved["random_state"])
        self._rows = saved["history"]

    def _paired(self, saved: list[list[Any]]) -> list[tuple[keras.callbacks.Callback, dict[str, Any] | None]]:
        """Pair callbacks with their saved states. Callbacks without a state may differ from those that were saved."""
        known = [callback for callback in self._callbacks if _is_known(callback)]
        names, states = [type(callback).__name__ for callback in known], [row for row in saved if row[1] is not None]
        if [name for name, _ in states] != names:
            listed = ", ".join(name for name, _ in states) or "no callbacks"
            raise _unfit(self._path, listed, ", ".join(names) or "no callbacks")
        return [(callback, state) for callback, (_, state) in zip(known, states, strict=True)]

    def _give_history(self) -> None:
        """Add the earlier epochs to Keras's own history, which is reset after ``on_train_begin`` of this callback."""
        history = getattr(self.model, "history", None)
        if self._is_history_owed and history is not None:
            history.epoch[:0] = [row["epoch"] for row in self._rows]
            for name in {name: None for row in self._rows for name in row["logs"]}:
                before = [row["logs"][name] for row in self._rows if name in row["logs"]]
                history.history[name] = before + history.history.get(name, [])
        self._is_history_owed = False


def _values(variables: Sequence[keras.Variable]) -> list[Array]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _is_known(callback: keras.callbacks.Callback) -> bool:
    return isinstance(callback, (Resumable, *KERAS_STATE))


def _state_of(callback: keras.callbacks.Callback) -> dict[str, Any] | None:
    if isinstance(callback, Resumable):
        return callback.get_state()
    for kind, names in KERAS_STATE.items():
        if isinstance(callback, kind):
            return {name: getattr(callback, name, None) for name in names}
    return None


def _described(shapes: list[tuple[int, ...]]) -> str:
    return f"{len(shapes)} arrays with {sum(math.prod(shape) for shape in shapes):,} numbers"


def _unfit(path: Path, received: str, expected: str) -> RunError:
    return RunError(
        "H510",
        "the saved training cannot be resumed",
        received=f"{path}: {received}",
        expected=expected,
        advice="use the model, optimizer and callbacks of the saved training, or delete the file to start anew",
    )
