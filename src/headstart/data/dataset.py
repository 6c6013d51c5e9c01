"""``Dataset``: samples with their labels, classes, splits and task, and everything that was skipped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.class_names import OpenClasses, classes_in
from headstart.data.described import Described
from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table
from headstart.data.target_scaling import Scaling, smeared
from headstart.data.tasks import TASKS, Task, infer_task
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import array_digest, file_digests, settings_digest
from headstart.foundation.text import printable

__all__ = ["SPLITS", "Dataset", "dataset_of_files", "nothing_to_evaluate"]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, repr=False)
class Dataset(Described):
    """Immutable labelled samples in a fixed order, as ``read_folder``, ``read_table`` and ``read_arrays`` return them.

    Attributes:
        name: Short name for folders and titles.
        task: A key of ``TASKS``.
        task_reason: Explanation of why this task was inferred.
        classes: Class names in the order of the label numbers, or names of labels (multilabel) or targets (regression).
        paths: Path of each sample as the user would write it, ``[i]`` for the i-th image of an array, or a row number.
            Images in an archive have their path in the archive.
        labels: Label numbers ``(n,)``, int64; multilabel: 0 and 1, ``(n, labels)``, int64; regression: values in the
            user's units, ``(n, targets)``, float64.
        digests: SHA-256 of each sample's content, which identifies the sample in every cache.
        split: ``train``, ``validation``, ``test`` or ``""`` (undecided) for each sample.
        skipped: Files or rows that were found but are not used, with the reason.
        arrays: The images, ``(n, height, width, channels)``, if they are in memory.
        table: The raw rows, if the samples are rows of features.
        made_splits: Names of the splits that Headstart made; all other splits are the user's.
        refits: Whether models that can be are fitted to the user's own validation split too, once they are selected.
        duplicate_groups: Group number of each sample, ``(n,)``; samples of one group are copies and stay in one split.
            Empty until duplicates were searched for.
        duplicates: ``group`` if near duplicates stay in one split however many look alike, ``keep`` if they are separate
            samples, "" if ``group_duplicates`` decides.
        num_in_scenes: Number of images that look like 10 or more others, and were therefore compared by what differs.
        num_indistinct: Number of these that may be copies all the same, as their thumbnails differ by no more than noise.
        groups: User-supplied group of each sample, for example a patient ID; samples of one group stay in one split.
            ``""`` for a sample without a group; empty if there are no groups at all.
        times: Time of each sample, in any unit, if the data are to be split in time; else empty.
        scaling: Regression: the scale in which targets are learned, once the training split is known.
        target_columns: Columns of the table that the labels were read from.
        target_formats: Number format of these columns, by name, as ``data.tables.preprocess`` describes it.
        columns: All columns of a table of features, in their order.
        set_aside: Columns that are neither target nor feature: splits and groups.
        group_column: Name of the column of groups, or "".
        to_split: Splits that undecided samples are divided among, besides training, if others are decided already.
        root: Folder that ``paths`` are relative to, if that is where an archive was unpacked, or "".

    Example:
        >>> import headstart as hs
        >>> dataset = hs.read_table(np.array([[1.0, 0], [2.0, 1], [1.1, 0], [2.2, 1], [0.9, 0], [2.1, 1]]))
        >>> len(dataset), dataset.task, dataset.classes, dataset.label_texts()[:3]
        (6, 'binary', ('0', '1'), ['0', '1', '0'])
    """

    name: str
    task: str
    task_reason: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: np.ndarray[Any, Any]
    digests: Sequence[str]
    split: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    arrays: np.ndarray[Any, Any] | None = None
    table: Table | None = None
    made_splits: tuple[str, ...] = ()
    refits: bool = False
    duplicate_groups: tuple[int, ...] = ()
    duplicates: str = ""
    num_in_scenes: int = 0
    num_indistinct: int = 0
    groups: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    scaling: Scaling | None = None
    target_columns: tuple[str, ...] = ()
    target_formats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    group_column: str = ""
    to_split: tuple[str, ...] = ()
    root: str = field(default="", repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def files(self) -> tuple[str, ...]:
        """Path of each sample's file, to open it."""
        return tuple(os.path.join(self.root, path) for path in self.paths) if self.root else self.paths  # noqa: PTH118

    @property
    def num_classes(self) -> int:
        """Number of classes, labels or targets."""
        return len(self.classes)

    @property
    def table_columns(self) -> tuple[str, ...]:
        """All columns of the table that the data set was read from, in their order, or else its feature columns."""
        return self.columns or (() if self.table is None else self.table.names)

    @property
    def key(self) -> str:
        """Name of the column that identifies a sample in a table of predictions: ``path`` or ``row``."""
        return "path" if self.table is None else "row"

    @property
    def sample_noun(self) -> str:
        """Word for a sample in messages: ``image`` or ``row``."""
        return "image" if self.table is None else "row"

    @property
    def targets(self) -> np.ndarray[Any, Any]:
        """Labels on the scale of a network's output, for ``TASKS[task].score``: those of a regression are scaled."""
        return self.labels if self.scaling is None else self.scaling.apply(self.labels)

    @property
    def scored_task(self) -> Task:
        """The task's row of ``TASKS``: its score takes scaled ``targets``, and its metric is in the user's units."""
        task, scaling = TASKS[self.task], self.scaling
        if scaling is None:
            return task
        return replace(task, measure=lambda labels, values: task.measure(scaling.invert(labels), scaling.invert(values)))

    def in_units(self, answers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Convert a network's predictions to the user's units; those of a classification are returned unchanged."""
        return answers if self.scaling is None else self.scaling.invert(answers)

    def smeared(self, values: np.ndarray[Any, Any], answers: np.ndarray[Any, Any]) -> Dataset:
        """Correct predictions of log-scaled targets for the bias of the logarithm; see ``target_scaling.smeared``."""
        return self if self.scaling is None else replace(self, scaling=smeared(self.scaling, values, answers))

    def label_texts(self) -> list[str]:
        """Label of each sample as text: its class, its labels joined by ``;``, or its values joined by ``;``."""
        if self.task == "multilabel":
            return [";".join(name for name, is_on in zip(self.classes, row, strict=True) if is_on) for row in self.labels]
        if self.task == "regression":
            return [";".join(f"{value:.10g}" for value in row) for row in self.labels]
        return [self.classes[label] for label in self.labels]

    def indices(self, *splits: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of the samples in the named splits, ascending."""
        return np.flatnonzero(np.isin(np.asarray(self.split, dtype=object), splits))

    def counts(self, split: str) -> dict[str, int]:
        """Number of samples of each class, or with each label, in a split; empty for a regression."""
        labels = self.labels[self.indices(split)]
        if self.task == "regression":
            return {}
        numbers = np.bincount(labels, minlength=self.num_classes) if TASKS[self.task].has_classes else labels.sum(axis=0)
        return {name: int(number) for name, number in zip(self.classes, numbers, strict=True)}

    def take(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> Dataset:
        """Select samples by position, in the order given; the classes are kept."""
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
            times=tuple(self.times[i] for i in chosen) if self.times else (),
        )

    def without(self, skipped: Sequence[Skipped], positions: Sequence[int]) -> Dataset:
        """Remove the samples at ``positions`` and list them as ``skipped``."""
        gone = set(positions)
        kept = self.take([i for i in range(len(self)) if i not in gone])
        return replace(kept, skipped=(*self.skipped, *skipped))

    def plus(self, other: Dataset) -> Dataset:
        """Append the samples of another data set of the same kind (files, arrays or table); duplicate groups are reset."""
        arrays = None if self.arrays is None or other.arrays is None else np.concatenate([self.arrays, other.arrays])
        table = None if self.table is None or other.table is None else self.table.plus(other.table)
        is_of_one_root = self.root == other.root
        return replace(
            self,
            paths=self.paths + other.paths if is_of_one_root else self.files + other.files,
            root=self.root if is_of_one_root else "",
            labels=np.concatenate([self.labels, other.labels]),
            digests=(*self.digests, *other.digests),
            split=self.split + other.split,
            skipped=tuple(dict.fromkeys(self.skipped + other.skipped)),
            arrays=arrays,
            table=table,
            duplicate_groups=(),
            groups=_padded(self) + _padded(other) if self.groups or other.groups else (),
            times=self.times + other.times,
        )

    def relabelled(self, classes: Sequence[str], task: str) -> Dataset:
        """Renumber labels in the order of a model's classes, labels or targets; samples of other classes are skipped.

        Raises:
            DatasetError: A label or target is missing, or the data set's task does not fit the model's (H110).
        """
        has_classes = TASKS[task].has_classes  # binary data fit a multiclass model: samples of a class may be missing
        if TASKS[self.task].has_classes != has_classes or not (has_classes or self.task == task):
            raise DatasetError(
                "H110",
                "nothing to evaluate",
                received=f"{self.name}, read as data for {self.task}",
                expected=f"data for {task}, which the model was trained for",
                advice=f'pass the table itself to evaluate, or name the task: hs.read_table(..., task="{task}")',
            )
        if not TASKS[self.task].has_classes:
            missing = [name for name in classes if name not in self.classes]
            # Lists of labels name only those that apply, so that a label of the model may be absent.
            are_lists = self.task == "multilabel" and len(self.target_columns) == 1
            if missing and not are_lists:
                raise nothing_to_evaluate(f"{self.name}, without a column {', '.join(missing[:5])}")
            labels = np.concatenate([self.labels, np.zeros_like(self.labels[:, :1])], axis=1)
            columns = [self.classes.index(name) if name in self.classes else -1 for name in classes]
            return replace(self, classes=tuple(classes), labels=labels[:, columns])
        names = [self.classes[label] for label in self.labels]
        others = [i for i, name in enumerate(names) if name not in classes]
        skipped = [Skipped(self.paths[i], f"its class {names[i]} is not one of the model's classes") for i in others]
        kept = self.without(skipped, others)
        labels = np.array([list(classes).index(name) for name in names if name in classes], np.int64)
        return replace(kept, classes=tuple(classes), labels=labels)

    def digest(self) -> str:
        """SHA-256 of everything that training depends on: samples with their contents, labels, splits and groups.

        For a table it covers every name and cell of the features, in their order, because ``digests`` ignore columns that
        only number or identify rows.
        """
        paths = [os.fsencode(path).hex() for path in self.paths]
        samples = [*zip(paths, self.digests, self.split, strict=True)]
        labels = [[*self.classes], [*self.target_columns], array_digest(self.labels)]
        more: dict[str, object] = {"together": list(self.groups)} if self.groups else {}
        more |= {"times": list(self.times)} if self.times else {}
        if self.table is not None:
            more |= {"table": self.table.digest(), "columns": list(self.columns), "set_aside": list(self.set_aside)}
        return settings_digest(task=self.task, samples=samples, labels=labels, **more)

    def group_numbers(self, indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
        """Group number of each selected sample, ``(n,)``, unique for samples without a group; None without groups."""
        if not self.groups:
            return None
        names = np.array(self.groups, np.str_)[indices]
        _, numbers = np.unique(names, return_inverse=True)
        return np.where(names == "", len(names) + np.arange(len(names)), numbers)

    def name_of(self, index: int) -> str:
        """Name of a sample in lists of skipped ones: its path, or ``row`` and its number."""
        return self.paths[index] if self.table is None else f"row {self.paths[index]}"

    def file(self, index: int) -> Path:
        """Path of a sample's file, to open it."""
        return Path(self.root, self.paths[index])


def _padded(dataset: Dataset) -> tuple[str, ...]:
    return dataset.groups or ("",) * len(dataset)


def nothing_to_evaluate(received: str, advice: str = "use the names that were used for fit") -> DatasetError:
    """Create the error for data without a sample of a model's classes, labels or targets (H110)."""
    return DatasetError(
        "H110",
        "nothing to evaluate",
        received=received,
        expected="folders, labels or columns with the names that the model knows",
        advice=advice,
    )


def dataset_of_files(
    name: str,
    found: list[tuple[str, str, str]],
    skipped: list[Skipped],
    task: str | None,
    classes: Sequence[str] | None,
) -> Dataset:
    """Make a data set of image files.

    Args:
        name: Short name of the data set.
        found: Path, class and split (or ``""``) of each file.
        skipped: Files skipped so far; files that cannot be read are added to it.
        task: A key of ``TASKS``, or None to infer it from the number of classes.
        classes: Classes of a trained model, in their order, or None; files of other classes are skipped.
    """
    rows: list[tuple[str, str, str, str]] = []  # path, class, split, digest
    for (path, folder, split), digest in zip(found, file_digests(path for path, _, _ in found), strict=True):
        label = printable(folder)
        if isinstance(digest, OSError):
            skipped.append(Skipped(path, f"cannot be read: {digest.strerror}"))
        elif classes is not None and label not in classes and not isinstance(classes, OpenClasses):
            skipped.append(Skipped(path, f"its class {label} is not one of the model's classes"))
        else:
            rows.append((path, label, split, digest))
    names = classes_in({label for _, label, _, _ in rows}, classes)
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
