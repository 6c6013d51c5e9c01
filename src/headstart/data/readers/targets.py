"""Data: which columns of a table are to be predicted, and what task that makes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.data.readers.labels import (
    LABELS,
    SEPARATORS,
    NumberFormats,
    TargetColumn,
    is_no_label,
    list_parts,
    listed,
    no_column,
)
from headstart.data.skipped import Skipped
from headstart.data.tables.name_hints import is_class_name
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError, printable

__all__ = ["Target", "find_target", "place_of", "position"]

_NAMES = ("label", "labels", "class", "target", "category", "species", "y")
_LEAST_ONE_HOT = 3  # columns: of two labels, one may well apply to each row without their being classes


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
        written: How numbers of target columns are written, by name, as ``encoding`` describes it.
    """

    names: tuple[str, ...]
    task: str
    reason: str
    classes: tuple[str, ...]
    labels: Array
    kept: Array
    skipped: list[Skipped]
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def find_target(
    table: Table,
    target: str | Sequence[str] | None,
    *,
    task: str | None = None,
    classes: Sequence[str] | None = None,
    leave_out: Sequence[str] = (),
    formats: NumberFormats | None = None,
) -> Target:
    """Find the target columns, the task and the label of each row.

    Args:
        table: Raw cells.
        target: Name or position of the target column, or several of them joined by commas, or a sequence of names. If
            None: the one column that is called label, class, target or such; else the last.
        task: A key of ``TASKS``, where the labels shall not decide.
        classes: Classes, labels or targets of a trained model; rows of others are skipped.
        leave_out: Columns of a table of images that are no targets: those of paths and splits. If all others hold 0 and 1,
            each is a label.
        formats: How the numbers of the training table were written, for a trained model.

    Raises:
        DatasetError: A column cannot be found (H108), or not told apart from an id or free text (H113); the task does not
            fit (H102); there are not two different values (H101); or the name of a label holds a semicolon (H116).

    Example:
        >>> table = Table(("size", "class"), (np.arange(4.0), np.array(["no", "yes", "no", ""], object)))
        >>> found = find_target(table, None)
        >>> found.task, found.classes, found.labels, found.skipped[0]
        ('binary', ('no', 'yes'), array([0, 1, 0]), Skipped(path='row 4', reason="no value in the target column 'class'"))
    """
    if classes is None and not len(table):
        raise DatasetError(
            "H101",
            "there is nothing to tell apart",
            received=f"no rows; the columns are {listed(table.names)}",
            expected="rows with at least two different values in the target column",
            advice="check that the file is a table, and that all of it is there",
        )
    if task is not None and classes and target is None and all(name in table.names for name in classes):
        columns, how = (
            [TargetColumn(table, name, formats) for name in classes],
            "",
        )  # of a model that is not told its targets
    elif target is not None:
        columns, how = _asked_columns(table, target, formats, is_new=classes is None)
    else:
        columns, how = _likely_columns(table, leave_out, is_new=classes is None)
    if classes is not None:
        chosen = task or _task_of_model(columns, classes)
        what = f"{chosen}, as the model has it"
    elif task is not None:
        chosen, what = task, f"{task}, as asked"
    else:
        chosen, what = _inferred_task(columns)
    if chosen == "regression":
        what += "".join(f"; {column.name}: {printable(column.doubt)}" for column in columns if column.doubt)
    _check_task(chosen, columns, is_new=classes is None)
    found = LABELS[chosen](columns, classes)
    kept = np.flatnonzero(found.faults == "")
    labels = found.labels[kept]
    told = found.classes
    if classes is None:
        _check_variety(chosen, columns, labels)
        if chosen == "multilabel":
            told, labels, what = _without_constants(told, labels, what)
            _check_names(told)
        elif len(columns) > 1 and chosen != "regression":
            told, labels, what = _without_empty(told, labels, what)
    rows = table.row_numbers()
    return Target(
        names=tuple(column.name for column in columns),
        task=chosen,
        reason=f"{how}{what}",
        classes=told,
        labels=labels,
        kept=kept,
        skipped=[Skipped(f"row {rows[i]}", found.faults[i]) for i in np.flatnonzero(found.faults != "")],
        written={column.name: column.written for column in columns if column.is_number},
    )


def _without_constants(names: tuple[str, ...], labels: Array, what: str) -> tuple[tuple[str, ...], Array, str]:
    """Labels that some rows have and others have not; of the rest there is nothing to learn, which is told."""
    varies = (labels != labels[:1]).any(axis=0)
    if varies.all():
        return names, labels, what
    constant = listed([name for name, is_one in zip(names, varies, strict=True) if not is_one])
    kept = tuple(name for name, is_one in zip(names, varies, strict=True) if is_one)
    return kept, labels[:, varies], f"{what}; left out, the same in every row: {constant}"


