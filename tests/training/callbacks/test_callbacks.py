"""Callbacks in a plain Keras fit: each does its one job, and forgets it when the next training begins."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import headstart as hs
from headstart.data.tasks import TASKS
from headstart.training import callbacks
from headstart.training.callbacks import (
    BestCheckpoint,
    RunRecorder,
    StopAtDeadline,
    StopOnNaN,
    TrainingState,
    ValidationScore,
)

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

ROWS = np.random.default_rng(0).normal(size=(32, 5)).astype(np.float32)
LABELS = np.arange(32) % 3


class Script(keras.callbacks.Callback):
    """Puts given values of ``val_loss`` into the logs, and keeps the weights of every epoch."""

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()
        self.values = values
        self.weights: list[list[Array]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Play the next value."""
        assert logs is not None
        logs["val_loss"] = self.values[epoch]
        self.weights.append(self.model.get_weights())


class Fail(keras.callbacks.Callback):
    """Raises at the end of an epoch."""

    def __init__(self, epoch: int, error: BaseException) -> None:
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise when it is time."""
        if epoch == self.epoch:
            raise self.error


def network(l2: float = 0.0) -> keras.Model:
    """A softmax layer, compiled."""
    keras.utils.set_random_seed(0)
    rows = keras.Input((5,))
    x = keras.layers.Dense(3, activation="softmax", kernel_regularizer=keras.regularizers.L2(l2))(rows)
    model = keras.Model(rows, x)
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss="sparse_categorical_crossentropy", run_eagerly=True)
    return model


def fit(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], epochs: int = 3) -> dict[str, list[float]]:
    """A plain Keras fit of four steps an epoch; gives Keras's own history."""
    history = model.fit(ROWS, LABELS, epochs=epochs, batch_size=8, verbose=0, callbacks=list(callbacks))
    return dict(history.history)


def validation_score() -> ValidationScore:
    """The score on other rows, as the trainer makes it."""
    task = TASKS["multiclass"]
    return ValidationScore(ROWS[:10] + 1, LABELS[:10], task)


def assert_same(first: Sequence[Array], second: Sequence[Array]) -> None:
    """Equal arrays, one by one."""
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_val_loss_is_the_score_without_penalties() -> None:
    """``val_loss`` is the task's loss of the predictions; ``keras_val_loss`` is Keras's own number, L2 included."""
    model = network(l2=0.1)
    history = fit(model, [validation_score()], epochs=2)
    predicted = model.predict(ROWS[:10] + 1, verbose=0)
    assert history["val_loss"][-1] == TASKS["multiclass"].score(LABELS[:10], predicted)
    assert history["val_accuracy"][-1] == (predicted.argmax(axis=1) == LABELS[:10]).mean()
    penalty = 0.1 * float(np.square(model.get_weights()[0]).sum())
    assert penalty > 0.01
    assert history["keras_val_loss"][-1] == pytest.approx(history["val_loss"][-1] + penalty, rel=1e-5)
    assert history["keras_val_loss"][-1] == pytest.approx(model.evaluate(ROWS[:10] + 1, LABELS[:10], verbose=0), rel=1e-4)


@pytest.mark.parametrize("name", ["multilabel", "regression"])
def test_validation_score_adds_the_metric_of_the_task(name: str) -> None:
    """``val_macro_auc`` for labels, ``val_r2`` for values, next to their ``val_loss``."""
    task = TASKS[name]
    labels = (np.random.default_rng(0).random((10, 2)) > 0.5).astype(np.int64)
    labels[:2] = [[0, 1], [1, 0]]
    rows = keras.Input((5,))
    keras.utils.set_random_seed(0)
    model = keras.Model(rows, keras.layers.Dense(2, activation=task.activation)(rows))
    model.compile(optimizer="sgd", loss=task.loss, run_eagerly=True)
    score, logs = ValidationScore(ROWS[:10], labels, task), dict[str, float]()
    score.set_model(model)
    score.on_epoch_end(0, logs)
    told = model.predict(ROWS[:10], verbose=0)
    assert set(logs) == {"val_loss", f"val_{task.metric}", "keras_val_loss"}
    assert logs["val_loss"] == pytest.approx(task.score(labels, told), rel=1e-5)
    assert logs[f"val_{task.metric}"] == pytest.approx(task.measure(labels, told), abs=1e-5)


