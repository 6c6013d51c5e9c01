"""Data: whatever holds labelled images, or rows of features, to a Dataset. Nothing found is lost: used or listed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.dataset import SPLITS, Dataset
from headstart.data.readers.folder import read_folder
from headstart.data.readers.table import Known, cells_of, dataset_of_table, read_table, row_digests
from headstart.data.readers.targets import Target, find_target
from headstart.data.skipped import Skipped
from headstart.data.tables.preprocess import as_numbers
from headstart.data.tables.table import Table
from headstart.data.tasks import infer_task, integer_labels
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError, UsageError
from headstart.foundation.fingerprint import array_digest, bytes_digest, file_digests

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Known", "read", "read_arrays", "read_folder", "read_table", "unlabelled", "unlabelled_rows"]

_NUMBERS = ("integer", "floating", "mixed-integer-float")
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
        labels: Classes: whole numbers or strings ``(n,)``, or one-hot ``(n, classes)``. Labels of a multilabel task: other
            0 and 1, ``(n, labels)``. Values of a regression: other numbers, ``(n,)`` or ``(n, targets)``. Samples of which
            one is missing are listed as skipped.
        classes: Names of the classes in the order of the label numbers; names of the labels or the targets.
        split: ``train``, ``validation``, ``test`` or ``""`` for each sample; made later if None.
        task: A key of ``TASKS`` to overrule what the labels say.

    Raises:
        DatasetError: Shapes do not fit one another (H109), labels are not labels (H103), are all alike (H101) or not those
            of the task (H102).

    Example:
        >>> images = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
        >>> dataset = read_arrays(images, [[1, 0], [1, 1], [0, 0], [0, 1]], classes=["sea", "sun"])
        >>> dataset.task, dataset.label_texts()
        ('multilabel', ['sea', 'sea;sun', '', 'sun'])
    """
    images = _as_levels(np.asarray(images))
    labels = _plain(np.asarray(labels))
    splits = ("",) * labels.size if split is None else tuple(split)
    if (
        images.ndim not in (3, 4)
        or labels.shape[:1] != images.shape[:1]
        or (split is not None and len(splits) != len(images))
        or not set(splits) <= {*SPLITS, ""}
    ):
        told = "" if split is None else f", {len(splits)} splits of {', '.join(sorted(set(splits)))}"
        raise _unfit(f"images of shape {images.shape}, labels of shape {labels.shape}{told}")
    found = (_amounts if _are_amounts(labels, task) else _classes)(labels, classes, task)
    missed = np.setdiff1d(np.arange(len(labels)), found.kept)
    return Dataset(
        name="arrays",
        task=found.task,
        task_reason=found.reason,
        classes=found.classes,
        paths=tuple(f"[{i}]" for i in found.kept),
        labels=found.labels,
        digests=tuple(array_digest(images[i]) for i in found.kept),
        split=tuple(splits[i] for i in found.kept),
        skipped=tuple(Skipped(f"[{i}]", row.reason) for i, row in zip(missed, found.skipped, strict=True)),
        arrays=images[found.kept] if len(missed) else images,
    )


def _plain(labels: Array) -> Array:
    """Labels without an axis of one; numbers among objects, with gaps say, as floats."""
    from pandas.api.types import infer_dtype

    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.dtype.kind == "O" and infer_dtype(labels.ravel(), skipna=True) in _NUMBERS:
        values = as_numbers(labels.ravel()).reshape(labels.shape)
        return labels if (np.abs(values) >= 2**53).any() else values
    return labels


def _are_amounts(labels: Array, task: str | None) -> bool:
    """Whether the columns of an array are labels of a multilabel task or values of a regression, and no classes."""
    if labels.dtype.kind not in "biuf" or labels.ndim not in (1, 2) or task in ("binary", "multiclass"):
        return False
    if task in ("multilabel", "regression"):
        return True
    there = labels[np.isfinite(labels.reshape(len(labels), -1)).all(axis=1)]
    if labels.ndim == 1:
        return bool((there != np.rint(there)).any())
    return not (np.isin(there, (0, 1)).all() and (there.sum(axis=1) == 1).all())


def _amounts(labels: Array, names: Sequence[str] | None, task: str | None) -> Target:
    """Labels and values, each a column of the array."""
    columns = tuple(labels.reshape(len(labels), -1).astype(np.float64).T)
    _check_names(names, len(columns), "columns")
    names = names or ([str(i) for i in range(len(columns))] if len(columns) > 1 else ["target"])
    return find_target(Table(tuple(names), columns), names, task=task)


def _classes(labels: Array, classes: Sequence[str] | None, task: str | None) -> Target:
    """Classes by number, by name or one-hot."""
    import pandas as pd

    is_there = np.isfinite(labels) if labels.dtype.kind == "f" else ~pd.isna(labels)
    kept = np.flatnonzero(is_there.reshape(len(labels), -1).all(axis=1))
    there = labels[kept]
    is_whole = there.ndim == 1 and there.dtype.kind == "f" and bool((there == np.rint(there)).all())
    numbers, names = integer_labels(there.astype(np.int64) if is_whole else there)
    if classes is not None and there.dtype.kind in "SUO" and set(names) <= set(classes):  # text names its class itself
        numbers = np.array([list(classes).index(name) for name in names], np.int64)[numbers]
        names = tuple(classes)
    _check_names(classes, len(names), "classes")
    chosen, reason = infer_task(classes or names, task)
    skipped = [Skipped(f"[{i}]", "it has no label") for i in np.setdiff1d(np.arange(len(labels)), kept)]
    return Target((), chosen, reason, tuple(classes or names), numbers, kept, skipped)


def _check_names(names: Sequence[str] | None, number: int, what: str) -> None:
    if names is not None and not len(set(names)) == len(names) == number:
        raise _unfit(f"labels of {number} {what}, and {len(names)} names: {', '.join(names[:5])}")


def _unfit(received: str) -> DatasetError:
    return DatasetError(
        "H109",
        "images and labels do not fit together",
        received=received,
        expected=f"images (n, height, width[, channels]), n labels, a name a class, splits of {', '.join(SPLITS)}",
        advice="check the first axis of each",
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
