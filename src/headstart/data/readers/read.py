"""Reading of any supported data into a ``Dataset``: a folder, a table of images or features, or samples to predict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.folder import read_folder
from headstart.data.readers.folder_table import lists_images, table_in
from headstart.data.readers.table import Known, cells_of, dataset_of_table, row_digests
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError, UsageError
from headstart.foundation.fingerprint import array_digest, bytes_digest, file_digests
from headstart.foundation.text import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["_as_levels", "read", "unlabelled", "unlabelled_rows"]

_TABLES = {".csv", ".tsv", ".txt", ".data", ".parquet", ".pq"}


def read(
    data: str | os.PathLike[str] | pd.DataFrame | Array,
    *,
    target: str | None = None,
    image: str | None = None,
    group: str | None = None,
    task: str | None = None,
    known: Known | None = None,
) -> Dataset:
    """Read a folder of class folders, or a table of image paths or of features.

    A folder with a table called ``labels``, ``metadata``, ``annotations`` or ``train`` is read by the table if it lists
    images, if a column was named, or if there are no class folders.

    Args:
        data: Path of a folder, path of a CSV or Parquet file, a data frame, or an array ``(n, columns)``.
        target: Name or position of the target column, or several joined by commas. Defaults to None: found.
        image: Name or position of the column of image paths. Defaults to None: found.
        group: Name or position of the column of groups. Defaults to None: no groups.
        task: A key of ``TASKS``. Defaults to None: inferred.
        known: The data of a trained model, if the data is for that model: its classes are used, and samples of other
            classes are listed as skipped. Defaults to None.

    Raises:
        DatasetError: The path does not exist, or is neither a folder nor a table (H106).
        UsageError: A column was named, but ``data`` is a folder without such a table (H046).
    """
    if not isinstance(data, str | os.PathLike):
        return dataset_of_table(data, target=target, image=image, group=group, task=task, known=known)
    path = Path(data)
    if path.is_dir():
        return _read_folder(path, target=target, image=image, group=group, task=task, known=known)
    if path.is_file() and path.suffix.lower() in _TABLES:
        return dataset_of_table(path, target=target, image=image, group=group, task=task, known=known)
    raise DatasetError(
        "H106",
        "no data found",
        received=f"{data}" + (" (a file)" if path.is_file() else " (does not exist)" if not path.exists() else ""),
        expected="a folder with one folder per class, or a CSV or Parquet file",
        advice="check the path, and unpack an archive first; `headstart demo` shows a working example",
    )


def _read_folder(
    folder: Path, *, target: str | None, image: str | None, group: str | None, task: str | None, known: Known | None
) -> Dataset:
    """Read a folder of class folders, or by its table, if a column was named or if the table lists images that exist.

    Without class folders, a table of features is read too.
    """
    table = table_in(folder)
    named = [name for name, value in (("target", target), ("image", image), ("group", group)) if value is not None]
    if named and table is None:
        raise UsageError(
            "H046",
            "a folder has no columns",
            received=f"{', '.join(f'--{name}' for name in named)} for {folder}, a folder without a table such as labels.csv",
            expected="a CSV or Parquet table, which may list images",
            advice="give the path of a table, or leave this out: the names of folders are the classes",
        )
    if table is None or not (named or lists_images(table)):
        try:
            return read_folder(folder, task=task, classes=None if known is None else known.classes)
        except DatasetError as error:
            if table is None or error.code != "H101":
                raise
    dataset = dataset_of_table(table, target=target, image=image, group=group, task=task, known=known)
    reason = f"read by the table {printable(table.name)}; {dataset.task_reason}"
    return replace(dataset, name=folder.resolve().name, task_reason=reason)


def _as_levels(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Convert images to uint8.

    Whether floats are in 0..1 or in 0..255 is decided once for all images; values slightly outside, from rounding or
    resampling, are clipped.

    Raises:
        DatasetError: Values are outside both ranges, or are not numbers (H111).
    """
    if images.dtype == np.uint8 or images.size == 0:
        return images
    is_float = images.dtype.kind == "f"
    low, high = (float(images.min()), float(images.max())) if images.dtype.kind in "fiub" else (np.nan, np.nan)
    scale = 255.0 if images.dtype.kind in "fb" and high <= 1.1 else 1.0
    slack = 0.1 * scale if is_float and scale > 1 else 8.0 if is_float else 0.0
    if not (low * scale >= -slack and high * scale <= 255 + slack):  # written so that NaN fails
        raise DatasetError(
            "H111",
            "pixel values out of range",
            received=f"{images.dtype} values from {low:g} to {high:g}",
            expected="floats in 0..1, or numbers in 0..255",
            advice="rescale them: images = (images - images.min()) / (images.max() - images.min())",
        )
    levels: np.ndarray[Any, Any] = np.clip(np.rint(images.astype(np.float32) * scale), 0, 255).astype(np.uint8)
    return levels


def unlabelled(images: Sequence[str] | np.ndarray[Any, Any], like: Dataset) -> Dataset:
    """Make a data set of images to predict, as paths or an array: it has the classes of ``like``, and all labels are 0."""
    arrays = _as_levels(images) if isinstance(images, np.ndarray) else None
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
        paths=tuple(str(number) for number in table.row_numbers()),
        labels=np.zeros(len(table), np.int64),
        digests=tuple(row_digests(table)),
        split=("",) * len(table),
        skipped=tuple(skipped),
        table=table,
    )
