"""Data: the table of tasks. A task decides the output layer, the loss, the metrics and the score; labels decide the task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import DatasetError, UsageError

__all__ = ["TASKS", "Task", "check_loss", "cross_entropy", "infer_task", "integer_labels"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Task:
    """One row of the table.

    Attributes:
        name: The task's name.
        units: Units of the output layer for a number of classes.
        activation: Activation of the output layer.
        initializer: Initialiser that suits that activation.
        loss: Keras loss on integer labels.
        losses: All of Keras's losses that suit that activation and the labels, by name.
        metrics: Makes fresh Keras metrics for ``compile``.
        score: ``val_loss``: labels ``(n,)`` and probabilities ``(n, classes)`` to a number, lower is better.
        to_probabilities: Output of the network, ``(n, units)``, to a probability for every class, ``(n, classes)``.
    """

    name: str
    units: Callable[[int], int]
    activation: str
    initializer: str
    loss: str
    losses: tuple[str, ...]
    metrics: Callable[[], list[Any]]
    score: Callable[[Array, Array], float]
    to_probabilities: Callable[[Array], Array]


def cross_entropy(labels: Array, probabilities: Array) -> float:
    """Mean cross-entropy in nats of the true class, unweighted; probabilities are clipped at 1e-7 and sum to one.

    Args:
        labels: Label numbers, ``(n,)``.
        probabilities: ``(n, classes)``.
    """
    clipped = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1.0)
    clipped /= clipped.sum(axis=1, keepdims=True)
    return float(-np.log(clipped[np.arange(len(labels)), labels]).mean())


def _binary_metrics() -> list[Any]:
    import keras

    kinds = {"auc": keras.metrics.AUC, "precision": keras.metrics.Precision, "recall": keras.metrics.Recall}
    return ["accuracy", *(kind(name=name) for name, kind in kinds.items())]


def _both_columns(output: Array) -> Array:
    positive = np.asarray(output, np.float32).reshape(len(output), 1)
    return np.concatenate([1 - positive, positive], axis=1)


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
            metrics=_binary_metrics,
            score=cross_entropy,
            to_probabilities=_both_columns,
        ),
        Task(
            name="multiclass",
            units=lambda num_classes: num_classes,
            activation="softmax",
            initializer="glorot_uniform",
            loss="sparse_categorical_crossentropy",
            losses=("sparse_categorical_crossentropy", "categorical_crossentropy"),
            metrics=lambda: ["accuracy"],
            score=cross_entropy,
            to_probabilities=lambda output: np.asarray(output, np.float32),
        ),
    )
}


def check_loss(loss: str | None, task: str, name: str) -> None:
    """Refuse a loss that the output layer of a task, or its labels, cannot be given to.

    Args:
        loss: Keras's name of it; None is the task's own.
        task: A key of ``TASKS``.
        name: What the user calls the model that is to be trained with it.

    Raises:
        UsageError: It does not fit (H040).
    """
    known = TASKS[task]
    if loss is not None and loss not in known.losses:
        raise UsageError(
            "H040",
            "the loss does not fit the task",
            received=f"{name}: loss = {loss}, and the task is {task}",
            expected=" or ".join(known.losses),
            advice=f"leave the loss out: it is {known.loss} then",
        )


def infer_task(classes: Sequence[str], asked: str | None = None) -> tuple[str, str]:
    """The task for these classes and the reason in words; a task that was asked for wins where it fits.

    Raises:
        DatasetError: Fewer than two classes (H101), or the task asked for does not fit them (H102).
    """
    if len(classes) < 2:
        raise DatasetError(
            "H101",
            "there is nothing to tell apart",
            received=f"{len(classes)} class" + (f": {classes[0]}" if classes else "es"),
            expected="at least two classes with readable samples",
            advice="give each class a folder of its own: photos/cat/*.jpg, photos/dog/*.jpg",
        )
    natural = "binary" if len(classes) == 2 else "multiclass"
    reason = f"{len(classes)} classes → {natural}"
    if asked is None or asked == natural:
        return natural, reason if asked is None else f"{asked}, as asked"
    if asked == "multiclass":
        return asked, "multiclass, as asked (two classes would be binary)"
    raise DatasetError(
        "H102",
        "the task does not fit the labels",
        received=f"--task {asked} with {len(classes)} classes",
        expected=" or ".join(TASKS) if len(classes) == 2 else "multiclass",
        advice="leave --task out, or give the data the labels of that task",
    )


def integer_labels(labels: Array) -> tuple[Array, tuple[str, ...]]:
    """Label numbers and class names from integers, strings or one-hot rows.

    Args:
        labels: ``(n,)`` of anything sortable, or one-hot ``(n, classes)``.

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
        "the labels cannot be read",
        received=f"an array of {labels.dtype}, shape {labels.shape}",
        expected="one integer or string per sample, or one-hot rows of 0 and 1",
        advice="pass labels of shape (n,), or one-hot of shape (n, classes)",
    )


def _is_any_missing(labels: Array) -> bool:
    return labels.dtype.kind == "O" and any(x is None or x != x for x in labels)  # noqa: PLR0124 - NaN alone is unlike itself
