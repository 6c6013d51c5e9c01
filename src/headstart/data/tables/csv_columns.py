"""Conversion of the rows of a CSV file to named columns, with detection of the header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from headstart.data.skipped import Skipped
from headstart.data.tables.csv_rows import FILE_NAME, read_rows, usual_width
from headstart.data.tables.dates import are_dates
from headstart.data.tables.number_formats import are_numbers, is_amount, is_number
from headstart.data.tables.preprocess import is_missing

__all__ = ["CsvTable", "read_csv_table"]

_MAX_DATES = 50  # cells that are tested for being dates


class CsvTable(NamedTuple):
    """Contents of a CSV file.

    Attributes:
        names: Column names in the file; blank if there is no header.
        columns: Stripped cells of each column.
        numbering: Number of each row among the rows of the file, from 1, not counting a header.
        skipped: Rows with another number of cells than the table.
        separator: Cell separator; "" if there is only one column.
    """

    names: list[str]
    columns: list[list[str]]
    numbering: list[int]
    skipped: list[Skipped]
    separator: str


def read_csv_table(content: bytes, known: Sequence[str] = ()) -> CsvTable:
    """Parse the bytes of a CSV file into columns; blank lines are ignored.

    Args:
        content: Bytes of the file.
        known: Column names that a trained model knows; a first row that contains most of them is a header. Defaults to none.

    Raises:
        ValueError: The file is not text, or has no rows.
    """
    rows, separator = read_rows(content)
    return _table_of_rows(rows, separator, known)


def _table_of_rows(rows: list[list[str]], separator: str, known: Sequence[str]) -> CsvTable:
    width, _ = usual_width(rows)
    if width > 1 and not any(row[-1] for row in rows if len(row) == width):  # each line ends with a separator
        rows = [row[:-1] if len(row) == width else row for row in rows]
        width -= 1
    if len(rows[0]) == width - 1 > 1 and _is_header(["", *rows[0]], _columns(rows, width), known):
        rows[0].insert(0, "")  # R writes such a header for a table with row names
    place = next(i for i, row in enumerate(rows) if len(row) == width)
    columns, names = _columns(rows, width), [""] * width
    if _is_header(rows[place], below := [column[1:] for column in columns], known):
        columns, names = below, rows.pop(place)
    size = f"{width} column" + "s" * (width != 1)
    skipped = [
        Skipped(f"row {number}", f"{len(row)} cell{'s' * (len(row) != 1)}, but the table has {size}")
        for number, row in enumerate(rows, 1)
        if len(row) != width
    ]
    numbering = [number for number, row in enumerate(rows, 1) if len(row) == width]
    return CsvTable(names, columns, numbering, skipped, separator if width > 1 else "")


def _columns(rows: list[list[str]], width: int) -> list[list[str]]:
    """Cells of each column, from rows with ``width`` cells."""
    return [[row[i] for row in rows if len(row) == width] for i in range(width)]


def _is_header(first: list[str], columns: list[list[str]], known: Sequence[str]) -> bool:
    """Whether the first row is a header: it has known names, or texts that are neither numbers nor cells below."""
    if known and 2 * sum(name in first for name in known) > len(known):
        return True
    is_nameless = bool(known) and all(re.fullmatch(r"c\d+", name) for name in known)  # the model's table had no header
    present: list[int] = np.flatnonzero(~is_missing(np.array(first, object))).tolist()
    below = {i: set(columns[i]) for i in present}
    if numbered := [i for i in present if is_number(first[i])]:
        # A name can be a number if other names are words above numbers, and none of the words occurs below.
        words = [i for i in present if i not in numbered]
        if any(first[i] in below[i] for i in words):
            return False
        if not is_nameless and _is_count(first, columns, numbered):
            return True
        return sum(_are_numbers(below[i]) for i in words) > 0 and len(numbered) <= len(words)
    if any(_are_dates([first[i]]) and _are_dates([*cells]) for i, cells in below.items()) or any(
        is_amount(first[i]) and 2 * sum(map(is_amount, cells)) > len(cells) for i, cells in below.items()
    ):
        return False
    if is_nameless and abs(len(first) - len(known)) <= 1:  # so a header is only recognised above numbers
        return any(_are_numbers(cells) for cells in below.values())
    if "?" in first:  # not a column name, but a common marker of missing cells
        return False
    return 2 * sum(first[i] in cells for i, cells in below.items()) < len(present)


def _is_count(first: list[str], columns: list[list[str]], numbered: list[int]) -> bool:
    """Whether numbers in the first row are column names: 0, 1 and so on (pandas), or at least three next to a word.

    They are not names if the counting continues in the rows below, or if the numbers of most columns occur there.
    """
    if not columns[0] or not all(first[1:]) or not _rise([first[i] for i in numbered]):
        return False
    is_from_zero = first[numbered[0]] == "0"
    if is_from_zero and not first[0] and columns[0][0] == "0" and _rise(columns[0]):  # the index of a data frame
        return True
    if _rise([first[0], *columns[0]]) or _rise([columns[i][0] for i in numbered]):
        return False
    num_recurring = sum(first[i] in columns[i] for i in numbered)
    if is_from_zero:
        return 2 * num_recurring < len(numbered)
    return all(first) and len(first) > len(numbered) > 2 and not num_recurring and not any(map(FILE_NAME.fullmatch, first))


def _rise(cells: Sequence[str]) -> bool:
    """Whether the cells are whole numbers that increase by one."""
    return all(re.fullmatch(r"0|[1-9][0-9]{0,8}", cell) for cell in cells) and all(
        int(later) == int(cell) + 1 for cell, later in pairwise(cells)
    )


def _are_numbers(cells: set[str]) -> bool:
    """Whether all cells are numbers or missing, and at least one is a number."""
    values = np.array([*cells], object)
    present = values[~is_missing(values)].tolist()
    return bool(present) and are_numbers(present)


def _are_dates(cells: list[str]) -> bool:
    """Whether most of the cells are dates."""
    return are_dates(np.array(cells[:_MAX_DATES]), 0.5)
