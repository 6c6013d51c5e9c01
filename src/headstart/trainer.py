"""Part B: train(network, rows, recipe) -> Trained. The linear head has a solver, the others Keras's fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.errors import TrainingError
from headstart.logistic import Step, solve
from headstart.networks import part_b
from headstart.runfolder import append_json_line
from headstart.tasks import TASKS

if TYPE_CHECKING:
    import keras

__all__ = ["Examples", "Recipe", "Trained", "train"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recipe:
    """Everything that ``compile`` and ``fit`` need.

    Attributes:
        network: A key of ``NETWORKS``.
        optimizer: Keras's name of an optimizer, or an optimizer object. None: the solver for the linear head, Adam
            for others.
        loss: Keras's name of a loss; None is the task's own.
        epochs: At most so many passes over the training split.
        batch_size: Samples a step, a power of two; None fits it to the data.
        patience: Epochs without a better ``val_loss`` before training stops; half of it before the rate is halved.
        seed: Seed of initial weights, shuffling and dropout.
    """

    network: str
    optimizer: str | keras.optimizers.Optimizer | None = None
    loss: str | None = None
    epochs: int = 60
    batch_size: int | None = None
    patience: int = 5
    seed: int = 0

    def to_json(self) -> dict[str, object]:
        """The recipe as plain values; an optimizer object as Keras serialises it."""
        settings = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if self.optimizer is not None and not isinstance(self.optimizer, str):
            import keras

            settings["optimizer"] = keras.optimizers.serialize(self.optimizer)
        return settings


class Examples(NamedTuple):
    """What training may see.

    Rows are ``(n, features)`` float32, labels ``(n,)`` numbers.
    """

    rows: Array
    labels: Array
    val_rows: Array
    val_labels: Array
    task: str
    num_classes: int


@dataclass
class Trained:
    """A head that was trained.

    Attributes:
        weights: As ``part_b`` of the same network takes them.
        val_loss: The task's score on the validation split.
        val_accuracy: Share of right answers there.
        num_epochs: Epochs, or penalties tried by the solver.
        seconds: Training alone, building and saving apart.
        interrupted: Whether Ctrl-C ended it early.
    """

    recipe: Recipe
    weights: list[Array] = field(repr=False)
    val_loss: float
    val_accuracy: float
    num_epochs: int
    seconds: float
    interrupted: bool = False


def train(
    examples: Examples,
    recipe: Recipe,
    folder: Path,
    *,
    deadline: float = float("inf"),
    on_epoch: Callable[[int, float], None] = lambda _epoch, _val_loss: None,
) -> Trained:
    """Train a head on stored rows.

    Args:
        examples: Training and validation rows.
        recipe: What to train and how.
        folder: Takes history.jsonl, a line an epoch, and the best weights as they improve.
        deadline: ``time.perf_counter()`` value at which training ends with the best so far.
        on_epoch: Told the epoch and its ``val_loss``.

    Raises:
        TrainingError: The loss is not a number from the first epoch on (H301).
    """
    is_solved = recipe.network == "linear" and recipe.optimizer is None and recipe.loss is None
    method = _by_solver if is_solved else _by_keras
    return method(examples, recipe, folder, deadline, on_epoch)


def _by_solver(
    examples: Examples, recipe: Recipe, folder: Path, deadline: float, on_epoch: Callable[[int, float], None]
) -> Trained:
    import scipy.linalg
    import scipy.optimize
    import scipy.special
    import threadpoolctl  # noqa: F401 - imports count in the wall clock, not in training

    start = time.perf_counter()
    count = 0

    def record(step: Step) -> bool:
        nonlocal count
        append_json_line(
            folder / "history.jsonl",
            {
                "epoch": count,
                "l2": step.penalty,
                "loss": step.loss,
                "val_loss": step.val_loss,
                "val_accuracy": step.val_accuracy,
                "seconds": time.perf_counter() - start,
            },
        )
        on_epoch(count, step.val_loss)
        count += 1
        return time.perf_counter() < deadline

    solution = solve(
        examples.rows, examples.labels, examples.val_rows, examples.val_labels, examples.num_classes, on_step=record
    )
    kernel, bias = solution.kernel, solution.bias
    if examples.task == "binary":  # a softmax over two is a sigmoid of the difference
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    seconds = time.perf_counter() - start
    task, logits = TASKS[examples.task], examples.val_rows @ kernel + bias
    output = scipy.special.expit(logits) if examples.task == "binary" else scipy.special.softmax(logits, axis=1)
    probabilities = task.to_probabilities(output)
    accuracy = float((probabilities.argmax(axis=1) == examples.val_labels).mean())
    return Trained(recipe, [kernel, bias], task.score(examples.val_labels, probabilities), accuracy, count, seconds)


def _by_keras(
    examples: Examples, recipe: Recipe, folder: Path, deadline: float, on_epoch: Callable[[int, float], None]
) -> Trained:
    import keras

    from headstart import callbacks

    task = TASKS[examples.task]
    keras.utils.set_random_seed(recipe.seed)
    model = part_b(recipe.network, examples.rows.shape[1], examples.task, examples.num_classes)
    optimizer = recipe.optimizer or "adam"
    if not isinstance(optimizer, str):  # an optimizer keeps state; the caller's object stays as it was
        optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    loss = recipe.loss or task.loss
    model.compile(optimizer=optimizer, loss=loss, metrics=task.metrics(), jit_compile=False)
    checkpoint = callbacks.BestCheckpoint(folder / "model.keras")
    start = time.perf_counter()
    interrupted = False
    try:
        model.fit(
            examples.rows,
            _targets(examples, loss),
            batch_size=recipe.batch_size or _batch_size(len(examples.rows)),
            epochs=recipe.epochs,
            verbose=0,
            callbacks=[
                callbacks.ValidationScore(examples.val_rows, examples.val_labels, task.to_probabilities, task.score),
                checkpoint,
                callbacks.RunRecorder(folder / "history.jsonl"),
                keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience),
                *_rate_callbacks(model.optimizer, recipe.patience),
                keras.callbacks.TerminateOnNaN(),
                callbacks.StopAtDeadline(deadline),
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(epoch, logs["val_loss"])),
            ],
        )
    except KeyboardInterrupt:
        interrupted = True
        if checkpoint.best_epoch < 0:
            raise
        checkpoint.on_train_end()  # Keras does not get there
    if checkpoint.best_epoch < 0:
        raise TrainingError(
            "H301",
            "the loss is not a number",
            received=f"{recipe.network} with {recipe.optimizer or 'adam'}: no epoch with a finite val_loss",
            expected="a loss that falls",
            advice="use a smaller learning rate, or another optimizer",
            exit_code=1,
        )
    checkpoint.restore(model)
    seconds = time.perf_counter() - start
    output = model.predict(examples.val_rows, batch_size=1024, verbose=0)
    predicted = task.to_probabilities(output).argmax(axis=1)
    accuracy = float((predicted == examples.val_labels).mean())
    num_epochs = len(model.history.epoch)
    return Trained(recipe, model.get_weights(), checkpoint.best, accuracy, num_epochs, seconds, interrupted)


def _rate_callbacks(optimizer: keras.optimizers.Optimizer, patience: int) -> list[keras.callbacks.Callback]:
    """Halve the rate on a plateau, unless the optimizer brings a schedule of its own."""
    import keras

    if isinstance(optimizer.get_config().get("learning_rate"), dict):
        return []
    return [keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=max(1, patience // 2))]


def _targets(examples: Examples, loss: str) -> Array:
    if loss == "categorical_crossentropy":
        return np.eye(examples.num_classes, dtype=np.float32)[examples.labels]
    return examples.labels.astype(np.float32 if examples.task == "binary" else np.int64)


def _batch_size(num_samples: int) -> int:
    """A power of two that makes about 20 steps an epoch, from 8 to 256."""
    return int(np.clip(2 ** round(np.log2(max(1, num_samples) / 20)), 8, 256))
