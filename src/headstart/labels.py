"""Data: the label of each row, from the columns of a table that are to be predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from headstart.dataset import natural_key
from headstart.encoding import as_numbers, is_missing
from headstart.errors import DatasetError, printable

__all__ = ["LABELS", "Labels", "TargetColumn", "are_classes", "list_parts", "listed", "no_column"]

Array = np.ndarray[Any, Any]

_MOST_INTEGERS = 20  # different ones that are still taken for classes
_LEAST_ROWS = 3  # a class, on average, where classes are integers
_LARGEST = 1e30  # value of a regression: networks answer in float32, where a square has to fit as well
_CLASSES_TOO = ("none", "-")  # markers of missing cells that are classes where the others are text: none and mild, + and -


class TargetColumn:
    """A column that may be the target, seen as numbers and as text."""

    def __init__(self, name: str, cells: Array) -> None:
        self.name = name
        self.values = np.full(len(cells), np.nan) if cells.dtype.kind == "M" else as_numbers(cells)
        self.texts = _texts(cells, self.values)
        self.missing = is_missing(self.texts)
        is_value = ~np.isnan(self.values)
        self.is_number = bool(is_value.any()) and 20 * int(is_value.sum()) >= 19 * int((~self.missing).sum())
        if not (is_value | self.missing).all() and are_classes(self.values[is_value]):
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


class Labels(NamedTuple):
    """Labels of all rows, those without a usable target too, and what is wrong with each row."""

    classes: tuple[str, ...]
    labels: Array
    faults: Array


def are_classes(values: Array) -> bool:
    """Whether numbers are classes: whole, few, and each of several rows on average."""
    values = values[np.isfinite(values)]
    num_different = len(np.unique(values))
    is_whole = bool((values == np.rint(values)).all())
    return is_whole and num_different <= min(_MOST_INTEGERS, len(values) / _LEAST_ROWS)


def list_parts(text: str, separator: str) -> list[str]:
    """What a cell lists."""
    return [part.strip() for part in text.split(separator) if part.strip()]


def no_column(received: str, *, is_new: bool = True) -> DatasetError:
    """The error for target columns that are not there, or not told from others (H108)."""
    return DatasetError(
        "H108",
        "a column cannot be found",
        received=received,
        expected="the name of a column, or its position (0 is the first, -1 the last)"
        if is_new
        else "the columns of the fit",
        advice="name it: --target COLUMN" if is_new else "name the columns as they were named for fit",
    )


def listed(names: Sequence[str]) -> str:
    """Names for a message, not too many of them."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# The label of each row


def _texts(cells: Array, values: Array) -> Array:
    """Cells as text; whole numbers without a decimal point, so that 1 and 1.0 are one class."""
    if cells.dtype.kind == "M":
        return np.array(["" if np.isnat(cell) else str(cell) for cell in cells], object)
    is_whole = (np.abs(values) < 2**53) & (values == np.rint(values))
    return np.array([str(int(v)) if w else str(c) for c, v, w in zip(cells, values, is_whole, strict=True)], object)


def _class_labels(columns: list[TargetColumn], classes: Sequence[str] | None) -> Labels:
    column = columns[0]
    names = np.array([*map(printable, column.texts)], object)
    found = set(names[~column.missing & ~(column.is_number & np.isinf(column.values))])
    names_in_order = tuple(_in_order(found) if classes is None else classes)
    numbered = {name: number for number, name in enumerate(names_in_order)}
    labels = np.array([numbered.get(name, -1) for name in names], np.int64)
    faults = column.faults(labels >= 0, _of_no_model if classes else lambda text, where: f"{text} in {where} is no class")
    return Labels(names_in_order, labels, faults)


def _in_order(names: set[str]) -> list[str]:
    """Numbers by size, other names naturally."""
    listed = sorted(names, key=lambda name: (natural_key(name), name))
    values = as_numbers(np.array(listed, object))
    return listed if np.isnan(values).any() else [listed[i] for i in np.argsort(values, kind="stable")]


def _label_lists(columns: list[TargetColumn], classes: Sequence[str] | None) -> Labels:
    """Labels of one or several columns of 0 and 1, or of one column of lists."""
    if len(columns) > 1 or columns[0].is_bits or tuple(classes or ()) == (columns[0].name,):
        columns = _by_name(columns, classes)
        found = [c.faults(c.bits >= 0, lambda text, where: f"{text} in {where} is neither 0 nor 1") for c in columns]
        return Labels(tuple(c.name for c in columns), np.stack([c.bits for c in columns], axis=1), _first_faults(found))
    column = columns[0]
    separator = max(";|", key=lambda mark: sum(mark in text for text in column.texts))
    lists = [[printable(part) for part in list_parts(text, separator)] for text in column.texts]
    used = {part for parts, gone in zip(lists, column.missing, strict=True) if not gone for part in parts}
    names = tuple(_in_order(used) if classes is None else classes)
    numbered = {name: number for number, name in enumerate(names)}
    labels = np.zeros((len(lists), len(names)), np.int64)
    are_known = np.zeros(len(lists), bool)
    for row, parts in enumerate(lists):
        are_known[row] = bool(parts) and all(part in numbered for part in parts)
        labels[row, [numbered[part] for part in parts if part in numbered]] = 1
    faults = column.faults(are_known, _of_no_model if classes else lambda text, where: f"{text} in {where} lists no label")
    return Labels(names, labels, faults)


def _of_no_model(text: str, _: str) -> str:
    return f"its class {text} is none of the model's"


def _amounts(columns: list[TargetColumn], classes: Sequence[str] | None) -> Labels:
    names = tuple(c.name for c in columns) if classes is None else tuple(classes)
    columns = _by_name(columns, classes) if len(columns) != 1 or len(names) != 1 else columns
    found = [
        faults
        for column in columns
        for faults in (
            column.faults(np.isfinite(column.values), lambda text, where: f"{text} in {where} is no finite number"),
            column.faults(~(np.abs(column.values) > _LARGEST), lambda text, where: f"{text} in {where} is too large"),
        )
    ]
    return Labels(names, np.stack([c.values for c in columns], axis=1), _first_faults(found))


def _by_name(columns: list[TargetColumn], classes: Sequence[str] | None) -> list[TargetColumn]:
    """The columns in the order of a trained model's labels or targets."""
    found = {column.name: column for column in columns}
    if absent := [name for name in classes or () if name not in found]:
        raise no_column(f"the model predicts {listed(absent)}; the target columns are {listed(list(found))}", is_new=False)
    return [found[name] for name in (found if classes is None else classes)]


def _first_faults(faults: list[Array]) -> Array:
    """One fault a row: that of its first column that has one."""
    return np.array([next(filter(None, row), "") for row in zip(*faults, strict=True)], object)


LABELS: dict[str, Callable[[list[TargetColumn], Sequence[str] | None], Labels]] = {
    "binary": _class_labels,
    "multiclass": _class_labels,
    "multilabel": _label_lists,
    "regression": _amounts,
}
