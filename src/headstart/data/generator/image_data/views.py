"""``RandomViews``: the base of ``ImageDataGenerator``, with its constructor, random views and standardization."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from headstart.data.augmentation.transforms import Parameters, Ranges, random_parameters, transform_array
from headstart.data.generator.image_data.arguments import check_arguments
from headstart.data.generator.image_data.standardization import Standardization
from headstart.foundation.arguments import is_number, is_whole
from headstart.foundation.arrays import Array

__all__ = ["RandomViews"]


class RandomViews:
    """Random views of images in memory, and their standardization; ``ImageDataGenerator`` documents the arguments."""

    def __init__(  # noqa: PLR0913, PLR0917  the names and their order are Keras's
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: float | Collection[float] = 0.0,
        height_shift_range: float | Collection[float] = 0.0,
        brightness_range: tuple[float, float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | tuple[float, float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], Array] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: str | None = None,
    ) -> None:
        check_arguments(locals())
        zoom = (1 - zoom_range, 1 + zoom_range) if is_number(zoom_range) else zoom_range  # type: ignore[operator]
        self._ranges = Ranges(
            rotation=float(rotation_range),
            width_shift=_shift(width_shift_range),
            height_shift=_shift(height_shift_range),
            shear=float(shear_range),
            zoom=_pair(zoom),
            channel_shift=float(channel_shift_range),
            brightness=None if brightness_range is None else _pair(brightness_range),
            horizontal_flip=bool(horizontal_flip),
            vertical_flip=bool(vertical_flip),
            fill_mode=fill_mode,
            cval=float(cval),
        )
        self.standardization = Standardization(
            preprocessing_function,
            rescale,
            bool(samplewise_center),
            bool(samplewise_std_normalization),
            bool(featurewise_center),
            bool(featurewise_std_normalization),
            zca_epsilon if zca_whitening else None,
        )
        self._validation_split = validation_split or 0.0
        self._order, self._dtype = interpolation_order, dtype or "float32"
        self._is_channels_first = data_format == "channels_first"

    @property
    def mean(self) -> Array | None:
        """Mean of each channel, learned by ``fit`` or assigned, which ``featurewise_center`` subtracts."""
        return self.standardization.mean

    @mean.setter
    def mean(self, value: Array) -> None:
        self.standardization.mean = np.asarray(value, np.float32).reshape(1, 1, -1)

    @property
    def std(self) -> Array | None:
        """Standard deviation of each channel, learned by ``fit`` or assigned, for ``featurewise_std_normalization``."""
        return self.standardization.std

    @std.setter
    def std(self, value: Array) -> None:
        self.standardization.std = np.asarray(value, np.float32).reshape(1, 1, -1)

    @property
    def zca_whitening_matrix(self) -> Array | None:
        """Matrix by which ``zca_whitening`` multiplies flattened images; None before ``fit``."""
        return self.standardization.zca_whitening_matrix

    def fit(self, x: Array, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Learn the statistics of featurewise standardization and whitening.

        Args:
            x: Training images, ``(n, height, width, channels)``; ``rescale`` is applied to them, but not
                ``preprocessing_function``.
            augment: Whether to learn from transformed images. Defaults to False.
            rounds: Number of transformed images for each image, with ``augment``. Defaults to 1.
            seed: Seed of the transformations. Defaults to None: NumPy's global random state.
        """
        check_arguments({"x": x, "seed": seed})
        images = self._channels_last(np.asarray(x))
        if augment:
            random = _random(seed)
            scaled = images * np.float32(self.standardization.rescale or 1)
            views = [self._transformed(image, random) for _ in range(rounds) for image in scaled]
            images = np.stack(views) / np.float32(self.standardization.rescale or 1)
        self.standardization.fit(images)

    def get_random_transform(self, img_shape: tuple[int, ...], seed: int | None = None) -> Parameters:
        """Draw parameters for ``apply_transform``, from NumPy's global random state if ``seed`` is None."""
        shape = img_shape[1:] if self._is_channels_first else img_shape
        return random_parameters(self._ranges, shape, _random(seed))

    def apply_transform(self, x: Array, transform_parameters: Parameters) -> Array:
        """Transform an image by the parameters of ``get_random_transform``; those left out change nothing."""
        image = self._channels_last(np.asarray(x)[None])[0]
        view = transform_array(image, self._ranges, transform_parameters, self._order)
        return np.moveaxis(view, 2, 0) if self._is_channels_first else view

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """Transform an image randomly, from NumPy's global random state if ``seed`` is None."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def standardize(self, x: Array) -> Array:
        """Return a new array: an image or a batch of images, preprocessed, rescaled, centred and whitened as in batches."""
        images = np.asarray(x)
        batch = self._channels_last(images if images.ndim == 4 else images[None])
        finished = self.standardization.finish(False, self._is_channels_first, self._dtype)(batch)
        return finished if images.ndim == 4 else finished[0]

    def _channels_last(self, images: Array) -> Array:
        return np.moveaxis(images, 1, 3) if self._is_channels_first else images

    def _transformed(self, image: Array, random: Any) -> Array:
        parameters = random_parameters(self._ranges, image.shape, random)
        return transform_array(image, self._ranges, parameters, self._order)


def _random(seed: int | None) -> Any:
    """NumPy's legacy generator, which Keras's class uses, so that equal seeds give equal numbers."""
    return np.random if seed is None else np.random.RandomState(seed)


def _pair(values: Any) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)


def _shift(amount: Any) -> Any:
    if is_whole(amount, -(2**31)):
        return int(amount)
    return float(amount) if is_number(amount) else tuple(amount)
