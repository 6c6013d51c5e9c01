"""Benchmarks: images a second out of ``ImageGenerator``, against bare decoding and against what others use.

Usage: python benchmarks/generator.py DATA [--rounds 5] [--batch-size 64]

On the same files, to the same size, in turns, so that a noisy machine is noisy for all of them; of two passes over the files
in a row the second is timed (of as many more as it takes for a few batches):

- bare: ``pixels.load`` in a plain ``multiprocessing`` pool of one process a usable core, and the pixels are thrown away:
  what the decoder alone can do on these cores.
- ours: batches of ``ImageGenerator``, float32, as Keras gets them; plain, with the augmentation of most notebooks, and both
  again from squares that an earlier epoch has kept (``cache``).
- Keras: ``image_dataset_from_directory``, prefetched; plain, and with RandomFlip, RandomRotation, RandomTranslation and
  RandomZoom, mapped in parallel. Its resize does not smooth, which is cheaper than what the other three do; so a third
  pipeline of ``tf.data`` is the first with ``antialias=True``, which is the same work.
- PyTorch: a ``DataLoader`` with one worker process a usable core; plain, and with the nearest transforms of torchvision,
  or of Pillow where torchvision is not there. Where PyTorch is not there either, this is said and not run.

All resize bilinearly, the default of Keras and of torchvision.

Exit 1 if ours is behind Keras or PyTorch, below ``--target-plain`` of bare without augmentation, or below
``--target-augmented`` of bare with it.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart.data.images import preprocess as pixels

Way = Callable[[], int]

_SIZE = 224
_PAUSE_SECONDS = 1.0  # until the processes of one way have fetched ahead what they may, and leave the cores to the next
_BATCHES = 8  # least that is timed
_CHUNK = 8  # files a message between the processes of the bare pool
_DEGREES, _SHIFT, _ZOOM = 10, 0.1, 0.1  # the augmentation of most notebooks


def load_and_forget(path: str) -> int:
    """Decode one file as ``ImageGenerator``'s workers do, and nothing else."""
    return len(pixels.load(path, _SIZE, crop=1.0, filter="bilinear"))


def pass_of_bare(files: list[str], pool: Any) -> int:
    """Decode all the files; how many there were."""
    return sum(1 for _ in pool.imap_unordered(load_and_forget, files, chunksize=_CHUNK))


def pass_of_ours(generator: Any) -> int:
    """One epoch."""
    return sum(len(images) for images, _ in generator)


def pass_of_keras(batches: Any) -> int:
    """One pass over a ``tf.data`` pipeline."""
    return sum(int(images.shape[0]) for images in batches)


def pass_of_torch(loader: Any) -> int:
    """One epoch; its worker processes live on from epoch to epoch."""
    return sum(len(images) for images in loader)


def keras_pipeline(folder: Path, batch_size: int, is_augmented: bool) -> Any:
    """Keras's own loader, and its own layers behind it, as its guide to preprocessing has them."""
    import keras
    import tensorflow as tf

    images = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(_SIZE, _SIZE), batch_size=batch_size, verbose=False
    )
    if is_augmented:
        layers = keras.Sequential(
            [
                keras.layers.RandomFlip("horizontal"),
                keras.layers.RandomRotation(_DEGREES / 360, fill_mode="nearest"),
                keras.layers.RandomTranslation(_SHIFT, _SHIFT, fill_mode="nearest"),
                keras.layers.RandomZoom((-_ZOOM, _ZOOM), (-_ZOOM, _ZOOM), fill_mode="nearest"),
            ]
        )
        images = images.map(lambda batch: layers(batch, training=True), num_parallel_calls=tf.data.AUTOTUNE)
    return images.prefetch(tf.data.AUTOTUNE)


