"""Reading of a table that lists images: the column of paths, the folder that they are relative to, and the ``Dataset``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.column_names import place_of
from headstart.data.readers.image_paths import PathRule, find_rule, is_file, places_to_look
from headstart.data.readers.targets import Target
from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import file_digests
from headstart.foundation.text import listed, printable

__all__ = ["ImageList", "Labelled", "find_images", "missing_images", "no_images"]

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
        rule: How its cells become paths.
    """

    cells: Table
    column: str
    rule: PathRule

    def dataset(self, labelled: Labelled) -> Dataset:
        """Build the data set of the labelled rows; images that are missing or unreadable are listed as skipped."""
        paths = [self.rule.path(str(cell)) for cell in self.cells.column(self.column)]
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


def find_images(table: Table, wanted: str | None, folder: Path, name: str = "") -> ImageList | None:
    """Find the images that a table lists; None if no column of paths was named or found.

    Args:
        table: Raw cells.
        wanted: Name or position of the column of paths; if None, the first column most of whose cells are files.
        folder: Folder of the table. Paths are relative to it, or to a folder below or beside it or the current folder: the
            one with the most of the files.
        name: Name of the table, which decides between folders with equally many. Defaults to none.

    Raises:
        DatasetError: The named column does not exist (H108).
    """
    places = places_to_look(folder)
    if wanted is not None:
        place = place_of(table, wanted, "--image")
        rule = _rule_of(table, place, places, name)
    else:
        found = ((i, _rule_of(table, i, places, name)) for i in range(len(table.names)))
        place, rule = next(((i, rule) for i, rule in found if rule is not None), (-1, None))
    if place < 0:
        return None
    rule = rule or PathRule(folder)
    if any(rule.finds(header) for header in table.names):  # the "header" is a sample
        columns = [np.array([header, *cells], object) for header, cells in zip(table.names, table.columns, strict=True)]
        table = Table(tuple(f"c{i}" for i in range(len(columns))), tuple(columns))
    return ImageList(table, table.names[place], rule)


def _rule_of(table: Table, place: int, places: Sequence[Path], name: str) -> PathRule | None:
    """The rule by which most cells of a column are files, its header among them; ids have to differ from row to row."""
    cells = table.columns[place]
    looked_at = [table.names[place], *map(str, cells[:_LOOKED_AT])]
    if len(looked_at) < 2:
        return None
    if (rule := find_rule(looked_at, places, name)) is None and len(set(map(str, cells))) == len(cells):
        rule = find_rule(looked_at[1:], places, name, are_ids=True)
    return rule


def missing_images(table: Table) -> str:
    """Describe the first column most of whose cells look like names of image files; "" if there is none."""
    for name, cells in zip(table.names, table.columns, strict=True):
        called = [str(cell) for cell in cells[:_LOOKED_AT] if _IMAGE_NAME.search(str(cell))]
        if 2 * len(called) > len(cells[:_LOOKED_AT]):
            return f"column {printable(name)} names image files, such as {printable(called[0])}"
    return ""


def no_images(absent: str, places: Sequence[Path]) -> DatasetError:
    """Create the error for a table that lists images, none of which is found (H117)."""
    return DatasetError(
        "H117",
        "the images of the table are not found",
        received=f"{absent}; looked in {listed([*map(str, places)])}",
        expected="the images in one of these folders, under the names in the table",
        advice="move the table to its images, or leave the column out to learn from the other columns",
    )


def _contents(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Digest of each file, or the reason why there is none, as pairs (digest, reason)."""
    existing = [path for path in paths if is_file(path)]
    digests = dict(zip(existing, file_digests(existing), strict=True))
    contents = []
    for path in paths:
        digest = digests.get(path)
        reason = f"cannot be read: {digest.strerror}" if isinstance(digest, OSError) else "no such file"
        contents.append((digest, "") if isinstance(digest, str) else ("", reason))
    return contents
