"""Data: how large the images are, told from the heads of a few files."""

from __future__ import annotations

import statistics

import numpy as np
from PIL import Image

from headstart.dataset import Dataset
from headstart.pixels import FORMATS

__all__ = ["typical_side"]

_NUM_LOOKED_AT = 50
_UNKNOWN = 64


def typical_side(dataset: Dataset) -> int:
    """The median of the shorter sides, in pixels, of some images spread over the data set; a likely one if none tells."""
    if dataset.arrays is not None:
        return int(min(dataset.arrays.shape[1:3]))
    places = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), _NUM_LOOKED_AT)).astype(int))
    sides = [side for side in (_side(dataset.paths[i]) for i in places) if side]
    return int(statistics.median(sides)) if sides else _UNKNOWN


def _side(path: str) -> int:
    """The shorter side that a file states, or 0. Nothing is decoded; what is wrong with a file the decoder will tell."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return min(image.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0
