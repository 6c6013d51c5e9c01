"""Set the weights of a network in memory, and update the constants that its layers derive from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import keras

__all__ = ["finalize_layers", "set_weights"]


def set_weights(network: keras.Layer, weights: Sequence[Array]) -> None:
    """Set the weights of a layer or a model. Use it instead of Keras's ``set_weights``, which leaves a copy incomplete.

    In Keras 3.15.1 on TensorFlow and JAX, a ``Normalization`` layer computes with the mean and variance from when it was
    built, adapted or loaded from a file. After Keras's ``set_weights``, the layer stores the new mean and variance but
    still computes with the old ones, which are 0 and 1 in a copy.

    Args:
        network: A layer or a model that is built.
        weights: Weights returned by ``get_weights`` of a layer or a model of the same structure.

    Raises:
        ValueError: The number of weights or their shapes differ.
    """
    import keras

    network.set_weights(list(weights))
    if finalize_layers(network) and isinstance(network, keras.Model):
        # Compiled functions contain the old constants; Keras recreates these two when they are next needed.
        network.predict_function = network.test_function = None


def finalize_layers(network: keras.Layer) -> bool:
    """Make the layers of a network recompute the constants they derive from variables.

    Call it after assigning variables one by one, before the network is used.

    Returns:
        Whether any layer has such constants.
    """
    # The same rule as in Keras's reader of .h5 files.
    derived = [layer for layer in network._flatten_layers() if layer.weights and hasattr(layer, "finalize_state")]
    for layer in derived:
        layer.finalize_state()
    return bool(derived)
