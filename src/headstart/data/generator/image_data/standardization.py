"""Rescaling, centring, normalisation and whitening of images, as in Keras's retired ``ImageDataGenerator``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headstart.data.generator.batch_output import to_grey
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

__all__ = ["Standardization"]

_EPSILON = 1e-6


class Standardization:
    """Steps between decoded pixels and a network's input, in Keras's order.

    The steps are: the user's function, a factor, each image's mean and standard deviation, then the mean, standard deviation
    and whitening learned by ``fit``. Channels are last in all arrays until the final step.

    Args:
        preprocessing_function: Function that takes and returns one image, or None.
        rescale: Factor of the pixels, or None.
        samplewise_center: Subtract each image's mean.
        samplewise_std: Divide by each image's standard deviation.
        featurewise_center: Subtract each channel's mean, learned by ``fit``.
        featurewise_std: Divide by each channel's standard deviation, learned by ``fit``.
        zca_epsilon: Value added to the singular values in whitening; None for no whitening.
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
        self._featurewise_std = featurewise_std and zca_epsilon is None  # whitening includes the deviation
        self._featurewise_center = featurewise_center or featurewise_std or zca_epsilon is not None
        self.mean: Array | None = None
        self.std: Array | None = None
        self.zca_whitening_matrix: Array | None = None

    def fit(self, images: Array) -> None:
        """Learn mean, standard deviation and whitening, if switched on, from images ``(n, height, width, channels)``."""
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
        """Standardize images into a new float32 array, ``(n, height, width, channels)``.

        Raises:
            UsageError: ``fit`` must be called first (H047).
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
        """Return the function that a generator applies to each batch of pixels.

        Args:
            is_grey: Whether RGB is first converted to one channel.
            is_channels_first: Whether the result is ``(n, channels, height, width)``.
            dtype: Type of the result.
        """

        def finished(pixels: Array) -> Array:
            images = self.apply(to_grey(pixels) if is_grey else pixels)
            images = np.moveaxis(images, 3, 1) if is_channels_first else images
            return np.ascontiguousarray(images, dtype)

        return finished


def _unfitted() -> UsageError:
    return UsageError(
        "H047",
        "ImageDataGenerator.fit was not called",
        received="featurewise_center, featurewise_std_normalization or zca_whitening, without a call of fit",
        expected="fit(x) on images of the training set before the first batch",
        advice="datagen.fit(x_train), or keras.layers.Normalization() as the first layer, with adapt() on some batches",
    )
