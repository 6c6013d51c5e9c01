"""Checks of the samples, their labels and their split; each returns a finding or None."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.tasks import TASKS
from headstart.doctor.findings import Finding
from headstart.evaluation.evaluation import count_groups
from headstart.foundation.text import listed, printable
from headstart.training.class_weights import IMBALANCE

__all__ = ["CHECKS", "check_data"]

Facts = Mapping[int, Mapping[str, Any]]

_SMALL_TEST = 500
_SMALL_CLASS = 20


def check_data(dataset: Dataset, facts: Facts) -> list[Finding]:
    """Run all checks of the data on a data set that has been split.

    Args:
        dataset: The data, with ``duplicate_groups`` filled in.
        facts: What the decoder reported for each image, by position: width, height, format, mode, animated.
    """
    results = (check(dataset, facts) for check in CHECKS)
    return [finding for finding in results if finding is not None]


def _skipped(dataset: Dataset, _: Facts) -> Finding | None:
    bad = [s for s in dataset.skipped if s.reason != "hidden or a system file"]
    if not bad:
        return None
    reasons = Counter(s.reason.split(": ")[-1] for s in bad).most_common(3)
    return Finding(
        "D101",
        f"{len(bad)} {'samples were' if len(bad) > 1 else 'sample was'} skipped",
        "warning",
        "; ".join(f"{number} × {reason}" for reason, number in reasons),
        "A file or row that cannot be used is missing from training and evaluation, which is easily overlooked.",
        "See skipped.csv, which lists each skipped sample with the reason.",
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
        f"{len(odd)} {'file has' if len(odd) == 1 else 'files have'} an unusual format",
        "info",
        f"{most} {usual}, but {shown}" + (f" and {len(odd) - 3} more" if len(odd) > 3 else ""),
        "A single file in another format is often a placeholder or a screenshot that was added by mistake. It is used "
        "nevertheless.",
        "Look at the file, and delete it if it does not belong to the data.",
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
        f"{number} {'duplicate was' if number == 1 else 'duplicates were'} kept in the same split as the original",
        "info",
        f"{num_exact} exact and {num_near} near duplicates among {len(dataset)} samples",
        "Duplicates on both sides of a split make the score look better than it is. In splits made by Headstart, a sample "
        "and all its duplicates are on one side.",
        "Nothing. Delete the duplicates if they are not intended.",
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
        f"{len(across)} {'samples have' if len(across) > 1 else 'sample has'} duplicates on both sides of your split",
        "warning",
        f"{len(files)} images including the duplicates, for example {files[0]}",
        "The model is evaluated on samples that it was trained on, so the score is too good.",
        "Remove the duplicates from one side. Headstart never moves samples between splits that you made.",
    )


def _untested_classes(dataset: Dataset, _: Facts) -> Finding | None:
    if not TASKS[dataset.task].has_classes or "test" not in dataset.split:
        return None
    absent = [name for name, number in dataset.counts("test").items() if not number]
    if not absent:
        return None
    return Finding(
        "D119",
        f"{len(absent)} {'class has' if len(absent) == 1 else 'classes have'} no test samples",
        "warning",
        f"{listed([*map(printable, absent)])}, of {dataset.num_classes} classes",
        "The scores of the test split say nothing about a class that has no samples in it.",
        "Add test samples of each class, or let Headstart make the split.",
    )


def _scenes(dataset: Dataset, _: Facts) -> Finding | None:
    if not dataset.num_in_scenes or dataset.table is not None:
        return None
    num_near = len(set(dataset.digests)) - len(set(dataset.duplicate_groups))
    may_be_copies = f", and {dataset.num_indistinct} of them may be copies" if dataset.num_indistinct else ""
    finding = Finding(
        "D118",
        "many pictures look alike and are treated as separate samples",
        "info",
        f"{dataset.num_in_scenes} of {len(dataset)} pictures look like 10 or more others{may_be_copies}; of all, {num_near} "
        "are near duplicates",
        "Pictures of a fixed camera, of one part or of one region of the body look alike without being copies, so only "
        "those that agree in what distinguishes them are kept in one split. If they are frames of one video or versions of "
        "one picture, the score is too good. A warning if more than half of all differ by no more than re-encoded copies.",
        "Nothing if each picture shows another object. For frames of a video or versions of a picture, keep them together: "
        "--duplicates group, or --group COLUMN.",
    )
    return replace(finding, severity="warning") if may_be_copies else finding


def _conflicts(dataset: Dataset, _: Facts) -> Finding | None:
    files, num_different = _of_several_labels(dataset)
    if not files or dataset.table is not None:
        return None
    return Finding(
        "D105",
        f"{num_different} {'images have' if num_different > 1 else 'image has'} conflicting labels",
        "warning",
        f"{len(files)} files with identical content but different labels, for example {files[0]}",
        "No model can predict both labels correctly.",
        "Decide which label is right, and delete the other copy.",
    )


def _of_several_labels(dataset: Dataset) -> tuple[list[str], int]:
    """Paths of the samples whose content also occurs with another label, and the number of distinct contents among them."""
    if dataset.task == "regression":
        return [], 0  # equal samples with different target values are measurement noise, not a contradiction
    labels: dict[str, set[str]] = defaultdict(set)
    for digest, label in zip(dataset.digests, dataset.label_texts(), strict=True):
        labels[digest].add(label)
    conflicting = {digest for digest, of_digest in labels.items() if len(of_digest) > 1}
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
    # Samples of one group carry less information than as many independent ones, so the formula does not hold for them.
    has_width = dataset.task != "regression" and num_groups is None
    known = f"; the 95% interval of a score of 50% would be ±{width:.1f} points" if has_width else ""
    return Finding(
        "D106",
        f"the {split} split is small",
        "info",
        f"{number} samples{groups}{known}",
        f"With fewer than {_SMALL_TEST} samples, only a large difference between two models stands out from chance.",
        "Read the interval next to each score, or collect more samples.",
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
        "the classes are imbalanced",
        "warning",
        f"{counts[most]} training samples of {most}, {counts[least]} of {least}",
        "With imbalanced classes, accuracy says little about the small ones. If each sample has one class, Keras trains "
        "with class weights, and the probabilities are corrected for them; recipe.json of a trial holds the weights.",
        "Look at balanced accuracy and the per-class table, and collect more samples of the small classes.",
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
        "So few samples rarely cover the variety of a class.",
        "Collect more samples of these classes first; nothing else helps as much.",
    )


def _no_test(dataset: Dataset, _: Facts) -> Finding | None:
    if "test" in dataset.split:
        return None
    return Finding(
        "D109",
        "there is no test split",
        "info",
        f"{dataset.split.count('validation')} validation samples are used both to select and to evaluate the model",
        "The model was selected by its score on these samples, so that score is optimistic.",
        "Provide a test split (for images a folder `test`) that is not used to select anything.",
    )


def _alike(dataset: Dataset, _: Facts) -> Finding | None:
    splits = _splits_of_rows(dataset)
    number = sum(len(of_rows) - 1 for of_rows in splits.values() if len(set(of_rows)) == 1)
    if not number or not dataset.made_splits:
        return None
    return Finding(
        "D110",
        "duplicate rows were kept on one side of the split",
        "info",
        f"{number} of {len(dataset)} rows duplicate another row (row numbers and ids aside)",
        "A table does not show whether equal rows are copies. Copies on both sides of a split would make the score look "
        "better than it is, so Headstart keeps equal rows on one side.",
        "Nothing. Delete rows that are unintended copies.",
    )


def _alike_across(dataset: Dataset, _: Facts) -> Finding | None:
    splits = _splits_of_rows(dataset)
    across = [i for i, digest in enumerate(dataset.digests) if len(set(splits.get(digest, ()))) > 1]
    if not across:
        return None
    example = f"row {dataset.paths[across[0]]} ({dataset.label_texts()[across[0]]})"
    return Finding(
        "D111",
        f"{len(across)} rows have a duplicate in another split",
        "warning",
        f"equal in all columns (row numbers and ids aside), for example {example}",
        "If they are copies, the model is evaluated on rows that it was trained on, and the score is too good. Headstart "
        "separates equal rows only if a class has too few others for training and validation.",
        "Remove copies from one side, or add rows of that class. Headstart never moves rows between splits that you made.",
    )


def _not_told_apart(dataset: Dataset, _: Facts) -> Finding | None:
    rows, num_different = _of_several_labels(dataset)
    if not rows or dataset.table is None:
        return None
    return Finding(
        "D112",
        f"{len(rows)} rows have a duplicate with a different label",
        "info",
        f"{num_different} distinct {'row' if num_different == 1 else 'rows'} (row numbers and ids aside), "
        f"for example row {rows[0]}",
        "The columns cannot distinguish these rows, so no model can predict all of them correctly.",
        "Nothing if there are few. If there are many, add columns that distinguish them.",
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
        "The model is evaluated on groups that it was trained on. On new groups it may be worse.",
        "Split by group, or let Headstart make the split. Headstart never moves samples between splits that you made.",
    )


def _splits_of_rows(dataset: Dataset) -> dict[str, list[str]]:
    """Splits of the rows of a table by content; empty if most rows recur, because equal rows are then not copies."""
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
    _scenes,
    _untested_classes,
)
