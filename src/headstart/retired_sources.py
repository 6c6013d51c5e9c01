"""Data: what the retired generator is given, as files or rows with targets, and which of them a subset holds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.batch_generator import Targets
from headstart.dataset import Dataset, Skipped
from headstart.errors import DatasetError, printable
from headstart.fingerprint import array_digest
from headstart.folders import read_folder
from headstart.images import DecodePool, Geometry
from headstart.readers import unlabelled
from headstart.retired_arguments import rejected, shape_of
from headstart.tasks import integer_labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CLASS_MODES", "Samples", "Source", "from_arrays", "from_folder", "from_frame", "with_subset"]

Array = np.ndarray[Any, Any]
Numbers = Array | list[list[int]] | None

_NOTHING = Dataset("images", "multiclass", "", ("all",), (), np.zeros(0, np.int64), (), ())
_IMAGE_SUFFIXES = ("avif", "bmp", "gif", "jfif", "jp2", "jpe", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp")
_PROBE = Geometry(8)

# From label numbers, and how many classes there are, to targets.
CLASS_MODES: dict[str | None, Callable[[Array, int], Array] | None] = {
    "categorical": lambda numbers, num_classes: np.eye(num_classes, dtype=np.float32)[numbers],
    "binary": lambda numbers, _: numbers.astype(np.float32),
    "sparse": lambda numbers, _: numbers.astype(np.int32),
    "input": None,
    None: None,
}
_FRAME_MODES = (*CLASS_MODES, "raw", "multi_output")


class Samples(NamedTuple):
    """Files, or arrays, in their order.

    Attributes:
        filenames: As programs for Keras's class read them.
        filepaths: Paths.
        digests: SHA-256 of each content.
        numbers: Label number of each; lists of them where a sample has several labels; None where there are no classes.
        class_indices: Label number of each class.
        skipped: What was left out, and why.
        are_in_folders: The classes are folders.
    """

    filenames: Sequence[str]
    filepaths: Sequence[str]
    digests: Sequence[str]
    numbers: Numbers
    class_indices: dict[str, int]
    skipped: list[Skipped]
    are_in_folders: bool = False

    @property
    def paths(self) -> Sequence[str]:
        """Name by which batches are decoded: ``filepaths``."""
        return self.filepaths


class Source(NamedTuple):
    """Samples and what comes with their images."""

    samples: Samples
    targets: Targets

    def take(self, rows: Sequence[int]) -> Source:
        """The samples at these positions."""
        samples, (values, weights, are_images) = self.samples, self.targets
        numbers = samples.numbers
        taken = samples._replace(
            filenames=[samples.filenames[i] for i in rows],
            filepaths=[samples.filepaths[i] for i in rows],
            digests=[samples.digests[i] for i in rows],
            numbers=[numbers[i] for i in rows] if isinstance(numbers, list) else None if numbers is None else numbers[rows],
        )
        kept: Array | list[Array] | None = None if values is None or isinstance(values, list) else values[rows]
        kept = [column[rows] for column in values] if isinstance(values, list) else kept
        return Source(taken, Targets(kept, None if weights is None else weights[rows], are_images))


def from_folder(
    directory: str | os.PathLike[str], classes: tuple[str, ...], class_mode: str | None, follow_links: bool
) -> Source:
    """A folder of class folders, all of them if none is named, in the plain order of names that Keras has.

    Files in linked folders below a class, and files that are no images by name or content, are listed as skipped.
    """
    root = Path(directory)
    if class_mode not in [*CLASS_MODES]:
        modes = ", ".join(map(str, CLASS_MODES))
        raise rejected("class_mode", repr(class_mode), modes, "use flow_from_dataframe for other targets")
    folders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []
    if not classes and "train" in folders and any(p.is_dir() for p in (root / "train").iterdir()):
        wanted = "a folder of class folders, not of splits"
        raise rejected("directory", directory, wanted, f"name the split: {root / 'train'}")
    if missing := [name for name in classes if root.is_dir() and not (root / name).is_dir()]:
        there = f"names of folders in {root}: {', '.join(folders[:10])}"
        raise rejected("classes", ", ".join(missing), there, "correct the name, or leave it out")
    names = classes or tuple(map(printable, folders))
    padded = (*names, "(no other)") if len(names) == 1 else names  # nothing to tell apart, and no need to
    dataset = read_folder(root, classes=padded or None)
    # Keras goes through the folders of a class by their whole paths, and through each folder's files by name.
    order = sorted(range(len(dataset)), key=lambda i: (dataset.labels[i], *os.path.split(dataset.paths[i])))
    linked = [] if follow_links else [i for i in order if _is_linked(root, dataset.paths[i])]
    skipped = [*dataset.skipped, *(Skipped(dataset.paths[i], "in a linked folder: follow_links=True") for i in linked)]
    order = sorted({*order} - {*linked}, key=order.index) if linked else order
    files = dataset.take(order)
    samples = Samples(
        [os.path.relpath(path, root) for path in files.paths],
        files.paths,
        files.digests,
        files.labels.astype(np.int32),
        {name: number for number, name in enumerate(names)},
        skipped,
        are_in_folders=True,
    )
    return _without_strangers(Source(samples, _targets(class_mode, samples.numbers, names)))


def from_frame(
    frame: pd.DataFrame,
    directory: str | os.PathLike[str],
    columns: tuple[str, str | list[str] | None, str | None],
    classes: tuple[str, ...],
    class_mode: str | None,
    validate: bool,
) -> Source:
    """A data frame with a column of paths.

    Args:
        frame: The rows.
        directory: What relative paths are relative to.
        columns: Names of the columns of paths, of labels (or several of targets) and of weights.
        classes: The classes and their order, or none for all; rows of others are listed as skipped.
        class_mode: A key of ``CLASS_MODES``, ``raw`` for the values as they are, or ``multi_output`` for a list of columns.
        validate: List rows that name no image file as skipped; otherwise they stay, and have NaN for their pixels.
    """
    x_col, y_col, weight_col = columns
    if class_mode not in [*_FRAME_MODES]:
        modes = ", ".join(map(str, _FRAME_MODES))
        raise rejected("class_mode", repr(class_mode), modes, "class_mode='raw' for other targets")
    _check_columns(frame, columns, class_mode)
    names = [str(name) for name in frame[x_col]]
    paths = [os.path.join(directory, name) for name in names]  # noqa: PTH118  any bytes a name can hold
    rows, skipped = _rows_of_files(paths) if validate else (list(range(len(paths))), [])
    weights = None if weight_col is None else _values(frame, "weight_col", weight_col).astype(np.float32)
    numbers: Numbers = None
    indices: dict[str, int] = {}
    if class_mode in ("categorical", "binary", "sparse"):
        cells = [_labels(cell, class_mode) for cell in frame[y_col]]
        chosen = classes or _class_names(frame[y_col], cells)
        indices = {name: number for number, name in enumerate(chosen)}
        known = [[name for name in labels if name in indices] for labels in cells]
        skipped += [Skipped(paths[i], _not_asked_for(cells[i])) for i in rows if not known[i]]
        rows = [i for i in rows if known[i]]
        lists = [[indices[name] for name in known[i]] for i in rows]
        has_lists = any(isinstance(cell, list | tuple | set) for cell in frame[y_col])
        numbers = lists if has_lists else np.array([number for number, *_ in lists], np.int32)
    files = unlabelled([paths[i] for i in rows], _NOTHING)
    samples = Samples([names[i] for i in rows], files.paths, files.digests, numbers, indices, skipped)
    if class_mode == "raw":
        targets = Targets(_values(frame, "y_col", y_col)[rows])
    elif class_mode == "multi_output":
        targets = Targets([_values(frame, "y_col", column)[rows] for column in y_col or ()])
    else:
        targets = _targets(class_mode, numbers, tuple(indices))
    source = Source(samples, targets._replace(weights=None if weights is None else weights[rows]))
    return _without_strangers(source) if validate else source


def from_arrays(images: Array, targets: Any, weights: Any) -> Source:
    """Images in memory; the targets come out as they are."""
    values = None if targets is None else np.asarray(targets) if shape_of(targets) else np.zeros(0)
    weights = None if weights is None else np.asarray(weights)
    if any(rows is not None and len(rows) != len(images) for rows in (values, weights)):
        told = f"{len(images)} images, with targets of {shape_of(targets)} and weights of {shape_of(weights)}"
        expected = "a target, and a weight where there are any, for each image"
        raise rejected("x", told, expected, "check the first axis of each")
    numbers: Numbers = None
    names: tuple[str, ...] = ()
    if values is not None:
        try:
            numbers, names = integer_labels(values)
        except DatasetError:  # numbers to predict, not classes
            numbers = None
    places = [f"[{i}]" for i in range(len(images))]
    indices = {name: number for number, name in enumerate(names)}
    return Source(Samples(places, places, places, numbers, indices, []), Targets(values, weights))


def with_subset(
    source: Source,
    share: float,
    subset: str | None,
    images: Array | None = None,
) -> tuple[Source, list[int]]:
    """The samples of a subset, and their positions: Keras's, but that copies of a picture stay on one side.

    Keras's validation subset is the first share of each class folder, and of a data frame or an array as a whole. Of these
    it is the first share of each class where the first share of the whole would leave a class on one side only. Where there
    are no targets, nothing is moved: rows stay paired with those of other generators.

    Args:
        source: All samples.
        share: The validation share.
        subset: ``training``, ``validation``, or None for all.
        images: The images in memory, where they are no files.
    """
    num_samples = len(source.samples.filepaths)
    if subset is None:
        return source, list(range(num_samples))
    if not share:
        received = f"{subset!r} with validation_split={share:g}"
        advice = "ImageDataGenerator(validation_split=0.2), in both generators"
        raise rejected("subset", received, "a validation_split above 0", advice)
    is_validation = _first_share(source.samples.numbers, num_samples, share, source.samples.are_in_folders)
    if source.targets.values is not None:
        digests = source.samples.digests if images is None else [array_digest(image) for image in images]
        there = {digests[i] for i in np.flatnonzero(is_validation).tolist()}
        is_validation = np.array([digest in there for digest in digests], bool)
    rows = np.flatnonzero(is_validation == (subset == "validation")).tolist()
    if not rows:
        received = f"{subset!r} of {num_samples} samples with validation_split={share:g}"
        raise rejected("subset", received, "a subset that has samples", "another validation_split, or more samples")
    return source.take(rows), rows


def _first_share(numbers: Numbers, num_samples: int, share: float, is_by_class: bool) -> Array:
    is_first = np.arange(num_samples) < int(share * num_samples)
    if not isinstance(numbers, np.ndarray):
        return is_first
    if not is_by_class and set(numbers[is_first].tolist()) == set(numbers[~is_first].tolist()):
        return is_first
    is_first[:] = False
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        is_first[rows[: int(share * len(rows))]] = True
    return is_first


def _targets(class_mode: str | None, numbers: Numbers, names: tuple[str, ...]) -> Targets:
    make = CLASS_MODES[class_mode]
    if make is None:
        return Targets(are_images=class_mode == "input")
    if class_mode == "binary" and len(names) != 2:
        received = f"'binary' for {len(names)} classes: {', '.join(names[:5])}"
        raise rejected("class_mode", received, "two classes", "class_mode='categorical' or 'sparse'")
    if isinstance(numbers, list):
        values = np.zeros((len(numbers), len(names)), np.float32)
        for row, several in zip(values, numbers, strict=True):
            row[several] = 1
        return Targets(values)
    assert numbers is not None
    return Targets(make(numbers, len(names)))


def _is_linked(root: Path, path: str) -> bool:
    """Whether a file lies in a linked folder below its class folder."""
    below = Path(path).relative_to(root).parts[1:-1]
    folder = Path(path).parents[len(below)]
    return any((folder := folder / name).is_symlink() for name in below)


def _without_strangers(source: Source) -> Source:
    """The source without files that have no image's name and no image's content, such as notes; these are skipped."""
    paths = source.samples.filepaths
    odd = [i for i, path in enumerate(paths) if not path.lower().endswith(_IMAGE_SUFFIXES)]
    if not odd:
        return source
    with DecodePool(_PROBE, workers=1) as pool:
        failed = {odd[one.index]: one.reason for one in pool.decode([paths[i] for i in odd]) if one.pixels is None}
    kept = source.take([i for i in range(len(paths)) if i not in failed])
    strangers = [Skipped(paths[i], reason) for i, reason in sorted(failed.items())]
    return kept._replace(samples=kept.samples._replace(skipped=[*kept.samples.skipped, *strangers]))


def _rows_of_files(paths: list[str]) -> tuple[list[int], list[Skipped]]:
    """Positions of the paths that are files' paths; the others are skipped, with a warning.

    Raises:
        UsageError: None of them is (H017).
    """
    rows = [i for i, path in enumerate(paths) if Path(path).is_file()]
    missing = [Skipped(path, "no such file") for path in sorted({*paths} - {paths[i] for i in rows}, key=paths.index)]
    if missing and not rows:
        received = f"{len(paths)} names, and none is that of a file: {missing[0].path}"
        raise rejected("x_col", received, "names of files, suffix included", "name their folder with directory=")
    if missing:
        told = f"{len(paths) - len(rows)} of {len(paths)} rows name no file and are left out, {missing[0].path} for one"
        warnings.warn(f"{told}; see skipped", stacklevel=5)
    return rows, missing


def _check_columns(
    frame: pd.DataFrame, columns: tuple[str, str | list[str] | None, str | None], class_mode: str | None
) -> None:
    """Reject names of columns that the frame does not have, where they are needed."""
    x_col, y_col, weight_col = columns
    if class_mode == "multi_output" and not isinstance(y_col, list):
        raise rejected("y_col", repr(y_col), "a list of columns for class_mode='multi_output'", "y_col=['a', 'b']")
    needed: list[tuple[str, object]] = [("x_col", x_col)]
    if weight_col is not None:
        needed += [("weight_col", weight_col)]
    if class_mode in ("raw", "multi_output") and isinstance(y_col, list):
        needed += [("y_col", name) for name in y_col]
    elif class_mode not in ("input", None):
        needed += [("y_col", y_col)]
    there = [*frame.columns]
    for name, column in needed:
        if column not in there:
            expected = f"a column of the data frame: {', '.join(map(str, there))}"
            raise rejected(name, repr(column), expected, "name the column that is meant, or rename it")


def _values(frame: pd.DataFrame, name: str, columns: str | list[str] | None) -> Array:
    """Numbers of a column or several, in their own type where they have one."""
    values: Array = frame[columns].to_numpy()
    if values.dtype.kind in "biuf":
        return values
    try:
        return np.array(values.tolist(), np.float32)  # of cells that are lists, too
    except (TypeError, ValueError) as error:
        advice = "turn the column into numbers first: frame[column].map(...)"
        raise rejected(name, f"{columns}: {error}", "numbers alone", advice) from error


def _labels(cell: Any, class_mode: str) -> list[str]:
    """The classes that a cell names."""
    if isinstance(cell, list | tuple | set):
        if class_mode != "categorical":
            raise rejected("y_col", cell, "one label a row", "class_mode='categorical' for several labels a row")
        return [label for part in cell for label in _labels(part, "")]
    if cell is None or cell != cell:  # noqa: PLR0124  NaN alone is unlike itself
        return []
    whole = isinstance(cell, float) and cell.is_integer()
    text = printable(str(int(cell) if whole else cell).strip())
    return [text] if text else []


def _class_names(column: Any, cells: list[list[str]]) -> tuple[str, ...]:
    """All classes: numbers by size, anything else in plain order."""
    names = {name for labels in cells for name in labels}
    are_whole = getattr(column.dtype, "kind", "O") in "iuf" and all(name.lstrip("-").isdecimal() for name in names)
    return tuple(sorted(names, key=int if are_whole else None))


def _not_asked_for(labels: list[str]) -> str:
    return f"its class {', '.join(labels)} is not among those asked for" if labels else "no label"
