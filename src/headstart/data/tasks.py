"""``TASKS``: output layer, loss, metrics and score of each task; and the task that class labels make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.data.metrics import accuracy, binary_cross_entropies, cross_entropies, macro_auc, r2, squared_errors
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError, UsageError

__all__ = ["ONE_VS_REST", "TASKS", "Task", "check_loss", "infer_task", "integer_labels"]


@dataclass(frozen=True)
class Task:
    """A row of ``TASKS``. Labels are of the shape that ``Dataset.labels`` has for the task.

    Attributes:
        name: Name of the task.
        units: Function from the number of classes, labels or targets to the units of the output layer.
        activation: Activation of the output layer.
        initializer: Kernel initialiser that suits the activation.
        loss: Default Keras loss.
        losses: Names of all Keras losses that fit the activation and the labels.
        metrics: Function that creates new Keras metrics for ``compile``.
        losses_of: Function from labels and predictions to the loss of each sample, ``(n,)``; lower is better.
        metric: Name of the main metric, as in ``val_accuracy``.
        measure: Function from labels and predictions to the main metric; higher is better.
        to_answers: Function from the network's output, ``(n, units)``, to predictions: probabilities of all classes or
            labels, or values.
        to_targets: Function from labels, the name of a loss and the number of classes to the targets that the loss expects.
    """

    name: str
    units: Callable[[int], int]
    activation: str
    initializer: str
    loss: str
    losses: tuple[str, ...]
    metrics: Callable[[], list[Any]]
    losses_of: Callable[[Array, Array], Array]
    metric: str
    measure: Callable[[Array, Array], float]
    to_answers: Callable[[Array], Array]
    to_targets: Callable[[Array, str, int], Array]

    @property
    def has_classes(self) -> bool:
        """Whether each sample belongs to exactly one of several classes."""
        return self.name in ("binary", "multiclass", "one_vs_rest")

    def score(self, labels: Array, answers: Array) -> float:
        """Mean unweighted loss of the samples: ``val_loss`` on the validation split."""
        return float(self.losses_of(labels, answers).mean())


def _metrics(*kinds: str, **settings: Any) -> Callable[[], list[Any]]:
    """Return a function that creates the Keras metrics of these class names, under their short names."""

    def make() -> list[Any]:
        import keras

        return [getattr(keras.metrics, kind)(name=_SHORT[kind], **settings.get(kind, {})) for kind in kinds]

    return make


_SHORT = {
    "BinaryAccuracy": "accuracy",
    "SparseCategoricalAccuracy": "accuracy",
    "AUC": "auc",
    "Precision": "precision",
    "Recall": "recall",
    "MeanAbsoluteError": "mae",
    "RootMeanSquaredError": "rmse",
}


def _both_columns(output: Array) -> Array:
    positive = np.asarray(output, np.float32).reshape(len(output), 1)
    return np.concatenate([1 - positive, positive], axis=1)


def _as_they_are(output: Array) -> Array:
    return np.asarray(output, np.float32)


def _numbers(labels: Array, _loss: str, _num_classes: int) -> Array:
    return np.asarray(labels, np.float32)


def _classes(labels: Array, loss: str, num_classes: int) -> Array:
    if loss == "categorical_crossentropy":
        return np.eye(num_classes, dtype=np.float32)[labels]
    return labels.astype(np.int64)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="binary",
            units=lambda _: 1,
            activation="sigmoid",
            initializer="glorot_uniform",
            loss="binary_crossentropy",
            losses=("binary_crossentropy", "binary_focal_crossentropy"),
            metrics=_metrics("BinaryAccuracy", "AUC", "Precision", "Recall"),
            losses_of=cross_entropies,
            metric="accuracy",
            measure=accuracy,
            to_answers=_both_columns,
            to_targets=_numbers,
        ),
        Task(
            name="multiclass",
            units=lambda num_classes: num_classes,
            activation="softmax",
            initializer="glorot_uniform",
            loss="sparse_categorical_crossentropy",
            losses=("sparse_categorical_crossentropy", "categorical_crossentropy"),
            metrics=lambda: ["accuracy"],  # Keras chooses the integer or one-hot version by the loss
            losses_of=cross_entropies,
            metric="accuracy",
            measure=accuracy,
            to_answers=_as_they_are,
            to_targets=_classes,
        ),
        Task(
            name="multilabel",
            units=lambda num_labels: num_labels,
            activation="sigmoid",
            initializer="glorot_uniform",
            loss="binary_crossentropy",
            losses=("binary_crossentropy", "binary_focal_crossentropy"),
            metrics=_metrics("BinaryAccuracy", "AUC", AUC={"multi_label": True}),
            losses_of=binary_cross_entropies,
            metric="macro_auc",
            measure=macro_auc,
            to_answers=_as_they_are,
            to_targets=_numbers,
        ),
        Task(
            name="regression",
            units=lambda num_targets: num_targets,
            activation="linear",
            initializer="glorot_uniform",
            loss="mean_squared_error",
            losses=("mean_squared_error", "mean_absolute_error", "huber", "log_cosh"),
            metrics=_metrics("MeanAbsoluteError", "RootMeanSquaredError"),
            losses_of=squared_errors,
            metric="r2",
            measure=r2,
            to_answers=_as_they_are,
            to_targets=_numbers,
        ),
    )
}


def _shares(output: Array) -> Array:
    """Normalise independent class probabilities so that they add up to 1."""
    probabilities = np.asarray(output, np.float32)
    shares: Array = probabilities / np.maximum(probabilities.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return shares


# One independent output per class, normalised for the prediction. The data set's task remains multiclass.
ONE_VS_REST = replace(
    TASKS["multiclass"],
    name="one_vs_rest",
    activation="sigmoid",
    loss="binary_crossentropy",
    losses=TASKS["multilabel"].losses,
    metrics=TASKS["multilabel"].metrics,
    to_answers=_shares,
    to_targets=lambda labels, _, num_classes: np.eye(num_classes, dtype=np.float32)[labels],
)


def check_loss(loss: str | None, task: str, name: str) -> None:
    """Reject a loss that does not fit the task's output layer or labels.

    Args:
        loss: Keras name of the loss; None is the task's default.
        task: A key of ``TASKS``.
        name: Name of the model or trial, for the error message.

    Raises:
        UsageError: The loss does not fit the task (H040).
    """
    known = TASKS[task]
    if loss is not None and loss not in known.losses:
        raise UsageError(
            "H040",
            "the loss does not fit the task",
            received=f"{name}: loss = {loss}, but the task is {task}",
            expected=" or ".join(known.losses),
            advice=f"leave the loss out to use {known.loss}",
        )


def infer_task(classes: Sequence[str], asked: str | None = None) -> tuple[str, str]:
    """Infer the task of samples that have one class each.

    Args:
        classes: Names of the classes.
        asked: Task requested by the user, which is used if it fits. Defaults to None.

    Returns:
        The task, and an explanation of the choice.

    Raises:
        DatasetError: There are fewer than two classes (H101), or the requested task does not fit them (H102).
    """
    if len(classes) < 2:
        raise DatasetError(
            "H101",
            "fewer than two different labels",
            received=f"{len(classes)} class" + (f": {classes[0]}" if classes else "es"),
            expected="at least two classes with readable samples",
            advice="give each class a folder of its own: photos/cat/*.jpg, photos/dog/*.jpg",
        )
    natural = "binary" if len(classes) == 2 else "multiclass"
    reason = f"{len(classes)} classes → {natural}"
    if asked is None or asked == natural:
        return natural, reason if asked is None else f"{asked}, as requested"
    if asked == "multiclass":
        return asked, "multiclass, as requested (two classes would be binary)"
    raise DatasetError(
        "H102",
        "the task does not fit the labels",
        received=f"--task {asked} with {len(classes)} classes",
        expected="binary or multiclass" if len(classes) == 2 else "multiclass",
        advice="leave --task out, or use labels that fit the task",
    )


def integer_labels(labels: Array) -> tuple[Array, tuple[str, ...]]:
    """Convert integers, strings or one-hot rows to label numbers and class names.

    Args:
        labels: Sortable values ``(n,)``, or one-hot rows ``(n, classes)``.

    Raises:
        DatasetError: The labels are neither (H103).
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        is_one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
        if is_one_hot:
            return labels.argmax(axis=1).astype(np.int64), tuple(str(i) for i in range(labels.shape[1]))
    elif labels.ndim == 1 and labels.dtype.kind in "biuSUO" and not _is_any_missing(labels):
        if labels.dtype.kind == "S":
            labels = np.char.decode(labels, "utf-8", "backslashreplace")
        names, numbers = np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels, return_inverse=True)
        return numbers.astype(np.int64), tuple(str(name) for name in names)
    raise DatasetError(
        "H103",
        "unsupported labels",
        received=f"an array of {labels.dtype}, shape {labels.shape}",
        expected="one integer or string per sample, or one-hot rows of 0 and 1",
        advice="pass labels of shape (n,), or one-hot of shape (n, classes)",
    )


def _is_any_missing(labels: Array) -> bool:
    return labels.dtype.kind == "O" and any(x is None or x != x for x in labels)  # noqa: PLR0124 - only NaN differs from itself
