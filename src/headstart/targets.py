"""Data: which columns of a table are to be predicted, what task that makes, and the label of each row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from headstart.cells import Table, is_missing, numbers
from headstart.dataset import natural_key
from headstart.errors import DatasetError, printable
from headstart.skipping import Skipped

__all__ = ["Target", "find_target"]

Array = np.ndarray[Any, Any]

_NAMES = ("label", "labels", "class", "target", "category", "species", "y")
_MOST_INTEGERS = 20  # different ones that are still taken for classes
_LEAST_ROWS = 3  # a class, on average, where classes are integers
_CLASSES_TOO = ("none", "-")  # markers of missing cells that are classes where the others are text: none and mild, + and -


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Attributes:
        names: The target columns.
        task: A key of ``TASKS``.
        reason: In words, how the columns were found and why this is the task.
        classes: Names of classes, labels or regression targets, in the order of the labels.
        labels: Of the kept rows alone: label numbers ``(n,)`` int64; multilabel ``(n, labels)`` int64 of 0 and 1;
            regression ``(n, targets)`` float64.
        kept: Positions in the table of the rows with a usable target, ascending.
        skipped: The other rows, with the reason.
    """

    names: tuple[str, ...]
    task: str
    reason: str
    classes: tuple[str, ...]
    labels: Array
    kept: Array
    skipped: list[Skipped]


class _Column:
    """A column that may be the target, seen as numbers and as text."""

    def __init__(self, name: str, cells: Array) -> None:
        self.name = name
        self.values = np.full(len(cells), np.nan) if cells.dtype.kind == "M" else numbers(cells)
        self.texts = _texts(cells, self.values)
        self.missing = is_missing(self.texts)
        is_value = ~np.isnan(self.values)
        self.is_number = bool(is_value.any()) and 20 * int(is_value.sum()) >= 19 * int((~self.missing).sum())
        if not (is_value | self.missing).all() and _are_classes(self.values[is_value]):
            self.is_number = False  # words among numbers are faults, but not where the numbers are classes
        if not self.is_number:
            self.missing &= ~np.isin([text.lower() for text in self.texts], _CLASSES_TOO)

    @cached_property
    def counts(self) -> Counter[str]:
        """The different values, as text, with the number of rows of each."""
        return Counter(self.texts[~self.missing].tolist())

    @cached_property
    def bits(self) -> Array:
        """1, 0 and -1: on, off and neither."""
        known = {"0": 0, "1": 1, "false": 0, "true": 1}
        return np.array([known.get(text.lower(), -1) for text in self.texts], np.int64)

    @property
    def is_bits(self) -> bool:
        """Whether each cell is on, off or missing."""
        return bool(((self.bits >= 0) | self.missing).all() and not self.missing.all())

    @property
    def finite(self) -> Array:
        """Its finite numbers."""
        return self.values[np.isfinite(self.values)]

    def faults(self, are_usable: Array, fault: Callable[[str, str], str]) -> Array:
        """Why each row cannot be used: it has no value, or the fault of its text; ``""`` for those that can."""
        found = np.full(len(self.texts), "", object)
        for place in np.flatnonzero(~are_usable | self.missing):
            where = f"the target column {self.name!r}"
            is_missing = self.missing[place]
            text = printable(self.texts[place])[:40]
            found[place] = f"no value in {where}" if is_missing else fault(text, where)
        return found


class _Labels(NamedTuple):
    """Labels of all rows, those without a usable target too, and what is wrong with each row."""

    classes: tuple[str, ...]
    labels: Array
    faults: Array


