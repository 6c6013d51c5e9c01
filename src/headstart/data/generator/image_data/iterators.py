"""Iterators returned by the ``flow`` methods of ``ImageDataGenerator``, with the attributes of Keras's iterators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from headstart.data.augmentation.transforms import Ranges, random_parameters, transform_array, view_random
from headstart.data.generator.batch_generator import BatchGenerator
from headstart.data.generator.batch_order import Schedule
from headstart.data.generator.batch_sources import Batch, BatchSource
from headstart.data.generator.image_data.sources import Source
from headstart.data.images.decode_queue import Decoded
from headstart.foundation.arrays import Array

__all__ = ["ArrayViews", "Asked", "Flow", "Saving"]


class Saving(NamedTuple):
    """Where the images of batches are saved: Keras's ``save_to_dir``, ``save_prefix`` and ``save_format``."""

    folder: Path
    prefix: str
    format: str


class Asked(NamedTuple):
    """Arguments that all ``flow`` methods share.

    Attributes:
        batch_size: Samples per batch.
        shuffle: Whether the order changes in every epoch.
        seed: Seed of order and views; None means 0.
        subset: ``training``, ``validation`` or None.
        save_to: Folder (None: images are not saved), prefix and format of saved images.
    """

    batch_size: int
    shuffle: bool
    seed: int | None
    subset: str | None
    save_to: tuple[str | None, str, str]

    def schedule(self, num_samples: int) -> Schedule:
        """Order of the samples."""
        return Schedule(num_samples, self.batch_size, bool(self.shuffle), self.seed or 0)

    @property
    def saving(self) -> Saving | None:
        """Where images are saved, or None."""
        folder, prefix, kind = self.save_to
        return None if folder is None else Saving(Path(folder), prefix, kind)


class Flow(BatchGenerator):
    """Iterator over batches: endless with ``for`` and ``next``, one epoch at a time in Keras's methods.

    The ``flow`` methods of ``ImageDataGenerator`` return it. A file that cannot be read is listed in ``skipped``, with a
    warning. With ``shuffle=False``, or without labels, its row is NaN, so that row i of ``predict`` always belongs to
    ``filenames[i]``; ``evaluate`` leaves the row out.

    Attributes:
        filenames: Path of each sample relative to the directory, or as in the data frame.
        filepaths: Path of each sample.
        classes: Label number of each sample (a list if it has several labels), in the order of ``filenames``.
        class_indices: Label number of each class.
        labels: Equal to ``classes``, or to the targets for ``raw`` and ``multi_output``.
        samples, n: Number of samples.
        num_classes: Number of classes.
        image_shape: Shape of one image.
        skipped: Files that were left out or returned as NaN, with the reason.
    """

    def __init__(
        self,
        source: Source,
        batches: BatchSource,
        schedule: Schedule,
        finish: Callable[[Array], Array],
        image_shape: tuple[int, ...],
        saving: Saving | None,
    ) -> None:
        samples, targets = source
        super().__init__(batches, schedule, finish, samples.filepaths, targets)
        self.filenames, self.filepaths = list(samples.filenames), list(samples.filepaths)
        self.classes, self.class_indices = samples.numbers, samples.class_indices
        self.labels = samples.numbers if targets.values is None or len(samples.class_indices) else targets.values
        self.num_classes = len(samples.class_indices)
        self.sample_weight = targets.weights
        self.image_shape = image_shape
        self.skipped += samples.skipped
        self.total_batches_seen = 0
        self._saving, self._is_channels_first = saving, len(image_shape) == 3 and image_shape[0] in (1, 3)

    def __iter__(self) -> Iterator[Any]:
        return self

    @property
    def index_array(self) -> Array:
        """Sample numbers in the order of the current epoch."""
        return self._schedule.order(self.epoch)

    @property
    def batch_index(self) -> int:
        """Number of the batch that ``next`` returns."""
        return self._passes.cursor

    def _batch(self, epoch: int, index: int, verb: str = "") -> Any:
        batch = super()._batch(epoch, index, verb)
        self.total_batches_seen += 1
        if self._saving is not None:
            first = index * self.batch_size
            images = batch[0] if isinstance(batch, tuple) else batch
            for place, image in enumerate(images):
                self._save(image, self._saving, epoch * self.n + first + place)
        return batch

    def _save(self, image: Array, saving: Saving, number: int) -> None:
        """Save an image with its values stretched to 0 to 255, as Keras's class does; existing files are not replaced."""
        if np.isnan(image).any():
            return
        image = np.moveaxis(image, 0, 2) if self._is_channels_first else image
        levels = image - image.min()
        levels = (levels * (255 / (levels.max() or 1.0))).astype(np.uint8)
        picture = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
        stem, copy = f"{saving.prefix}_{number}", 0
        while True:
            path = saving.folder / f"{stem}{f'_{copy}' if copy else ''}.{saving.format}"
            try:
                with path.open("xb") as file:
                    picture.save(file, Image.registered_extensions()[f".{saving.format}"])
                return
            except FileExistsError:
                copy += 1


class ArrayViews:
    """Source of batches from images in memory, in their own value range and shape.

    Args:
        images: ``(n, height, width, channels)``.
        schedule: Order of the images.
        ranges: Ranges of the random transformations.
        order: 1 for bilinear sampling, 0 for nearest.
        workers: Number of threads.
    """

    def __init__(self, images: Array, schedule: Schedule, ranges: Ranges, order: int, workers: int) -> None:
        self.hopeless: set[int] = set()
        self._images, self._schedule, self._ranges = images, schedule, ranges
        self._order, self._workers = order, workers
        self._top = 1.0 if images.size and float(images.max()) <= 1 else 255.0

    def get(self, epoch: int, index: int) -> Batch:
        """Return a batch of an epoch."""
        first = index * self._schedule.batch_size
        samples = self._schedule.order(epoch)[first : first + self._schedule.batch_size]
        failures: dict[int, Decoded] = {}
        if not self._ranges.changes_images:
            return Batch(np.asarray(self._images[samples], np.float32), samples, failures)
        start = epoch * self._schedule.num_samples + first + 1
        with ThreadPoolExecutor(self._workers) as threads:
            views = [*threads.map(self._view, samples.tolist(), range(start, start + len(samples)))]
        return Batch(np.stack(views), samples, failures)

    def close(self) -> None:
        """Do nothing: no thread is left between batches."""

    def _view(self, sample: int, view: int) -> Array:
        image = self._images[sample]
        parameters = random_parameters(self._ranges, image.shape, view_random(self._schedule.seed, view))
        return transform_array(image, self._ranges, parameters, self._order, self._top)
