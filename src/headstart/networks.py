"""Part B: the heads, built with the functional API, and the join of Part A and Part B into one model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headstart.tasks import TASKS, Task

if TYPE_CHECKING:
    import keras

__all__ = ["NETWORKS", "dense_block", "join", "part_b"]

HIDDEN_UNITS = 256
DROPOUT = 0.5


def dense_block(x: keras.KerasTensor, units: int, *, activation: str, dropout: float, name: str) -> keras.KerasTensor:
    """Dense → BatchNormalization → activation → Dropout; the initialiser follows the activation.

    ReLU halves the variance, which ``he_normal`` makes up for (He et al., 2015, https://arxiv.org/abs/1502.01852).
    """
    from keras import layers

    initializer = {"relu": "he_normal", "selu": "lecun_normal"}.get(activation, "glorot_uniform")
    # The normalisation brings its own offset, so that a bias would do nothing.
    x = layers.Dense(units, use_bias=False, kernel_initializer=initializer, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    x = layers.Activation(activation, name=f"{name}_{activation}")(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x)


def _output(x: keras.KerasTensor, task: Task, num_classes: int) -> keras.KerasTensor:
    from keras import layers

    units = task.units(num_classes)
    return layers.Dense(units, activation=task.activation, kernel_initializer=task.initializer, name="probabilities")(x)


def _linear(rows: keras.KerasTensor, task: Task, num_classes: int) -> keras.KerasTensor:
    return _output(rows, task, num_classes)


def _mlp(rows: keras.KerasTensor, task: Task, num_classes: int) -> keras.KerasTensor:
    from keras import layers

    x = layers.BatchNormalization(name="normalise", scale=False, center=False)(rows)
    x = dense_block(x, HIDDEN_UNITS, activation="relu", dropout=DROPOUT, name="hidden")
    return _output(x, task, num_classes)


NETWORKS: dict[str, Callable[[keras.KerasTensor, Task, int], keras.KerasTensor]] = {"linear": _linear, "mlp": _mlp}


def part_b(network: str, num_features: int, task: str, num_classes: int) -> keras.Model:
    """A fresh head: rows ``(batch, features)`` in, the task's output ``(batch, units)`` out.

    Args:
        network: A key of ``NETWORKS``.
        num_features: Length of a row.
        task: A key of ``TASKS``.
        num_classes: Classes.
    """
    import keras

    rows = keras.Input((num_features,), name="rows")
    return keras.Model(rows, NETWORKS[network](rows, TASKS[task], num_classes), name=network)


def join(image: keras.KerasTensor, rows: keras.KerasTensor, head: keras.Model) -> keras.Model:
    """One model: image of 0..255, ``(batch, size, size, 3)``, in; the head's output out. ``predict(x) == B(A(x))``.

    Args:
        image: Input of Part A.
        rows: Output of Part A.
        head: Part B.
    """
    import keras

    x = rows
    for layer in head.layers[1:]:  # a head is a chain; its own layers make the joined model flat and easy to read
        x = layer(x)
    return keras.Model(image, x, name="headstart")
