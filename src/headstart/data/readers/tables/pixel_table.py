"""Tables that hold a picture in each row, as numbers in one cell."""

from __future__ import annotations

import math
import re

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.tables.image_list import Labelled
from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table
from headstart.foundation.arrays import Array
from headstart.foundation.fingerprint import array_digest

__all__ = ["dataset_of_pixels", "pixel_column"]

_LOOKED_AT, _MIN_SIDE = 20, 8
_PIXELS = re.compile(r"\[?\s*\d{1,3}(?:[\s,]+\d{1,3})+\s*\]?", re.ASCII)


def pixel_column(table: Table) -> str:
    """Return the column whose cells are equally many numbers from 0 to 255, as many as a square picture has; "" if none."""
    for name in table.names:
        cells = table.head(name, _LOOKED_AT)
        if cells and isinstance(cells[0], str) and _PIXELS.fullmatch(cells[0]):
            levels = [_levels(str(cell)) for cell in cells]
            if levels[0] is not None and all(each is not None and len(each) == len(levels[0]) for each in levels):
                return name if _side(len(levels[0]))[0] else ""
    return ""


def dataset_of_pixels(table: Table, column: str, labelled: Labelled) -> Dataset:
    """Build a data set of the pictures in a column; rows whose cell has other numbers are listed as skipped."""
    found = labelled.target
    rows = table.row_numbers()[found.kept]
    levels = [_levels(str(cell)) for cell in table.column(column)[found.kept]]
    size = next(len(each) for each in levels if each is not None)
    pictures = {i: each for i, each in enumerate(levels) if each is not None and len(each) == size}
    odd = [Skipped(f"row {row}", f"not {size} pixels in {column!r}") for i, row in enumerate(rows) if i not in pictures]
    side, num_channels = _side(size)
    images = np.stack([*pictures.values()]).reshape(-1, side, side, num_channels)
    images = images if num_channels == 3 else images[..., 0]
    fine = [*pictures]
    return Dataset(
        name=labelled.name,
        task=found.task,
        task_reason=f"{found.reason}; pictures of {side} x {side} pixels in the column {column}",
        classes=found.classes,
        paths=tuple(f"[{rows[i] - 1}]" for i in fine),
        labels=found.labels[fine],
        digests=tuple(array_digest(image) for image in images),
        split=tuple(labelled.split[i] for i in fine),
        groups=tuple(labelled.groups[i] for i in fine) if labelled.groups else (),
        times=tuple(labelled.times[i] for i in fine) if labelled.times else (),
        skipped=(*labelled.skipped, *odd),
        arrays=images,
        target_columns=found.names,
        target_formats=found.written,
    )


def _levels(cell: str) -> Array | None:
    if not _PIXELS.fullmatch(cell):
        return None
    values = np.array(re.findall(r"\d+", cell), np.int64)
    return values.astype(np.uint8) if values.max() <= 255 else None


def _side(num_levels: int) -> tuple[int, int]:
    """Side and number of channels of a square picture; (0, 0) if no such picture has that many numbers."""
    for num_channels in (1, 3):
        side = math.isqrt(num_levels // num_channels)
        if side >= _MIN_SIDE and side * side * num_channels == num_levels:
            return side, num_channels
    return 0, 0
