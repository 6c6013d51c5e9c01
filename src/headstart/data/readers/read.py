"""Data: whatever holds labelled images, or rows of features, to a Dataset. Nothing found is lost: used or listed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.folder import read_folder
from headstart.data.readers.table import Known, cells_of, dataset_of_table, row_digests
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError, UsageError
from headstart.foundation.fingerprint import array_digest, bytes_digest, file_digests

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
    """Read whatever ``data`` names: a folder of class folders, or a table of image paths or of features; or a table itself.

    With ``known``, classes are those of a model, and samples of any other are listed as skipped.

    Raises:
        DatasetError: There is nothing there, or it is neither (H106).
        UsageError: A column of a folder is asked for (H046).
    """
    if not isinstance(data, str | os.PathLike):
        return dataset_of_table(data, target=target, image=image, group=group, task=task, known=known)
    path = Path(data)
    if path.is_dir():
        if said := [name for name, value in (("target", target), ("image", image), ("group", group)) if value is not None]:
            raise UsageError(
                "H046",
                "a folder has no columns",
                received=f"{', '.join(f'--{name}' for name in said)} for {data}, a folder",
                expected="a CSV or Parquet table, which may list images",
                advice="name the table, or leave this out: the names of folders are the classes",
            )
        return read_folder(path, task=task, classes=None if known is None else known.classes)
    if path.is_file() and path.suffix.lower() in _TABLES:
        return dataset_of_table(path, target=target, image=image, group=group, task=task, known=known)
    raise DatasetError(
        "H106",
        "there is no data here",
        received=f"{data}" + (" (a file)" if path.is_file() else " (nothing there)" if not path.exists() else ""),
        expected="a folder with one folder per class, or a CSV or Parquet file",
        advice="check the path, and unpack an archive first; `headstart demo` shows a working example",
    )


def _as_levels(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Images as uint8. Whether floats mean 0..1 or 0..255 is decided once for all of them; rounding may overshoot a little.

    Raises:
        DatasetError: Values outside both ranges, or not numbers (H111).
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
            "the images are out of range",
            received=f"{images.dtype} values from {low:g} to {high:g}",
            expected="floats of 0..1, or numbers of 0..255",
            advice="scale them back: images = (images - images.min()) / (images.max() - images.min())",
        )
    levels: np.ndarray[Any, Any] = np.clip(np.rint(images.astype(np.float32) * scale), 0, 255).astype(np.uint8)
    return levels


def unlabelled(images: Sequence[str] | np.ndarray[Any, Any], like: Dataset) -> Dataset:
    """Samples to predict, files or arrays, as a data set without true labels and with the classes of ``like``."""
    arrays = _as_levels(images) if isinstance(images, np.ndarray) else None
    digests = [array_digest(a) for a in arrays] if arrays is not None else file_digests([str(p) for p in images])
    return Dataset(
        name="unlabelled",
        task=like.task,
        task_reason=like.task_reason,
        classes=like.classes,
        paths=tuple(str(path) if arrays is None else f"[{i}]" for i, path in enumerate(images)),
        labels=np.zeros(len(images), np.int64),
        # A file that cannot be read has no content; its name stands in, and the decoder tells the reason.
        digests=tuple(
            d if isinstance(d, str) else bytes_digest(os.fsencode(path)) for d, path in zip(digests, images, strict=True)
        ),
        split=("",) * len(images),
        arrays=arrays,
    )


def unlabelled_rows(rows: Any, like: Dataset, known: Known) -> Dataset:
    """Rows of a table to predict, as a data set without true labels and with the classes of ``like``.

    Args:
        rows: The path of a table, a data frame, or an array ``(n, columns)``.
        like: What the model was fitted on.
        known: What it knows of its data.

    Raises:
        DatasetError: The file cannot be read (H107).
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
