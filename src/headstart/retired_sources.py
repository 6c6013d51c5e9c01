"""Data: what the methods of the retired generator are given, as a Dataset with targets and weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.dataset import Dataset, Skipped, dataset_of_files
from headstart.errors import DatasetError, UsageError, printable
from headstart.folders import read_folder
from headstart.readers import unlabelled
from headstart.splits import make_split
from headstart.tasks import integer_labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CLASS_MODES", "Source", "from_arrays", "from_folder", "from_frame", "refused", "with_subset"]

Array = np.ndarray[Any, Any]

CLASS_MODES = {"categorical": "one_hot", "binary": "binary", "sparse": "integer", "input": "images", None: None}
_SUBSETS = {"training": "train", "validation": "validation"}
_NOTHING = Dataset("images", "multiclass", "", ("all",), (), np.zeros(0, np.int64), (), ())


class Source(NamedTuple):
    """Samples, the labels that an ``ImageGenerator`` takes, and weights."""

    dataset: Dataset
    labels: str | Array | None
    weights: Array | None = None


def from_folder(directory: str | os.PathLike[str], classes: Sequence[str] | None, class_mode: str | None) -> Source:
    """A folder of class folders. Classes are numbered in the plain order of their names, as they always were."""
    root = Path(directory)
    if class_mode not in CLASS_MODES:
        raise refused(
            "class_mode", class_mode, ", ".join(map(str, CLASS_MODES)), "use flow_from_dataframe for other targets"
        )
    folders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []
    if "train" in folders and any(p.is_dir() for p in (root / "train").iterdir()):
        wanted = "a folder of class folders, not of splits"
        raise refused("directory", directory, wanted, f"name the split: {root / 'train'}")
    names = tuple(classes or map(printable, folders))
    if len(names) == 1:  # one folder of pictures to predict: nothing to tell apart, and no need to
        dataset = replace(read_folder(root, classes=(*names, "(no other)")), classes=names)
    else:
        dataset = read_folder(root, classes=names or None)
    return Source(dataset, CLASS_MODES[class_mode])


def from_frame(
    frame: pd.DataFrame,
    directory: str | os.PathLike[str] | None,
    columns: tuple[str, str | list[str] | None, str | None],
    classes: Sequence[str] | None,
    class_mode: str | None,
) -> Source:
    """A data frame with a column of paths.

    Args:
        frame: The rows.
        directory: What relative paths are relative to.
        columns: Names of the columns of paths, of labels (or several of targets) and of weights.
        classes: The classes and their order; rows of others are listed as skipped.
        class_mode: A key of ``CLASS_MODES``, or ``raw`` for the numbers as they are.
    """
    x_col, y_col, weight_col = columns
    if class_mode not in CLASS_MODES and class_mode != "raw":
        expected = ", ".join([*map(str, CLASS_MODES), "raw"])
        raise refused("class_mode", class_mode, expected, "for several outputs take raw, and split the targets in the model")
    paths = [os.path.join(directory or "", str(name)) for name in frame[x_col]]  # noqa: PTH118  any bytes a name can hold
    is_there = np.array([Path(path).is_file() for path in paths], bool)
    missing = [Skipped(path, "no such file") for path, found in zip(paths, is_there, strict=True) if not found]
    frame, paths = frame[is_there], [path for path, found in zip(paths, is_there, strict=True) if found]
    weights = None if weight_col is None else frame[weight_col].to_numpy(np.float32)
    if class_mode in ("raw", "input", None):
        labels = frame[y_col].to_numpy(np.float32) if class_mode == "raw" else CLASS_MODES[class_mode]
        return Source(replace(unlabelled(paths, _NOTHING), skipped=tuple(missing)), labels, weights)
    texts = [_label(cell) for cell in frame[y_col]]
    names = tuple(classes or sorted({text for text in texts if text}))
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
    if not is_square or (targets is not None and len(targets) != len(images)):
        received = f"{images.shape}, with targets of {None if targets is None else np.shape(targets)}"
        raise refused("x", received, "squares, (n, side, side, 1 or 3), and n targets", "crop or resize them first")
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
    if subset not in _SUBSETS or not 0 < share < 0.5:
        received = f"{subset!r} with validation_split={share:g}"
        expected = "'training' or 'validation', with a validation_split above 0 and below 0.5"
        raise refused("subset", received, expected, "ImageDataGenerator(validation_split=0.2), in both generators")
    everything = replace(source.dataset, split=("train",) * len(source.dataset))
    return source._replace(dataset=make_split(everything, validation=share)), _SUBSETS[subset]


def refused(name: str, received: object, expected: str, advice: str) -> UsageError:
    """The error for an argument that cannot be honoured."""
    return UsageError(
        "H017",
        "this argument of the retired generator cannot be honoured",
        received=f"{name}: {received}",
        expected=expected,
        advice=advice,
    )


def _label(cell: object) -> str:
    """The class that a cell names; "" where it is empty."""
    if isinstance(cell, list | tuple | set):
        raise refused("y_col", cell, "one label a row", "class_mode='raw', with y_col the list of its 0/1 columns")
    if cell is None or cell != cell:  # noqa: PLR0124  NaN alone is unlike itself
        return ""
    return printable(str(cell).strip())
