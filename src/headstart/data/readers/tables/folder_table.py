"""Find the table that describes the files of a folder, such as ``labels.csv`` beside a folder of images."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headstart.data.dataset import Dataset
from headstart.data.readers.listing import files_in, folders_in, is_image_name, visible_in
from headstart.data.readers.split_names import split_named
from headstart.data.readers.tables.image_list import find_images
from headstart.data.readers.tables.table import cells_of
from headstart.data.skipped import Skipped
from headstart.data.tables.files.read_cells import is_table_name, table_name
from headstart.data.tables.name_hints import is_class_name
from headstart.foundation.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TablesInSplits", "lists_images", "table_in", "table_of_images", "tables_in_splits", "with_unlisted"]

_STEMS = ("metadata", "labels", "label", "annotations", "train")
_NOTES = (".txt", ".json", ".data", ".dat", ".npz", ".npy")  # suffixes of tables that are more often something else
_FORM = re.compile(r"sample[ _-]?submission", re.IGNORECASE)  # of a competition, with the images to predict
_UNLISTED = "not in the table or annotations that the folder was read by"


class TablesInSplits(NamedTuple):
    """The tables of several folders of splits, each of which lists images of its folder.

    Attributes:
        frame: All rows, with the columns ``split`` and ``image``, which holds the path of the file.
        image: Name of the column of paths.
        names: Names of the tables below the data set's folder.
        skipped: Rows that could not be read.
    """

    frame: pd.DataFrame
    image: str
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def table_in(folder: Path) -> Path | None:
    """Return the folder's table: one of the usual names, or its only table if there are no folders; None without one."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:  # whoever reads its images reports it
        return None
    tables = [entry for entry in entries if is_table_name(entry.name) and entry.is_file()]
    tables = [table for table in tables if not table.name.lower().endswith(_NOTES)]
    for stem in _STEMS:
        if called := [table for table in tables if table_name(table).lower() == stem]:
            return called[0]
    return tables[0] if len(tables) == 1 and not any(entry.is_dir() for entry in entries) else None


def tables_in_splits(folder: Path) -> TablesInSplits | None:
    """Read the tables inside folders of splits, such as ``train/metadata.jsonl``; None if none of them lists images."""
    import pandas as pd

    frames: dict[str, pd.DataFrame] = {}
    image, skipped = "", list[Skipped]()
    for place in folders_in(folder):
        table = table_in(place) if split_named(place.name) else None
        if table is None:
            continue
        name, _, cells, unread = cells_of(table)
        images = find_images(cells, None, place, name)
        are_classes = len(folders_in(place)) > 1 and not any(map(is_class_name, cells.names))  # with captions, say
        if images is None or are_classes:
            continue
        called = f"{place.name}/{table.name}"
        image = image or images.column
        frame = pd.DataFrame(dict(zip(images.cells.names, images.cells.columns, strict=True)), dtype=object)
        frame[images.column] = [images.rule.path(str(cell)) for cell in images.cells.column(images.column)]
        frames[called] = frame.rename(columns={images.column: image}).assign(split=split_named(place.name))
        skipped += [Skipped(f"{called}: {row}", reason) for row, reason in unread]
    if not frames:
        return None
    return TablesInSplits(pd.concat(frames.values(), ignore_index=True), image, tuple(frames), tuple(skipped))


def lists_images(table: Path) -> bool:
    """Whether a column of the table names image files that exist, as ``find_images`` looks for them."""
    try:
        name, folder, cells, _ = cells_of(table)
        return folder is not None and find_images(cells, None, folder, name) is not None
    except DatasetError:  # whoever reads it for its samples reports it
        return False


def table_of_images(folders: Sequence[Path]) -> Path | None:
    """Return the only table of any name and kind in some folders that lists images; None if there are none or several."""
    files = [path for folder in folders for path in visible_in(folder, []) if path.is_file() and is_table_name(path.name)]
    tables = [table for table in files if not _FORM.search(table.name) and lists_images(table)]
    return tables[0] if len(tables) == 1 else None


def with_unlisted(dataset: Dataset, folder: Path) -> Dataset:
    """Add the images of a folder that neither are samples nor were left out before to the skipped files.

    Args:
        dataset: Samples that were read from the folder by a table or by annotations.
        folder: The folder.
    """
    if dataset.table is not None or dataset.arrays is not None:
        return dataset
    known = {_identity(path) for path in (*dataset.files, *(file.path for file in dataset.skipped))}
    skipped: list[Skipped] = []
    images = [str(path) for path in files_in(folder, skipped) if is_image_name(path.name)]
    skipped += [Skipped(path, _UNLISTED) for path in images if _identity(path) not in known]
    return replace(dataset, skipped=(*dataset.skipped, *skipped))


def _identity(path: str) -> tuple[int, int] | None:
    """Device and number of a file, which do not depend on how its path is written; None if there is no such file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of many files
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
