"""Benchmarks: a larger data set out of a small one, by jittered copies of its training photos.

Usage: python benchmarks/jitter.py SRC OUT --train-per-class N [--seed N]

Each class of ``train`` is filled up to N photos: the originals as they are, then seeded crops, flips, small rotations
and colour changes of them, as new JPEG files. What stands beside ``train`` (validation and test) is copied as it is. It
is for timing at size: the copies bring little new information. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

_TRAIN = "train"
_MIN_CROP = 0.8  # of either side
_MAX_DEGREES = 8.0
_COLOUR = 0.2  # brightness, contrast and saturation by up to so much
_QUALITY = (80, 96)


def jittered(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A changed copy of an RGB photo, somewhat smaller."""
    angle = rng.uniform(-_MAX_DEGREES, _MAX_DEGREES)
    photo = photo.rotate(angle, Image.Resampling.BILINEAR, fillcolor=_mean_colour(photo))  # black corners would stand out
    share = rng.uniform(_MIN_CROP, 1.0)
    width, height = max(1, round(photo.width * share)), max(1, round(photo.height * share))
    left, top = int(rng.integers(photo.width - width + 1)), int(rng.integers(photo.height - height + 1))
    photo = photo.crop((left, top, left + width, top + height))
    if rng.random() < 0.5:
        photo = ImageOps.mirror(photo)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        photo = enhance(photo).enhance(rng.uniform(1 - _COLOUR, 1 + _COLOUR))
    return photo


def _mean_colour(photo: Image.Image) -> tuple[int, ...]:
    red, green, blue = np.asarray(photo.resize((1, 1), Image.Resampling.BOX))[0, 0]
    return int(red), int(green), int(blue)


def _write(source: Path, target: Path, seed: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    with Image.open(source) as image:
        copy = jittered(ImageOps.exif_transpose(image).convert("RGB"), rng)
    copy.save(target, "JPEG", quality=int(rng.integers(*_QUALITY)))


def fill(folder: Path, out: Path, number: int, seed: tuple[int, ...]) -> int:
    """Fill one class folder up to ``number`` photos; gives how many there are, more where the source already has more.

    Raises:
        OSError: A photo cannot be read; this tool is for clean sources.
    """
    originals = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    out.mkdir(parents=True)
    for path in originals:
        shutil.copy2(path, out / path.name)
    missing = range(max(0, number - len(originals)) if originals else 0)
    sources = [originals[n % len(originals)] for n in missing]
    targets = [out / f"jittered-{n:06}.jpg" for n in missing]
    seeds = [(*seed, n) for n in missing]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow works outside the interpreter lock
        list(pool.map(_write, sources, targets, seeds))
    return len(originals) + len(missing)


def main() -> int:
    """Write OUT and say what is in it."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for beside in sorted(arguments.src.iterdir()):
        if beside.name != _TRAIN:
            copy = shutil.copytree if beside.is_dir() else shutil.copy2
            copy(beside, arguments.out / beside.name)
    classes = sorted(path for path in (arguments.src / _TRAIN).iterdir() if path.is_dir())
    for number, folder in enumerate(classes):
        out = arguments.out / _TRAIN / folder.name
        total = fill(folder, out, arguments.train_per_class, seed=(arguments.seed, number))
        print(f"{folder.name}: {total} photos")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A larger data set out of a small one, by jittered training photos.")
    parser.add_argument("src", type=Path, metavar="SRC", help="folder with train/CLASS/* and what stands beside it")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder")
    parser.add_argument("--train-per-class", type=int, required=True, metavar="N", help="photos in each class of OUT/train")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not (arguments.src / _TRAIN).is_dir():
        parser.error(f"{arguments.src} has no {_TRAIN} folder")
    if arguments.out.exists() and any(arguments.out.iterdir()):
        parser.error(f"{arguments.out} is not empty")
    if arguments.src.resolve() in [arguments.out.resolve(), *arguments.out.resolve().parents]:
        parser.error("OUT is inside SRC")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