def _without_empty(names: tuple[str, ...], labels: Array, what: str) -> tuple[tuple[str, ...], Array, str]:
    """Classes that some row has; columns that are 1 in no row are told."""
    used, numbers = np.unique(labels, return_inverse=True)
    empty = listed([name for number, name in enumerate(names) if number not in used])
    what = f"{what}; left out, 1 in no row: {empty}" if empty else what
    return tuple(names[i] for i in used), numbers.astype(np.int64), what


def _check_names(labels: Sequence[str]) -> None:
    """Refuse labels that an answer, which is labels joined by semicolons, could not be parted into again."""
    if joined := [name for name in labels if ";" in name]:
        raise DatasetError(
            "H116",
            "the name of a label holds a semicolon",
            received=listed(list(map(printable, joined))),
            expected="names without it: an answer is the labels that apply, joined by semicolons",
            advice="name these labels otherwise",
        )


# Which columns


def _asked_columns(
    table: Table, target: str | Sequence[str], formats: NumberFormats | None, *, is_new: bool
) -> tuple[list[TargetColumn], str]:
    if not isinstance(target, str):
        parts, how = list(target), ""
    else:
        whole, how = position(table, target), f"--target {target}: "
        parts = [part.strip() for part in target.split(",")] if whole is None else [target]
    places = dict.fromkeys(place_of(table, part, is_new=is_new) for part in parts)
    return [TargetColumn(table, table.names[place], formats) for place in places], how


def place_of(table: Table, wanted: str, option: str = "--target", *, is_new: bool = True) -> int:
    """The position of the one column of that name, or of a position as text.

    Raises:
        DatasetError: There is none, or there are several (H108).
    """
    place = position(table, wanted)
    if place is None:
        absent = f"{option if is_new else 'no target column'} {printable(wanted)}"
        raise no_column(f"{absent}; the columns are {listed(table.names)}", is_new=is_new, option=option)
    if is_new and wanted in table.recurring:
        like = [i for i, name in enumerate(table.names) if re.fullmatch(rf"{re.escape(wanted)}(_\d+)?", name)]
        raise no_column(f"{option} {printable(wanted)}: columns {listed([*map(str, like)])} have that name", option=option)
    return place


def position(table: Table, wanted: str) -> int | None:
    """Where the column of that name stands, or the one at that position; None where there is neither."""
    if wanted in table.names:
        return table.names.index(wanted)
    size = len(table.names)
    is_place = re.fullmatch(r"-?\d{1,9}", wanted, re.ASCII) and -size <= int(wanted) < size
    return int(wanted) % size if is_place else None


def _likely_columns(table: Table, leave_out: Sequence[str], *, is_new: bool) -> tuple[list[TargetColumn], str]:
    """The columns that look like targets, and how they were found; a trained model's may be all alike."""
    rest = [name for name in table.names if name not in leave_out]
    if leave_out and len(rest) > 1:
        columns = [TargetColumn(table, name) for name in rest]
        if all(column.is_bits for column in columns):
            return columns, ""
    named = [name for name in rest if name.lower() in _NAMES and not _is_coordinate(name, rest)]
    named = named or [name for name in rest if is_class_name(name)]
    if len(named) == 1:
        place_of(table, named[0], is_new=is_new)
        return [TargetColumn(table, named[0])], f"the target is {named[0]}, by its name; "
    if not rest:
        raise no_column(f"no column besides {listed(table.names)}")
    last = TargetColumn(table, rest[-1])
    are_names = not last.is_number and len(last.counts) == last.counts.total() and not _list_separator(last)
    if is_new and len(table) and (len(last.counts) < 2 or are_names):
        fault = "has not two different values" if len(last.counts) < 2 else "has another text in each row"
        raise no_column(f"no column called {', '.join(_NAMES[:4])} or such, and the last one, {last.name}, {fault}")
    return [last], f"{last.name} is the last column; "


def _is_coordinate(name: str, names: Sequence[str]) -> bool:
    """Whether a column called y stands beside x and z, or between x and others."""
    lower = [each.lower() for each in names]
    if name.lower() != "y" or "x" not in lower:
        return False
    return "z" in lower or lower.index("x") + 1 == lower.index("y") < len(lower) - 1


# Which task


def _inferred_task(columns: list[TargetColumn]) -> tuple[str, str]:
    if len(columns) > 1:
        if all(column.is_bits for column in columns):
            task, how = ("multiclass", ", one of them 1 in each row") if _are_one_hot(columns) else ("multilabel", "")
            return task, f"{len(columns)} columns of 0 and 1{how} → {task}"
        return "regression", f"{len(columns)} number columns → regression"
    column = columns[0]
    if separator := _list_separator(column):
        cells = (text for text in column.counts if separator in text)
        example = min(cells, key=lambda text: (is_no_label(text), len(text)))
        _check_recurrence(column, len({part for text in column.counts for part in list_parts(text, separator)}), "labels")
        return "multilabel", f"lists such as {printable(example[:40])} → multilabel"
    count = len(set(column.texts[np.isfinite(column.values)])) if column.is_number else len(column.counts)
    task = "binary" if count == 2 else "multiclass"
    if column.is_number:
        is_whole = bool((column.finite == np.rint(column.finite)).all())
        if not column.are_classes:
            task, count, why = "regression", len(np.unique(column.finite)), ""
        elif column.why_classes == "few":
            why = ""
        else:
            why = f" ({column.why_classes}; --task regression if they are amounts)"
        unit = f" in {printable(column.written['unit'])}" if column.written["unit"] else ""
        return task, f"{'integer' if is_whole else 'number'} column with {count} values{unit} → {task}{why}"
    _check_recurrence(column, count, "texts")
    return task, f"text with {count} values → {task}"


