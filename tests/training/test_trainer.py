"""Training on rows: what is told, written and returned agree; a seed fixes every bit; failures are told."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.tasks import ONE_VS_REST, TASKS, Task
from headstart.export.graphs.tree_arrays import Trees
from headstart.foundation.errors import OutOfMemoryError, TrainingError
from headstart.foundation.machine import memory_bytes
from headstart.foundation.runs.files import read_json_lines
from headstart.training.classical.baselines import BASELINES
from headstart.training.classical.boosted_trees import Fold, fit_trees
from headstart.training.examples import Examples
from headstart.training.framework_state import clear_session
from headstart.training.keras_training import batch_size
from headstart.training.networks.networks import NETWORKS, build_head
from headstart.training.recipe import Recipe
from headstart.training.trained import Trained
from headstart.training.trainer import train as train_with

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

NUM_FEATURES = 6
HEADS = [name for name, network in NETWORKS.items() if not network.takes_images]
RECIPES = [Recipe("linear"), Recipe("linear", optimizer=keras.optimizers.Adam(0.1), epochs=5), Recipe("mlp", epochs=5)]
recipes = pytest.mark.parametrize("recipe", RECIPES, ids=["solver", "linear", "mlp"])


def make(num_classes: int = 3, num_rows: int = 60, noise: float = 0.7) -> Examples:
    """Clouds around one centre a class."""
    random = np.random.default_rng(1)
    centres = random.normal(size=(num_classes, NUM_FEATURES))
    labels = np.arange(2 * num_rows) % num_classes
    rows = (centres[labels] + noise * random.normal(size=(2 * num_rows, NUM_FEATURES))).astype(np.float32)
    task = TASKS["binary" if num_classes == 2 else "multiclass"]
    return Examples(rows[:num_rows], labels[:num_rows], rows[num_rows:], labels[num_rows:], task, num_classes)


def make_for(task: Task) -> Examples:
    """Rows that say much and not all about what the task asks."""
    if task.has_classes:
        return make(2 if task.name == "binary" else 3)._replace(task=task)
    random = np.random.default_rng(1)
    rows = random.normal(size=(120, NUM_FEATURES)).astype(np.float32)
    values = rows @ random.normal(size=(NUM_FEATURES, 3)) / 2 + 0.3 * random.normal(size=(120, 3))
    labels = (values > [0.0, 0.0, 0.8]).astype(np.int64) if task.name == "multilabel" else values
    return Examples(rows[:60], labels[:60], rows[60:], labels[60:], task, 3)


def build_for(examples: Examples, recipe: Recipe) -> keras.Model:
    """A fresh head."""
    task = "multiclass" if examples.task is ONE_VS_REST else examples.task.name
    shape, num_samples = examples.rows.shape[1:], len(examples.rows)
    return build_head(recipe.network, shape, task, examples.num_classes, num_samples=num_samples)


def train(examples: Examples, recipe: Recipe, folder: Path, **options: Any) -> Trained:
    """Train a head on rows: nothing of a backbone stands before it."""
    if recipe.network.startswith("ovr_"):
        examples = examples._replace(task=ONE_VS_REST)
    return train_with(examples, recipe, folder, build=lambda: (build_for(examples, recipe), []), **options)


def answers(trained: Trained, examples: Examples) -> Array:
    """Validation answers of the returned weights in a fresh head, or of the returned trees."""
    if trained.recipe.network in BASELINES:
        return examples.task.to_answers(Trees.from_weights(trained.weights).predict(examples.val_rows))
    head = build_for(examples, trained.recipe)
    head.set_weights(trained.weights)
    return examples.task.to_answers(head.predict(examples.val_rows, verbose=0))


def folder(path: Path) -> Path:
    """A folder that is there, as a run makes one for each trial."""
    path.mkdir()
    return path


def same(first: Trained, second: Trained) -> bool:
    """Whether all weights are equal bit for bit."""
    return all(np.array_equal(ours, theirs) for ours, theirs in zip(first.weights, second.weights, strict=True))


def test_finished_training_releases_its_memory(tmp_path: Path) -> None:
    """Twenty trials in one process need no more memory than one, whatever the backend registers."""
    kept: list[weakref.ref[Any]] = []

    def run() -> None:
        examples = make()

        def build() -> tuple[keras.Model, list[keras.layers.Layer]]:
            network = build_for(examples, Recipe("mlp"))
            kept.extend(weakref.ref(thing) for thing in (examples.rows, network, network.trainable_weights[0].value))
            return network, []

        train_with(examples, Recipe("mlp", learning_rate=0.01, epochs=2), folder(tmp_path / "run"), build=build)

    clear_session()  # as before each trial
    run()
    clear_session()
    gc.collect()
    assert [reference() is None for reference in kept] == [True, True, True]


@recipes
@pytest.mark.parametrize("num_classes", [2, 4])
def test_train_returns_the_weights_of_the_best_epoch(tmp_path: Path, recipe: Recipe, num_classes: int) -> None:
    """``val_loss`` is the lowest of the history, and the returned weights have exactly that loss and accuracy."""
    examples = make(num_classes)
    told: list[tuple[int, float]] = []
    trained = train(examples, recipe, tmp_path, on_epoch=lambda epoch, val_loss: told.append((epoch, val_loss)))
    history = read_json_lines(tmp_path / "history.jsonl")
    assert told == [(row["epoch"], row["val_loss"]) for row in history]
    assert [row["epoch"] for row in history] == list(range(trained.num_epochs))
    best = min(history, key=lambda row: row["val_loss"])
    assert trained.val_loss == pytest.approx(best["val_loss"], rel=1e-3)
    assert trained.val_metric == best["val_accuracy"]
    probabilities = answers(trained, examples)
    assert trained.val_loss == pytest.approx(examples.task.score(examples.val_labels, probabilities), rel=1e-5)
    assert trained.val_metric == (probabilities.argmax(axis=1) == examples.val_labels).mean()
    assert trained.val_metric > 1.2 / num_classes
    assert not trained.interrupted


def _name(value: Task | str) -> str:
    return value if isinstance(value, str) else value.name


EVERY_TASK = [*TASKS.values(), ONE_VS_REST]


@pytest.mark.parametrize(
    ("task", "way"),
    [
        (task, way)
        for task in EVERY_TASK
        for way in ("linear", "mlp", *BASELINES)
        if task is not ONE_VS_REST or way not in BASELINES  # no trees are made of one class against the rest
    ],
    ids=_name,
)
def test_train_supports_every_task_in_every_way(tmp_path: Path, task: Task, way: str) -> None:
    """Solver, Keras and baselines return weights with the reported loss and metric on validation."""
    examples = make_for(task)
    settings = {"learning_rate": 0.03, "epochs": 12} if way == "mlp" else {}  # finding a rate has tests of its own
    recipe = Recipe(f"ovr_{way}" if task is ONE_VS_REST else way, **settings)
    trained = train(examples, recipe, tmp_path)
    told = answers(trained, examples)
    assert trained.val_loss == pytest.approx(task.score(examples.val_labels, told), rel=1e-4)
    assert trained.val_metric == pytest.approx(task.measure(examples.val_labels, told), abs=1e-6)
    history = tmp_path / "history.jsonl"
    rows = read_json_lines(history) if history.exists() else []
    assert len(rows) == trained.num_epochs
    assert all(f"val_{task.metric}" in row for row in rows)
    constant = train(examples, Recipe("baseline"), folder(tmp_path / "constant")) if task is not ONE_VS_REST else None
    if constant is not None and way != "baseline":
        assert trained.val_loss < 0.95 * constant.val_loss
        assert trained.val_metric > constant.val_metric


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_baseline_is_the_best_constant(tmp_path: Path, task: Task) -> None:
    """One prediction for all rows; no other constant has a lower loss on the training rows."""
    examples = make_for(task)
    trees = Trees.from_weights(train(examples, Recipe("baseline"), tmp_path).weights)
    told = task.to_answers(trees.predict(examples.rows))
    np.testing.assert_array_equal(told, np.broadcast_to(told[0], told.shape))
    best, random = task.score(examples.labels, told), np.random.default_rng(0)
    for _ in range(20):
        if task.has_classes:
            other = random.dirichlet(np.ones(told.shape[1]))
        else:
            other = np.clip(
                told[0] + random.normal(0, 0.1, told.shape[1]), 0.01, None if task.name == "regression" else 0.99
            )
        assert best <= task.score(examples.labels, np.tile(other, (len(told), 1))) + 1e-6


def test_baseline_loss_is_finite_for_classes_without_training_rows(tmp_path: Path) -> None:
    """A validation sample of such a class or label has a finite loss."""
    examples = make(3)
    few = examples._replace(rows=examples.rows[:2], labels=np.array([0, 1]))
    assert np.isfinite(train(few, Recipe("baseline"), folder(tmp_path / "classes")).val_loss)
    labels = make_for(TASKS["multilabel"])
    labels.labels[:, 2] = 0
    assert np.isfinite(train(labels, Recipe("baseline"), folder(tmp_path / "labels")).val_loss)


def test_dense_examples_lack_the_codes_of_categories() -> None:
    """The codes of large categories are the last columns, and their size has no meaning to a solver."""
    examples = make()
    dense = examples.dense(2)
    assert dense.rows.shape == (len(examples.rows), examples.rows.shape[1] - 2)
    assert dense.val_rows.shape[1] == dense.rows.shape[1]
    assert examples.dense(0) is examples


def test_trees_with_folds_are_the_mean_of_one_per_fold(tmp_path: Path) -> None:
    """Each row is predicted by the trees of its fold, which have not seen it, and the mean predicts like any trees."""
    problem = make()
    folds = np.arange(len(problem.rows) + len(problem.val_rows)) % 4
    trained = train(problem._replace(folds=folds), Recipe("trees"), tmp_path)
    rows, labels = np.concatenate([problem.rows, problem.val_rows]), np.concatenate([problem.labels, problem.val_labels])
    parts = [
        Fold(rows[folds != fold], labels[folds != fold], rows[folds == fold], labels[folds == fold]) for fold in range(4)
    ]
    every = fit_trees(parts, "multiclass", 3, seed=0)
    expected = np.array([every[fold].predict(row[None])[0] for fold, row in zip(folds, rows, strict=True)])
    assert trained.held_out is not None
    np.testing.assert_allclose(trained.held_out.at(np.arange(len(rows))), expected, rtol=1e-5)
    logs = np.mean([np.log(one.predict(rows)) for one in every], axis=0)
    mean = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Trees.from_weights(trained.weights).predict(rows), mean, rtol=1e-4)
    assert trained.val_loss == problem.task.score(problem.val_labels, trained.held_out.at(np.arange(60, 120)))


@pytest.mark.parametrize(
    ("task", "loss"), [(task, loss) for task in TASKS.values() for loss in task.losses if loss != task.loss], ids=_name
)
def test_other_losses_are_scored_by_the_loss_of_the_task(tmp_path: Path, task: Task, loss: str) -> None:
    """``val_loss`` stays the task's own, so that all rows of a leaderboard are comparable."""
    examples = make_for(task)
    trained = train(examples, Recipe("linear", loss=loss, learning_rate=0.05, epochs=4), tmp_path)
    told = answers(trained, examples)
    assert trained.val_loss == pytest.approx(task.score(examples.val_labels, told), rel=1e-4)


