"""Stratified, seeded splits into train, validation and test that keep copies and groups in one split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from headstart.data.dataset import SPLITS, Dataset
from headstart.data.groups import duplicate_groups, sides_of
from headstart.data.target_scaling import fit_scaling
from headstart.data.tasks import TASKS
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed

__all__ = ["carve_validation", "check_share", "make_split", "strata", "training_samples"]

_MAX_BINS, _MIN_IN_BIN = 10, 5  # bins of regression values for stratification; samples per bin


def make_split(dataset: Dataset, *, validation: float = 0.2, seed: int = 0) -> Dataset:
    """Assign every undecided sample to a split.

    If the user made no split, a share ``validation`` of the samples goes to validation and the same number to test. If the
    user made some splits, only a missing validation split is taken from training. Samples with times are split in time: the
    last of them are the test split, those before them validation; samples of one time stay in one split.

    Duplicates and user-supplied groups stay in one split. There is one exception: rows of a table may be equal without being
    copies, so if a class would otherwise have no training or no validation rows, its equal rows may be separated.

    Args:
        dataset: The data set.
        validation: Share of the samples for validation. Defaults to 0.2.
        seed: Seed of the random assignment. Defaults to 0.

    Raises:
        DatasetError: ``validation`` is out of range (H105), or a class has no training or no validation samples (H104).
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
    """Positions of the training samples, as far as they are known before any image is decoded.

    A split made by the user is known. A split made by Headstart can still change, because near duplicates are only found by
    decoding; the result is what ``make_split`` would return without them. If no training sample would be left, all positions
    are returned.
    """
    grouped = replace(dataset, duplicate_groups=dataset.duplicate_groups or duplicate_groups(dataset.digests))
    found = _split(grouped, validation, seed).indices("train")
    return found if len(found) else np.arange(len(dataset))


def _split(dataset: Dataset, validation: float, seed: int) -> Dataset:
    if dataset.times:
        return _split_in_time(dataset, validation)
    if dataset.to_split:
        return _split_more(dataset, validation, seed)
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
        # The second split takes as many samples as the first, from those that are left.
        share = validation / (1 - validation * step)
        # A test split may lack a class; validation and training splits may not.
        choose = partial(_choose_groups, least=len(made) - step) if dataset.groups else _choose
        for i in choose(movable, layers, sides, share, np.random.default_rng([seed, step])):
            split[i] = name
    made_splits = ("train", *made) if not given else tuple(made) or dataset.made_splits
    return replace(dataset, split=tuple(split), made_splits=made_splits)


def _split_more(dataset: Dataset, validation: float, seed: int) -> Dataset:
    """Divide undecided samples among the splits of those that are decided; copies and groups follow decided samples."""
    layers, sides = strata(dataset), sides_of(dataset)
    decided = {side: name for side, name in zip(sides, dataset.split, strict=True) if name}
    split = [name or decided.get(side, "") for side, name in zip(sides, dataset.split, strict=True)]
    for step, name in enumerate(dataset.to_split):
        movable = [i for i, where in enumerate(split) if not where]
        if not movable:
            break
        wanted = _lacking_samples(layers, np.array(split), name, validation)
        random = np.random.default_rng([seed, step])
        share = min(0.5, sum(wanted.values()) / len(movable))
        chosen = (
            _choose_groups(movable, layers, sides, share, random, least=1)
            if dataset.groups
            else _choose(movable, layers, sides, share, random, wanted)
        )
        for i in chosen:
            split[i] = name
    return replace(dataset, split=tuple(name or "train" for name in split), to_split=())


def _lacking_samples(layers: Array, split: Array, name: str, share: float) -> dict[int, int]:
    """How many samples of each class a split lacks to have its share of all samples; one at least if it has none."""
    totals = dict(zip(*np.unique(layers, return_counts=True), strict=True))
    have = dict(zip(*np.unique(layers[split == name], return_counts=True), strict=True))
    return {
        int(label): max(round(share * int(total)) - int(have.get(label, 0)), 0 if label in have else 1)
        for label, total in totals.items()
    }


