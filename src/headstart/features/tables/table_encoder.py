"""Learn the encoding of a table from its training rows, and find columns that are useless or suspicious."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.tables.dates import look_like_dates
from headstart.data.tables.name_hints import is_id_name, is_measurement_name
from headstart.data.tables.preprocess import dense_width, odd_cells, readings_of
from headstart.data.tables.row_counters import numbering_columns, numbers_rows, rises_or_falls
from headstart.features.tables.column import Column, Note, read_column
from headstart.features.tables.nothing_left import nothing_left
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    from headstart.data.tables.table import Table

__all__ = ["learn_encoding"]

_MIN_FOR_ID, _UNIQUE = 20, 0.95
_ROWS_A_VALUE = 5
_PEARSON = 0.99999
_MIN_AMOUNTS, _MAX_UNITS = 20, 5
_INEXACT = "~≈<>≤≥=± "
_ARABIC_SIGNS = str.maketrans("٫٬", ".,")
_NUM_TEXTS, _MIN_WORDS = 1000, 5  # texts that are looked at; mean number of words from which they are sentences
_ALL_WHOLE = 2.0**24  # float32 represents all whole numbers up to it exactly


@dataclass
class _Rows:
    """Context in which a column is checked: labels, row numbers in the file, and the columns before it."""

    labels: Array
    numbers: Array
    task: str
    is_alone: bool
    counters: set[str] = field(default_factory=set)
    seen: dict[bytes, str] = field(default_factory=dict)


def learn_encoding(table: Table, labels: Array, task: str) -> tuple[dict[str, Any], list[Note]]:
    """Decide the kind of each column, drop columns that are useless or reveal the target, and learn to encode the others.

    The encoding depends on the given rows only. Pass only training rows, so that nothing is learned from other splits.

    Args:
        table: Feature columns of the training rows, in the order of the file.
        labels: Labels of the training rows, in the shape of the task.
        task: A key of ``TASKS``.

    Returns:
        The encoding (described in ``data.tables.preprocess``), and notes on columns that were dropped or are suspicious.

    Raises:
        DatasetError: No column is left (H114).
    """
    rows = _Rows(np.asarray(labels), table.row_numbers(), task, len(table.names) == 1)
    notes: list[Note] = []
    specs: list[dict[str, Any]] = []
    pairs = zip(table.names, table.columns, strict=True)
    columns = [read_column(name, cells, table.decimal, table.separator) for name, cells in pairs]
    whole = [column for column in columns if _is_whole(column) and not is_measurement_name(column.name)]
    rows.counters = numbering_columns({column.name: (column.present, rows.numbers[~column.missing]) for column in whole})
    for column, cells in zip(columns, table.columns, strict=True):
        name = column.name
        unit = column.numbers.written["unit"] if column.numbers else ""
        odd = zip(("D206", "D207"), odd_cells(name, cells, column.cells, column.kind, unit), strict=True)
        notes += [Note(code, text) for code, text in odd if text]
        reason = next((Note(code, f"{name}: {text}") for code, check in _CHECKS if (text := check(column, rows))), None)
        if reason is None:
            specs.append(column.spec)
            notes += [Note(code, f"{name}: {text}") for code, check in _REMARKS if (text := check(column, rows))]
        else:
            notes.append(reason)
    if not specs:
        raise nothing_left(notes, len(table))
    num_dense = sum(map(dense_width, specs))
    width = num_dense + sum("codes" in spec for spec in specs)
    return {"format": 1, "width": width, "num_dense": num_dense, "separator": table.separator, "columns": specs}, notes


def _all_missing(column: Column, _: _Rows) -> str:
    return "" if len(column.present) else f"all {len(column.cells)} cells are missing"


def _constant(column: Column, _: _Rows) -> str:
    marks_missing = "" in column.spec["levels"] if column.kind == "category" else column.spec["flag"]
    if marks_missing or (column.rounded != column.rounded[0]).any():
        return ""
    same = "the same value" if len(column.distinct) == 1 else "the same value in float32"
    return f"{same}, {_shown(column.rounded[0])}, in {len(column.present)} of {len(column.cells)} rows"


def _all_rare(column: Column, _: _Rows) -> str:
    if column.kind != "category" or column.spec["levels"]:
        return ""
    return f"{len(column.distinct)} different texts in {len(column.present)} rows, none of them frequent"


def _id(column: Column, _: _Rows) -> str:
    num_rows, num_distinct = len(column.present), len(column.distinct)
    if column.kind == "category":
        is_unique = num_rows >= _MIN_FOR_ID and num_distinct >= _UNIQUE * num_rows
        return f"{num_distinct} different texts in {num_rows} rows" if is_unique else ""
    is_unique = num_rows >= _UNIQUE * len(column.cells) and num_distinct >= _UNIQUE * num_rows
    return _counted(column) if _is_whole(column) and is_unique and is_id_name(column.name) else ""


def _is_whole(column: Column) -> bool:
    return column.kind == "number" and bool((column.present % 1 == 0).all())


def _counted(column: Column) -> str:
    low, high = column.distinct[0], column.distinct[-1]
    return f"{len(column.distinct)} different whole numbers in {len(column.present)} rows, from {low:.0f} to {high:.0f}"


def _row_counter(column: Column, rows: _Rows) -> str:
    """Report whole numbers, whatever their name, that number the rows, or rise with rows that are sorted by class."""
    if not _is_whole(column) or rows.is_alone or is_measurement_name(column.name):
        return ""
    return _counted(column) if column.name in rows.counters else _in_order_of_classes(column, rows)


def _measured_counter(column: Column, rows: _Rows) -> str:
    """Report a column that numbers the rows but is kept, because its name is that of a measurement."""
    is_kept = _is_whole(column) and not rows.is_alone and is_measurement_name(column.name)
    if is_kept and numbers_rows(column.present, rows.numbers[~column.missing]):
        return _counted(column)
    return _in_order_of_classes(column, rows) if is_kept else ""


def _in_order_of_classes(column: Column, rows: _Rows) -> str:
    if rows.task in ("binary", "multiclass") and rises_or_falls(column.present):
        labels = rows.labels[~column.missing]
        if 1 + (np.diff(labels) != 0).sum() == len(np.unique(labels)) > 1:
            return f"{_counted(column)}, in the order of the rows, which are sorted by class"
    return ""


def _unread_dates(column: Column, _: _Rows) -> str:
    """Report text that looks like dates but was not read as dates."""
    example = look_like_dates(column.name, column.distinct) if column.kind == "category" else ""
    return f"{len(column.distinct)} different texts in {len(column.present)} rows, such as {example}" if example else ""


def _useless_dates(column: Column, rows: _Rows) -> str:
    """Report text that looks like dates, was not read as dates, and is useless as text."""
    return _unread_dates(column, rows) if _only_identifies(column, rows) else ""


def _target_in_disguise(column: Column, rows: _Rows) -> str:
    if rows.task == "regression":
        targets = rows.labels.reshape(len(rows.labels), -1)
        check = _follows_target if column.kind == "number" else _decides_value
        return next(filter(None, (check(column, target) for target in targets.T)), "")
    if column.kind == "date":
        return ""
    of_labels = rows.labels.T if rows.task == "multilabel" else [rows.labels]
    return next(filter(None, (_decides_class(column, labels) for labels in of_labels)), "")


def _decides_class(column: Column, labels: Array) -> str:
    num_classes, num_values = len(np.unique(labels)), column.num_groups
    if num_classes < 2 or num_values > max(20, 2 * num_classes) or len(labels) < _ROWS_A_VALUE * num_values:
        return ""
    pairs = np.unique(np.stack([column.groups, labels]), axis=1)
    return f"each of its {num_values} values has one class in all {len(labels)} rows" if pairs.shape[1] == num_values else ""


def _decides_value(column: Column, target: Array) -> str:
    """Report a category that determines the target: one value in all rows of a level, but not the same in all levels."""
    if column.kind != "category" or len(target) < _ROWS_A_VALUE * column.num_groups:
        return ""
    pairs = np.unique(np.column_stack([column.groups, target]), axis=0)
    is_decided = len(pairs) == column.num_groups and len(np.unique(target)) > 1
    return f"each of its {column.num_groups} values has one target in all {len(target)} rows" if is_decided else ""


def _follows_target(column: Column, target: Array) -> str:
    if len(column.present) < max(10, len(column.cells) / 2) or len(column.distinct) < 3:
        return ""
    target = target[~column.missing]
    if np.ptp(target) > 0 and abs(r := float(np.corrcoef(column.present, target)[0, 1])) > _PEARSON:
        return f"correlation {r:.6f} with the target in {len(target)} rows"
    return ""


def _duplicate(column: Column, rows: _Rows) -> str:
    """Report a column with the cells of an earlier one, or with few values that correspond to its values one to one."""
    keys = [column.kind.encode() + (column.cells if column.kind == "category" else column.cells + 0.0).tobytes()]
    if 3 * column.num_groups <= len(column.cells):
        keys.append(column.groups.tobytes())
    keys = [hashlib.sha256(key).digest() for key in keys]  # the columns themselves are large
    earlier = next((rows.seen[key] for key in keys if key in rows.seen), "")
    for key in keys:
        rows.seen.setdefault(key, column.name)
    return f"duplicates {earlier} in all {len(column.cells)} rows" if earlier else ""


def _merged(column: Column, _: _Rows) -> str:
    """Report different whole numbers that become equal in float32."""
    if column.kind != "number" or np.abs(column.present).max(initial=0.0) <= _ALL_WHOLE or (column.present % 1 != 0).any():
        return ""
    num_exact, num_rounded = len(column.distinct), len(np.unique(column.rounded))
    return f"{num_exact} different whole numbers become {num_rounded}" if num_rounded < num_exact else ""


def _numbers_as_text(column: Column, _: _Rows) -> str:
    """Report text that mostly consists of numbers, with or without one of a few units, in any digits, exact or not."""
    if column.kind != "category" or len(column.distinct) < _MIN_AMOUNTS:
        return ""
    units = Counter[str]()
    example = ""
    for text in column.distinct.tolist():
        if readings := readings_of(text) or readings_of(_plainly(text)):
            units[next(iter(readings.values())).unit] += column.levels[text]
            example = example or text
    if 2 * units.total() < len(column.present) or len(units) > _MAX_UNITS:
        return ""
    named = ", ".join(sorted(filter(None, units)))
    with_unit = f", with {len(units)} units: {named}" if len(units) > 1 else f" with the unit {named}" if named else ""
    return f"{units.total()} of {len(column.present)} cells are numbers{with_unit} ({example})"


def _plainly(text: str) -> str:
    """Convert a number to the digits 0 to 9, without signs of its precision: "٢٤" to 24, "~3.5 ± 0.2" to 3.5."""
    exact = text.strip(_INEXACT).split("±")[0].strip()
    digits = (str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in unicodedata.normalize("NFKC", exact))
    return "".join(digits).translate(_ARABIC_SIGNS)


def _useless_numbers(column: Column, rows: _Rows) -> str:
    """Report numbers that were read as text and are useless as text."""
    return _numbers_as_text(column, rows) if _only_identifies(column, rows) else ""


def _only_identifies(column: Column, rows: _Rows) -> bool:
    return bool(_all_rare(column, rows) or _id(column, rows))


def _free_text(column: Column, rows: _Rows) -> str:
    """Report sentences, which differ in nearly every row and say something nevertheless."""
    if column.kind != "category" or not _only_identifies(column, rows):
        return ""
    texts = column.distinct[:_NUM_TEXTS].tolist()
    num_words = sum(len(text.split()) for text in texts) / len(texts)
    if num_words < _MIN_WORDS or not any(map(str.isalpha, "".join(texts))):
        return ""
    return f"{len(column.distinct)} different texts of {num_words:.0f} words on average in {len(column.present)} rows"


def _doubtful(column: Column, _: _Rows) -> str:
    return column.doubt


# Checks that drop a column: the code of the finding, and a function that returns what was counted, or "" if all is well.
_CHECKS: tuple[tuple[str, Callable[[Column, _Rows], str]], ...] = (
    ("D201", _all_missing),
    ("D202", _constant),
    ("D205", _target_in_disguise),
    ("D210", _useless_numbers),
    ("D215", _useless_dates),
    ("D220", _free_text),
    ("D203", _all_rare),
    ("D203", _id),
    ("D216", _row_counter),
    ("D204", _duplicate),
)
# Checks that report something about a column that is used, in the same form.
_REMARKS: tuple[tuple[str, Callable[[Column, _Rows], str]], ...] = (
    ("D208", _merged),
    ("D209", _doubtful),
    ("D210", _numbers_as_text),
    ("D211", lambda column, _: column.numbers.mixed if column.numbers else ""),
    ("D212", lambda column, _: column.numbers.doubt if column.numbers else ""),
    ("D213", lambda column, _: column.numbers.bare if column.numbers else ""),
    ("D215", _unread_dates),
    ("D217", _measured_counter),
)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:g}"
