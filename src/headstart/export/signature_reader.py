"""Reading of an untrusted signature.json, whose values are validated before any of them is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.tables import preprocess
from headstart.data.tasks import TASKS
from headstart.foundation.runs.file_reading import held_to, reading
from headstart.foundation.runs.files import read_json
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.schema import SHAPES

__all__ = ["outputs_of", "read_signature", "thresholds_of"]

NAME = "signature.json"
_LARGEST_LIMIT = 1e30  # of a conformal score
_LARGEST_SIDE = 8192  # of a model's square input, in pixels


def read_signature(folder: Path) -> dict[str, Any]:
    """Read and validate the signature of the model in a folder.

    Raises:
        RunError: The signature is missing or invalid (H502), or was changed after it was written (H506).
    """
    path = folder / NAME
    signature: dict[str, Any] = held_to(path, read_json(path), SHAPES[NAME])
    RunFolder(folder).check(NAME)
    with reading(path):
        _check_labels(signature)
        _check_input(signature)
        _check_scaling(signature)
        _check_conformal(signature)
    return signature


def thresholds_of(signature: Mapping[str, Any]) -> tuple[float, ...]:
    """Thresholds in a signature, in the order of its labels; empty if the task has none."""
    if "thresholds" in signature:
        return tuple(signature["thresholds"][name] for name in signature["labels"])
    return (signature["threshold"],) if "threshold" in signature else ()


def outputs_of(signature: Mapping[str, Any]) -> dict[str, list[int | None]]:
    """Names and shapes of a model's outputs in their order: predictions, and the score of unknown images if there is one."""
    return {made["name"]: made["shape"] for made in (signature["output"], signature.get("unknown")) if made}


def _check_labels(signature: Mapping[str, Any]) -> None:
    labels, task = signature["labels"], signature["task"]
    least = 1 if task in ("multilabel", "regression") else 2
    if len(set(labels)) != len(labels) or len(labels) < least or (task == "binary" and len(labels) != 2):
        raise ValueError(f"{len(labels)} labels, {len(set(labels))} of them different, do not fit the task {task}")
    if signature["output"]["shape"][-1:] != [TASKS[task].units(len(labels))]:
        raise ValueError(f"output.shape {signature['output']['shape']} does not match {len(labels)} labels")
    thresholds_of(signature)
    if "unknown" in signature and ("encoding" in signature or signature["unknown"]["shape"] != [None, 1]):
        raise ValueError("unknown is not one number for each image")
    if len(outputs_of(signature)) != 1 + ("unknown" in signature):
        raise ValueError("both outputs have one name")


def _check_input(signature: Mapping[str, Any]) -> None:
    shape = signature["input"]["shape"]
    if "encoding" in signature:
        expected = [None, _width_of(signature)]
    else:
        size = signature["size"]
        if size > _LARGEST_SIDE:
            raise ValueError(f"size is {size}, more than the maximum of {_LARGEST_SIDE}")
        from headstart.data.images import preprocess as preprocess_images  # imports Pillow

        settings = preprocess_images.Settings(**{name: signature[name] for name in preprocess_images.Settings._fields})
        preprocess_images.from_array(np.zeros((1, 1, 3), np.uint8), settings)
        expected = [None, size, size, 3]
    if shape != expected:
        raise ValueError(f"input.shape is {shape}, not {expected}")


def _width_of(signature: Mapping[str, Any]) -> int:
    """Width of an encoded row; the encoding is tested on a row of missing values and a row of text."""
    spec = signature["encoding"]
    names = [column["name"] for column in spec["columns"]]
    if len(set(names)) != len(names) or names != [column["name"] for column in signature["columns"]]:
        raise ValueError("encoding.columns does not match columns")
    width = sum(map(preprocess.dense_width, spec["columns"])) + len(preprocess.code_sizes(spec))
    if spec["width"] != width:
        raise ValueError(f"encoding.width is {spec['width']}, but its columns have a width of {width}")
    cells, _ = preprocess.read_cells({name: np.array([None, "0"], object) for name in names}, spec)
    with np.errstate(all="ignore"):
        rows = preprocess.encode_typed(cells, spec)
    if not np.isfinite(rows).all():
        raise ValueError("the encoding produces numbers that are not finite")
    return width


def _check_scaling(signature: Mapping[str, Any]) -> None:
    scaling = signature.get("scaling_of_targets")
    if signature["task"] == "regression" and scaling is None:
        raise ValueError("a regression without scaling_of_targets")
    if scaling and {len(scaling[key]) for key in ("log1p", "mean", "deviation", "offset", "smearing")} != {
        len(signature["labels"])
    }:
        raise ValueError("scaling_of_targets does not have one value for each target")


def _check_conformal(signature: Mapping[str, Any]) -> None:
    num_limits = len(signature["labels"]) if signature["task"] == "regression" else 1
    limits = signature.get("conformal", {}).get("limits", {})
    if limits.keys() - {str(percent) for percent in range(1, 100)}:
        raise ValueError("conformal.limits has other keys than percents")
    if any(
        len(numbers) != num_limits or not 0 <= min(numbers) <= max(numbers) < _LARGEST_LIMIT for numbers in limits.values()
    ):
        raise ValueError(f"conformal.limits does not have {num_limits} numbers for each coverage, or they are out of range")
