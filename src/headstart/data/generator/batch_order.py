"""Data: which samples come when: the order of an epoch, and which batch is next, whatever the order in which Keras asks."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["BatchOrder", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """Which samples an epoch's batches hold: a pure function of seed and epoch.

    Attributes:
        num_samples: How many there are; each comes once an epoch.
        batch_size: Samples a batch; the last may have fewer.
        is_shuffled: In another order in every epoch.
        seed: Decides the orders.
    """

    num_samples: int
    batch_size: int
    is_shuffled: bool
    seed: int

    @property
    def num_batches(self) -> int:
        """Batches an epoch."""
        return -(-self.num_samples // self.batch_size)

    def size_of(self, index: int) -> int:
        """Samples of a batch."""
        return min(self.batch_size, self.num_samples - index * self.batch_size)

    def order(self, epoch: int) -> Array:
        """The numbers of all samples as they come in an epoch."""
        if not self.is_shuffled:
            return np.arange(self.num_samples)
        return np.random.default_rng([self.seed, epoch]).permutation(self.num_samples)


class BatchOrder:
    """Counts epochs, and batches within them.

    Keras goes through a generator in passes, and tells where each stretch of one begins and ends: one of Keras's epochs may
    be less than a pass (``steps_per_epoch``), and Keras also calls the end where it starts over after a look at the first
    batches. So an epoch is over when a stretch ends and every batch has been asked for, and at no other time.

    Args:
        num_batches: Batches an epoch.
    """

    def __init__(self, num_batches: int) -> None:
        self._num_batches = num_batches
        self._lock = threading.Lock()
        self._epoch = 0
        self._begin_anew()

    @property
    def epoch(self) -> int:
        """The epoch of the next batches."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        with self._lock:
            self._epoch = epoch
            self._begin_anew()

    @property
    def cursor(self) -> int:
        """Number of the batch that ``following`` gives next."""
        return self._cursor

    def start_over(self) -> None:
        """A pass begins with the next batch of a stretch; of no meaning once a stretch has had its first."""
        with self._lock:
            if not (self._is_inside and self._has_asked):
                self._num_asked = 0

    def begin(self) -> None:
        """A stretch begins."""
        with self._lock:
            self._is_inside, self._has_asked = True, False

    def end(self) -> None:
        """A stretch ends, or the one before was interrupted."""
        with self._lock:
            self._is_inside, self._left_by = False, threading.get_ident()
            if self._num_asked >= self._num_batches:  # also where the last were fetched before this stretch began
                self._epoch += 1
                self._begin_anew()

    def asked(self, index: int, is_ordered: bool) -> tuple[int, int]:
        """Epoch and number of the batch to give.

        Args:
            index: The number that was asked for. Outside a pass it is what it says.
            is_ordered: Inside a pass batches come in order, whatever the number.
        """
        with self._lock:
            # A thread that fetches ahead (TensorFlow's) goes on between two stretches of a pass.
            is_between = 0 < self._num_asked < self._num_batches and threading.get_ident() != self._left_by
            if not (self._is_inside or is_between):
                return self._epoch, index
            self._has_asked = True
            self._num_asked += 1
            return self._epoch, (self._num_asked - 1) % self._num_batches if is_ordered else index

    def following(self) -> tuple[int, int]:
        """Epoch and number of the next batch for one who takes them one by one, without end."""
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
