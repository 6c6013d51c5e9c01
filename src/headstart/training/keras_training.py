"""Train a network with Keras's ``fit``: batches, learning rate, callbacks, class weights, and errors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.foundation.arrays import Array
from headstart.foundation.errors import OutOfMemoryError, TrainingError
from headstart.foundation.machine import memory_bytes
from headstart.foundation.runs.files import read_json_lines
from headstart.training.class_weights import class_weights, corrected, fold_in, has_open_output
from headstart.training.examples import Examples, HeldOut
from headstart.training.recipe import Recipe
from headstart.training.schedules import FIXED_LENGTH
from headstart.training.trained import Trained

if TYPE_CHECKING:
    import keras

    from headstart.training.callbacks import BestCheckpoint, ValidationScore
    from headstart.training.row_batches import RowBatches

__all__ = [
    "MIN_BATCH",
    "Built",
    "KerasTraining",
    "OnEpoch",
    "Scores",
    "batch_size",
    "sample_bytes",
    "small_epochs",
    "small_steps",
]

Built = tuple["keras.Model", "list[keras.layers.Layer]"]
OnEpoch = Callable[[int, float], None]

MIN_BATCH = 2
_EPOCHS = 60
_SMALL_BYTES = 16 << 10  # bytes a sample: below, a network is small, and a step's overhead exceeds its arithmetic
_STEPS_TOGETHER = 16  # steps of a small network that are executed at once, between two calls of the callbacks
_SMALL_EPOCHS, _MANY_SAMPLES = 100, 2000  # epochs of a small network; with more samples, fewer epochs give enough steps
_TAIL_EPOCHS = 12  # pretrained layers only need to be adapted
_PASSES_LEFT = 2  # passes over the validation split to reserve time for: its score, and the evaluation on a test split
_TOLERANCE = 1e-2  # rounding error allowed in a probability, for half precision
_FORGET_SECONDS = 2.0  # training time that a kill may lose; writing a file for every shorter epoch is not worth it


class Scores(NamedTuple):
    """Scores of the best epoch on the validation split, and predictions of rows that were held out, if they are known."""

    val_loss: float
    val_metric: float
    held_out: HeldOut | None = None


@dataclass
class KerasTraining:
    """A training with Keras's ``fit``. The fields are the arguments of ``trainer.train``."""

    examples: Examples
    recipe: Recipe
    folder: Path
    build: Callable[[], Built]
    deadline: float
    on_epoch: OnEpoch

    def run(self) -> Trained:
        """Train until the schedule, a callback or the deadline ends training, and return the best epoch."""
        import keras

        from headstart.training import callbacks

        recipe = self.recipe
        keras.utils.set_random_seed(recipe.seed)
        network, tail = self.build()
        model = self._learner(network)
        weights = self._class_weights(model)
        batches = self._batches(model, weights)
        score = self._validation_score(weights)
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
            checkpoint.on_train_end()  # Keras skips it after an exception
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            raise self._out_of_memory(batches) from error
        if checkpoint.best_epoch < 0:
            raise self._not_a_number()
        checkpoint.restore(model)
        scores = self._finish(network, model, weights, checkpoint)
        seconds = recorder.seconds_before + time.perf_counter() - start
        num_epochs = len(model.history.epoch)
        used = () if weights is None else tuple(float(weight) for weight in weights)
        ended: dict[str, Any] = {"interrupted": interrupted, "cut_short": stop.is_reached, "weights_of_classes": used}
        ended["held_out"] = scores.held_out
        return Trained(recipe, network.get_weights(), scores.val_loss, scores.val_metric, num_epochs, seconds, **ended)

    def _learner(self, network: keras.Model) -> keras.Model:
        """The model that is trained: the network, or another one with its weights."""
        return network

    def _validation_score(self, weights: Array | None) -> ValidationScore:
        from headstart.training.callbacks import ValidationScore

        examples = self.examples
        return ValidationScore(
            examples.val_rows, examples.val_labels, examples.task, lambda output: self._answers(output, weights)
        )

    def _finish(
        self,
        network: keras.Model,  # noqa: ARG002 - a subclass changes it
        model: keras.Model,
        weights: Array | None,
        checkpoint: BestCheckpoint,
    ) -> Scores:
        """Correct the model of the best epoch for class weights, and return its scores."""
        if weights is not None:
            fold_in(model, weights)
            checkpoint.write(model)
        history = {row["epoch"]: row for row in read_json_lines(self.folder / "history.jsonl")}
        return Scores(checkpoint.best, history[checkpoint.best_epoch][f"val_{self.examples.task.metric}"])

    def _class_weights(self, model: keras.Model) -> Array | None:
        """Class weights, if the classes are imbalanced and the output layer can be corrected for the weights."""
        examples, augmentation = self.examples, self.recipe.augmentation
        if examples.task.name not in ("binary", "multiclass") or not has_open_output(model):
            return None
        is_mixed = augmentation is not None and augmentation.mixes
        is_proper = self._loss().endswith("categorical_crossentropy") or self._loss() == "binary_crossentropy"
        return None if is_mixed or not is_proper else class_weights(examples.labels, examples.num_classes)

    def _answers(self, output: Array, weights: Array | None) -> Array:
        """Convert output to predictions, rejecting probabilities outside 0..1, which a user's own network may produce."""
        task = self.examples.task
        answers = task.to_answers(output)
        if task.activation == "linear":
            return answers
        finite = answers[np.isfinite(answers).all(axis=1)]  # a loss that is not finite is reported elsewhere
        low, high = finite.min(initial=0.0), finite.max(initial=1.0)
        excess = np.abs(finite.sum(axis=1) - 1).max(initial=0.0) if task.has_classes else 0.0
        if low >= -_TOLERANCE and high <= 1 + _TOLERANCE and excess <= _TOLERANCE:
            return answers if weights is None else corrected(answers, weights)
        raise TrainingError(
            "H309",
            "the network's output is not a probability",
            received=f"{self.recipe.network}: values from {low:g} to {high:g}, which sum to {finite.sum(axis=1).mean():g}",
            expected=f"{task.activation} as the activation of its last layer",
            advice="end the model with that activation, or pass a function that leaves the output layer to Headstart",
            exit_code=1,
        )

    def _batches(self, model: keras.Model, weights: Array | None) -> RowBatches:
        from headstart.training.row_batches import RowBatches

        examples, recipe = self.examples, self.recipe
        is_fresh = examples.rows.dtype == np.uint8  # pixels are augmented here; stored features were augmented earlier
        return RowBatches(
            examples.rows,
            examples.task.to_targets(examples.labels, self._loss(), examples.num_classes),
            recipe.batch_size or batch_size(len(examples.rows), sample_bytes(model)),
            seed=recipe.seed,
            augmentation=recipe.augmentation if is_fresh else None,
            weights=None if weights is None else weights[examples.labels].astype(np.float32),
        )

    def _epochs(self, model: keras.Model) -> int:
        rows = self.examples.rows
        is_adapted = rows.ndim > 2 and rows.dtype != np.uint8
        is_never_stopped = rows.ndim == 2 and self.recipe.schedule in FIXED_LENGTH  # so its epochs must suit the data
        if self.recipe.epochs is None and (is_never_stopped or self._is_small(model)):
            return small_epochs(len(rows))
        return self.recipe.epochs or (_TAIL_EPOCHS if is_adapted else _EPOCHS)

    def _loss(self) -> str:
        recipe = self.recipe
        is_mixed = recipe.augmentation is not None and (recipe.augmentation.mixup or recipe.augmentation.cutmix)
        mixable = {"sparse_categorical_crossentropy": "categorical_crossentropy"}  # mixed labels are shares of classes
        loss = recipe.loss or self.examples.task.loss
        return mixable.get(loss, loss) if is_mixed and self.examples.rows.dtype == np.uint8 else loss

    def _compile(self, model: keras.Model, tail: list[keras.layers.Layer], batches: RowBatches) -> None:
        import keras

        from headstart.training.learning_rate_finder import find_learning_rate
        from headstart.training.schedules import slow_down

        recipe = self.recipe
        optimizer = keras.optimizers.get(recipe.optimizer or "adam")
        if not isinstance(recipe.optimizer, (str, type(None))):  # optimizers keep state: leave the caller's object untouched
            optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
        if recipe.learning_rate is not None:
            optimizer.learning_rate = recipe.learning_rate
        if tail:
            slow_down(optimizer, tail, recipe.tail_rate)
        is_small = self._is_small(model) and keras.config.backend() == "tensorflow"  # PyTorch cannot do so
        together = min(len(batches), _STEPS_TOGETHER) if is_small else 1
        form: dict[str, Any] = {"jit_compile": False, "steps_per_execution": together}
        model.compile(optimizer=optimizer, loss=self._loss(), metrics=self._metrics(), **form)
        if recipe.learning_rate is None and isinstance(recipe.optimizer, (str, type(None))):
            optimizer.learning_rate = find_learning_rate(model, batches, deadline=self.deadline)

    def _is_small(self, model: keras.Model) -> bool:
        """Whether a step of the network takes so little time that several are executed at once."""
        return sample_bytes(model) < _SMALL_BYTES

    def _metrics(self) -> list[Any]:
        return self.examples.task.metrics()

    def _observers(self, model: keras.Model, batches: RowBatches) -> list[keras.callbacks.Callback]:
        import keras

        from headstart.training import callbacks
        from headstart.training.schedules import SCHEDULES, default_schedule

        is_scheduled = isinstance(model.optimizer.get_config().get("learning_rate"), dict)  # by the user's optimizer
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
    """Whether an error means "out of memory". There is no common class; JAX and PyTorch on a CPU differ by text only."""
    names = {kind.__name__ for kind in type(error).__mro__}
    is_named = bool(names & {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"})
    return is_named or any(text in str(error) for text in ("RESOURCE_EXHAUSTED", "can't allocate memory"))


def small_epochs(num_samples: int) -> int:
    """Default number of epochs of a small network on this many samples."""
    return int(np.clip(_SMALL_EPOCHS * (_MANY_SAMPLES / num_samples) ** 0.5, 10, _SMALL_EPOCHS))


def small_steps(num_samples: int) -> int:
    """Default number of training steps of a small network on this many samples."""
    return small_epochs(num_samples) * math.ceil(num_samples / batch_size(num_samples, 1))


def batch_size(num_samples: int, sample_bytes: int = 0) -> int:
    """Choose a power of two from 8 to 256 that gives about 20 steps per epoch and fits into a quarter of the memory.

    Small networks, whose steps take as long for 16 samples as for fewer, get at least 16.

    Args:
        num_samples: Number of training samples.
        sample_bytes: Bytes that training needs per sample. Defaults to 0: unknown.
    """
    least = 16 if 0 < sample_bytes < _SMALL_BYTES else 8
    wanted = int(np.clip(2 ** round(np.log2(max(1, num_samples) / 20)), least, 256))
    fitting = (memory_bytes() or math.inf) / 4 / max(1, sample_bytes)
    return wanted if wanted <= fitting else max(MIN_BATCH, 2 ** int(np.log2(max(1.0, fitting))))


def sample_bytes(model: keras.Model) -> int:
    """Estimate the bytes that training needs per sample: outputs of all layers in float32, and their gradients."""
    import keras

    shapes = [keras.tree.flatten(layer.output)[0].shape[1:] for layer in model.layers]
    return 2 * 4 * sum(math.prod(side or 1 for side in shape) for shape in shapes)
