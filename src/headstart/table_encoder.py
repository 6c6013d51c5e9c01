"""Part A: learns from the training rows of a table how its cells become numbers, and which columns say nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.encoding import dense_width
from headstart.errors import DatasetError
from headstart.table_columns import Column, Note, odd_cells, read_column

if TYPE_CHECKING:
    from headstart.cells import Table

__all__ = ["Note", "learn_encoding"]

Array = np.ndarray[Any, Any]

_LEAST_FOR_ID, _UNIQUE = 20, 0.95
_LEAST_ORDERED = 200  # rows from which on counting upwards from anywhere looks like a row number
_ROWS_A_VALUE = 5
_PEARSON = 0.99999
_ID_NAME = re.compile(r"(.*[_\s.-])?(id|ids|index|idx|uuid|guid|rownames|row)|\w*[a-z](Id|ID)|unnamed: \d+", re.ASCII)


@dataclass
class _Rows:
    """What a column is judged by: the targets, and the columns before it."""

    labels: Array
    task: str
    is_alone: bool
    seen: dict[bytes, str] = field(default_factory=dict)


def learn_encoding(table: Table, labels: Array, task: str) -> tuple[dict[str, Any], list[Note]]:
    """Decide what each column is, leave out those that say nothing or too much, and learn how to encode the others.

    Nothing but these rows is looked at, so they are to be the training rows.

    Args:
        table: Feature columns of the training rows.
        labels: Their labels, in the shape of the task.
        task: A key of ``TASKS``.

    Returns:
        The encoding (``encoding`` says what it holds), and a note for each column that was left out or is odd.

    Raises:
        DatasetError: H114: no column is left.
    """
    rows = _Rows(np.asarray(labels), task, len(table.names) == 1)
    notes: list[Note] = []
    specs: list[dict[str, Any]] = []
    for name, cells in zip(table.names, table.columns, strict=True):
        column = read_column(name, cells)
        notes += odd_cells(name, cells, column.cells)
        reason = next(((check, text) for check in _CHECKS if (text := check.measure(column, rows))), None)
        if reason is None:
            specs.append(column.spec)
        else:
            notes.append(Note(reason[0].code, reason[0].title, f"{name}: {reason[1]}"))
    if not specs:
        raise _nothing_left(notes)
    num_dense = sum(map(dense_width, specs))
    width = num_dense + sum("codes" in spec for spec in specs)
    return {"format": 1, "width": width, "num_dense": num_dense, "columns": specs}, notes


def _nothing_left(notes: Sequence[Note]) -> DatasetError:
    return DatasetError(
        "H114",
        "no column is left to learn from",
        received="; ".join(f"{note.title}: {note.measured}" for note in notes) or "no columns beside the target",
        expected="a column that differs from row to row, and says more than which row it is",
        advice="add columns that describe the samples; one that decides the target needs no model, and can be looked up",
    )


def _all_missing(column: Column, _: _Rows) -> str:
    return "" if len(column.present) else f"none of {len(column.cells)} cells has a value"


def _constant(column: Column, _: _Rows) -> str:
    says_missing = "" in column.spec["levels"] if column.kind == "category" else column.spec["flag"]
    if len(column.distinct) > 1 or says_missing:
        return ""
    return f"the same value, {_shown(column.distinct[0])}, in {len(column.present)} of {len(column.cells)} rows"


def _all_rare(column: Column, _: _Rows) -> str:
    if column.kind != "category" or column.spec["levels"]:
        return ""
    return f"{len(column.distinct)} different texts in {len(column.present)} rows, none of them often"


def _id(column: Column, rows: _Rows) -> str:
    num_rows, num_distinct = len(column.present), len(column.distinct)
    if column.kind == "category":
        is_unique = num_rows >= _LEAST_FOR_ID and num_distinct >= _UNIQUE * num_rows
        return f"{num_distinct} different texts in {num_rows} rows" if is_unique else ""
    is_whole = column.kind == "number" and bool((column.present % 1 == 0).all())
    if not is_whole or num_distinct < len(column.cells):
        return ""
    is_nameless = re.fullmatch(r"c\d+", column.name) is not None
    if _is_id_name(column.name) or (is_nameless and not rows.is_alone and _counts(column.present)):
        low, high = column.distinct[0], column.distinct[-1]
        return f"{num_distinct} different whole numbers in {num_rows} rows, from {low:.0f} to {high:.0f}"
    return ""


def _is_id_name(name: str) -> bool:
    return bool(_ID_NAME.fullmatch(name.strip()) or _ID_NAME.fullmatch(name.strip().lower()))


def _counts(values: Array) -> bool:
    """Whether different whole numbers are those of rows, some of which may have gone to other splits."""
    low, high, num_rows = values.min(), values.max(), len(values)
    if num_rows < _LEAST_FOR_ID or high - low + 1 > 2 * num_rows:
        return False
    is_ordered = bool((np.diff(values) > 0).all())
    return bool(0 <= low <= max(10, num_rows // 10)) or (is_ordered and num_rows >= _LEAST_ORDERED)


def _target_in_disguise(column: Column, rows: _Rows) -> str:
    if rows.task == "regression":
        targets = rows.labels.reshape(len(rows.labels), -1)
        return _follows_target(column, targets) if column.kind == "number" else _decides_value(column, targets)
    if column.kind == "date":
        return ""
    of_labels = rows.labels.T if rows.task == "multilabel" else [rows.labels]
    decided = [_decides_class(column, labels) for labels in of_labels]
    return decided[0] if all(decided) else ""  # of several labels, one that it decides may tell of the others


def _decides_class(column: Column, labels: Array) -> str:
    num_classes, num_values = len(np.unique(labels)), column.num_groups
    if num_classes < 2 or num_values > max(20, 2 * num_classes) or len(labels) < _ROWS_A_VALUE * num_values:
        return ""
    pairs = np.unique(np.stack([column.groups, labels]), axis=1)
    return f"each of its {num_values} values has one class in all {len(labels)} rows" if pairs.shape[1] == num_values else ""


def _decides_value(column: Column, targets: Array) -> str:
    """Of a category: that all rows of a level have one value, and not all levels the same."""
    if column.kind != "category" or len(targets) < _ROWS_A_VALUE * column.num_groups:
        return ""
    pairs = np.unique(np.column_stack([column.groups, targets]), axis=0)
    is_decided = len(pairs) == column.num_groups and len(np.unique(targets, axis=0)) > 1
    return f"each of its {column.num_groups} values has one target in all {len(targets)} rows" if is_decided else ""


def _follows_target(column: Column, targets: Array) -> str:
    if len(column.present) < max(10, len(column.cells) / 2) or len(column.distinct) < 3:
        return ""
    for target in targets[~column.missing].T:
        if np.ptp(target) > 0 and abs(r := float(np.corrcoef(column.present, target)[0, 1])) > _PEARSON:
            return f"correlation {r:.6f} with the target in {len(target)} rows"
    return ""


def _duplicate(column: Column, rows: _Rows) -> str:
    """Of an earlier column: the same cells, or few enough values that go with its values one to one."""
    keys = [column.kind.encode() + (column.cells if column.kind == "category" else column.cells + 0.0).tobytes()]
    if 3 * column.num_groups <= len(column.cells):
        keys.append(column.groups.tobytes())
    keys = [hashlib.sha256(key).digest() for key in keys]  # the columns themselves are large
    earlier = next((rows.seen[key] for key in keys if key in rows.seen), "")
    for key in keys:
        rows.seen.setdefault(key, column.name)
    return f"says the same as {earlier} in all {len(column.cells)} rows" if earlier else ""


@dataclass(frozen=True)
class _Check:
    """One reason to leave a column out.

    Attributes:
        code: Stable code.
        title: What is wrong, one line.
        measure: What was counted; empty where nothing is wrong.
    """

    code: str
    title: str
    measure: Callable[[Column, _Rows], str]


_CHECKS = (
    _Check("D201", "a column is empty", _all_missing),
    _Check("D202", "a column is constant", _constant),
    _Check("D205", "a column gives the target away", _target_in_disguise),
    _Check("D203", "a column says only which row it is", _all_rare),
    _Check("D203", "a column says only which row it is", _id),
    _Check("D204", "a column repeats another", _duplicate),
)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:g}"
