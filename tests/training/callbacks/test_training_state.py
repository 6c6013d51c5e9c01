"""A training that was killed and taken up again is the same, to the bit, as one that was not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

import headstart as hs
from headstart.foundation.errors import RunError
from headstart.search.request import Request
from headstart.training.callbacks import BestCheckpoint, CosineWithWarmUp, RunRecorder, StopAtDeadline, TrainingState
from headstart.training.callbacks.state_file import read_tree, write_tree

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

ROWS = np.random.default_rng(0).normal(size=(48, 5)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 3, 48)
# Nothing to learn from the rows: val_loss soon rises, so that the callbacks that wait for it have something to do.
VALIDATION = ROWS[:16][::-1] + 0.3, np.random.default_rng(2).integers(0, 3, 16)


class KilledError(Exception):
    """Stands for a process that is killed."""


class Kill(keras.callbacks.Callback):
    """Ends everything when an epoch begins."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise when it is time."""
        if epoch == self.epoch:
            raise KilledError


class Shuffled(keras.utils.PyDataset):
    """Batches of 8, in an order that is a function of seed and epoch."""

    def __init__(self, initial_epoch: int) -> None:
        super().__init__()
        self.epoch = initial_epoch - 1  # Keras announces every epoch before it begins

    def __len__(self) -> int:
        return len(ROWS) // 8

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        order = np.random.default_rng([7, max(0, self.epoch)]).permutation(len(ROWS))
        chosen = order[8 * index : 8 * index + 8]
        return ROWS[chosen], LABELS[chosen]

    def on_epoch_begin(self) -> None:
        """Shuffle anew."""
        self.epoch += 1


def network(seed: int, units: int = 16) -> keras.Model:
    """Dropout, BatchNormalization and Adam: each keeps something that must not be lost."""
    keras.utils.set_random_seed(seed)
    rows = keras.Input((5,))
    x = keras.layers.Dense(units)(rows)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Dense(3, activation="softmax")(x)
    model = keras.Model(rows, x)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def values(variables: list[keras.Variable]) -> list[Array]:
    """Copies as arrays."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def train(
    folder: Path, seed: int, *more: keras.callbacks.Callback, epochs: int = 6, patience: int = 9, every_seconds: float = 0.0
) -> dict[str, Any]:
    """Train, or go on with what lies in the folder; gives all that can be compared."""
    model = network(seed)
    folder.mkdir(exist_ok=True)
    checkpoint = BestCheckpoint(folder / "model.keras", 0.0)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, min_delta=0.005, restore_best_weights=patience < 9)
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, cooldown=1, min_delta=0.05)
    others = [checkpoint, RunRecorder(folder / "history.jsonl"), stop, plateau, *more]
    state = TrainingState(folder / "state.npz", others, every_seconds=every_seconds)
    model.fit(
        Shuffled(0 if state.is_finished else state.initial_epoch),
        validation_data=VALIDATION,
        epochs=epochs,
        initial_epoch=state.initial_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[*others, state],
    )
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return {
        "model": values(model.variables),
        "optimizer": values(model.optimizer.variables),
        "history": model.history.history,
        "epochs": model.history.epoch,
        "lines": [{name: value for name, value in line.items() if name != "seconds"} for line in lines],
        "seconds_rise": [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines),
        "best": (checkpoint.best, checkpoint.best_epoch),
        "file": keras.models.load_model(folder / "model.keras").get_weights(),
        "stop": (stop.wait, stop.best, stop.best_epoch, stop.stopped_epoch),
        "plateau": (plateau.wait, plateau.best, plateau.cooldown_counter),
    }


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal in every number, to the bit."""
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for name in ours:
            assert_same(ours[name], theirs[name])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("every_seconds", [0.0, 1e9], ids=["every-epoch", "seldom"])
