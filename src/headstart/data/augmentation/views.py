"""Rendering of a random view of an image: one resampling, one colour table or matrix, and erasing."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from headstart.data.augmentation.augmentation import Augmentation, Range
from headstart.data.augmentation.resampling import Affine, resample

__all__ = ["augment_image", "augment_square", "needed_side", "random_for", "view_drawer"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_LUMA = (0.299, 0.587, 0.114)
_NUM_DRAWS = 20  # one per use below, so that switching one operation off does not change the draws of the others


def random_for(seed: int, digest: str, view: int) -> np.random.Generator:
    """Random generator of a view, which depends on seed, content and view number only.

    Args:
        seed: Any whole number of at least 0.
        digest: Digest of the image's content in hexadecimal, or "" if there is none.
        view: Number of the view.
    """
    return np.random.default_rng([seed, view, int(digest or "0", 16)])


def augment_image(
    image: Image.Image,
    augmentation: Augmentation,
    random: np.random.Generator,
    size: int,
    crop: float = 0.95,
    filter: str = "bicubic",
) -> Pixels:
    """Render a random view of a decoded image directly as a square: uint8, ``(size, size, 3)``.

    Args:
        image: Upright image, L or RGB.
        augmentation: Settings of the view.
        random: Random generator from ``random_for``; the same state gives the same view.
        size: Side of the square in pixels.
        crop: Share of the shorter side that the unchanged square shows; a view may also show parts beyond it. Defaults to
            0.95.
        filter: A key of ``preprocess.FILTERS``. Defaults to ``bicubic``.
    """
    side = crop * min(image.size)
    return _view(image, (side, side), (size, size), augmentation, random, Image.Resampling[filter.upper()])


def view_drawer(
    augmentation: Augmentation, random: np.random.Generator, size: int, crop: float = 0.95, filter: str = "bicubic"
) -> Callable[[Image.Image], Pixels]:
    """Return ``augment_image`` with all arguments but the image bound, as the ``draw`` of ``preprocess.prepare``."""
    settings = {"size": size, "crop": crop, "filter": filter}
    return partial(augment_image, augmentation=augmentation, random=random, **settings)  # type: ignore[arg-type]


def needed_side(augmentation: Augmentation, size: int, crop: float = 0.95, filter: str = "bicubic") -> int:
    """Pixels that the shorter side of an image must have so that even the closest view is not enlarged."""
    del filter
    return math.ceil(size / (crop * augmentation.least_share))


def augment_square(
    square: Pixels, augmentation: Augmentation, random: np.random.Generator, filter: str = "bicubic"
) -> Pixels:
    """Render a random view of an image that already has its final size: uint8, ``(height, width, 3)``."""
    image = Image.fromarray(square)
    return _view(image, image.size, image.size, augmentation, random, Image.Resampling[filter.upper()])


def _view(
    image: Image.Image,
    box: tuple[float, float],
    size: tuple[int, int],
    augmentation: Augmentation,
    random: np.random.Generator,
    filter: Image.Resampling,
) -> Pixels:
    amounts, draws = augmentation.scaled, random.random(_NUM_DRAWS)
    affine = _affine(image.size, box, size, amounts, draws)
    image = resample(image, size, affine, filter=filter, edges=amounts.edges, level=amounts.edge_level)
    image = _recoloured(image, amounts, draws)
    pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    if draws[16] < 0.5 and amounts.erasing > 0:
        _erase(pixels, amounts.erasing * draws[17], draws[18], random)
    return pixels


def _affine(
    whole: tuple[int, int], box: tuple[float, float], size: tuple[int, int], amounts: Augmentation, draws: Any
) -> Affine:
    """Affine map from points of a view to the image, which combines flip, zoom, shear, rotation and shift."""
    across, down = (_within(amounts.zoom, draws[i if amounts.zoom_each_axis else 2]) for i in (2, 3))
    lost = amounts.crop * draws[4]
    across, down = across * (1 - lost), down * (1 - lost)
    angle, shear = math.radians(amounts.rotation * _signed(draws[5])), math.radians(amounts.shear * _signed(draws[6]))
    right = (amounts.shift_width * _signed(draws[7]) + lost * (draws[9] - 0.5)) * box[0]
    below = (amounts.shift_height * _signed(draws[8]) + lost * (draws[10] - 0.5)) * box[1]
    across *= (-1 if draws[0] < amounts.horizontal_flip else 1) * box[0] / size[0]
    down *= (-1 if draws[1] < amounts.vertical_flip else 1) * box[1] / size[1]
    a, b = math.cos(angle) * across, -math.sin(angle + shear) * down
    d, e = math.sin(angle) * across, math.cos(angle + shear) * down
    c = whole[0] / 2 + right - (a * size[0] + b * size[1]) / 2
    f = whole[1] / 2 + below - (d * size[0] + e * size[1]) / 2
    return a, b, c, d, e, f


def _recoloured(image: Image.Image, amounts: Augmentation, draws: Any) -> Image.Image:
    """Apply brightness, contrast, saturation and channel shift by one table, or by one matrix if saturation changes."""
    brightness, contrast = _within(amounts.brightness, draws[11]), _within(amounts.contrast, draws[12])
    saturation, shift = _within(amounts.saturation, draws[13]), amounts.channel_shift * _signed(draws[14])
    gain, offset = brightness * contrast, shift
    if contrast != 1.0:  # around the mean, which every eighth pixel estimates well enough
        offset += (1 - contrast) * brightness * float(np.asarray(image)[::8, ::8].mean())
    if saturation != 1.0 and image.mode == "RGB":
        rows = [[gain * ((1 - saturation) * luma + saturation * (i == j)) for j, luma in enumerate(_LUMA)] for i in range(3)]
        return image.convert("RGB", tuple(value for row in rows for value in (*row, offset)))
    if gain == 1.0 and offset == 0.0:
        return image
    table = np.clip(np.rint(np.arange(256) * gain + offset), 0, 255).astype(int).tolist()
    return image.point(table * len(image.getbands()))


def _erase(pixels: Pixels, share: float, draw: float, random: np.random.Generator) -> None:
    """Cover a share of the area with a rectangle of noise, of an aspect ratio of up to 1:3, in place."""
    height, width = pixels.shape[:2]
    shape = math.exp(_signed(draw) * math.log(3) / 2)
    rows = min(height, round(height * math.sqrt(share) * shape))
    columns = min(width, round(width * math.sqrt(share) / shape))
    top, left = int(random.integers(height - rows + 1)), int(random.integers(width - columns + 1))
    pixels[top : top + rows, left : left + columns] = random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def _within(span: Range, draw: float) -> float:
    low, high = span if isinstance(span, tuple) else (span, span)
    return low + (high - low) * draw


def _signed(draw: float) -> float:
    return 2 * draw - 1
