"""Validation of the arguments of ``ImageDataGenerator``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.augmentation.resampling import EDGES
from headstart.data.images.preprocess import FILTERS
from headstart.foundation.arguments import Rule, check, is_number, is_whole
from headstart.foundation.errors import UsageError

__all__ = ["CHANNELS", "FLOW_OPTIONS", "check_arguments", "rejected", "shape_of"]

CHANNELS = {"rgb": 3, "grayscale": 1}
FLOW_OPTIONS = ("workers", "num_ahead")
_FORMATS = ("png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp")
_DROP = "dataframe.drop_duplicates() before the call"


def shape_of(values: Any) -> tuple[int, ...]:
    """Shape of a value as an array, or () if it cannot be converted."""
    try:
        return tuple(np.shape(values))
    except ValueError:  # rows of different lengths
        return ()


def _one_of(*accepted: object, advice: str) -> Rule:
    return Rule(" or ".join(map(str, accepted)), lambda value: value in accepted, advice)


def _are_numbers(value: Any) -> bool:
    return len(shape_of(value)) == 1 and len(value) > 0 and all(map(is_number, value))


def _is_pair(value: Any) -> bool:
    return shape_of(value) == (2,) and all(map(is_number, value))


def _is_switch(value: object) -> bool:
    return value is None or isinstance(value, np.bool_ | bool) or is_number(value)


def _are_names(value: object) -> bool:
    return not isinstance(value, str) and isinstance(value, Collection) and all(isinstance(name, str) for name in value)


def _is_frame(value: object) -> bool:
    import pandas as pd

    return isinstance(value, pd.DataFrame)


def _are_images(value: Any) -> bool:
    return len(shape_of(value)) == 4 and np.asarray(value).dtype.kind in "biuf"


_SWITCH = Rule("True or False", _is_switch)
_SHIFT = Rule(
    "a share of the side, pixels (an int, or a float from 1 on), or a list of shifts to choose from",
    lambda value: is_number(value) or _are_numbers(value),
    "for example 0.1",
)
_COUNT = Rule("a whole number of at least 1", lambda value: is_whole(value, 1))
_ARGUMENTS = {
    **dict.fromkeys(("featurewise_center", "featurewise_std_normalization", "zca_whitening"), _SWITCH),
    **dict.fromkeys(("samplewise_center", "samplewise_std_normalization"), _SWITCH),
    "zca_epsilon": Rule("a number", is_number, "zca_epsilon=1e-6"),
    "rotation_range": Rule("a number of degrees", is_number, "rotation_range=10"),
    "width_shift_range": _SHIFT,
    "height_shift_range": _SHIFT,
    "brightness_range": Rule(
        "a pair of factors", lambda value: value is None or _is_pair(value), "brightness_range=(0.8, 1.2)"
    ),
    "shear_range": Rule("a number of degrees", is_number, "shear_range=10"),
    "zoom_range": Rule("a share, or a pair of factors", lambda value: is_number(value) or _is_pair(value), "zoom_range=0.1"),
    "channel_shift_range": Rule("a number of grey levels", is_number, "channel_shift_range=20"),
    "fill_mode": _one_of(*EDGES, advice="fill_mode='nearest'"),
    "cval": Rule("a grey level", is_number, "cval=0"),
    "horizontal_flip": _SWITCH,
    "vertical_flip": _SWITCH,
    "rescale": Rule("a number", lambda value: value is None or is_number(value), "rescale=1 / 255"),
    "preprocessing_function": Rule(
        "a function that takes and returns one image", lambda value: value is None or callable(value)
    ),
    "data_format": _one_of(None, "channels_last", "channels_first", advice="leave it out for channels_last"),
    "validation_split": Rule(
        "a share of at least 0 and below 1",
        lambda value: value is None or (is_number(value) and 0 <= value < 1),
        "validation_split=0.2",
    ),
    "interpolation_order": _one_of(0, 1, advice="0 for nearest (masks), 1 for bilinear sampling"),
    "dtype": _one_of(None, "float32", "float16", "float64", advice="leave it out, and cast in the model"),
    "x": Rule("one array of images, (n, height, width, channels)", _are_images, "pass other inputs to the model separately"),
    "sample_weight": Rule(
        "a number for each sample", lambda value: value is None or len(shape_of(value)) == 1, "one weight per image"
    ),
    "ignore_class_split": _SWITCH,
    "directory": Rule(
        "the path of a folder", lambda value: isinstance(value, str | os.PathLike), "directory='photos/train'"
    ),
    "dataframe": Rule("a pandas.DataFrame", _is_frame, "pandas.DataFrame({'filename': paths, 'class': labels})"),
    "target_size": Rule(
        "height and width, whole numbers from 1",
        lambda value: _is_pair(value) and all(is_whole(side, 1) for side in value),
        "target_size=(224, 224)",
    ),
    "color_mode": _one_of(*CHANNELS, advice="color_mode='rgb', which shows transparent pixels on a plain background"),
    "classes": Rule("names of classes", lambda value: value is None or _are_names(value), "classes=['cat', 'dog']"),
    "batch_size": _COUNT,
    "shuffle": _SWITCH,
    "seed": Rule("a whole number of at least 0", lambda value: value is None or is_whole(value, 0)),
    "save_to_dir": Rule(
        "an existing folder",
        lambda value: value is None or (isinstance(value, str | os.PathLike) and Path(value).is_dir()),
        "create it first: os.makedirs('preview', exist_ok=True)",
    ),
    "save_prefix": Rule(
        "text without a path in it",
        lambda value: isinstance(value, str) and not {"/", "\\"} & {*value},
        "give the folder with save_to_dir",
    ),
    "save_format": _one_of(*_FORMATS, advice="save_format='png'"),
    "follow_links": _SWITCH,
    "subset": _one_of(None, "training", "validation", advice="subset='training' or subset='validation'"),
    "interpolation": _one_of(None, *FILTERS, advice="leave it out for bicubic, or use 'nearest' for masks"),
    "validate_filenames": _SWITCH,
    "keep_aspect_ratio": _SWITCH,
    "workers": Rule(_COUNT.expected, lambda value: value is None or is_whole(value, 1)),
    "num_ahead": Rule("a whole number of at least 0", lambda value: is_whole(value, 0)),
    "drop_duplicates": Rule("no longer an argument", lambda _: False, _DROP),
    "has_ext": Rule("no longer an argument: x_col holds full file names", lambda _: False, "frame[x_col] + '.jpg'"),
}


def check_arguments(given: Mapping[str, object]) -> None:
    """Reject arguments that violate their rule in ``_ARGUMENTS``, and unknown options of a ``flow`` method.

    Raises:
        UsageError: An argument is invalid or not supported (H017).
    """
    given = {**given, **given.get("options", {})}  # type: ignore[dict-item]
    check(given, _ARGUMENTS, lambda name, received, rule: rejected(name, received, rule.expected, rule.advice))
    for name in given.get("options", {}):  # type: ignore[attr-defined]
        if name not in FLOW_OPTIONS:
            known = f"arguments of Keras's class, {', '.join(FLOW_OPTIONS)}"
            raise rejected(name, "an unknown argument", known, "check the name")


def rejected(name: str, received: object, expected: str, advice: str) -> UsageError:
    """Create the error for an argument that is invalid or not supported (H017)."""
    return UsageError(
        "H017",
        "unsupported argument of ImageDataGenerator",
        received=f"{name}: {received}",
        expected=expected,
        advice=advice,
    )