def test_history_row_is_complete(tmp_path: Path) -> None:
    """Losses with and without penalties, the task's metrics, the learning rate, and increasing seconds."""
    train(make(2), Recipe("mlp", learning_rate=0.01, epochs=3), tmp_path)
    history = read_json_lines(tmp_path / "history.jsonl")
    assert len(history) == 3
    expected = {"epoch", "loss", "val_loss", "keras_val_loss", "val_accuracy", "learning_rate", "seconds"}
    for row in history:
        assert set(row) == expected | {"accuracy", "auc", "precision", "recall"}
        assert row["keras_val_loss"] == row["val_loss"]  # there are no penalties
    assert [row["seconds"] for row in history] == sorted(row["seconds"] for row in history)


def test_history_of_the_solver_has_penalties(tmp_path: Path) -> None:
    """The solver's history is the path of penalties, strongest first."""
    train(make(), Recipe("linear"), tmp_path)
    history = read_json_lines(tmp_path / "history.jsonl")
    assert set(history[0]) == {"epoch", "l2", "loss", "val_loss", "val_accuracy", "held_out_loss", "seconds"}
    assert [row["l2"] for row in history] == sorted((row["l2"] for row in history), reverse=True)


def test_train_writes_the_best_weights(tmp_path: Path) -> None:
    """``model.keras`` is the trained head."""
    trained = train(make(), Recipe("mlp", learning_rate=0.01, epochs=4), tmp_path)
    for ours, theirs in zip(keras.models.load_model(tmp_path / "model.keras").get_weights(), trained.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("recipe", [RECIPES[0], RECIPES[2]], ids=["solver", "mlp"])
def test_train_with_the_same_seed_is_bit_identical(tmp_path: Path, recipe: Recipe) -> None:
    """Initial weights, shuffling and dropout all follow the seed, whatever ran before."""
    first = train(make(), recipe, folder(tmp_path / "1"))
    np.random.default_rng().normal()
    keras.utils.set_random_seed(99)
    assert same(first, train(make(), recipe, folder(tmp_path / "2")))


def test_be_deterministic_does_not_break_random_operations() -> None:
    """Deterministic TensorFlow needs a global seed for random operations; a notebook's next cell must not fail."""
    program = "from headstart.training.framework_state import be_deterministic; be_deterministic();"
    program += "import keras, tensorflow as tf;"
    program += "tf.random.normal((1,)); next(iter(tf.data.Dataset.range(3).shuffle(3)))"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_train_with_another_seed_gives_another_head(tmp_path: Path) -> None:
    """The seed is used."""
    first, second = (
        train(make(), Recipe("mlp", learning_rate=0.01, epochs=2, seed=seed), folder(tmp_path / str(seed)))
        for seed in (1, 2)
    )
    assert not same(first, second)


def test_train_with_an_optimizer_by_name_or_as_an_object(tmp_path: Path) -> None:
    """Both train the same; the object is not changed and can be used again."""
    rmsprop = keras.optimizers.RMSprop()
    by_name = train(make(), Recipe("linear", optimizer="RMSprop", learning_rate=1e-3, epochs=3), folder(tmp_path / "name"))
    recipe = Recipe("linear", optimizer=rmsprop, epochs=3)
    by_object, again = (train(make(), recipe, folder(tmp_path / str(i))) for i in range(2))
    assert same(by_name, by_object)
    assert same(by_object, again)
    assert not rmsprop.built
    assert int(rmsprop.iterations) == 0
    assert float(rmsprop.learning_rate) == pytest.approx(1e-3)


def test_train_uses_the_learning_rate_of_an_optimizer_object(tmp_path: Path) -> None:
    """It is in the first row, and is halved when ``val_loss`` stops improving, in the copy only."""
    optimizer = keras.optimizers.SGD(learning_rate=1e-6)
    train(make(), Recipe("linear", optimizer=optimizer, epochs=12, patience=10), tmp_path)
    rates = [row["learning_rate"] for row in read_json_lines(tmp_path / "history.jsonl")]
    assert rates[0] == pytest.approx(1e-6)
    assert rates[-1] < 0.9e-6
    assert float(optimizer.learning_rate) == pytest.approx(1e-6)


def test_train_keeps_the_schedule_of_an_optimizer(tmp_path: Path) -> None:
    """Training runs to the end, also if ``val_loss`` stops improving."""
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-6, decay_steps=4, decay_rate=0.5)
    trained = train(make(), Recipe("linear", optimizer=keras.optimizers.SGD(schedule), epochs=6, patience=4), tmp_path)
    assert trained.num_epochs >= 5


