"""Write the files that make a model usable and verifiable: signature, golden samples, preprocessing, graph."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.tasks import TASKS
from headstart.export.conversion_notes import converter_versions, note_failure, noted_failure
from headstart.export.converter import Child, staged
from headstart.export.export_folder import export_model, write_preprocessing
from headstart.export.formats import FORMATS, Format
from headstart.export.signature_reader import read_signature
from headstart.foundation.errors import ExportError
from headstart.foundation.fingerprint import file_digest, settings_digest
from headstart.foundation.runs.files import replacing, write_json
from headstart.foundation.runs.run_folder import FORMAT, RunFolder
from headstart.models.golden_samples import Signed, golden_images, golden_rows

__all__ = ["add_graph", "has_graph", "sign"]


def sign(out: Path, signed: Signed) -> None:
    """Write golden.npz, preprocess.py and signature.json next to the model in ``out``.

    Raises:
        TrainingError: All images chosen as golden samples have changed or disappeared (H311).
    """
    dataset, part = signed.dataset, signed.part
    golden, listed = golden_rows(signed) if signed.encoding else golden_images(signed)
    with replacing(out / "golden.npz") as temporary:
        np.savez_compressed(temporary, **golden)  # type: ignore[arg-type]
    write_preprocessing(out, _input(signed))
    task = TASKS[dataset.task]
    signature = {
        "format": FORMAT,
        "task": dataset.task,
        "labels": list(dataset.classes),
        **_input(signed),
        "output": {
            "name": "values" if dataset.task == "regression" else "probabilities",
            "shape": [None, task.units(dataset.num_classes)],
            "activation": task.activation,
            "meaning": _MEANINGS.get(dataset.task, "one column per label, in order").format(*dataset.classes),
        },
        "target_formats": {name: dict(written) for name, written in dataset.target_formats.items()},
        **({} if signed.novelty is None else {"unknown": signed.novelty.to_json()}),
        **_thresholds_json(dataset, signed.thresholds),
        "conformal": signed.conformal.to_json(),
        **({} if dataset.scaling is None else {"scaling_of_targets": dataset.scaling.to_json()}),
        **({"group": dataset.group_column} if dataset.group_column else {}),
        "part_a": part.origins(),
        "part_b": signed.part_b,
        "digests": {name: file_digest(out / name) for name in _signed_files(out)},
        "golden": listed,
    }
    write_json(out / "signature.json", signature)


_MEANINGS = {"binary": "probability of {1}", "regression": "one column per target, in order and in its units"}


def _signed_files(out: Path) -> list[str]:
    return [name for name in ("model.keras", "model.npz", "golden.npz", "preprocess.py") if (out / name).exists()]


def _input(signed: Signed) -> dict[str, object]:
    if signed.encoding:
        width = {"name": "rows", "shape": [None, signed.encoding["width"]], "dtype": "float32"}
        names = [spec["name"] for spec in signed.encoding["columns"]]
        columns = [
            {"name": spec["name"], "saved_model_argument": argument, **_COLUMNS[spec["kind"]], **_unit(spec)}
            for spec, argument in zip(signed.encoding["columns"], _arguments(names), strict=True)
        ]
        read = {"table_columns": list(signed.dataset.table_columns), "target": list(signed.dataset.target_columns)}
        read |= {"set_aside": list(signed.dataset.set_aside)}
        feeding = "onnx and saved_model take the columns, each (n, 1); other formats take rows from preprocess.encode"
        return {"input": width, "columns": columns, "encoding": signed.encoding, "feeding": feeding, **read}
    size = signed.part.geometry.size
    image = {"name": "image", "shape": [None, size, size, 3], "dtype": "float32", "layout": "NHWC", "channels": "RGB"}
    return {**signed.part.geometry.as_dict(), "scaling": "inside the model: feed 0..255", "input": image}


def _arguments(names: Sequence[str]) -> list[str]:
    """Argument names of a SavedModel for columns: TensorFlow allows only Python identifiers."""
    taken: list[str] = []
    for number, name in enumerate(names):
        word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
        is_taken = keyword.iskeyword(word) or word == "self"  # TensorFlow's own methods have an argument of that name
        word = word if re.fullmatch(r"[A-Za-z]\w*", word) and not is_taken else f"column_{number}"
        while word in taken:
            word += f"_{number}"
        taken.append(word)
    return taken


def _unit(spec: Mapping[str, Any]) -> dict[str, str]:
    unit = spec["written"]["unit"] if spec["kind"] == "number" else ""
    return {"unit": unit} if unit else {}


_COLUMNS: dict[str, dict[str, str]] = {
    "number": {"dtype": "float32", "missing": "NaN"},
    "date": {"dtype": "float64", "missing": "NaN", "unit": "days since 1970-01-01"},
    "category": {"dtype": "string", "missing": "an empty string", "booleans": "True or False"},
}


def _thresholds_json(dataset: Dataset, thresholds: Sequence[float]) -> dict[str, object]:
    if dataset.task == "binary":
        return {"threshold": float(thresholds[0]) if thresholds else 0.5}
    if dataset.task == "multilabel":
        given = thresholds or [0.5] * dataset.num_classes
        return {"thresholds": {name: float(value) for name, value in zip(dataset.classes, given, strict=True)}}
    return {}


def add_graph(folder: Path, child: Child | None = None, timeout_seconds: float = 1800.0) -> None:
    """Convert a signed model to a graph that predicts without Keras, and verify it against the model.

    For images the graph is model.xml and model.bin; for a table it is model.onnx, which contains the encoder.

    Args:
        folder: Folder of the model, to which the graph is added.
        child: A converter process that is already running. By default, one is started.
        timeout_seconds: Seconds after which the converter is stopped. Defaults to 1800.

    Raises:
        ExportError: The conversion failed (H403, H408), was stopped (H406), its result disagrees with the model (H402), or
            the folder is not writable (H404).
    """
    format = _graph_format(read_signature(folder))
    with staged(folder) as scratch:
        out = scratch / "export"
        try:
            export_model(folder, [format.name], out, child=child, timeout_seconds=timeout_seconds)
        except ExportError as error:
            if error.code in ("H403", "H408"):  # a stop or a full disk says nothing about the model
                note_failure(_graph_name(folder), f"{error.title}: {error.received}")
            raise
        for name in format.files:  # weights first, so that a reader who sees the graph also finds its weights
            (out / name).replace(folder / name)
    run = RunFolder(folder)
    if run.is_sealed:
        run.seal(*format.files)
        return
    signature = read_signature(folder)
    signature["digests"] |= {name: file_digest(folder / name) for name in format.files}
    write_json(folder / "signature.json", signature)


def has_graph(folder: Path) -> bool:
    """Whether a signed model has a graph. A missing graph is created if the model can be converted.

    A conversion that has failed is not tried again with the same versions of the converter.

    Raises:
        ExportError: The graph disagrees with the model (H402), or there is no graph and Keras cannot read the model either.
    """
    run = RunFolder(folder)
    if all(map(run.has, _graph_format(read_signature(folder)).files)):
        return True
    is_readable = (folder / "model.keras").is_file()  # Keras can predict instead
    if is_readable and noted_failure(_graph_name(folder)):
        return False
    try:
        add_graph(folder)  # the run ended before its graph was created
    except ExportError as error:
        if error.code not in ("H403", "H404", "H406", "H408") or not is_readable:
            raise
        return False
    return True


def _graph_name(folder: Path) -> str:
    """Name of a model's graph in the notes of failed conversions."""
    signature = read_signature(folder)
    model = {name: digest for name, digest in signature["digests"].items() if name.startswith("model.")}
    key = settings_digest(model=model, format=_graph_format(signature).name, versions=converter_versions())
    return f"model-{key[:16]}"


def _graph_format(signature: dict[str, Any]) -> Format:
    return FORMATS["onnx" if "encoding" in signature else "openvino"]
