"""Find the table that describes the files of a folder, such as ``labels.csv`` beside a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headstart.data.readers.listing import folders_in
from headstart.data.readers.split_names import split_named
from headstart.data.readers.tables.image_list import find_images
from headstart.data.readers.tables.table import cells_of
from headstart.data.skipped import Skipped
from headstart.data.tables.files.read_cells import is_table_name, table_name
from headstart.data.tables.name_hints import is_class_name
from headstart.foundation.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TablesInSplits", "lists_images", "table_in", "tables_in_splits"]

_STEMS = ("metadata", "labels", "label", "annotations", "train")
_NOTES = (".txt", ".json", ".data", ".dat", ".npz", ".npy")  # suffixes of tables that are more often something else


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
