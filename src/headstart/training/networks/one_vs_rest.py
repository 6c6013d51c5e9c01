"""One network for each class, calibrated together so that their shares are probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import keras

__all__ = ["CALIBRATION", "calibrate", "cross_calibrated", "one_vs_rest", "shared_out"]

CALIBRATION = "calibration"  # the layer behind the logits of one-vs-rest networks


def one_vs_rest(
    build: Callable[[keras.KerasTensor], keras.KerasTensor], rows: keras.KerasTensor, num_classes: int
) -> keras.KerasTensor:
    """A network for each class, each with a probability of its own, behind a calibration that training leaves alone."""
    import keras
    from keras import layers

    logits = []
    for number in range(num_classes):
        given = keras.Input(rows.shape[1:])
        logit = layers.Dense(1, kernel_initializer="glorot_uniform", name="logit")(build(given))
        logits.append(_numbered(keras.Model(given, logit, name=f"class_{number}"), number)(rows))
    side_by_side = layers.Concatenate(name="logits")(logits)
    calibration = layers.BatchNormalization(name=CALIBRATION, epsilon=1e-12, trainable=False)  # the identity, to begin with
    return layers.Activation("sigmoid", name="probabilities")(calibration(side_by_side))


def shared_out(head: keras.Model) -> keras.Model:
    """One-vs-rest networks on the same layers, but answering with each class's share of the independent probabilities."""
    import keras
    from keras import layers

    logs = layers.Activation("log_sigmoid", name="logs")(head.get_layer(CALIBRATION).output)
    return keras.Model(head.inputs[0], layers.Softmax(name="shares")(logs), name=head.name)


def _numbered(model: keras.Model, number: int) -> keras.Model:
    """The model with a number behind the name of each layer: weights of one name cannot lie side by side in an .h5 file."""
    import keras

    def named(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config(layer.get_config() | {"name": f"{layer.name}_{number}"})

    copy = keras.models.clone_model(model, clone_function=named)
    set_weights(copy, model.get_weights())
    return copy


_MIN = 1e-7  # of a probability whose logit is taken

_PENALTY = 1e-2  # on what departs from leaving the models as they are

_FOLDS = 5


def calibrate(labels: Array, probabilities: Array) -> tuple[float, Array]:
    """The slope of all logits and the offset of each, under which the shares have the least cross-entropy.

    It is Platt's scaling (1999) of each class's model, with one slope, fitted to the answer that they give together.

    Args:
        labels: Label numbers, ``(n,)``.
        probabilities: Independent ones, ``(n, classes)``.

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
    """Answers to samples by calibrations that have not seen them: each fifth by one that is fitted to the others.

    A score on the samples that a calibration was fitted to flatters it; a score of these answers does not.

    Args:
        labels: Label numbers, ``(n,)``.
        probabilities: Independent ones, ``(n, classes)``.
        groups: Group number of each sample, so that a group is never on both sides; None where samples are independent.

    Returns:
        Shares of one, float32 ``(n, classes)``.
    """
    numbers = np.arange(len(labels)) if groups is None else groups
    _, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    by_class = np.argsort(labels[first], kind="stable")  # so that each fold holds its share of each class
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
    """What calibrated models answer together: each class's share of the independent probabilities."""
    from scipy.special import log_expit, softmax

    shares: Array = softmax(log_expit(slope * _logits(probabilities) + offsets), axis=1)
    return shares
