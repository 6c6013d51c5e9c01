"""Resolution of column names and positions, such as those of ``--target``, to columns of a table."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from numbers import Integral

from headstart.data.tables.table import Table
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, nearest, printable, with_suggestion

__all__ = ["column_of", "columns_of", "no_column", "place_of", "position"]


def place_of(table: Table, wanted: str, option: str = "--target", *, asked: Sequence[str] = (), is_new: bool = True) -> int:
    """Position of the only column with a given name, or at a position given as text.

    Args:
        table: The table.
        wanted: Name or position.
        option: Command-line option that names the column, for the error message. Defaults to ``--target``.
        asked: All names that the option gives, for the error message. Defaults to none: only this one.
        is_new: Whether the user asked for the column; else a trained model needs it. Defaults to True.

    Raises:
        DatasetError: No column or several columns have that name (H108).
    """
    place = position(table, wanted)
    if place is None:
        close = nearest(wanted, table.names)
        meant = ",".join(close if name == wanted else name for name in asked or [wanted])
        advice = f"{option} {shlex.quote(meant)}" if is_new else f"rename the column {close} to {wanted}, as for fit"
        absent = f"{option if is_new else 'no target column'} {with_suggestion(wanted, table.names)}"
        columns = f"{absent}; the columns are {listed(table.names)}"
        raise no_column(columns, is_new=is_new, option=option, advice=advice if close else "")
    if is_new and wanted in table.recurring:
        like = [i for i, name in enumerate(table.names) if re.fullmatch(rf"{re.escape(wanted)}(_\d+)?", name)]
        raise no_column(f"{option} {printable(wanted)}: columns {listed([*map(str, like)])} have that name", option=option)
    return place


def position(table: Table, wanted: str) -> int | None:
    """Position of the column with a given name, or at a position given as text; None if there is none."""
    if (name := wanted if wanted in table.names else wanted.strip()) in table.names:  # names have no blanks around them
        return table.names.index(name)
    size = len(table.names)
    is_place = re.fullmatch(r"-?\d{1,9}", wanted, re.ASCII) and -size <= int(wanted) < size
    return int(wanted) % size if is_place else None


def no_column(received: str, *, is_new: bool = True, option: str = "--target", advice: str = "") -> DatasetError:
    """Create the error for a column that is missing or ambiguous (H108); ``option`` is the option that names it."""
    return DatasetError(
        "H108",
        "column not found",
        received=received,
        expected="the name of a column, or its position (0 is the first, -1 the last)"
        if is_new
        else "the columns that fit was given",
        advice=advice or (f"name it: {option} COLUMN" if is_new else "use the column names that were used for fit"),
    )


def columns_of(asked: object) -> str | list[str] | None:
    """Convert columns given in Python, as a name, a position or several of them, to the command line's text form.

    Raises:
        DatasetError: The value is not a name, a position or a non-empty sequence of them (H108).
    """
    if isinstance(asked, str | Integral) or asked is None:
        return column_of(asked)
    names = [column_of(one) for one in asked] if isinstance(asked, Iterable) else []
    if not names or None in names:
        raise no_column(f"{type(asked).__name__} {printable(asked)[:80]}")
    return [name for name in names if name is not None]


def column_of(asked: object) -> str | None:
    """Convert a column given in Python, as a name or a position, to the command line's text form; None stays None.

    Raises:
        DatasetError: The value is neither a name nor a position (H108).
    """
    if asked is None or isinstance(asked, str):
        return asked
    if isinstance(asked, Integral):
        return str(int(asked))
    raise no_column(f"{type(asked).__name__} {printable(asked)[:80]}")