def _split_in_time(dataset: Dataset, validation: float) -> Dataset:
    times = np.array(dataset.times)
    start_of_validation, start_of_test = (_start_of_last(times, share) for share in (2 * validation, validation))
    split = np.where(times >= start_of_test, "test", np.where(times >= start_of_validation, "validation", "train"))
    return replace(dataset, split=tuple(split.tolist()), made_splits=("train", "test", "validation"))


def _start_of_last(times: Array, share: float) -> float:
    """Time from which on about a share of the samples are."""
    return float(np.sort(times)[min(len(times) - 1, round((1 - share) * len(times)))])


def _lacking(dataset: Dataset) -> list[int]:
    """Classes without training rows or without validation rows."""
    if not TASKS[dataset.task].has_classes:
        return []
    train, validation = dataset.counts("train"), dataset.counts("validation")
    return [c for c, name in enumerate(dataset.classes) if not (train[name] and validation[name])]


def _parted(dataset: Dataset, groups: Sequence[int], classes: Sequence[int]) -> tuple[int, ...]:
    """Dissolve the groups of equal rows that contain a sample of one of these classes."""
    alike = {group for group, label in zip(groups, dataset.labels, strict=True) if label in classes}
    first = max(groups) + 1
    return tuple(first + i if group in alike else group for i, group in enumerate(groups))


def carve_validation(dataset: Dataset, *, share: float, seed: int) -> Dataset:
    """Move a share of each class from training to validation, in whole groups; other splits do not change.

    Of samples with times, the last ones are moved.
    """
    groups = sides_of(dataset)
    split = list(dataset.split)
    movable = [i for i, where in enumerate(split) if where == "train"]
    if dataset.times:
        times, is_movable = np.array(dataset.times), np.array(split) == "train"
        is_last = is_movable & (times >= _start_of_last(times[is_movable], share))
        return _scaled(replace(dataset, split=tuple(np.where(is_last, "validation", split).tolist())))
    layers = np.zeros(len(dataset), np.int64)
    layers[movable] = strata(dataset.take(movable))  # of these samples only: a held-out fold must have no influence
    choose = partial(_choose_groups, least=1) if dataset.groups else _choose
    for i in choose(movable, layers, groups, share, np.random.default_rng([seed, 1])):
        split[i] = "validation"
    return _scaled(replace(dataset, split=tuple(split)))


