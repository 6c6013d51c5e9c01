"""Which column of a table a name or a position means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral

from headstart.data.tables.table import Table
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["column_of", "columns_of", "no_column", "place_of", "position"]


def place_of(table: Table, wanted: str, option: str = "--target", *, is_new: bool = True) -> int:
    """The position of the one column of that name, or of a position as text.

    Raises:
        DatasetError: There is none, or there are several (H108).
    """
    place = position(table, wanted)
    if place is None:
        absent = f"{option if is_new else 'no target column'} {printable(wanted)}"
        raise no_column(f"{absent}; the columns are {listed(table.names)}", is_new=is_new, option=option)
    if is_new and wanted in table.recurring:
        like = [i for i, name in enumerate(table.names) if re.fullmatch(rf"{re.escape(wanted)}(_\d+)?", name)]
        raise no_column(f"{option} {printable(wanted)}: columns {listed([*map(str, like)])} have that name", option=option)
    return place


def position(table: Table, wanted: str) -> int | None:
    """Where the column of that name stands, or the one at that position; None where there is neither."""
    if wanted in table.names:
        return table.names.index(wanted)
    size = len(table.names)
    is_place = re.fullmatch(r"-?\d{1,9}", wanted, re.ASCII) and -size <= int(wanted) < size
    return int(wanted) % size if is_place else None


def no_column(received: str, *, is_new: bool = True, option: str = "--target") -> DatasetError:
    """The error for columns that are not there, or not told from others (H108); ``option`` names the kind of column."""
    return DatasetError(
        "H108",
        "a column cannot be found",
        received=received,
        expected="the name of a column, or its position (0 is the first, -1 the last)"
        if is_new
        else "the columns of the fit",
        advice=f"name it: {option} COLUMN" if is_new else "name the columns as they were named for fit",
    )


def columns_of(asked: object) -> str | list[str] | None:
    """Columns as a user of Python names them, by one name or position or several, as the command line does.

    Raises:
        DatasetError: That is neither (H108).
    """
    if isinstance(asked, str | Integral) or asked is None:
        return column_of(asked)
    names = [column_of(one) for one in asked] if isinstance(asked, Iterable) else []
    if not names or None in names:
        raise no_column(f"{type(asked).__name__} {printable(asked)[:80]}")
    return [name for name in names if name is not None]


def column_of(asked: object) -> str | None:
    """The same of a single column."""
    if asked is None or isinstance(asked, str):
        return asked
    if isinstance(asked, Integral):
        return str(int(asked))
    raise no_column(f"{type(asked).__name__} {printable(asked)[:80]}")
