"""Artefacts: findings about the columns of a table, from what its encoder noted while it learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headstart.doctor.findings import Finding
from headstart.features.tables.column import Note

__all__ = ["CHECKS", "check_columns"]

_MAX_SHOWN = 8


def check_columns(notes: Sequence[Note]) -> list[Finding]:
    """Every finding about the columns.

    Args:
        notes: What the encoder left out or found odd.
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
        "A column without a single value in the training rows teaches nothing; it is left out.",
        "Nothing, or find out why it was not filled.",
    )


def _constant(measured: str) -> Finding:
    return Finding(
        "D202",
        "columns are constant",
        "info",
        measured,
        "A value that never changes in the training rows tells no sample from another; the column is left out.",
        "Nothing.",
    )


def _ids(measured: str) -> Finding:
    return Finding(
        "D203",
        "columns say only which row it is",
        "info",
        measured,
        "A model can learn such a column by heart and knows nothing of new rows then; it is left out.",
        "Nothing; where it does mean something, make a column of its meaning, such as the part of a name that recurs.",
    )


def _duplicates(measured: str) -> Finding:
    return Finding(
        "D204",
        "columns repeat others",
        "info",
        measured,
        "The same knowledge twice only makes a model larger; the later column is left out.",
        "Nothing.",
    )


def _disguises(measured: str) -> Finding:
    return Finding(
        "D205",
        "a column is the target in disguise",
        "warning",
        measured,
        "Whoever knows this column knows the answer. If it is filled in only once the answer is known, a model that reads "
        "it is worthless where it is needed; it is left out.",
        "Nothing, if so. If it is known beforehand, the answer can be looked up in it, and no model is needed.",
    )


def _odd_cells(measured: str) -> Finding:
    return Finding(
        "D206",
        "cells do not fit their column",
        "warning",
        measured,
        "Words among numbers, or dates that are none, count as missing.",
        "Look at them: a unit or a typing error hides values that are there.",
    )


def _infinite(measured: str) -> Finding:
    return Finding(
        "D207",
        "cells are infinite",
        "warning",
        measured,
        "No network can compute with them; they count as missing.",
        "Look for a division by zero where the table was made.",
    )


def _merged(measured: str) -> Finding:
    return Finding(
        "D208",
        "whole numbers are too large to tell apart",
        "warning",
        measured,
        "Models compute in float32, which holds every whole number up to 16,777,216 (2^24) and only some of those above.",
        "Write moments as dates (2024-01-31 12:00), take a large constant off, or leave the column out if it is a number "
        "that only names something.",
    )


def _doubtful_dates(measured: str) -> Finding:
    return Finding(
        "D209",
        "dates can be read in two ways",
        "warning",
        measured,
        "Nothing in the training rows says in which order day, month and year stand. The order is taken that gives fewer "
        "different days of the month, the day first if both give as many; with years of two digits the year comes first if "
        "the dates span less than half the time then. It is used in all rows, now and later.",
        "If it is the other one, or to leave no doubt, write dates as 2024-01-31: year, month, day.",
    )


def _numbers_as_text(measured: str) -> Finding:
    return Finding(
        "D210",
        "numbers are read as text",
        "warning",
        measured,
        "Each different text is a value of its own then, and how large it is counts for nothing.",
        "Write all numbers of a column in one unit, in the digits 0 to 9, without ~ or ±, and leave a cell without a number "
        "empty.",
    )


def _mixed_signs(measured: str) -> Finding:
    return Finding(
        "D211",
        "a column has decimal points and decimal commas",
        "warning",
        measured,
        "Each cell that can be read in one way only is read in that way; the others follow the majority.",
        "Check where the rows come from, and write the numbers of a column with one decimal sign.",
    )


def _doubtful_numbers(measured: str) -> Finding:
    return Finding(
        "D212",
        "numbers can be read in two ways",
        "info",
        measured,
        "Three digits after a point or a comma may be decimals, or the sign may separate thousands. No cell of the table "
        "tells which, so points are decimal signs and commas separate thousands; between semicolons it is the other way "
        "round. A model learns the same from either, and later files are read in the same way.",
        "If it is the other way, save the table with decimal points and without thousands separators.",
    )


def _bare_numbers(measured: str) -> Finding:
    return Finding(
        "D213",
        "cells lack the unit of their column",
        "warning",
        measured,
        "Most cells of the column have one unit, which is learned with it; numbers without a unit are taken to have it too.",
        "Check that these cells mean the same unit.",
    )


def _other_rows(measured: str) -> Finding:
    return Finding(
        "D214",
        "validation or test rows do not fit the training rows",
        "warning",
        measured,
        "The number format, the unit and the range of each column are learned from the training rows.",
        "Check how the split was made: a model is only tested well on rows of the kind that it will meet.",
    )


def _unread_dates(measured: str) -> Finding:
    return Finding(
        "D215",
        "text looks like dates and was not read as dates",
        "warning",
        measured,
        "As text, each different cell is a category of its own, and the column is left out if its cells hardly ever repeat: "
        "how far apart two moments are, and the season, weekday or hour they share, is lost.",
        "Write the cells in one way, best as 2024-01-31 or 2024-01-31 13:45. English and Korean names of months are read; "
        "write those of other languages as numbers.",
    )


def _row_counters(measured: str) -> Finding:
    return Finding(
        "D216",
        "columns number the rows",
        "warning",
        measured,
        "Whole numbers that rise in step with the rows, or are close together and yet hardly repeat, are numbers of rows. "
        "They say nothing about new rows, and if the table was sorted they give the target away. They are left out.",
        "Nothing, if they are. If the column is a measurement, give it the name of one to keep it: time, year, dose, depth.",
    )


def _measured_counters(measured: str) -> Finding:
    return Finding(
        "D217",
        "measurements look like numbers of rows",
        "warning",
        measured,
        "The numbers look like numbers of rows. They are used because the column is called like a moment or a measurement.",
        "Nothing, if that is what they are. If they only number the rows, remove the column, or let its name end in id.",
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
}
