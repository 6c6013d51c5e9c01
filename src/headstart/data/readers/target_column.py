"""A column that may be the target, seen as numbers, as bits and as text."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from headstart.data.tables.name_hints import is_amount_name, is_class_name
from headstart.data.tables.number_formats import format_of_numbers, learn_numbers
from headstart.data.tables.preprocess import as_numbers, is_missing, read_numbers
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.text import printable

__all__ = ["SEPARATORS", "NumberFormats", "TargetColumn", "is_no_label"]

_MAX_INTEGERS = 20  # different ones that are still taken for classes, whatever they are

_MIN_FILLED, _MIN_SHARE = 0.9, 0.05  # of the numbers from the lowest to the highest; rows of each, of the mean of all

_TARGETS, _MIN_FILLED_TARGETS = ("target", "y"), 0.5

_MIN_ROWS, _MIN_CALLED = 3, 2  # a class, on average, where classes are integers; where the column is called so

_WHOLE = re.compile(r"([-+]?(?:0|[1-9]\d*))\.0+", re.ASCII)  # 1.0 is 1; but 007, 1e2 and the like are texts of their own

SEPARATORS = ";|"  # of the labels in a cell

_CLASSES_TOO = ("none", "-")  # markers of missing cells that are classes where the others are text: none and mild, + and -


class NumberFormats(NamedTuple):
    """How the numbers of a training table were written.

    Attributes:
        written: Of target columns, by name, as ``encoding`` describes it.
        separator: What separated the cells of its file; "" if there was none, or it is not known.
    """

    written: Mapping[str, Mapping[str, Any]] = {}
    separator: str = ""


class TargetColumn:
    """A column that may be the target, seen as numbers and as text.

    Args:
        table: Raw cells.
        name: Name of the column.
        formats: Of the training table, for a trained model.

    Attributes:
        written: How its numbers are written, as ``encoding`` describes it.
        doubt: What to report of the way in which they were read; else "".
    """

    def __init__(self, table: Table, name: str, formats: NumberFormats | None = None) -> None:
        self.name = name
        cells, self.doubt, self.written = table.column(name), "", dict((formats or NumberFormats()).written.get(name, {}))
        there = ~is_missing(cells)
        if cells.dtype.kind == "M":
            self.values: Array = np.full(len(cells), np.nan)
        elif cells.dtype.kind != "O":
            self.values = as_numbers(cells)
            self.written = self.written or format_of_numbers(self.values)
        elif self.written and formats:
            is_other_file = bool(table.separator and formats.separator) and table.separator != formats.separator
            self.values, told = read_numbers({name: cells}, {name: self.written}, table.decimal, is_other_file)[name]
            for line in told:
                warnings.warn(line, stacklevel=2)
        else:
            learned = learn_numbers(np.where(there, cells, ""), table.decimal, table.separator)
            self.values, self.written = learned.values, learned.written
            self.doubt = "; ".join(filter(None, [learned.mixed, learned.doubt, learned.bare]))
        is_value = ~np.isnan(self.values)
        self.is_number = bool(is_value.any()) and 20 * int(is_value.sum()) >= 19 * int(there.sum())
        self.texts = _texts(cells, self.values, are_plain=self.is_number and not self.written["unit"])
        self.missing = is_missing(self.texts)
        if not (is_value | self.missing).all() and self.are_classes:
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

    @property
    def are_classes(self) -> bool:
        """Whether its numbers are classes."""
        return bool(self.why_classes)

    @cached_property
    def why_classes(self) -> str:
        """Why its numbers are classes, "" if they are none.

        Whole numbers are, if they have two rows each on average and the column is called like one of classes; or if they
        have three, and there are at most 20 different ones, or they are consecutive, begin at 0 or 1, all recur, and are not
        called like an amount.
        """
        num_different = len(set(self.texts[np.isfinite(self.values)]))
        is_whole = bool((self.finite == np.rint(self.finite)).all())
        rows_each = len(self.finite) / num_different if num_different else 0.0
        if is_whole and rows_each >= _MIN_ROWS and num_different <= _MAX_INTEGERS:
            return "few"
        if is_whole and rows_each >= _MIN_CALLED and is_class_name(self.name):
            return f"the column is called {self.name}"
        if not is_whole or rows_each < _MIN_ROWS:
            return ""
        return "consecutive numbers that recur" if not is_amount_name(self.name) and self._are_consecutive() else ""

    def _are_consecutive(self) -> bool:
        values, counts = np.unique(self.finite, return_counts=True)
        filled = len(values) / (values[-1] - values[0] + 1)
        if self.name.lower() in _TARGETS and counts.min() >= 2 and filled >= _MIN_FILLED_TARGETS:
            return True
        return bool(values[0] in (0, 1) and filled >= _MIN_FILLED and counts.min() >= max(2, _MIN_SHARE * counts.mean()))

    def faults(self, are_usable: Array, fault: Callable[[str, str], str], *, hint: str = "") -> Array:
        """Why each row cannot be used: it has no value, or the fault of its text; ``""`` for those that can.

        Args:
            are_usable: Rows whose value will do.
            fault: Of a text, and of where it stands.
            hint: What to tell of rows without a value.
        """
        found = np.full(len(self.texts), "", object)
        for place in np.flatnonzero(~are_usable | self.missing):
            where = f"the target column {self.name!r}"
            is_missing = self.missing[place]
            text = printable(self.texts[place])[:40]
            stands = "" if text in ("", "nan") else f"{text} stands for "
            found[place] = f"{stands}no value in {where}{hint}" if is_missing else fault(text, where)
        return found


def is_no_label(text: str) -> bool:
    """Whether a cell says that no label applies: it is nothing but separators."""
    return bool(text) and not text.strip(SEPARATORS + " ")


# The label of each row


def _texts(cells: Array, values: Array, *, are_plain: bool) -> Array:
    """Cells as text; whole numbers without a decimal sign, so that 1, 1.0 and 1,0 are one class."""
    if cells.dtype.kind == "M":
        return np.array(["" if np.isnat(cell) else str(cell) for cell in cells], object)
    if cells.dtype.kind == "O":
        is_other = ~np.isnan(values) & (as_numbers(cells) != values)
        if are_plain and is_other.any():
            cells = np.where(is_other, np.array([repr(float(value)) for value in values], object), cells)
        return np.array([whole[1] if (whole := _WHOLE.fullmatch(cell)) else cell for cell in cells], object)
    is_whole = (np.abs(values) < 2**53) & (values == np.rint(values))
    return np.array([str(int(v)) if w else str(c) for c, v, w in zip(cells, values, is_whole, strict=True)], object)
