"""Reading of a table that lists images: the column of paths, the folder that they are relative to, and the ``Dataset``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.labels.column_names import place_of
from headstart.data.readers.labels.targets import Target
from headstart.data.readers.listing import entries_in
from headstart.data.readers.split_names import split_named
from headstart.data.readers.tables.image_paths import PathRule, confused, find_rule, is_file, places_to_look
from headstart.data.skipped import Skipped
from headstart.data.tables.name_hints import is_id_name, words_of
from headstart.data.tables.table import Table
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import file_digests
from headstart.foundation.text import listed, printable

__all__ = ["ImageList", "Labelled", "find_images", "missing_images", "no_images"]

_LOOKED_AT = 20  # cells of a column that are checked for being paths
_DECIMAL, _MIN_MEASURED = re.compile(r"-?\d*[.,]\d+"), 2
_FILE_WORDS = {"image", "img", "images", "file", "filename", "photo", "picture", "name", "path", "key"}
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tar\.gz)$", re.IGNORECASE)
_IMAGE_NAME = re.compile(r"\w\.(jpe?g|png|bmp|gif|webp|tiff?)$", re.IGNORECASE)


class Labelled(NamedTuple):
    """Labels, splits and groups of a table's rows, for samples of any kind.

    Attributes:
        name: Name of the table.
        target: The target, with the rows that have a usable label.
        split: Split of each such row.
        groups: Group of each such row, as in ``Dataset.groups``.
        skipped: All other rows, with the reason.
        times: Time of each row with a usable label, as in ``Dataset.times``. Defaults to none.
    """

    name: str
    target: Target
    split: tuple[str, ...]
    groups: tuple[str, ...]
    skipped: Sequence[Skipped]
    times: tuple[float, ...] = ()


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
        splits = labelled.split if any(labelled.split) else _splits_of([paths[row] for row in found.kept], self.rule.place)
        reason = found.reason if splits == labelled.split else f"{found.reason}; the splits are those of the paths"
        if self.rule.num_parts:  # paths of another machine, so that these could be other files
            reason += f"; the images are in {printable(self.rule.place)}"
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
            task_reason=reason,
            classes=found.classes,
            paths=tuple(paths[found.kept[i]] for i in used),
            labels=found.labels[used],
            digests=tuple(contents[i][0] for i in used),
            split=tuple(splits[i] for i in used),
            groups=tuple(labelled.groups[i] for i in used) if labelled.groups else (),
            times=tuple(labelled.times[i] for i in used) if labelled.times else (),
            skipped=tuple(skipped),
            target_columns=found.names,
            target_formats=found.written,
        )


def _splits_of(paths: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Split of each path, if its first folder with the name of a split tells, and if there are several; else "" for all."""
    of_folder = {
        parts: next(filter(None, map(split_named, parts)), "") for parts in {_folders(path, folder) for path in paths}
    }
    splits = tuple(of_folder[_folders(path, folder)] for path in paths)
    return splits if len(set(splits)) > 1 and all(splits) and "train" in splits else ("",) * len(paths)


def _folders(path: str, folder: Path) -> tuple[str, ...]:
    parent = Path(path).parent
    return parent.relative_to(folder).parts if parent.is_relative_to(folder) else ()


def find_images(table: Table, wanted: str | None, folder: Path, name: str = "") -> ImageList | None:
    """Find the images that a table lists; None if no column of paths was named or found.

    Args:
        table: Raw cells.
        wanted: Name or position of the column of paths; if None, the first column most of whose cells are files.
        folder: Folder of the table. Paths are relative to it, or to a folder below or beside it or the current folder: the
            one with the most of the files.
        name: Name of the table, which decides between folders with equally many. Defaults to none.

    Raises:
        DatasetError: The named column does not exist (H108), or none of its cells is a file (H117).
    """
    places = places_to_look(folder)
    if wanted is not None:
        place = place_of(table, wanted, "--image")
        rule = _rule_of(table, place, places, name, is_named=True)
    else:
        found = ((i, _rule_of(table, i, places, name)) for i in range(len(table.names)))
        place, rule = next(((i, rule) for i, rule in found if rule is not None), (-1, None))
    if place < 0:
        return None
    rule = rule or PathRule(folder)
    if wanted is not None and not any(rule.finds(str(cell)) for cell in table.columns[place]):
        examples = listed([printable(str(cell)[:60]) for cell in table.columns[place][:2]])
        column = table.names[place]
        cells = [*map(str, table.columns[place])]
        raise no_images(f"--image {printable(column)}: no file called {examples}", places, cells, column=column)
    if any(rule.finds(header) for header in table.names):  # the "header" is a sample
        columns = [np.array([header, *cells], object) for header, cells in zip(table.names, table.columns, strict=True)]
        table = Table(tuple(f"c{i}" for i in range(len(columns))), tuple(columns))
    return ImageList(table, table.names[place], rule)


