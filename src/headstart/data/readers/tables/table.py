"""Reading of a table into a ``Dataset``: of images if a column holds their paths, else of rows of features."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.labels.column_names import no_column, place_of
from headstart.data.readers.labels.target_column import NumberFormats
from headstart.data.readers.labels.targets import Target, find_target
from headstart.data.readers.listing import is_image_name
from headstart.data.readers.split_names import meant_split, split_column, split_of_cell, unused_splits
from headstart.data.readers.tables.image_list import ImageList, Labelled, find_images, missing_images, no_images
from headstart.data.readers.tables.image_paths import places_to_look
from headstart.data.readers.tables.pixel_table import dataset_of_pixels, pixel_column
from headstart.data.readers.tables.row_digests import RowDigests
from headstart.data.readers.tables.row_times import order_in_time
from headstart.data.readers.tables.split_tables import files_in, read_splits, split_tables
from headstart.data.skipped import Skipped
from headstart.data.tables.files.read_cells import read_cells, table_name
from headstart.data.tables.table import Table, table_of_array, table_of_frame
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Known", "cells_of", "dataset_of_table"]


@dataclass(frozen=True)
class Known:
    """Facts about its training data that a trained model stores, so that other data are read in the same way.

    Attributes:
        classes: Names of classes, labels or targets.
        task: A key of ``TASKS``.
        targets: Target columns of the table.
        image: Column of image paths, or None.
        columns: All columns of a table of features, in their order.
        reads: Columns that the model uses as features.
        set_aside: Columns that are neither target nor feature.
        formats: Number formats of the table.
        group: Column of groups, or "".
    """

    classes: tuple[str, ...]
    task: str
    targets: tuple[str, ...] = ()
    image: str | None = None
    columns: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    formats: NumberFormats | None = None
    group: str = ""


def dataset_of_table(
    table: str | os.PathLike[str] | pd.DataFrame | Array,
    *,
    target: str | Sequence[str] | None = None,
    image: str | None = None,
    group: str | None = None,
    time: str | None = None,
    task: str | None = None,
    known: Known | None = None,
) -> Dataset:
    """Build the data set of a table: of images if a column holds their paths, else of rows of features.

    Args:
        table: Path of a table or of a folder of tables, a data frame, or an array ``(n, columns)``.
        target: Name or position of the target column, or several of them, in a sequence or joined by commas. Defaults to
            None: found.
        image: Name or position of the column of image paths. Defaults to None: found.
        group: Name or position of the column of groups. Defaults to None: no groups.
        time: Name or position of the column of times. Defaults to None: rows have no order.
        task: A key of ``TASKS``. Defaults to None: inferred.
        known: The data of a trained model, whose target, classes and task are used. Defaults to None.
    """
    name, folder, cells, skipped = cells_of(table, known)
    if known is not None:
        target, image, task = known.targets or None, known.image, known.task
        group, time = _group_of(known, cells), None
    is_of_features = known is not None and bool(known.columns)
    images = None if is_of_features else _images_of(cells, image, folder, name)
    pixels = "" if is_of_features or images is not None else pixel_column(cells)
    aside = [] if images is None else [images.column]
    cells = cells if images is None else images.cells
    grouping = "" if group is None else cells.names[place_of(cells, group, "--group")]
    moment = "" if time is None else cells.names[place_of(cells, time, "--time")]
    split = split_column(cells, has_images=images is not None) if cells.splits is None else ""
    target = cells.targets or None if target is None else target
    others = () if images is not None else (split, grouping, moment, pixels)
    features = cells.select([column for column in cells.names if column not in others])
    with _notes_in_errors(cells):
        found = find_target(
            features if target is None else cells,  # a position counts all columns of the file
            target,
            task=task,
            classes=None if known is None else known.classes,
            leave_out=[*aside, split, grouping, moment] if images is not None else (),
            formats=None if known is None else known.formats,
        )
    found, splits, unused = _with_split(cells, split, found)
    found = replace(found, reason="; ".join([found.reason, *cells.notes]))
    if grouping in found.names:
        raise no_column(f"--group {printable(grouping)}, which is the target column", option="--group")
    groups = tuple(map(_name, cells.column(grouping)[found.kept].tolist())) if grouping else ()
    times: tuple[float, ...] = ()
    if moment:
        found, times, timeless = order_in_time(cells, moment, found, splits, grouping)
        splits, unused = splits[: len(times)], [*unused, *timeless]  # none of them is decided
    labelled = Labelled(name, found, splits, groups, [*skipped, *found.skipped, *unused], times)
    if images is not None:
        dataset = images.dataset(labelled)
    elif pixels:
        dataset = dataset_of_pixels(cells, pixels, labelled)
    else:
        dataset = _of_features(cells, (split, grouping), labelled)
    return replace(dataset, group_column=grouping)


@contextmanager
def _notes_in_errors(cells: Table) -> Iterator[None]:
    """Add what was decided when a table was read, such as which sheet, to errors about its columns."""
    try:
        yield
    except DatasetError as error:
        error.received = "; ".join([error.received, *cells.notes])
        raise


def _group_of(known: Known, cells: Table) -> str | None:
    """The model's column of groups, if the table has it."""
    if known.group and known.group not in cells.names:
        warnings.warn(f"no column {printable(known.group)}: intervals treat all samples as independent", stacklevel=3)
    return known.group if known.group in cells.names else None


