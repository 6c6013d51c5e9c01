"""Data: a table that lists images: which column holds their paths, where these begin, and the data set they make."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.column_names import place_of
from headstart.data.readers.targets import Target
from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table
from headstart.foundation.fingerprint import file_digests

__all__ = ["ImageList", "Labelled", "find_images", "missing_images"]

_LOOKED_AT = 20  # cells of a column, to tell whether they are paths
_IMAGE_NAME = re.compile(r"\w\.(jpe?g|png|bmp|gif|webp|tiff?)$", re.IGNORECASE)


class Labelled(NamedTuple):
    """What is known of the rows of a table that are used, whatever the samples are.

    Attributes:
        name: The table's.
        target: Labels, and which rows have one.
        split: Of each row that has.
        groups: What each of these belongs to, as ``Dataset.groups`` has it.
        skipped: The others, and rows that do not fit.
    """

    name: str
    target: Target
    split: tuple[str, ...]
    groups: tuple[str, ...]
    skipped: Sequence[Skipped]


class ImageList(NamedTuple):
    """A table with a column of paths.

    Attributes:
        cells: The table; what was taken for names of columns is its first row, where a name is a file.
        column: The column.
        place: The folder that paths are relative to.
    """

    cells: Table
    column: str
    place: Path

    def dataset(self, labelled: Labelled) -> Dataset:
        """The images of the rows that have a label; those that are not there, or cannot be read, are listed."""
        paths = [str(self.place / str(cell)) for cell in self.cells.column(self.column)]
        rows = [f"row {number}" for number in self.cells.row_numbers()]
        path_of = dict(zip(rows, paths, strict=True))
        skipped = [
            Skipped(path_of.get(row, row), f"{row}: {reason}" if row in path_of else reason)
            for row, reason in labelled.skipped
        ]
        found = labelled.target
        contents = _contents([paths[row] for row in found.kept])
        used = [i for i, (digest, _) in enumerate(contents) if digest]
        skipped += [
            Skipped(paths[row], f"{rows[row]}: {reason}")
            for row, (_, reason) in zip(found.kept, contents, strict=True)
            if reason
        ]
        return Dataset(
            name=labelled.name,
            task=found.task,
            task_reason=found.reason,
            classes=found.classes,
            paths=tuple(paths[found.kept[i]] for i in used),
            labels=found.labels[used],
            digests=tuple(contents[i][0] for i in used),
            split=tuple(labelled.split[i] for i in used),
            groups=tuple(labelled.groups[i] for i in used) if labelled.groups else (),
            skipped=tuple(skipped),
            target_columns=found.names,
            target_formats=found.written,
        )


def find_images(table: Table, wanted: str | None, folder: Path) -> ImageList | None:
    """The images that a table lists; None where no column holds paths, and none was asked for.

    Args:
        table: Raw cells.
        wanted: Name or position of the column of paths; the one whose cells are files if None.
        folder: The table's own; paths are relative to it, or to the one folder beside the table that holds them.

    Raises:
        DatasetError: The column that is wanted is not there (H108).
    """
    places = _places(folder)
    place = place_of(table, wanted, "--image") if wanted is not None else _likely(table, places)
    if place is None:
        return None
    if any(_found_in(places, name) is not None for name in table.names):  # no header: a sample
        columns = [np.array([name, *cells], object) for name, cells in zip(table.names, table.columns, strict=True)]
        table = Table(tuple(f"c{i}" for i in range(len(columns))), tuple(columns))
    cells = table.columns[place][:_LOOKED_AT]
    begin = next((found for cell in cells if (found := _found_in(places, str(cell)))), folder)
    return ImageList(table, table.names[place], begin)


def missing_images(table: Table) -> str:
    """A column most of whose cells are called as images are, with one of them, in words; empty if there is none.

    For a table none of whose columns holds files: their folder is elsewhere, most likely.
    """
    for name, cells in zip(table.names, table.columns, strict=True):
        called = [str(cell) for cell in cells[:_LOOKED_AT] if _IMAGE_NAME.search(str(cell))]
        if 2 * len(called) > len(cells[:_LOOKED_AT]):
            return f"{name} names images and none is there, {called[0]} for one"
    return ""


def _likely(table: Table, places: Sequence[Path]) -> int | None:
    columns = enumerate(zip(table.names, table.columns, strict=True))
    return next((i for i, (name, cells) in columns if _are_files([name, *map(str, cells[:_LOOKED_AT])], places)), None)


def _are_files(cells: list[str], places: Sequence[Path]) -> bool:
    """Whether most of the cells are files; a column that cannot be one of paths is soon left."""
    num_missing = 0
    for cell in cells:
        num_missing += _found_in(places, cell) is None
        if 2 * num_missing > len(cells):
            return False
    return len(cells) > 1


def _places(folder: Path) -> list[Path]:
    """What paths may be relative to: the table's own folder, or one beside it."""
    try:
        return [folder, *sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())]
    except OSError:
        return [folder]


def _found_in(places: Sequence[Path], name: str) -> Path | None:
    """The first of the places that holds the file, if any."""
    try:
        return next((place for place in places if name and (place / name).is_file()), None)
    except (OSError, ValueError):
        return None


def _contents(paths: Sequence[str]) -> list[tuple[str, str]]:
    """The digest of each file, or why there is none."""
    there = [path for path in paths if _is_file(Path(path))]
    digests = dict(zip(there, file_digests(there), strict=True))
    told = []
    for path in paths:
        digest = digests.get(path)
        unread = f"cannot be read: {digest.strerror}" if isinstance(digest, OSError) else "no such file"
        told.append((digest, "") if isinstance(digest, str) else ("", unread))
    return told


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than any file's
        return False