def test_early_stopping_uses_the_validation_score() -> None:
    """EarlyStopping after ValidationScore stops by its ``val_loss``."""
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=10.0)
    history = fit(network(), [validation_score(), stop], epochs=9)
    assert len(history["val_loss"]) == 2


@pytest.mark.parametrize("every_seconds", [0.0, 2.0, 1e9], ids=["always", "default", "at-the-end"])
def test_best_checkpoint_writes_the_best_epoch(tmp_path: Path, every_seconds: float) -> None:
    """However rarely it is written, the file ends as the best epoch's model, and the model keeps its last weights."""
    model, script = network(), Script([3.0, 1.0, 2.0, float("nan"), 1.5])
    checkpoint = BestCheckpoint(tmp_path / "model.keras", every_seconds)
    fit(model, [script, checkpoint], epochs=5)
    assert (checkpoint.best, checkpoint.best_epoch) == (1.0, 1)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same(loaded.get_weights(), script.weights[1])
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations)  # not of whichever epoch it was written in
    assert_same(model.get_weights(), script.weights[4])
    checkpoint.restore(model)
    assert_same(model.get_weights(), script.weights[1])
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_best_checkpoint_resets_when_training_begins(tmp_path: Path) -> None:
    """A second fit with a worse loss still keeps its own best epoch."""
    model, checkpoint = network(), BestCheckpoint(tmp_path / "model.keras", 0.0)
    fit(model, [Script([0.1, 0.2]), checkpoint], epochs=2)
    script = Script([9.0, 8.0, 8.5])
    fit(model, [script, checkpoint])
    assert (checkpoint.best, checkpoint.best_epoch) == (8.0, 1)
    assert_same(keras.models.load_model(tmp_path / "model.keras").get_weights(), script.weights[1])


