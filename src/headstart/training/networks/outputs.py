"""The task's output layer, and the conversion of a regression's output to the user's units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.target_scaling import LARGEST_LOG, Scaling
from headstart.data.tasks import Task
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

if TYPE_CHECKING:
    import keras

__all__ = [
    "MEMBERS",
    "checked",
    "in_units",
    "mean_of_members",
    "output_layer",
    "outputs_of",
    "outputs_of_members",
]

MEMBERS = "members"  # name of the output layer of all members of a network


def output_layer(x: keras.KerasTensor, task: Task, num_classes: int) -> keras.KerasTensor:
    """Apply the task's output layer to ``x``."""
    from keras import layers

    units = task.units(num_classes)
    return layers.Dense(units, activation=task.activation, kernel_initializer=task.initializer, name=_name(task))(x)


def mean_of_members(x: keras.KerasTensor, task: Task, num_classes: int) -> keras.KerasTensor:
    """Apply an output layer to each of several members, ``(batch, members, width)``, and return their mean."""
    from keras import initializers, layers

    _, members, width = x.shape
    spread = initializers.RandomUniform(-(width**-0.5), width**-0.5)
    options = {"activation": task.activation, "kernel_initializer": spread, "name": MEMBERS}
    if (units := task.units(num_classes)) > 1:
        outputs = layers.EinsumDense("bmh,mhu->bmu", (members, units), bias_axes="mu", **options)(x)
    else:  # LiteRT's converter fails on a product with a single column and a bias
        alone = layers.EinsumDense("bmh,mh->bm", (members,), bias_axes="m", **options)(x)
        outputs = layers.Reshape((members, 1), name="one_unit")(alone)
    return layers.GlobalAveragePooling1D(name=_name(task))(outputs)


def outputs_of_members(network: keras.Model) -> keras.KerasTensor:
    """Outputs of all members, ``(batch, members, units)``, of a network that ends with their mean."""
    return network.layers[-1].input


def _name(task: Task) -> str:
    return "values" if task.activation == "linear" else "probabilities"


def checked(output: Any, name: str, task: Task, num_classes: int) -> keras.KerasTensor:
    """Return the output of a user's own model, or reject it if its shape does not fit the task (H039)."""
    units = task.units(num_classes)
    shape = getattr(output, "shape", None)  # a list of several outputs has no shape
    if shape is not None and len(shape) == 2 and shape[1] == units:
        return output
    raise UsageError(
        "H039",
        "the model's output does not fit the task",
        received=f"{name}: output {'(batch, ' + ', '.join(map(str, shape[1:])) + ')' if shape else 'of several tensors'}",
        expected=f"(batch, {units}), {task.activation}: {task.name} of {num_classes}",
        advice="end the model with that layer, or pass a function that leaves the output layer to Headstart",
    )


def in_units(model: keras.Model, scaling: Scaling) -> keras.Model:
    """Append layers that convert predictions, a model's first output, from the scale of training to the user's units.

    There are two branches, plain values and exponentials of log-scaled targets; each is zeroed where the other applies.
    """
    from keras import layers

    logs = np.array(scaling.logs, np.float32)
    offsets, deviations = np.array(scaling.offsets, np.float32), np.array(scaling.deviations, np.float32)
    scaled, *others = model.outputs
    plain = layers.Rescaling((deviations * (1 - logs)).tolist(), (offsets * (1 - logs)).tolist(), name="units")(scaled)
    if not logs.any():
        return _headstart_model(model.inputs[0], [plain, *others])
    logged = layers.Rescaling((deviations * logs).tolist(), (offsets * logs).tolist(), name="log1p")(scaled)
    limited = layers.ReLU(max_value=LARGEST_LOG, name="limit")(logged)
    exponential = layers.Activation("exponential", name="exp")(limited)
    values = layers.Add(name="sum")([plain, layers.Rescaling(1.0, offset=-1.0, name="less_1")(exponential)])
    return _headstart_model(model.inputs[0], [values, *others])


def outputs_of(model: keras.Model, inputs: Array, *, batch_size: int = 32) -> Array:
    """Compute all outputs of a model side by side, float32 ``(n, columns)``."""
    outputs = model.predict(np.asarray(inputs, np.float32), batch_size=batch_size, verbose=0)
    several = outputs if isinstance(outputs, list) else [outputs]
    return np.concatenate([np.asarray(output, np.float32) for output in several], axis=1)


def _headstart_model(given: keras.KerasTensor, outputs: list[keras.KerasTensor]) -> keras.Model:
    """A whole model under the name that saved models have."""
    import keras

    return keras.Model(given, outputs if len(outputs) > 1 else outputs[0], name="headstart")