@pytest.mark.parametrize("schedule", [list, lambda: [CosineWithWarmUp(0.05, warm_up=0.3)]], ids=["plateau", "cosine"])
def test_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, schedule: Callable[[], list[keras.callbacks.Callback]], every_seconds: float
) -> None:
    """Killed after three of six epochs, and resumed by a model of another seed: equal to the bit."""
    whole = train(tmp_path / "whole", 1, *schedule())
    with pytest.raises(KilledError):
        train(tmp_path / "killed", 1, *schedule(), Kill(3), every_seconds=every_seconds)
    resumed = train(tmp_path / "killed", 2, *schedule(), every_seconds=every_seconds)
    assert_same(resumed, whole)
    assert whole["epochs"] == list(range(6))
    assert whole["seconds_rise"]
    anew = train(tmp_path / "anew", 2, *schedule())  # what is compared depends on what was taken up
    assert not np.array_equal(anew["model"][0], whole["model"][0])


def test_resumed_training_stops_at_the_same_epoch(tmp_path: Path) -> None:
    """Early stopping continues its count, restores the best weights from before, and stays stopped."""
    whole = train(tmp_path / "whole", 3, epochs=30, patience=2)
    last = whole["stop"][3]
    assert last > 0
    with pytest.raises(KilledError):
        train(tmp_path / "killed", 3, Kill(last), epochs=30, patience=2)
    assert_same(train(tmp_path / "killed", 4, epochs=30, patience=2), whole)
    assert TrainingState(tmp_path / "killed" / "state.npz").is_finished
    assert_same(train(tmp_path / "killed", 5, epochs=30, patience=2), whole)


def test_training_state_continues_with_more_epochs(tmp_path: Path) -> None:
    """A training that used all its epochs continues if more are requested, as if planned from the start."""
    train(tmp_path / "run", 1, epochs=3)
    longer, whole = train(tmp_path / "run", 2, epochs=5), train(tmp_path / "whole", 1, epochs=5)
    assert_same(longer, whole)


def test_interrupted_epoch_is_trained_again(tmp_path: Path) -> None:
    """After a deadline in the middle of an epoch, the state is that of the epoch before."""

    class Late(StopAtDeadline):
        """A deadline that passes in the third epoch's second batch."""

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            self._deadline = -math.inf if (self.epoch, batch) == (2, 1) else math.inf
            super().on_train_batch_end(batch, logs)

    train(tmp_path / "run", 1, Late(0.0))
    assert TrainingState(tmp_path / "run" / "state.npz").initial_epoch == 2
    assert_same(train(tmp_path / "run", 2), train(tmp_path / "whole", 1))


def test_epoch_with_a_loss_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    """The last state with a finite loss is kept."""

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            if epoch == 2:
                self.model.set_weights([np.full_like(weights, np.nan) for weights in self.model.get_weights()])

    model = network(0)
    state = TrainingState(tmp_path / "state.npz", every_seconds=0.0)
    model.fit(Shuffled(0), epochs=4, shuffle=False, verbose=0, callbacks=[Spoil(), state])
    found = TrainingState(tmp_path / "state.npz")
    assert found.initial_epoch == 2


def test_second_fit_with_the_same_callback_is_a_new_training(tmp_path: Path) -> None:
    """A saved state is restored once; the next fit starts a history of its own."""
    train(tmp_path / "run", 1, epochs=2)
    model, state = network(1), TrainingState(tmp_path / "run" / "other.npz", every_seconds=0.0)
    for _ in range(2):
        model.fit(Shuffled(0), epochs=2, shuffle=False, verbose=0, callbacks=[state])
        assert len(read_tree(tmp_path / "run" / "other.npz")["history"]) == 2


@pytest.mark.parametrize("change", ["network", "callbacks", "backend", "format"])
def test_training_state_rejects_a_state_that_does_not_fit(tmp_path: Path, change: str) -> None:
    """Other shapes, callbacks, backend or format are a three-line error, and the model is not changed."""
    path = tmp_path / "state.npz"
    stop = keras.callbacks.EarlyStopping("loss", patience=9)
    network(0).fit(Shuffled(0), epochs=1, shuffle=False, verbose=0, callbacks=[stop, TrainingState(path, [stop])])
    if change in ("backend", "format"):
        write_tree(path, {**read_tree(path), change: "another"})
    model = network(1, units=17 if change == "network" else 16)
    before = values(model.variables)
    others = [keras.callbacks.TerminateOnNaN(), *([] if change == "callbacks" else [stop])]
    with pytest.raises(RunError, match="H510"):
        model.fit(Shuffled(0), epochs=2, shuffle=False, verbose=0, callbacks=[*others, TrainingState(path, others)])
    assert_same(values(model.variables), before)