def test_best_checkpoint_file_is_always_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that is interrupted leaves the previous model, and no other file."""
    model, script = network(), Script([3.0, 2.0])
    save = keras.Model.save

    def half(self: keras.Model, path: Path) -> None:
        if len(script.weights) < 2:
            save(self, path)
            return
        Path(path).write_bytes(b"half a model")
        raise RuntimeError("broken off")

    monkeypatch.setattr(keras.Model, "save", half)
    with pytest.raises(RuntimeError, match="broken off"):
        fit(model, [script, BestCheckpoint(tmp_path / "model.keras", 0.0)])
    assert_same(keras.models.load_model(tmp_path / "model.keras").get_weights(), script.weights[0])
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_best_checkpoint_without_a_score_saves_nothing(tmp_path: Path) -> None:
    """If ``val_loss`` is missing or not finite, there is no file and no best epoch."""
    checkpoint = BestCheckpoint(tmp_path / "model.keras", 0.0)
    fit(network(), [checkpoint])
    fit(network(), [Script([float("nan")] * 3), checkpoint])
    assert (checkpoint.best, checkpoint.best_epoch) == (float("inf"), -1)
    assert list(tmp_path.iterdir()) == []


def test_run_recorder_writes_one_line_per_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line is strict JSON with the epoch, its numbers, the learning rate and the seconds since training began."""
    ticks = iter([100.0, 101.0, 103.0, 500.0, 504.0])
    monkeypatch.setattr("headstart.training.callbacks.run_recorder.time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    model, recorder = network(), RunRecorder(tmp_path / "history.jsonl")
    fit(model, [Script([2.0, float("inf")]), recorder], epochs=2)
    fit(model, [Script([float("nan")]), recorder], epochs=1)

    def refuse(text: str) -> float:
        raise AssertionError(f"{text} is not JSON")

    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    first, second, third = (json.loads(line, parse_constant=refuse) for line in lines)
    assert set(first) == {"epoch", "loss", "val_loss", "learning_rate", "seconds"}
    assert (first["epoch"], first["val_loss"], first["learning_rate"], first["seconds"]) == (0, 2.0, 0.5, 1.0)
    assert (second["epoch"], second["val_loss"], second["seconds"]) == (1, None, 3.0)
    assert (third["epoch"], third["val_loss"], third["seconds"]) == (0, None, 4.0)


@pytest.mark.parametrize(("deadline", "batches"), [(0.0, 1), (float("inf"), 12)], ids=["passed", "far"])
def test_stop_at_deadline_ends_with_the_current_batch(deadline: float, batches: int) -> None:
    """After the deadline one batch is trained, long before it all are, and the epoch ends regularly."""
    count = 0

    def on_batch(batch: int, logs: dict[str, Any]) -> None:
        nonlocal count
        count += 1

    counter = keras.callbacks.LambdaCallback(on_train_batch_end=on_batch)
    history = fit(network(), [counter, validation_score(), StopAtDeadline(deadline)])
    assert count == batches
    assert len(history["val_loss"]) == (1 if batches == 1 else 3)


def test_stop_at_deadline_leaves_a_reserve() -> None:
    """Training ends earlier by the reserve, and ``is_reached`` is True."""
    early, late = (StopAtDeadline(time.perf_counter() + 1000, lambda s=seconds: s) for seconds in (2000.0, 0.0))
    assert len(fit(network(), [early])["loss"]) == 1
    assert early.is_reached
    assert len(fit(network(), [late])["loss"]) == 3
    assert not late.is_reached


def test_stop_at_deadline_has_no_effect_on_a_later_fit() -> None:
    """The same model can be trained further without the callback."""
    model = network()
    fit(model, [StopAtDeadline(0.0)])
    assert len(fit(model, [])["loss"]) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug")], ids=["ctrl-c", "error"])
def test_best_checkpoint_restores_after_an_interrupt(tmp_path: Path, error: BaseException) -> None:
    """However training ends, the best weights so far can be restored."""
    model, script = network(), Script([2.0, 1.0, 3.0, 0.5])
    checkpoint = BestCheckpoint(tmp_path / "model.keras")
    with pytest.raises(type(error)):
        fit(model, [script, checkpoint, Fail(2, error)], epochs=4)
    checkpoint.restore(model)
    assert_same(model.get_weights(), script.weights[1])


def test_callbacks_accept_paths_as_text(tmp_path: Path) -> None:
    """Files named by text are written and found like those named by a Path."""
    model, history, state = (str(tmp_path / name) for name in ("model.keras", "history.jsonl", "state.npz"))
    others = [validation_score(), BestCheckpoint(model, 0.0), RunRecorder(history)]
    fit(network(), [*others, TrainingState(state, others)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl", "model.keras", "state.npz"]
    assert TrainingState(state, others).initial_epoch == 3


@functools.cache
def _names_of_modules() -> frozenset[str]:
    """What all modules of the package list in ``__all__``."""
    modules = [ast.parse(path.read_text()) for path in Path(hs.__file__).parent.rglob("*.py")]
    lists = [node.value for module in modules for node in module.body if ast.unparse(node).startswith("__all__ = ")]
    return frozenset(word for words in lists for word in ast.literal_eval(words))


@pytest.mark.parametrize("name", callbacks.__all__)
def test_documentation_of_callbacks_names_public_parts_only(name: str) -> None:
    """If the documentation of a public callback names a part of Headstart, that part is public too."""
    inner = _names_of_modules() - {*hs.__all__, *callbacks.__all__}
    assert "find_learning_rate" in inner
    assert not inner & set(re.findall(r"``(\w+)", inspect.getdoc(getattr(callbacks, name)) or ""))


def test_stop_on_nan_stops_at_the_first_bad_batch() -> None:
    """Its epoch and batch are remembered, and reset by the next fit."""
    model, stop, count = network(), StopOnNaN(), 0

    def on_batch(batch: int, logs: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        if count == 6:  # the second batch of the second epoch ends in a weight that is no number
            model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])

    fit(model, [keras.callbacks.LambdaCallback(on_train_batch_end=on_batch), stop], epochs=9)
    assert (count, stop.epoch, stop.batch) == (7, 1, 2)
    history = fit(network(), [stop], epochs=2)
    assert (stop.epoch, stop.batch) == (None, None)
    assert len(history["loss"]) == 2
