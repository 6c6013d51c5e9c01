"""Artefacts: checks of the data. Each looks for one thing and gives a finding or nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from headstart.data.dataset import Dataset
from headstart.doctor.findings import Finding
from headstart.evaluation.evaluation import count_groups
from headstart.training.class_weights import IMBALANCE

__all__ = ["CHECKS", "check_data"]

Facts = Mapping[int, Mapping[str, Any]]

_SMALL_TEST = 500
_SMALL_CLASS = 20


def check_data(dataset: Dataset, facts: Facts) -> list[Finding]:
    """Every finding about a data set whose split is decided.

    Args:
        dataset: The data, with its groups of copies.
        facts: What the decoder saw, by position: width, height, format, mode, animated.
    """
    found = (check(dataset, facts) for check in CHECKS)
    return [finding for finding in found if finding is not None]


def _skipped(dataset: Dataset, _: Facts) -> Finding | None:
    bad = [s for s in dataset.skipped if s.reason != "hidden or a system file"]
    if not bad:
        return None
    reasons = Counter(s.reason.split(": ")[-1] for s in bad).most_common(3)
    return Finding(
        "D101",
        f"{len(bad)} {'samples were' if len(bad) > 1 else 'sample was'} left out",
        "warning",
        "; ".join(f"{number} × {reason}" for reason, number in reasons),
        "A file or a row that cannot be used teaches nothing, and nobody sees that it is missing.",
        "See skipped.csv for each one and its reason.",
    )


def _odd_formats(dataset: Dataset, facts: Facts) -> Finding | None:
    formats = Counter(f["format"] for f in facts.values())
    if len(formats) < 2:
        return None
    usual, most = formats.most_common(1)[0]
    odd = [(dataset.paths[i], f["format"]) for i, f in facts.items() if f["format"] != usual]
    if len(odd) > 0.05 * most:
        return None
    shown = ", ".join(f"{path} ({kind})" for path, kind in odd[:3])
    return Finding(
        "D102",
        f"{len(odd)} {'file is' if len(odd) == 1 else 'files are'} of an unusual format",
        "info",
        f"{most} {usual}, but {shown}" + (f" and {len(odd) - 3} more" if len(odd) > 3 else ""),
        "A single file of another format is often a placeholder or a screenshot that slipped in. It is used all the same.",
        "Look at it, and delete it if it does not belong.",
    )


def _copies(dataset: Dataset, _: Facts) -> Finding | None:
    if dataset.table is not None:
        return None
    num_exact = len(dataset) - len(set(dataset.digests))
    num_near = len(set(dataset.digests)) - len(set(dataset.duplicate_groups))
    number = num_exact + num_near
    if not number or not dataset.made_splits:
        return None
    return Finding(
        "D103",
        f"{number} {'copy stays' if number == 1 else 'copies stay'} with the original in the split",
        "info",
        f"{num_exact} exact and {num_near} near duplicates among {len(dataset)} samples",
        "A sample on both sides of a split makes the score look better than it is. Where Headstart made the split, each "
        "sample and all its copies are on one side.",
        "Nothing; delete copies if they were not meant.",
    )


def _copies_across(dataset: Dataset, _: Facts) -> Finding | None:
    if dataset.table is not None:
        return None
    where: dict[int, set[str]] = defaultdict(set)
    for group, split in zip(dataset.duplicate_groups, dataset.split, strict=True):
        where[group].add(split)
    across = {group for group, splits in where.items() if len(splits) > 1}
    if not across:
        return None
    files = [path for path, group in zip(dataset.paths, dataset.duplicate_groups, strict=True) if group in across]
    return Finding(
        "D104",
        f"{len(across)} {'samples are' if len(across) > 1 else 'sample is'} on both sides of your split",
        "warning",
        f"{len(files)} images with their copies, for example {files[0]}",
        "The model is asked about a sample that it was trained on, so the score flatters it.",
        "Take the copies out of one side. Headstart never moves samples between splits that you made.",
    )


def _conflicts(dataset: Dataset, _: Facts) -> Finding | None:
    files, num_different = _of_several_labels(dataset)
    if not files or dataset.table is not None:
        return None
    return Finding(
        "D105",
        f"{num_different} {'samples carry' if num_different > 1 else 'sample carries'} two labels",
        "warning",
        f"{len(files)} images of equal content and different labels, for example {files[0]}",
        "No model can be right about both.",
        "Decide which label is right and delete the other copy.",
    )


def _of_several_labels(dataset: Dataset) -> tuple[list[str], int]:
    """Samples whose content occurs with another label too, and how many contents these are."""
    if dataset.task == "regression":
        return [], 0  # of values some difference is no contradiction
    labels: dict[str, set[str]] = defaultdict(set)
    for digest, label in zip(dataset.digests, dataset.label_texts(), strict=True):
        labels[digest].add(label)
    conflicting = {digest for digest, found in labels.items() if len(found) > 1}
    return [path for path, digest in zip(dataset.paths, dataset.digests, strict=True) if digest in conflicting], len(
        conflicting
    )


def _small_test(dataset: Dataset, _: Facts) -> Finding | None:
    split = "test" if "test" in dataset.split else "validation"
    number = dataset.split.count(split)
    if number >= _SMALL_TEST:
        return None
    num_groups = count_groups(dataset.group_numbers(dataset.indices(split)))
    groups = "" if num_groups is None else f" in {num_groups} groups"
    width = 100 * 1.96 * (0.25 / max(1, number)) ** 0.5
    has_width = dataset.task != "regression" and num_groups is None  # samples of one group tell less than as many others
    known = f": a score of 50% would be known to ±{width:.1f} points" if has_width else ""
    return Finding(
        "D106",
        f"the {split} split is small",
        "info",
        f"{number} samples{groups}{known}",
        f"With fewer than {_SMALL_TEST} samples, two models have to be far apart before the better one can be told.",
        "Read the interval beside each number, or collect more samples.",
    )


def _imbalance(dataset: Dataset, _: Facts) -> Finding | None:
    counts = dataset.counts("train")
    if not counts:
        return None
    most, least = max(counts, key=lambda c: counts[c]), min(counts, key=lambda c: counts[c])
    if counts[most] < IMBALANCE * max(1, counts[least]):
        return None
    return Finding(
        "D107",
        "the classes are of very different size",
        "warning",
        f"{counts[most]} training samples of {most}, {counts[least]} of {least}",
        "Accuracy then says little about the small classes. Where each sample has one class, what Keras trains weighs the "
        "small ones more and is corrected for it in the end: recipe.json of a trial holds the weights.",
        "Read balanced accuracy and the per-class table, and collect more of the small classes.",
    )


def _small_classes(dataset: Dataset, _: Facts) -> Finding | None:
    small = {c: n for c, n in dataset.counts("train").items() if n < _SMALL_CLASS}
    if not small:
        return None
    shown = ", ".join(f"{c} {n}" for c, n in list(small.items())[:5])
    return Finding(
        "D108",
        f"{len(small)} of {dataset.num_classes} classes have fewer than {_SMALL_CLASS} training samples",
        "warning",
        shown + (" …" if len(small) > 5 else ""),
        "So few samples rarely show all that a class can look like.",
        "Collect more of these classes first: nothing else helps as much.",
    )


def _no_test(dataset: Dataset, _: Facts) -> Finding | None:
    if "test" in dataset.split:
        return None
    return Finding(
        "D109",
        "there is no test split",
        "info",
        f"{dataset.split.count('validation')} validation samples serve for both choosing and judging",
        "The model was chosen by its score on these samples, so that score is optimistic.",
        "Keep a folder `test` of samples that nothing is chosen by.",
    )


def _alike(dataset: Dataset, _: Facts) -> Finding | None:
    splits = _splits_of_rows(dataset)
    number = sum(len(of_rows) - 1 for of_rows in splits.values() if len(set(of_rows)) == 1)
    if not number or not dataset.made_splits:
        return None
    return Finding(
        "D110",
        "rows that are alike stay on one side of the split",
        "info",
        f"{number} of {len(dataset)} rows are like another in all columns but those that only number or name the rows",
        "Whether rows that are alike are copies, a table does not say. Copies on both sides of a split would make the score "
        "look better than it is, so Headstart keeps such rows on one side.",
        "Nothing; delete rows that are copies, if they were not meant.",
    )


def _alike_across(dataset: Dataset, _: Facts) -> Finding | None:
    splits = _splits_of_rows(dataset)
    across = [i for i, digest in enumerate(dataset.digests) if len(set(splits.get(digest, ()))) > 1]
    if not across:
        return None
    example = f"row {dataset.paths[across[0]]} ({dataset.label_texts()[across[0]]})"
    return Finding(
        "D111",
        f"{len(across)} rows have one like them in another split",
        "warning",
        f"alike in all columns but those that only number or name the rows, for example {example}",
        "If they are copies, the model is asked about rows that it was trained on, and the score flatters it. Headstart "
        "parts rows that are alike only where a class has too few others for training and validation.",
        "Take copies out of one side, or add rows of that class. Headstart never moves rows between splits that you made.",
    )


def _not_told_apart(dataset: Dataset, _: Facts) -> Finding | None:
    rows, num_different = _of_several_labels(dataset)
    if not rows or dataset.table is None:
        return None
    return Finding(
        "D112",
        f"{len(rows)} rows are like one of another label",
        "info",
        f"{num_different} different rows in all columns but those that only number or name them, for example row {rows[0]}",
        "The columns cannot tell these rows apart, so that no model can be right about all of them.",
        "Nothing; if they are many, add columns that tell them apart.",
    )


def _groups_across(dataset: Dataset, _: Facts) -> Finding | None:
    splits: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(dataset.groups, dataset.split, strict=False):  # there may be no groups
        if group:
            splits[group].add(split)
    across = sorted(group for group, of_group in splits.items() if len(of_group) > 1)
    if not across:
        return None
    return Finding(
        "D113",
        f"{len(across)} {'group is' if len(across) == 1 else 'groups are'} on both sides of your split",
        "warning",
        f"of {len(splits)} groups, for example {across[0]}",
        "The model is asked about a group that it knows from training, and of a new one it may know less.",
        "Split by groups, or leave the split to Headstart. Headstart never moves samples between splits that you made.",
    )


def _splits_of_rows(dataset: Dataset) -> dict[str, list[str]]:
    """The splits of the rows of a table that are alike, by their content; of a table where most recur, that says nothing."""
    splits: dict[str, list[str]] = defaultdict(list)
    if dataset.table is not None and 2 * len(set(dataset.digests)) >= len(dataset):
        for digest, split in zip(dataset.digests, dataset.split, strict=True):
            splits[digest].append(split)
    return splits


CHECKS: tuple[Callable[[Dataset, Facts], Finding | None], ...] = (
    _skipped,
    _odd_formats,
    _copies,
    _copies_across,
    _conflicts,
    _small_test,
    _imbalance,
    _small_classes,
    _no_test,
    _alike,
    _alike_across,
    _not_told_apart,
    _groups_across,
)