def test_callbacks_without_a_state_may_change(tmp_path: Path) -> None:
    """Callbacks without a state can be added or removed when training is resumed."""
    path = tmp_path / "state.npz"
    stop = keras.callbacks.EarlyStopping("loss", patience=9)
    first = [keras.callbacks.TerminateOnNaN(), stop]
    network(0).fit(Shuffled(0), epochs=1, shuffle=False, verbose=0, callbacks=[*first, TrainingState(path, first)])
    state = TrainingState(path, [stop])
    model = network(1)
    model.fit(Shuffled(1), epochs=2, initial_epoch=1, shuffle=False, verbose=0, callbacks=[stop, state])
    assert model.history.epoch == [0, 1]


@pytest.fixture(scope="module")
def state_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a small state file."""
    path = tmp_path_factory.mktemp("state") / "state.npz"
    write_tree(path, {"weights": [np.arange(4.0)], "epoch": 3})
    return path.read_bytes()


@given(data=st.data())
def test_read_tree_detects_damage(tmp_path_factory: pytest.TempPathFactory, state_bytes: bytes, data: st.DataObject) -> None:
    """A flipped bit or a truncated file is the error for an unreadable file, never a wrong number."""
    path = tmp_path_factory.mktemp("damaged") / "state.npz"
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(state_bytes) - 1))
        damaged = bytearray(state_bytes)
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        damaged = bytearray(state_bytes[: data.draw(st.integers(0, len(state_bytes) - 1))])
    path.write_bytes(damaged)
    with pytest.raises(RunError, match="H502"):
        read_tree(path)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NUMBERS = st.sampled_from([np.float64(0.1), np.float32("nan"), np.int64(-3), np.bool_(True), ml_dtypes.bfloat16(1.5)])
ARRAYS = arrays(scalar_dtypes(), array_shapes(min_dims=0, max_side=3))
TREES = st.recursive(
    PLAIN | NUMBERS | ARRAYS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


def assert_identical(ours: Any, theirs: Any) -> None:
    """The same types and the same bits."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for name in ours:
            assert_identical(ours[name], theirs[name])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_identical(one, other)
    elif isinstance(ours, np.ndarray | np.generic):
        assert (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
    else:
        assert ours == theirs or (math.isnan(ours) and math.isnan(theirs))


@given(TREES)
def test_read_tree_returns_what_write_tree_wrote(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    """Any tree of plain values, NumPy numbers and arrays is restored with the same types and bits."""
    path = tmp_path_factory.mktemp("tree") / "tree.npz"
    write_tree(path, tree)
    assert_identical(read_tree(path), tree)


@pytest.mark.parametrize("kind", ["arrays", "files"])
def test_a_run_on_a_dataset_says_why_it_is_gone(tmp_path: Path, photos: Callable[..., Path], kind: str) -> None:
    """H511 is true of arrays and of files that the program had read itself, and tells how the latter can be resumed."""
    images = np.zeros((2, 8, 8, 3), np.uint8)
    dataset = hs.read_arrays(images, np.arange(2)) if kind == "arrays" else hs.read_folder(photos(per_class=1))
    (tmp_path / "run.json").write_text(json.dumps({"format": 3, "request": Request(dataset).to_json()}))
    with pytest.raises(
        RunError, match=r"H511[^\0]*fitted on a Dataset[^\0]*with a path instead of a Dataset: such runs can be resumed"
    ):
        hs.resume(tmp_path)


def test_write_tree_rejects_objects(tmp_path: Path) -> None:
    """Nothing that needs pickle is written, and the previous file is kept."""
    path = tmp_path / "tree.npz"
    write_tree(path, {"a": 1})
    with pytest.raises(TypeError):
        write_tree(path, {"a": np.array([object()])})
    with pytest.raises(TypeError):
        write_tree(path, {"a": object()})
    assert read_tree(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["tree.npz"]


def test_numpy_opens_a_tree_file(tmp_path: Path) -> None:
    """The archive is an ordinary one, without pickled objects."""
    write_tree(tmp_path / "tree.npz", {"weights": np.arange(3.0)})
    with np.load(tmp_path / "tree.npz", allow_pickle=False) as archive:
        assert archive["a0"].tolist() == [0, 1, 2]
