"""Checks of the columns of a table, from the notes that the encoder took while it was fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headstart.doctor.findings import Finding
from headstart.features.tables.column import Note
from headstart.features.tables.nothing_left import words_command

__all__ = ["CHECKS", "check_columns"]

_MAX_SHOWN = 8


def check_columns(notes: Sequence[Note]) -> list[Finding]:
    """Turn the notes of the table encoder into findings, one per code.

    Args:
        notes: Columns that the encoder left out or found unusual.
    """
    measured = {code: [note.measured for note in notes if note.code == code] for code in CHECKS}
    return [check(_shown(measured[code])) for code, check in CHECKS.items() if measured[code]]


def _shown(columns: Sequence[str]) -> str:
    more = len(columns) - _MAX_SHOWN
    return "; ".join(columns[:_MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _empty(measured: str) -> Finding:
    return Finding(
        "D201",
        "columns are empty",
        "info",
        measured,
        "A column without any value in the training rows carries no information and is left out.",
        "Nothing, or find out why the column is empty.",
    )


def _constant(measured: str) -> Finding:
    return Finding(
        "D202",
        "columns are constant",
        "info",
        measured,
        "A column with a single value in the training rows cannot distinguish samples and is left out.",
        "Nothing.",
    )


def _ids(measured: str) -> Finding:
    return Finding(
        "D203",
        "columns only identify the row",
        "info",
        measured,
        "A model can memorise such a column, which does not help with new rows. The column is left out.",
        "Nothing. If part of the text has a meaning, such as the title in a name, put that part into a column of its own.",
    )


def _free_text(measured: str) -> Finding:
    return Finding(
        "D220",
        "columns hold free text",
        "warning",
        measured,
        "Sentences differ in nearly every row, so that as categories they only identify the row. The column is left out, "
        "and whatever it says about the target is lost.",
        f"Turn the text into columns of numbers, such as counts of its words: {words_command('COLUMN')}",
    )


def _duplicates(measured: str) -> Finding:
    return Finding(
        "D204",
        "columns duplicate other columns",
        "info",
        measured,
        "Duplicate information only makes a model larger. The later column is left out.",
        "Nothing.",
    )


def _disguises(measured: str) -> Finding:
    return Finding(
        "D205",
        "a column gives the target away (target leakage)",
        "warning",
        measured,
        "The column determines the target. If it is filled in only once the target is known, a model that uses it is "
        "useless in practice. The column is left out.",
        "Nothing in that case. If the column is known beforehand, look the target up in it: no model is needed.",
    )


def _odd_cells(measured: str) -> Finding:
    return Finding(
        "D206",
        "cells do not fit their column",
        "warning",
        measured,
        "Text in a numeric column and invalid dates are treated as missing.",
        "Check these cells: a unit or a typing error may hide a value.",
    )


def _infinite(measured: str) -> Finding:
    return Finding(
        "D207",
        "cells are infinite",
        "warning",
        measured,
        "Networks cannot compute with infinite values, which are treated as missing.",
        "Look for a division by zero in the program that made the table.",
    )


def _merged(measured: str) -> Finding:
    return Finding(
        "D208",
        "whole numbers are too large for float32",
        "warning",
        measured,
        "Models compute in float32, which represents every whole number up to 16,777,216 (2^24) and only some larger ones: "
        "different values of the column become equal.",
        "Write timestamps as dates (2024-01-31 12:00), subtract a large constant, or leave the column out if it is only an "
        "id.",
    )


def _doubtful_dates(measured: str) -> Finding:
    return Finding(
        "D209",
        "dates are ambiguous",
        "warning",
        measured,
        "Nothing in the training rows shows the order of day, month and year. Headstart chose the order that gives fewer "
        "distinct days of the month, and day first if both orders give the same number. With two-digit years, the year "
        "comes first if the dates then span less than half the time. The order is used for all rows, including later ones.",
        "If the order is wrong, or to be certain, write dates as 2024-01-31: year, month, day.",
    )


def _numbers_as_text(measured: str) -> Finding:
    return Finding(
        "D210",
        "numbers are read as text",
        "warning",
        measured,
        "Each distinct text becomes a category of its own, and the size of the number is ignored.",
        "Write all numbers of a column in one unit, with the digits 0 to 9 and without ~ or ±, and leave cells without a "
        "number empty.",
    )


def _mixed_signs(measured: str) -> Finding:
    return Finding(
        "D211",
        "a column has decimal points and decimal commas",
        "warning",
        measured,
        "Cells that can be read in only one way are read in that way; the others follow the majority.",
        "Check where the rows come from, and use one decimal sign for all numbers of a column.",
    )


def _doubtful_numbers(measured: str) -> Finding:
    return Finding(
        "D212",
        "numbers are ambiguous",
        "info",
        measured,
        "Three digits after a point or a comma may be decimals, or the sign may separate thousands. No cell of the table "
        "shows which, so points were read as decimal signs and commas as thousands separators (the other way round if "
        "semicolons separate the columns). A model learns the same from either, and later files are read in the same way.",
        "If this is wrong, save the table with decimal points and without thousands separators.",
    )


def _bare_numbers(measured: str) -> Finding:
    return Finding(
        "D213",
        "cells lack the unit of their column",
        "warning",
        measured,
        "Most cells of the column have the same unit, which is learned from the training rows. Numbers without a unit are "
        "assumed to have it too.",
        "Check that these cells are in that unit.",
    )


def _other_rows(measured: str) -> Finding:
    return Finding(
        "D214",
        "validation or test rows do not fit the training rows",
        "warning",
        measured,
        "The number format, the unit and the range of each column are learned from the training rows.",
        "Check how the split was made: a test is meaningful only on the kind of rows that the model will be used for.",
    )


def _unread_dates(measured: str) -> Finding:
    return Finding(
        "D215",
        "text that looks like dates was not read as dates",
        "warning",
        measured,
        "As text, each distinct cell is a category of its own, and the column is left out if its cells hardly ever repeat. "
        "The time between two dates and their season, weekday or hour are lost.",
        "Write all cells in one notation, preferably 2024-01-31 or 2024-01-31 13:45. English and Korean month names are "
        "supported; write months of other languages as numbers.",
    )


def _row_counters(measured: str) -> Finding:
    return Finding(
        "D216",
        "columns are row counters",
        "warning",
        measured,
        "Whole numbers that increase with the rows, or that are close together but hardly repeat, are row numbers. They "
        "say nothing about new rows, and in a sorted table they give the target away. The columns are left out.",
        "Nothing if they are row numbers. To keep a column that is a measurement, give it the name of one, such as time, "
        "year, dose or depth.",
    )


def _measured_counters(measured: str) -> Finding:
    return Finding(
        "D217",
        "measurements look like row counters",
        "warning",
        measured,
        "The values look like row numbers. They are used because the column is named like a time or a measurement.",
        "Nothing if they are measurements. If they only number the rows, remove the column, or give it a name ending in id.",
    )


CHECKS: dict[str, Callable[[str], Finding]] = {
    "D201": _empty,
    "D202": _constant,
    "D203": _ids,
    "D204": _duplicates,
    "D205": _disguises,
    "D206": _odd_cells,
    "D207": _infinite,
    "D208": _merged,
    "D209": _doubtful_dates,
    "D210": _numbers_as_text,
    "D211": _mixed_signs,
    "D212": _doubtful_numbers,
    "D213": _bare_numbers,
    "D214": _other_rows,
    "D215": _unread_dates,
    "D216": _row_counters,
    "D217": _measured_counters,
    "D220": _free_text,
}