def strata(dataset: Dataset) -> Array:
    """Stratum of each sample, ``(n,)``; the samples of a stratum are distributed evenly over splits or folds.

    It is the class, the rarest label of the sample (multilabel), or a bin of the first target (regression: up to ten
    quantile bins).
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
    """Learn the scale of regression targets on the training split."""
    if dataset.task != "regression":
        return dataset
    return replace(dataset, scaling=fit_scaling(dataset.labels[dataset.indices("train")]))


def check_share(validation: float) -> None:
    """Reject a validation share that is not between 0 and 0.5, both excluded.

    Raises:
        DatasetError: The share is out of range (H105).
    """
    if not 0.0 < validation < 0.5:
        raise DatasetError(
            "H105",
            "validation share out of range",
            received=f"--validation {validation:g}",
            expected="a share above 0 and below 0.5",
            advice="--validation 0.2",
        )


def _choose_groups(
    movable: Sequence[int], labels: Array, groups: Sequence[int], share: float, random: np.random.Generator, *, least: int
) -> list[int]:
    """Choose whole groups of any size and class mixture, with about ``share`` of each class.

    At least ``least`` groups of each class are not chosen. Groups are visited in random order, and a group is chosen if it
    brings the class shares closer to ``share``. Then, for each class without a chosen group, the group is added that moves
    them away the least.
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
    movable: Sequence[int],
    labels: Array,
    groups: Sequence[int],
    share: float,
    random: np.random.Generator,
    numbers: Mapping[int, int] | None = None,
) -> list[int]:
    """Choose whole groups so that about ``share`` of each class is chosen, or these ``numbers`` of each class."""
    members: dict[int, list[int]] = defaultdict(list)
    for i in movable:
        members[groups[i]].append(i)
    remaining = {int(c): int(n) for c, n in zip(*np.unique(labels[list(movable)], return_counts=True), strict=True)}
    wanted = dict(numbers) if numbers is not None else {c: max(1, round(share * n)) for c, n in remaining.items()}
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
    """Require every class in training and validation; a validation split made by the user may lack some, but not all.

    Raises:
        DatasetError: A class has no training or no validation samples (H104).
    """
    for name in ("train", "validation"):
        counts = dataset.counts(name) or {"any value": len(dataset.indices(name))}
        if dataset.task == "multilabel" and name == "validation" and len(dataset.indices(name)):
            continue  # a label without validation samples only goes without a threshold of its own
        empty = [c for c, number in counts.items() if number == 0]
        is_theirs = name == "validation" and (name not in dataset.made_splits or bool(dataset.times))
        if not empty or (is_theirs and len(empty) < len(counts)):
            continue
        word, lacking, of_each = {"train": "training"}.get(name, name), "there are", ""
        if dataset.task != "regression":
            lacking = f"{len(empty)} of {dataset.num_classes} classes {'has' if len(empty) == 1 else 'have'}"
            of_each = " of every class"
        raise DatasetError(
            "H104",
            f"{lacking} no {word} samples",
            received=_samples_by_class(dataset, validation),
            expected=f"at least one {word} sample{of_each}",
            advice=_advice(dataset, empty, name),
        )


def _samples_by_class(dataset: Dataset, validation: float) -> str:
    """Number of samples, of independent ones and of those in each class, the smallest classes first; and what is skipped."""
    if not len(dataset):
        return "no samples besides those of the test split"
    num_different = len(set(sides_of(dataset)))
    groups = f"in {num_different} group" + "s" * (num_different != 1)
    independent = groups if dataset.groups else f"{num_different} of them different"
    text = f"{len(dataset)} samples, {independent}, with a validation share of {validation:g}"
    if dataset.task != "regression":
        totals = {name: sum(dataset.counts(split)[name] for split in ("", *SPLITS)) for name in dataset.classes}
        fewest_first = sorted(totals.items(), key=lambda count: count[1])
        text += f": {', '.join(f'{name} {number}' for name, number in fewest_first[:8])}"
    if dataset.skipped:
        text += f"; {len(dataset.skipped)} skipped (such as {dataset.skipped[0].path}: {dataset.skipped[0].reason})"
    return text


def _advice(dataset: Dataset, empty: Sequence[str], split: str) -> str:
    """Advice for classes without samples in a split."""
    num_splits = len({*dataset.made_splits, "train"})
    what, those = "groups" if dataset.groups else "samples", "that class" if len(empty) == 1 else "those classes"
    if not len(dataset):
        return "put most of the samples into a training split, or remove the column or the folders that name the splits"
    if not dataset.made_splits:
        advice = f"put samples of {listed(empty)} into your {split} split, or remove {those} from the other one"
    elif dataset.task == "regression":
        advice = f"add different {what}, so that there are at least {num_splits}"
    else:
        advice = (
            f"add different {what} of {listed(empty)}, so that there are at least {num_splits} of each, or remove {those}"
        )
    if dataset.groups and dataset.made_splits:
        return f"{advice}; without --group, samples that belong together may be on both sides of a split"
    if not dataset.groups and len(set(dataset.duplicate_groups)) < len(set(dataset.digests)):
        return f"--duplicates keep, if pictures that look alike show different things; otherwise {advice}"
    if dataset.table is not None and not dataset.groups and len(set(dataset.duplicate_groups)) < len(dataset):
        return f"--duplicates keep, if equal rows are separate samples; otherwise {advice}"
    return advice
