"""Score a model on labelled samples, recognise samples that it was fitted on, and write the evaluation to files."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.dataset import SPLITS, Dataset, nothing_to_evaluate
from headstart.data.readers.listing import entries_in, is_image_name
from headstart.data.readers.read import read
from headstart.data.readers.tables.table import Known
from headstart.data.skipped import Skipped
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.features.tables.table_features import row_contents
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.runs.files import disk_error, write_csv, write_json
from headstart.foundation.text import printable
from headstart.models.predictions import beside_truth

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Origin", "contents_of", "origin_of", "samples_to_score", "save_evaluation", "score"]

_FIGURES = ("roc", "confusion", "scatter", "residuals")  # those that an evaluation has a ``plot_`` method for are drawn


class Origin(NamedTuple):
    """Origin of the samples of an evaluation.

    Attributes:
        split: Split of the fitted data that they belong to; ``test`` for new samples.
        num_seen: Number of samples equal to one that the model was fitted on or selected by.
        is_look: Whether this evaluation looks at the test split of the fitted data.
    """

    split: str
    num_seen: int
    is_look: bool


def origin_of(contents: Sequence[str], fitted: Iterable[tuple[str, str]], *, are_rows: bool) -> Origin:
    """Find out which split samples come from, by comparing them with the samples of a fit.

    A matching image is a copy. Images belong to the first split, in the order train, validation, test, that a tenth of them
    are copies of; a few copies among new images are counted only. Rows of a table may be equal by chance, so they are
    assigned to a split only if most of them match rows of exactly one split, and at least a tenth of those matches is in
    it. If most rows of the fit repeat within the fit, matches are ignored.

    Args:
        contents: Content digest of each sample.
        fitted: Content digest and split of each sample of the fit.
        are_rows: Whether the samples are rows of a table.

    Example:
        >>> known = [("a", "train"), ("b", "test"), ("c", "validation")]
        >>> origin_of("axyz", known, are_rows=False)
        Origin(split='train', num_seen=1, is_look=False)
        >>> origin_of("axyz", known, are_rows=True), origin_of("bbx", known, are_rows=True).is_look
        (Origin(split='test', num_seen=1, is_look=False), True)
    """
    splits_of: dict[str, set[str]] = defaultdict(set)
    num_fitted = 0
    for digest, split in fitted:
        splits_of[digest].add(split)
        num_fitted += 1
    found = [splits_of.get(content, set()) for content in contents]
    num_seen = sum(bool(splits & {"train", "validation"}) for splits in found)
    if not are_rows:
        counts = Counter(split for splits in found for split in splits)
        split = next((name for name in SPLITS if counts[name] >= max(1, len(found) / 10)), "test")
        return Origin(split, num_seen, counts["test"] > 0)
    recur = 2 * len(splits_of) < num_fitted
    counts = Counter() if recur else Counter(next(iter(splits)) for splits in found if len(splits) == 1)
    if 2 * counts.total() <= len(found):
        return Origin("test", num_seen, is_look=False)
    split = next(name for name in SPLITS if counts[name] >= counts.total() / 10)
    return Origin(split, num_seen, 2 * counts["test"] > len(found))


def samples_to_score(data: Dataset | str | os.PathLike[str] | pd.DataFrame, known: Known, *, are_rows: bool) -> Dataset:
    """Read labelled samples to score a model on: the test split if there is one, otherwise all samples.

    Args:
        data: A folder of class folders, a table, a data frame or a Dataset.
        known: What the model stores about the data it was fitted on.
        are_rows: Whether the model takes rows of a table.

    Raises:
        DatasetError: The data are images for a table model or vice versa, or images without class folders (H110), or cannot
            be read.
    """
    dataset = data if isinstance(data, Dataset) else read(data, known=known)
    if (dataset.table is not None) != are_rows:
        kinds = {True: "rows of a table", False: "images"}
        raise DatasetError(
            "H110",
            "nothing to evaluate",
            received=f"{kinds[not are_rows]}: {dataset.name}",
            expected=f"{kinds[are_rows]}, which the model was trained on",
            advice="evaluate on data of the kind that was used for fit",
        )
    dataset = dataset.relabelled(known.classes, known.task)
    if isinstance(data, str | os.PathLike) and not len(dataset):
        _check_class_folders(Path(data), known.classes)
    return dataset.take(dataset.indices("test")) if "test" in dataset.split else dataset


def _check_class_folders(folder: Path, classes: Sequence[str]) -> None:
    """Reject a folder that is that of a class, or holds images beside its folders.

    Raises:
        DatasetError: The images are in no class folder (H110).
    """
    name = printable(folder.resolve().name)
    if folder.is_dir() and name in classes:
        parent = printable(folder.parent if folder.name else folder.resolve().parent)
        raise nothing_to_evaluate(
            f"{folder}: the folder of the class {name}", f"give the folder that holds the class folders: {parent}"
        )
    if folder.is_dir() and any(is_image_name(entry.name) for entry in entries_in(folder)):
        raise nothing_to_evaluate(
            f"{folder}: images outside class folders", f"move them into class folders, such as {folder / classes[0]}"
        )


def score(
    dataset: Dataset,
    predictions: Mapping[int, Array],
    unread: Sequence[Skipped],
    origin: Callable[[Sequence[int]], Origin],
    thresholds: Sequence[float],
) -> Evaluation:
    """Evaluate predictions against the labels of a data set.

    Args:
        dataset: The samples, with the classes of the model.
        predictions: Prediction ``(columns,)`` by position, in ascending order of positions.
        unread: Samples that could not be read, with the reason.
        origin: Function from positions to the origin of these samples.
        thresholds: One threshold for two classes, one per label for multi-label.

    Raises:
        DatasetError: There are no predictions (H110).
    """
    usable = list(predictions)
    if not usable:
        raise nothing_to_evaluate(f"{dataset.name}: no readable sample of {', '.join(dataset.classes[:5])}")
    found = origin(usable)
    evaluation = evaluate_predictions(
        dataset.task,
        dataset.classes,
        dataset.labels[usable],
        np.stack(list(predictions.values())),
        split=found.split,
        thresholds=thresholds,
        groups=dataset.group_numbers(np.array(usable)),
    )
    return replace(evaluation, skipped=(*dataset.skipped, *unread), num_seen=found.num_seen)


def contents_of(dataset: Dataset, encoding: Mapping[str, Any] | None) -> Sequence[str]:
    """Digest the content of each sample: the image file, or the cells of a table row that the model reads.

    Args:
        dataset: The samples.
        encoding: Encoding of the table; None for images.
    """
    return dataset.digests if dataset.table is None or encoding is None else row_contents(dataset.table, encoding)


def save_evaluation(
    out: Path, evaluation: Evaluation, dataset: Dataset, evaluated: Sequence[int], thresholds: Sequence[float]
) -> None:
    """Write evaluation.json, predictions.csv, skipped.csv and the figures as SVG.

    Args:
        out: Folder to write to, created if missing.
        evaluation: The evaluation.
        dataset: The samples.
        evaluated: Positions of the evaluated ones.
        thresholds: As ``predictions.verdicts`` takes them.

    Raises:
        StackError: A file cannot be written (H601).
    """
    from headstart.evaluation.plots.svg import save_svg

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(out, error) from error
    write_json(out / "evaluation.json", evaluation.to_json())
    write_csv(out / "predictions.csv", *beside_truth(dataset, evaluated, evaluation.answers, thresholds))
    write_csv(out / "skipped.csv", ["path", "reason"], evaluation.skipped)
    for name in _FIGURES:
        if (plot := getattr(evaluation, f"plot_{name}", None)) is not None:
            save_svg(plot, out / f"{name}.svg", (5.0, 5.0), f"{name} of the {evaluation.split} split")
