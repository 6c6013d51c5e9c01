"""Reading of a table into a ``Dataset``: of images if a column holds their paths, else of rows of features."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.column_names import column_of, columns_of, no_column, place_of
from headstart.data.readers.image_list import Labelled, find_images, missing_images, no_images
from headstart.data.readers.image_paths import places_to_look
from headstart.data.readers.split_names import split_column, split_of_cell
from headstart.data.readers.target_column import NumberFormats
from headstart.data.readers.targets import Target, find_target
from headstart.data.skipped import Skipped
from headstart.data.tables.dates import are_dates
from headstart.data.tables.name_hints import is_id_name, is_measurement_name
from headstart.data.tables.number_formats import learn_numbers
from headstart.data.tables.preprocess import as_numbers
from headstart.data.tables.row_counters import numbering_columns
from headstart.data.tables.table import Table, read_cells, table_of_array, table_of_frame
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import bytes_digest
from headstart.foundation.text import listed, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Known", "cells_of", "dataset_of_table", "read_table", "row_digests"]

_MIN_FOR_ID = 20  # rows that a table needs before a column can count as an id

_OF_DATES = 0.95  # share of different texts that must be dates in a column of dates


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


def read_table(
    table: str | os.PathLike[str] | pd.DataFrame | Array,
    *,
    target: str | int | Sequence[str | int] | None = None,
    image: str | int | None = None,
    group: str | int | None = None,
    task: str | None = None,
) -> Dataset:
    """Read a CSV or Parquet file, a data frame, or an array of rows.

    If a column holds paths of image files, the samples are these images; paths are relative to the table's folder, to one
    below it, to the current folder or to the table's parent, and ids may lack the suffix. Otherwise the samples are the
    rows. A column called ``split``, ``set``, ``subset`` or the like decides the split with values such as train, val and
    test; for images, so does ``is_valid`` with yes and no. Rows that cannot be used are listed in ``skipped``, with the
    reason.

    Args:
        table: Path of the file, a data frame, or an array ``(n, columns)``.
        target: Name or position of the target column, or several of them, in a sequence or joined by commas. Defaults to
            None: the column is found, and ``task_reason`` says how.
        image: Name or position of the column of image paths. Defaults to None: the first column whose cells are files.
        group: Name or position of a column of groups, such as a patient ID: rows of a group stay in one split and in one
            fold, and the column is not a feature. Defaults to None: rows are independent.
        task: A key of ``TASKS``. Defaults to None: inferred from the labels.

    Raises:
        DatasetError: The file cannot be read (H107), a column is not found (H108), the target column is unsuitable (H101,
            H102, H113), no feature column is left (H114), or images are listed, none of which is found (H117).

    Example:
        >>> rows = np.array([[1.0, 0], [2.0, 1], [1.1, 0], [2.2, 1], [0.9, 0], [2.1, 1]])
        >>> dataset = read_table(rows)
        >>> dataset.task, dataset.labels.tolist()
        ('binary', [0, 1, 0, 1, 0, 1])
    """
    return dataset_of_table(table, target=columns_of(target), image=column_of(image), group=column_of(group), task=task)


def dataset_of_table(
    table: str | os.PathLike[str] | pd.DataFrame | Array,
    *,
    target: str | Sequence[str] | None = None,
    image: str | None = None,
    group: str | None = None,
    task: str | None = None,
    known: Known | None = None,
) -> Dataset:
    """Read a table as ``read_table`` does; with ``known``, target, classes and task are those of a trained model."""
    name, folder, cells, skipped = cells_of(table, known)
    if known is not None:
        target, image, task = known.targets or None, known.image, known.task
        group = known.group if known.group in cells.names else None
        if known.group and group is None:
            message = f"no column {printable(known.group)}: intervals treat all samples as independent"
            warnings.warn(message, stacklevel=2)
    is_of_features = known is not None and bool(known.columns)
    absent = "" if is_of_features else missing_images(cells)
    if folder is None and (image is not None or absent):
        folder = Path()  # paths in a data frame are relative to the current folder
    images = None if folder is None or is_of_features else find_images(cells, image, folder, name)
    if images is None and absent and folder is not None:
        raise no_images(absent, places_to_look(folder))
    aside = [] if images is None else [images.column]
    cells = cells if images is None else images.cells
    grouping = "" if group is None else cells.names[place_of(cells, group, "--group")]
    split = split_column(cells, has_images=images is not None)
    features = cells.select([column for column in cells.names if images is not None or column not in (split, grouping)])
    found = find_target(
        features if target is None else cells,  # a position counts all columns of the file
        target,
        task=task,
        classes=None if known is None else known.classes,
        leave_out=[*aside, split, grouping] if images is not None else (),
        formats=None if known is None else known.formats,
    )
    found, splits, others = _with_split(cells, split, found)
    if grouping in found.names:
        raise no_column(f"--group {printable(grouping)}, which is the target column", option="--group")
    groups = tuple(map(_name, cells.column(grouping)[found.kept].tolist())) if grouping else ()
    labelled = Labelled(name, found, splits, groups, [*skipped, *found.skipped, *others])
    dataset = _of_features(cells, (split, grouping), labelled) if images is None else images.dataset(labelled)
    return replace(dataset, group_column=grouping)


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
            received=f"nothing but the target: {', '.join(map(printable, found.names))}",
            expected="feature columns, or a column of image paths",
            advice="add columns that describe the samples",
        )
    return Dataset(
        name=labelled.name,
        task=found.task,
        task_reason=found.reason,
        classes=found.classes,
        paths=tuple(str(number) for number in features.row_numbers()),
        labels=found.labels,
        digests=tuple(row_digests(features)),
        split=labelled.split,
        groups=labelled.groups,
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
        DatasetError: The table cannot be read (H107), or its columns cannot be matched to the model's (H115).
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
            expected="the path of a CSV or Parquet file, a data frame, or an array (rows, columns)",
            advice="convert it to a data frame: pandas.DataFrame([{'age': 31, 'town': 'Ulm'}])",
        )
    path = Path(table)
    cells, skipped = read_cells(path, names=None if known is None else known.columns)
    return path.stem, path.parent, _called(cells, known), skipped


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


def row_digests(table: Table) -> list[str]:
    """SHA-256 of the cells of each row, independent of the order of the columns.

    Columns that only number or identify rows are left out, so that a copy of a row with another id is detected as one.
    """
    columns = {name: table.column(name) for name in sorted(table.names)}
    naming = _naming_columns(columns)
    telling = [cells for name, cells in columns.items() if name not in naming]
    texts = [[str(cell) for cell in cells.tolist()] for cells in telling or columns.values()]
    return [bytes_digest("\x1f".join(row).encode("utf-8", "backslashreplace")) for row in zip(*texts, strict=True)]


def _naming_columns(columns: Mapping[str, Array]) -> set[str]:
    """Columns that identify rows (a different text in each row) or number them; dates and measurements do neither."""
    naming: set[str] = set()
    whole: dict[str, tuple[Array, Array]] = {}
    for name, cells in columns.items():
        if cells.dtype.kind == "M" or len(cells) < _MIN_FOR_ID or len(set(cells.tolist())) < len(cells):
            continue
        values = as_numbers(cells)
        if np.isnan(values).all():
            has_units = not np.isnan(learn_numbers(cells).values).all()  # or thousands separators
            naming |= set() if has_units or are_dates(cells, _OF_DATES) else {name}
        elif np.isfinite(values).all() and (values % 1 == 0).all() and not is_measurement_name(name):
            whole[name] = values, np.arange(len(values))
    return naming | {name for name in whole if is_id_name(name)} | numbering_columns(whole)


def _with_split(table: Table, column: str, found: Target) -> tuple[Target, tuple[str, ...], list[Skipped]]:
    """Keep rows whose split is valid or empty; also return their splits, and the other rows as skipped."""
    if not column:
        return found, ("",) * len(found.kept), []
    cells = table.column(column)[found.kept]
    splits = [split_of_cell(column, cell) for cell in cells]
    rows = table.row_numbers()[found.kept]
    others = [
        Skipped(f"row {row}", f"unknown split {str(cell).lower()!r}")
        for row, cell, split in zip(rows, cells, splits, strict=True)
        if split is None
    ]
    fine = [i for i, split in enumerate(splits) if split is not None]
    is_plain = column.lower() == "split"
    reason = found.reason if is_plain else f"{found.reason}; the splits are those of the column {printable(column)}"
    kept = replace(found, kept=found.kept[fine], labels=found.labels[fine], reason=reason)
    return kept, tuple(split for split in splits if split is not None), others
