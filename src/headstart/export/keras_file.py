"""Check of an untrusted ``.keras`` file: it may only contain layers from a list of allowed modules.

Keras itself rejects pickled functions (``safe_mode``). But it creates any class of its own that a file names, and some of
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
        *("builtins", None),  # activations by name, and Keras's markers for tensors and tuples
    )
)
_UNSAFE = frozenset(("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__lambda__", "__typespec__"))
_MAX_CONFIG_BYTES = 64_000_000


def check_keras_file(path: Path) -> None:
    """Reject a model that contains anything but built-in layers that only compute.

    Raises:
        RunError: The file is not a ``.keras`` file (H502), or contains other layers (H521).
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
            raise ValueError(f"its config.json is larger than {_MAX_CONFIG_BYTES / 1e6:.0f} MB")
        config = parse_json(archive.read("config.json").decode("utf-8"))
        named = list(dict.fromkeys(_named(config)))
    unsafe = [f"{module}.{name}" for module, name in named if module not in _MODULES or name in _UNSAFE]
    if unsafe or not named:
        raise RunError(
            "H521",
            "model contains unsafe layers",
            received=f"{path}: {', '.join(unsafe[:5]) or 'no layers'}",
            expected="Keras's built-in layers, except those that run code or open files, such as Lambda and TFSMLayer",
            advice="if you trust the model, rebuild it from other layers and fit again",
        )


def _named(config: Any) -> Iterator[tuple[str | None, str]]:
    """Yield module and name of every object that a configuration would create."""
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