def test_train_stops_when_nothing_improves(tmp_path: Path) -> None:
    """If rows say nothing about the labels, patience ends training long before the last epoch."""
    random = np.random.default_rng(0)
    noise = make()._replace(labels=random.integers(0, 3, 60), val_labels=random.integers(0, 3, 60))
    recipe = Recipe("mlp", optimizer=keras.optimizers.Adam(0.05), epochs=100, patience=2)
    trained = train(noise, recipe, tmp_path)
    history = [row["val_loss"] for row in read_json_lines(tmp_path / "history.jsonl")]
    assert trained.num_epochs == len(history) < 100
    assert len(history) - 1 - int(np.argmin(history)) == 2


@pytest.mark.parametrize("network", HEADS)
def test_train_reports_a_loss_that_is_not_a_number(tmp_path: Path, network: str) -> None:
    """An absurd learning rate gives H301 with network and optimizer, and null in the history."""
    recipe = Recipe(network, optimizer=keras.optimizers.SGD(learning_rate=float("inf")), epochs=3)
    with pytest.raises(TrainingError) as caught:
        train(make(), recipe, tmp_path)
    assert caught.value.code == "H301"
    assert network in caught.value.received
    assert "SGD" in caught.value.received
    assert len(str(caught.value).splitlines()) == 4
    assert {row["val_loss"] for row in read_json_lines(tmp_path / "history.jsonl")} == {None}


