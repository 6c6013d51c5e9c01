"""Data: train, validation and test. Stratified, seeded, and no picture on both sides, not even a copy of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.groups import duplicate_groups, sides_of
from headstart.data.target_scaling import fit_scaling
from headstart.data.tasks import TASKS
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError

__all__ = ["carve_validation", "check_share", "make_split", "strata", "training_samples"]

_MAX_BINS, _MIN_IN_BIN = 10, 5  # of a regression's values, within which samples are dealt out


def make_split(dataset: Dataset, *, validation: float = 0.2, seed: int = 0) -> Dataset:
    """Decide the split of every sample that has none yet.

    Where the user made no split at all, ``validation`` of the samples go to validation and as many to test. Where the
    user made a test split or a validation split, only a missing validation split is carved out of training.
    Whole groups move together, so that neither a copy sits on the other side nor what the user says belongs together. Only
    of a table, whose rows may be alike without being copies, are the groups of a class parted that would else have no
    training or no validation rows.

    Raises:
        DatasetError: ``validation`` is not a share (H105), or a class is left without training or validation samples (H104).
    """
    check_share(validation)
    groups = dataset.duplicate_groups or duplicate_groups(dataset.digests)
    result = _split(replace(dataset, duplicate_groups=groups), validation, seed)
    if dataset.table is not None and (lacking := _lacking(result)):
        parted = _split(replace(dataset, duplicate_groups=_parted(dataset, groups, lacking)), validation, seed)
        result = result if _lacking(parted) else parted
    _require_every_class(result, validation)
    return _scaled(result)


def training_samples(dataset: Dataset, *, validation: float, seed: int) -> Array:
    """Positions of the samples that training will see, as far as that is known before any picture is decoded.

    The user's own split is known. A split that Headstart makes is that of ``make_split`` where no two pictures are near
    copies of one another; all samples where none would be left for training.
    """
    grouped = replace(dataset, duplicate_groups=dataset.duplicate_groups or duplicate_groups(dataset.digests))
    found = _split(grouped, validation, seed).indices("train")
    return found if len(found) else np.arange(len(dataset))


def _split(dataset: Dataset, validation: float, seed: int) -> Dataset:
    given = {name for name in dataset.split if name}
    split = ["train" if name == "" else name for name in dataset.split]
    made: list[str] = []
    if not given:
        made = ["test", "validation"]
    elif "validation" not in given and (given & {"train", "test"}):
        made = ["validation"]
    layers, sides = strata(dataset), sides_of(dataset)
    for step, name in enumerate(made):
        movable = [i for i, where in enumerate(split) if where == "train"]
        # The second cut takes the same number of samples as the first, out of what is left.
        share = validation / (1 - validation * step)
        # A test split may lack a class; validation and training may not.
        choose = partial(_choose_groups, least=len(made) - step) if dataset.groups else _choose
        for i in choose(movable, layers, sides, share, np.random.default_rng([seed, step])):
            split[i] = name
    return replace(dataset, split=tuple(split), made_splits=("train", *made) if not given else tuple(made))


def _lacking(dataset: Dataset) -> list[int]:
    """Classes without training rows or without validation rows."""
    if not TASKS[dataset.task].has_classes:
        return []
    train, validation = dataset.counts("train"), dataset.counts("validation")
    return [c for c, name in enumerate(dataset.classes) if not (train[name] and validation[name])]


def _parted(dataset: Dataset, groups: Sequence[int], classes: Sequence[int]) -> tuple[int, ...]:
    """The groups, where each row that is alike to one of these classes is a group of its own."""
    alike = {group for group, label in zip(groups, dataset.labels, strict=True) if label in classes}
    first = max(groups) + 1
    return tuple(first + i if group in alike else group for i, group in enumerate(groups))


def carve_validation(dataset: Dataset, *, share: float, seed: int) -> Dataset:
    """Move a share of each class from training to validation, whole groups together; other splits stay as they are."""
    groups = sides_of(dataset)
    split = list(dataset.split)
    movable = [i for i, where in enumerate(split) if where == "train"]
    layers = np.zeros(len(dataset), np.int64)
    layers[movable] = strata(dataset.take(movable))  # of these alone: a fold that is held out says nothing here
    choose = partial(_choose_groups, least=1) if dataset.groups else _choose
    for i in choose(movable, layers, groups, share, np.random.default_rng([seed, 1])):
        split[i] = "validation"
    return _scaled(replace(dataset, split=tuple(split)))


def strata(dataset: Dataset) -> Array:
    """A number for each sample, ``(n,)``: samples of one number are dealt out evenly among the sides of a split.

    Classes are their own; of several labels it is the rarest that a sample has; values of a regression are binned, by the
    first target, into tenths at most.
    """
    labels = dataset.labels
    if TASKS[dataset.task].has_classes:
        return labels
    if dataset.task == "multilabel":
        by_rarity = np.argsort(labels.sum(axis=0), kind="stable")
        ordered = labels[:, by_rarity] == 1
        rarest: Array = np.where(ordered.any(axis=1), ordered.argmax(axis=1), labels.shape[1])
        return rarest
    num_bins = min(_MAX_BINS, max(1, len(labels) // _MIN_IN_BIN))
    edges = np.quantile(labels[:, 0], np.linspace(0, 1, num_bins + 1)[1:-1]) if len(labels) else []
    bins: Array = np.searchsorted(np.unique(edges), labels[:, 0], side="right")
    return bins


def _scaled(dataset: Dataset) -> Dataset:
    """The data set with the scale of its targets, learned on its training split."""
    if dataset.task != "regression":
        return dataset
    return replace(dataset, scaling=fit_scaling(dataset.labels[dataset.indices("train")]))


def check_share(validation: float) -> None:
    """Refuse a share that leaves nothing to train on, or nothing to validate on (H105)."""
    if not 0.0 < validation < 0.5:
        raise DatasetError(
            "H105",
            "the validation share is out of range",
            received=f"--validation {validation:g}",
            expected="a share above 0 and below 0.5",
            advice="--validation 0.2",
        )


def _choose_groups(
    movable: Sequence[int], labels: Array, groups: Sequence[int], share: float, random: np.random.Generator, *, least: int
) -> list[int]:
    """Whole groups of any size and mixture, with about ``share`` of each class; of each class ``least`` groups stay.

    In an order of chance, a group is taken that brings the choice nearer to what is wanted; then, for a class that has none
    yet, the one that takes it the least away from that.
    """
    samples = np.array(movable)
    classes, numbers = np.unique(labels[samples], return_inverse=True)
    names, places = np.unique(np.array(groups)[samples], return_inverse=True)
    counts = np.zeros((len(names), len(classes)), np.int64)
    np.add.at(counts, (places, numbers), 1)
    total, staying = counts.sum(axis=0), (counts > 0).sum(axis=0)
    taken, is_chosen = np.zeros(len(classes), np.int64), np.zeros(len(names), bool)

    def distance(found: Array) -> float:
        return float(np.abs(found / total - share).sum())

    def fits(group: int) -> bool:
        holds = counts[group] > 0
        return not is_chosen[group] and bool((staying[holds] > least).all())

    def take(group: int) -> None:
        is_chosen[group] = True
        taken[:] += counts[group]
        staying[:] -= counts[group] > 0

    order = random.permutation(len(names)).tolist()
    for group in order:
        if fits(group) and distance(taken + counts[group]) < distance(taken):
            take(group)
    for number in range(len(classes)):
        holders = [group for group in order if counts[group, number] and fits(group)]
        if not taken[number] and holders:
            take(min(holders, key=lambda group: distance(taken + counts[group])))
    return [int(sample) for sample in samples[is_chosen[places]]]


def _choose(
    movable: Sequence[int], labels: Array, groups: Sequence[int], share: float, random: np.random.Generator
) -> list[int]:
    """A stratified choice of whole groups that comes close to ``share`` of each class."""
    members: dict[int, list[int]] = defaultdict(list)
    for i in movable:
        members[groups[i]].append(i)
    wanted = {
        int(c): max(1, round(share * n)) for c, n in zip(*np.unique(labels[list(movable)], return_counts=True), strict=True)
    }
    remaining = {int(c): int(n) for c, n in zip(*np.unique(labels[list(movable)], return_counts=True), strict=True)}
    chosen: list[int] = []
    order = sorted(members)
    for position in random.permutation(len(order)):
        group = members[order[position]]
        needs: dict[int, int] = defaultdict(int)
        for i in group:
            needs[int(labels[i])] += 1
        if all(wanted[c] >= n and remaining[c] > n for c, n in needs.items()):
            chosen += group
            for c, n in needs.items():
                wanted[c] -= n
                remaining[c] -= n
    return chosen


def _require_every_class(dataset: Dataset, validation: float) -> None:
    """Training needs every class or label; a validation split that the user made may lack some, but not all."""
    for name in ("train", "validation"):
        counts = dataset.counts(name) or {"any value": len(dataset.indices(name))}
        if dataset.task == "multilabel" and name == "validation" and len(dataset.indices(name)):
            continue  # a rare label that nothing there has costs that label its threshold, and no more
        empty = [c for c, number in counts.items() if number == 0]
        is_theirs = name == "validation" and name not in dataset.made_splits
        if not empty or (is_theirs and len(empty) < len(counts)):
            continue
        num_different = len(set(sides_of(dataset)))
        told = f"in {num_different} groups" if dataset.groups else f"{num_different} of them different"
        received = f"{len(dataset)} samples, {told}, with a validation share of {validation:g}"
        if dataset.skipped:
            received += f", {len(dataset.skipped)} left out ({dataset.skipped[0].path}: {dataset.skipped[0].reason})"
        if dataset.task == "regression":
            lacking, advice = "the values", "add samples that differ from one another"
        else:
            fewest_first = sorted(counts.items(), key=lambda count: count[1])
            received += f": {', '.join(f'{c} {number}' for c, number in fewest_first[:8])}"
            lacking = f"{len(empty)} of {dataset.num_classes} classes"
            what = "groups" if dataset.groups else "samples"
            advice = f"add {what} of {', '.join(empty[:5])}, or take that class away"
        raise DatasetError(
            "H104",
            f"{lacking} have no {name} samples",
            received=received,
            expected=f"at least one {name} sample in every class",
            advice=advice,
        )
