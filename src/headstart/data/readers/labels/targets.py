"""Search for the target columns of a table, the task that they make and the label of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.data.readers.labels.column_names import no_column, place_of, position
from headstart.data.readers.labels.labels import LABELS
from headstart.data.readers.labels.target_advice import about_one_value, about_texts
from headstart.data.readers.labels.target_column import NumberFormats, TargetColumn
from headstart.data.readers.labels.task_inference import are_lists, check_task, check_variety, inferred_task, task_of_model
from headstart.data.readers.split_names import unused_splits
from headstart.data.skipped import Skipped
from headstart.data.tables.name_hints import is_class_name, is_id_name
from headstart.data.tables.row_counters import numbers_rows
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import alike, listed, printable

__all__ = ["Target", "find_target"]

_NAMES = ("label", "labels", "class", "target", "category", "species", "y")


@dataclass(frozen=True)
class Target:
    """Target columns of a table, with the task and the labels.

    Attributes:
        names: Names of the target columns.
        task: A key of ``TASKS``.
        reason: Explanation of how the columns were found and why this is the task.
        classes: Names of classes, labels or regression targets, in the order of the labels.
        labels: Labels of the kept rows: label numbers ``(n,)``, int64; multilabel: 0 and 1, ``(n, labels)``, int64;
            regression: values ``(n, targets)``, float64.
        kept: Positions in the table of the rows with a usable target, ascending.
        skipped: All other rows, with the reason.
        written: Number format of each target column, by name, as ``data.tables.preprocess`` describes it.
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
        target: Name or position of the target column, or several joined by commas, or a sequence of names. Defaults to
            None: the only column with a name such as label, class or target, else the last column.
        task: A key of ``TASKS``. Defaults to None: inferred from the labels.
        classes: Classes, labels or targets of a trained model; rows with other classes are skipped. Defaults to None: the
            classes are those of the table.
        leave_out: Columns of a table of images that cannot be targets: paths and splits. If all other columns hold 0 and 1,
            each of them is a label.
        formats: Number formats of the training table, if a trained model reads the table. Defaults to None.

    Raises:
        DatasetError: A column is not found (H108) or looks like an id or free text (H113), the task does not fit the labels
            (H102), there are fewer than two different values (H101), or a label name contains a semicolon (H116).

    Example:
        >>> table = Table(("size", "class"), (np.arange(4.0), np.array(["no", "yes", "no", ""], object)))
        >>> found = find_target(table, None)
        >>> found.task, found.classes, found.labels, found.skipped[0]
        ('binary', ('no', 'yes'), array([0, 1, 0]), Skipped(path='row 4', reason="no value in the target column 'class'"))
    """
    if classes is None and not len(table):
        raise DatasetError(
            "H101",
            "fewer than two different labels",
            received=f"no rows; the columns are {listed(table.names)}",
            expected="rows with at least two different values in the target column",
            advice="give the path of a table that has rows below its header: headstart fit TABLE.csv",
        )
    if task is not None and classes and target is None and all(name in table.names for name in classes):
        # A model whose target columns are not known: its classes are columns.
        columns, how = [TargetColumn(table, name, formats) for name in classes], ""
    elif target is not None:
        columns, how = _asked_columns(table, target, formats, is_new=classes is None)
    else:
        columns, how = _likely_columns(table, leave_out, is_new=classes is None)
    for column in columns:
        column.keep(classes or ())
    ticked = _fill_blanks(columns, are_known=bool(classes) and set(classes or ()) == {column.name for column in columns})
    chosen, what = _chosen_task(table, columns, task, classes)
    what += _about_cells(chosen, columns) + ticked
    check_task(chosen, columns, is_new=classes is None)
    found = LABELS[chosen](columns, classes)
    kept = np.flatnonzero(found.faults == "")
    labels = found.labels[kept]
    names = found.classes
    if classes is None:
        check_variety(chosen, columns, labels, table)
        names, labels, what = _without_unused(chosen, columns, names, labels, what)
        what += "" if chosen == "regression" else _about_spellings(names)
    rows = table.row_numbers()
    return Target(
        names=tuple(column.name for column in columns),
        task=chosen,
        reason=f"{how}{what}",
        classes=names,
        labels=labels,
        kept=kept,
        skipped=[Skipped(f"row {rows[i]}", found.faults[i]) for i in np.flatnonzero(found.faults != "")],
        written={column.name: column.written for column in columns if column.is_number},
    )


def _chosen_task(
    table: Table, columns: list[TargetColumn], task: str | None, classes: Sequence[str] | None
) -> tuple[str, str]:
    """The task, and why: that of a trained model, the one that was asked for, or the one that the labels make."""
    if classes is not None:
        chosen = task or task_of_model(columns, classes)
        return chosen, f"{chosen}, as in the model"
    return inferred_task(columns, table) if task is None else (task, f"{task}, as requested")


def _without_unused(
    task: str, columns: list[TargetColumn], names: tuple[str, ...], labels: Array, what: str
) -> tuple[tuple[str, ...], Array, str]:
    """Leave out labels that are the same in every row, and classes that are 1 in no row, and report them in ``what``."""
    if task == "multilabel":
        names, labels, what = _without_constants(names, labels, what)
        _check_names(names)
    elif len(columns) > 1 and task != "regression":
        names, labels, what = _without_empty(names, labels, what)
    return names, labels, what


def _about_cells(task: str, columns: list[TargetColumn]) -> str:
    """Sentences about cells that can be read in two ways: as two numbers, or as a class and as missing."""
    if task == "regression":
        return "".join(f"; {column.name}: {printable(column.doubt)}" for column in columns if column.doubt)
    return "".join(column.tell_markers() for column in columns)


def _about_spellings(names: Sequence[str]) -> str:
    """Sentence about classes or labels whose names differ in case or blanks only; "" if there are none."""
    found = listed([" / ".join(several) for several in alike(names)])
    note = f"; names that differ in case or blanks only are separate classes: {found} (write one name for each class)"
    return note if found else ""


def _fill_blanks(columns: list[TargetColumn], *, are_known: bool) -> str:
    """Read blank cells of several columns of ticks as 0, and report it; a column without a tick is one if it is known."""
    if len(columns) < 2:
        return ""
    blank = [column for column in columns if column.is_ticked]
    are_bits = all(column.is_ticked or column.is_bits for column in columns)
    if not blank or not are_bits or not (are_known or not any(column.missing.all() for column in blank)):
        return ""
    for column in blank:
        column.fill_blanks()
    return f"; blank cells count as 0 in {listed([printable(column.name) for column in blank])}"


def _without_constants(names: tuple[str, ...], labels: Array, what: str) -> tuple[tuple[str, ...], Array, str]:
    """Leave out labels that are the same in every row, which cannot be learned, and report them."""
    varies = (labels != labels[:1]).any(axis=0)
    if varies.all():
        return names, labels, what
    constant = listed([name for name, is_one in zip(names, varies, strict=True) if not is_one])
    kept = tuple(name for name, is_one in zip(names, varies, strict=True) if is_one)
    return kept, labels[:, varies], f"{what}; left out because they are the same in every row: {constant}"


def _without_empty(names: tuple[str, ...], labels: Array, what: str) -> tuple[tuple[str, ...], Array, str]:
    """Leave out classes whose column is 1 in no row, and report them."""
    used, numbers = np.unique(labels, return_inverse=True)
    empty = listed([name for number, name in enumerate(names) if number not in used])
    what = f"{what}; left out because they are 1 in no row: {empty}" if empty else what
    return tuple(names[i] for i in used), numbers.astype(np.int64), what


def _check_names(labels: Sequence[str]) -> None:
    """Reject label names that contain a semicolon: predictions are label names joined by semicolons."""
    if joined := [name for name in labels if ";" in name]:
        raise DatasetError(
            "H116",
            "label name contains a semicolon",
            received=listed(list(map(printable, joined))),
            expected="names without semicolons, because predictions are label names joined by semicolons",
            advice="rename these labels",
        )


def _asked_columns(
    table: Table, target: str | Sequence[str], formats: NumberFormats | None, *, is_new: bool
) -> tuple[list[TargetColumn], str]:
    if not isinstance(target, str):
        parts, how = list(target), ""
    else:
        whole, how = position(table, target), f"--target {target}: "
        parts = [part.strip() for part in target.split(",")] if whole is None else [target]
    places = dict.fromkeys(place_of(table, part, asked=parts, is_new=is_new) for part in parts)
    return [TargetColumn(table, table.names[place], formats) for place in places], how


def _likely_columns(table: Table, leave_out: Sequence[str], *, is_new: bool) -> tuple[list[TargetColumn], str]:
    """Columns that look like targets, and how they were found; with a trained model they need not vary."""
    aside = unused_splits(table)
    rest = [name for name in table.names if name not in (*leave_out, *aside)]
    if leave_out and len(rest) > 1:
        columns = [TargetColumn(table, name) for name in rest]
        if all(column.is_bits for column in columns):
            return columns, ""
    named = [name for name in rest if name.lower() in _NAMES and not _is_coordinate(name, rest)]
    named = named or [name for name in rest if is_class_name(name)]
    if len(named) == 1:
        place_of(table, named[0], is_new=is_new)
        return [TargetColumn(table, named[0])], f"the target is {named[0]}, found by its name; "
    while len(rest) > 1 and is_id_name(rest[-1]) and _is_different(table, rest[-1]):
        aside.append(rest.pop())
    if not rest:
        raise no_column(f"no column besides {listed(table.names)}")
    last = TargetColumn(table, rest[-1])
    are_names = not last.is_number and len(last.counts) == last.counts.total() and not are_lists(last)
    if is_new and len(table) and (len(last.counts) < 2 or are_names):
        fault = "has fewer than two different values" if len(last.counts) < 2 else "has a different text in each row"
        _, advice = about_texts(table, last.name, [*last.counts]) if are_names and len(last.counts) > 1 else ("", "")
        blank = bool(last.missing.any())
        advice = advice or about_one_value(table, last.name, [*last.counts], [last.name], has_blank=blank)
        absent = f"no column called {', '.join(_NAMES[:4])} or similar"
        raise no_column(f"{absent}, and the last one, {last.name}, {fault}", advice=advice)
    besides = f" besides {listed([*map(printable, aside)])}" if table.names[-1] in aside else ""
    return [last], f"the target is {last.name}, the last column{besides}; "


def _is_different(table: Table, name: str) -> bool:
    """Whether a column has a different text in each row, or numbers that count the rows."""
    column = TargetColumn(table, name)
    if not column.is_number:
        return len(column.counts) == column.counts.total() and not are_lists(column)
    rows = np.flatnonzero(np.isfinite(column.values))
    return numbers_rows(column.values[rows], rows)


def _is_coordinate(name: str, names: Sequence[str]) -> bool:
    """Whether a column called y is a coordinate: there are x and z too, or it follows x and is not the last column."""
    lower = [each.lower() for each in names]
    if name.lower() != "y" or "x" not in lower:
        return False
    return "z" in lower or lower.index("x") + 1 == lower.index("y") < len(lower) - 1
