"""Part A: weights given to a network in memory, together with what its layers compute from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

from headstart.foundation.arrays import Array

__all__ = ["finalize_layers", "set_weights"]


def set_weights(network: keras.Layer, weights: Sequence[Array]) -> None:
    """Give a layer or a model its weights; use it instead of Keras's ``set_weights``, which leaves a copy incomplete.

    In Keras 3.15.1 on TensorFlow and JAX, a ``Normalization`` layer computes from the mean and variance it had when it was
    built, adapted or loaded from a file. After ``set_weights`` it holds the new mean and variance and goes on with the old
    ones: 0 and 1 in a copy.

    Args:
        network: A layer or a model that is built.
        weights: What ``get_weights`` of a layer or a model of equal structure returned.

    Raises:
        ValueError: The number of weights or their shapes differ.
    """
    import keras

    network.set_weights(list(weights))
    if finalize_layers(network) and isinstance(network, keras.Model):
        # A compiled function holds the old constants; Keras makes these two anew when they are next needed.
        network.predict_function = network.test_function = None


def finalize_layers(network: keras.Layer) -> bool:
    """Let the layers of a network compute their constants from the variables they now have.

    Call it after variables were assigned one by one, and before anything is computed with the network.

    Returns:
        Whether any layer has such constants.
    """
    # Keras's own rule, in its reader of .h5 files.
    derived = [layer for layer in network._flatten_layers() if layer.weights and hasattr(layer, "finalize_state")]
    for layer in derived:
        layer.finalize_state()
    return bool(derived)
