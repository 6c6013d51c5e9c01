"""Batches of stored rows: their order follows seed and epoch alone, all are full, and every sample is in each epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.presets import AUGMENTATIONS
from headstart.training.row_batches import RowBatches, predict_rows

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]


def numbered(n: int) -> tuple[Array, Array]:
    """Rows that hold their own number, and the same number as target."""
    return np.arange(n, dtype=np.float16)[:, None], np.arange(n)


@given(n=st.integers(1, 60), size=st.integers(1, 20), epoch=st.integers(0, 5))
def test_row_batches_contain_every_sample_in_every_epoch(n: int, size: int, epoch: int) -> None:
    """Batches have one size, rows and targets belong together, and no sample is left out."""
    batches = RowBatches(*numbered(n), size)
    batches.epoch = epoch
    seen = [batches[i] for i in range(len(batches))]
    assert {len(rows) for rows, _ in seen} == {min(n, size)}
    assert all(np.array_equal(rows[:, 0], targets) for rows, targets in seen)
    assert all(rows.dtype == np.float32 for rows, _ in seen)
    assert set(np.concatenate([targets for _, targets in seen])) == set(range(n))


def test_row_batches_order_depends_on_seed_and_epoch() -> None:
    """The same seed and epoch give the same batches in any order of access; others give another order."""
    first, second = (RowBatches(*numbered(50), 8, seed=3) for _ in range(2))
    backwards = [second[i][1] for i in reversed(range(len(second)))][::-1]
    assert all(np.array_equal(first[i][1], backwards[i]) for i in range(len(first)))
    first.on_epoch_end()
    assert first.epoch == 1
    assert not np.array_equal(first[0][1], second[0][1])
    assert not np.array_equal(RowBatches(*numbered(50), 8, seed=4)[0][1], second[0][1])


def test_row_batches_augment_pixels_anew_in_each_epoch() -> None:
    """Augmentation follows from seed, sample and epoch, and the stored pixels do not change."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    before = pixels.copy()
    batches, again = (RowBatches(pixels, np.arange(6), 6, augmentation=AUGMENTATIONS["strong"]) for _ in range(2))
    first = batches[0]
    np.testing.assert_array_equal(first[0], again[0][0])
    batches.on_epoch_end()
    order = np.argsort(batches[0][1])
    assert not np.array_equal(batches[0][0][order], first[0][np.argsort(first[1])])
    np.testing.assert_array_equal(pixels, before)


def test_row_batches_mix_one_hot_targets() -> None:
    """With mixup, one-hot targets become shares that still sum to one."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
    batches = RowBatches(pixels, np.eye(4, dtype=np.float32)[np.arange(8) % 4], 8, augmentation=Augmentation(mixup=0.4))
    _, targets = batches[0]
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    assert ((targets > 0) & (targets < 1)).any()


@pytest.mark.parametrize("n", [1, 5, 1024, 1500])
def test_predict_rows_does_not_depend_on_batches(n: int) -> None:
    """However rows are divided into batches, each has the prediction it has alone; half precision is widened."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    rows = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float16)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(predict_rows(model, rows), rows.astype(np.float32) @ kernel + bias, atol=1e-5)