def smoothed_pipeline(files: list[str], batch_size: int) -> Any:
    """Measure Keras's loader, with a resize that smooths as the other three do."""
    import tensorflow as tf

    def load(path: Any) -> Any:
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.image.resize(image, (_SIZE, _SIZE), antialias=True)

    images = tf.data.Dataset.from_tensor_slices(files).map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return images.batch(batch_size).prefetch(tf.data.AUTOTUNE)


class PillowTransforms:
    """Transform a picture as torchvision does, by the same functions of Pillow.

    Args:
        is_augmented: Flip, turn, move and zoom it as well.
    """

    def __init__(self, is_augmented: bool) -> None:
        self._is_augmented = is_augmented

    def __call__(self, image: Image.Image) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Float32, ``(3, size, size)``."""
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        image = image.resize((_SIZE, _SIZE), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
        if self._is_augmented:
            random = np.random.default_rng()
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image
            angle, zoom = math.radians(random.uniform(-_DEGREES, _DEGREES)), random.uniform(1 - _ZOOM, 1 + _ZOOM)
            a, b = math.cos(angle) * zoom, -math.sin(angle) * zoom
            right, down = (random.uniform(-_SHIFT, _SHIFT) * _SIZE for _ in range(2))
            c, f = _SIZE / 2 * (1 - a - b) + right, _SIZE / 2 * (1 + b - a) + down
            image = image.transform(image.size, Image.Transform.AFFINE, (a, b, c, -b, a, f), Image.Resampling.BILINEAR)
        return np.ascontiguousarray(np.asarray(image, np.float32).transpose(2, 0, 1))


def torch_transforms(is_augmented: bool) -> tuple[str, Any]:
    """The transforms and whose they are."""
    try:
        from torchvision import transforms  # type: ignore[import-not-found]
    except ImportError:
        return "Pillow transforms", PillowTransforms(is_augmented)
    augmenting = [
        transforms.RandomHorizontalFlip(),
        transforms.RandomAffine(
            _DEGREES, (_SHIFT, _SHIFT), (1 - _ZOOM, 1 + _ZOOM), interpolation=transforms.InterpolationMode.BILINEAR
        ),
    ]
    return "torchvision", transforms.Compose(
        [
            transforms.Resize(_SIZE),
            transforms.CenterCrop(_SIZE),
            *(augmenting if is_augmented else []),
            transforms.ToTensor(),
        ]
    )


class Photos:
    """A map-style PyTorch data set of files.

    Args:
        files: Their paths.
        transform: Applied to each picture.
    """

    def __init__(self, files: list[str], transform: Any) -> None:
        self._files, self._transform = files, transform

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Any:
        with Image.open(self._files[index]) as image:
            return self._transform(image.convert("RGB"))


def torch_ways(files: list[str], batch_size: int, workers: int) -> tuple[str, dict[str, Way]]:
    """Measure PyTorch's loader; return nothing if PyTorch is not installed."""
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        return "PyTorch is not installed: not run", {}
    ways: dict[str, Way] = {}
    whose = ""
    for name, is_augmented in (("PyTorch", False), ("PyTorch, augmented", True)):
        whose, transform = torch_transforms(is_augmented)
        settings = {"batch_size": batch_size, "shuffle": True, "num_workers": workers, "persistent_workers": True}
        # Not forked from a process that holds TensorFlow.
        loader = DataLoader(Photos(files, transform), multiprocessing_context="spawn", **settings)
        ways[name] = partial(pass_of_torch, loader)
    return f"PyTorch with {whose}", ways


