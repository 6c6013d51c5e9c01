"""``ImageDataGenerator`` with the arguments of Keras's retired class, so that a program only changes one import.

The class's docstring lists the differences. Arguments that are not supported raise an error.
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
    """Keras's retired class: random transformations, standardization, and batches from files or arrays.

    Use it to run a program written for Keras's class; for new programs, ``ImageGenerator`` is simpler. The order of files,
    ``filenames``, ``class_indices``, the subsets of ``validation_split``, the units of the arguments and endless iteration
    are those of Keras's class. The differences are:

    - ``subset="validation"`` is not augmented: its images are rescaled and standardized, and are equal in every epoch.
      (Keras's class augments them.) Copies of a validation image are moved from the training subset to validation.
    - A view depends on the seed, the epoch and the position in the epoch only, so that two generators with equal seeds
      transform an image and its mask alike. The default seed is 0.
    - Each view is resampled once from the decoded image, with antialiasing (``bicubic``) instead of Keras's default
      ``nearest``. With ``interpolation="nearest"`` or ``interpolation_order=0``, the values of a mask stay exact.
    - A file that cannot be read is listed in the generator's ``skipped``, with a warning, where Keras's class raises an
      error. ``Flow`` documents when its row is NaN and when it is left out.
    - ``width_shift_range`` shifts horizontally and ``height_shift_range`` vertically (Keras 3 has them exchanged).

    The guide docs/guides/image-data-generator.md compares both classes argument by argument.

    Args:
        featurewise_center: Subtract each channel's mean, learned by ``fit``. Defaults to False.
        samplewise_center: Subtract each image's mean. Defaults to False.
        featurewise_std_normalization: Divide by each channel's standard deviation, learned by ``fit``. Defaults to False.
        samplewise_std_normalization: Divide by each image's standard deviation. Defaults to False.
        zca_whitening: Apply ZCA whitening, learned by ``fit``. Defaults to False.
        zca_epsilon: Value added to the singular values in whitening. Defaults to 1e-6.
        rotation_range: Largest rotation in degrees, in either direction. Defaults to 0.
        width_shift_range: Horizontal shift in either direction. A float below 1 is a share of the width, from 1 on pixels;
            an int n means whole pixels up to n - 1; a list holds the shifts to choose from. Defaults to 0.
        height_shift_range: Vertical shift, in the form of ``width_shift_range``. Defaults to 0.
        brightness_range: Pair of brightness factors. Defaults to None: unchanged.
        shear_range: Largest shear in degrees, in either direction. Defaults to 0.
        zoom_range: Share s, which means factors of 1 - s to 1 + s, or a pair of factors, drawn for width and height
            independently; below 1 zooms in. Defaults to 0.
        channel_shift_range: Largest number of levels added to or subtracted from all channels. Defaults to 0.
        fill_mode: How the area beyond the image is filled: ``nearest``, ``reflect``, ``wrap`` or ``constant``. Defaults to
            ``nearest``.
        cval: Level of the fill mode ``constant``. Defaults to 0.
        horizontal_flip: Mirror half of the views left to right. Defaults to False.
        vertical_flip: Mirror half of the views top to bottom. Defaults to False.
        rescale: Factor of the pixels, applied after ``preprocessing_function``. Defaults to None.
        preprocessing_function: Function that takes and returns one image, float32 ``(height, width, channels)``. Defaults to
            None.
        data_format: ``channels_last`` or ``channels_first``. Defaults to ``channels_last``.
        validation_split: Share of the samples in ``subset="validation"``. Defaults to 0.
        interpolation_order: 1 for bilinear sampling, 0 for nearest. Defaults to 1.
        dtype: Type of the images. Defaults to float32.

    Raises:
        UsageError: An argument is invalid or not supported (H017).

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
        """Iterate over batches of images in memory, ``(n, height, width, channels)``, in their own value range.

        With ``subset``, the first ``validation_split`` share of the array is the validation subset, which is not augmented.
        If a class would then be in one subset only, the share is taken from each class, unless ``ignore_class_split`` is
        True.
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
        """Iterate over batches of the images in a folder of class folders.

        With ``subset``, the first ``validation_split`` share of each class folder, in the order of names, is the validation
        subset, which is not augmented. ``options`` are ``workers`` (number of decoding processes) and ``num_ahead`` (number
        of batches decoded ahead), as in ``ImageGenerator``.
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
        """Iterate over batches of the images listed in a data frame.

        Rows whose file does not exist are listed in ``skipped``, with a warning; with ``validate_filenames=False`` they are
        kept, with NaN as pixels. With ``subset``, the first ``validation_split`` share of the rows is the validation subset,
        which is not augmented; if a class would then be in one subset only, the share is taken from each class. ``options``
        are those of ``flow_from_directory``.
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
        schedule, ranges = asked.schedule(len(source.samples.files)), self._ranges_of(asked.subset)
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
        """Ranges of the transformations; the validation subset is not transformed."""
        return Ranges() if subset == "validation" else self._ranges

    def _frame(self, target_size: tuple[int, int], keep_aspect_ratio: bool, interpolation: str | None) -> Frame:
        height, width = (int(side) for side in target_size)
        return Frame(height, width, bool(keep_aspect_ratio), "nearest" if self._order == 0 else interpolation or "bicubic")
