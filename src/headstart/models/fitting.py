"""Prepare a data set for training Part B: features, and a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.folds import num_folds_to_select_on
from headstart.data.groups import group_duplicates
from headstart.data.images.survey import survey
from headstart.data.rare_classes import without_rare_classes
from headstart.data.splits import make_split
from headstart.data.unreadable import check_readable
from headstart.features.extraction import extract
from headstart.features.feature_store import Store
from headstart.features.features import Extraction, FeatureRows, Features
from headstart.features.part_a import PartA
from headstart.features.tables.table_features import encode_table
from headstart.foundation.cache.cache_contents import prune_at_first_use
from headstart.foundation.cache.cache_folder import private_folder, warn_if_temporary
from headstart.training.classical.baselines import BASELINES
from headstart.training.networks.networks import NETWORKS
from headstart.training.recipe import Recipe
from headstart.training.trained import is_solved

__all__ = ["gather", "open_store", "prepare", "uses_every_label"]

_PROPORTION = 10.0  # largest value of the validation split, in those of the training split, that is fitted


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
    """Drop samples without a row, group duplicates, and split the data.

    Raises:
        DatasetError: No image, or none of a class, can be read (H137), or the data cannot be split (H104).
    """
    check_readable(dataset, features.failures)
    skipped, positions = features.skipped(dataset)
    if positions:
        gone = set(positions)
        features = features.take([i for i in range(len(dataset)) if i not in gone])
        dataset = dataset.without(skipped, positions)
    grouped = group_duplicates(dataset, features.thumbnails)
    return make_split(grouped, validation=validation, seed=seed), features


def uses_every_label(dataset: Dataset, part: PartA, recipe: Recipe) -> bool:
    """Whether a model is selected on folds, or the validation split, and then fitted to the validation samples too.

    That is so for a linear head that the solver fits and, if there are folds, for baselines and for networks of members,
    each of which leaves out one fold. A validation split that the user made is for selection alone unless the data set
    ``refits``, and so is one with values out of all proportion to those of the training split.
    """
    is_linear = recipe.network == "linear" and is_solved(recipe, is_inner=part.is_inner)
    is_folded = recipe.network in BASELINES or NETWORKS[recipe.network].has_members
    is_folded = is_folded and num_folds_to_select_on(dataset) > 1
    if not (dataset.refits or "validation" in dataset.made_splits) or not (is_linear or is_folded):
        return False
    return dataset.task != "regression" or _largest(dataset, "validation") <= _PROPORTION * _largest(dataset, "train")


def _largest(dataset: Dataset, split: str) -> float:
    """Largest scaled target of a split, regardless of its sign; at least 1."""
    return float(np.abs(dataset.targets[dataset.indices(split)]).max(initial=1.0))
