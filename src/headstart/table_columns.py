"""Part A: one column of a table: what it is, and how its cells become numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from headstart.encoding import as_days, as_numbers, as_text, is_missing, to_single, transformed
from headstart.scaling import skewness

__all__ = ["Column", "Note", "odd_cells", "read_column"]

Array = np.ndarray[Any, Any]

_OF_ONE_KIND = 0.95  # share of a text column's cells that make numbers or dates of it
_MOST_ONE_HOT, _MOST_CODES = 32, 10_000
_RARE_SHARE, _RARE_ROWS = 0.002, 2  # a level below either is one of the others
_FLAG_SHARE, _FLAG_ROWS = 0.01, 2  # missing cells from which on a column says which they are
_MOST_SKEW = 1.0
_LEAST_SCALE_OF_LOG = 1e-3  # below it all values are so small that the logarithm changes nothing
_LEAST_FOR_QUANTILES, _MOST_KNOTS, _MOST_SCORE = 10, 32, 2.5


class Note(NamedTuple):
    """What is odd about a column: a stable code, what it means, and what was counted."""

    code: str
    title: str
    measured: str


@dataclass(frozen=True)
class Column:
    """One column, its cells as the graphs take them (``encoding.typed``)."""

    name: str
    kind: str
    cells: Array
    day_first: bool = True

    @cached_property
    def missing(self) -> Array:
        """Where there is no value."""
        missing: Array = self.cells == "" if self.kind == "category" else np.isnan(self.cells)
        return missing

    @cached_property
    def present(self) -> Array:
        """The values that are there; numbers as float64."""
        values = self.cells[~self.missing]
        return values if self.kind == "category" else values.astype(np.float64)

    @cached_property
    def distinct(self) -> Array:
        """Different values that are there."""
        return np.unique(self.present)

    @cached_property
    def groups(self) -> Array:
        """For each row the number of its value, in the order in which they appear; missing is a value too."""
        _, first, inverse = np.unique(self.cells, return_index=True, return_inverse=True)
        places: Array = np.argsort(np.argsort(first))[inverse]
        return places

    @property
    def num_groups(self) -> int:
        """Different values, missing among them."""
        return len(self.distinct) + bool(self.missing.any())

    @cached_property
    def levels(self) -> dict[str, int]:
        """Text that occurs, with its rows: the most frequent first, then in the order of the alphabet."""
        texts, counts = np.unique(self.cells, return_counts=True)
        order = sorted(zip(texts.tolist(), counts.tolist(), strict=True), key=lambda level: (-level[1], level[0]))
        return dict(order)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """How its cells become numbers."""
        return {"name": self.name, "kind": self.kind} | _LEARN[self.kind](self)


def read_column(name: str, cells: Array) -> Column:
    """The column as what it is.

    Args:
        name: Its name.
        cells: Training rows as ``cells.Table`` holds them: float64, datetime64 or text. Text is taken for numbers, or for
            dates, where 95 of 100 cells that are there can be read so.
    """
    if cells.dtype.kind == "M":
        return Column(name, "date", to_single(as_days(cells)))
    if cells.dtype.kind == "f":
        return Column(name, "number", to_single(as_numbers(cells)))
    texts = as_text(cells)
    least = _OF_ONE_KIND * max((texts != "").sum(), 1)
    numbers = as_numbers(texts)
    if (~np.isnan(numbers)).sum() >= least:
        return Column(name, "number", to_single(numbers))
    distinct, places = np.unique(texts, return_inverse=True)  # dates are slow to read, and categories have few texts
    ways = [(day_first, as_days(distinct, day_first)[places]) for day_first in (True, False)]
    day_first, days = max(ways, key=lambda way: np.isfinite(way[1]).sum())
    if np.isfinite(days).sum() >= least:
        return Column(name, "date", to_single(days), day_first)
    return Column(name, "category", texts)


def odd_cells(name: str, cells: Array, read: Array) -> list[Note]:
    """Notes of the cells that hold something and count as missing all the same.

    Args:
        name: The column's.
        cells: As they stood.
        read: The same as the graphs take them (``encoding.typed``).
    """
    if read.dtype.kind == "U":  # any text is a category
        return []
    unread = cells[np.isnan(read)]
    odd = unread[~is_missing(unread)]
    is_infinite = np.abs(as_numbers(odd)) > np.finfo(np.float32).max
    return [
        Note(code, title, f"{name}: {len(found)} of {len(cells)} cells ({', '.join(map(str, np.unique(found)[:3]))})")
        for code, title, found in (
            ("D206", "cells that do not fit their column count as missing", odd[~is_infinite]),
            ("D207", "infinite cells count as missing", odd[is_infinite]),
        )
        if len(found)
    ]


def _learn_number(column: Column) -> dict[str, Any]:
    values = column.present
    transform = _transform(values) if len(values) else {"transform": "none"}
    return _learn_missing(column) | transform | _learn_scale(transformed(values, transform))


def _learn_date(column: Column) -> dict[str, Any]:
    return _learn_missing(column) | {"day_first": column.day_first} | _learn_scale(column.present)


def _learn_missing(column: Column) -> dict[str, Any]:
    least = max(_FLAG_ROWS, _FLAG_SHARE * len(column.cells))
    fill = float(np.median(column.present)) if len(column.present) else 0.0
    return {"fill": fill, "flag": bool(column.missing.sum() >= least)}


def _learn_scale(values: Array) -> dict[str, Any]:
    if not len(values):
        return {"offset": 0.0, "scale": 1.0}
    return {"offset": float(values.mean()), "scale": float(values.std()) or 1.0}


def _transform(values: Array) -> dict[str, Any]:
    """The mildest transform that leaves the values without a long tail."""
    if abs(skewness(values)) <= _MOST_SKEW:
        return {"transform": "none"}
    logarithms = transformed(values, {"transform": "log"})
    if abs(skewness(logarithms)) < _MOST_SKEW and logarithms.std() >= _LEAST_SCALE_OF_LOG:
        return {"transform": "log"}
    if len(distinct := np.unique(values)) < _LEAST_FOR_QUANTILES:
        return {"transform": "none"}
    knots = np.quantile(distinct, np.linspace(0, 1, min(_MOST_KNOTS, len(distinct))), method="nearest")
    ordered = np.sort(values)
    ranks = (np.searchsorted(ordered, knots, "left") + np.searchsorted(ordered, knots, "right")) / (2 * len(values))
    scores = [min(max(NormalDist().inv_cdf(rank), -_MOST_SCORE), _MOST_SCORE) for rank in ranks.tolist()]
    return {"transform": "quantile", "knots": knots.tolist(), "values": scores}


def _learn_category(column: Column) -> dict[str, Any]:
    num_rows, levels = len(column.cells), column.levels
    frequent = [level for level, count in levels.items() if count >= 2]
    if len(frequent) > _MOST_ONE_HOT:
        return {"levels": frequent[:_MOST_ONE_HOT], "two_way": False, "codes": frequent[:_MOST_CODES]}
    least = max(_RARE_ROWS, _RARE_SHARE * num_rows)
    common = [level for level, count in levels.items() if count >= least]
    is_two_way = len(common) == len(levels) == 2 and "" not in levels
    return {"levels": sorted(common) if is_two_way else common, "two_way": is_two_way}


_LEARN: dict[str, Callable[[Column], dict[str, Any]]] = {
    "number": _learn_number,
    "date": _learn_date,
    "category": _learn_category,
}
