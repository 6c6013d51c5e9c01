"""Read a saved model from its signature and weights, without running code from the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.images.rendering import Rendering
from headstart.data.tables.preprocess import code_sizes
from headstart.data.target_scaling import Scaling
from headstart.evaluation.uncertainty.conformal import Conformal
from headstart.export.export_folder import write_preprocessing
from headstart.export.signature_reader import read_signature, thresholds_of
from headstart.features.part_a import PartA
from headstart.foundation.arrays import Array
from headstart.foundation.errors import RunError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.runs.file_reading import held_to, reading, unreadable
from headstart.foundation.runs.files import write_bytes, write_json
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.schema import LOADABLE
from headstart.training.classical.baselines import BASELINES
from headstart.training.networks.networks import adopt
from headstart.training.part_b import PartB
from headstart.training.trials.settings import check_settings
from headstart.training.trials.trial import Trial, trial_of

__all__ = ["SavedModel", "copy_saved_model", "part_of", "read_saved_model", "unfitted_dataset"]


class SavedModel(NamedTuple):
    """Contents of a saved model's folder.

    Attributes:
        trial: Part A, and the recipe of Part B with the fields that a saved model stores.
        dataset: The data set that it was fitted on, without its samples.
        part_b: Part B with its weights.
        weights: The weights of Part B.
        thresholds: One threshold for two classes, one per label for multi-label.
        encoding: Encoding of the table; None for images.
        conformal: Limits of sets and intervals.
    """

    trial: Trial
    dataset: Dataset
    part_b: PartB
    weights: list[Array]
    thresholds: tuple[float, ...]
    encoding: dict[str, Any] | None
    conformal: Conformal


def copy_saved_model(source: Path, file: str, out: Path) -> None:
    """Copy a saved model, with its golden samples and its signature, to another folder.

    Args:
        source: Folder of the saved model.
        file: Name of its weights file: model.keras or model.npz.
        out: Folder to write to.

    Raises:
        RunError: A file was changed after it was signed (H506).
    """
    RunFolder(source).check(file, "golden.npz")
    signature = read_signature(source)
    for name in (file, "golden.npz"):
        write_bytes(out / name, (source / name).read_bytes())
    write_preprocessing(out, signature)
    signature["digests"]["preprocess.py"] = file_digest(out / "preprocess.py")
    write_json(out / "signature.json", signature)


def read_saved_model(folder: Path, weights: str | None = None) -> SavedModel:
    """Read a model that ``Model.save`` or a run wrote.

    Args:
        folder: Folder of the saved model.
        weights: The weights file of Part A, if the model was created with one.

    Raises:
        RunError: The saved model is missing or unreadable (H502), was changed after it was signed (H506), was fitted with
            other weights of Part A (H507), or is an ensemble (H514).
    """
    signature = held_to(folder / "signature.json", read_signature(folder), LOADABLE)
    made = signature["part_b"]
    if "members" in made:
        raise RunError(
            "H514",
            "an ensemble cannot be loaded as a model",
            received=f"{folder}: an ensemble of {len(made['members'])} models",
            expected="the model of a single trial",
            advice="use the run: headstart predict, evaluate, export; or load model.keras with Keras",
        )
    file = folder / ("model.npz" if made["network"] in BASELINES else "model.keras")
    if not file.is_file():
        raise unreadable(file, "missing")
    RunFolder(folder).check(file.name)
    options = made.get("options", {})
    check_settings(made["network"], {"options": options})
    trial = _trial(folder, signature, weights)
    trial = replace(trial, recipe=replace(trial.recipe, options=options))
    dataset, encoding = unfitted_dataset(signature), signature.get("encoding")
    sizes = code_sizes(encoding) if encoding else []
    with reading(file):
        shape = signature["input"]["shape"][1:]
        part_b = PartB(trial.part, trial.recipe, dataset, shape, made.get("num_samples", 1), sizes)
        weights_of_b = part_b.load(file, has_more="unknown" in signature)
    return SavedModel(
        trial,
        dataset,
        part_b,
        weights_of_b,
        thresholds_of(signature),
        encoding,
        Conformal.from_json(signature.get("conformal")),
    )


def part_of(folder: Path, signature: Mapping[str, Any], weights: str | None = None) -> PartA:
    """Rebuild Part A; of an ensemble, that of its first model.

    Args:
        folder: Folder of the saved model.
        signature: Its signature.
        weights: The weights file of Part A, if the model was created with one. Defaults to None.

    Raises:
        RunError: The signature does not describe Part A (H502).
    """
    made = signature["part_a"]
    cut = {key: made[key] for key in ("pooling", "stage", "side") if key in made}
    part = PartA(made["backbone"], weights=Path(weights) if weights else None, **cut)
    if part.is_table:
        return part
    with reading(folder / "signature.json"):
        return replace(part, rendering=Rendering.from_json(made))


def _trial(folder: Path, signature: Mapping[str, Any], weights: str | None) -> Trial:
    """Rebuild the trial: Part A with its original weights, and the network of Part B."""
    made = signature["part_a"]
    cut = {key: made[key] for key in ("pooling", "stage", "side") if key in made}
    trial = trial_of(made["backbone"], adopt(signature["part_b"]["network"]), weights=weights, **cut)
    trial = replace(trial, part=part_of(folder, signature, weights))
    signed = made["weights"]
    is_published = signed.startswith("imagenet")  # named by the version of Keras that fetched them, not by content
    if trial.part.weights_digest() != signed and not (is_published and weights is None):
        raise RunError(
            "H507",
            "Part A has other weights than the model was fitted with",
            received=f"{trial.part.name}: {weights or 'the published weights'}",
            expected="the weights file that was given to fit",
            advice='name that file: hs.Model.load(folder, weights="FILE")',
        )
    return trial


def unfitted_dataset(signature: Mapping[str, Any]) -> Dataset:
    """The data set that a model was fitted on, without its samples."""
    scaling = Scaling.from_json(signature["scaling_of_targets"]) if "scaling_of_targets" in signature else None
    dataset = Dataset(
        "saved", signature["task"], "saved", tuple(signature["labels"]), (), np.zeros(0, np.int64), (), (), scaling=scaling
    )
    return replace(
        dataset,
        target_columns=tuple(signature.get("target", ())),
        columns=tuple(signature.get("table_columns", ())),
        set_aside=tuple(signature.get("set_aside", ())),
        target_formats=signature.get("target_formats", {}),
        group_column=str(signature.get("group", "")),
    )
