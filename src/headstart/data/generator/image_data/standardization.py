"""Data: what Keras's retired ``ImageDataGenerator`` does to the values of images: rescaling, centring, whitening."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headstart.data.generator.batch_output import to_grey
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

__all__ = ["Standardization"]

_EPSILON = 1e-6


class Standardization:
    """The steps between decoded pixels and a network's input, in Keras's order.

    A function of the user's, a factor, each image's own mean and deviation, then the mean, deviation and whitening that
    ``fit`` learned. All arrays have their channels last until the very end.

    Args:
        preprocessing_function: Takes and gives one image.
        rescale: A factor.
        samplewise_center: Subtract each image's mean.
        samplewise_std: Divide by each image's deviation.
        featurewise_center: Subtract the mean of each channel, as ``fit`` learned it.
        featurewise_std: Divide by the deviation of each channel.
        zca_epsilon: Added to the singular values; None for no whitening.
    """

    def __init__(
        self,
        preprocessing_function: Callable[[Array], Array] | None,
        rescale: float | None,
        samplewise_center: bool,
        samplewise_std: bool,
        featurewise_center: bool,
        featurewise_std: bool,
        zca_epsilon: float | None,
    ) -> None:
        self._function, self.rescale = preprocessing_function, rescale
        self._samplewise_center, self._samplewise_std = samplewise_center or samplewise_std, samplewise_std
        self._zca_epsilon = zca_epsilon
        self._featurewise_std = featurewise_std and zca_epsilon is None  # whitening sees to the deviation itself
        self._featurewise_center = featurewise_center or featurewise_std or zca_epsilon is not None
        self.mean: Array | None = None
        self.std: Array | None = None
        self.zca_whitening_matrix: Array | None = None

    def fit(self, images: Array) -> None:
        """Learn mean, deviation and whitening, as far as they are wanted, of images ``(n, height, width, channels)``."""
        images = np.array(images, np.float32) * np.float32(self.rescale or 1)
        if self._featurewise_center:
            self.mean = np.mean(images, axis=(0, 1, 2)).reshape(1, 1, -1)
            images -= self.mean
        if self._featurewise_std:
            self.std = np.std(images, axis=(0, 1, 2)).reshape(1, 1, -1)
        if self._zca_epsilon is not None:
            u, singular, _ = np.linalg.svd(images.reshape(len(images), -1).T, full_matrices=False)
            self.zca_whitening_matrix = (u * (np.sqrt(len(images)) / (singular + self._zca_epsilon))) @ u.T

    def apply(self, images: Array) -> Array:
        """Float32 images of their own, standardized: ``(n, height, width, channels)``.

        Raises:
            UsageError: Something is to be learned by ``fit`` first (H047).
        """
        if self._featurewise_center and self.mean is None:
            raise _unfitted()
        images = np.array(images, np.float32)
        if self._function is not None:
            images = np.stack([np.asarray(self._function(image), np.float32) for image in images])
        images *= np.float32(self.rescale or 1)
        if self._samplewise_center:
            images -= images.mean(axis=(1, 2, 3), keepdims=True)
        if self._samplewise_std:
            images /= images.std(axis=(1, 2, 3), keepdims=True) + _EPSILON
        if self._featurewise_center:
            images -= self.mean
        if self._featurewise_std and self.std is not None:
            images /= self.std + _EPSILON
        if self.zca_whitening_matrix is not None:
            images = (images.reshape(len(images), -1) @ self.zca_whitening_matrix).reshape(images.shape)
        return images

    def finish(self, is_grey: bool, is_channels_first: bool, dtype: str) -> Callable[[Array], Array]:
        """The function that a generator calls on each batch of pixels.

        Args:
            is_grey: Turn RGB into one channel first.
            is_channels_first: Give ``(n, channels, height, width)``.
            dtype: Of the result.
        """

        def finished(pixels: Array) -> Array:
            images = self.apply(to_grey(pixels) if is_grey else pixels)
            images = np.moveaxis(images, 3, 1) if is_channels_first else images
            return np.ascontiguousarray(images, dtype)

        return finished


def _unfitted() -> UsageError:
    return UsageError(
        "H047",
        "the ImageDataGenerator has not learned its statistics",
        received="featurewise_center, featurewise_std_normalization or zca_whitening, and no call of fit",
        expected="fit(x) on images of the training set before the first batch",
        advice="datagen.fit(x_train), or keras.layers.Normalization() as the first layer, with adapt() on some batches",
    )
