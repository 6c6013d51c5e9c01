"""Sources of decoded batches, from files or arrays, in an order known in advance so that batches can be decoded ahead."""

from __future__ import annotations

import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar, overload

import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.dataset import Dataset
from headstart.data.generator.batch_order import Schedule
from headstart.data.images.decode_pool import DecodePool, decode_array
from headstart.data.images.decode_queue import Decoded
from headstart.data.images.geometry import Geometry
from headstart.foundation.arrays import Array

__all__ = ["ArrayBatches", "Batch", "BatchSource", "Copies", "FileBatches", "Files"]

T = TypeVar("T")

_RECENT = 3  # batches to keep, because Keras requests the first ones again to learn their shapes


class Batch(NamedTuple):
    """A batch of decoded samples.

    Attributes:
        pixels: ``(n, height, width, channels)``, uint8, or float32 for arrays of any range; undefined at the positions of
            ``failures``.
        samples: Sample number of each row, ``(n,)``.
        failures: Result of each sample that could not be decoded, by position in the batch.
    """

    pixels: Array
    samples: Array
    failures: dict[int, Decoded]


class Files(Protocol):
    """Samples that are files, for example a ``Dataset``."""

    @property
    def files(self) -> Sequence[str]:
        """Path of each sample's file."""

    @property
    def digests(self) -> Sequence[str]:
        """SHA-256 of each sample's content."""


class BatchSource(Protocol):
    """Source of decoded batches. Samples in ``hopeless`` are not tried again."""

    hopeless: set[int]

    def get(self, epoch: int, index: int) -> Batch:
        """Return a batch of an epoch."""

    def close(self) -> None:
        """End worker processes or threads; they restart when a batch is requested."""


class Copies:
    """Numbering of views such that samples that repeat an image each show a different view of it in every epoch.

    Repeating samples is a common way to give them more weight.

    Args:
        pictures: Identifier of the image of each sample.

    Example:
        >>> copies = Copies(["a", "b", "a"])
        >>> [[copies.view(sample, epoch) for sample in range(3)] for epoch in range(2)]
        [[1, 1, 2], [3, 3, 4]]
    """

    def __init__(self, pictures: Sequence[str]) -> None:
        counts: Counter[str] = Counter()
        self._numbers = []
        for picture in pictures:
            self._numbers.append(counts[picture])
            counts[picture] += 1
        self._most = max(counts.values(), default=1)

    def view(self, sample: int, epoch: int) -> int:
        """Number of the view of a sample in an epoch, from 1."""
        return 1 + epoch * self._most + self._numbers[sample]


