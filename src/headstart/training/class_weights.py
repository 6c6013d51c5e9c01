"""Class weights for imbalanced classes, and the correction that makes predictions fit the original class frequencies.

A network trained with class weights learns more about rare classes, but predicts as if all classes were equally frequent.
Dividing its probabilities by the weights restores the frequencies of the data (Elkan, 2001, "The foundations of
cost-sensitive learning"). The division is an offset of the output layer's logits, so the saved model needs no extra step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import keras

__all__ = ["IMBALANCE", "class_weights", "corrected", "fold_in", "has_open_output"]

_MAX_WEIGHT = 50.0  # with a larger weight, a single sample would dominate its training step
IMBALANCE = 5.0  # ratio of the largest to the smallest class from which weights are used


def class_weights(labels: Array, num_classes: int) -> Array | None:
    """Compute class weights ``(classes,)``, inversely proportional to class size and at most 50; None if not needed.

    Args:
        labels: Label numbers of the training samples, ``(n,)``; every class has some.
        num_classes: Number of classes.

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
    """Correct the probabilities ``(n, classes)`` of a network trained with class weights for the original frequencies."""
    shares = np.asarray(probabilities, np.float64) / weights
    result: Array = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return result


def has_open_output(model: keras.Model) -> bool:
    """Whether the model ends in Headstart's own output layer, which can take the correction."""
    import keras

    last = model.layers[-1]
    return isinstance(last, keras.layers.Dense) and last.name == "probabilities"


def fold_in(model: keras.Model, weights: Array) -> None:
    """Add the correction to the output layer: softmax over classes, or a sigmoid for the second of two classes."""
    kernel, bias = model.layers[-1].get_weights()
    logs = np.log(weights)
    offset = logs[1:] - logs[:1] if len(bias) == 1 else logs
    set_weights(model.layers[-1], [kernel, bias - offset.astype(bias.dtype)])
