"""Data: whatever holds labelled images, or rows of features, to a Dataset. Nothing found is lost: used or listed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.dataset import SPLITS, Dataset
from headstart.errors import DatasetError
from headstart.fingerprint import array_digest, bytes_digest, file_digests
from headstart.folders import read_folder
from headstart.frames import Known, cells_of, read_table, row_digests
from headstart.tasks import infer_task, integer_labels

__all__ = ["Known", "read", "read_arrays", "read_folder", "read_table", "unlabelled", "unlabelled_rows"]

_TABLES = {".csv", ".tsv", ".txt", ".data", ".parquet", ".pq"}


def read(
    data: str | os.PathLike[str],
    *,
    target: str | None = None,
    image: str | None = None,
    task: str | None = None,
    known: Known | None = None,
) -> Dataset:
    """Read whatever ``data`` names: a folder of class folders, or a table of image paths or of features.

    With ``known``, classes are those of a model, and samples of any other are listed as skipped.

    Raises:
        DatasetError: There is nothing there, or it is neither (H106).
    """
    path = Path(data)
    if path.is_dir():
        return read_folder(path, task=task, classes=None if known is None else known.classes)
    if path.is_file() and path.suffix.lower() in _TABLES:
        return read_table(path, target=target, image=image, task=task, known=known)
    raise DatasetError(
        "H106",
        "there is no data here",
        received=f"{data}" + (" (a file)" if path.is_file() else " (nothing there)" if not path.exists() else ""),
        expected="a folder with one folder per class, or a CSV or Parquet file",
        advice="check the path, and unpack an archive first; `headstart demo` shows a working example",
    )


def read_arrays(
    images: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any] | Sequence[object],
    *,
    classes: Sequence[str] | None = None,
    split: Sequence[str] | None = None,
    task: str | None = None,
) -> Dataset:
    """Wrap images in memory.

    Args:
        images: ``(n, height, width)`` or ``(n, height, width, channels)`` with 1, 3 or 4 channels; uint8, or float in
            0..1 or 0..255.
        labels: Integers or strings ``(n,)``, or one-hot ``(n, classes)``.
        classes: Names of the classes in the order of the label numbers.
        split: ``train``, ``validation``, ``test`` or ``""`` for each sample; made later if None.
        task: A key of ``TASKS`` to overrule what the labels say.

    Raises:
        DatasetError: Shapes do not fit one another (H109) or labels are not labels (H103).
    """
    images = _as_levels(np.asarray(images))
    labels = np.asarray(labels)
    numbers, names = integer_labels(labels)
    if classes is not None and labels.dtype.kind in "SUO" and set(names) <= set(classes):  # text names its class itself
        numbers = np.array([list(classes).index(name) for name in names], np.int64)[numbers]
        names = tuple(classes)
    splits = ("",) * len(numbers) if split is None else tuple(split)
    if (
        images.ndim not in (3, 4)
        or not len(images) == len(numbers) == len(splits)
        or (classes is not None and len(classes) != len(names))
        or not set(splits) <= {*SPLITS, ""}
    ):
        raise DatasetError(
            "H109",
            "images and labels do not fit together",
            received=f"images of shape {images.shape}, {len(numbers)} labels of {len(names)} classes"
            + (f", {len(classes)} class names" if classes is not None else "")
            + (f", {len(splits)} splits of {', '.join(sorted(set(splits)))}" if split is not None else ""),
            expected=f"images (n, height, width[, channels]), n labels, a name a class, splits of {', '.join(SPLITS)}",
            advice="check the first axis of each",
        )
    class_names = tuple(classes or names)
    inferred, reason = infer_task(class_names, task)
    return Dataset(
        name="arrays",
        task=inferred,
        task_reason=reason,
        classes=class_names,
        paths=tuple(f"[{i}]" for i in range(len(images))),
        labels=numbers,
        digests=tuple(array_digest(image) for image in images),
        split=splits,
        arrays=images,
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
