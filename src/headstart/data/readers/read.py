"""Reading of any supported data into a ``Dataset``: a folder, a table of images or features, or samples to predict."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.arrays import as_levels
from headstart.data.readers.folders.folder import opened, read_class_folders
from headstart.data.readers.folders.unpacked import archive_of, read_unpacked
from headstart.data.readers.images.annotated import ANNOTATIONS, annotations_in, dataset_of_annotations
from headstart.data.readers.images.annotations import annotations_in_file
from headstart.data.readers.images.npz_images import dataset_of_npz, image_arrays
from headstart.data.readers.images.parquet_images import dataset_of_parquet, image_columns, parquet_files
from headstart.data.readers.labels.column_names import column_of, columns_of
from headstart.data.readers.no_data import no_data
from headstart.data.readers.tables.folder_table import (
    lists_images,
    table_in,
    table_of_images,
    tables_in_splits,
    with_unlisted,
)
from headstart.data.readers.tables.row_digests import RowDigests
from headstart.data.readers.tables.split_tables import files_in, split_tables
from headstart.data.readers.tables.table import Known, cells_of, dataset_of_table
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError, UsageError
from headstart.foundation.fingerprint import array_digest, bytes_digest, file_digests
from headstart.foundation.text import listed, printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["READERS", "Asked", "read", "read_table", "unlabelled", "unlabelled_rows"]


class Asked(NamedTuple):
    """How data are to be read.

    Attributes:
        target: Name or position of the target column, or several of them, as in ``read_table``. Defaults to None: found.
        image: Name or position of the column of image paths. Defaults to None: found.
        group: Name or position of the column of groups. Defaults to None: no groups.
        time: Name or position of the column of times. Defaults to None: samples have no order.
        task: A key of ``TASKS``. Defaults to None: inferred.
        known: The data of a trained model, if the data is for that model. Defaults to None.
    """

    target: str | Sequence[str] | None = None
    image: str | None = None
    group: str | None = None
    time: str | None = None
    task: str | None = None
    known: Known | None = None


def _read_table(path: Path, asked: Asked) -> Dataset:
    return dataset_of_table(path, **asked._asdict())


def _read_annotations(path: Path, asked: Asked) -> Dataset:
    """Read the export of an annotation tool, or else a table."""
    found = annotations_in_file(path) if asked.image is None else None
    folder = path.parent.parent if path.parent.name.lower() == ANNOTATIONS else path.parent
    return _read_table(path, asked) if found is None else dataset_of_annotations(found, folder, asked._asdict())


def _read_parquet(path: Path, asked: Asked) -> Dataset:
    """Read a Parquet file of encoded images, or else a table."""
    return dataset_of_parquet([path], path.stem, asked._asdict()) if image_columns(path) else _read_table(path, asked)


def _read_npz(path: Path, asked: Asked) -> Dataset:
    """Read arrays of images, or else a table."""
    arrays = image_arrays(path)
    return _read_table(path, asked) if arrays is None else dataset_of_npz(path, arrays, asked.task)


# By suffix of the file; all others are read as tables.
READERS: dict[str, Callable[[Path, Asked], Dataset]] = {
    **dict.fromkeys((".json", ".csv"), _read_annotations),
    **dict.fromkeys((".parquet", ".pq"), _read_parquet),
    ".npz": _read_npz,
}


def read(
    data: str | os.PathLike[str] | pd.DataFrame | Array,
    *,
    target: str | Sequence[str] | None = None,
    image: str | None = None,
    group: str | None = None,
    time: str | None = None,
    task: str | None = None,
    known: Known | None = None,
) -> Dataset:
    """Read a folder of class folders, or a table of image paths or of features.

    A folder with a table called ``labels``, ``metadata``, ``annotations`` or ``train`` is read by the table if it lists
    images, if a column was named, or if there are no class folders.

    Args:
        data: Path of a folder, of a zip or tar archive of one, or of a table in a format of ``read_cells.FORMATS``; a data
            frame, or an array ``(n, columns)``.
        target: Name or position of the target column, or several of them, as in ``read_table``. Defaults to None: found.
        image: Name or position of the column of image paths. Defaults to None: found.
        group: Name or position of the column of groups. Defaults to None: no groups.
        time: Name or position of the column of times. Defaults to None: samples have no order.
        task: A key of ``TASKS``. Defaults to None: inferred.
        known: The data of a trained model, if the data is for that model: its classes are used, and samples of other
            classes are listed as skipped. Defaults to None.

    Raises:
        DatasetError: The path does not exist (H106), or is neither a folder nor a table (H107, H122). An archive
            cannot be read (H123, H135, H136).
        UsageError: A column was named, but ``data`` is a folder without such a table (H046).
    """
    asked = Asked(target, image, group, time, task, known)
    if not isinstance(data, str | os.PathLike):
        return dataset_of_table(data, **asked._asdict())
    path = Path(data)
    if (archive := archive_of(path)) is not None:
        return read_unpacked(archive, partial(_read_folder, asked=asked))
    if path.is_dir():
        return _read_folder(path, asked)
    if path.is_file():
        return READERS.get(path.suffix.lower(), _read_table)(path, asked)
    raise no_data(path)


def read_table(
    table: str | os.PathLike[str] | pd.DataFrame | Array,
    *,
    target: str | int | Sequence[str | int] | None = None,
    image: str | int | None = None,
    group: str | int | None = None,
    time: str | int | None = None,
    task: str | None = None,
) -> Dataset:
    """Read a file of any kind of table, a data frame, or an array of rows.

    If a column holds paths of image files, the samples are these images; paths are relative to the table's folder, to one
    below it, to the current folder or to the table's parent, and ids may lack the suffix. Otherwise the samples are the
    rows. A column called ``split``, ``set``, ``subset`` or the like decides the split with values such as train, val and
    test; for images, so does ``is_valid`` with yes and no. Rows that cannot be used are listed in ``skipped``, with the
    reason.

    Args:
        table: Path of the file (CSV, Parquet, Feather, JSON, Excel or ``.npz``, packed or not), a data frame, or an array
            ``(n, columns)``. Annotations of images, folders and archives are read as ``fit`` reads them.
        target: Name or position of the target column, or several of them, in a sequence or joined by commas. Defaults to
            None: the column is found, and ``task_reason`` says how.
        image: Name or position of the column of image paths. Defaults to None: the first column whose cells are files.
        group: Name or position of a column of groups, such as a patient ID: rows of a group stay in one split and in one
            fold, and the column is not a feature. Defaults to None: rows are independent.
        time: Name or position of a column of dates or numbers by which the data are split: the last rows are the test
            split, those before them validation, and folds go forward in time. The column stays a feature. Defaults to None:
            rows have no order.
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
    return read(
        table, target=columns_of(target), image=column_of(image), group=column_of(group), time=column_of(time), task=task
    )


