"""Benchmarks: time and memory of the search for near duplicates among thumbnails of fixed cameras and of photographs.

Usage: python benchmarks/near_duplicates.py [NUMBER...]

Needs no data: the thumbnails are drawn from a seed. Exit status 1 if 2,000 take more than 2 s or 50 MB, or 20,000 more than
30 s.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from typing import Any

import numpy as np

from headstart.data.near_duplicates import find_near_duplicates

Array = np.ndarray[Any, Any]

_SIDE = 16
_LIMITS = {2000: (2.0, 50e6), 20000: (30.0, 500e6)}


def fixed_camera(number: int, random: np.random.Generator) -> Array:
    """One background in changing light, with an object of its own place, size and grey level in each picture."""
    background = _soft(random)
    y, x = np.mgrid[:_SIDE, :_SIDE]
    places, radii = random.uniform(2, 14, (number, 2, 1, 1)), random.uniform(0.8, 2.5, (number, 1, 1))
    blobs = np.exp(-((y - places[:, 0]) ** 2 + (x - places[:, 1]) ** 2) / (2 * radii**2))
    light = random.uniform(0.97, 1.03, (number, 1, 1)) * background
    return _levels(light + random.uniform(-40, 40, (number, 1, 1)) * blobs)


def many_cameras(number: int, random: np.random.Generator) -> Array:
    """Five such cameras."""
    return np.concatenate([fixed_camera(len(part), random) for part in np.array_split(np.arange(number), 5)])


def blank_camera(number: int, random: np.random.Generator) -> Array:
    """One background whose pictures differ by noise alone."""
    return _levels(_soft(random) + random.normal(0, 0.6, (number, _SIDE, _SIDE)))


def photographs(number: int, random: np.random.Generator) -> Array:
    """Pictures that have nothing in common, each third one a re-encoded copy of the one before."""
    pictures = np.stack([_soft(random) for _ in range(number)])
    copies = np.arange(2, number, 3)
    pictures[copies] = pictures[copies - 1] + random.normal(0, 0.5, (len(copies), _SIDE, _SIDE))
    return _levels(pictures)


def _soft(random: np.random.Generator) -> Array:
    coarse = random.uniform(0, 255, (4, 4))
    return np.kron(coarse, np.ones((4, 4))) * 0.7 + random.uniform(0, 76, (_SIDE, _SIDE))


def _levels(values: Array) -> Array:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def main() -> int:
    """Print a row for each kind and number."""
    numbers = [int(text) for text in sys.argv[1:]] or [2000, 20000]
    is_fine = True
    print(f"{'thumbnails':<14} {'number':>7} {'seconds':>8} {'peak MB':>8} {'groups':>7} {'in scenes':>9}")
    for kind in (fixed_camera, many_cameras, blank_camera, photographs):
        for number in numbers:
            thumbnails = kind(number, np.random.default_rng(0))
            find_near_duplicates(thumbnails[:20])  # imports
            start = time.perf_counter()
            found = find_near_duplicates(thumbnails)
            seconds = time.perf_counter() - start
            tracemalloc.start()
            find_near_duplicates(thumbnails)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            row = f"{seconds:8.2f} {peak / 1e6:8.1f} {len(set(found.groups.tolist())):7} {found.num_in_scenes:9}"
            print(f"{kind.__name__:<14} {number:7} {row}")
            most_seconds, most_bytes = _LIMITS.get(number, (float("inf"), float("inf")))
            is_fine &= seconds <= most_seconds and peak <= most_bytes
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