def _images_of(cells: Table, image: str | None, folder: Path | None, name: str) -> ImageList | None:
    """Find the images that a table lists; None for a table of features.

    Raises:
        DatasetError: A column names image files, or was named, and none of them is found (H117).
    """
    column, called = missing_images(cells)
    if folder is None and (image is not None or column):
        folder = Path()  # paths in a data frame are relative to the current folder
    images = None if folder is None else find_images(cells, image, folder, name)
    if images is None and column and folder is not None:
        absent = f"column {printable(column)} names image files, such as {printable(called[0])}"
        raise no_images(absent, places_to_look(folder), called, column=column)
    return images


def _name(cell: object) -> str:
    """Name of the group in a cell; "" if the cell is missing. A group may be called NA."""
    return "" if cell is None or str(cell) in ("nan", "NaT") else str(cell)


def _of_features(cells: Table, aside: Sequence[str], labelled: Labelled) -> Dataset:
    """Data set of the labelled rows, with all columns but the target, the split and the groups as features."""
    found = labelled.target
    features = cells.take(found.kept).select([name for name in cells.names if name not in (*found.names, *aside)])
    if not features.names:
        raise DatasetError(
            "H114",
            "no column is left to learn from",
            received=f"nothing but {listed([*map(printable, filter(None, (*found.names, *aside)))])}",
            expected="feature columns, or a column of image paths",
            advice="add columns that describe the samples; if the file has more, save it with commas between its cells",
        )
    return Dataset(
        name=labelled.name,
        task=found.task,
        task_reason=found.reason,
        classes=found.classes,
        paths=tuple(map(str, features.row_numbers().tolist())),
        labels=found.labels,
        digests=RowDigests(features),
        split=labelled.split,
        groups=labelled.groups,
        times=labelled.times,
        skipped=tuple(labelled.skipped),
        table=features,
        target_columns=found.names,
        target_formats=found.written,
        columns=cells.names,
        set_aside=tuple(filter(None, aside)),
    )


def cells_of(
    table: str | os.PathLike[str] | pd.DataFrame | Array, known: Known | None = None
) -> tuple[str, Path | None, Table, list[Skipped]]:
    """Name of a table, its folder (None unless it is a file), its raw cells, and the rows of a wrong length.

    If the table has no column names, it is given those of a trained model, provided that the number of columns matches: all
    columns of the training table, all without the targets or the columns set aside, or only those that the model reads.

    Raises:
        DatasetError: The table cannot be read (H107), is an image for a trained model (H122), or its columns cannot be
            matched to the model's (H115).
    """
    if isinstance(table, np.ndarray):
        return "array", None, _called(table_of_array(table), known), []
    if not isinstance(table, str | os.PathLike):
        if hasattr(table, "columns"):
            return "table", None, table_of_frame(table), []
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"a {type(table).__name__}",
            expected="the path of a table, a data frame, or an array (rows, columns)",
            advice="convert it to a data frame: pandas.DataFrame([{'age': 31, 'town': 'Ulm'}])",
        )
    path = Path(table)
    if known is not None and is_image_name(path.name):
        raise _image_for_a_model(path, known)
    if path.is_dir():
        cells, skipped = read_splits(split_tables(files_in(path)))
        return path.resolve().name, path, _called(cells, known), skipped
    cells, skipped = read_cells(path, names=None if known is None else known.columns)
    return table_name(path), path.parent, _called(cells, known), skipped


