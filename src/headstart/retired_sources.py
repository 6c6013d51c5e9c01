"""Data: what the retired generator is given: arguments that can be honoured, and a Dataset with targets and weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.arguments import Rule, check, is_number, is_whole
from headstart.dataset import Dataset, Skipped, dataset_of_files
from headstart.errors import DatasetError, UsageError, printable
from headstart.folders import read_folder
from headstart.pixels import FILTERS
from headstart.readers import unlabelled
from headstart.splits import make_split
from headstart.tasks import integer_labels
from headstart.warp import EDGES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHANNELS", "CLASS_MODES", "Source", "check_arguments", "from_arrays", "from_folder", "from_frame", "with_subset"]

Array = np.ndarray[Any, Any]

CLASS_MODES = {"categorical": "one_hot", "binary": "binary", "sparse": "integer", "input": "images", None: None}
CHANNELS = {"rgb": 3, "grayscale": 1}
_SUBSETS = {"training": "train", "validation": "validation"}
_NOTHING = Dataset("images", "multiclass", "", ("all",), (), np.zeros(0, np.int64), (), ())
_STATISTICS = "put keras.layers.Normalization() first in the model and call its adapt() on some batches"
_SAMPLEWISE = "preprocessing_function=lambda x: (x - x.mean()) / (x.std() + 1e-6)"


def _one_of(*accepted: object, advice: str) -> Rule:
    return Rule(" or ".join(map(str, accepted)), lambda value: value in accepted, advice)


def _is_amount(value: Any) -> bool:
    return is_number(value) and bool(value >= 0)


def _is_pair(value: Any) -> bool:
    return _shape_of(value) == (2,) and all(map(is_number, value))


def _is_square(value: Any) -> bool:
    return _is_pair(value) and value[0] == value[1] and is_whole(value[0], 1)


def _are_names(value: object) -> bool:
    return not isinstance(value, str) and isinstance(value, Collection) and all(isinstance(name, str) for name in value)


def _is_frame(value: object) -> bool:
    import pandas as pd

    return isinstance(value, pd.DataFrame)


_SHIFT = Rule("a share of the side, or pixels from 1 on", _is_amount, "for example 0.1")
_FLIP = Rule("True or False", lambda value: value is None or isinstance(value, np.bool_ | bool) or is_number(value))
# The arguments of all methods, but for those that ImageGenerator checks.
_ARGUMENTS = {
    "featurewise_center": _one_of(False, None, advice=_STATISTICS),
    "featurewise_std_normalization": _one_of(False, None, advice=_STATISTICS),
    "zca_whitening": _one_of(False, None, advice=_STATISTICS),
    "samplewise_center": _one_of(False, None, advice=_SAMPLEWISE),
    "samplewise_std_normalization": _one_of(False, None, advice=_SAMPLEWISE),
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
    "horizontal_flip": _FLIP,
    "vertical_flip": _FLIP,
    "rescale": Rule("a number", lambda value: value is None or is_number(value), "rescale=1 / 255"),
    "preprocessing_function": Rule(
        "a function that takes and gives one image", lambda value: value is None or callable(value)
    ),
    "data_format": _one_of(None, "channels_last", advice="leave it out: channels are last"),
    "validation_split": Rule(
        "a share of at least 0 and below 1",
        lambda value: value is None or (_is_amount(value) and value < 1),
        "validation_split=0.2",
    ),
    "interpolation_order": _one_of(1, advice="leave it out: views are sampled bilinearly"),
    "dtype": _one_of(None, "float32", advice="leave it out, and cast in the model: keras.layers.Rescaling(1, dtype=...)"),
    "x": Rule("squares, (n, side, side, 1 or 3)", lambda value: len(_shape_of(value)) == 4, "crop or resize them first"),
    "ignore_class_split": _one_of(False, advice="leave it out: every class is in both parts"),
    "directory": Rule(
        "the path of a folder", lambda value: isinstance(value, str | os.PathLike), "directory='photos/train'"
    ),
    "dataframe": Rule("a pandas.DataFrame", _is_frame, "pandas.DataFrame({'filename': paths, 'class': labels})"),
    "target_size": Rule("a square: a pair of equal whole numbers", _is_square, "target_size=(224, 224)"),
    "color_mode": _one_of(*CHANNELS, advice="color_mode='rgb': transparency lies on white"),
    "classes": Rule("names of classes", lambda value: value is None or _are_names(value), "classes=['cat', 'dog']"),
    "save_to_dir": _one_of(None, advice="take batches with next() and save their images"),
    "follow_links": _one_of(None, True, advice="leave it out: links are followed, and loops end"),
    "interpolation": _one_of(*FILTERS, advice="leave it out for what suits most"),
    "validate_filenames": _one_of(True, advice="leave it out: the check costs next to nothing"),
    "keep_aspect_ratio": _one_of(True, advice="leave it out: pictures are cropped to a square, not squeezed"),
}


class Source(NamedTuple):
    """Samples, the labels that an ``ImageGenerator`` takes, and weights."""

    dataset: Dataset
    labels: str | Array | None
    weights: Array | None = None


def from_folder(directory: str | os.PathLike[str], classes: tuple[str, ...], class_mode: str | None) -> Source:
    """A folder of class folders, all of them if none is named: numbered in the plain order of their names, as ever."""
    root = Path(directory)
    if class_mode not in [*CLASS_MODES]:
        raise _refused(
            "class_mode", repr(class_mode), ", ".join(map(str, CLASS_MODES)), "use flow_from_dataframe for other targets"
        )
    folders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []
    if "train" in folders and any(p.is_dir() for p in (root / "train").iterdir()):
        wanted = "a folder of class folders, not of splits"
        raise _refused("directory", directory, wanted, f"name the split: {root / 'train'}")
    names = classes or tuple(map(printable, folders))
    if len(names) == 1:  # one folder of pictures to predict: nothing to tell apart, and no need to
        dataset = replace(read_folder(root, classes=(*names, "(no other)")), classes=names)
    else:
        dataset = read_folder(root, classes=names or None)
    return Source(dataset, CLASS_MODES[class_mode])


def from_frame(
    frame: pd.DataFrame,
    directory: str | os.PathLike[str],
    columns: tuple[str, str | list[str] | None, str | None],
    classes: tuple[str, ...],
    class_mode: str | None,
) -> Source:
    """A data frame with a column of paths.

    Args:
        frame: The rows.
        directory: What relative paths are relative to.
        columns: Names of the columns of paths, of labels (or several of targets) and of weights.
        classes: The classes and their order, or none for all; rows of others are listed as skipped.
        class_mode: A key of ``CLASS_MODES``, or ``raw`` for the numbers as they are.
    """
    x_col, y_col, weight_col = columns
    if class_mode not in [*CLASS_MODES, "raw"]:
        expected = ", ".join([*map(str, CLASS_MODES), "raw"])
        raise _refused(
            "class_mode", repr(class_mode), expected, "for several outputs take raw, and split the targets in the model"
        )
    _check_columns(frame, columns, class_mode)
    paths = [os.path.join(directory, str(name)) for name in frame[x_col]]  # noqa: PTH118  any bytes a name can hold
    is_there = np.array([Path(path).is_file() for path in paths], bool)
    missing = [Skipped(path, "no such file") for path, found in zip(paths, is_there, strict=True) if not found]
    if missing and len(missing) == len(paths):
        received = f"{len(paths)} names, and none is that of a file: {missing[0].path}"
        raise _refused("x_col", received, "names of files, suffix included", "name their folder with directory=")
    if missing:
        told = f"{len(missing)} of {len(paths)} rows name no file and are left out, {missing[0].path} for one; see skipped"
        warnings.warn(told, stacklevel=4)
    frame, paths = frame[is_there], [path for path, found in zip(paths, is_there, strict=True) if found]
    weights = None if weight_col is None else _numbers(frame, "weight_col", weight_col)
    if class_mode in ("raw", "input", None):
        labels = _numbers(frame, "y_col", y_col) if class_mode == "raw" else CLASS_MODES[class_mode]
        return Source(replace(unlabelled(paths, _NOTHING), skipped=tuple(missing)), labels, weights)
    texts = [_label(cell) for cell in frame[y_col]]
    names = classes or tuple(sorted({text for text in texts if text}))
    rows = [i for i, text in enumerate(texts) if text in names]
    missing += [
        Skipped(path, f"its class {text} is not among those asked for" if text else "no label")
        for path, text in zip(paths, texts, strict=True)
        if text not in names
    ]
    dataset = dataset_of_files("table", [(paths[i], texts[i], "") for i in rows], missing, None, names)
    lost = {entry.path for entry in dataset.skipped[len(missing) :]} if len(dataset) < len(rows) else set()
    kept = [i for i in rows if paths[i] not in lost]
    return Source(dataset, CLASS_MODES[class_mode], None if weights is None else weights[kept])


def from_arrays(images: Array, targets: Array | None, weights: Array | None) -> Source:
    """Images in memory; the targets come out as they are."""
    is_square = images.ndim == 4 and images.shape[1] == images.shape[2] and images.shape[3] in (1, 3)
    if not is_square or (targets is not None and _shape_of(targets)[:1] != images.shape[:1]):
        received = f"{images.shape}, with targets of {None if targets is None else _shape_of(targets)}"
        raise _refused("x", received, "squares, (n, side, side, 1 or 3), and n targets", "crop or resize them first")
    dataset = unlabelled(images, _NOTHING)
    if targets is not None:
        try:
            numbers, names = integer_labels(np.asarray(targets))
            dataset = replace(dataset, labels=numbers, classes=names)
        except DatasetError:  # numbers to predict, not classes
            dataset = replace(dataset, labels=np.zeros(len(images), np.int64))
    return Source(dataset, None if targets is None else np.asarray(targets), weights)


def with_subset(source: Source, share: float, subset: str | None) -> tuple[Source, str | None]:
    """The source with a split of its own, and the name of the part that ``subset`` means.

    Every call makes the same split of the same samples, whatever the seed of the generator: two generators on one folder
    never share a picture. Copies of a picture stay on one side.
    """
    if subset is None:
        return source, None
    if subset not in [*_SUBSETS] or not 0 < share < 0.5:
        received = f"{subset!r} with validation_split={share:g}"
        expected = "'training' or 'validation', with a validation_split above 0 and below 0.5"
        raise _refused("subset", received, expected, "ImageDataGenerator(validation_split=0.2), in both generators")
    everything = replace(source.dataset, split=("train",) * len(source.dataset))
    return source._replace(dataset=make_split(everything, validation=share)), _SUBSETS[subset]


def check_arguments(given: Mapping[str, object]) -> None:
    """Refuse arguments that cannot be honoured, as ``_ARGUMENTS`` has them (H017)."""
    check(given, _ARGUMENTS, lambda name, received, rule: _refused(name, received, rule.expected, rule.advice))


def _refused(name: str, received: object, expected: str, advice: str) -> UsageError:
    """The error for an argument that cannot be honoured."""
    return UsageError(
        "H017",
        "this argument of the retired generator cannot be honoured",
        received=f"{name}: {received}",
        expected=expected,
        advice=advice,
    )


def _shape_of(values: Any) -> tuple[int, ...]:
    """The shape of what can become an array; () of what cannot."""
    try:
        return tuple(np.shape(values))
    except ValueError:  # rows of different lengths
        return ()


def _check_columns(
    frame: pd.DataFrame, columns: tuple[str, str | list[str] | None, str | None], class_mode: str | None
) -> None:
    """Refuse names of columns that the frame does not have, where they are needed."""
    x_col, y_col, weight_col = columns
    needed: list[tuple[str, object]] = [("x_col", x_col)]
    if weight_col is not None:
        needed += [("weight_col", weight_col)]
    if class_mode == "raw" and isinstance(y_col, list):
        needed += [("y_col", name) for name in y_col]
    elif class_mode not in ("input", None):
        needed += [("y_col", y_col)]
    there = [*frame.columns]
    for name, column in needed:
        if column not in there:
            expected = f"a column of the data frame: {', '.join(map(str, there))}"
            raise _refused(name, repr(column), expected, "name the column that is meant, or rename it")


def _numbers(frame: pd.DataFrame, name: str, columns: str | list[str] | None) -> Array:
    try:
        numbers: Array = frame[columns].to_numpy(np.float32)
    except (TypeError, ValueError) as error:
        raise _refused(
            name, f"{columns}: {error}", "numbers alone", "turn the column into numbers first: frame[column].map(...)"
        ) from error
    return numbers


def _label(cell: object) -> str:
    """The class that a cell names; "" where it is empty."""
    if isinstance(cell, list | tuple | set):
        raise _refused("y_col", cell, "one label a row", "class_mode='raw', with y_col the list of its 0/1 columns")
    if cell is None or cell != cell:  # noqa: PLR0124  NaN alone is unlike itself
        return ""
    return printable(str(cell).strip())