def _check_recurrence(column: TargetColumn, count: int, what: str) -> None:
    """Refuse ids and free text: many different ones, that hardly recur."""
    if count > 20 and 2 * count > column.counts.total():
        raise DatasetError(
            "H113",
            "the target column cannot be told apart",
            received=f"{column.name}: {count} different {what} in {column.counts.total()} rows",
            expected="a column whose values recur, or one of numbers",
            advice="name another column: --target COLUMN",
        )


def _are_one_hot(columns: list[TargetColumn]) -> bool:
    """Whether one of at least three columns of 0 and 1 is 1 in each row without a gap."""
    bits = np.stack([column.bits for column in columns], axis=1)
    bits = bits[(bits >= 0).all(axis=1)]
    return bool((bits.sum(axis=1) == 1).all() and bits.any(axis=0).sum() >= _LEAST_ONE_HOT)


def _list_separator(column: TargetColumn) -> str:
    """What joins the labels of a cell, where the cells are lists.

    Their parts recur, within other cells too; or some cells are a separator alone, among words.
    """
    for separator in SEPARATORS:
        lists = {text: list_parts(text, separator) for text in column.counts}
        num_parts = len({part for parts in lists.values() for part in parts})
        num_rows = sum(len(parts) * column.counts[text] for text, parts in lists.items())
        num_cells = sum(map(len, lists.values()))
        if any(separator in text for text in lists) and num_cells > num_parts > 1 and num_rows >= 2 * num_parts:
            return separator
    blank = [text for text in column.counts if is_no_label(text)]
    words = [text for text in column.counts if any(map(str.isalnum, text)) and not set(text) & set(SEPARATORS)]
    return blank[0][0] if blank and words and len(blank) + len(words) == len(column.counts) else ""


def _task_of_model(columns: list[TargetColumn], classes: Sequence[str]) -> str:
    """The task of a model with these classes, where it is not told."""
    if tuple(classes) == tuple(column.name for column in columns):
        return "multilabel" if all(column.is_bits for column in columns) else "regression"
    if len(columns) == 1 and _list_separator(columns[0]):
        return "multilabel"
    return "binary" if len(classes) == 2 else "multiclass"


def _check_task(task: str, columns: list[TargetColumn], *, is_new: bool) -> None:
    """Refuse a task that the columns do not allow; of a trained model's, single rows may be at fault."""
    one = columns[0] if len(columns) == 1 else None
    are_bits = all(c.is_bits for c in columns)
    fits = {
        "regression": not is_new or all(2 * len(c.finite) > c.counts.total() or not c.counts for c in columns),
        "multilabel": not is_new or are_bits or (one is not None and not one.is_number),
        "binary": not is_new or (len(columns) == 2 and are_bits) or (one is not None and len(one.counts) <= 2),
        "multiclass": not is_new or one is not None or are_bits,
    }
    if fits.get(task):
        return
    if task not in fits:
        raise DatasetError(
            "H102",
            "the task does not fit the labels",
            received=f"a task called {task}",
            expected=", ".join(fits),
            advice="leave --task out: the labels say which it is",
        )
    kinds = [f"{c.name} ({'numbers' if c.is_number else 'text'}, {len(c.counts)} values)" for c in columns]
    raise DatasetError(
        "H102",
        "the task does not fit the labels",
        received=f"{task} of {listed(kinds)}",
        expected="regression: numbers; multilabel: 0/1 columns or lists such as a;b; multiclass: a column, or 0/1 columns "
        "of which one is 1 in each row; binary: a column of two values, or two such columns",
        advice="name another --task, or other columns: --target COLUMN",
    )


def _check_variety(task: str, columns: list[TargetColumn], labels: Array) -> None:
    """Refuse labels that are all alike."""
    rows = labels[:, None] if labels.ndim == 1 else labels
    varies = (rows != rows[:1]).any(axis=0)
    if len(rows) and (varies.all() if task == "regression" else varies.any()):
        return
    column = columns[int(varies.argmin())] if len(columns) == len(varies) else columns[0]
    values = listed([printable(text[:40]) for text in column.counts]) or "none"
    raise DatasetError(
        "H101",
        "there is nothing to tell apart",
        received=f"{len(rows)} usable rows; values of the target column {column.name}: {values}",
        expected="at least two different values",
        advice="name another column: --target COLUMN",
    )
