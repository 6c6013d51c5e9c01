"""Resampling of an image by an affine map, and filling of the area beyond its edges.

An affine map gives the position in the image of each point ``(u, v)`` of the result: ``(a, b, c, d, e, f)`` means
``x = a u + b v + c`` and ``y = d u + e v + f``, in pixels from the upper left corners.
"""

from __future__ import annotations

import math

from PIL import Image

__all__ = ["EDGES", "Affine", "resample"]

Affine = tuple[float, float, float, float, float, float]

EDGES = ("reflect", "nearest", "wrap", "constant")

_MIRROR = {0: Image.Transpose.FLIP_LEFT_RIGHT, 1: Image.Transpose.FLIP_TOP_BOTTOM}
_EPSILON = 1e-6


def resample(
    image: Image.Image,
    size: tuple[int, int],
    affine: Affine,
    *,
    filter: Image.Resampling = Image.Resampling.BICUBIC,
    edges: str = "reflect",
    level: float = 0,
) -> Image.Image:
    """Resample an image by an affine map; the mode of the image is kept.

    A map without rotation or shear is a resize with ``filter``, with antialiasing. Any other map is sampled once,
    bilinearly, after a reduction by a whole factor, which keeps it within a few grey levels of an antialiased resize.

    Args:
        image: L or RGB, or F for levels of any range.
        size: Width and height of the result.
        affine: Map from points of the result to the image; not singular.
        filter: Filter of a resize; ``NEAREST`` is used for every map. Defaults to ``BICUBIC``.
        edges: How the area beyond the image is filled: one of ``EDGES``. Defaults to ``reflect``.
        level: Grey level of ``constant`` edges. Defaults to 0.
    """
    a, b, c, d, e, f = affine
    left, right = _span(c, a * size[0], b * size[1])
    upper, lower = _span(f, d * size[0], e * size[1])
    if abs(b) + abs(d) < _EPSILON:
        inside, (x, y) = _surrounded(image, (left, upper, right, lower), edges, level)
        box = (max(0.0, left - x), max(0.0, upper - y), min(right - x, inside.width), min(lower - y, inside.height))
        flat = inside.resize(size, filter, box=box, reducing_gap=3.0)
        flat = flat.transpose(_MIRROR[0]) if a < 0 else flat
        return flat.transpose(_MIRROR[1]) if e < 0 else flat
    # After the reduction, sampled points are 0.75 to 2.1 pixels apart. NEAREST must not create levels, so it has none.
    is_nearest = filter == Image.Resampling.NEAREST
    factor = 1 if is_nearest else max(1, int((math.sqrt(abs(a * e - b * d)) + 0.9) / 1.5))
    # Bilinear sampling reads half a pixel beyond the outermost points.
    seen = _kept(image, (left - factor, upper - factor, right + factor, lower + factor))
    if factor > 1:
        image = image.reduce(factor, box=seen)
        x0, y0 = seen[:2]
        a, b, c, d, e, f = (a / factor, b / factor, (c - x0) / factor, d / factor, e / factor, (f - y0) / factor)
        left, right = (left - x0) / factor, (right - x0) / factor
        upper, lower = (upper - y0) / factor, (lower - y0) / factor
    inside, (x, y) = _surrounded(image, (left - 1, upper - 1, right + 1, lower + 1), edges, level)
    method = filter if is_nearest else Image.Resampling.BILINEAR
    return inside.transform(size, Image.Transform.AFFINE, (a, b, c - x, d, e, f - y), method)


def _span(start: float, *steps: float) -> tuple[float, float]:
    """Smallest and largest value of ``start`` plus any subset of the steps."""
    return start + sum(min(0.0, step) for step in steps), start + sum(max(0.0, step) for step in steps)


def _kept(image: Image.Image, box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Part of the image that a box covers, in whole pixels; at least the nearest pixel."""
    left, right = _clipped(box[0], box[2], image.width)
    upper, lower = _clipped(box[1], box[3], image.height)
    return left, upper, right, lower


def _clipped(low: float, high: float, length: int) -> tuple[int, int]:
    start = min(max(0, math.floor(low)), length - 1)
    return start, max(start + 1, min(length, math.ceil(high)))


def _surrounded(
    image: Image.Image, box: tuple[float, float, float, float], edges: str, level: float
) -> tuple[Image.Image, tuple[int, int]]:
    """Extend an image so that it contains the whole box; also return the position of the result's corner in the image."""
    left, upper, right, lower = (math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3]))
    if left >= 0 and upper >= 0 and right <= image.width and lower <= image.height:
        return image, (0, 0)
    kept = _kept(image, box)  # only the visible part, so that a very long image is not copied as a whole
    left, upper = min(left, kept[0]), min(upper, kept[1])
    right, lower = max(right, kept[2]), max(lower, kept[3])
    wide = image.crop((left, upper, right, lower))  # black beyond the image until it is filled
    known = (kept[0] - left, kept[1] - upper, kept[2] - left, kept[3] - upper)
    if edges == "constant":
        colour = (level,) * len(wide.getbands())
        frame = Image.new(wide.mode, wide.size, colour if len(colour) > 1 else level)
        frame.paste(wide.crop(known), known[:2])
        return frame, (left, upper)
    _fill(wide, 0, (known[0], known[2]), edges)
    _fill(wide, 1, (known[1], known[3]), edges)
    return wide, (left, upper)


def _fill(image: Image.Image, axis: int, known: tuple[int, int], edges: str) -> None:
    """Fill the columns (axis 0) or rows (axis 1) before and after the known ones, in place."""
    start, stop = known
    period, length = stop - start, image.size[axis]
    most = length if edges == "nearest" else period  # longest strip that can be filled at once
    low, high = start, stop
    while low > 0:
        step = min(low, most)
        source = {"reflect": low, "nearest": low, "wrap": low + period - step}[edges]
        image.paste(_strip(image, axis, source, step, edges), _corner(axis, low - step))
        low -= step
    while high < length:
        step = min(length - high, most)
        source = {"reflect": high - step, "nearest": high - 1, "wrap": high - period}[edges]
        image.paste(_strip(image, axis, source, step, edges), _corner(axis, high))
        high += step


def _strip(image: Image.Image, axis: int, start: int, length: int, edges: str) -> Image.Image:
    """Cut out the columns or rows that fill ``length`` columns or rows beyond the edge."""
    width = 1 if edges == "nearest" else length
    across = image.size[1 - axis]
    box = (start, 0, start + width, across) if axis == 0 else (0, start, across, start + width)
    strip = image.crop(box)
    if edges == "nearest":
        return strip.resize((length, across) if axis == 0 else (across, length), Image.Resampling.NEAREST)
    return strip.transpose(_MIRROR[axis]) if edges == "reflect" else strip


def _corner(axis: int, start: int) -> tuple[int, int]:
    return (start, 0) if axis == 0 else (0, start)
