"""Reading of a table that lists images: the column of paths, the folder that they are relative to, and the ``Dataset``."""

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

_LOOKED_AT = 20  # cells of a column that are checked for being paths
_IMAGE_NAME = re.compile(r"\w\.(jpe?g|png|bmp|gif|webp|tiff?)$", re.IGNORECASE)


class Labelled(NamedTuple):
    """Labels, splits and groups of a table's rows, for samples of any kind.

    Attributes:
        name: Name of the table.
        target: The target, with the rows that have a usable label.
        split: Split of each such row.
        groups: Group of each such row, as in ``Dataset.groups``.
        skipped: All other rows, with the reason.
    """

    name: str
    target: Target
    split: tuple[str, ...]
    groups: tuple[str, ...]
    skipped: Sequence[Skipped]


class ImageList(NamedTuple):
    """A table with a column of image paths.

    Attributes:
        cells: The table. If it turned out to have no header, its first row is included and its columns are called c0, c1...
        column: Name of the column of paths.
        place: Folder that the paths are relative to.
    """

    cells: Table
    column: str
    place: Path

    def dataset(self, labelled: Labelled) -> Dataset:
        """Build the data set of the labelled rows; images that are missing or unreadable are listed as skipped."""
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
    """Find the images that a table lists; None if no column of paths was named or found.

    Args:
        table: Raw cells.
        wanted: Name or position of the column of paths; if None, the first column most of whose cells are files.
        folder: Folder of the table. Paths are relative to it, or to the folder next to the table that holds the files.

    Raises:
        DatasetError: The named column does not exist (H108).
    """
    places = _places(folder)
    place = place_of(table, wanted, "--image") if wanted is not None else _likely(table, places)
    if place is None:
        return None
    if any(_found_in(places, name) is not None for name in table.names):  # the "header" is a sample
        columns = [np.array([name, *cells], object) for name, cells in zip(table.names, table.columns, strict=True)]
        table = Table(tuple(f"c{i}" for i in range(len(columns))), tuple(columns))
    cells = table.columns[place][:_LOOKED_AT]
    begin = next((found for cell in cells if (found := _found_in(places, str(cell)))), folder)
    return ImageList(table, table.names[place], begin)


def missing_images(table: Table) -> str:
    """Describe a column most of whose cells look like names of image files that do not exist; "" if there is none.

    It is meant for a table without a column of existing files; most likely, the files are in another folder.
    """
    for name, cells in zip(table.names, table.columns, strict=True):
        called = [str(cell) for cell in cells[:_LOOKED_AT] if _IMAGE_NAME.search(str(cell))]
        if 2 * len(called) > len(cells[:_LOOKED_AT]):
            return f"column {name} names image files, such as {called[0]}, but none was found"
    return ""


def _likely(table: Table, places: Sequence[Path]) -> int | None:
    columns = enumerate(zip(table.names, table.columns, strict=True))
    return next((i for i, (name, cells) in columns if _are_files([name, *map(str, cells[:_LOOKED_AT])], places)), None)


def _are_files(cells: list[str], places: Sequence[Path]) -> bool:
    """Whether most of the cells are existing files; stops as soon as too many are missing."""
    num_missing = 0
    for cell in cells:
        num_missing += _found_in(places, cell) is None
        if 2 * num_missing > len(cells):
            return False
    return len(cells) > 1


def _places(folder: Path) -> list[Path]:
    """Folders that paths may be relative to: the table's own folder and those next to the table."""
    try:
        return [folder, *sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())]
    except OSError:
        return [folder]


def _found_in(places: Sequence[Path], name: str) -> Path | None:
    """First of the folders that contains the file, or None."""
    try:
        return next((place for place in places if name and (place / name).is_file()), None)
    except (OSError, ValueError):
        return None


def _contents(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Digest of each file, or the reason why there is none, as pairs (digest, reason)."""
    existing = [path for path in paths if _is_file(Path(path))]
    digests = dict(zip(existing, file_digests(existing), strict=True))
    contents = []
    for path in paths:
        digest = digests.get(path)
        reason = f"cannot be read: {digest.strerror}" if isinstance(digest, OSError) else "no such file"
        contents.append((digest, "") if isinstance(digest, str) else ("", reason))
    return contents


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long for a file
        return False
