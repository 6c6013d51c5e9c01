"""One-vs-rest: one network per class, calibrated together so that their normalised outputs are probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import keras

__all__ = ["CALIBRATION", "calibrate", "cross_calibrated", "numbered", "one_vs_rest", "shared_out"]

CALIBRATION = "calibration"  # name of the layer after the logits of one-vs-rest networks


def one_vs_rest(
    build: Callable[[keras.KerasTensor], keras.KerasTensor], rows: keras.KerasTensor, num_classes: int
) -> keras.KerasTensor:
    """Build one network per class, each with an independent probability, and a calibration layer that is not trained."""
    import keras
    from keras import layers

    logits = []
    for number in range(num_classes):
        given = keras.Input(rows.shape[1:])
        logit = layers.Dense(1, kernel_initializer="glorot_uniform", name="logit")(build(given))
        logits.append(numbered(keras.Model(given, logit, name=f"class_{number}"), number)(rows))
    side_by_side = layers.Concatenate(name="logits")(logits)
    calibration = layers.BatchNormalization(name=CALIBRATION, epsilon=1e-12, trainable=False)  # initially the identity
    return layers.Activation("sigmoid", name="probabilities")(calibration(side_by_side))


def shared_out(head: keras.Model) -> keras.Model:
    """Return one-vs-rest networks whose output is normalised to sum to one over the classes. Layers are shared."""
    import keras
    from keras import layers

    logs = layers.Activation("log_sigmoid", name="logs")(head.get_layer(CALIBRATION).output)
    return keras.Model(head.inputs[0], layers.Softmax(name="shares")(logs), name=head.name)


def numbered(model: keras.Model, number: int) -> keras.Model:
    """Copy a model, adding a number to the name of each layer: names of weights must be unique in an .h5 file."""
    import keras

    def named(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config(layer.get_config() | {"name": f"{layer.name}_{number}"})

    copy = keras.models.clone_model(model, clone_function=named)
    set_weights(copy, model.get_weights())
    return copy


_MIN = 1e-7  # smallest probability whose logit is computed

_PENALTY = 1e-2  # on parameters that change the models' probabilities

_FOLDS = 5


def calibrate(labels: Array, probabilities: Array) -> tuple[float, Array]:
    """Fit a common slope and one offset per class for the logits, so that normalised probabilities have least cross-entropy.

    This is Platt scaling (1999) of each class's network with a shared slope, fitted to the combined prediction.

    Args:
        labels: Label numbers, ``(n,)``.
        probabilities: Independent probabilities, ``(n, classes)``.

    Returns:
        The slope, above 0, and the offsets ``(classes,)``.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, log_expit, logsumexp

    logits = _logits(probabilities)
    truth = np.eye(logits.shape[1])[labels]

    def objective(parameters: Array) -> tuple[float, Array]:
        slope, offsets = np.exp(parameters[0]), parameters[1:]
        scaled = slope * logits + offsets
        logs = log_expit(scaled)
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        loss = float((logsumexp(logs, axis=1) - (truth * logs).sum(axis=1)).mean())
        error = (shares - truth) * expit(-scaled) / len(labels)  # the slope of log_expit is expit of the opposite
        gradient = np.concatenate([[(error * logits).sum() * slope], error.sum(axis=0)])
        return loss + _PENALTY / 2 * float(np.square(parameters).sum()), gradient + _PENALTY * parameters

    found = minimize(objective, np.zeros(1 + logits.shape[1]), jac=True, method="L-BFGS-B").x
    return float(np.exp(found[0])), found[1:]


def cross_calibrated(labels: Array, probabilities: Array, groups: Array | None = None) -> Array:
    """Calibrate out of fold: each fifth of the samples with a calibration fitted on the other four.

    Use it for scoring. Scores on the samples that a calibration was fitted on are too optimistic.

    Args:
        labels: Label numbers, ``(n,)``.
        probabilities: Independent probabilities, ``(n, classes)``.
        groups: Group number of each sample; a group stays in one fold. Defaults to None: samples are independent.

    Returns:
        Probabilities that sum to one, float32 ``(n, classes)``.
    """
    numbers = np.arange(len(labels)) if groups is None else groups
    _, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    by_class = np.argsort(labels[first], kind="stable")  # spreads each class evenly over the folds
    fold_of_group = np.empty(len(first), np.int64)
    fold_of_group[by_class] = np.arange(len(first)) % _FOLDS
    folds = fold_of_group[places]
    answers = np.empty_like(probabilities, np.float32)
    for fold in np.unique(folds):
        held_out = folds == fold
        slope, offsets = 1.0, np.zeros(probabilities.shape[1])
        if not held_out.all():
            slope, offsets = calibrate(labels[~held_out], probabilities[~held_out])
        answers[held_out] = _shares(probabilities[held_out], slope, offsets)
    return answers


def _logits(probabilities: Array) -> Array:
    clipped = np.clip(np.asarray(probabilities, np.float64), _MIN, 1 - _MIN)
    logits: Array = np.log(clipped) - np.log1p(-clipped)
    return logits


def _shares(probabilities: Array, slope: float, offsets: Array) -> Array:
    """Combined prediction of calibrated networks: the independent probabilities, normalised to sum to one."""
    from scipy.special import log_expit, softmax

    shares: Array = softmax(log_expit(slope * _logits(probabilities) + offsets), axis=1)
    return shares
