"""Part B: train(build, examples, recipe) -> Trained: by the solver, as a yardstick, and all else by Keras's fit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.balance import class_weights, corrected, fold_in, has_open_output
from headstart.errors import OutOfMemoryError, TrainingError
from headstart.images import memory_bytes
from headstart.logistic import Step, solve
from headstart.recipe import Recipe
from headstart.runfolder import append_json_line, read_json_lines
from headstart.session import gradients_released
from headstart.tasks import Task
from headstart.yardsticks import YARDSTICKS

if TYPE_CHECKING:
    import keras

    from headstart.batches import RowBatches

__all__ = ["LEAST_BATCH", "Examples", "Trained", "is_solved", "train"]

Array = np.ndarray[Any, Any]

LEAST_BATCH = 2
_EPOCHS = 60
_SMALL_BYTES = 16 << 10  # of a sample in a network whose steps cost more than their arithmetic
_STEPS_TOGETHER = 16  # of such a network, between two looks of the callbacks
_SMALL_EPOCHS, _MANY_SAMPLES = 100, 2000  # of such a network; on more samples fewer epochs are as many steps
_TAIL_EPOCHS = 12  # layers that were trained before need only be adapted
_PASSES_LEFT = 2  # over as many rows as the validation split has, behind the last batch: for its score, and for a test's
_TOLERANCE = 1e-2  # of a probability, which half precision may have rounded
_FORGET_SECONDS = 2.0  # of training that a kill may cost; shorter epochs are not worth a file each


class Examples(NamedTuple):
    """What training may see.

    Attributes:
        rows: ``(n, …)``, in memory or mapped from a file.
        labels: ``Dataset.targets`` of them.
        val_rows, val_labels: The same of the validation split.
        task: What decides targets, score and metric.
        num_classes: Classes, labels or targets.
    """

    rows: Array
    labels: Array
    val_rows: Array
    val_labels: Array
    task: Task
    num_classes: int

    def dense(self, num_codes: int, recipe: Recipe) -> Examples:
        """For the solver: without the codes of large categories, which stand at the end of a table's rows."""
        if not num_codes or not is_solved(recipe, is_inner=False):
            return self
        return self._replace(rows=self.rows[:, :-num_codes], val_rows=self.val_rows[:, :-num_codes])


@dataclass
class Trained:
    """A Part B that was trained.

    Attributes:
        weights: As the network that was built takes them.
        val_loss: The task's score on the validation split.
        val_metric: The task's metric there.
        num_epochs: Epochs, or penalties tried by the solver.
        seconds: Training alone, building and saving apart.
        interrupted: Whether Ctrl-C ended it early.
        cut_short: Whether the deadline did.
        weights_of_classes: With which it was trained; empty where all counted alike.
    """

    recipe: Recipe
    weights: list[Array] = field(repr=False)
    val_loss: float
    val_metric: float
    num_epochs: int
    seconds: float
    interrupted: bool = False
    cut_short: bool = False
    weights_of_classes: tuple[float, ...] = ()


Built = tuple["keras.Model", "list[keras.layers.Layer]"]
OnEpoch = Callable[[int, float], None]


def is_solved(recipe: Recipe, *, is_inner: bool) -> bool:
    """Whether the solver trains it: a linear head on features, with nothing asked that is Keras's alone."""
    return recipe.network in ("linear", "ovr_linear") and not is_inner and recipe.optimizer is None and recipe.loss is None


def train(
    examples: Examples,
    recipe: Recipe,
    folder: Path,
    *,
    build: Callable[[], Built],
    deadline: float = float("inf"),
    on_epoch: OnEpoch = lambda _epoch, _val_loss: None,
) -> Trained:
    """Train Part B on stored rows.

    Args:
        examples: Training and validation rows.
        recipe: How to train.
        folder: Takes history.jsonl, a line an epoch, the best weights as they improve, and the state to go on from. Where
            a state lies already, training goes on from it.
        build: Makes a fresh network, and names those of its layers that come from the backbone. The solver does not ask.
        deadline: ``time.perf_counter()`` value at which training ends with the best so far.
        on_epoch: Told the epoch and its ``val_loss``.

    Raises:
        TrainingError: The loss is not a number from the first epoch on (H301), or the memory does not suffice (H306).
    """
    if recipe.network in YARDSTICKS:
        return _by_yardstick(examples, recipe, deadline)
    if is_solved(recipe, is_inner=examples.rows.ndim > 2):
        return _by_solver(examples, recipe, folder, deadline, on_epoch)
    with gradients_released():
        return _KerasTraining(examples, recipe, folder, build, deadline, on_epoch).run()