def test_categorical_crossentropy_accepts_label_numbers(tmp_path: Path) -> None:
    """The one-hot form of the loss gives the weights of the sparse one."""
    sparse, one_hot = (
        train(make(4), Recipe("linear", loss=loss, learning_rate=0.05, epochs=2), folder(tmp_path / loss))
        for loss in ("sparse_categorical_crossentropy", "categorical_crossentropy")
    )
    assert one_hot.val_loss == pytest.approx(sparse.val_loss, rel=1e-4)


@recipes
def test_train_after_the_deadline_returns_one_epoch(tmp_path: Path, recipe: Recipe) -> None:
    """One epoch or penalty is trained, and the result is a model."""
    trained = train(make(), recipe, tmp_path, deadline=0.0)
    assert trained.num_epochs == 1
    assert trained.cut_short
    assert answers(trained, make()).shape == (60, 3)


def test_train_returns_the_best_epoch_after_ctrl_c(tmp_path: Path) -> None:
    """Interrupted in its third epoch, training returns and saves the best so far, and ``interrupted`` is True."""

    def interrupt(epoch: int, val_loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    trained = train(make(), Recipe("mlp", learning_rate=0.01, epochs=50), tmp_path, on_epoch=interrupt)
    history = read_json_lines(tmp_path / "history.jsonl")
    assert trained.interrupted
    assert len(history) == 3
    assert trained.val_loss == min(row["val_loss"] for row in history)
    loaded = keras.models.load_model(tmp_path / "model.keras").get_weights()
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(loaded, trained.weights, strict=True))


