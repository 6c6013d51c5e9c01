"""Which task the labels of a data set make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.data.readers.labels import list_parts
from headstart.data.readers.target_column import SEPARATORS, TargetColumn, is_no_label
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["check_task", "check_variety", "inferred_task", "list_separator", "task_of_model"]

_MIN_ONE_HOT = 3  # columns: of two labels, one may well apply to each row without their being classes


# Which task


def inferred_task(columns: list[TargetColumn]) -> tuple[str, str]:
    """The task that the values of target columns make, and in words why."""
    if len(columns) > 1:
        if all(column.is_bits for column in columns):
            task, how = ("multiclass", ", one of them 1 in each row") if _are_one_hot(columns) else ("multilabel", "")
            return task, f"{len(columns)} columns of 0 and 1{how} → {task}"
        return "regression", f"{len(columns)} number columns → regression"
    column = columns[0]
    if separator := list_separator(column):
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
    return bool((bits.sum(axis=1) == 1).all() and bits.any(axis=0).sum() >= _MIN_ONE_HOT)


def list_separator(column: TargetColumn) -> str:
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


def task_of_model(columns: list[TargetColumn], classes: Sequence[str]) -> str:
    """The task of a model with these classes, where it is not told."""
    if tuple(classes) == tuple(column.name for column in columns):
        return "multilabel" if all(column.is_bits for column in columns) else "regression"
    if len(columns) == 1 and list_separator(columns[0]):
        return "multilabel"
    return "binary" if len(classes) == 2 else "multiclass"


def check_task(task: str, columns: list[TargetColumn], *, is_new: bool) -> None:
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


def check_variety(task: str, columns: list[TargetColumn], labels: Array) -> None:
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
