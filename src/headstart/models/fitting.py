"""Prepare a data set for training Part B: features, and a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.groups import group_duplicates
from headstart.data.images.survey import survey
from headstart.data.rare_classes import without_rare_classes
from headstart.data.splits import make_split
from headstart.features.extraction import extract
from headstart.features.feature_store import Store
from headstart.features.features import Extraction, FeatureRows, Features
from headstart.features.part_a import PartA
from headstart.features.tables.table_features import encode_table
from headstart.foundation.cache.cache_contents import prune_at_first_use
from headstart.foundation.cache.cache_folder import private_folder, warn_if_temporary
from headstart.training.classical.baselines import BASELINES

__all__ = ["gather", "open_store", "prepare", "uses_every_label"]

_LARGEST = 1e15  # scaled value; its square still fits float32


def open_store() -> Store:
    """Open the feature store in the cache folder, after pruning the cache to its size limit on first use."""
    folder = private_folder("features")
    warn_if_temporary()
    prune_at_first_use(folder.parent)
    return Store(folder)


def gather(
    dataset: Dataset, part: PartA, *, validation: float, seed: int, progress: Callable[[Extraction], None] = lambda _: None
) -> tuple[Dataset, FeatureRows]:
    """Extract features and split the data. Returns the split data set and one row per sample."""
    dataset = without_rare_classes(dataset)
    if part.is_table:
        dataset = make_split(group_duplicates(dataset), validation=validation, seed=seed)
        return dataset, encode_table(dataset, part)
    part = replace(part, rendering=survey(dataset, validation=validation, seed=seed).rendering)
    features = extract(dataset, part, open_store(), progress=progress)
    return prepare(dataset, features, validation=validation, seed=seed)


def prepare(dataset: Dataset, features: Features, *, validation: float, seed: int) -> tuple[Dataset, Features]:
    """Drop samples without a row, group duplicates, and split the data."""
    skipped, positions = features.skipped(dataset)
    if positions:
        gone = set(positions)
        features = features.take([i for i in range(len(dataset)) if i not in gone])
        dataset = dataset.without(skipped, positions)
    grouped = group_duplicates(dataset, features.thumbnails)
    return make_split(grouped, validation=validation, seed=seed), features


def uses_every_label(dataset: Dataset, network: str) -> bool:
    """Whether a network is selected on folds and then fitted to the validation samples too.

    A validation split that the user made is for selection alone. So is one with values that are out of all proportion to
    those of the training split, to which nothing could be fitted.
    """
    if "validation" not in dataset.made_splits or network not in ("linear", *BASELINES):
        return False
    return dataset.task != "regression" or bool(np.abs(dataset.targets[dataset.indices("validation")]).max() < _LARGEST)
