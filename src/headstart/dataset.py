"""Data: samples, their labels, the classes, the split and the task, and every file that was left out."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headstart.errors import DatasetError, printable
from headstart.fingerprint import file_digests, settings_digest
from headstart.tasks import infer_task

__all__ = ["SPLITS", "SPLIT_NAMES", "Dataset", "Skipped", "dataset_of_files", "natural_key", "nothing_to_evaluate"]

SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


class Skipped(NamedTuple):
    """A file that is not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Labelled samples in a fixed order.

    Attributes:
        name: A short name for folders and titles.
        task: A key of ``TASKS``.
        task_reason: Why this task was inferred, in words.
        classes: Class names in the order of the label numbers.
        paths: One path a sample, as the user would write it, or ``[i]`` for the i-th row of an array.
        labels: Label numbers, shape ``(n,)``, int64.
        digests: SHA-256 of each sample's content; the identity of a sample in every cache.
        split: ``train``, ``validation``, ``test`` or ``""`` (not decided yet), one a sample.
        skipped: Files found and not used.
        arrays: The samples themselves, ``(n, height, width, channels)``, where they are not files.
        made_splits: Names of the splits that Headstart made; the others are the user's own.
        groups: Group number of each sample, ``(n,)``; samples of one group stay on one side of a split. Empty until known.
    """

    name: str
    task: str
    task_reason: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    digests: tuple[str, ...]
    split: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    arrays: np.ndarray[Any, Any] | None = field(default=None, repr=False)
    made_splits: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    def indices(self, *splits: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of the samples of the named splits, ascending."""
        return np.flatnonzero(np.isin(np.asarray(self.split, dtype=object), splits))

    def counts(self, split: str) -> dict[str, int]:
        """Samples of each class in a split."""
        numbers = np.bincount(self.labels[self.indices(split)], minlength=self.num_classes)
        return {name: int(number) for name, number in zip(self.classes, numbers, strict=True)}

    def take(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> Dataset:
        """The same data set with these samples only, in this order; classes stay as they are."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            paths=tuple(self.paths[i] for i in chosen),
            labels=self.labels[chosen],
            digests=tuple(self.digests[i] for i in chosen),
            split=tuple(self.split[i] for i in chosen),
            arrays=None if self.arrays is None else self.arrays[chosen],
            groups=tuple(self.groups[i] for i in chosen) if self.groups else (),
        )

    def without(self, skipped: Sequence[Skipped], positions: Sequence[int]) -> Dataset:
        """The same data set without the samples at ``positions``, which are listed as skipped."""
        gone = set(positions)
        kept = self.take([i for i in range(len(self)) if i not in gone])
        return replace(kept, skipped=(*self.skipped, *skipped))

    def plus(self, other: Dataset) -> Dataset:
        """The samples of both, these first; groups are forgotten. Both hold files, or both arrays."""
        arrays = None if self.arrays is None or other.arrays is None else np.concatenate([self.arrays, other.arrays])
        return replace(
            self,
            paths=self.paths + other.paths,
            labels=np.concatenate([self.labels, other.labels]),
            digests=self.digests + other.digests,
            split=self.split + other.split,
            skipped=tuple(dict.fromkeys(self.skipped + other.skipped)),
            arrays=arrays,
            groups=(),
        )

    def relabelled(self, classes: Sequence[str]) -> Dataset:
        """The samples of these classes, numbered in this order; samples of other classes are listed as skipped."""
        names = [self.classes[label] for label in self.labels]
        others = [i for i, name in enumerate(names) if name not in classes]
        skipped = [Skipped(self.paths[i], f"its class {names[i]} is none of the model's") for i in others]
        kept = self.without(skipped, others)
        labels = np.array([list(classes).index(name) for name in names if name in classes], np.int64)
        return replace(kept, classes=tuple(classes), labels=labels)

    def digest(self) -> str:
        """SHA-256 of what there is to learn from: the samples with their contents, labels and splits."""
        labels = [self.classes[label] for label in self.labels]
        paths = [os.fsencode(path).hex() for path in self.paths]
        return settings_digest(task=self.task, samples=[*zip(paths, self.digests, labels, self.split, strict=True)])

    def file(self, index: int) -> Path:
        """The path of one sample's file."""
        return Path(self.paths[index])


def nothing_to_evaluate(name: str, classes: Sequence[str]) -> DatasetError:
    """The error for data without a single readable sample of a model's classes."""
    return DatasetError(
        "H110",
        "nothing to evaluate",
        received=f"{name}: no readable image of {', '.join(classes[:5])}",
        expected="folders or labels named like the model's classes",
        advice="name the folders as they were named for fit",
    )


def dataset_of_files(
    name: str,
    found: list[tuple[str, str, str]],
    skipped: list[Skipped],
    task: str | None,
    classes: Sequence[str] | None,
) -> Dataset:
    """Put a data set together from files that were found.

    Args:
        name: Its short name.
        found: Path, class and split (or ``""``) of each file.
        skipped: What was left out so far; files that cannot be read are added.
        task: A key of ``TASKS`` to overrule what the classes say.
        classes: The classes and their order, where a model has them already; files of other classes are skipped.
    """
    rows: list[tuple[str, str, str, str]] = []  # path, class, split, digest
    for (path, folder, split), digest in zip(found, file_digests(path for path, _, _ in found), strict=True):
        label = printable(folder)
        if isinstance(digest, OSError):
            skipped.append(Skipped(path, f"cannot be read: {digest.strerror}"))
        elif classes is not None and label not in classes:
            skipped.append(Skipped(path, f"its class {label} is none of the model's"))
        else:
            rows.append((path, label, split, digest))
    names = tuple(classes or sorted({label for _, label, _, _ in rows}, key=lambda c: (natural_key(c), c)))
    inferred, reason = infer_task(names, task)
    numbers = {c: i for i, c in enumerate(names)}
    return Dataset(
        name=name,
        task=inferred,
        task_reason=reason,
        classes=names,
        paths=tuple(path for path, _, _, _ in rows),
        labels=np.array([numbers[label] for _, label, _, _ in rows], np.int64),
        digests=tuple(digest for _, _, _, digest in rows),
        split=tuple(split for _, _, split, _ in rows),
        skipped=tuple(skipped),
    )


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``img2`` comes before ``img10``, whatever the case."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts if p] or [(0, 0, "")]