def _by_solver(examples: Examples, recipe: Recipe, folder: Path, deadline: float, on_epoch: OnEpoch) -> Trained:
    import threadpoolctl  # noqa: F401 - imports count in the wall clock, not in training

    start = time.perf_counter()
    count = 0
    (folder / "history.jsonl").unlink(missing_ok=True)  # of an attempt that was broken off
    task = examples.task

    def record(step: Step) -> bool:
        nonlocal count
        append_json_line(
            folder / "history.jsonl",
            {
                "epoch": count,
                "l2": step.penalty,
                "loss": step.loss,
                "val_loss": step.val_loss,
                f"val_{task.metric}": step.val_metric,
                "seconds": time.perf_counter() - start,
            },
        )
        on_epoch(count, step.val_loss)
        count += 1
        return time.perf_counter() < deadline

    rows, num_classes = (examples.rows, examples.labels, examples.val_rows, examples.val_labels), examples.num_classes
    solution = solve(*rows, num_classes, task, on_step=record)
    kernel, bias = solution.kernel, solution.bias
    if task.name == "binary":  # a softmax over two is a sigmoid of the difference
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    weights = [kernel, bias]
    if task.name == "one_vs_rest":  # a layer for each class, and a calibration that changes nothing yet
        ones, zeros = np.ones(num_classes, np.float32), np.zeros(num_classes, np.float32)
        models = [part for k in range(num_classes) for part in (kernel[:, [k]], bias[[k]])]
        weights = [*models, ones, zeros, zeros, ones]
    seconds = time.perf_counter() - start
    best = solution.steps[solution.best]
    cut_short = time.perf_counter() >= deadline
    return Trained(recipe, weights, best.val_loss, best.val_metric, count, seconds, cut_short=cut_short)


def _by_yardstick(examples: Examples, recipe: Recipe, deadline: float) -> Trained:
    import sklearn.ensemble  # noqa: F401 - imports count in the wall clock, not in training

    fit, task, start = YARDSTICKS[recipe.network], examples.task, time.perf_counter()
    rows = examples.rows, examples.labels, examples.val_rows, examples.val_labels
    trees = fit(*rows, task.name, examples.num_classes, seed=recipe.seed, deadline=deadline)
    seconds = time.perf_counter() - start
    answers = task.to_answers(trees.predict(examples.val_rows))
    score, metric = task.score(examples.val_labels, answers), task.measure(examples.val_labels, answers)
    return Trained(recipe, trees.weights(), score, metric, 0, seconds, cut_short=time.perf_counter() >= deadline)


