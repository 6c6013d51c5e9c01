"""Batches of stored rows, in an order that depends only on seed and epoch, and predictions for stored rows."""

from __future__ import annotations

import math

import keras
import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.mixup import mix
from headstart.data.augmentation.views import augment_square, random_for
from headstart.foundation.arrays import Array

__all__ = ["RowBatches", "predict_rows"]

_PREDICT_BYTES = 32 << 20  # size of a batch of rows in float32


class RowBatches(keras.utils.PyDataset):
    """Batches of rows and targets for a Keras ``fit`` on any backend.

    All batches are full: the last one is filled from the beginning of the epoch's order. Each sample is seen at least once,
    shapes never change, and no batch is too small for batch normalisation.

    Args:
        rows: Rows, ``(n, …)``, in memory or mapped from a file; each batch is cast to float32.
        targets: Targets, ``(n,)`` or ``(n, units)``.
        batch_size: Samples per batch, at most ``n``.
        seed: Seed, which decides order and augmentation together with the epoch. Defaults to 0.
        augmentation: Augmentation drawn anew for each image in each epoch; rows are then pixels, uint8 ``(n, side, side,
            3)``. Defaults to None.
        weights: Weight of each sample in the loss, ``(n,)``, or of each of its members, ``(n, members)``. Cannot be combined
            with mixed images. Defaults to None: equal.

    Attributes:
        epoch: Epoch of the next batches. It is advanced at the end of each epoch; set it when training is resumed.
    """

    def __init__(
        self,
        rows: Array,
        targets: Array,
        batch_size: int,
        *,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        weights: Array | None = None,
    ) -> None:
        super().__init__(workers=1)
        self.epoch = 0
        self._rows, self._targets = rows, targets
        self.batch_size = min(batch_size, len(rows))
        self._drawn: tuple[int, Array] = (-1, np.zeros(0, np.int64))
        self._seed, self._augmentation, self._weights = seed, augmentation, weights

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Array, ...]:
        order = self._order()
        places = np.arange(index * self.batch_size, (index + 1) * self.batch_size) % len(order)
        chosen = np.sort(order[places])  # a mapped file is read fastest in its own order
        rows, targets = self._rows[chosen], self._targets[chosen]
        weights = () if self._weights is None else (self._weights[chosen],)
        if self._augmentation is None:
            return np.asarray(rows, np.float32), targets, *weights
        drawn = [random_for(self._seed, f"{i:x}", self.epoch + 1) for i in chosen]
        pixels = np.stack([augment_square(row, self._augmentation, random) for row, random in zip(rows, drawn, strict=True)])
        random = np.random.default_rng([self._seed, self.epoch, index])
        return (*mix(pixels.astype(np.float32), targets, self._augmentation, random), *weights)

    def _order(self) -> Array:
        """The order of the epoch, drawn once for all its batches."""
        epoch, order = self._drawn
        if epoch != self.epoch:
            epoch, order = self.epoch, np.random.default_rng([self._seed, self.epoch]).permutation(len(self._rows))
            self._drawn = epoch, order
        return order

    def on_epoch_end(self) -> None:
        """Advance to the next epoch."""
        self.epoch += 1


def predict_rows(model: keras.Model, rows: Array) -> Array:
    """Compute a model's output for stored rows, ``(n, units)``, in batches of one size, so that it is compiled only once."""
    size = int(np.clip(_PREDICT_BYTES // (4 * int(np.prod(rows.shape[1:])) or 1), 1, 1024))
    size = min(size, len(rows))
    outputs = []
    for start in range(0, len(rows), size):
        batch = np.asarray(rows[start : start + size], np.float32)
        missing = size - len(batch)
        padded = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        outputs.append(np.asarray(model.predict_on_batch(padded), np.float32)[: len(batch)])
    return np.concatenate(outputs)
