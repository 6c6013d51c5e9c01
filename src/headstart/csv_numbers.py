"""Data: what stands between the digits of the numbers in a CSV file: decimal commas, and marks of thousands."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from headstart.encoding import as_numbers, is_missing

__all__ = ["NUMBER_LIKE", "with_plain_numbers"]

_NUMERIC = 0.95  # of the cells that are there, at least, are numbers in a column of numbers
_BY_COMMAS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII)  # thousands set apart
_BY_POINTS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?", re.ASCII)
NUMBER_LIKE = re.compile(
    rf"\s*(?:{_BY_COMMAS.pattern}|{_BY_POINTS.pattern}|[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?)\s*", re.ASCII
)


def with_plain_numbers(columns: Sequence[list[str]], separator: str) -> list[list[str]]:
    """The same columns; numbers have a decimal point and no other mark.

    Commas are decimal ones between semicolons, or where one of a column of numbers can be nothing else; else thousands.

    Args:
        columns: The cells of each.
        separator: What stands between two columns.

    Example:
        >>> with_plain_numbers([["1,5", "1,200"], ["a,b", "c,d"]], "|")
        [['1.5', '1.200'], ['a,b', 'c,d']]
    """
    columns = list(columns)
    with_commas = [
        i for i, column in enumerate(columns) if any("," in cell and NUMBER_LIKE.fullmatch(cell) for cell in column)
    ]
    decimal = {i: _numbers(columns[i], _without_decimal_commas) for i in with_commas}
    pairs = (pair for i in with_commas for pair in zip(columns[i], decimal[i], strict=True))
    is_decimal = separator == ";" or any("," in old and old != new and not _BY_COMMAS.fullmatch(old) for old, new in pairs)
    for i in with_commas:
        if is_decimal and decimal[i] != columns[i]:
            columns[i] = decimal[i]
        else:
            columns[i] = _numbers(columns[i], _without_thousands)
    return columns


def _numbers(column: list[str], read: Callable[[list[str]], list[str]]) -> list[str]:
    """A column with its numbers as they are read, if nearly all of its cells are numbers then; else as it stood."""
    cells = read(column)
    are_numbers = ~np.isnan(as_numbers(np.array(cells, object)))
    are_there = ~is_missing(np.array(column, object))
    below = slice(len(column) > 1, None)  # the first cell may be a name
    if are_numbers[below].sum() < max(1, _NUMERIC * are_there[below].sum()):
        return column
    return [new if is_number else old for old, new, is_number in zip(column, cells, are_numbers, strict=True)]


def _without_decimal_commas(column: list[str]) -> list[str]:
    """A point for a comma; points before each three digits go, in a column where no other ones are."""
    decimal_points = any("." in cell and NUMBER_LIKE.fullmatch(cell) and not _BY_POINTS.fullmatch(cell) for cell in column)
    are_grouped = [_BY_POINTS.fullmatch(cell) and ("," in cell or not decimal_points) for cell in column]
    return [
        (cell.replace(".", "") if is_grouped else cell).replace(",", ".")
        for cell, is_grouped in zip(column, are_grouped, strict=True)
    ]


def _without_thousands(column: list[str]) -> list[str]:
    return [cell.replace(",", "") if _BY_COMMAS.fullmatch(cell) else cell for cell in column]