def _image_for_a_model(path: Path, known: Known) -> DatasetError:
    """Create the error for an image where a model takes a table (H122)."""
    if known.reads:
        expected = "a table with the columns that the model reads"
        advice = "give such a table, or a run that was fitted on images"
    else:
        expected = "a folder of class folders, or a table that lists images"
        advice = f"give such a folder: {path.parent.parent}"
    return DatasetError("H122", "unsupported kind of file", received=f"{path} (an image)", expected=expected, advice=advice)


def _called(table: Table, known: Known | None) -> Table:
    """Give a table without column names those of a trained model."""
    width = len(table.names)
    if known is None or not known.columns or table.names != tuple(f"c{i}" for i in range(width)):
        return table
    without_targets, without_aside, features = (
        [name for name in known.columns if name not in names]
        for names in (known.targets, known.set_aside, (*known.targets, *known.set_aside))
    )
    candidates = (known.columns, without_targets, features, known.reads, without_aside)
    if names := next((names for names in candidates if len(names) == width), None):
        return replace(table, names=tuple(names))
    raise DatasetError(
        "H115",
        "the table lacks columns that the model reads",
        received=f"{width} columns without names",
        expected=f"{len(features)} columns: {listed(features)}",
        advice="name the columns as for fit, or give the columns of the fit in their order",
    )


def _with_split(table: Table, column: str, found: Target) -> tuple[Target, tuple[str, ...], list[Skipped]]:
    """Keep rows whose split is valid or empty; also return their splits, and the other rows as skipped."""
    if table.splits is not None:
        splits = tuple(table.splits[found.kept].tolist())
        return found, splits if {*splits} - {"train"} else ("",) * len(splits), []  # the others may have no labels
    if not column:
        unused = [name for name in unused_splits(table) if name not in found.names]
        reason = "".join(f"; the column {printable(name)} is not used as a split: it names none" for name in unused)
        return replace(found, reason=found.reason + reason), ("",) * len(found.kept), []
    cells = table.column(column)[found.kept]
    named = [split_of_cell(column, cell) for cell in cells]
    rows = table.row_numbers()[found.kept]
    others = [
        Skipped(f"row {row}", f"unknown split {str(cell).lower()!r}")
        for row, cell, split in zip(rows, cells, named, strict=True)
        if split is None
    ]
    fine = [i for i, split in enumerate(named) if split is not None]
    is_plain = column.lower() == "split"
    reason = found.reason if is_plain else f"{found.reason}; the splits are those of the column {printable(column)}"
    reason += _about_unknown(column, [str(cell) for cell, split in zip(cells, named, strict=True) if split is None])
    kept = replace(found, kept=found.kept[fine], labels=found.labels[fine], reason=reason)
    return kept, tuple(split for split in named if split is not None), others


def _about_unknown(column: str, cells: Sequence[str]) -> str:
    """Sentence about cells that name no split, and the splits they may mean; "" if there are none."""
    if not cells:
        return ""
    meant = {cell: meant_split(cell) for cell in dict.fromkeys(cells)}
    names = listed([printable(cell) + (f" (did you mean {split}?)" if split else "") for cell, split in meant.items()])
    rows = f"{len(cells)} rows are" if len(cells) > 1 else "1 row is"
    verb = "name" if len(meant) > 1 else "names"
    return f"; {rows} skipped, because {names} in the column {printable(column)} {verb} no split"
