"""Conversion of the target columns of a table to the label of each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from headstart.data.class_names import classes_in
from headstart.data.readers.labels.column_names import no_column
from headstart.data.readers.labels.label_lists import ListForm, asked_form, find_form, known_form
from headstart.data.readers.labels.target_column import TargetColumn
from headstart.foundation.arrays import Array
from headstart.foundation.text import listed, printable

__all__ = ["LABELS", "Labels"]

_LARGEST = 1e30  # largest regression value: networks compute in float32, which must hold its square too


class Labels(NamedTuple):
    """Labels of all rows, including rows without a usable target, and the reason why a row is not usable.

    Attributes:
        classes: Names of classes, labels or targets.
        labels: Labels, of the shape that ``Dataset.labels`` has for the task.
        faults: Reason why each row cannot be used, ``(n,)``; "" for usable rows.
    """

    classes: tuple[str, ...]
    labels: Array
    faults: Array


def _class_labels(columns: list[TargetColumn], classes: Sequence[str] | None) -> Labels:
    """Labels from one column of classes, or from several one-hot columns."""
    if len(columns) > 1:
        return _one_hot(columns, classes)
    column = columns[0]
    texts = column.texts.tolist()
    is_class = ~column.missing & ~(column.is_number & np.isinf(column.values))
    used = set(texts if is_class.all() else column.texts[is_class].tolist())
    names_in_order = classes_in(map(printable, used), classes)
    numbered = {name: number for number, name in enumerate(names_in_order)}
    label_of = {text: numbered.get(printable(text), -1) for text in column.counts}
    labels = np.array([label_of.get(text, -1) for text in texts], np.int64)
    faults = column.faults(labels >= 0, _of_no_model if classes else lambda text, where: f"{text} in {where} is not a class")
    return Labels(names_in_order, labels, faults)


def _one_hot(columns: list[TargetColumn], classes: Sequence[str] | None) -> Labels:
    """Labels from one-hot columns: the class of a row is the name of the column that is 1."""
    names = tuple(column.name for column in columns)
    names_in_order = names if classes is None else tuple(column.name for column in _by_name(columns, classes))
    numbered = {name: number for number, name in enumerate(names_in_order)}
    are_on = np.stack([column.bits == 1 for column in columns], axis=1)
    named = [names[place] for place in are_on.argmax(axis=1)]
    found = [c.faults(c.bits >= 0, _neither_0_nor_1) for c in columns]
    found.append(np.array([_unless_one(number, len(names)) for number in are_on.sum(axis=1)], object))
    found.append(np.array(["" if name in numbered else _of_no_model(name, "") for name in named], object))
    return Labels(names_in_order, np.array([numbered.get(name, -1) for name in named], np.int64), _first_faults(found))


def _unless_one(number: int, num_columns: int) -> str:
    return "" if number == 1 else f"{number} of {num_columns} target columns are 1; exactly one must be"


def _label_lists(columns: list[TargetColumn], classes: Sequence[str] | None) -> Labels:
    """Multilabel labels from one or several columns of 0 and 1, or from one column of lists."""
    if len(columns) > 1 or columns[0].is_bits or tuple(classes or ()) == (columns[0].name,):
        columns = _by_name(columns, classes)
        found = [c.faults(c.bits >= 0, _neither_0_nor_1) for c in columns]
        return Labels(tuple(c.name for c in columns), np.stack([c.bits for c in columns], axis=1), _first_faults(found))
    column = columns[0]
    form = known_form(column.counts, classes) if classes is not None else _list_form(column)
    lists = [[printable(part) for part in form.parts(text)] for text in column.texts]
    used = {part for parts, gone in zip(lists, column.missing, strict=True) if not gone for part in parts}
    names = classes_in(used, classes)
    numbered = {name: number for number, name in enumerate(names)}
    labels = np.zeros((len(lists), len(names)), np.int64)
    are_known = np.zeros(len(lists), bool)
    for row, parts in enumerate(lists):
        are_known[row] = all(part in numbered for part in parts)
        labels[row, [numbered[part] for part in parts if part in numbered]] = 1
    return Labels(names, labels, column.faults(are_known, _of_no_model, hint="; write a single ; if no label applies"))


def _list_form(column: TargetColumn) -> ListForm:
    return find_form(column.name, column.counts, are_numbers=column.is_number) or asked_form(column.counts)


def _neither_0_nor_1(text: str, where: str) -> str:
    return f"{text} in {where} is neither 0 nor 1"


def _of_no_model(text: str, _: str) -> str:
    return f"its class {text} is not one of the model's classes"


def _amounts(columns: list[TargetColumn], classes: Sequence[str] | None) -> Labels:
    names = tuple(c.name for c in columns) if classes is None else tuple(classes)
    columns = _by_name(columns, classes) if len(columns) != 1 or len(names) != 1 else columns
    found = [
        faults
        for column in columns
        for faults in (
            column.faults(np.isfinite(column.values), lambda text, where: f"{text} in {where} is not a finite number"),
            column.faults(~(np.abs(column.values) > _LARGEST), lambda text, where: f"{text} in {where} is too large"),
        )
    ]
    return Labels(names, np.stack([c.values for c in columns], axis=1), _first_faults(found))


def _by_name(columns: list[TargetColumn], classes: Sequence[str] | None) -> list[TargetColumn]:
    """Columns in the order of a trained model's labels or targets."""
    found = {column.name: column for column in columns}
    if absent := [name for name in classes or () if name not in found]:
        raise no_column(f"the model predicts {listed(absent)}; the target columns are {listed(list(found))}", is_new=False)
    return [found[name] for name in (found if classes is None else classes)]


def _first_faults(faults: list[Array]) -> Array:
    """First non-empty reason of each row, over all columns."""
    return np.array([next(filter(None, row), "") for row in zip(*faults, strict=True)], object)


LABELS: dict[str, Callable[[list[TargetColumn], Sequence[str] | None], Labels]] = {
    "binary": _class_labels,
    "multiclass": _class_labels,
    "multilabel": _label_lists,
    "regression": _amounts,
}
