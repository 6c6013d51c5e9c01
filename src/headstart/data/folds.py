"""Folds of a cross-validation: stratified, with whole groups in one fold."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.groups import sides_of
from headstart.data.splits import strata
from headstart.data.tasks import TASKS
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError

__all__ = ["make_folds"]

_MAX_DEALS = 10  # of the user's groups into folds, until each class can be learned for each fold


def make_folds(dataset: Dataset, num_folds: int, *, seed: int = 0) -> Array:
    """The fold of each sample, ``(n,)``; -1 for the test split, which no fold holds.

    Folds are stratified: each class is dealt out evenly. Whole groups move together, as in ``make_split``.

    Raises:
        DatasetError: A class has no more groups than there are folds (H112).
    """
    groups = sides_of(dataset)
    members: dict[int, list[int]] = defaultdict(list)
    for i in range(len(dataset)):
        if dataset.split[i] != "test":
            members[groups[i]].append(i)
    layers = strata(dataset)
    by_class: dict[int, list[list[int]]] = defaultdict(list)
    holders = Counter[int]()
    for group in members.values():
        by_class[int(layers[group[0]])].append(group)
        holders.update({int(layers[i]) for i in group})
    few: list[str] = []
    if TASKS[dataset.task].has_classes:
        # In each fold the others give validation samples too, so that a class needs one group more than there are folds.
        few = [dataset.classes[c] for c, number in sorted(holders.items()) if number <= num_folds]
    if num_folds < 2 or few or len(members) <= num_folds:
        raise _too_many_folds(dataset, num_folds, few)
    folds = np.full(len(dataset), -1)
    if dataset.groups:
        dealt_out = np.array([i for group in members.values() for i in group])
        sides = np.array(groups)[dealt_out]
        for deal in range(_MAX_DEALS):
            folds[dealt_out] = _dealt(layers[dealt_out], sides, num_folds, seed + deal)
            if not (few := _unlearned(dataset, folds, groups, num_folds)):
                return folds
        raise _too_many_folds(dataset, num_folds, few)
    random = np.random.default_rng([seed, num_folds])
    dealt = 0  # from class to class, so that the folds are of one size
    for label in sorted(by_class):
        own = by_class[label]
        for position in random.permutation(len(own)):
            folds[own[position]] = dealt % num_folds
            dealt += 1
    return folds


def _unlearned(dataset: Dataset, folds: Array, groups: Sequence[int], num_folds: int) -> list[str]:
    """Classes that lie in fewer than two groups outside a fold: one of them is to be trained on, one to validate on."""
    if not TASKS[dataset.task].has_classes:
        return []
    held = {(dataset.labels[i], groups[i], folds[i]) for i in np.flatnonzero(folds >= 0).tolist()}
    outside = Counter((label, fold) for label, _, own in held for fold in range(num_folds) if fold != own)
    labels = sorted({label for label, _, _ in held})
    return [dataset.classes[c] for c in labels if any(outside[c, fold] < 2 for fold in range(num_folds))]


def _too_many_folds(dataset: Dataset, num_folds: int, few: Sequence[str]) -> DatasetError:
    what = "groups" if dataset.groups else "different samples"
    return DatasetError(
        "H112",
        "the data cannot be dealt out into so many folds",
        received=f"--folds {num_folds}" + f"; too few {what} of {', '.join(few[:5]) or dataset.name}",
        expected=f"at least 2 folds, and more {what} of each class than folds",
        advice=f"use fewer folds, or add {'groups' if dataset.groups else 'samples'}",
    )


def _dealt(layers: Array, sides: Array, num_parts: int, seed: int) -> Array:
    """A part for each sample, ``(n,)``: whole sides, with the layers as alike as they allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    if np.unique(layers, return_counts=True)[1].max() < num_parts:  # too few of each to deal them out
        layers = np.zeros_like(layers)
    dealer = StratifiedGroupKFold(num_parts, shuffle=True, random_state=seed % 2**32)
    parts = np.empty(len(layers), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # it lies in one part then
        for part, (_, held_out) in enumerate(dealer.split(sides, layers, sides)):
            parts[held_out] = part
    return parts