def test_train_passes_on_ctrl_c_before_the_first_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a finished epoch, the interrupt goes to the caller."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "predict_on_batch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(make(), Recipe("mlp", learning_rate=0.01, epochs=3), tmp_path)


@given(num_samples=st.integers(1, 2_000_000))
def test_batch_size_suits_the_data(num_samples: int) -> None:
    """A power of two from 8 to 256 that gives about twenty steps if these bounds allow it."""
    size = batch_size(num_samples)
    assert size & (size - 1) == 0
    assert 8 <= size <= 256
    assert size in (8, 256) or 14 <= num_samples / size <= 29
    assert batch_size(num_samples, 1) == max(16, size)  # a step of a small network takes as long for 16 as for 8


@pytest.mark.parametrize("sample_bytes", [1, 10**8, 10**9, 10**15])
def test_batch_size_suits_the_memory(sample_bytes: int) -> None:
    """Batches whose activations would not fit are smaller, but at least two samples."""
    size, usual = batch_size(10_000, sample_bytes), batch_size(10_000)
    assert 2 <= size <= usual
    assert size == 2 or size * sample_bytes <= memory_bytes() / 4
    assert size == usual or 2 * size * sample_bytes > memory_bytes() / 4


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), True),
        (ValueError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_train_recognises_out_of_memory_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, is_memory: bool
) -> None:
    """Each framework has its own error; the error raised contains the batch size."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(keras.Model, "fit", fail)
    with pytest.raises((OutOfMemoryError, type(error))) as caught:
        train(make(), Recipe("mlp", learning_rate=0.1, batch_size=16), tmp_path)
    assert getattr(caught.value, "batch_size", 0) == (16 if is_memory else 0)


def test_resumed_training_reports_all_its_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of earlier processes are included, because the leaderboard compares execution times."""
    first = train(make(), Recipe("mlp", epochs=8), tmp_path)
    again = train(make(), Recipe("mlp", epochs=8), tmp_path)  # nothing is left to train
    assert again.num_epochs == first.num_epochs
    assert again.seconds > read_json_lines(tmp_path / "history.jsonl")[-1]["seconds"]
    assert same(first, again)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_train_rejects_an_output_that_is_not_a_probability(tmp_path: Path, activation: str | None) -> None:
    """H309: the score of such numbers would not be comparable."""

    def build() -> tuple[keras.Model, list[keras.layers.Layer]]:
        return keras.Sequential([keras.Input((NUM_FEATURES,)), keras.layers.Dense(3, activation=activation)]), []

    with pytest.raises(TrainingError) as caught:
        train_with(make(), Recipe("own", learning_rate=0.1, epochs=2), tmp_path, build=build)
    assert caught.value.code == "H309"


@pytest.mark.parametrize(("asked", "used"), [(30, 30), (None, 16)])
def test_train_uses_the_batch_size_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, used: int
) -> None:
    """Keras gets the recipe's batch size, or one that suits the data."""
    sizes: list[int] = []
    fit = keras.Model.fit

    def spy(self: keras.Model, *arguments: Any, **options: Any) -> Any:
        sizes.append(len(arguments[0][0][0]))
        return fit(self, *arguments, **options)

    monkeypatch.setattr(keras.Model, "fit", spy)
    train(make(), Recipe("linear", optimizer="sgd", epochs=1, batch_size=asked), tmp_path)
    assert sizes == [used]


@pytest.mark.parametrize("optimizer", [None, "adam", keras.optimizers.Adam(0.01)], ids=["none", "name", "object"])
def test_recipe_to_json_is_json(optimizer: Any) -> None:
    """Whatever its optimizer, a recipe can be written completely."""
    recipe = Recipe("mlp", optimizer=optimizer, epochs=7)
    written = json.loads(json.dumps(recipe.to_json(), allow_nan=False))
    assert set(written) == {field.name for field in fields(Recipe)}
    assert (written["network"], written["epochs"]) == ("mlp", 7)
    if optimizer is not None and not isinstance(optimizer, str):
        assert written["optimizer"]["config"]["learning_rate"] == pytest.approx(0.01)
