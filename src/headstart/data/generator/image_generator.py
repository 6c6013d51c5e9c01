"""Data: a generator of batches, straight from disk, for any Keras ``fit``, ``evaluate`` and ``predict``, on every backend.

Worker processes decode and augment; this process only puts batches together.
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

_MIXING = 1  # tells the randomness of mixing from that of the orders


def _are_weights(values: object) -> bool:
    try:
        return np.asarray(values, np.float32).ndim > 0
    except (TypeError, ValueError):  # texts, or rows of different lengths
        return False


_COUNT = Rule("a whole number of at least 1", lambda value: is_whole(value, 1))
_FROM_ZERO = Rule("a whole number of at least 0", lambda value: is_whole(value, 0))
_ARGUMENTS = {
    "dataset": Rule(
        "a Dataset, or the path of a folder of class folders or of a table",
        lambda value: isinstance(value, Dataset | str | os.PathLike),
        "wrap arrays: ImageGenerator(headstart.read_arrays(images, labels))",
    ),
    "size": Rule(f"{_COUNT.expected}, or a Geometry", lambda value: isinstance(value, Geometry) or is_whole(value, 1)),
    "batch_size": _COUNT,
    "shuffle": Rule("True or False", lambda value: isinstance(value, int | np.bool_ | None)),
    "seed": _FROM_ZERO,
    "labels": Rule(
        f"one of {', '.join(LABELS)}, None, or an array with a row for each sample",
        lambda value: isinstance(value, str | None) or (isinstance(value, np.ndarray) and value.ndim > 0),
        "make an array of it: labels=numpy.array(...)",
    ),
    "sample_weight": Rule("a number for each sample", lambda value: value is None or _are_weights(value)),
    "rescale": Rule("a number", lambda value: value is None or is_number(value), "for example rescale=1 / 255"),
    "preprocessing_function": Rule(
        "a function that takes and gives one image", lambda value: value is None or callable(value)
    ),
    "channels": Rule("1 or 3", lambda value: is_whole(value, 1) and value in (1, 3)),
    "workers": Rule(_COUNT.expected, lambda value: value is None or is_whole(value, 1)),
    "num_ahead": _FROM_ZERO,
    "cache": Rule("True, False, or the path of a folder", lambda value: isinstance(value, bool | str | os.PathLike)),
}


class ImageGenerator(BatchGenerator):
    """Batches of images and targets.

    A file that cannot be read is listed in ``skipped`` with the reason, and a warning names it. While samples are shuffled
    with their labels, its place is taken by the next good sample of the batch. Without shuffling, or with ``labels=None``,
    its row is NaN, so that row i of ``predict`` belongs to ``filenames[i]``, and ``evaluate`` leaves the row out.

    Args:
        dataset: A Dataset, or what ``read`` takes: a folder of class folders, or a table of image paths.
        size: Side of the squares in pixels, or a Geometry.
        batch_size: Samples a batch; the last of an epoch may have fewer.
        augmentation: A name in ``AUGMENTATIONS``, settings, or an Augmentation: fresh for each image in each epoch.
        split: ``train``, ``validation`` or ``test``. Left out: ``train``, or everything where nothing was split.
        shuffle: Another order in every epoch. Left out: for ``train``, and for what was not split.
        seed: Decides orders and augmentation, with the epoch.
        labels: A key of ``finish.LABELS``, None for images alone, or an array with a row for each sample of the dataset.
        sample_weight: A weight for each sample of the dataset: batches are then triples.
        rescale: A factor for the pixels, which are float32 of 0 to 255 without it.
        preprocessing_function: Takes one image, float32 ``(size, size, channels)``, and gives one; before ``rescale``.
        channels: 3, or 1 for grey.
        workers: Decoding processes; one a usable core if left out.
        num_ahead: Batches that may be decoded before they are asked for.
        cache: Keep decoded squares on disk, 3 x size x size bytes each: a later epoch or run then decodes nothing, and
            augmentation starts from the squares. True is a folder in Headstart's cache; or name one.

    Attributes:
        skipped: Every file that was left out, replaced or answered with NaN, with the reason.
        classes: Label number of each sample, in the order of ``filenames``.
        class_indices: Label number of each class.
        filenames: Path of each sample below the folder that holds them all.
        filepaths: Path of each sample.

    Raises:
        UsageError: An argument cannot be used (H010 to H018); when batches are asked for, no image can be read (H014).

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
        """The names that programs for Keras's retired generators ask for."""
        self.filepaths = list(self.dataset.paths)
        folders = {os.path.dirname(path) for path in self.filepaths} if self.dataset.arrays is None else set()  # noqa: PTH120
        root = os.path.commonpath(folders) if len(folders) > 1 else os.path.dirname(next(iter(folders), ""))  # noqa: PTH120
        self.filenames = [os.path.relpath(path, root or ".") for path in self.filepaths] if folders else self.filepaths
        self.num_classes = self.dataset.num_classes
        self.class_indices = {name: number for number, name in enumerate(self.dataset.classes)}
        self.classes = self.labels = self.dataset.labels
        self.image_shape = (self.geometry.size, self.geometry.size, channels)


def _squares_folder() -> Path:
    """Where squares are kept in the cache, which is pruned to its bound before it is first used."""
    folder = private_folder("squares")
    prune_at_first_use(folder.parent)
    return folder


def _chosen(dataset: Dataset, split: str | None) -> Array:
    """Positions of the samples of a split; of ``train``, or of all where there is no split, if none is named."""
    chosen = dataset.indices(split or "train") if split or any(dataset.split) else np.arange(len(dataset))
    if len(chosen) == 0:
        raise UsageError(
            "H015",
            "the data has no such split",
            received=f"split={split!r}; there are {', '.join(sorted(set(dataset.split) - {''})) or 'no splits'}",
            expected="a split that has samples: train, validation or test",
            advice="sort the images into photos/train/<class> and photos/validation/<class>, or leave split out",
        )
    return chosen