@dataclass
class _KerasTraining:
    """One training by Keras's ``fit``."""

    examples: Examples
    recipe: Recipe
    folder: Path
    build: Callable[[], Built]
    deadline: float
    on_epoch: OnEpoch

    def run(self) -> Trained:
        import keras

        from headstart import callbacks

        recipe, examples = self.recipe, self.examples
        keras.utils.set_random_seed(recipe.seed)
        model, tail = self.build()
        weights = self._class_weights(model)
        batches = self._batches(model, weights)
        score = callbacks.ValidationScore(
            examples.val_rows, examples.val_labels, examples.task, lambda output: self._answers(output, weights)
        )
        recorder = callbacks.RunRecorder(self.folder / "history.jsonl")
        checkpoint = callbacks.BestCheckpoint(self.folder / "model.keras")
        stop = callbacks.StopAtDeadline(self.deadline, lambda: _PASSES_LEFT * score.seconds)
        epochs = self._epochs(model)
        start = time.perf_counter()
        interrupted = False
        try:
            self._compile(model, tail, batches)
            observers = [score, recorder, checkpoint, *self._observers(model, batches), stop]
            state = callbacks.TrainingState(self.folder / "state.npz", observers, every_seconds=_FORGET_SECONDS)
            batches.epoch = min(state.initial_epoch, epochs)
            model.fit(
                batches,
                epochs=epochs,
                initial_epoch=state.initial_epoch,
                verbose=0,
                shuffle=False,
                callbacks=[*observers, state],
            )
        except KeyboardInterrupt:
            interrupted = True
            if checkpoint.best_epoch < 0:
                raise
            checkpoint.on_train_end()  # Keras does not get there
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            raise self._out_of_memory(batches) from error
        if checkpoint.best_epoch < 0:
            raise self._not_a_number()
        checkpoint.restore(model)
        if weights is not None:
            fold_in(model, weights)
            checkpoint.write(model)
        seconds = recorder.seconds_before + time.perf_counter() - start
        history = {row["epoch"]: row for row in read_json_lines(self.folder / "history.jsonl")}
        metric = history[checkpoint.best_epoch][f"val_{examples.task.metric}"]
        num_epochs = len(model.history.epoch)
        told = () if weights is None else tuple(float(weight) for weight in weights)
        ended: dict[str, Any] = {"interrupted": interrupted, "cut_short": stop.is_reached, "weights_of_classes": told}
        return Trained(recipe, model.get_weights(), checkpoint.best, metric, num_epochs, seconds, **ended)

    def _class_weights(self, model: keras.Model) -> Array | None:
        """Weights where classes are of very different size, and the output layer can be corrected for them."""
        examples, augmentation = self.examples, self.recipe.augmentation
        if examples.task.name not in ("binary", "multiclass") or not has_open_output(model):
            return None
        is_mixed = augmentation is not None and augmentation.mixes
        return None if is_mixed else class_weights(examples.labels, examples.num_classes)

    def _answers(self, output: Array, weights: Array | None) -> Array:
        """Answers; refused where they should be probabilities and are none, as those of a user's own network may be."""
        task = self.examples.task
        answers = task.to_answers(output)
        if task.activation == "linear":
            return answers
        finite = answers[np.isfinite(answers).all(axis=1)]  # a loss that is no number is told elsewhere
        low, high = finite.min(initial=0.0), finite.max(initial=1.0)
        excess = np.abs(finite.sum(axis=1) - 1).max(initial=0.0) if task.has_classes else 0.0
        if low >= -_TOLERANCE and high <= 1 + _TOLERANCE and excess <= _TOLERANCE:
            return answers if weights is None else corrected(answers, weights)
        raise TrainingError(
            "H309",
            "the network's output is no probability",
            received=f"{self.recipe.network}: values from {low:g} to {high:g}, which sum to {finite.sum(axis=1).mean():g}",
            expected=f"{task.activation} as the activation of its last layer",
            advice="end the model with that activation, or give a function that leaves the output layer to Headstart",
            exit_code=1,
        )

    def _batches(self, model: keras.Model, weights: Array | None) -> RowBatches:
        from headstart.batches import RowBatches

        examples, recipe = self.examples, self.recipe
        is_fresh = examples.rows.dtype == np.uint8  # pixels are augmented anew, stored features were when they were made
        return RowBatches(
            examples.rows,
            examples.task.to_targets(examples.labels, self._loss(), examples.num_classes),
            recipe.batch_size or batch_size(len(examples.rows), sample_bytes(model)),
            seed=recipe.seed,
            augmentation=recipe.augmentation if is_fresh else None,
            weights=None if weights is None else weights[examples.labels].astype(np.float32),
        )

    def _epochs(self, model: keras.Model) -> int:
        is_adapted = self.examples.rows.ndim > 2 and self.examples.rows.dtype != np.uint8
        if self.recipe.epochs is None and sample_bytes(model) < _SMALL_BYTES:
            return int(np.clip(_SMALL_EPOCHS * (_MANY_SAMPLES / len(self.examples.rows)) ** 0.5, 10, _SMALL_EPOCHS))
        return self.recipe.epochs or (_TAIL_EPOCHS if is_adapted else _EPOCHS)

    def _loss(self) -> str:
        recipe = self.recipe
        is_mixed = recipe.augmentation is not None and (recipe.augmentation.mixup or recipe.augmentation.cutmix)
        mixable = {"sparse_categorical_crossentropy": "categorical_crossentropy"}  # which takes shares of classes
        loss = recipe.loss or self.examples.task.loss
        return mixable.get(loss, loss) if is_mixed and self.examples.rows.dtype == np.uint8 else loss

    def _compile(self, model: keras.Model, tail: list[keras.layers.Layer], batches: RowBatches) -> None:
        import keras

        from headstart.rate_finder import find_learning_rate
        from headstart.rates import slow_down

        recipe, task = self.recipe, self.examples.task
        optimizer = keras.optimizers.get(recipe.optimizer or "adam")
        if not isinstance(recipe.optimizer, (str, type(None))):  # it keeps state; the caller's object stays as it was
            optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
        if recipe.learning_rate is not None:
            optimizer.learning_rate = recipe.learning_rate
        if tail:
            slow_down(optimizer, tail, recipe.tail_rate)
        together = min(len(batches), _STEPS_TOGETHER) if sample_bytes(model) < _SMALL_BYTES else 1
        form: dict[str, Any] = {"jit_compile": False, "steps_per_execution": together}
        model.compile(optimizer=optimizer, loss=self._loss(), metrics=task.metrics(), **form)
        if recipe.learning_rate is None and isinstance(recipe.optimizer, (str, type(None))):
            optimizer.learning_rate = find_learning_rate(model, batches, deadline=self.deadline)

    def _observers(self, model: keras.Model, batches: RowBatches) -> list[keras.callbacks.Callback]:
        import keras

        from headstart import callbacks
        from headstart.rates import SCHEDULES, default_schedule

        is_scheduled = isinstance(model.optimizer.get_config().get("learning_rate"), dict)  # by the user's own optimizer
        schedule = self.recipe.schedule or default_schedule(is_inner=self.examples.rows.ndim > 2)
        rate = float(model.optimizer.learning_rate)
        return [
            *SCHEDULES["constant" if is_scheduled else schedule](self.recipe, rate, len(batches)),
            callbacks.StopOnNaN(),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: self.on_epoch(epoch, logs["val_loss"])),
        ]

    def _not_a_number(self) -> TrainingError:
        return TrainingError(
            "H301",
            "the loss is not a number",
            received=f"{self.recipe.network} with {self.recipe.optimizer or 'adam'}: no epoch with a finite val_loss",
            expected="a loss that falls",
            advice="use a smaller learning rate, or another optimizer",
            exit_code=1,
        )

    def _out_of_memory(self, batches: RowBatches) -> OutOfMemoryError:
        error = OutOfMemoryError(
            "H306",
            "out of memory",
            received=f"{self.recipe.network} in batches of {batches.batch_size}",
            expected="memory for one batch and its gradients",
            advice="use a smaller batch size, a smaller image or a later cut",
            exit_code=1,
        )
        error.batch_size = batches.batch_size
        return error


