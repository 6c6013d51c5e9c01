"""Untrusted Keras models: what is loaded, and what is rejected before Keras sees it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from headstart.export.keras_file import check_keras_file
from headstart.foundation.errors import RunError

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}, "registered_name": None}


def write(path: Path, layer: Any, **members: str) -> Path:
    """A model of one layer, as Keras writes one."""
    model = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}, "registered_name": None}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in ({"config.json": json.dumps(model), "metadata.json": "{}"} | members).items():
            archive.writestr(name, text)
    return path


def test_layers_that_compute_are_let_through(tmp_path: Path) -> None:
    """Networks of every kind that Headstart and its users build, optimizer and operations included, as Keras saves them."""
    import keras

    layers = keras.layers
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, kernel_initializer="he_normal", kernel_regularizer=keras.regularizers.L1L2(0.1, 0.1))(image)
    x = layers.Activation(keras.activations.gelu)(layers.BatchNormalization()(x))
    x = keras.ops.relu(keras.ops.mean(x, axis=(1, 2)) + 1.0)
    inner = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5, seed=1), layers.Dense(2, activation="softmax")])
    model = keras.Model(image, inner(x))
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="categorical_crossentropy", metrics=["accuracy"])
    model.save(tmp_path / "model.keras")
    check_keras_file(tmp_path / "model.keras")


@pytest.mark.parametrize(
    "change",
    [
        {"class_name": "Lambda"},
        {"class_name": "TFSMLayer"},
        {"class_name": "TorchModuleWrapper"},
        {"class_name": "JaxLayer"},
        {"class_name": "Lambda", "module": None},
        {"module": "keras.src.layers.core.lambda_layer"},
        {"module": "os", "class_name": "system"},
        {"module": "builtins.eval"},
        {"module": "keras.saving"},
        {"module": ["keras.layers"]},
        {"registered_name": "Custom>Lambda"},
        {"config": {"activation": {"class_name": "__lambda__", "config": {"value": "4wEA"}}}},
        {"config": {"deep": [[{"inner": {"module": "subprocess", "class_name": "Popen"}}]]}},
    ],
)
def test_what_runs_code_or_opens_files_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """H521, wherever in the configuration it stands, also under another name or from another module."""
    path = write(tmp_path / "model.keras", DENSE | change)
    with pytest.raises(RunError, match="H521"):
        check_keras_file(path)


@pytest.mark.parametrize(
    "members",
    [{"config.json": "{"}, {"config.json": "[" * 100_000}, {"config.json": '{"a": NaN}'}],
    ids=["cut", "deep", "nan"],
)
def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path, members: dict[str, str]) -> None:
    """H502."""
    with pytest.raises(RunError, match="H502"):
        check_keras_file(write(tmp_path / "model.keras", DENSE, **members))


def test_a_model_of_nothing_is_refused(tmp_path: Path) -> None:
    """H521 as well: there is no layer in it."""
    with pytest.raises(RunError, match="H521"):
        check_keras_file(write(tmp_path / "model.keras", DENSE, **{"config.json": "{}"}))
