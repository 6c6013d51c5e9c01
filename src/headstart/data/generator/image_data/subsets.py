"""Training and validation subsets of ``ImageDataGenerator``."""

from __future__ import annotations

import numpy as np

from headstart.data.generator.image_data.arguments import rejected
from headstart.data.generator.image_data.sources import Numbers, Source
from headstart.foundation.arrays import Array
from headstart.foundation.fingerprint import array_digest

__all__ = ["with_subset"]


def with_subset(
    source: Source,
    share: float,
    subset: str | None,
    images: Array | None = None,
) -> tuple[Source, list[int]]:
    """Samples of a subset, and their positions: the same as Keras's, except that copies of an image stay in one subset.

    Keras's validation subset is the first share of each class folder, or of a data frame or array as a whole. If the latter
    would leave a class in one subset only, it is the first share of each class. Without targets, copies are not moved, so
    that rows stay paired with those of other generators.

    Args:
        source: All samples.
        share: Share of the samples in the validation subset.
        subset: ``training``, ``validation``, or None for all samples.
        images: The images, if they are in memory. Defaults to None.

    Raises:
        UsageError: The subset is empty, or there is no validation share (H017).
    """
    num_samples = len(source.samples.filepaths)
    if subset is None:
        return source, list(range(num_samples))
    if not share:
        received = f"{subset!r} with validation_split={share:g}"
        advice = "ImageDataGenerator(validation_split=0.2) for both generators"
        raise rejected("subset", received, "a validation_split above 0", advice)
    is_validation = _first_share(source.samples.numbers, num_samples, share, source.samples.are_in_folders)
    if source.targets.values is not None:
        digests = source.samples.digests if images is None else [array_digest(image) for image in images]
        there = {digests[i] for i in np.flatnonzero(is_validation).tolist()}
        is_validation = np.array([digest in there for digest in digests], bool)
    rows = np.flatnonzero(is_validation == (subset == "validation")).tolist()
    if not rows:
        received = f"{subset!r} of {num_samples} samples with validation_split={share:g}"
        raise rejected("subset", received, "a subset that has samples", "another validation_split, or more samples")
    return source.take(rows), rows


def _first_share(numbers: Numbers, num_samples: int, share: float, is_by_class: bool) -> Array:
    is_first = np.arange(num_samples) < int(share * num_samples)
    if not isinstance(numbers, np.ndarray):
        return is_first
    if not is_by_class and set(numbers[is_first].tolist()) == set(numbers[~is_first].tolist()):
        return is_first
    is_first[:] = False
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        is_first[rows[: int(share * len(rows))]] = True
    return is_first
