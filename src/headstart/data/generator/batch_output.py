"""Last step of a batch: conversion of decoded pixels and labels to the input of a network and its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

__all__ = ["LABELS", "BatchOutput", "make_targets", "to_grey"]

_LUMA = np.array([19595, 38470, 7471])  # 0.299, 0.587 and 0.114 of 65536

LABELS: Mapping[str, str] = {
    "integer": "label numbers, int32, (n,): for sparse_categorical_crossentropy",
    "one_hot": "float32, (n, classes): for categorical_crossentropy",
    "binary": "0 and 1, float32, (n,): for binary_crossentropy",
    "images": "the images themselves: for an autoencoder",
}


class BatchOutput(NamedTuple):
    """Conversion of a batch's pixels to float32 images.

    Attributes:
        rescale: Factor of the pixels, such as 1/255. Defaults to None: unchanged.
        preprocessing_function: Function that takes and returns one image, float32 ``(size, size, channels)``; it is applied
            before ``rescale``. Defaults to None.
        channels: 3, or 1 for grey images. Defaults to 3.
    """

    rescale: float | None = None
    preprocessing_function: Callable[[Array], Array] | None = None
    channels: int = 3

    def apply(self, pixels: Array) -> Array:
        """Convert pixels ``(n, size, size, 3)`` of any number type to new float32 images ``(n, size, size, channels)``."""
        if self.channels == 1:
            pixels = to_grey(pixels)
        factor = np.float32(1 if self.rescale is None else self.rescale)
        if self.preprocessing_function is None:
            scaled: Array = np.multiply(pixels, factor, dtype=np.float32)
            return scaled
        images = np.array(pixels, np.float32)
        for i, image in enumerate(images):
            images[i] = self.preprocessing_function(image)
        images *= factor
        return images


def to_grey(pixels: Array) -> Array:
    """Luma of RGB pixels of any number type, ``(n, height, width, 1)``; uint8 pixels are converted exactly as by Pillow."""
    grey: Array
    if pixels.dtype == np.uint8:
        grey = (pixels.astype(np.int32) @ _LUMA + 0x8000 >> 16).astype(np.uint8)
    else:
        grey = pixels.astype(np.float32) @ (_LUMA / 65536).astype(np.float32)
    return grey[..., None]


def make_targets(dataset: Dataset, labels: str | Array | None) -> Array | None:
    """Targets of all samples; None if there are none, or if the images are the targets.

    Args:
        dataset: The samples. Labels that are not label numbers (multilabel and regression) are returned as float32.
        labels: A key of ``LABELS``, an array with a row for each sample, or None.

    Raises:
        UsageError: The labels do not fit the data set (H016).
    """
    if isinstance(labels, np.ndarray):
        if len(labels) != len(dataset) or labels.dtype.hasobject:
            raise _invalid(f"labels of {labels.dtype}, shape {labels.shape}, for {len(dataset)} samples")
        return labels
    if labels is None or labels == "images":
        return None
    if labels not in LABELS:
        raise _invalid(f"labels={labels!r}")
    numbers = dataset.labels
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        return np.asarray(numbers, np.float32)
    if labels == "one_hot":
        one_hot: Array = np.eye(dataset.num_classes, dtype=np.float32)[numbers]
        return one_hot
    if labels == "binary":
        if dataset.num_classes != 2:
            raise _invalid(f"labels='binary' for {dataset.num_classes} classes")
        return numbers.astype(np.float32)
    return numbers.astype(np.int32)


def _invalid(received: str) -> UsageError:
    return UsageError(
        "H016",
        "labels do not fit the data set",
        received=received,
        expected=f"{', '.join(LABELS)} ('binary' for two classes), None, or an array with a row for each sample",
        advice="use labels='integer' with the loss sparse_categorical_crossentropy, for any number of classes",
    )
