"""Order of samples within an epoch, and of batches regardless of the order in which Keras requests them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["BatchOrder", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """Assignment of samples to the batches of an epoch, a pure function of seed and epoch.

    Attributes:
        num_samples: Number of samples; each occurs once per epoch.
        batch_size: Samples per batch; the last batch may have fewer.
        is_shuffled: Whether the order changes in every epoch.
        seed: Seed of the order.
    """

    num_samples: int
    batch_size: int
    is_shuffled: bool
    seed: int

    @property
    def num_batches(self) -> int:
        """Number of batches per epoch."""
        return -(-self.num_samples // self.batch_size)

    def size_of(self, index: int) -> int:
        """Number of samples of a batch."""
        return min(self.batch_size, self.num_samples - index * self.batch_size)

    def order(self, epoch: int) -> Array:
        """Numbers of all samples in the order of an epoch."""
        if not self.is_shuffled:
            return np.arange(self.num_samples)
        return np.random.default_rng([self.seed, epoch]).permutation(self.num_samples)


class BatchOrder:
    """Counter of epochs and of the batches within them.

    Keras iterates over a generator in passes and reports the start and end of each stretch of a pass. A Keras epoch may be
    shorter than a pass (``steps_per_epoch``), and Keras also reports an end when it starts over after inspecting the first
    batches. Therefore an epoch is over only when a stretch ends and all batches have been requested.

    Args:
        num_batches: Number of batches per epoch.
    """

    def __init__(self, num_batches: int) -> None:
        self._num_batches = num_batches
        self._lock = threading.Lock()
        self._epoch = 0
        self._begin_anew()

    @property
    def epoch(self) -> int:
        """Epoch of the next batches."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        with self._lock:
            self._epoch = epoch
            self._begin_anew()

    @property
    def cursor(self) -> int:
        """Number of the batch that ``following`` returns next."""
        return self._cursor

    def start_over(self) -> None:
        """Let the next batch start a new pass; ignored after the first batch of a stretch."""
        with self._lock:
            if not (self._is_inside and self._has_asked):
                self._num_asked = 0

    def begin(self) -> None:
        """Start a stretch."""
        with self._lock:
            self._is_inside, self._has_asked = True, False

    def end(self) -> None:
        """End a stretch, whether it was completed or interrupted."""
        with self._lock:
            self._is_inside, self._left_by = False, threading.get_ident()
            if self._num_asked >= self._num_batches:  # even if the last ones were fetched before this stretch started
                self._epoch += 1
                self._begin_anew()

    def asked(self, index: int, is_ordered: bool) -> tuple[int, int]:
        """Epoch and number of the batch to return for a request.

        Args:
            index: Requested number. Outside a pass, this batch is returned.
            is_ordered: Whether batches are returned in order within a pass, whatever the requested number.
        """
        with self._lock:
            # TensorFlow's prefetching thread continues between two stretches of a pass.
            is_between = 0 < self._num_asked < self._num_batches and threading.get_ident() != self._left_by
            if not (self._is_inside or is_between):
                return self._epoch, index
            self._has_asked = True
            self._num_asked += 1
            return self._epoch, (self._num_asked - 1) % self._num_batches if is_ordered else index

    def following(self) -> tuple[int, int]:
        """Epoch and number of the next batch of an endless iteration."""
        with self._lock:
            epoch, index = self._epoch, self._cursor
            self._cursor += 1
            if self._cursor == self._num_batches:
                self._epoch += 1
                self._begin_anew()
            return epoch, index

    def _begin_anew(self) -> None:
        self._num_asked = self._cursor = 0
        self._is_inside = self._has_asked = False
        self._left_by = threading.get_ident()