def _is_out_of_memory(error: Exception) -> bool:
    """The frameworks have no class in common, and JAX, and PyTorch on a CPU, only a text."""
    names = {kind.__name__ for kind in type(error).__mro__}
    is_named = bool(names & {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"})
    return is_named or any(text in str(error) for text in ("RESOURCE_EXHAUSTED", "can't allocate memory"))


def batch_size(num_samples: int, sample_bytes: int = 0) -> int:
    """A power of two that makes about 20 steps an epoch, from 8 to 256, and fits into a quarter of the machine's memory.

    Small networks, whose steps take as long for few samples as for 16, have 16 at least.

    Args:
        num_samples: Training samples.
        sample_bytes: What one of them takes while it is trained on.
    """
    least = 16 if 0 < sample_bytes < _SMALL_BYTES else 8
    wanted = int(np.clip(2 ** round(np.log2(max(1, num_samples) / 20)), least, 256))
    fitting = (memory_bytes() or math.inf) / 4 / max(1, sample_bytes)
    return wanted if wanted <= fitting else max(LEAST_BATCH, 2 ** int(np.log2(max(1.0, fitting))))


def sample_bytes(model: keras.Model) -> int:
    """What the layers put out for one sample, in float32, kept for the gradients and as much again for these."""
    import keras

    shapes = [keras.tree.flatten(layer.output)[0].shape[1:] for layer in model.layers]
    return 2 * 4 * sum(math.prod(side or 1 for side in shape) for shape in shapes)
