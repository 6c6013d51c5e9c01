"""Data: the arguments of Keras's retired ``ImageDataGenerator``, so that a program written for it changes one import.

What differs is told in the docstring of the class. What cannot be honoured is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.amounts import Augmentation
from headstart.arguments import is_number
from headstart.generator import ImageGenerator
from headstart.images import Geometry
from headstart.retired_sources import CHANNELS, Source, check_arguments, from_arrays, from_folder, from_frame, with_subset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImageDataGenerator"]

Array = np.ndarray[Any, Any]


class ImageDataGenerator:
    """Makes ``ImageGenerator`` objects from the arguments of old.

    Some things differ from before: a picture is cropped to its centred square, not squeezed into one; it is resized with a
    filter that smooths, where ``nearest`` was the default; the validation share is drawn per class with copies of a picture
    on one side, and is below a half; everything follows from the seed, which is 0 if left out; GIF files are images too; and
    what is left out of a folder or a table is listed in ``skipped``.

    Args:
        featurewise_center, samplewise_center, featurewise_std_normalization, samplewise_std_normalization, zca_whitening:
            Refused, with what to use instead.
        zca_epsilon: Of no meaning without ``zca_whitening``.
        rotation_range: Degrees, to either side.
        width_shift_range, height_shift_range: A share to either side; from 1 on, pixels.
        brightness_range: Pair of factors.
        shear_range: Degrees.
        zoom_range: A share, or a pair of factors; width and height apart.
        channel_shift_range: Grey levels.
        fill_mode, cval: What is seen beyond the picture.
        horizontal_flip, vertical_flip: Half of the views are mirrored.
        rescale: A factor, after all else.
        preprocessing_function: Takes and gives one image.
        data_format: Channels are last.
        validation_split: Share of the samples that ``subset="validation"`` means.
        interpolation_order: 1.
        dtype: float32.

    Raises:
        UsageError: An argument cannot be honoured (H017) or is out of range (H010).

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
        width_shift_range: float = 0.0,
        height_shift_range: float = 0.0,
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
        self.augmentation = Augmentation(
            horizontal_flip=bool(horizontal_flip),
            vertical_flip=bool(vertical_flip),
            rotation=min(rotation_range, 180),
            shear=shear_range,
            zoom=zoom_range if is_number(zoom_range) else tuple(zoom_range),  # type: ignore[arg-type]
            zoom_each_axis=True,
            brightness=(1.0, 1.0) if brightness_range is None else tuple(brightness_range),  # type: ignore[arg-type]
            channel_shift=channel_shift_range,
            edges=fill_mode,
            edge_level=int(min(max(0, cval), 255)),
        )
        self._shifts = (width_shift_range, height_shift_range)
        self._rescale, self._preprocessing_function = rescale or None, preprocessing_function
        self._validation_split = validation_split or 0.0

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
    ) -> ImageGenerator:
        """Batches of images in memory: squares, ``(n, side, side, 1 or 3)``, kept as 8-bit levels.

        Floats of 0 to 1 come out as such, in steps of 1/255.
        """
        check_arguments(locals())
        images = np.asarray(x)
        source = from_arrays(images, y, sample_weight)
        unit = 1 / 255 if images.dtype.kind in "fb" and images.size and float(images.max()) <= 1.1 else 1.0
        geometry = Geometry(images.shape[1], crop=1.0)
        order: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed}
        return self._generator(source, geometry, subset, channels=images.shape[3], unit=unit, **order)

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
        follow_links: bool | None = None,
        subset: str | None = None,
        interpolation: str = "bicubic",
        keep_aspect_ratio: bool = True,
        **workers: int,
    ) -> ImageGenerator:
        """Batches of the pictures in a folder of class folders; ``workers`` and ``num_ahead`` are ``ImageGenerator``'s."""
        check_arguments(locals())
        geometry = Geometry(target_size[0], crop=1.0, filter=interpolation)
        source = from_folder(directory, () if classes is None else tuple(classes), class_mode)
        order: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed, **workers}
        return self._generator(source, geometry, subset, channels=CHANNELS[color_mode], **order)

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
        interpolation: str = "bicubic",
        validate_filenames: bool = True,
        keep_aspect_ratio: bool = True,
        **workers: int,
    ) -> ImageGenerator:
        """Batches of the pictures that a data frame names; files that are not there are listed in ``skipped``."""
        directory = "" if directory is None else directory
        check_arguments(locals())
        geometry = Geometry(target_size[0], crop=1.0, filter=interpolation)
        source = from_frame(
            dataframe, directory, (x_col, y_col, weight_col), () if classes is None else tuple(classes), class_mode
        )
        order: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed, **workers}
        return self._generator(source, geometry, subset, channels=CHANNELS[color_mode], **order)

    def fit(self, x: Array, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Nothing to learn: the statistics that this was for are refused by the constructor."""

    def _generator(
        self, source: Source, geometry: Geometry, subset: str | None, *, unit: float = 1.0, seed: int | None, **settings: Any
    ) -> ImageGenerator:
        width, height = (shift if shift < 1 else min(1.0, shift / geometry.size) for shift in self._shifts)
        augmentation = replace(self.augmentation, shift_width=width, shift_height=height)
        source, split = with_subset(source, self._validation_split, subset)
        rescale, function = self._rescale, self._preprocessing_function
        if function is not None and unit != 1.0:
            function = _scaled_first(function, unit)
        elif unit != 1.0:
            rescale = (1.0 if rescale is None else rescale) * unit
        return ImageGenerator(
            source.dataset,
            geometry,
            augmentation=augmentation if augmentation.changes_images else None,
            split=split,
            seed=seed or 0,
            labels=source.labels,
            sample_weight=source.weights,
            rescale=rescale,
            preprocessing_function=function,
            **settings,
        )


def _scaled_first(function: Callable[[Array], Array], factor: float) -> Callable[[Array], Array]:
    return lambda image: function(image * np.float32(factor))
