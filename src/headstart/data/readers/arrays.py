"""Reading of images in memory, with their labels, into a ``Dataset``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.data.dataset import SPLITS, Dataset
from headstart.data.readers.labels.targets import Target, find_target
from headstart.data.skipped import Skipped
from headstart.data.tables.preprocess import as_numbers
from headstart.data.tables.table import Table
from headstart.data.tasks import infer_task, integer_labels
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import array_digest

__all__ = ["as_levels", "read_arrays"]

_NUMBERS = ("integer", "floating", "mixed-integer-float")


def read_arrays(
    images: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any] | Sequence[object],
    *,
    classes: Sequence[str] | None = None,
    split: Sequence[str] | None = None,
    task: str | None = None,
) -> Dataset:
    """Make a data set of images in memory and their labels.

    The task is inferred from the labels: whole numbers, strings or one-hot rows are classes; other rows of 0 and 1 are the
    labels of a multilabel task; all other numbers are values of a regression. A sample with a missing label is listed as
    skipped.

    Args:
        images: ``(n, height, width)`` or ``(n, height, width, channels)`` with 1, 3 or 4 channels: uint8, or floats in
            0..1 or 0..255.
        labels: Classes ``(n,)`` or one-hot ``(n, classes)``; multilabel ``(n, labels)``; regression ``(n,)`` or
            ``(n, targets)``.
        classes: Names of the classes in the order of the label numbers, or names of the labels or targets. Defaults to
            None: the labels themselves, or their positions.
        split: ``train``, ``validation``, ``test`` or ``""`` (undecided) for each sample. Defaults to None: ``fit`` makes
            the split.
        task: A key of ``TASKS``. Defaults to None: inferred from the labels.

    Raises:
        DatasetError: Shapes do not match (H109), labels are of an unsupported type (H103), there are fewer than two
            different labels (H101), they do not fit ``task`` (H102), or pixel values are out of range (H111).

    Example:
        >>> images = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
        >>> dataset = read_arrays(images, [[1, 0], [1, 1], [0, 0], [0, 1]], classes=["sea", "sun"])
        >>> dataset.task, dataset.label_texts()
        ('multilabel', ['sea', 'sea;sun', '', 'sun'])
    """
    images = as_levels(np.asarray(images))
    labels = _plain(np.asarray(labels))
    splits = ("",) * labels.size if split is None else tuple(split)
    if (
        images.ndim not in (3, 4)
        or labels.shape[:1] != images.shape[:1]
        or (split is not None and len(splits) != len(images))
        or not set(splits) <= {*SPLITS, ""}
    ):
        given = "" if split is None else f", {len(splits)} splits of {', '.join(sorted(set(splits)))}"
        raise _unfit(f"images of shape {images.shape}, labels of shape {labels.shape}{given}")
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


def as_levels(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
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


def _plain(labels: Array) -> Array:
    """Drop an axis of length one, and convert objects that are numbers (with gaps, for example) to floats."""
    from pandas.api.types import infer_dtype

    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.dtype.kind == "O" and infer_dtype(labels.ravel(), skipna=True) in _NUMBERS:
        values = as_numbers(labels.ravel()).reshape(labels.shape)
        return labels if (np.abs(values) >= 2**53).any() else values
    return labels


def _are_amounts(labels: Array, task: str | None) -> bool:
    """Whether the columns of an array are multilabel labels or regression values rather than classes."""
    if labels.dtype.kind not in "biuf" or labels.ndim not in (1, 2) or task in ("binary", "multiclass"):
        return False
    if task in ("multilabel", "regression"):
        return True
    there = labels[np.isfinite(labels.reshape(len(labels), -1)).all(axis=1)]
    if labels.ndim == 1:
        return bool((there != np.rint(there)).any())
    return not (np.isin(there, (0, 1)).all() and (there.sum(axis=1) == 1).all())


def _amounts(labels: Array, names: Sequence[str] | None, task: str | None) -> Target:
    """Target of multilabel labels or regression values, each a column of the array."""
    columns = tuple(labels.reshape(len(labels), -1).astype(np.float64).T)
    _check_names(names, len(columns), "columns")
    names = names or ([str(i) for i in range(len(columns))] if len(columns) > 1 else ["target"])
    return find_target(Table(tuple(names), columns), names, task=task)


def _classes(labels: Array, classes: Sequence[str] | None, task: str | None) -> Target:
    """Target of classes, given as numbers, as names or one-hot."""
    import pandas as pd

    is_there = np.isfinite(labels) if labels.dtype.kind == "f" else ~pd.isna(labels)
    kept = np.flatnonzero(is_there.reshape(len(labels), -1).all(axis=1))
    there = labels[kept]
    is_whole = there.ndim == 1 and there.dtype.kind == "f" and bool((there == np.rint(there)).all())
    numbers, names = integer_labels(there.astype(np.int64) if is_whole else there)
    if classes is not None and there.dtype.kind in "SUO" and set(names) <= set(classes):  # labels are class names
        numbers = np.array([list(classes).index(name) for name in names], np.int64)[numbers]
        names = tuple(classes)
    _check_names(classes, len(names), "classes")
    chosen, reason = infer_task(classes or names, task)
    skipped = [Skipped(f"[{i}]", "no label") for i in np.setdiff1d(np.arange(len(labels)), kept)]
    return Target((), chosen, reason, tuple(classes or names), numbers, kept, skipped)


def _check_names(names: Sequence[str] | None, number: int, what: str) -> None:
    if names is not None and not len(set(names)) == len(names) == number:
        raise _unfit(f"labels of {number} {what}, but {len(names)} names: {', '.join(names[:5])}")


def _unfit(received: str) -> DatasetError:
    return DatasetError(
        "H109",
        "images and labels do not match",
        received=received,
        expected=f"images (n, height, width[, channels]), n labels, one name per class, splits of {', '.join(SPLITS)}",
        advice="check the length of the first axis of each array",
    )
