"""Benchmarks: the notebook template in plain Keras, the baseline that ``time_to_quality.py`` runs as its own process.

Usage: python benchmarks/notebook_template.py DATA --out FILE [--epochs 10] [--workers N] [--interpolation NAME]

A frozen EfficientNet-Lite0 runs again in every epoch over images that ``ImageDataGenerator`` augments; behind it
Flatten, Dense(256, relu), BatchNormalization and a softmax are trained by RMSprop in batches of 64. From Headstart it
takes the backbone's network with its weights, and the clock; everything else is what a notebook would write.

FILE gets JSON lines: the settings, then one line an epoch (``seconds`` since this process was started, ``val_loss``,
``val_accuracy``), then the test accuracy of the best epoch's weights.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from headstart.foundation.stopwatch import process_age_seconds

_STARTED = time.perf_counter() - process_age_seconds()  # before the imports of TensorFlow and Keras, which count

_AUGMENTATION: dict[str, Any] = {
    "rotation_range": 10,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "zoom_range": 0.1,
    "horizontal_flip": True,
}
_BATCH = 64
_UNITS = 256


def main() -> None:
    """Train, and write what was measured."""
    arguments = _arguments()
    os.environ["KERAS_BACKEND"] = "tensorflow"  # ImageDataGenerator is TensorFlow's name for it
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(arguments.seed)
    flows = {split: _flow(split, arguments) for split in ("train", "validation", "test")}
    backbone, model = _network(flows["train"].num_classes)
    _write(
        arguments.out,
        {
            "samples": {split: flow.samples for split, flow in flows.items()},
            "workers": arguments.workers,
            "interpolation": arguments.interpolation,
            "augmentation": _AUGMENTATION,
            "batch_size": _BATCH,
            "epochs": arguments.epochs,
            "frozen_parameters": backbone.count_params(),
            "trained_parameters": model.count_params() - backbone.count_params(),
        },
    )
    # jit_compile=False is in the baseline's favour: XLA on a CPU makes these convolutions several times slower.
    model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    best: dict[str, Any] = {"val_loss": float("inf")}

    def note(epoch: int, logs: dict[str, float]) -> None:
        measured = {name: logs[name] for name in ("loss", "val_loss", "val_accuracy")}
        _write(arguments.out, {"epoch": epoch, "seconds": time.perf_counter() - _STARTED, **measured})
        if logs["val_loss"] < best["val_loss"]:  # kept in memory: a checkpoint's file would cost the baseline time
            best.update(epoch=epoch, val_loss=logs["val_loss"], weights=[v.numpy() for v in model.weights])

    model.fit(
        flows["train"],
        validation_data=flows["validation"],
        epochs=arguments.epochs,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
    )
    model.set_weights(best["weights"])
    measured = model.evaluate(flows["test"], verbose=0, return_dict=True)
    test = {"best_epoch": best["epoch"], "test_accuracy": measured["accuracy"], "test_samples": flows["test"].samples}
    _write(arguments.out, {**test, "seconds": time.perf_counter() - _STARTED})


def _network(num_classes: int) -> tuple[Any, Any]:
    """The frozen backbone, and the whole model around it."""
    import keras
    from keras import layers

    from headstart.features.backbones.backbones import BACKBONES

    card = BACKBONES["efficientnet_lite0"]
    image = keras.Input((card.size, card.size, 3))
    backbone = keras.Model(image, card.network(image, None, True))
    backbone.trainable = False  # its batch normalisation then runs in inference mode, in fit too
    head = [
        layers.Flatten(),
        layers.Dense(_UNITS, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(num_classes, activation="softmax"),
    ]
    return backbone, keras.Sequential([backbone, *head])


def _flow(split: str, arguments: argparse.Namespace) -> Any:
    """Images of a split from disk, batch by batch; only those of training are augmented and shuffled."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    is_train = split == "train"
    generator = ImageDataGenerator(**(_AUGMENTATION if is_train else {}))
    flow = generator.flow_from_directory(
        arguments.data / split,
        target_size=(224, 224),
        batch_size=_BATCH,
        shuffle=is_train,
        interpolation=arguments.interpolation,
    )
    flow.workers = arguments.workers  # Keras 3 reads these from the data, no longer from fit()
    return flow


def _write(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The notebook template in plain Keras, timed epoch by epoch.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of train, validation and test class folders")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON lines are appended here")
    parser.add_argument("--epochs", type=int, default=10)
    half = max(1, (os.cpu_count() or 1) // 2)  # on two cores a second thread took more from TensorFlow than it gave
    parser.add_argument("--workers", type=int, default=half, help="threads that read and augment; default half the cores")
    parser.add_argument("--interpolation", default="nearest", help="of resizing; default nearest, as the generator has it")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