def measured(ways: dict[str, Way], num_files: int, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Images a second of each way in each round; the ways take turns."""
    # More than anybody fetches ahead, so that what was ready at the beginning does not count.
    passes = max(1, math.ceil(_BATCHES * arguments.batch_size / num_files))
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(arguments.rounds):
        for name, one_pass in ways.items():
            seen = [one_pass() for _ in range(passes)]
            start = time.perf_counter()
            seen += [one_pass() for _ in range(passes)]
            rates[name].append(passes * num_files / (time.perf_counter() - start))
            if set(seen) != {num_files}:
                sys.exit(f"{name} gave {seen} images and not {num_files}: use a folder of plain JPEG files")
            time.sleep(_PAUSE_SECONDS)
        print(f"round {number + 1}: " + ", ".join(f"{n} {r[-1]:.0f}" for n, r in rates.items()), file=sys.stderr)
    return rates


def main() -> int:
    """Measure in turns, print medians and spread, and judge."""
    arguments = _arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # everybody's images end in the memory of the processor
    from headstart.data.generator.image_generator import ImageGenerator
    from headstart.data.images.geometry import Geometry
    from headstart.data.readers.folders.folder import read_folder
    from headstart.foundation.machine import usable_cores

    dataset, cores, batch_size = read_folder(arguments.data), usable_cores(), arguments.batch_size
    files = list(dataset.paths)
    geometry = Geometry(_SIZE, crop=1.0, filter="bilinear")
    with (
        multiprocessing.get_context("spawn").Pool(cores) as pool,
        tempfile.TemporaryDirectory(prefix="generator-") as squares,
        contextlib.ExitStack() as stack,
    ):
        ways: dict[str, Way] = {"bare decoding": partial(pass_of_bare, files, pool)}
        for kind, cache in (("", False), (", kept", squares)):
            for name, augmentation in (("ours", None), ("ours, augmented", "notebook")):
                generator = ImageGenerator(dataset, geometry, batch_size, augmentation, cache=cache)
                ways[name + kind] = partial(pass_of_ours, stack.enter_context(generator))
        ways["Keras"] = partial(pass_of_keras, keras_pipeline(arguments.data, batch_size, is_augmented=False))
        ways["Keras, augmented"] = partial(pass_of_keras, keras_pipeline(arguments.data, batch_size, is_augmented=True))
        ways["Keras, smoothed"] = partial(pass_of_keras, smoothed_pipeline(files, batch_size))
        note, torch = torch_ways(files, batch_size, cores)
        rates = measured(ways | torch, len(files), arguments)
    print(f"{len(files)} files to {_SIZE} px, {cores} cores, batches of {batch_size}, {arguments.rounds} rounds; {note}")
    return _judge(arguments, rates)


def _judge(arguments: argparse.Namespace, rates: dict[str, list[float]]) -> int:
    print("images a second             median     least      most")
    for name, values in rates.items():
        print(f"{name:23} {statistics.median(values):10.1f} {min(values):9.1f} {max(values):9.1f}")
    middle = {name: statistics.median(values) for name, values in rates.items()}
    wanted = [
        ("ours", "bare decoding", arguments.target_plain),
        ("ours, augmented", "bare decoding", arguments.target_augmented),
    ]
    wanted += [("ours", "Keras, smoothed", 1.0)]
    for other in ("Keras", "PyTorch"):
        for kind in ("", ", augmented"):
            wanted += [(f"ours{kind}", f"{other}{kind}", 1.0), (f"ours{kind}, kept", f"{other}{kind}", 1.0)]
    failures = []
    for one, other, target in wanted:
        if other in middle:
            ratio = middle[one] / middle[other]
            print(f"{one} / {other}: {ratio:.2f}  (wanted: {target:g})")
            failures += [f"{one} / {other}"] if ratio < target else []
    for failure in failures:
        print(f"MISSED: {failure}")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Images a second out of ImageGenerator, against decoding and against others."
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of class folders, or of splits of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--target-plain", type=float, default=0.85, metavar="S", help="least ours / bare decoding")
    parser.add_argument("--target-augmented", type=float, default=0.60, metavar="S", help="the same with augmentation")
    arguments = parser.parse_args()
    if not arguments.data.is_dir() or arguments.rounds < 1 or arguments.batch_size < 1:
        parser.error("DATA is a folder; --rounds and --batch-size are at least 1")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
