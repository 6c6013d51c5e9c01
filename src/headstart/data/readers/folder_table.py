"""Find the table that describes the files of a folder, such as ``labels.csv`` beside a folder of images."""

from __future__ import annotations

from pathlib import Path

from headstart.data.readers.image_list import find_images
from headstart.data.readers.table import cells_of
from headstart.foundation.errors import DatasetError

__all__ = ["lists_images", "table_in"]

_STEMS = ("metadata", "labels", "label", "annotations", "train")
_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")


def table_in(folder: Path) -> Path | None:
    """Return the folder's table: one of the usual names, or its only table if there are no folders; None without one."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:  # whoever reads its images reports it
        return None
    tables = [entry for entry in entries if entry.suffix.lower() in _SUFFIXES and entry.is_file()]
    for stem in _STEMS:
        if called := [table for table in tables if table.stem.lower() == stem]:
            return called[0]
    return tables[0] if len(tables) == 1 and not any(entry.is_dir() for entry in entries) else None


def lists_images(table: Path) -> bool:
    """Whether a column of the table names image files that exist, as ``find_images`` looks for them."""
    try:
        name, folder, cells, _ = cells_of(table)
        return folder is not None and find_images(cells, None, folder, name) is not None
    except DatasetError:  # whoever reads it for its samples reports it
        return False
