"""Data: the arguments of Keras's retired ``ImageDataGenerator``, so that a program written for it changes one import.

What differs is listed in the class's docstring. What cannot be honoured is rejected in three lines.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.augmentation.transforms import Ranges
from headstart.data.generator.batch_sources import FileBatches
from headstart.data.generator.image_data.arguments import CHANNELS, check_arguments
from headstart.data.generator.image_data.data_frames import from_frame
from headstart.data.generator.image_data.iterators import ArrayViews, Asked, Flow
from headstart.data.generator.image_data.sources import Source, from_arrays, from_folder
from headstart.data.generator.image_data.subsets import with_subset
from headstart.data.generator.image_data.views import RandomViews
from headstart.data.images.decode_pool import DecodePool
from headstart.data.images.frame_decoder import Frame
from headstart.foundation.arrays import Array
from headstart.foundation.machine import usable_cores

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImageDataGenerator"]


class ImageDataGenerator(RandomViews):
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
