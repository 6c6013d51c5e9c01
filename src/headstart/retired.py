"""Data: the arguments of Keras's retired ``ImageDataGenerator``, so that a program written for it changes one import.

What differs is listed in the class's docstring. What cannot be honoured is rejected in three lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.arguments import is_number, is_whole
from headstart.frame_decoder import Frame
from headstart.images import DecodePool, usable_cores
from headstart.retired_arguments import CHANNELS, check_arguments
from headstart.retired_flow import ArrayViews, Asked, Flow
from headstart.retired_sources import Source, from_arrays, from_folder, from_frame, with_subset
from headstart.standardize import Standardization
from headstart.stream import FileBatches
from headstart.transforms import Parameters, Ranges, random_parameters, transform_array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImageDataGenerator"]

Array = np.ndarray[Any, Any]


class ImageDataGenerator:
    """Keras's retired class: random transformations and standardization, and batches of files or arrays.

    The order of files, ``filenames``, ``class_indices``, the subsets of ``validation_split``, the meaning of the amounts and
    iteration without end are those of Keras's class. What differs:

    - The ``subset="validation"`` of a generator is not augmented: its pictures are rescaled and standardized, and the same
      in every epoch. (Keras's class augments them.) Copies of a validation picture in the training share join it.
    - A view follows from the seed, the epoch and the place in the epoch alone: two generators with equal seeds show a
      picture and its mask alike. A seed that is left out is 0.
    - Each view is one resampling of the decoded picture, smoothed (``bicubic``) where Keras's default is ``nearest``. With
      ``interpolation="nearest"`` or ``interpolation_order=0`` the values of a mask stay exact in all views.
    - A file that cannot be read is listed in the generator's ``skipped`` with a warning, where Keras's class ends with an
      error: see ``Flow`` for when its row is NaN and when it is left out.
    - ``width_shift_range`` moves to the side and ``height_shift_range`` up and down (Keras 3 has them exchanged).

    The guide docs/guides/image-data-generator.md compares both classes argument by argument.

    Args:
        featurewise_center: Subtract each channel's mean, learned by ``fit``.
        samplewise_center: Subtract each image's own mean.
        featurewise_std_normalization: Divide by each channel's standard deviation, learned by ``fit``.
        samplewise_std_normalization: Divide by each image's own standard deviation.
        zca_whitening: Whiten by the matrix that ``fit`` learned.
        zca_epsilon: Added to the singular values in whitening.
        rotation_range: Degrees, to either side.
        width_shift_range: A float below 1 is a share of the width to either side, one from 1 on is pixels; an int n stands
            for up to n - 1 whole pixels; a list holds the shifts to choose from.
        height_shift_range: Vertical shift, given like ``width_shift_range``.
        brightness_range: Pair of factors.
        shear_range: Degrees, to either side.
        zoom_range: A share to either side of 1, or a pair of factors, for width and height apart; below 1 is nearer.
        channel_shift_range: Levels that all channels are raised or lowered by.
        fill_mode: What is seen beyond the picture: ``nearest``, ``reflect``, ``wrap`` or ``constant``.
        cval: Level of ``constant``.
        horizontal_flip: Mirror half of the views left to right.
        vertical_flip: Mirror half of the views top to bottom.
        rescale: A factor, after ``preprocessing_function``.
        preprocessing_function: Takes and gives one image, float32 ``(height, width, channels)``.
        data_format: ``channels_last`` (the default) or ``channels_first``.
        validation_split: Share of the samples that ``subset="validation"`` means; that subset is not augmented.
        interpolation_order: 1 for bilinear sampling, 0 for nearest.
        dtype: Of the images; float32 if left out.

    Raises:
        UsageError: An argument cannot be honoured (H017).

    Example::

        train = ImageDataGenerator(rescale=1 / 255, rotation_range=10).flow_from_directory("photos/train", (224, 224))
        model.fit(train, epochs=10)
    """

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

    def flow(  # noqa: PLR0913, PLR0917
        self,
        x: Array,
        y: Array | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Array | None = None,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> Flow:
        """Batches of images in memory, ``(n, height, width, channels)``, in their own range.

        With ``subset``, the validation share is the first of the array; where that would leave a class on one side only, it
        is the first of each class, unless ``ignore_class_split`` is set. It is not augmented.
        """
        check_arguments(locals())
        images = self._channels_last(np.asarray(x))
        source = from_arrays(images, y, sample_weight)
        if ignore_class_split:
            source = source._replace(samples=source.samples._replace(numbers=None))
        source, rows = with_subset(source, self._validation_split, subset, images)
        images, asked = images[rows], Asked(batch_size, shuffle, seed, subset, (save_to_dir, save_prefix, save_format))
        schedule = asked.schedule(len(rows))
        batches = ArrayViews(images, schedule, self._ranges_of(subset), self._order, usable_cores())
        finish = self.standardization.finish(False, self._is_channels_first, self._dtype)
        return Flow(source, batches, schedule, finish, self._shape(*images.shape[1:]), asked.saving)

    def flow_from_directory(  # noqa: PLR0913, PLR0917
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Collection[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str | None = None,
        keep_aspect_ratio: bool = False,
        **options: int,
    ) -> Flow:
        """Batches of the pictures in a folder of class folders.

        With ``subset``, the validation share is the first of each class folder, in the order of names; it is not augmented.
        ``options`` are ``workers`` (decoding processes) and ``num_ahead`` (batches decoded ahead), as ``ImageGenerator`` has
        them.
        """
        check_arguments(locals())
        source = from_folder(directory, tuple(classes or ()), class_mode, bool(follow_links))
        asked = Asked(batch_size, shuffle, seed, subset, (save_to_dir, save_prefix, save_format))
        frame = self._frame(target_size, keep_aspect_ratio, interpolation)
        return self._flow_of_files(source, asked, frame, CHANNELS[color_mode], **options)

    def flow_from_dataframe(  # noqa: PLR0913, PLR0917
        self,
        dataframe: pd.DataFrame,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: str | list[str] = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Collection[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str | None = None,
        validate_filenames: bool = True,
        keep_aspect_ratio: bool = False,
        **options: int,
    ) -> Flow:
        """Batches of the pictures that a data frame names.

        Rows that name no file are listed in ``skipped`` with a warning; with ``validate_filenames=False`` they stay in their
        places, with NaN for pixels. With ``subset``, the validation share is the first of the rows, or of each class where
        that would leave a class on one side only; it is not augmented. ``options`` are those of ``flow_from_directory``.
        """
        directory = "" if directory is None else directory
        check_arguments(locals())
        columns = (x_col, y_col, weight_col)
        source = from_frame(dataframe, directory, columns, tuple(classes or ()), class_mode, bool(validate_filenames))
        asked = Asked(batch_size, shuffle, seed, subset, (save_to_dir, save_prefix, save_format))
        frame = self._frame(target_size, keep_aspect_ratio, interpolation)
        return self._flow_of_files(source, asked, frame, CHANNELS[color_mode], **options)

    def fit(self, x: Array, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Learn what featurewise standardization and whitening need, of images ``(n, height, width, channels)``.

        Args:
            x: Images of the training set; ``rescale`` is applied to them, and ``preprocessing_function`` is not.
            augment: Learn of transformed images.
            rounds: How many transformed images for each, with ``augment``.
            seed: Of the transformations.
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
        """Parameters of a random view of an image of this shape, for ``apply_transform``; from NumPy's state if unseeded."""
        shape = img_shape[1:] if self._is_channels_first else img_shape
        return random_parameters(self._ranges, shape, _random(seed))

    def apply_transform(self, x: Array, transform_parameters: Parameters) -> Array:
        """An image transformed by ``theta``, ``tx``, ``ty``, ``shear``, ``zx``, ``zy``, flips, shift and brightness."""
        image = self._channels_last(np.asarray(x)[None])[0]
        view = transform_array(image, self._ranges, transform_parameters, self._order)
        return np.moveaxis(view, 2, 0) if self._is_channels_first else view

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """A random view of an image."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def standardize(self, x: Array) -> Array:
        """A new array: an image, or a batch of them, as batches hold it: prepared, rescaled, centred, whitened."""
        images = np.asarray(x)
        batch = self._channels_last(images if images.ndim == 4 else images[None])
        finished = self.standardization.finish(False, self._is_channels_first, self._dtype)(batch)
        return finished if images.ndim == 4 else finished[0]

    def _flow_of_files(
        self, source: Source, asked: Asked, frame: Frame, channels: int, workers: int | None = None, num_ahead: int = 2
    ) -> Flow:
        source, _ = with_subset(source, self._validation_split, asked.subset)
        schedule, ranges = asked.schedule(len(source.samples.paths)), self._ranges_of(asked.subset)
        pool = DecodePool(frame, workers, augmentation=ranges, seed=schedule.seed)

        def number_view(epoch: int, position: int, _: int) -> int:
            return 1 + epoch * schedule.num_samples + position

        views = number_view if ranges.changes_images else None
        batches = FileBatches(source.samples, schedule, pool, views, num_ahead)
        finish = self.standardization.finish(channels == 1, self._is_channels_first, self._dtype)
        return Flow(source, batches, schedule, finish, self._shape(frame.height, frame.width, channels), asked.saving)

    def _shape(self, height: int, width: int, channels: int) -> tuple[int, int, int]:
        return (channels, height, width) if self._is_channels_first else (height, width, channels)

    def _ranges_of(self, subset: str | None) -> Ranges:
        """What views show: nothing but the pictures themselves in the validation subset."""
        return Ranges() if subset == "validation" else self._ranges

    def _frame(self, target_size: tuple[int, int], keep_aspect_ratio: bool, interpolation: str | None) -> Frame:
        height, width = (int(side) for side in target_size)
        return Frame(height, width, bool(keep_aspect_ratio), "nearest" if self._order == 0 else interpolation or "bicubic")

    def _channels_last(self, images: Array) -> Array:
        return np.moveaxis(images, 1, 3) if self._is_channels_first else images

    def _transformed(self, image: Array, random: Any) -> Array:
        parameters = random_parameters(self._ranges, image.shape, random)
        return transform_array(image, self._ranges, parameters, self._order)


def _random(seed: int | None) -> Any:
    """NumPy's legacy generators, which Keras's class draws from: the same numbers for the same seed."""
    return np.random if seed is None else np.random.RandomState(seed)


def _pair(values: Any) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)


def _shift(amount: Any) -> Any:
    if is_whole(amount, -(2**31)):
        return int(amount)
    return float(amount) if is_number(amount) else tuple(amount)
