"""Inference of the task from the target columns, and checks that a requested task fits them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np

from headstart.data.readers.labels.label_lists import find_form, is_no_label, may_be_lists
from headstart.data.readers.labels.target_advice import about_one_value, about_texts, another_target
from headstart.data.readers.labels.target_column import TargetColumn
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable, with_suggestion

__all__ = ["are_lists", "check_task", "check_variety", "inferred_task", "task_of_model"]

_MIN_ONE_HOT = 3  # columns: with two, exactly one label may apply to each row although they are not classes


def inferred_task(columns: list[TargetColumn], table: Table) -> tuple[str, str]:
    """Infer the task from the values of the target columns; the second item explains the choice."""
    if len(columns) > 1:
        if all(column.is_bits for column in columns):
            task, how = ("multiclass", ", one of them 1 in each row") if _are_one_hot(columns) else ("multilabel", "")
            return task, f"{len(columns)} columns of 0 and 1{how} → {task}"
        return "regression", f"{len(columns)} numeric columns → regression"
    column = columns[0]
    if (form := find_form(column.name, column.counts, are_numbers=column.is_number)) is not None:
        cells = (text for text in column.counts if form.separator in text)
        example = min(cells, key=lambda text: (is_no_label(text), len(text)))
        _check_recurrence(column, len({part for text in column.counts for part in form.parts(text)}), "labels", table)
        return "multilabel", f"{form.words} such as {printable(example[:40])} → multilabel"
    count = len(set(column.texts[np.isfinite(column.values)])) if column.is_number else len(column.counts)
    task = "binary" if count == 2 else "multiclass"
    if column.is_number:
        is_whole = bool((column.finite == np.rint(column.finite)).all())
        if not column.are_classes:
            task, count, why = "regression", len(np.unique(column.finite)), ""
        elif column.why_classes == "few":
            why = " (--task regression if they are amounts)" if column.written["unit"] else ""
        else:
            why = f" ({column.why_classes}; --task regression if they are amounts)"
        unit = f" in {printable(column.written['unit'])}" if column.written["unit"] else ""
        return task, f"{'integer' if is_whole else 'numeric'} column with {count} values{unit} → {task}{why}"
    _check_recurrence(column, count, "texts", table)
    hint = " (--task multilabel if its cells list several labels)" if may_be_lists(column.counts) else ""
    return task, f"text column with {count} values → {task}{hint}"


def _check_recurrence(column: TargetColumn, count: int, what: str, table: Table) -> None:
    """Reject ids and free text: many different values that hardly recur."""
    if count <= 20 or 2 * count <= column.counts.total():
        return
    kind, advice = about_texts(table, column.name, [*column.counts])
    example = printable(next(iter(column.counts))[:40])
    raise DatasetError(
        "H113",
        "target column looks like an id or free text",
        received=f"{column.name}: {count} different {what} in {column.counts.total()} rows, such as {example}"
        + (f": {kind}" if kind else ""),
        expected="a column whose values recur, or a numeric column",
        advice=advice or another_target(table, [column.name]),
    )


def _are_one_hot(columns: list[TargetColumn]) -> bool:
    """Whether columns of 0 and 1 are one-hot: at least three are used, and exactly one is 1 in each complete row."""
    bits = np.stack([column.bits for column in columns], axis=1)
    bits = bits[(bits >= 0).all(axis=1)]
    return bool((bits.sum(axis=1) == 1).all() and bits.any(axis=0).sum() >= _MIN_ONE_HOT)


def are_lists(column: TargetColumn) -> bool:
    """Whether the cells of a column are lists of labels."""
    return find_form(column.name, column.counts, are_numbers=column.is_number) is not None


def task_of_model(columns: list[TargetColumn], classes: Sequence[str]) -> str:
    """Infer the task of a model from its classes and the target columns."""
    if tuple(classes) == tuple(column.name for column in columns):
        return "multilabel" if all(column.is_bits for column in columns) else "regression"
    if len(columns) == 1 and are_lists(columns[0]):
        return "multilabel"
    return "binary" if len(classes) == 2 else "multiclass"


def check_task(task: str, columns: list[TargetColumn], *, is_new: bool) -> None:
    """Reject a task that does not fit the target columns.

    With a trained model (``is_new`` is False), columns are not rejected as a whole; single rows may be.

    Raises:
        DatasetError: The task is unknown or does not fit the columns (H102).
    """
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
            received=f"unknown task {with_suggestion(task, fits)}",
            expected=", ".join(fits),
            advice="leave --task out to infer it from the labels",
        )
    kinds = [f"{c.name} ({'numbers' if c.is_number else 'text'}, {len(c.counts)} values)" for c in columns]
    raise DatasetError(
        "H102",
        "the task does not fit the labels",
        received=f"{task} with {listed(kinds)}",
        expected="regression: numbers; multilabel: columns of 0 and 1, or of no and yes, or lists such as a;b; "
        "multiclass: a column, or 0/1 columns of which one is 1 in each row; "
        "binary: a column of two values, or two 0/1 columns of which one is 1 in each row",
        advice=_ticks_advice(columns) or "choose another --task, or other columns: --target COLUMN",
    )


def _ticks_advice(columns: list[TargetColumn]) -> str:
    """Advice for several columns of which some are neither numbers nor yes and no; "" for others."""
    texts = [printable(column.name) for column in columns if not column.is_number and not column.is_bits]
    if len(columns) < 2 or not texts:
        return ""
    return (
        f"if each column is a label, write 1 and 0 into {listed(texts)}; else choose one: --target {shlex.quote(texts[0])}"
    )


def check_variety(task: str, columns: list[TargetColumn], labels: Array, table: Table) -> None:
    """Reject labels that do not vary.

    Raises:
        DatasetError: There are fewer than two different values (H101).
    """
    rows = labels[:, None] if labels.ndim == 1 else labels
    varies = (rows != rows[:1]).any(axis=0)
    if len(rows) and (varies.all() if task == "regression" else varies.any()):
        return
    column = columns[int(varies.argmin())] if len(columns) == len(varies) else columns[0]
    values = listed([printable(text[:40]) for text in column.counts]) or "none"
    num_blank = int(column.missing.sum())
    blank = f"; {num_blank} cell{'s' * (num_blank != 1)} without a value" if num_blank else ""
    number = f"{len(rows)} usable row{'s' * (len(rows) != 1)}"
    besides = [each.name for each in columns]
    raise DatasetError(
        "H101",
        "fewer than two different labels",
        received=f"{number}; values of the target column {column.name}: {values}{blank}",
        expected="at least two different values",
        advice=about_one_value(table, column.name, [*column.counts], besides, has_blank=num_blank > 0),
    )
