"""The networks of keras.applications, with weights that need no network to fetch."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from headstart.features.backbones.backbones import _APPLICATIONS, BACKBONES
from headstart.foundation.arrays import Array

FAMILIES = (  # one network of each family; the largest of a family has the same layers
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3", "MobileNet",
    "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "Xception",
)  # fmt: skip
APPLICATIONS = sorted(name for name in dir(keras.applications) if name[0].isupper())


def local_weights(folder: Path, name: str, seen: Array | None = None, **options: object) -> Path:
    """Random weights of a network, normalised on a few images so that its signal does not fade, as Keras saves them."""
    batch = (images(BACKBONES[name].size) if seen is None else seen).astype(np.float32)
    size = batch.shape[1]
    keras.utils.set_random_seed(3)
    network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(size, size, 3), **options)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:  # EfficientNet's own
            layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]) ** 2, np.array(1)])
            layer.finalize_state()
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # what one pass of training sees is all it keeps
        elif isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # so that it sees what predict will see
    if name.startswith("EfficientNetB"):
        batch = 2.1 * batch - 126  # about what Keras adds to weights that are pretrained
    network(batch if _APPLICATIONS[name][1] == "inside" else batch / 127.5 - 1, training=True)
    path = folder / f"{name}.weights.h5"
    network.save_weights(path)
    return path


def images(size: int, count: int = 2) -> Array:
    """Random images of 0..255."""
    return np.random.default_rng(size).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
