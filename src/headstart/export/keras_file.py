"""Part A: a ``.keras`` file from anyone, let through only if all that Keras would build from it is on a list.

Keras refuses pickled functions by itself (``safe_mode``). It does build whatever class of its own a file names, and a few of
these run code or open files: ``Lambda``, ``TFSMLayer``, ``TorchModuleWrapper``, ``JaxLayer``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headstart.foundation.errors import RunError
from headstart.foundation.runs.file_reading import parse_json, reading

__all__ = ["check_keras_file"]

_MODULES = frozenset(
    (
        *("keras", "keras.layers", "keras.models", "keras.src.models.functional", "keras.src.models.sequential"),
        *("keras.activations", "keras.constraints", "keras.initializers", "keras.regularizers", "keras.dtype_policies"),
        *("keras.losses", "keras.metrics", "keras.optimizers", "keras.optimizers.schedules"),
        *(f"keras.src.ops.{kind}" for kind in ("core", "image", "linalg", "math", "nn", "numpy")),
        *("builtins", None),  # activations by name, and Keras's own marks for tensors and tuples
    )
)
_REFUSED = frozenset(("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__lambda__", "__typespec__"))
_MAX_CONFIG_BYTES = 64_000_000


def check_keras_file(path: Path) -> None:
    """Refuse a model that holds anything but the built-in layers that do nothing but compute.

    Raises:
        RunError: It is no ``.keras`` file (H502), or holds something else (H521).
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
            raise ValueError(f"its config.json is larger than {_MAX_CONFIG_BYTES / 1e6:.0f} MB")
        config = parse_json(archive.read("config.json").decode("utf-8"))
        named = list(dict.fromkeys(_named(config)))
    refused = [f"{module}.{name}" for module, name in named if module not in _MODULES or name in _REFUSED]
    if refused or not named:
        raise RunError(
            "H521",
            "the model has layers that are not loaded",
            received=f"{path}: {', '.join(refused[:5]) or 'no layer at all'}",
            expected="Keras's own layers, those apart that run code or open files: Lambda, TFSMLayer, TorchModuleWrapper",
            advice="if you trust the model, build it of other layers and fit again",
        )


def _named(config: Any) -> Iterator[tuple[str | None, str]]:
    """Module and name of all that a configuration would build."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key in ("class_name", "registered_name"):
                if value.get(key) is not None:
                    module = value.get("module")
                    yield None if module is None else str(module), str(value[key]).rpartition(">")[2]
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
