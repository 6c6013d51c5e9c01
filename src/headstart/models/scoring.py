"""A model scored on labelled samples, and whether it has seen them before."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.dataset import Dataset, nothing_to_evaluate
from headstart.data.readers.read import read
from headstart.data.readers.table import Known
from headstart.data.skipped import Skipped
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.features.tables.table_features import row_contents
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from headstart.data.dataset import SPLITS

__all__ = ["Origin", "contents_of", "origin_of", "samples_to_score", "score"]


class Origin(NamedTuple):
    """Where the samples of an evaluation come from.

    Attributes:
        split: The split of the fit, ``test`` for new ones.
        num_seen: How many are equal to samples that the model was fitted on or chosen by.
        is_look: Whether they are those of the fit's test split.
    """

    split: str
    num_seen: int
    is_look: bool


def origin_of(contents: Sequence[str], fitted: Iterable[tuple[str, str]], *, are_rows: bool) -> Origin:
    """Tell where samples come from, by what equals them among those of a fit.

    One image that is known is a copy. Rows of a table may be equal by chance: they come from a split only where most of them
    lie in a single split, and a tenth at least in this one; and where most rows of the fit recur, that says nothing.

    Args:
        contents: The digest of each sample.
        fitted: The digest and the split of each sample of the fit.
        are_rows: They are rows of a table.

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
        split = next((name for name in SPLITS if counts[name]), "test")
        return Origin(split, num_seen, counts["test"] > 0)
    recur = 2 * len(splits_of) < num_fitted
    counts = Counter() if recur else Counter(next(iter(splits)) for splits in found if len(splits) == 1)
    if 2 * counts.total() <= len(found):
        return Origin("test", num_seen, is_look=False)
    split = next(name for name in SPLITS if counts[name] >= counts.total() / 10)
    return Origin(split, num_seen, 2 * counts["test"] > len(found))


def samples_to_score(data: Dataset | str | os.PathLike[str] | pd.DataFrame, known: Known, *, are_rows: bool) -> Dataset:
    """Read labelled samples that a model can be scored on: the test split if there is one, else all of them.

    Args:
        data: A folder of class folders, a table or a data frame, or a Dataset.
        known: What the model knows of its data.
        are_rows: Whether it is a model of rows of a table.

    Raises:
        DatasetError: The data are of the other kind (H110), or cannot be read.
    """
    dataset = data if isinstance(data, Dataset) else read(data, known=known)
    if (dataset.table is not None) != are_rows:
        raise nothing_to_evaluate(f"{dataset.name}, which holds {dataset.sample_noun}s", known.classes)
    dataset = dataset.relabelled(known.classes, known.task)
    return dataset.take(dataset.indices("test")) if "test" in dataset.split else dataset


def score(
    dataset: Dataset,
    predictions: Mapping[int, Array],
    unread: Sequence[Skipped],
    origin: Callable[[Sequence[int]], Origin],
    thresholds: Sequence[float],
) -> Evaluation:
    """Compare predictions with the labels of a data set.

    Args:
        dataset: The samples, with the classes of the model.
        predictions: ``(columns,)`` for each position that has one, in ascending order.
        unread: Samples that could not be read, with the reason.
        origin: Tells where the samples at some positions come from.
        thresholds: One for two classes, one a label for several labels.

    Raises:
        DatasetError: There are no predictions (H110).
    """
    usable = list(predictions)
    if not usable:
        raise nothing_to_evaluate(dataset.name, dataset.classes)
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
    """A digest of each sample that tells it from others: of an image file, or of what a model reads of a row.

    Args:
        dataset: The samples.
        encoding: That of a model of rows of a table; None for images.
    """
    return dataset.digests if dataset.table is None or encoding is None else row_contents(dataset.table, encoding)