def _rule_of(table: Table, place: int, places: Sequence[Path], name: str, *, is_named: bool = False) -> PathRule | None:
    """The rule by which most cells of a column are files, its header among them; IDs must be unique."""
    looked_at = [table.names[place], *map(str, table.head(table.names[place], _LOOKED_AT))]
    if len(looked_at) < 2:
        return None
    if (rule := find_rule(looked_at, places, name, column=lambda: map(str, table.columns[place]))) is not None:
        return rule
    if len({*looked_at[1:]}) < len(looked_at) - 1 or not (is_named or _may_be_ids(table, place)):
        return None
    rule = find_rule(looked_at[1:], places, name, are_ids=True)
    cells = [] if rule is None else [*map(str, table.columns[place])]
    return rule if len(set(cells)) == len(cells) else None


def _may_be_ids(table: Table, place: int) -> bool:
    """Whether cells may be names of files without suffix.

    Numbers in any folder would be found by chance in a table of features, so a column of numbers has to be called like an id
    or a file, and the others must not be measurements.
    """
    name = table.names[place]
    if not all(str(cell).isdecimal() for cell in table.head(name, _LOOKED_AT)):
        return True
    others = [table.head(other, _LOOKED_AT) for other in table.names if other != name]
    num_measured = sum(any(_DECIMAL.fullmatch(str(cell)) for cell in cells) for cells in others)
    return num_measured < _MIN_MEASURED and (is_id_name(name) or bool(_FILE_WORDS & {*words_of(name)}))


def missing_images(table: Table) -> tuple[str, list[str]]:
    """Name of the first column most of whose cells look like names of image files, and these names; "" without one."""
    for name in table.names:
        cells = [*map(str, table.head(name, _LOOKED_AT))]
        called = [cell for cell in cells if _IMAGE_NAME.search(cell)]
        if 2 * len(called) > len(cells):
            every = [text for cell in table.column(name) if _IMAGE_NAME.search(text := str(cell))]
            return name, every
    return "", []


def no_images(absent: str, places: Sequence[Path], cells: Sequence[str] = (), *, column: str = "COLUMN") -> DatasetError:
    """Create the error for a table that lists images, none of which is found (H117).

    Args:
        absent: Description of the images.
        places: Folders that they were looked for in.
        cells: Their names, for a file that has a similar one, or that several name. Defaults to none.
        column: Name of the column with their names. Defaults to a placeholder.
    """
    like = next((found for cell in cells[:_LOOKED_AT] if (found := _similar(cell, places))), None)
    archive = next((path for place in places[:1] for path in entries_in(place) if _ARCHIVE.search(path.name)), None)
    rules = [] if like is None else [PathRule(like.parent, num_parts=1)]
    if (pair := next((pair for rule in rules if (pair := confused(cells, rule))), None)) is not None:
        absent += f"; {listed([*map(printable, pair)])} have one name and would be the same file"
        advice = "move the files into folders as in the table, so that these can be told apart"
    elif like is not None and like.name in {PurePosixPath(cell.replace("\\", "/")).name for cell in cells}:
        advice = f"add the others, or name the column, to skip rows without an image: --image {shlex.quote(column)}"
    elif like is not None:
        advice = f"the table and the files have to agree: write {printable(like.name)}, or rename the files"
    elif archive is not None:
        module, folder = ("zipfile" if archive.suffix.lower() == ".zip" else "tarfile"), shlex.quote(str(archive.parent))
        advice = f"unpack the images first: python -m {module} -e {shlex.quote(str(archive))} {folder}"
    elif any("://" in cell for cell in cells[:_LOOKED_AT]):
        advice = f"download the images into {places[0]}, under the last parts of their addresses; nothing is fetched here"
    else:
        advice = "move the table into the folder with its images, or write whole paths; to learn from its other columns, "
        advice += "delete this one"
    return DatasetError(
        "H117",
        "the images of the table are not found",
        received=f"{absent}; looked in {listed([*map(str, places)])}" + (f", which has {like}" if like is not None else ""),
        expected="the images in one of these folders, under the names in the table",
        advice=advice,
    )


def _similar(cell: str, places: Sequence[Path]) -> Path | None:
    """A file whose name differs from that in a cell in its suffix or in case only."""
    stem = PurePosixPath(cell.replace("\\", "/")).stem.casefold()
    return next((path for place in places for path in entries_in(place) if stem and path.stem.casefold() == stem), None)


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
