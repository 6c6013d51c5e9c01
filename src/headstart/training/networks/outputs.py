"""Part B: what stands at the end of a network: the task's output layer, and behind it, as it is shipped, units or shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.target_scaling import LARGEST_LOG, Scaling
from headstart.data.tasks import Task
from headstart.foundation.errors import UsageError

if TYPE_CHECKING:
    import keras

__all__ = ["checked", "in_units", "output_layer"]


def output_layer(x: keras.KerasTensor, task: Task, num_classes: int) -> keras.KerasTensor:
    """The task's output layer on top of ``x``."""
    from keras import layers

    units = task.units(num_classes)
    return layers.Dense(units, activation=task.activation, kernel_initializer=task.initializer, name=_name(task))(x)


def _name(task: Task) -> str:
    return "values" if task.activation == "linear" else "probabilities"


def checked(output: Any, name: str, task: Task, num_classes: int) -> keras.KerasTensor:
    """The output of a user's own model, refused where it is not the task's."""
    units = task.units(num_classes)
    shape = getattr(output, "shape", None)  # several outputs have none
    if shape is not None and len(shape) == 2 and shape[1] == units:
        return output
    raise UsageError(
        "H039",
        "the model's output does not fit the task",
        received=f"{name}: output {'(batch, ' + ', '.join(map(str, shape[1:])) + ')' if shape else 'of several tensors'}",
        expected=f"(batch, {units}), {task.activation}: {task.name} of {num_classes}",
        advice="give the model that last layer, or give a function that leaves the output layer to Headstart",
    )


def in_units(model: keras.Model, scaling: Scaling) -> keras.Model:
    """A model whose answers are in the user's units, from one that answers in the scale that it learned in.

    Two branches, one of them 0 or 1 for each target: the plain values, and the exponential of those that were logarithms.
    """
    from keras import layers

    logs = np.array(scaling.logs, np.float32)
    offsets, deviations = np.array(scaling.offsets, np.float32), np.array(scaling.deviations, np.float32)
    (scaled,) = model.outputs
    plain = layers.Rescaling((deviations * (1 - logs)).tolist(), (offsets * (1 - logs)).tolist(), name="units")(scaled)
    if not logs.any():
        return _shipped(model.inputs[0], plain)
    logged = layers.Rescaling((deviations * logs).tolist(), (offsets * logs).tolist(), name="log1p")(scaled)
    limited = layers.ReLU(max_value=LARGEST_LOG, name="limit")(logged)
    exponential = layers.Activation("exponential", name="exp")(limited)
    values = layers.Add(name="sum")([plain, layers.Rescaling(1.0, offset=-1.0, name="less_1")(exponential)])
    return _shipped(model.inputs[0], values)


def _shipped(given: keras.KerasTensor, output: keras.KerasTensor) -> keras.Model:
    """A whole model as it is shipped."""
    import keras

    return keras.Model(given, output, name="headstart")
