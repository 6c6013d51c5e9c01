"""Which unlabelled samples to label next for the model of a run, with its predictions for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.evaluation.uncertainty.active_learning import choose, uncertainties
from headstart.evaluation.uncertainty.novelty import at_unit_length
from headstart.export.signature_reader import read_signature
from headstart.features.extraction import extract
from headstart.features.tables.table_features import TableFeatures
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.foundation.runs.file_reading import held_to
from headstart.foundation.runs.files import disk_error, write_bytes, write_csv
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.schema import LOADABLE
from headstart.models.fitting import open_store
from headstart.models.predictions import Prediction, prediction_table, truth_columns, with_errors
from headstart.models.predictor import Predictor
from headstart.models.saved_model import part_of
from headstart.models.scoring import contents_of
from headstart.report.label_page import label_page
from headstart.report.places import Places

__all__ = ["ToLabel", "save_to_label", "to_label"]

_DECIMALS = 6


class ToLabel(NamedTuple):
    """Samples to label next, the most useful first, followed by those that cannot be read.

    Attributes:
        columns: ``path`` (or ``row``), ``label`` (to be filled in), the columns of ``predict``, and ``uncertainty``.
        rows: A row per sample.
        num_known: Number of samples that were left out because the run has them already.
        num_copies: Number of samples that were left out because they are equal to another one.
        num_errors: Number of samples that cannot be read.
    """

    columns: list[str]
    rows: list[list[object]]
    num_known: int
    num_copies: int
    num_errors: int


def to_label(folder: RunFolder, predictor: Predictor, dataset: Dataset, number: int) -> ToLabel:
    """Choose unlabelled samples to label next.

    Args:
        folder: A run with a model.
        predictor: The predictor of that run.
        dataset: The unlabelled samples: images, or rows of a table.
        number: Number of samples to choose.

    Raises:
        UsageError: The number is not positive (H052).
    """
    if number < 1:
        raise UsageError(
            "H052",
            "invalid number of samples",
            received=f"--number {number}",
            expected="1 or more",
            advice="--number 50",
        )
    answers = predictor.answer(dataset)
    of_run = {row["digest"] for row in folder.rows("contents.csv")}
    contents = contents_of(dataset, predictor.encoding)
    readable = [place for place, answer in enumerate(answers) if answer.answers is not None]
    new = [place for place in readable if contents[place] not in of_run]
    usable = list({contents[place]: place for place in reversed(new)}.values())[::-1]
    chosen: list[int] = []
    weights = np.zeros(0)
    if usable:
        given = np.array([answers[place].answers for place in usable])
        weights = uncertainties(predictor.task, given)
        chosen = choose(_features(folder, predictor, dataset, usable, given), weights, number)
    errors = with_errors([answer for answer in answers if answer.error], dataset.skipped)
    columns, rows = _table(predictor, [answers[usable[place]] for place in chosen], weights[chosen].tolist(), errors)
    return ToLabel(columns, rows, len(readable) - len(new), len(new) - len(usable), len(errors))


def save_to_label(out: Path, folder: RunFolder, found: ToLabel) -> None:
    """Write to_label.csv, and the page to_label.html, to a folder without files.

    Raises:
        StackError: Writing to disk failed (H601).
    """
    samples = [dict(zip(found.columns, row, strict=True)) for row in found.rows[: len(found.rows) - found.num_errors]]
    places = Places(folder.path, folder.state, [str(row[0]) for row in found.rows])
    html = label_page(folder.name, read_signature(folder.path), samples, places)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(out, error) from error
    write_csv(out / "to_label.csv", found.columns, found.rows)
    write_bytes(out / "to_label.html", html.encode("utf-8", "backslashreplace"))


def _features(folder: RunFolder, predictor: Predictor, dataset: Dataset, usable: list[int], answers: Array) -> Array:
    """Rows of Part A, those of images at unit length; the predictions themselves for a network without a backbone."""
    signature = held_to(folder.path / "signature.json", read_signature(folder.path), LOADABLE)
    if predictor.encoding:
        part = part_of(folder.path, signature)
        encoded = TableFeatures(part, predictor.encoding, [], np.zeros((0, 0), np.float32), 0.0).encode(dataset)
        return encoded.rows(usable)[:, : predictor.encoding["num_dense"]]  # codes of categories are no quantities
    weights = (folder.state.get("request") or {}).get("weights")
    part = part_of(folder.path, signature, weights)
    if not part.cards:
        return answers
    rows = extract(dataset.take(usable), part, open_store()).rows(range(len(usable)))
    return at_unit_length(rows if rows.ndim == 2 else rows.mean(axis=(1, 2)))


def _table(
    predictor: Predictor, chosen: Sequence[Prediction], weights: Sequence[float], errors: Sequence[Prediction]
) -> tuple[list[str], list[list[object]]]:
    columns, rows = prediction_table([*chosen, *errors], predictor.task, predictor.classes, predictor.key)
    blank = truth_columns(predictor.task, predictor.classes)
    place = columns.index("error") if errors else len(columns)
    given = [round(weight, _DECIMALS) for weight in weights] + [None] * len(errors)
    shown = [
        [row[0], *[None] * len(blank), *row[1:place], weight, *row[place:]] for row, weight in zip(rows, given, strict=True)
    ]
    return [columns[0], *blank, *columns[1:place], "uncertainty", *columns[place:]], shown
