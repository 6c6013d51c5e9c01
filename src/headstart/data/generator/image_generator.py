"""``ImageGenerator``: image batches from disk for any Keras ``fit``, ``evaluate`` and ``predict``, on every backend.

Worker processes decode and augment the images; this process only assembles the batches.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.mixup import check_targets, mix
from headstart.data.augmentation.presets import find_augmentation
from headstart.data.dataset import Dataset
from headstart.data.generator.batch_generator import BatchGenerator, Targets, unfit
from headstart.data.generator.batch_order import Schedule
from headstart.data.generator.batch_output import LABELS, BatchOutput, make_targets
from headstart.data.generator.batch_sources import ArrayBatches, BatchSource, Copies, FileBatches
from headstart.data.images.decode_pool import DecodePool
from headstart.data.images.geometry import Geometry
from headstart.data.readers.read import read
from headstart.foundation.arguments import Rule, check, is_number, is_whole
from headstart.foundation.arrays import Array
from headstart.foundation.cache.cache_contents import prune_at_first_use
from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import UsageError
from headstart.foundation.machine import usable_cores

__all__ = ["ImageGenerator"]

_MIXING = 1  # separates the random numbers of mixing from those of the order


def _are_weights(values: object) -> bool:
    try:
        return np.asarray(values, np.float32).ndim > 0
    except (TypeError, ValueError):  # text, or rows of different lengths
        return False


_COUNT = Rule("a whole number of at least 1", lambda value: is_whole(value, 1))
_FROM_ZERO = Rule("a whole number of at least 0", lambda value: is_whole(value, 0))
_ARGUMENTS = {
    "dataset": Rule(
        "a Dataset, or the path of a folder of class folders or of a table",
        lambda value: isinstance(value, Dataset | str | os.PathLike),
        "for arrays, use ImageGenerator(headstart.read_arrays(images, labels))",
    ),
    "size": Rule(f"{_COUNT.expected}, or a Geometry", lambda value: isinstance(value, Geometry) or is_whole(value, 1)),
    "batch_size": _COUNT,
    "shuffle": Rule("True or False", lambda value: isinstance(value, int | np.bool_ | None)),
    "seed": _FROM_ZERO,
    "labels": Rule(
        f"one of {', '.join(LABELS)}, None, or an array with a row for each sample",
        lambda value: isinstance(value, str | None) or (isinstance(value, np.ndarray) and value.ndim > 0),
        "convert it to an array: labels=numpy.array(...)",
    ),
    "sample_weight": Rule("a number for each sample", lambda value: value is None or _are_weights(value)),
    "rescale": Rule("a number", lambda value: value is None or is_number(value), "for example rescale=1 / 255"),
    "preprocessing_function": Rule(
        "a function that takes and returns one image", lambda value: value is None or callable(value)
    ),
    "channels": Rule("1 or 3", lambda value: is_whole(value, 1) and value in (1, 3)),
    "workers": Rule(_COUNT.expected, lambda value: value is None or is_whole(value, 1)),
    "num_ahead": _FROM_ZERO,
    "cache": Rule("True, False, or the path of a folder", lambda value: isinstance(value, bool | str | os.PathLike)),
}


class ImageGenerator(BatchGenerator):
    """Generator of image batches for any Keras ``fit``, ``evaluate`` and ``predict``.

    Use it to train your own Keras model on images from disk. Images are decoded and augmented in worker processes while the
    model trains.

    A file that cannot be read is listed in ``skipped`` with the reason, and a warning names it. If samples are shuffled with
    their labels, it is replaced by the next readable sample of the batch. Without shuffling, or with ``labels=None``, its
    row is NaN, so that row i of ``predict`` belongs to ``filenames[i]``; ``evaluate`` leaves the row out.

    Args:
        dataset: A ``Dataset``, or the path of a folder of class folders or of a table of image paths.
        size: Side of the square images in pixels, or a ``Geometry``. Defaults to 224.
        batch_size: Samples per batch; the last batch of an epoch may have fewer. Defaults to 64.
        augmentation: A name in ``AUGMENTATIONS``, settings by name, or an ``Augmentation``; each image is augmented anew in
            each epoch. Defaults to None: no augmentation.
        split: ``train``, ``validation`` or ``test``. Defaults to None: ``train``, or all samples if there is no split.
        shuffle: Whether the order changes in every epoch. Defaults to None: True for ``train`` and if there is no split.
        seed: Seed of order and augmentation, which also depend on the epoch. Defaults to 0.
        labels: A key of ``batch_output.LABELS``, an array with a row for each sample of the data set, or None for images
            only. Defaults to ``integer``.
        sample_weight: Weight of each sample of the data set; batches are then triples. Defaults to None.
        rescale: Factor of the pixels. Defaults to None: float32 values of 0 to 255.
        preprocessing_function: Function that takes and returns one image, float32 ``(size, size, channels)``; it is applied
            before ``rescale``. Defaults to None.
        channels: 3, or 1 for grey images. Defaults to 3.
        workers: Number of decoding processes. Defaults to None: one per usable core.
        num_ahead: Number of batches that are decoded before they are requested. Defaults to 2.
        cache: Whether to keep decoded images on disk (3 x size x size bytes each), so that later epochs and runs decode
            nothing; augmentation then starts from the cached squares. True uses Headstart's cache; a path names another
            folder. Defaults to False.

    Attributes:
        skipped: Files that were left out, replaced, or returned as NaN, with the reason.
        classes: Label number of each sample, in the order of ``filenames``.
        class_indices: Label number of each class.
        filenames: Path of each sample, relative to the folder that contains all of them.
        filepaths: Path of each sample.

    Raises:
        UsageError: An argument is invalid (H010 to H018), or, when batches are requested, no image can be read (H014).

    Example::

        train = ImageGenerator("photos", 224, augmentation="light", labels="one_hot")
        model.fit(train, epochs=10)
    """

    def __init__(  # noqa: PLR0913  each is one decision about a batch
        self,
        dataset: Dataset | str | os.PathLike[str],
        size: int | Geometry = 224,
        batch_size: int = 64,
        augmentation: str | Augmentation | Mapping[str, Any] | None = None,
        *,
        split: str | None = None,
        shuffle: bool | None = None,
        seed: int = 0,
        labels: str | Array | None = "integer",
        sample_weight: Array | None = None,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Array] | None = None,
        channels: int = 3,
        workers: int | None = None,
        num_ahead: int = 2,
        cache: bool | str | os.PathLike[str] = False,
    ) -> None:
        check(locals(), _ARGUMENTS, unfit)
        whole = dataset if isinstance(dataset, Dataset) else read(dataset)
        chosen = _chosen(whole, split)
        self.dataset = whole.take(chosen)
        self.geometry = size if isinstance(size, Geometry) else Geometry(size)
        self.augmentation = find_augmentation(augmentation)
        is_shuffled = bool((split or "train") == "train" if shuffle is None else shuffle)
        schedule = Schedule(len(chosen), batch_size, is_shuffled, int(seed))
        values = make_targets(whole, labels)
        weights = None if sample_weight is None else make_targets(whole, np.asarray(sample_weight, np.float32))
        targets = Targets(
            None if values is None else values[chosen],
            None if weights is None else weights[chosen],
            are_images=isinstance(labels, str) and labels == "images",
        )
        self._mixes = self.augmentation is not None and self.augmentation.mixes
        if self._mixes:
            check_targets(np.zeros(0, int) if targets.values is None else targets.values)  # type: ignore[arg-type]
        source = self._open(schedule, workers or usable_cores(), num_ahead, cache)
        finish = BatchOutput(rescale, preprocessing_function, channels)
        super().__init__(source, schedule, finish.apply, self.dataset.paths, targets)
        self.skipped += whole.skipped
        self._name_samples(channels)

    def _mixed(self, pixels: Array, targets: Any, epoch: int, index: int) -> tuple[Array, Any]:
        if not self._mixes or self.augmentation is None or targets is None:
            return pixels, targets
        random = np.random.default_rng([self.seed, epoch, index, _MIXING])
        return mix(pixels.astype(np.float32), targets, self.augmentation, random)

    def _open(self, schedule: Schedule, workers: int, num_ahead: int, cache: bool | str | os.PathLike[str]) -> BatchSource:
        if self.dataset.arrays is not None:
            return ArrayBatches(self.dataset, schedule, self.geometry, self.augmentation, workers)
        folder = _squares_folder() if cache is True else None if cache is False else Path(cache)
        pool = DecodePool(self.geometry, workers, augmentation=self.augmentation, seed=schedule.seed, squares=folder)
        copies = Copies(self.dataset.paths)
        has_views = self.augmentation is not None and self.augmentation.changes_images
        number_view = (lambda epoch, _, sample: copies.view(sample, epoch)) if has_views else None
        return FileBatches(self.dataset, schedule, pool, number_view, num_ahead)

    def _name_samples(self, channels: int) -> None:
        """Set the attributes that programs for Keras's ``ImageDataGenerator`` read."""
        self.filepaths = list(self.dataset.files)
        folders = {os.path.dirname(path) for path in self.filepaths} if self.dataset.arrays is None else set()  # noqa: PTH120
        root = os.path.commonpath(folders) if len(folders) > 1 else os.path.dirname(next(iter(folders), ""))  # noqa: PTH120
        self.filenames = [os.path.relpath(path, root or ".") for path in self.filepaths] if folders else self.filepaths
        self.num_classes = self.dataset.num_classes
        self.class_indices = {name: number for number, name in enumerate(self.dataset.classes)}
        self.classes = self.labels = self.dataset.labels
        self.image_shape = (self.geometry.size, self.geometry.size, channels)


def _squares_folder() -> Path:
    """Folder of squares in the cache, which is pruned to its size limit before it is first used."""
    folder = private_folder("squares")
    prune_at_first_use(folder.parent)
    return folder


def _chosen(dataset: Dataset, split: str | None) -> Array:
    """Positions of the samples of a split; if none is named, those of ``train``, or all if there is no split."""
    chosen = dataset.indices(split or "train") if split or any(dataset.split) else np.arange(len(dataset))
    if len(chosen) == 0:
        raise UsageError(
            "H015",
            "no samples in this split",
            received=f"split={split!r}; the data set has {', '.join(sorted(set(dataset.split) - {''})) or 'no splits'}",
            expected="a split that has samples: train, validation or test",
            advice="sort the images into photos/train/<class> and photos/validation/<class>, or leave split out",
        )
    return chosen
