"""Stratified folds for cross-validation that keep copies and groups in one fold."""

from __future__ import annotations

import contextlib
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

__all__ = ["folds_to_select_on", "learned_in_fold", "make_folds", "num_folds_to_select_on"]

_NUM_FOLDS = 5  # on which settings are selected; fewer if a class is too small
_MAX_IN_FOLDS = 2000  # samples; with more, one split says enough and the folds would take long
_MAX_DEALS = 10  # attempts to assign the user's groups so that every class can be learned in every fold


def make_folds(dataset: Dataset, num_folds: int, *, seed: int = 0) -> Array:
    """Assign samples to folds; duplicates and user-supplied groups stay in one fold.

    Folds of samples with times go forward in time: each holds samples that are later than those of the one before, and what
    is before the first fold is in none.

    Args:
        dataset: The data set, with its split.
        num_folds: Number of folds, at least 2.
        seed: Seed of the random assignment. Defaults to 0.

    Returns:
        Fold of each sample, ``(n,)``; -1 for samples in no fold: those of the test split, and what is before the first fold
        in time. ``learned_in_fold`` says which samples are learned from.

    Raises:
        DatasetError: A class does not have more groups or different samples than there are folds (H112).
    """
    if dataset.times:
        return _forward_folds(dataset, num_folds)
    groups = sides_of(dataset)
    members: dict[int, list[int]] = defaultdict(list)
    assigned = [i for i, split in enumerate(dataset.split) if split != "test"]
    for i in assigned:
        members[groups[i]].append(i)
    layers = np.zeros(len(dataset), np.int64)
    layers[assigned] = strata(dataset.take(assigned))  # the test split must have no influence
    by_class: dict[int, list[list[int]]] = defaultdict(list)
    holders = Counter[int]()
    for group in members.values():
        by_class[int(layers[group[0]])].append(group)
        holders.update({int(layers[i]) for i in group})
    few: list[str] = []
    if TASKS[dataset.task].has_classes:
        # The samples outside a fold provide training and validation samples, so a class needs one group more than folds.
        few = [dataset.classes[c] for c, number in sorted(holders.items()) if number <= num_folds]
    if num_folds < 2 or few or len(members) <= num_folds:
        raise _too_many_folds(dataset, num_folds, few)
    folds = np.full(len(dataset), -1)
    if dataset.groups:
        assigned = [i for group in members.values() for i in group]
        sides = np.array(groups)[assigned]
        for attempt in range(_MAX_DEALS):
            folds[assigned] = _assigned(layers[assigned], sides, num_folds, seed + attempt)
            if not (few := _unlearned(dataset, folds, groups, num_folds)):
                return folds
        raise _too_many_folds(dataset, num_folds, few)
    random = np.random.default_rng([seed, num_folds])
    num_assigned = 0  # continues from class to class, so that all folds have the same size
    for label in sorted(by_class):
        own = by_class[label]
        for position in random.permutation(len(own)):
            folds[own[position]] = num_assigned % num_folds
            num_assigned += 1
    return folds


def learned_in_fold(dataset: Dataset, folds: Array, fold: int) -> Array:
    """Whether each sample is learned from if a fold is held out, ``(n,)``: of samples with times, only the earlier ones."""
    is_learned: Array = (np.array(dataset.split) != "test") & (folds != fold)
    if dataset.times:
        times = np.array(dataset.times)
        is_learned &= times < times[folds == fold].min()
    return is_learned


def _forward_folds(dataset: Dataset, num_folds: int) -> Array:
    """Fold of each sample by its time; as many samples as a fold has are before the first one."""
    of_fold = np.full(len(dataset), -1)
    times = np.array(dataset.times)
    known = dataset.indices("train", "validation")
    ends = np.sort(times[known])[[round(len(known) * part / (num_folds + 1)) for part in range(1, num_folds + 1)]]
    if num_folds < 2 or len(np.unique(ends)) < num_folds or not (times[known] < ends[0]).any():
        raise _too_many_folds(dataset, num_folds, [])
    of_fold[known] = np.searchsorted(ends, times[known], side="right") - 1
    return of_fold


def num_folds_to_select_on(dataset: Dataset) -> int:
    """Number of folds that ``folds_to_select_on`` makes if no class is too small; 1 stands for the validation split."""
    if dataset.times or (dataset.refits and "validation" not in dataset.made_splits):
        return 1
    return _NUM_FOLDS if sum(name != "test" for name in dataset.split) < _MAX_IN_FOLDS else 1


def folds_to_select_on(dataset: Dataset, *, seed: int) -> Array:
    """Folds of the training and validation samples, by which settings of a model are selected before it is fitted to all.

    Args:
        dataset: The data set, with its split.
        seed: Seed of the random assignment.

    Returns:
        Fold of each sample, ``(n,)``; -1 for samples that are in none. Of many samples, or if a class is too small for two
        folds, the validation samples are the only fold.
    """
    for num_folds in range(num_folds_to_select_on(dataset), 1, -1):
        with contextlib.suppress(DatasetError):  # a class is too small for so many
            return make_folds(dataset, num_folds, seed=seed)
    return np.where(np.array(dataset.split) == "validation", 0, -1)


def _unlearned(dataset: Dataset, folds: Array, groups: Sequence[int], num_folds: int) -> list[str]:
    """Classes with fewer than two groups outside some fold, where one is needed for training and one for validation."""
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
        "too many folds for the data",
        received=f"--folds {num_folds}" + f"; too few {what} of {', '.join(few[:5]) or dataset.name}",
        expected=f"at least 2 folds, and more {what} of each class than folds",
        advice=f"use fewer folds, or add {'groups' if dataset.groups else 'samples'}",
    )


def _assigned(layers: Array, sides: Array, num_folds: int, seed: int) -> Array:
    """Fold of each sample, ``(n,)``: groups (``sides``) stay whole; strata (``layers``) are spread as evenly as possible."""
    from sklearn.model_selection import StratifiedGroupKFold

    if np.unique(layers, return_counts=True)[1].max() < num_folds:  # too few samples of each stratum to stratify
        layers = np.zeros_like(layers)
    splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed % 2**32)
    folds = np.empty(len(layers), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # harmless: it is in one fold
        for fold, (_, held_out) in enumerate(splitter.split(sides, layers, sides)):
            folds[held_out] = fold
    return folds
