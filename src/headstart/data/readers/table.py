"""Data: a table to a Dataset: of images, where a column holds their paths, else of rows of features."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.dataset import SPLIT_NAMES, Dataset
from headstart.data.readers.column_names import column_of, columns_of, no_column, place_of
from headstart.data.readers.image_list import Labelled, find_images, missing_images
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

_MIN_FOR_ID = 20  # rows

_OF_DATES = 0.95  # share of different texts that make dates of a column


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
        set_aside: Those that are neither target nor feature.
        formats: How the numbers of its table were written.
        group: The column that says what belongs together, where a table has it.
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

    Where a column holds paths of files, the samples are these images: paths are relative to the table's folder, or to the
    one folder beside it that holds them. Else the samples are the rows themselves. A column called ``split`` with train,
    validation (val, valid) and test is honoured. Rows are used or listed.

    Args:
        table: The file, the frame, or the array ``(n, columns)``.
        target: Name or position of the target column, or several, in a sequence or joined by commas; found if None, with
            the reason.
        image: Name or position of the column of paths; the one whose cells are files if None.
        group: Name or position of a column that says what belongs together, such as a patient: its rows stay on one side of
            each split and in one fold, and it is no feature.
        task: A key of ``TASKS`` to overrule what the labels say.

    Raises:
        DatasetError: The file cannot be read (H107), a column cannot be found (H108), the target cannot be one (H101, H102,
            H113), or there is no column beside it (H114).

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
    """What ``read_table`` gives; also for a model that is there, which knows the target and the classes."""
    name, folder, cells, skipped = cells_of(table, known)
    if known is not None:
        target, image, task = known.targets or None, known.image, known.task
        group = known.group if known.group in cells.names else None
        if known.group and group is None:
            told = f"no column {printable(known.group)}: intervals treat all samples as independent"
            warnings.warn(told, stacklevel=2)
    if folder is None and image is not None:
        folder = Path()  # of a frame: paths are relative to where we are
    is_of_features = known is not None and known.columns
    images = None if folder is None or is_of_features else find_images(cells, image, folder)
    aside = [] if images is None else [images.column]
    cells = cells if images is None else images.cells
    grouping = "" if group is None else cells.names[place_of(cells, group, "--group")]
    split = next((column for column in cells.names if column.lower() == "split" and _is_split(cells, column)), "")
    features = cells.select([column for column in cells.names if images is not None or column not in (split, grouping)])
    found = find_target(
        features if target is None else cells,  # a position counts all columns of the file
        target,
        task=task,
        classes=None if known is None else known.classes,
        leave_out=[*aside, split, grouping] if images is not None else (),
        formats=None if known is None else known.formats,
    )
    if images is None and known is None and (told := missing_images(features)):
        found = replace(found, reason=f"{found.reason}; {printable(told)}: a table of features")
    found, splits, others = _with_split(cells, split, found)
    if grouping in found.names:
        raise no_column(f"--group {printable(grouping)}, which is to be predicted", option="--group")
    groups = tuple(map(_name, cells.column(grouping)[found.kept].tolist())) if grouping else ()
    labelled = Labelled(name, found, splits, groups, [*skipped, *found.skipped, *others])
    dataset = _of_features(cells, (split, grouping), labelled) if images is None else images.dataset(labelled)
    return replace(dataset, group_column=grouping)


def _name(cell: object) -> str:
    """What a cell calls a group; empty for a missing one. A group may be called NA."""
    return "" if cell is None or str(cell) in ("nan", "NaT") else str(cell)


def _of_features(cells: Table, aside: Sequence[str], labelled: Labelled) -> Dataset:
    """The rows that have a label, without the columns that say which, in which split, and what belongs together."""
    found = labelled.target
    features = cells.take(found.kept).select([name for name in cells.names if name not in (*found.names, *aside)])
    if not features.names:
        raise DatasetError(
            "H114",
            "no column is left to learn from",
            received=f"nothing beside the target: {', '.join(map(printable, found.names))}",
            expected="columns of features, or one of image paths",
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
    """The name, the folder if it is a file, the raw cells, and the rows that do not fit.

    Columns without names of their own are called as those that a model knows, where there are as many: with its target and
    what it set aside or without, or those alone that it reads.

    Raises:
        DatasetError: It cannot be read (H107), or a model cannot know which its columns are (H115).
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
            advice="make a data frame of it: pandas.DataFrame([{'age': 31, 'town': 'Ulm'}])",
        )
    path = Path(table)
    cells, skipped = read_cells(path, names=None if known is None else known.columns)
    return path.stem, path.parent, _called(cells, known), skipped


def _called(table: Table, known: Known | None) -> Table:
    """A table without names of its own, by those that a model knows."""
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
        expected=f"{len(features)} of them: {listed(features)}",
        advice="give the columns the names that they had for fit, or bring those of the fit in their order",
    )


def row_digests(table: Table) -> list[str]:
    """SHA-256 of the cells of each row, whatever the order of the columns; what only numbers or names rows is left out.

    So a copy of a row is known as one, though its id is another.
    """
    columns = {name: table.column(name) for name in sorted(table.names)}
    naming = _naming_columns(columns)
    telling = [cells for name, cells in columns.items() if name not in naming]
    texts = [[str(cell) for cell in cells.tolist()] for cells in telling or columns.values()]
    return [bytes_digest("\x1f".join(row).encode("utf-8", "backslashreplace")) for row in zip(*texts, strict=True)]


def _naming_columns(columns: Mapping[str, Array]) -> set[str]:
    """Columns that have another text in each row, or number them; those of dates or measurements do neither."""
    naming: set[str] = set()
    whole: dict[str, tuple[Array, Array]] = {}
    for name, cells in columns.items():
        if cells.dtype.kind == "M" or len(cells) < _MIN_FOR_ID or len(set(cells.tolist())) < len(cells):
            continue
        values = as_numbers(cells)
        if np.isnan(values).all():
            has_units = not np.isnan(learn_numbers(cells).values).all()  # or signs between the digits
            naming |= set() if has_units or are_dates(cells, _OF_DATES) else {name}
        elif np.isfinite(values).all() and (values % 1 == 0).all() and not is_measurement_name(name):
            whole[name] = values, np.arange(len(values))
    return naming | {name for name in whole if is_id_name(name)} | numbering_columns(whole)


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