class FileBatches:
    """Source of batches from files, decoded by worker processes that continue across batches and epochs.

    Args:
        files: The samples.
        schedule: Order of the samples.
        pool: Worker processes, which ``close`` ends.
        number_view: Function from epoch, position in the epoch's order and sample number to the number of the view, from 1;
            it should differ in each epoch. None for unchanged images.
        num_ahead: Number of batches that are decoded ahead of the last one requested.
    """

    def __init__(
        self,
        files: Files,
        schedule: Schedule,
        pool: DecodePool,
        number_view: Callable[[int, int, int], int] | None,
        num_ahead: int,
    ) -> None:
        self.hopeless: set[int] = set()
        self._given, self._schedule, self._pool = files, schedule, pool
        self._number_view, self._ahead = number_view, num_ahead * schedule.batch_size
        self._lock = threading.Lock()  # the workers' threads request buffers while this thread reads results
        self._orders: OrderedDict[int, list[int]] = OrderedDict()
        self._begun: dict[tuple[int, int], Array] = {}
        self._recent: OrderedDict[tuple[int, int], Batch] = OrderedDict()
        self._results: Iterator[Decoded] | None = None
        self._start = self._next = (0, 0)
        self._num_given = 0  # samples, since the start
        self._waiting: dict[tuple[int, int], dict[int, Decoded]] = {}

    def get(self, epoch: int, index: int) -> Batch:
        """Return a batch; fast if it follows the previous one or is a recent one, else decoding restarts there."""
        wanted = (epoch, index)
        if wanted in self._recent:
            return self._recent[wanted]
        if self._results is None or wanted != self._next:
            self._restart(wanted)
        samples = self._samples(wanted)
        self._pool.allow(self._num_given + len(samples) + self._ahead)
        done = self._waiting.setdefault(wanted, {})
        try:
            while len(done) < len(samples):
                result = next(self._results)  # type: ignore[arg-type]  # restarted above
                at, position = self._locate(result.index)
                batch, place = divmod(position, self._schedule.batch_size)
                self._waiting.setdefault((at, batch), {})[place] = result
        except BaseException:  # Ctrl-C included: pending results are lost, and the next call restarts decoding
            self._results = None
            raise
        with self._lock:
            pixels = self._begun.pop(wanted)
        failures = {place: result for place, result in sorted(done.items()) if result.pixels is None}
        del self._waiting[wanted]
        self._num_given += len(samples)
        self._recent[wanted] = Batch(pixels, samples, failures)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        is_last = index + 1 == self._schedule.num_batches
        self._next = (epoch + 1, 0) if is_last else (epoch, index + 1)
        return self._recent[wanted]

    def close(self) -> None:
        """End the worker processes."""
        self._results = None
        self._pool.__exit__()
        self._begun.clear()
        self._recent.clear()

    def _restart(self, wanted: tuple[int, int]) -> None:
        self._pool.give_up()  # before the buffers of its results are released
        self._begun.clear()
        self._waiting.clear()
        self._start, self._num_given = wanted, 0
        digests, views = _Endless(self._digest), _Endless(self._view) if self._number_view else None
        self._results = self._pool.decode(_Endless(self._path), digests, views, rows=self._row, allowed=0)

    def _locate(self, number: int) -> tuple[int, int]:
        """Epoch, and position in its order, of the n-th file since the start."""
        epochs, position = divmod(self._start[1] * self._schedule.batch_size + number, self._schedule.num_samples)
        return self._start[0] + epochs, position

    def _order(self, epoch: int) -> list[int]:
        order = self._orders.get(epoch)
        if order is None:
            with self._lock:
                order = self._orders[epoch] = self._schedule.order(epoch).tolist()
                if len(self._orders) > _RECENT:
                    self._orders.popitem(last=False)
        return order

    def _samples(self, batch: tuple[int, int]) -> Array:
        first = batch[1] * self._schedule.batch_size
        return np.array(self._order(batch[0])[first : first + self._schedule.batch_size])

    def _sample(self, number: int) -> int:
        epoch, position = self._locate(number)
        return self._order(epoch)[position]

    def _path(self, number: int) -> str:
        sample = self._sample(number)
        return "" if sample in self.hopeless else self._given.files[sample]  # the empty name fails without any work

    def _digest(self, number: int) -> str:
        return self._given.digests[self._sample(number)]

    def _view(self, number: int) -> int:
        assert self._number_view is not None
        return self._number_view(*self._locate(number), self._sample(number))

    def _row(self, number: int) -> Array:
        epoch, position = self._locate(number)
        index, place = divmod(position, self._schedule.batch_size)
        pixels = self._begun.get((epoch, index))
        if pixels is None:
            shape = (self._schedule.size_of(index), *self._pool.geometry.shape)
            with self._lock:
                pixels = self._begun.setdefault((epoch, index), np.empty(shape, np.uint8))
        row: Array = pixels[place].reshape(-1)
        return row


class ArrayBatches:
    """Source of batches from images in memory, prepared by threads.

    Args:
        dataset: The samples.
        schedule: Order of the samples.
        geometry: Size, crop, filter and value range of the squares.
        augmentation: Settings of the views, which differ in each epoch; None for unchanged images.
        workers: Number of threads.
    """

    def __init__(
        self,
        dataset: Dataset,
        schedule: Schedule,
        geometry: Geometry,
        augmentation: Augmentation | None,
        workers: int,
    ) -> None:
        self.hopeless: set[int] = set()
        self._dataset, self._schedule, self._geometry = dataset, schedule, geometry
        self._augmentation, self._workers = augmentation, workers
        self._copies = Copies(dataset.digests)

    def get(self, epoch: int, index: int) -> Batch:
        """Return a batch of an epoch."""
        first = index * self._schedule.batch_size
        samples = self._schedule.order(epoch)[first : first + self._schedule.batch_size]
        pixels = np.zeros((len(samples), self._geometry.size, self._geometry.size, 3), np.uint8)
        failures = {}
        with ThreadPoolExecutor(self._workers) as threads:
            for result in threads.map(lambda place: self._decoded(place, int(samples[place]), epoch), range(len(samples))):
                if result.pixels is None:
                    failures[result.index] = result
                else:
                    pixels[result.index] = result.pixels
        return Batch(pixels, samples, failures)

    def close(self) -> None:
        """Do nothing: no thread is left between batches."""

    def _decoded(self, place: int, sample: int, epoch: int) -> Decoded:
        assert self._dataset.arrays is not None
        image, digest = self._dataset.arrays[sample], self._dataset.digests[sample]
        view = 0 if self._augmentation is None else self._copies.view(sample, epoch)
        return decode_array(place, image, self._geometry, self._augmentation, self._schedule.seed, view, digest)


class _Endless(Sequence[T]):
    """Endless sequence whose entries are computed on access."""

    def __init__(self, entry: Callable[[int], T]) -> None:
        self._entry = entry

    def __len__(self) -> int:
        return sys.maxsize

    @overload
    def __getitem__(self, number: int) -> T: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[T]: ...

    def __getitem__(self, number: int | slice) -> T | Sequence[T]:
        if isinstance(number, slice):
            raise TypeError("slices are not supported")
        return self._entry(number)