def _read_folder(folder: Path, asked: Asked) -> Dataset:
    """Read a folder of class folders, or by what describes its images, if there is such a file or a column was named.

    Tables of one split each, such as ``train.csv`` and ``test.csv``, count as one table. Without class folders, a table of
    features is read too, and a table of any name that lists images. Images that are not listed are skipped.
    """
    named = [name for name in ("target", "image", "group", "time") if getattr(asked, name) is not None]
    places = opened(folder)
    for place in places:
        if (dataset := _described(place, asked, are_named=bool(named))) is not None:
            return _named_after(folder, dataset)
    error: DatasetError | UsageError = _no_columns(folder, named)
    if not named:
        classes = None if asked.known is None else asked.known.classes
        try:
            return read_class_folders(folder, task=asked.task, classes=classes)
        except DatasetError as found:
            if found.code != "H101":
                raise
            error = found
    table = _table_of(folder) or table_of_images(places)
    if table is None:
        raise error
    return _named_after(folder, _by_table(folder, table, asked))


def _named_after(folder: Path, dataset: Dataset) -> Dataset:
    return with_unlisted(replace(dataset, name=folder.resolve().name), folder)


def _no_columns(folder: Path, named: Sequence[str]) -> UsageError:
    return UsageError(
        "H046",
        "a folder has no columns",
        received=f"{', '.join(f'--{name}' for name in named)} for {folder}, a folder without a table such as labels.csv",
        expected="a table such as a CSV file, which may list images",
        advice="give the path of a table, or leave this out: the names of folders are the classes",
    )


