"""A candidate target column, with its values as numbers, as bits and as text."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from headstart.data.tables.name_hints import is_amount_name, is_class_name
from headstart.data.tables.number_formats import format_of_numbers, learn_numbers
from headstart.data.tables.preprocess import as_numbers, is_missing, read_numbers
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.text import printable

__all__ = ["NumberFormats", "TargetColumn"]

_MAX_INTEGERS = 20  # up to this many different integers are classes, whatever their values
_MAX_WITH_UNIT = 5  # of amounts such as $10, which may be classes as well: 1 star to 5 stars

# Consecutive integers are classes if this share of the range occurs, and each has this share of the mean number of rows.
_MIN_FILLED, _MIN_SHARE = 0.9, 0.05

_TARGETS, _MIN_FILLED_TARGETS = ("target", "y"), 0.5  # in a column of such a name, this share of the range is enough

_MIN_ROWS, _MIN_CALLED = 3, 2  # mean rows per class if classes are integers; if the column's name suggests classes

_WHOLE = re.compile(r"([-+]?(?:0|[1-9]\d*))\.0+", re.ASCII)  # 1.0 equals 1, but 007, 1e2 and the like stay as they are

# Missing-value markers that may be classes in a text column: as in none and mild, or + and -; and such as NA for North
# America, if it is frequent and no other column has it.
_CLASSES_TOO, _CLASSES_IF_ALONE = ("none",), ("na", "n/a", "-")
_MIN_MARKED = 5  # rows with such a marker, and half of those of the rarest class

_ON, _OFF = ("1", "true", "yes", "y", "t"), ("0", "false", "no", "n", "f")
_TICKS = (*_ON, "x", "✓", "✔")  # beside blank cells only


class NumberFormats(NamedTuple):
    """How the numbers of a training table are written.

    Attributes:
        written: Number format of each target column, by name, as ``data.tables.preprocess`` describes it.
        separator: Cell separator of the file. Defaults to "": none, or not known.
    """

    written: Mapping[str, Mapping[str, Any]] = {}
    separator: str = ""


class TargetColumn:
    """A candidate target column, with its values as numbers and as text.

    Args:
        table: Raw cells.
        name: Name of the column.
        formats: Number formats of the training table, if a trained model reads the column. Defaults to None: the format is
            learned from the column.

    Attributes:
        written: Number format of the column, as ``data.tables.preprocess`` describes it.
        doubt: Message about an uncertain reading of its numbers, or "".
        markers: Markers of missing cells that occur, as they are written, and whether each is a class.
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
            self.values, messages = read_numbers({name: cells}, {name: self.written}, table.decimal, is_other_file)[name]
            for message in messages:
                warnings.warn(message, stacklevel=2)
        else:
            learned = learn_numbers(np.where(there, cells, ""), table.decimal, table.separator)
            self.values, self.written = learned.values, learned.written
            self.doubt = "; ".join(filter(None, [learned.mixed, learned.doubt, learned.bare]))
        is_value = ~np.isnan(self.values)
        self.is_number = bool(is_value.any()) and 20 * int(is_value.sum()) >= 19 * int(there.sum())
        self.texts = _texts(cells, self.values, are_plain=self.is_number and not self.written["unit"])
        self.missing = is_missing(self.texts)
        if not (is_value | self.missing).all() and self.are_classes:
            self.is_number = False  # text among numbers is an error, unless the numbers are classes
        self.markers: dict[str, bool] = {}
        if not self.is_number and self.missing.any():
            found = sorted(set(self.texts[self.missing].tolist()) - {"", "nan"})
            self.markers = {text: self._is_class(text, table) for text in found}
            self.keep([text for text, is_class in self.markers.items() if is_class])

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of rows of each different value, as text."""
        return Counter(self.texts[~self.missing].tolist())

    def keep(self, texts: Sequence[str]) -> None:
        """Treat markers of missing cells as classes."""
        self.missing &= ~np.isin(self.texts, texts)
        self.markers |= dict.fromkeys(self.markers.keys() & set(texts), True)

    def _is_class(self, marker: str, table: Table) -> bool:
        """Whether a marker of missing cells is a class: none, - beside +; NA and - if frequent and in no other column."""
        if marker.lower() not in _CLASSES_IF_ALONE:
            return marker.lower() in _CLASSES_TOO
        if marker == "-" and (self.texts == "+").any():
            return True
        rarest = min(Counter(self.texts[~self.missing].tolist()).values(), default=0)
        others = (table.column(other) for other in table.names if other != self.name)
        is_frequent = (self.texts == marker).sum() >= max(_MIN_MARKED, rarest / 2)
        return is_frequent and not any(cells.dtype.kind == "O" and (cells == marker).any() for cells in others)

    def tell_markers(self) -> str:
        """Sentences about markers of missing cells: which are classes, and how to decide otherwise; "" without any."""
        return "".join(f"; {self._about(text, is_class)}" for text, is_class in self.markers.items())

    def _about(self, text: str, is_class: bool) -> str:
        number = int((self.texts == text).sum())
        rows = f"{number} row{'s' * (number != 1)}"
        if is_class:
            return f"{printable(text)} counts as a class ({rows}): leave these cells blank if they have no label"
        return f"{printable(text)} counts as no label ({rows}): write another word if it is a class"

    @property
    def is_ticked(self) -> bool:
        """Whether cells are either ticked or blank, so that a blank one means 0."""
        cells = {text.lower() for text in set(self.texts[~self.missing].tolist())}
        return bool(self.missing.any()) and cells <= set(_TICKS) and set(self.texts[self.missing].tolist()) <= {"", "nan"}

    def fill_blanks(self) -> None:
        """Read blank cells as 0, and ticked ones as 1."""
        self.texts = np.where(self.missing, "0", "1").astype(object)
        self.missing = np.zeros(len(self.texts), bool)

    @cached_property
    def bits(self) -> Array:
        """Cells as 1 (on), 0 (off) and -1 (neither)."""
        known = dict.fromkeys(_OFF, 0) | dict.fromkeys(_ON, 1)
        texts = self.texts.tolist()
        bits = {text: known.get(text.lower(), -1) for text in set(texts)}
        return np.array([bits[text] for text in texts], np.int64)

    @property
    def is_bits(self) -> bool:
        """Whether each cell is on, off or missing."""
        return bool(((self.bits >= 0) | self.missing).all() and not self.missing.all())

    @property
    def finite(self) -> Array:
        """Finite numbers of the column."""
        return self.values[np.isfinite(self.values)]

    @property
    def are_classes(self) -> bool:
        """Whether the numbers are classes rather than amounts."""
        return bool(self.why_classes)

    @cached_property
    def why_classes(self) -> str:
        """Reason why the numbers are classes, or "" if they are not.

        Only whole numbers can be classes. They are classes if each has two rows on average and the column's name suggests
        classes. They are also classes if each has three rows on average and one of two conditions holds: there are at most
        20 different ones, or 5 if they have a unit; or they are consecutive, start at 0 or 1, all recur, and the name does
        not suggest an amount.
        """
        num_different = len(set(self.texts[np.isfinite(self.values)]))
        is_whole = bool((self.finite == np.rint(self.finite)).all())
        rows_each = len(self.finite) / num_different if num_different else 0.0
        most = _MAX_WITH_UNIT if self.written["unit"] else _MAX_INTEGERS
        if is_whole and rows_each >= _MIN_ROWS and num_different <= most:
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
        """Reason why each row cannot be used: its value is missing or invalid; "" for usable rows.

        Args:
            are_usable: Whether the value of each row is valid, ``(n,)``.
            fault: Function from a text and a description of its place to the reason.
            hint: Text to add to the reason of rows without a value. Defaults to "".
        """
        reasons = np.full(len(self.texts), "", object)
        for place in np.flatnonzero(~are_usable | self.missing):
            where = f"the target column {self.name!r}"
            is_missing = self.missing[place]
            text = printable(self.texts[place])[:40]
            marker = "" if text in ("", "nan") else f" ({text})"
            reasons[place] = f"no value{marker} in {where}{hint}" if is_missing else fault(text, where)
        return reasons


def _texts(cells: Array, values: Array, *, are_plain: bool) -> Array:
    """Cells as text; whole numbers lose their decimals, so that 1, 1.0 and 1,0 are one class."""
    if cells.dtype.kind == "M":
        return np.array(["" if np.isnat(cell) else str(cell) for cell in cells], object)
    if cells.dtype.kind == "O":
        if are_plain and (is_other := ~np.isnan(values) & (as_numbers(cells) != values)).any():
            cells = np.where(is_other, np.array([repr(float(value)) for value in values], object), cells)
        listed_cells = cells.tolist()
        plain = {cell: whole[1] if (whole := _WHOLE.fullmatch(cell)) else cell for cell in set(listed_cells)}
        return np.array([plain[cell] for cell in listed_cells], object)
    is_whole = (np.abs(values) < 2**53) & (values == np.rint(values))
    return np.array([str(int(v)) if w else str(c) for c, v, w in zip(cells, values, is_whole, strict=True)], object)
