"""Data: samples, their labels, the classes, the split and the task, and every file that was left out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table
from headstart.data.target_scaling import Scaling, smeared
from headstart.data.tasks import TASKS, Task, infer_task
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import array_digest, file_digests, settings_digest
from headstart.foundation.text import natural_key, printable

__all__ = ["SPLITS", "SPLIT_NAMES", "Dataset", "dataset_of_files", "nothing_to_evaluate"]

SPLITS = ("train", "validation", "test")

SPLIT_NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Dataset:
    """Labelled samples in a fixed order.

    Attributes:
        name: A short name for folders and titles.
        task: A key of ``TASKS``.
        task_reason: Why this task was inferred, in words.
        classes: Class names in the order of the label numbers; names of labels (multilabel) or of targets (regression).
        paths: One path a sample, as the user would write it, ``[i]`` for the i-th image of an array, or a row's number.
        labels: Label numbers ``(n,)``, int64; multilabel: 0 and 1, ``(n, labels)``, int64; regression: values in the
            user's units, ``(n, targets)``, float64.
        digests: SHA-256 of each sample's content; the identity of a sample in every cache.
        split: ``train``, ``validation``, ``test`` or ``""`` (not decided yet), one a sample.
        skipped: Files or rows found and not used.
        arrays: The samples themselves, ``(n, height, width, channels)``, where they are images and not files.
        table: The samples themselves, raw, where they are rows of features.
        made_splits: Names of the splits that Headstart made; the others are the user's own.
        duplicate_groups: Group number of each sample, ``(n,)``: samples of one group are copies and stay on one side.
            Empty until known.
        groups: User-supplied group of each sample, such as a patient; samples of one group stay on one side too. ``""``
            for a sample that belongs to no other; empty if the user said nothing.
        scaling: Regression: the scale that the targets are learned in, once the training split is known.
        target_columns: The columns of a table that labels were read from.
        target_formats: How numbers in these columns are written, by name, as ``encoding`` describes it.
        columns: All columns of a table of features, in their order.
        set_aside: Those that are neither target nor feature: of splits, and of what belongs together.
        group_column: The column that says what belongs together.
    """

    name: str
    task: str
    task_reason: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: np.ndarray[Any, Any]
    digests: tuple[str, ...]
    split: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    arrays: np.ndarray[Any, Any] | None = field(default=None, repr=False)
    table: Table | None = field(default=None, repr=False)
    made_splits: tuple[str, ...] = ()
    duplicate_groups: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    scaling: Scaling | None = None
    target_columns: tuple[str, ...] = ()
    target_formats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    columns: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    group_column: str = ""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def num_classes(self) -> int:
        """How many classes, labels or targets there are."""
        return len(self.classes)

    @property
    def table_columns(self) -> tuple[str, ...]:
        """All columns of the table that it was read from, in their order; of a table made otherwise, its features."""
        return self.columns or (() if self.table is None else self.table.names)

    @property
    def key(self) -> str:
        """What names a sample in a table of predictions: ``path`` or ``row``."""
        return "path" if self.table is None else "row"

    @property
    def sample_noun(self) -> str:
        """What a sample is called in a sentence: ``image`` or ``row``."""
        return "image" if self.table is None else "row"

    @property
    def targets(self) -> np.ndarray[Any, Any]:
        """The labels as ``TASKS[task].score`` takes them beside a network's answers: those of a regression are scaled."""
        return self.labels if self.scaling is None else self.scaling.apply(self.labels)

    @property
    def scored_task(self) -> Task:
        """The row of its task, which scores targets as ``targets`` has them; its metric is in the user's units."""
        task, scaling = TASKS[self.task], self.scaling
        if scaling is None:
            return task
        return replace(task, measure=lambda labels, values: task.measure(scaling.invert(labels), scaling.invert(values)))

    def in_units(self, answers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """A network's answers as users see them: those of a regression in the user's units."""
        return answers if self.scaling is None else self.scaling.invert(answers)

    def smeared(self, values: np.ndarray[Any, Any], answers: np.ndarray[Any, Any]) -> Dataset:
        """The data set with the way back to units corrected; see ``scaling.smeared``."""
        return self if self.scaling is None else replace(self, scaling=smeared(self.scaling, values, answers))

    def label_texts(self) -> list[str]:
        """Each sample's label in words: its class, its labels joined by ``;``, or its values joined by ``;``."""
        if self.task == "multilabel":
            return [";".join(name for name, is_on in zip(self.classes, row, strict=True) if is_on) for row in self.labels]
        if self.task == "regression":
            return [";".join(f"{value:.10g}" for value in row) for row in self.labels]
        return [self.classes[label] for label in self.labels]

    def indices(self, *splits: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of the samples of the named splits, ascending."""
        return np.flatnonzero(np.isin(np.asarray(self.split, dtype=object), splits))

    def counts(self, split: str) -> dict[str, int]:
        """Samples of each class, or with each label, in a split; none for a regression."""
        labels = self.labels[self.indices(split)]
        if self.task == "regression":
            return {}
        numbers = np.bincount(labels, minlength=self.num_classes) if TASKS[self.task].has_classes else labels.sum(axis=0)
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
            table=None if self.table is None else self.table.take(chosen),
            duplicate_groups=tuple(self.duplicate_groups[i] for i in chosen) if self.duplicate_groups else (),
            groups=tuple(self.groups[i] for i in chosen) if self.groups else (),
        )

    def without(self, skipped: Sequence[Skipped], positions: Sequence[int]) -> Dataset:
        """The same data set without the samples at ``positions``, which are listed as skipped."""
        gone = set(positions)
        kept = self.take([i for i in range(len(self)) if i not in gone])
        return replace(kept, skipped=(*self.skipped, *skipped))

    def plus(self, other: Dataset) -> Dataset:
        """The samples of both, these first; groups are forgotten. Both hold files, or both arrays, or both tables."""
        arrays = None if self.arrays is None or other.arrays is None else np.concatenate([self.arrays, other.arrays])
        table = None if self.table is None or other.table is None else self.table.plus(other.table)
        return replace(
            self,
            paths=self.paths + other.paths,
            labels=np.concatenate([self.labels, other.labels]),
            digests=self.digests + other.digests,
            split=self.split + other.split,
            skipped=tuple(dict.fromkeys(self.skipped + other.skipped)),
            arrays=arrays,
            table=table,
            duplicate_groups=(),
            groups=_padded(self) + _padded(other) if self.groups or other.groups else (),
        )

    def relabelled(self, classes: Sequence[str], task: str) -> Dataset:
        """The samples of these classes, numbered in this order; samples of other classes are listed as skipped.

        Labels and targets are put in that order.

        Raises:
            DatasetError: A label or a target is not there, or these are no samples for the task (H110).
        """
        has_classes = TASKS[task].has_classes  # of three, data may hold two
        if TASKS[self.task].has_classes != has_classes or not (has_classes or self.task == task):
            raise DatasetError(
                "H110",
                "nothing to evaluate",
                received=f"{self.name}, whose task is {self.task}, for a model of {task}",
                expected=f"data for {task}",
                advice=f'give evaluate the table itself, or say what it is: hs.read_table(..., task="{task}")',
            )
        if not TASKS[self.task].has_classes:
            missing = [name for name in classes if name not in self.classes]
            are_lists = (
                self.task == "multilabel" and len(self.target_columns) == 1
            )  # that name no label which does not apply
            if missing and not are_lists:
                raise nothing_to_evaluate(f"{self.name} without {', '.join(missing[:5])}", classes)
            labels = np.concatenate([self.labels, np.zeros_like(self.labels[:, :1])], axis=1)
            columns = [self.classes.index(name) if name in self.classes else -1 for name in classes]
            return replace(self, classes=tuple(classes), labels=labels[:, columns])
        names = [self.classes[label] for label in self.labels]
        others = [i for i, name in enumerate(names) if name not in classes]
        skipped = [Skipped(self.paths[i], f"its class {names[i]} is none of the model's") for i in others]
        kept = self.without(skipped, others)
        labels = np.array([list(classes).index(name) for name in names if name in classes], np.int64)
        return replace(kept, classes=tuple(classes), labels=labels)

    def digest(self) -> str:
        """SHA-256 of what there is to learn from: the samples with their contents, labels and splits.

        Of a table that is every name and cell of a feature, in their order: ``digests`` do not tell copies of a row apart.
        """
        paths = [os.fsencode(path).hex() for path in self.paths]
        samples = [*zip(paths, self.digests, self.split, strict=True)]
        labels = [[*self.classes], [*self.target_columns], array_digest(self.labels)]
        said: dict[str, object] = {"together": list(self.groups)} if self.groups else {}
        if self.table is not None:
            said |= {"table": self.table.digest(), "columns": list(self.columns), "set_aside": list(self.set_aside)}
        return settings_digest(task=self.task, samples=samples, labels=labels, **said)

    def group_numbers(self, indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
        """The user's group of each of these samples as a number, ``(n,)``; a sample that belongs to no other has its own.

        None where the user named no groups, so that samples are independent.
        """
        if not self.groups:
            return None
        names = np.array(self.groups, np.str_)[indices]
        _, numbers = np.unique(names, return_inverse=True)
        return np.where(names == "", len(names) + np.arange(len(names)), numbers)

    def file(self, index: int) -> Path:
        """The path of one sample's file."""
        return Path(self.paths[index])


def _padded(dataset: Dataset) -> tuple[str, ...]:
    return dataset.groups or ("",) * len(dataset)


def nothing_to_evaluate(name: str, classes: Sequence[str]) -> DatasetError:
    """The error for data without a single readable sample of a model's classes."""
    return DatasetError(
        "H110",
        "nothing to evaluate",
        received=f"{name}: no readable sample of {', '.join(classes[:5])}",
        expected="folders, labels or columns named like the model's",
        advice="name them as they were named for fit",
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