def find_target(
    table: Table,
    target: str | None,
    *,
    task: str | None = None,
    classes: Sequence[str] | None = None,
    leave_out: Sequence[str] = (),
) -> Target:
    """Find the target columns, the task and the label of each row.

    Args:
        table: Raw cells.
        target: Name or position of the target column, or several of them joined by commas. If None: the one column that
            is called label, class, target or such; else the last.
        task: A key of ``TASKS``, where the labels shall not decide.
        classes: Classes, labels or targets of a trained model; rows of others are skipped.
        leave_out: Columns of a table of images that are no targets: those of paths and splits. If all others hold 0 and 1,
            each is a label.

    Raises:
        DatasetError: A column cannot be found (H108), or not told apart from an id or free text (H113); the task does not
            fit (H102); or there are not two different values (H101).

    Example:
        >>> table = Table(("size", "class"), (np.arange(4.0), np.array(["no", "yes", "no", ""], object)))
        >>> found = find_target(table, None)
        >>> found.task, found.classes, found.labels, found.skipped[0]
        ('binary', ('no', 'yes'), array([0, 1, 0]), Skipped(path='row 4', reason="no value in the target column 'class'"))
    """
    if target is not None:
        columns, how = _asked_columns(table, target)
    elif task in ("multilabel", "regression") and classes and all(name in table.names for name in classes):
        columns, how = [_Column(name, table.column(name)) for name in classes], ""
    else:
        columns, how = _likely_columns(table, leave_out, is_new=classes is None)
    if classes is not None:
        chosen = task or _task_of_model(columns, classes)
        what = f"{chosen}, as the model has it"
    elif task is not None:
        chosen, what = task, f"{task}, as asked"
    else:
        chosen, what = _inferred_task(columns)
    _check_task(chosen, columns, is_new=classes is None)
    found = _LABELS[chosen](columns, classes)
    kept = np.flatnonzero(found.faults == "")
    labels = found.labels[kept]
    if classes is None:
        _check_variety(chosen, columns, labels)
    rows = table.row_numbers()
    return Target(
        names=tuple(column.name for column in columns),
        task=chosen,
        reason=f"{how}{what}",
        classes=found.classes,
        labels=labels,
        kept=kept,
        skipped=[Skipped(f"row {rows[i]}", found.faults[i]) for i in np.flatnonzero(found.faults != "")],
    )


# Which columns


def _asked_columns(table: Table, target: str) -> tuple[list[_Column], str]:
    whole = _position(table, target)
    parts = [part.strip() for part in target.split(",")] if whole is None else [target]
    places = [_position(table, part) for part in parts]
    if None in places:
        raise _no_column(f"--target {parts[places.index(None)]}; the columns are {_listed(table.names)}")
    found = [place for place in dict.fromkeys(places) if place is not None]
    return [_Column(table.names[place], table.columns[place]) for place in found], f"--target {target}: "


def _position(table: Table, wanted: str) -> int | None:
    if wanted in table.names:
        return table.names.index(wanted)
    size = len(table.names)
    is_place = re.fullmatch(r"-?\d{1,9}", wanted, re.ASCII) and -size <= int(wanted) < size
    return int(wanted) % size if is_place else None


def _likely_columns(table: Table, leave_out: Sequence[str], *, is_new: bool) -> tuple[list[_Column], str]:
    """The columns that look like targets, and how they were found; a trained model's may be all alike."""
    rest = [name for name in table.names if name not in leave_out]
    if leave_out and len(rest) > 1:
        columns = [_Column(name, table.column(name)) for name in rest]
        if all(column.is_bits for column in columns):
            return columns, ""
    named = [name for name in rest if name.lower() in _NAMES]
    if len(named) == 1:
        return [_Column(named[0], table.column(named[0]))], f"the target is {named[0]}, by its name; "
    if not rest:
        raise _no_column(f"no column besides {_listed(table.names)}")
    last = _Column(rest[-1], table.column(rest[-1]))
    are_names = not last.is_number and len(last.counts) == last.counts.total() and not _list_separator(last)
    if is_new and len(table) and (len(last.counts) < 2 or are_names):
        fault = "has not two different values" if len(last.counts) < 2 else "has another text in each row"
        raise _no_column(f"no column called {', '.join(_NAMES[:4])} or such, and the last one, {last.name}, {fault}")
    return [last], f"{last.name} is the last column; "


