"""Reading of a folder or of arrays into samples with targets, for ``ImageDataGenerator``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headstart.data.generator.batch_generator import Targets
from headstart.data.generator.image_data.arguments import rejected, shape_of
from headstart.data.images.decode_pool import DecodePool
from headstart.data.images.geometry import Geometry
from headstart.data.readers.folders.folder import read_class_folders
from headstart.data.skipped import Skipped
from headstart.data.tasks import integer_labels
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import printable

__all__ = ["CLASS_MODES", "Numbers", "Samples", "Source", "from_arrays", "from_folder", "targets_of", "without_strangers"]

Numbers = Array | list[list[int]] | None

_IMAGE_SUFFIXES = ("avif", "bmp", "gif", "jfif", "jp2", "jpe", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp")
_PROBE = Geometry(8)

# Functions from label numbers and the number of classes to targets.
CLASS_MODES: dict[str | None, Callable[[Array, int], Array] | None] = {
    "categorical": lambda numbers, num_classes: np.eye(num_classes, dtype=np.float32)[numbers],
    "binary": lambda numbers, _: numbers.astype(np.float32),
    "sparse": lambda numbers, _: numbers.astype(np.int32),
    "input": None,
    None: None,
}


class Samples(NamedTuple):
    """Files or arrays in their order.

    Attributes:
        filenames: Names relative to the folder or as in the data frame, as in Keras's class.
        filepaths: Path of each sample.
        digests: SHA-256 of each sample's content.
        numbers: Label number of each sample, or a list of them if samples have several labels; None without classes.
        class_indices: Label number of each class.
        skipped: Samples that are left out, with the reason.
        are_in_folders: Whether the classes are folders. Defaults to False.
    """

    filenames: Sequence[str]
    filepaths: Sequence[str]
    digests: Sequence[str]
    numbers: Numbers
    class_indices: dict[str, int]
    skipped: list[Skipped]
    are_in_folders: bool = False

    @property
    def files(self) -> Sequence[str]:
        """Paths of the files to decode: ``filepaths``."""
        return self.filepaths


class Source(NamedTuple):
    """Samples with their targets and weights."""

    samples: Samples
    targets: Targets

    def take(self, rows: Sequence[int]) -> Source:
        """Select samples by position."""
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
    """Read a folder of class folders in Keras's order of files.

    Files in linked folders below a class (unless ``follow_links`` is set), and files that are not images by name or content,
    are listed as skipped.

    Args:
        directory: Path of the folder.
        classes: Names of the class folders in their order, or empty for all, sorted.
        class_mode: A key of ``CLASS_MODES``.
        follow_links: Whether linked folders below a class are read.

    Raises:
        UsageError: An argument is invalid (H017).
        DatasetError: The folder does not exist (H106) or contains no class folders (H101).
    """
    root = Path(directory)
    if class_mode not in [*CLASS_MODES]:
        modes = ", ".join(map(str, CLASS_MODES))
        raise rejected("class_mode", repr(class_mode), modes, "use flow_from_dataframe for other targets")
    folders = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []
    if not classes and "train" in folders and any(p.is_dir() for p in (root / "train").iterdir()):
        wanted = "a folder of class folders, not of splits"
        raise rejected("directory", directory, wanted, f"give the folder of a split: {root / 'train'}")
    if missing := [name for name in classes if root.is_dir() and not (root / name).is_dir()]:
        there = f"names of folders in {root}: {', '.join(folders[:10])}"
        raise rejected("classes", ", ".join(missing), there, "correct the name, or leave it out")
    names = classes or tuple(map(printable, folders))
    padded = (*names, "(no other)") if len(names) == 1 else names  # Keras accepts a single class
    dataset = read_class_folders(root, classes=padded or None)
    # Keras sorts the folders of a class by their full paths, and the files of each folder by name.
    order = sorted(range(len(dataset)), key=lambda i: (dataset.labels[i], *os.path.split(dataset.paths[i])))
    linked = [] if follow_links else [i for i in order if _is_linked(root, dataset.paths[i])]
    skipped = [
        *dataset.skipped,
        *(Skipped(dataset.paths[i], "in a linked folder (see follow_links)") for i in linked),
    ]
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
    return without_strangers(Source(samples, targets_of(class_mode, samples.numbers, names)))


def from_arrays(images: Array, targets: Any, weights: Any) -> Source:
    """Make a source of images in memory; targets are returned unchanged.

    Raises:
        UsageError: Targets or weights do not have one entry per image (H017).
    """
    values = None if targets is None else np.asarray(targets) if shape_of(targets) else np.zeros(0)
    weights = None if weights is None else np.asarray(weights)
    if any(rows is not None and len(rows) != len(images) for rows in (values, weights)):
        received = f"{len(images)} images, targets of shape {shape_of(targets)}, weights of shape {shape_of(weights)}"
        expected = "a target, and a weight if there are any, for each image"
        raise rejected("x", received, expected, "check the length of the first axis of each array")
    numbers: Numbers = None
    names: tuple[str, ...] = ()
    if values is not None:
        try:
            numbers, names = integer_labels(values)
        except DatasetError:  # the targets are values rather than classes
            numbers = None
    places = [f"[{i}]" for i in range(len(images))]
    indices = {name: number for number, name in enumerate(names)}
    return Source(Samples(places, places, places, numbers, indices, []), Targets(values, weights))


def targets_of(class_mode: str | None, numbers: Numbers, names: tuple[str, ...]) -> Targets:
    """Targets of samples for a key of ``CLASS_MODES``.

    Raises:
        UsageError: The mode is ``binary``, and there are not two classes (H017).
    """
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


def without_strangers(source: Source) -> Source:
    """Skip files that are not images, neither by name nor by content, such as text files."""
    paths = source.samples.filepaths
    odd = [i for i, path in enumerate(paths) if not path.lower().endswith(_IMAGE_SUFFIXES)]
    if not odd:
        return source
    with DecodePool(_PROBE, workers=1) as pool:
        failed = {odd[one.index]: one.reason for one in pool.decode([paths[i] for i in odd]) if one.pixels is None}
    kept = source.take([i for i in range(len(paths)) if i not in failed])
    strangers = [Skipped(paths[i], reason) for i, reason in sorted(failed.items())]
    return kept._replace(samples=kept.samples._replace(skipped=[*kept.samples.skipped, *strangers]))
