"""Arrays of images in ``.npz`` files, with their labels and splits."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.arrays import read_arrays
from headstart.data.readers.split_names import split_named
from headstart.data.tables.files.numpy_files import left_out, loaded
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["dataset_of_npz", "image_arrays"]

_IMAGES = {"x", "images", "image", "imgs", "img", "data", "features", "inputs", "pictures"}
_LABELS = {"y", "labels", "label", "targets", "target", "classes"}
_CHANNELS = (1, 3, 4)


def image_arrays(path: Path) -> Mapping[str, Array] | None:
    """Arrays of an ``.npz`` file by lower-case name, if one of them holds images; None for a table or a damaged file."""
    try:
        arrays = loaded(path.read_bytes(), str(path))
    except (OSError, ValueError):  # whoever reads it as a table reports it
        return None
    return arrays if isinstance(arrays, dict) and any(array.ndim in (3, 4) for array in arrays.values()) else None


def dataset_of_npz(path: Path, arrays: Mapping[str, Array], task: str | None = None) -> Dataset:
    """Build the data set of the images in an ``.npz`` file, such as x_train, y_train, x_test and y_test.

    Args:
        path: Path of the file.
        arrays: Its arrays, by lower-case name.
        task: A key of ``TASKS``. Defaults to None: inferred from the labels.

    Raises:
        DatasetError: There are no images with labels, or their shapes do not match (H134), or the labels or the pixel
            values are unsuitable (H101 to H103, H111).
    """
    parts: dict[str, dict[str, str]] = {}
    for name in arrays:
        if found := _role(name):
            split, role = found
            parts.setdefault(split, {}).setdefault(role, name)
    pairs = {split: (part["images"], part["labels"]) for split, part in parts.items() if len(part) == 2}
    if len(pairs) > 1:
        pairs.pop("", None)
    images = [_channels_last(arrays[name]) for name, _ in pairs.values()]
    labels = [_flat(arrays[name]) for _, name in pairs.values()]
    fits = all(x.ndim in (3, 4) and x.shape[1:] == images[0].shape[1:] for x in images)
    fits &= all(
        y.shape[1:] == labels[0].shape[1:] and y.shape[:1] == x.shape[:1] for x, y in zip(images, labels, strict=True)
    )
    if not pairs or not fits:
        raise DatasetError(
            "H134",
            "no images with labels in the arrays",
            received=f"{path}: {listed([f'{printable(name)} {array.shape}' for name, array in arrays.items()])}",
            expected="x_train and y_train, with or without x_test and y_test; or images and labels; all images of one size",
            advice="save both: numpy.savez('images.npz', images=images, labels=labels)"
            if not pairs
            else "resize the images to one size, and give each one label",
        )
    splits = [split for split, x in zip(pairs, images, strict=True) for _ in range(len(x))]
    dataset = read_arrays(np.concatenate(images), np.concatenate(labels), split=splits, task=task)
    note, skipped = left_out(arrays, _why_not(parts, [name for name in arrays if _role(name)], pairs))
    reason = "; ".join(filter(None, [f"images {images[0].shape[1:3]} of {printable(path.name)}", dataset.task_reason, note]))
    return replace(dataset, name=path.stem, task_reason=reason, skipped=(*dataset.skipped, *skipped))


def _why_not(parts: Mapping[str, Mapping[str, str]], names: Sequence[str], used: Collection[str]) -> dict[str, str]:
    """Why arrays of images or labels are not used, by name: they lack the other, or others are used instead."""
    reasons = dict.fromkeys(names, "the file has another array of this kind")
    for split, part in parts.items():
        for role, name in part.items():
            if split in used:
                del reasons[name]
            elif len(part) == 2:
                reasons[name] = "in none of the splits of the file"
            else:
                reasons[name] = f"the file has no {'labels' if role == 'images' else 'images'} for {printable(name)}"
    return reasons


def _role(name: str) -> tuple[str, str] | None:
    """Split of an array, and whether it holds images or labels, by its name, such as ``x_train`` or ``val_labels``."""
    if name in ("arr_0", "arr_1"):
        return "", "images" if name == "arr_0" else "labels"
    words = re.findall(r"[a-z]+", re.sub(r"^([xy])(?=[a-z])", r"\1_", name))
    for role, known in (("images", _IMAGES), ("labels", _LABELS)):
        others = [word for word in words if word not in known]
        split = split_named("_".join(others)) if others else ""
        if len(others) < len(words) and (split or not others):
            return split, role
    return None


def _flat(labels: Array) -> Array:
    """Labels ``(n, 1)`` as ``(n,)``."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _channels_last(images: Array) -> Array:
    is_first = images.ndim == 4 and images.shape[1] in _CHANNELS and images.shape[-1] not in _CHANNELS
    return np.moveaxis(images, 1, -1) if is_first else images
