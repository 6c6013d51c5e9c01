"""Data: a generator of batches, straight from disk, for any Keras ``fit``, ``evaluate`` and ``predict``, on every backend.

Worker processes decode and augment; this process only puts batches together. What a batch holds is a pure function of
``(seed, epoch, index)``. Keras's ``fit`` asks for the batches of an epoch in a shuffled order of its own, drawn from the
program's global randomness; inside its passes they come in the generator's order instead, so that a training can be
repeated and resumed, and the next batches are always under way.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from headstart.arguments import Rule, check, is_number, is_whole
from headstart.augmentation import Augmentation, check_targets, find_augmentation, mix
from headstart.cache_contents import prune_at_first_use
from headstart.cachefolder import private_folder
from headstart.dataset import Dataset, Skipped
from headstart.errors import UsageError
from headstart.finish import LABELS, Finish, make_targets
from headstart.images import DecodePool, Geometry, usable_cores
from headstart.passes import Passes
from headstart.readers import read
from headstart.stream import ArrayBatches, Batch, BatchSource, FileBatches, Schedule

__all__ = ["ImageGenerator"]

Array = np.ndarray[Any, Any]

_TRIES = 2  # for a file that failed for a reason that may pass
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
    "epoch": _FROM_ZERO,
}


class ImageGenerator(keras.utils.PyDataset):
    """Batches of images and targets.

    A file that turns out bad is listed in ``skipped`` with the reason, and its place is taken by the next good sample of the
    same batch, so that no shape changes; where a whole batch is bad, by those of the batch after it. A file whose content is
    to blame is not tried again, any other once more.

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
        skipped: Every file that was left out or replaced, with the reason.
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
        _check(locals())
        super().__init__()
        whole = dataset if isinstance(dataset, Dataset) else read(dataset)
        chosen = _chosen(whole, split)
        self.dataset = whole.take(chosen)
        self.geometry = size if isinstance(size, Geometry) else Geometry(size)
        self.batch_size, self.seed = batch_size, int(seed)
        self.shuffle = (split or "train") == "train" if shuffle is None else shuffle
        self.augmentation = find_augmentation(augmentation)
        self.skipped = [*whole.skipped]
        targets = make_targets(whole, labels)
        weights = None if sample_weight is None else make_targets(whole, np.asarray(sample_weight, np.float32))
        self._targets = None if targets is None else targets[chosen]
        self._weights = None if weights is None else weights[chosen]
        self._echoes = isinstance(labels, str) and labels == "images"
        self._mixes = self.augmentation is not None and self.augmentation.mixes
        if self._mixes:
            check_targets(np.zeros(0, int) if self._targets is None else self._targets)
        self._finish = Finish(rescale, preprocessing_function, channels)
        self._schedule = Schedule(len(chosen), batch_size, self.shuffle, self.seed)
        self._source = self._open(workers or usable_cores(), num_ahead, cache)
        self._lock = threading.RLock()
        self._process_id = os.getpid()
        self._failures: defaultdict[int, set[int]] = defaultdict(set)
        self._passes = Passes(self._schedule.num_batches)
        weakref.finalize(self, self._source.close)
        self._name_samples()

    def __enter__(self) -> ImageGenerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._schedule.num_batches

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        # Keras's threads, where there are several, wait for the batch of their own number.
        return self._batch(*self._passes.asked(index % len(self), is_ordered=self.workers <= 1))

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch
        for index in range(len(self)):
            yield self._batch(epoch, index)
        self.epoch = epoch + 1

    def __next__(self) -> Any:
        return self._batch(*self._passes.following())

    @property
    def num_batches(self) -> int:
        """Batches an epoch. Keras reads it whenever it begins to go through them."""
        self._passes.start_over()
        return len(self)

    @property
    def epoch(self) -> int:
        """The epoch of the next batches. It counts by itself; set it where a training goes on.

        Where an epoch has one or two batches, Keras's first look at the data may count as one: set it there.
        """
        return self._passes.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        _check({"epoch": epoch})
        self._passes.epoch = int(epoch)

    def on_epoch_begin(self) -> None:
        """Keras goes through the batches from now on."""
        self._passes.begin()

    def on_epoch_end(self) -> None:
        """Go on to the next epoch, if the whole of this one has been asked for."""
        self._passes.end()

    def reset(self) -> None:
        """Begin this epoch again, wherever a training that was interrupted or ``next`` had come to."""
        self._passes.epoch = self.epoch

    def close(self) -> None:
        """End the worker processes; they also end with the generator, and start again when a batch is asked for."""
        with self._lock:
            self._source.close()

    def _batch(self, epoch: int, index: int) -> Any:
        if os.getpid() != self._process_id:
            raise _in_another_process()
        with self._lock:
            pixels, samples = self._filled(epoch, index)
        targets = None if self._targets is None else self._targets[samples]
        if self._mixes and self.augmentation is not None and targets is not None:
            random = np.random.default_rng([self.seed, epoch, index, _MIXING])
            pixels, targets = mix(pixels.astype(np.float32), targets, self.augmentation, random)
        images = self._finish.apply(pixels)
        targets = images if self._echoes else targets
        if targets is None:
            return images
        return (images, targets) if self._weights is None else (images, targets, self._weights[samples])

    def _filled(self, epoch: int, index: int) -> tuple[Array, Array]:
        """A batch's pixels and samples; whatever could not be decoded is noted and replaced."""
        batch = self._source.get(epoch, index)
        if not batch.failures:
            return batch.pixels, batch.samples
        self._note(batch, epoch)
        donor = batch
        for step in range(1, len(self)):
            if len(donor.failures) < len(donor.samples):
                break
            donor = self._source.get(epoch, (index + step) % len(self))
            self._note(donor, epoch)
        good = [place for place in range(len(donor.samples)) if place not in donor.failures]
        if not good:
            raise _nothing_to_read(len(self.dataset), self.skipped)
        pixels, samples = batch.pixels.copy(), batch.samples.copy()
        for place in batch.failures:
            other = next((p for p in good if p >= place), good[0])
            pixels[place], samples[place] = donor.pixels[other], donor.samples[other]
        return pixels, samples

    def _note(self, batch: Batch, epoch: int) -> None:
        for place, decoded in batch.failures.items():
            sample = int(batch.samples[place])
            if sample not in self._source.hopeless:
                entry = Skipped(self.dataset.paths[sample], decoded.reason)
                if entry not in self.skipped:
                    self.skipped.append(entry)
                self._failures[sample].add(epoch)
                if decoded.lasting or len(self._failures[sample]) >= _TRIES:
                    self._source.hopeless.add(sample)

    def _open(self, workers: int, num_ahead: int, cache: bool | str | os.PathLike[str]) -> BatchSource:
        if self.dataset.arrays is not None:
            return ArrayBatches(self.dataset, self._schedule, self.geometry, self.augmentation, workers)
        folder = _squares_folder() if cache is True else None if cache is False else Path(cache)
        pool = DecodePool(self.geometry, workers, augmentation=self.augmentation, seed=self.seed, squares=folder)
        has_views = self.augmentation is not None and self.augmentation.changes_images
        return FileBatches(self.dataset, self._schedule, pool, has_views, num_ahead)

    def _name_samples(self) -> None:
        """The names that programs for Keras's retired generators ask for."""
        self.filepaths = list(self.dataset.paths)
        folders = {os.path.dirname(path) for path in self.filepaths} if self.dataset.arrays is None else set()  # noqa: PTH120
        root = os.path.commonpath(folders) if len(folders) > 1 else os.path.dirname(next(iter(folders), ""))  # noqa: PTH120
        self.filenames = [os.path.relpath(path, root or ".") for path in self.filepaths] if folders else self.filepaths
        self.samples = self.n = len(self.dataset)
        self.num_classes = self.dataset.num_classes
        self.class_indices = {name: number for number, name in enumerate(self.dataset.classes)}
        self.classes = self.labels = self.dataset.labels
        self.image_shape = (self.geometry.size, self.geometry.size, self._finish.channels)


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


def _check(given: Mapping[str, object]) -> None:
    """Refuse arguments that are not what ``_ARGUMENTS`` says (H018)."""
    check(given, _ARGUMENTS, _unfit)


def _unfit(name: str, received: str, rule: Rule) -> UsageError:
    return UsageError(
        "H018",
        "the generator cannot be made like this",
        received=f"{name}={received}",
        expected=rule.expected,
        advice=f"{rule.advice}; help(headstart.ImageGenerator) tells what each argument takes",
    )


def _in_another_process() -> UsageError:
    return UsageError(
        "H019",
        "a generator belongs to the process that made it",
        received="a batch asked for in another process",
        expected="use_multiprocessing=False: the generator has processes of its own",
        advice="give it the number of processes: ImageGenerator(..., workers=8)",
    )


def _nothing_to_read(num_samples: int, skipped: list[Skipped]) -> UsageError:
    return UsageError(
        "H014",
        "no image can be read",
        received=f"{num_samples} files, the last of them: {skipped[-1].path}: {skipped[-1].reason}",
        expected="at least one image that can be decoded",
        advice="see the generator's skipped for each file's reason",
    )
