"""Conversion of the rows of a CSV file to named columns, with detection of the header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from headstart.data.skipped import Skipped
from headstart.data.tables.dates import are_dates
from headstart.data.tables.files.csv_rows import FILE_NAME, CsvRows, read_rows
from headstart.data.tables.files.totals_row import is_totals_row
from headstart.data.tables.number_formats import are_numbers, is_amount, is_number
from headstart.data.tables.preprocess import is_missing
from headstart.data.tables.text_columns import TextColumns
from headstart.foundation.arrays import Array
from headstart.foundation.text import listed, printable

__all__ = ["CsvTable", "read_csv_table", "table_of_rows"]

_MAX_DATES = 50  # cells that are tested for being dates
_MAX_TITLES, _MAX_TITLE_CELLS = 20, 2  # rows above a header that may be titles, and their filled cells
_MIN_BELOW, _MIN_BELOW_WORDS = 3, 20  # rows below a second header; below a header that is repeated, if all are words
_NUM_TRIED = 1000  # cells that are tested for being numbers


class CsvTable(NamedTuple):
    """Contents of a CSV file.

    Attributes:
        names: Column names in the file; blank if there is no header.
        columns: Stripped cells of each column.
        numbering: Number of each row among the rows of the file, from 1, not counting a header and what is above it.
        skipped: Rows with another number of cells than the table, headers within the table, and a row of totals.
        separator: Cell separator; "" if there is only one column.
        notes: Lines that were left out, in a sentence each.
    """

    names: list[str]
    columns: TextColumns
    numbering: Array
    skipped: list[Skipped]
    separator: str
    notes: tuple[str, ...]


def read_csv_table(content: bytes, known: Sequence[str] = ()) -> CsvTable:
    """Parse the bytes of a CSV file into columns; blank lines are ignored.

    Args:
        content: Bytes of the file.
        known: Column names that a trained model knows; a first row that contains most of them is a header. Defaults to none.

    Raises:
        ValueError: The file is not text, or has no rows.
    """
    return table_of_rows(read_rows(content), known)


def table_of_rows(rows: CsvRows, known: Sequence[str]) -> CsvTable:
    """Convert rows of stripped cells to columns with names, as ``read_csv_table`` does."""
    rows = _with_row_names(_without_blank_end(rows), known)
    cells, numbers, odd = rows.cells, rows.numbering, rows.odd
    width, names, notes = len(cells), [""] * len(cells), list(rows.notes)
    again: list[Skipped] = []
    if (place := _header_place(rows, known)) >= 0:
        names = cells.row(place)
        above = [(int(numbers[i]), cells.row(i)) for i in range(place)]
        titles = [row for _, row in sorted([each for each in odd if each[0] < numbers[place]] + above)]
        notes += _about_titles(titles)
        odd = [(number - len(titles) - 1, row) for number, row in odd if number > numbers[place]]
        cells, numbers = cells.below(place + 1), numbers[place + 1 :] - len(titles) - 1
        within, about = _headers_within(cells, names)
        again = [Skipped(f"row {numbers[i]}", reason) for i, reason in within.items()]
        notes += about
        if within:
            kept = np.delete(np.arange(cells.num_rows), [*within])
            cells, numbers = cells.take(kept), numbers[kept]
    if is_totals_row(cells, rows.separator):
        last = cells.num_rows - 1
        again.append(Skipped(f"row {numbers[last]}", "a row of totals"))
        shown = ", ".join(filter(None, cells.row(last)[:4]))[:40]
        notes.append(f"the last row holds totals and is skipped ({printable(shown)})")
        cells, numbers = cells.take(np.arange(last)), numbers[:last]
    size = f"{width} column" + "s" * (width != 1)
    skipped = [
        Skipped(f"row {number}", f"{len(row)} cell{'s' * (len(row) != 1)}, but the table has {size}") for number, row in odd
    ]
    return CsvTable(names, cells, numbers, skipped + again, rows.separator if width > 1 else "", tuple(notes))


def _without_blank_end(rows: CsvRows) -> CsvRows:
    """Leave out the last columns if they are blank, header included, and blank cells beyond the last column."""
    width = len(rows.cells)
    while width > 1 and _is_blank(rows.cells, width - 1):
        width -= 1
    cells = rows.cells if width == len(rows.cells) else rows.cells.select(range(width))
    fitting = {number: row[:width] for number, row in rows.odd if len(row) >= width and not any(row[width:])}
    if not fitting:
        return rows._replace(cells=cells)
    numbers = np.concatenate([rows.numbering, np.array([*fitting], np.int64)])
    cells = cells.plus([*fitting.values()]).take(order := np.argsort(numbers))
    return rows._replace(cells=cells, numbering=numbers[order], odd=[each for each in rows.odd if each[0] not in fitting])


def _is_blank(cells: TextColumns, place: int) -> bool:
    return not any(cells.head(place, _NUM_TRIED)) and len(cells.where(place, "")) == cells.num_rows


def _with_row_names(rows: CsvRows, known: Sequence[str]) -> CsvRows:
    """Complete the header that R writes for a table with row names: it lacks the name of the first column."""
    if not rows.odd or rows.odd[0][0] != 1 or not len(rows.odd[0][1]) == len(rows.cells) - 1 > 1:
        return rows
    header = ["", *rows.odd[0][1]]
    if not _is_header(header, rows.cells, known):
        return rows
    cells = TextColumns.from_rows([header]).plus(rows.cells)
    return rows._replace(cells=cells, numbering=np.concatenate([[1], rows.numbering]), odd=rows.odd[1:])


def _header_place(rows: CsvRows, known: Sequence[str]) -> int:
    """Position of the header, the first row but for titles; -1 without a header."""
    cells, place = rows.cells, 0
    while place < min(_MAX_TITLES, cells.num_rows - 1) and _may_be_title(cells.row(place), known):
        place += 1
    for start in dict.fromkeys((place, 0)) if cells.num_rows else ():
        first, below = cells.row(start), cells.below(start + 1)
        if _is_repeated_header(first, below):
            return start
        has_above = start > 0 or any(number < rows.numbering[0] for number, _ in rows.odd)
        is_sure = not has_above or _is_known(first, known) or _is_below_titles(cells, start)
        if is_sure and _is_header(first, below, known):
            return start
    return -1


def _may_be_title(row: list[str], known: Sequence[str]) -> bool:
    num_filled = sum(map(bool, row))
    return num_filled <= min(_MAX_TITLE_CELLS, len(row) / 2) and not _is_known(row, known)


def _is_below_titles(cells: TextColumns, place: int) -> bool:
    """Whether a row is a header below titles and not a row below a header with gaps: none of its cells occurs below.

    Neither may cells occur that differ from it in digits only, as a1 and a2 do. It must also name each column that is filled
    in half of the rows below, of which titles leave at least one blank.
    """
    first, below = cells.row(place), cells.below(place + 1)
    for i, cell in enumerate(first):
        if cell and (len(below.where(i, cell)) or (_form(cell) and _form(cell) in map(_form, below.head(i, _MAX_TITLES)))):
            return False
    num_tried = min(_NUM_TRIED, below.num_rows)
    filled = {i for i in range(len(cells)) if num_tried and 2 * sum(map(bool, below.head(i, num_tried))) >= num_tried}
    titled = {i for above in range(place) for i, cell in enumerate(cells.row(above)) if cell}
    is_named = all(first[i] for i in filled - {0})  # the index of a data frame has no name
    return is_named and (place == 0 or not below.num_rows or bool(filled - titled))


def _form(cell: str) -> str:
    """Text of a cell that holds digits, without them; "" if it holds none or nothing else."""
    return "" if is_number(cell) or not re.search(r"\d", cell) else re.sub(r"\d+", "0", cell)


def _is_repeated_header(first: list[str], below: TextColumns) -> bool:
    """Whether the first row occurs below as a whole, as in joined files, and its words, none a number, nowhere else."""
    again = below.equal_rows(first)
    if not again or not all(first) or any(map(is_number, first)):
        return False
    others = below.take(np.delete(np.arange(below.num_rows), again))
    is_above_numbers = any(_are_numbers(set(others.head(i, _NUM_TRIED))) for i in range(len(others)))
    is_once = not any(len(others.where(i, cell)) for i, cell in enumerate(first))
    return is_once and (is_above_numbers or others.num_rows >= _MIN_BELOW_WORDS)


def _about_titles(titles: Sequence[Sequence[str]]) -> list[str]:
    if not titles:
        return []
    texts = [" ".join(filter(None, row)) for row in titles]
    shown = listed([printable(text[:40]) for text in texts if text])
    return [f"{len(titles)} line{'s' * (len(titles) != 1)} above the header left out" + f" ({shown})" * bool(shown)]


def _headers_within(cells: TextColumns, names: Sequence[str]) -> tuple[dict[int, str], list[str]]:
    """Rows below the header that are headers: second names or units in the first row, and the header again.

    Returns:
        The reason for each such position, and sentences about them.
    """
    again = cells.equal_rows(names)
    within, notes = dict.fromkeys(again, "the header again"), []
    if again:
        rows = f"{len(again)} rows, which are" if len(again) > 1 else "1 row, which is"
        notes.append(f"the header is repeated in {rows} skipped")
    if cells.num_rows > _MIN_BELOW and 0 not in within and _is_second_header(cells.row(0), cells.below(1)):
        shown = ", ".join(filter(None, cells.row(0)[:4]))[:40]
        within = {0: "a second header: names or units", **within}
        notes.append(f"the row below the header holds second names or units and is skipped ({printable(shown)})")
    return within, notes


def _is_second_header(row: Sequence[str], below: TextColumns) -> bool:
    """Whether a row holds words above numbers: in at least two columns and in half of those of numbers, and no number."""
    words = [i for i, cell in enumerate(row) if cell and not is_number(cell)]
    others = (i for i, cell in enumerate(row) if cell and i not in words)
    if len(words) < 2 or any(_are_numbers(set(below.head(i, _MIN_BELOW))) for i in others):
        return False
    numeric = [i for i in range(len(row)) if _are_numbers(set(below.head(i, _NUM_TRIED)))]
    over = [i for i in numeric if row[i]]
    if not set(over) <= set(words) or is_missing(np.array([row[i] for i in over], object)).any():
        return False
    return len(over) >= max(2, len(numeric) / 2) and not any(len(below.where(i, row[i])) for i in over)


def _is_header(first: list[str], columns: TextColumns, known: Sequence[str]) -> bool:
    """Whether the first row is a header: it has known names, or texts that are neither numbers nor cells below."""
    if _is_known(first, known):
        return True
    is_nameless = bool(known) and all(re.fullmatch(r"c\d+", name) for name in known)  # the model's table had no header
    present: list[int] = np.flatnonzero(~is_missing(np.array(first, object))).tolist()
    below = cache(lambda i: set(columns[i].tolist()))

    def recurs(i: int) -> bool:
        return len(columns.where(i, first[i])) > 0

    if numbered := [i for i in present if is_number(first[i])]:
        # A name can be a number if other names are words above numbers, and none of the words occurs below.
        words = [i for i in present if i not in numbered]
        if any(map(recurs, words)):
            return False
        if not is_nameless and _is_count(first, columns, numbered):
            return True
        return sum(_are_numbers(below(i)) for i in words) > 0 and len(numbered) <= len(words)
    if any(_are_dates([first[i]]) and _are_dates([*below(i)]) for i in present) or any(
        is_amount(first[i]) and 2 * sum(map(is_amount, below(i))) > len(below(i)) for i in present
    ):
        return False
    if is_nameless and abs(len(first) - len(known)) <= 1:  # so a header is only recognised above numbers
        return any(_are_numbers(below(i)) for i in present)
    if "?" in first:  # not a column name, but a common marker of missing cells
        return False
    return 2 * sum(map(recurs, present)) < len(present)


def _is_known(first: list[str], known: Sequence[str]) -> bool:
    return bool(known) and 2 * sum(name in first for name in known) > len(known)


def _is_count(first: list[str], columns: TextColumns, numbered: list[int]) -> bool:
    """Whether numbers in the first row are column names: 0, 1 and so on (pandas), or at least three next to a word.

    They are not names if the counting continues in the rows below, or if the numbers of most columns occur there.
    """
    if not columns.num_rows or not all(first[1:]) or not _rise([first[i] for i in numbered]):
        return False
    is_from_zero = first[numbered[0]] == "0"
    if is_from_zero and not first[0] and columns.row(0)[0] == "0" and _rise(columns[0]):  # the index of a data frame
        return True
    if _rise([first[0], *columns[0]]) or _rise([columns.row(0)[i] for i in numbered]):
        return False
    num_recurring = sum(len(columns.where(i, first[i])) > 0 for i in numbered)
    if is_from_zero:
        return 2 * num_recurring < len(numbered)
    return all(first) and len(first) > len(numbered) > 2 and not num_recurring and not any(map(FILE_NAME.fullmatch, first))


def _rise(cells: Iterable[str]) -> bool:
    """Whether the cells are whole numbers that increase by one."""
    cells = list(cells)
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
