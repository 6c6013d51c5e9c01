"""Part B: a training that was killed goes on where it stood, to the bit."""

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
# What Keras's own callbacks learn during a fit and would have forgotten in a new one.
KERAS_STATE: dict[type[keras.callbacks.Callback], tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best",),
}
_BEYOND = 2**31 - 1  # an epoch that no training reaches
_SHAPE = {
    "epoch": int,
    "is_finished": bool,
    "history": [{"epoch": int, "logs": {}}],
    "callbacks": [(str, Maybe({}))],
}


@runtime_checkable
class Resumable(Protocol):
    """A callback that can be put back to where it stood at the end of an epoch."""

    def get_state(self) -> dict[str, Any]:
        """What it has learned: plain values, lists and arrays."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what ``get_state`` gave, after ``on_train_begin`` has reset it."""
        ...


class TrainingState(keras.callbacks.Callback):
    """Writes down at the end of epochs all that training needs to go on, and takes it up again where it is found.

    That is: every variable of the model (the seeds of its Dropout layers included, which ``weights`` leaves out), those of
    the optimizer with its learning rate, the epoch, the history, and what the other callbacks know. On a CPU the training
    then goes on bit for bit, provided that the data come in an order that depends on the epoch alone: ``fit`` shuffles
    arrays by a state of its own, so give it a ``PyDataset`` and ``shuffle=False``.

    It stands last in the list, behind the callbacks it saves, since they reset themselves when training begins. A training
    that had come to its end is not trained further: ``initial_epoch`` then lies beyond every last epoch. An epoch that
    was broken off, or whose loss is no number, is not written; the one before it stands.

    Args:
        path: The file, an ``.npz``. It stays when training ends; remove it to start anew.
        callbacks: The other callbacks of the fit, in its order. Those of Keras that have a state are known, ours have
            ``get_state`` and ``set_state``, others are left alone.
        every_seconds: At least so long between two writes; the last epoch is always written.

    Attributes:
        initial_epoch: For ``fit``: the first epoch that is still to be trained.
        is_finished: Whether the training found at ``path`` had been ended by one of its callbacks.

    Raises:
        RunError: The file is damaged (H502), or was written by another backend or a newer Headstart (H510).

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
        """Forget the training before, or take up the one that was found."""
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
        """Count one more."""
        self._num_batches = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the state, unless the last one is too young or this epoch is no place to go on from."""
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
        """Where no epoch was left to train, the history is still that of the whole training."""
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
        if not model.optimizer.built:  # Keras does so at the first step, which is too late
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
        """The callbacks with their states; those without one need not be the same as they were."""
        known = [callback for callback in self._callbacks if _is_known(callback)]
        names, states = [type(callback).__name__ for callback in known], [row for row in saved if row[1] is not None]
        if [name for name, _ in states] != names:
            listed = ", ".join(name for name, _ in states) or "no callbacks"
            raise _unfit(self._path, listed, ", ".join(names) or "no callbacks")
        return [(callback, state) for callback, (_, state) in zip(known, states, strict=True)]

    def _give_history(self) -> None:
        """Put the epochs before into Keras's own history, which resets itself after us."""
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
        "the saved training cannot be continued here",
        received=f"{path}: {received}",
        expected=expected,
        advice="build, compile and call back as in the training that was saved, or remove the file to start anew",
    )
