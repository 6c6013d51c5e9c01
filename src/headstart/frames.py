"""Data: a table to a Dataset: of images, where a column holds their paths, else of rows of features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.cells import Table, read_cells, table_of_array, table_of_frame
from headstart.dataset import SPLIT_NAMES, Dataset
from headstart.encoding import as_numbers
from headstart.errors import DatasetError, printable
from headstart.fingerprint import bytes_digest, file_digests
from headstart.skipping import Skipped
from headstart.targets import Target, find_target, position

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Known", "cells_of", "read_table", "row_digests"]

Array = np.ndarray[Any, Any]

_LEAST_FOR_ID = 20  # rows
_LOOKED_AT = 20  # cells of a column, to tell whether they are paths


@dataclass(frozen=True)
class Known:
    """What a trained model knows of its data.

    Attributes:
        classes: Names of classes, labels or targets.
        task: A key of ``TASKS``.
        targets: The target columns of a table.
        image: Its column of paths.
        columns: Of a table of features: all its columns, in their order.
        reads: Those that the model reads.
    """

    classes: tuple[str, ...]
    task: str
    targets: tuple[str, ...] = ()
    image: str | None = None
    columns: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


def read_table(
    table: str | os.PathLike[str] | pd.DataFrame | Array,
    *,
    target: str | None = None,
    image: str | None = None,
    task: str | None = None,
    known: Known | None = None,
) -> Dataset:
    """Read a CSV or Parquet file, a data frame, or an array of rows.

    Where a column holds paths of files, the samples are these images: paths are relative to the table's folder, or to the
    one folder beside it that holds them. Else the samples are the rows themselves. A column called ``split`` with train,
    validation (val, valid) and test is honoured. Rows are used or listed.

    Args:
        table: The file, the frame, or the array ``(n, columns)``.
        target: Name or position of the target column, or several joined by commas; found if None, with the reason.
        image: Name or position of the column of paths; the one whose cells are files if None.
        task: A key of ``TASKS`` to overrule what the labels say.
        known: What a model that is there knows already.

    Raises:
        DatasetError: The file cannot be read (H107), a column cannot be found (H108), the target cannot be one (H101, H102,
            H113), or there is no column beside it (H114).

    Example:
        >>> rows = np.array([[1.0, 0], [2.0, 1], [1.1, 0], [2.2, 1], [0.9, 0], [2.1, 1]])
        >>> dataset = read_table(rows)
        >>> dataset.task, dataset.labels.tolist()
        ('binary', [0, 1, 0, 1, 0, 1])
    """
    name, folder, cells, skipped = cells_of(table, known)
    if known is not None:
        target, image, task = ",".join(known.targets) or None, known.image, known.task
    classes = None if known is None else known.classes
    if folder is None and image is not None:
        folder = Path()  # of a frame: paths are relative to where we are
    is_file = folder is not None and not (known is not None and known.columns)
    image_column = _image_column(cells, image, folder) if is_file and folder is not None else ""
    if image_column and folder is not None:
        cells = _with_first_row(cells, folder)
        image_column = image_column if image_column in cells.names else cells.names[0]
    split_column = next((column for column in cells.names if column.lower() == "split" and _is_split(cells, column)), "")
    aside = [column for column in (image_column, split_column) if column]
    rest = cells if image_column else cells.select([column for column in cells.names if column not in aside])
    whole = rest if target is None else cells  # a position counts all columns of the file
    found = find_target(whole, target, task=task, classes=classes, leave_out=aside if image_column else ())
    found, split, others = _with_split(cells, split_column, found)
    kept, skipped = cells.take(found.kept), [*skipped, *found.skipped, *others]
    if image_column and folder is not None:
        place = _image_folder(cells.column(image_column), folder)
        paths = [str(place / str(cell)) for cell in cells.column(image_column)]
        of_row = {f"row {number}": path for number, path in zip(cells.row_numbers(), paths, strict=True)}
        named = [Skipped(of_row.get(row, row), f"{row}: {reason}" if row in of_row else reason) for row, reason in skipped]
        return _of_images(name, [paths[i] for i in found.kept], kept, found, split, named)
    features = kept.select([column for column in rest.names if column not in found.names])
    if not features.names:
        raise DatasetError(
            "H114",
            "no column is left to learn from",
            received=f"nothing beside the target: {', '.join(map(printable, found.names))}",
            expected="columns of features, or one of image paths",
            advice="add columns that describe the samples",
        )
    return Dataset(
        name=name,
        task=found.task,
        task_reason=found.reason,
        classes=found.classes,
        paths=tuple(str(number) for number in kept.row_numbers()),
        labels=found.labels,
        digests=tuple(row_digests(features)),
        split=split,
        skipped=tuple(skipped),
        table=features,
        target=found.names,
        columns=cells.names,
    )


def cells_of(
    table: str | os.PathLike[str] | pd.DataFrame | Array, known: Known | None = None
) -> tuple[str, Path | None, Table, list[Skipped]]:
    """The name, the folder if it is a file, the raw cells, and the rows that do not fit.

    Columns without names of their own are called as those that a model knows, where there are as many: with its target or
    without, or those alone that it reads.

    Raises:
        DatasetError: It cannot be read (H107).
    """
    if isinstance(table, np.ndarray):
        return "array", None, _called(table_of_array(table), known), []
    if not isinstance(table, (str, os.PathLike)):
        return "table", None, table_of_frame(table), []
    path = Path(table)
    cells, skipped = read_cells(path, names=None if known is None else known.columns)
    return path.stem, path.parent, _called(cells, known), skipped


def _called(table: Table, known: Known | None) -> Table:
    """A table without names of its own, by those that a model knows."""
    width = len(table.names)
    if known is None or table.names != tuple(f"c{i}" for i in range(width)):
        return table
    features = [name for name in known.columns if name not in known.targets]
    candidates = (known.columns, features, known.reads)
    names = next((names for names in candidates if len(names) == width), table.names)
    return replace(table, names=tuple(names))


def row_digests(table: Table) -> list[str]:
    """SHA-256 of the cells of each row, whatever the order of the columns; what only numbers or names rows is left out.

    So a copy of a row is known as one, though its id is another.
    """
    columns = {name: table.column(name) for name in sorted(table.names)}
    telling = [cells for cells in columns.values() if not _names_rows(cells)]
    texts = [[str(cell) for cell in cells.tolist()] for cells in telling or columns.values()]
    return [bytes_digest("\x1f".join(row).encode("utf-8", "backslashreplace")) for row in zip(*texts, strict=True)]


def _names_rows(cells: Array) -> bool:
    """Whether a column has another text in each row, or counts them."""
    if len(cells) < _LEAST_FOR_ID or len(set(cells.tolist())) < len(cells):
        return False
    values = as_numbers(cells)
    if np.isnan(values).all():
        return True
    return bool(np.isfinite(values).all() and (values % 1 == 0).all() and np.ptp(values) == len(values) - 1)


def _of_images(
    name: str, paths: list[str], kept: Table, found: Target, split: tuple[str, ...], skipped: list[Skipped]
) -> Dataset:
    """The images of these paths; those that are not there, or cannot be read, are listed."""
    reasons: dict[int, str] = {i: "no such file" for i, path in enumerate(paths) if not _is_file(Path(path))}
    there = [i for i in range(len(paths)) if i not in reasons]
    digests: dict[int, str] = {}
    for i, digest in zip(there, file_digests(paths[i] for i in there), strict=True):
        if isinstance(digest, OSError):
            reasons[i] = f"cannot be read: {digest.strerror}"
        else:
            digests[i] = digest
    rows = kept.row_numbers()
    listed = [Skipped(paths[i], f"row {rows[i]}: {reason}") for i, reason in sorted(reasons.items())]
    used = list(digests)
    return Dataset(
        name=name,
        task=found.task,
        task_reason=found.reason,
        classes=found.classes,
        paths=tuple(paths[i] for i in used),
        labels=found.labels[used],
        digests=tuple(digests[i] for i in used),
        split=tuple(split[i] for i in used),
        skipped=(*skipped, *listed),
        target=found.names,
    )


def _is_split(table: Table, column: str) -> bool:
    """Whether most cells name a split."""
    cells = [str(cell).lower() for cell in table.column(column)]
    return 2 * sum(cell in SPLIT_NAMES for cell in cells) > len(cells)


def _with_split(table: Table, column: str, found: Target) -> tuple[Target, tuple[str, ...], list[Skipped]]:
    """The target's rows that have a split that is known, or none; their splits; and the others."""
    if not column:
        return found, ("",) * len(found.kept), []
    cells = [str(cell).lower() for cell in table.column(column)[found.kept]]
    fine = [i for i, cell in enumerate(cells) if cell in SPLIT_NAMES or not cell]
    rows = table.row_numbers()[found.kept]
    others = [
        Skipped(f"row {row}", f"unknown split {cell!r}")
        for row, cell in zip(rows, cells, strict=True)
        if cell and cell not in SPLIT_NAMES
    ]
    kept = replace(found, kept=found.kept[fine], labels=found.labels[fine])
    return kept, tuple(SPLIT_NAMES.get(cells[i], "") for i in fine), others


