"""Part B: class weights where classes are of very different size, and their correction: answers are for data as they are.

Trained with weights, a network answers as if all classes were equally frequent, and learns more of the rare ones. Divided
by the weights, its probabilities are those of the data again (Elkan, 2001, "The foundations of cost-sensitive learning").
The division is an offset of the output layer's logits, so that nothing is left to do where the model is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import keras

__all__ = ["IMBALANCE", "class_weights", "corrected", "fold_in", "has_open_output"]

_MAX_WEIGHT = 50.0  # of a single sample: beyond, a step would be about it alone
IMBALANCE = 5.0  # how many times as many samples the most common class has as the rarest one


def class_weights(labels: Array, num_classes: int) -> Array | None:
    """A weight for each class, ``(classes,)``, inverse to its size, and at most 50; None if not needed.

    Args:
        labels: Label numbers of the training samples, ``(n,)``; every class has some.
        num_classes: Classes.

    Example:
        >>> class_weights(np.array([0] * 9 + [1]), 2).round(2)
        array([0.56, 5.  ])
    """
    counts = np.bincount(labels, minlength=num_classes)
    if counts.max() < IMBALANCE * max(1, counts.min()):
        return None
    weights: Array = np.minimum(len(labels) / (num_classes * np.maximum(counts, 1)), _MAX_WEIGHT)
    return weights


def corrected(probabilities: Array, weights: Array) -> Array:
    """Probabilities ``(n, classes)`` for the data as they are, of a network that was trained with class weights."""
    shares = np.asarray(probabilities, np.float64) / weights
    result: Array = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return result


def has_open_output(model: keras.Model) -> bool:
    """Whether the model ends in the output layer that Headstart gives a network, into which a correction can go."""
    import keras

    last = model.layers[-1]
    return isinstance(last, keras.layers.Dense) and last.name == "probabilities"


def fold_in(model: keras.Model, weights: Array) -> None:
    """Put the correction into the output layer: softmax over classes, or a sigmoid for the second of two."""
    kernel, bias = model.layers[-1].get_weights()
    logs = np.log(weights)
    offset = logs[1:] - logs[:1] if len(bias) == 1 else logs
    set_weights(model.layers[-1], [kernel, bias - offset.astype(bias.dtype)])