def _no_column(received: str) -> DatasetError:
    return DatasetError(
        "H108",
        "a column cannot be found",
        received=received,
        expected="the name of a column, or its position (0 is the first, -1 the last)",
        advice="name it: --target COLUMN",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# Which task


def _inferred_task(columns: list[_Column]) -> tuple[str, str]:
    if len(columns) > 1:
        if all(column.is_bits for column in columns):
            return "multilabel", f"{len(columns)} columns of 0 and 1 → multilabel"
        return "regression", f"{len(columns)} number columns → regression"
    column = columns[0]
    if separator := _list_separator(column):
        example = min((text for text in column.counts if separator in text), key=len)
        return "multilabel", f"lists such as {printable(example[:40])} → multilabel"
    count = len(np.unique(column.finite)) if column.is_number else len(column.counts)
    task = "binary" if count == 2 else "multiclass"
    if column.is_number:
        is_whole = bool((column.finite == np.rint(column.finite)).all())
        task = task if _are_classes(column.finite) else "regression"
        return task, f"{'integer' if is_whole else 'number'} column with {count} values → {task}"
    if count > 20 and 2 * count > column.counts.total():
        raise DatasetError(
            "H113",
            "the target column cannot be told apart",
            received=f"{column.name}: {count} different texts in {column.counts.total()} rows",
            expected="a column whose values recur, or one of numbers",
            advice="name another column: --target COLUMN",
        )
    return task, f"text with {count} values → {task}"


def _are_classes(values: Array) -> bool:
    """Whether numbers are classes: whole, few, and each of several rows on average."""
    values = values[np.isfinite(values)]
    num_different = len(np.unique(values))
    is_whole = bool((values == np.rint(values)).all())
    return is_whole and num_different <= min(_MOST_INTEGERS, len(values) / _LEAST_ROWS)


def _list_separator(column: _Column) -> str:
    """What joins the labels of a cell, where the cells are lists: their parts recur, within other cells too."""
    for separator in ";|":
        lists = {text: _parts(text, separator) for text in column.counts}
        num_parts = len({part for parts in lists.values() for part in parts})
        num_rows = sum(len(parts) * column.counts[text] for text, parts in lists.items())
        num_cells = sum(map(len, lists.values()))
        if any(separator in text for text in lists) and num_cells > num_parts > 1 and num_rows >= 2 * num_parts:
            return separator
    return ""


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _task_of_model(columns: list[_Column], classes: Sequence[str]) -> str:
    """The task of a model with these classes, where it is not told."""
    if tuple(classes) == tuple(column.name for column in columns):
        return "multilabel" if all(column.is_bits for column in columns) else "regression"
    if len(columns) == 1 and _list_separator(columns[0]):
        return "multilabel"
    return "binary" if len(classes) == 2 else "multiclass"


def _check_task(task: str, columns: list[_Column], *, is_new: bool) -> None:
    """Refuse a task that the columns do not allow; of a trained model's, single rows may be at fault."""
    one = columns[0] if len(columns) == 1 else None
    fits = {
        "regression": not is_new or all(2 * len(c.finite) > c.counts.total() or not c.counts for c in columns),
        "multilabel": not is_new or all(c.is_bits for c in columns) or (one is not None and not one.is_number),
        "binary": one is not None and (not is_new or len(one.counts) <= 2),
        "multiclass": one is not None,
    }
    if fits.get(task):
        return
    kinds = [f"{c.name} ({'numbers' if c.is_number else 'text'}, {len(c.counts)} values)" for c in columns]
    raise DatasetError(
        "H102",
        "the task does not fit the labels",
        received=f"{task} of {_listed(kinds)}",
        expected="regression: numbers; multilabel: 0/1 columns or lists such as a;b; binary: a column of two values",
        advice="leave --task out, or name other columns: --target COLUMN",
    )


def _check_variety(task: str, columns: list[_Column], labels: Array) -> None:
    """Refuse labels that are all alike."""
    rows = labels[:, None] if labels.ndim == 1 else labels
    varies = (rows != rows[:1]).any(axis=0)
    if len(rows) and (varies.all() if task == "regression" else varies.any()):
        return
    column = columns[int(varies.argmin())] if len(columns) == len(varies) else columns[0]
    values = _listed([printable(text[:40]) for text in column.counts]) or "none"
    raise DatasetError(
        "H101",
        "there is nothing to tell apart",
        received=f"{len(rows)} usable rows; values of the target column {column.name}: {values}",
        expected="at least two different values",
        advice="name another column: --target COLUMN",
    )


# The label of each row


def _texts(cells: Array, values: Array) -> Array:
    """Cells as text; whole numbers without a decimal point, so that 1 and 1.0 are one class."""
    if cells.dtype.kind == "M":
        return np.array(["" if np.isnat(cell) else str(cell) for cell in cells], object)
    is_whole = (np.abs(values) < 2**53) & (values == np.rint(values))
    return np.array([str(int(v)) if w else str(c) for c, v, w in zip(cells, values, is_whole, strict=True)], object)


def _class_labels(columns: list[_Column], classes: Sequence[str] | None) -> _Labels:
    column = columns[0]
    names = np.array([*map(printable, column.texts)], object)
    found = set(names[~column.missing & ~(column.is_number & np.isinf(column.values))])
    names_in_order = tuple(_in_order(found) if classes is None else classes)
    numbered = {name: number for number, name in enumerate(names_in_order)}
    labels = np.array([numbered.get(name, -1) for name in names], np.int64)
    faults = column.faults(labels >= 0, _of_no_model if classes else lambda text, where: f"{text} in {where} is no class")
    return _Labels(names_in_order, labels, faults)


def _in_order(names: set[str]) -> list[str]:
    """Numbers by size, other names naturally."""
    listed = sorted(names, key=lambda name: (natural_key(name), name))
    values = numbers(np.array(listed, object))
    return listed if np.isnan(values).any() else [listed[i] for i in np.argsort(values, kind="stable")]


def _label_lists(columns: list[_Column], classes: Sequence[str] | None) -> _Labels:
    """Labels of one or several columns of 0 and 1, or of one column of lists."""
    if len(columns) > 1 or columns[0].is_bits or tuple(classes or ()) == (columns[0].name,):
        columns = _by_name(columns, classes)
        found = [c.faults(c.bits >= 0, lambda text, where: f"{text} in {where} is neither 0 nor 1") for c in columns]
        return _Labels(tuple(c.name for c in columns), np.stack([c.bits for c in columns], axis=1), _first_faults(found))
    column = columns[0]
    separator = max(";|", key=lambda mark: sum(mark in text for text in column.texts))
    lists = [[printable(part) for part in _parts(text, separator)] for text in column.texts]
    used = {part for parts, gone in zip(lists, column.missing, strict=True) if not gone for part in parts}
    names = tuple(_in_order(used) if classes is None else classes)
    numbered = {name: number for number, name in enumerate(names)}
    labels = np.zeros((len(lists), len(names)), np.int64)
    are_known = np.zeros(len(lists), bool)
    for row, parts in enumerate(lists):
        are_known[row] = bool(parts) and all(part in numbered for part in parts)
        labels[row, [numbered[part] for part in parts if part in numbered]] = 1
    faults = column.faults(are_known, _of_no_model if classes else lambda text, where: f"{text} in {where} lists no label")
    return _Labels(names, labels, faults)


def _of_no_model(text: str, _: str) -> str:
    return f"its class {text} is none of the model's"


def _amounts(columns: list[_Column], classes: Sequence[str] | None) -> _Labels:
    names = tuple(c.name for c in columns) if classes is None else tuple(classes)
    columns = _by_name(columns, classes) if len(columns) != 1 or len(names) != 1 else columns
    found = [c.faults(np.isfinite(c.values), lambda text, where: f"{text} in {where} is no finite number") for c in columns]
    return _Labels(names, np.stack([c.values for c in columns], axis=1), _first_faults(found))


def _by_name(columns: list[_Column], classes: Sequence[str] | None) -> list[_Column]:
    """The columns in the order of a trained model's labels or targets."""
    found = {column.name: column for column in columns}
    if absent := [name for name in classes or () if name not in found]:
        raise _no_column(f"the model predicts {_listed(absent)}; the target columns are {_listed(list(found))}")
    return [found[name] for name in (found if classes is None else classes)]


def _first_faults(faults: list[Array]) -> Array:
    """One fault a row: that of its first column that has one."""
    return np.array([next(filter(None, row), "") for row in zip(*faults, strict=True)], object)


_LABELS: dict[str, Callable[[list[_Column], Sequence[str] | None], _Labels]] = {
    "binary": _class_labels,
    "multiclass": _class_labels,
    "multilabel": _label_lists,
    "regression": _amounts,
}