def _image_column(table: Table, wanted: str | None, folder: Path) -> str:
    """The column of paths; empty where there is none, and none was asked for."""
    if wanted is not None:
        return _column(table, wanted)
    places = _places(folder)
    columns = zip(table.names, table.columns, strict=True)
    return next((name for name, cells in columns if _are_files([name, *map(str, cells[:_LOOKED_AT])], places)), "")


def _are_files(cells: list[str], places: Sequence[Path]) -> bool:
    """Whether most of the cells are files; a column that cannot be one of paths is soon left."""
    num_missing = 0
    for cell in cells:
        num_missing += _found_in(places, cell) is None
        if 2 * num_missing > len(cells):
            return False
    return len(cells) > 1


def _column(table: Table, wanted: str) -> str:
    if (place := position(table, wanted)) is not None:
        return table.names[place]
    raise DatasetError(
        "H108",
        "a column cannot be found",
        received=f"--image {printable(wanted)}; the columns are {', '.join(table.names)}",
        expected="the name of a column, or its position (0 is the first, -1 the last)",
        advice="name it: --image COLUMN",
    )


def _with_first_row(table: Table, folder: Path) -> Table:
    """The table with its names as a first row, where one of them is a file: what was taken for a header was a sample."""
    places = _places(folder)
    if all(_found_in(places, name) is None for name in table.names):
        return table
    columns = [np.array([name, *cells], object) for name, cells in zip(table.names, table.columns, strict=True)]
    return Table(tuple(f"c{i}" for i in range(len(columns))), tuple(columns))


def _image_folder(cells: Array, folder: Path) -> Path:
    places = _places(folder)
    return next((place for cell in cells[:_LOOKED_AT] if (place := _found_in(places, str(cell)))), folder)


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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than any file's
        return False