def _described(folder: Path, asked: Asked, *, are_named: bool) -> Dataset | None:
    """Read a folder by annotations, Parquet files of images, or tables that list images; None if it has none of them."""
    settings = asked._asdict()
    if not are_named and (found := annotations_in(folder)) is not None:
        return dataset_of_annotations(found, folder, settings)
    if not are_named and (files := parquet_files(folder)):
        return dataset_of_parquet(files, folder.name, settings)
    if (tables := tables_in_splits(folder)) is not None:
        settings["image"] = asked.image or tables.image
        dataset = dataset_of_table(tables.frame, **settings)
        reason = f"read by the tables {listed(tables.names)}; {dataset.task_reason}"
        return replace(dataset, task_reason=reason, skipped=(*tables.skipped, *dataset.skipped))
    table = _table_of(folder)
    return _by_table(folder, table, asked) if table is not None and (are_named or lists_images(table)) else None


def _table_of(folder: Path) -> Path | None:
    """The folder itself if its tables hold a split each, else its table."""
    return folder if split_tables(files_in(folder)) else table_in(folder)


def _by_table(folder: Path, table: Path, asked: Asked) -> Dataset:
    dataset = dataset_of_table(table, **asked._asdict())
    reason = dataset.task_reason if table == folder else f"read by the table {printable(table.name)}; {dataset.task_reason}"
    return replace(dataset, task_reason=reason)


def unlabelled(images: Sequence[str] | np.ndarray[Any, Any], like: Dataset) -> Dataset:
    """Make a data set of images to predict, as paths or an array: it has the classes of ``like``, and all labels are 0."""
    arrays = as_levels(images) if isinstance(images, np.ndarray) else None
    digests = [array_digest(a) for a in arrays] if arrays is not None else file_digests([str(p) for p in images])
    return Dataset(
        name="unlabelled",
        task=like.task,
        task_reason=like.task_reason,
        classes=like.classes,
        paths=tuple(str(path) if arrays is None else f"[{i}]" for i, path in enumerate(images)),
        labels=np.zeros(len(images), np.int64),
        # A file that cannot be read has no content digest; that of its path replaces it, and the decoder reports the reason.
        digests=tuple(
            d if isinstance(d, str) else bytes_digest(os.fsencode(path)) for d, path in zip(digests, images, strict=True)
        ),
        split=("",) * len(images),
        arrays=arrays,
    )


def unlabelled_rows(rows: Any, like: Dataset, known: Known) -> Dataset:
    """Make a data set of table rows to predict: it has the classes of ``like``, and all labels are 0.

    Args:
        rows: Path of a table, a data frame, or an array ``(n, columns)``.
        like: Data set that the model was fitted on.
        known: What the model stores about its data.

    Raises:
        DatasetError: The table cannot be read (H107).
    """
    name, _, table, skipped = cells_of(rows, known)
    return Dataset(
        name=name,
        task=like.task,
        task_reason=like.task_reason,
        classes=like.classes,
        paths=tuple(map(str, table.row_numbers().tolist())),
        labels=np.zeros(len(table), np.int64),
        digests=RowDigests(table),
        split=("",) * len(table),
        skipped=tuple(skipped),
        table=table,
    )
