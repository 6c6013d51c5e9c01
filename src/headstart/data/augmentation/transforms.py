"""Random transformations of images and arrays, with the parameters of Keras's retired ``ImageDataGenerator``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from headstart.data.augmentation.resampling import Affine, resample
from headstart.foundation.arrays import Array

__all__ = ["Parameters", "Ranges", "random_parameters", "transform_array", "transform_image", "view_random"]

Parameters = dict[str, Any]
Shift = float | int | tuple[float, ...]

_MAX_LEVEL = 255
_INTERPOLATION = {0: Image.Resampling.NEAREST, 1: Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Ranges:
    """Ranges of random transformations, in the units of Keras's arguments.

    Attributes:
        rotation: Largest rotation in degrees, in either direction. Defaults to 0.
        width_shift: Horizontal shift in either direction. A float below 1 is a share of the width, from 1 on pixels; an int
            n means whole pixels up to n - 1; a tuple lists the shifts to choose from. Defaults to 0.
        height_shift: Vertical shift, in the form of ``width_shift``. Defaults to 0.
        shear: Largest shear in degrees, in either direction. Defaults to 0.
        zoom: Range of the visible share of width and height; below 1 zooms in. Defaults to 1.
        channel_shift: Largest number of levels added to or subtracted from all channels. Defaults to 0.
        brightness: Range of brightness factors. Defaults to None: unchanged.
        horizontal_flip: Whether half of the views are mirrored left to right. Defaults to False.
        vertical_flip: Whether half of the views are mirrored top to bottom. Defaults to False.
        fill_mode: How the area beyond the image is filled: one of ``resampling.EDGES``. Defaults to ``nearest``.
        cval: Level of the fill mode ``constant``. Defaults to 0.
    """

    rotation: float = 0.0
    width_shift: Shift = 0.0
    height_shift: Shift = 0.0
    shear: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    channel_shift: float = 0.0
    brightness: tuple[float, float] | None = None
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = "nearest"
    cval: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """All ranges by name, as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Ranges:
        """Restore ranges from the result of ``to_json``."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        return cls(**values)

    @property
    def changes_images(self) -> bool:
        """Whether views can differ from the image."""
        return self != Ranges(fill_mode=self.fill_mode, cval=self.cval)


def view_random(seed: int, view: int) -> np.random.RandomState:
    """Random generator of a view, which depends on seed and view number only, not on the image.

    Generators with equal seeds therefore apply equal transformations to an image and its mask.
    """
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, view])))


def random_parameters(ranges: Ranges, shape: Sequence[int], random: Any) -> Parameters:
    """Draw the parameters of a view, in the order and under the names of Keras's ``get_random_transform``.

    Args:
        ranges: Ranges to draw from.
        shape: Shape of the view, beginning with height and width.
        random: A ``numpy.random.RandomState``, or the module ``numpy.random`` itself.

    Returns:
        ``theta`` and ``shear`` in degrees, ``tx`` (horizontal) and ``ty`` (vertical) in pixels, ``zx`` and ``zy`` as shares,
        ``flip_horizontal``, ``flip_vertical``, ``channel_shift_intensity`` and ``brightness`` (both None if unchanged).
    """
    height, width = shape[:2]
    theta = random.uniform(-ranges.rotation, ranges.rotation) if ranges.rotation else 0
    down = _shift(ranges.height_shift, height, random)
    right = _shift(ranges.width_shift, width, random)
    shear = random.uniform(-ranges.shear, ranges.shear) if ranges.shear else 0
    zx, zy = (1, 1) if ranges.zoom == (1, 1) else random.uniform(*ranges.zoom, 2)
    flips = [bool(random.random() < 0.5) and wanted for wanted in (ranges.horizontal_flip, ranges.vertical_flip)]
    shift = random.uniform(-ranges.channel_shift, ranges.channel_shift) if ranges.channel_shift else None
    brightness = None if ranges.brightness is None else random.uniform(*ranges.brightness)
    return {
        "theta": theta,
        "tx": right,
        "ty": down,
        "shear": shear,
        "zx": zx,
        "zy": zy,
        "flip_horizontal": flips[0],
        "flip_vertical": flips[1],
        "channel_shift_intensity": shift,
        "brightness": brightness,
    }


def transform_image(
    image: Image.Image,
    box: tuple[float, float],
    size: tuple[int, int],
    ranges: Ranges,
    parameters: Parameters,
    filter: Image.Resampling,
) -> Array:
    """Render a view of a decoded image with a single resampling: uint8, ``(height, width, 3)``.

    Args:
        image: Upright image, L or RGB.
        box: Width and height of the centred part of the image that the unchanged view shows.
        size: Width and height of the view.
        ranges: Its ``fill_mode`` and ``cval`` are used.
        parameters: Parameters from ``random_parameters``; ``{}`` for the unchanged view.
        filter: Filter of a resize; with ``NEAREST`` no view contains new levels.
    """
    scale = np.diag([box[0] / size[0], box[1] / size[1], 1.0])
    scale[:2, 2] = (image.width - box[0]) / 2, (image.height - box[1]) / 2
    affine = _affine(scale @ _matrix(parameters, *size))
    level = int(min(max(0, ranges.cval), _MAX_LEVEL))
    view = resample(image, size, affine, filter=filter, edges=ranges.fill_mode, level=level)
    shift, brightness = parameters.get("channel_shift_intensity"), parameters.get("brightness")
    if shift is not None or brightness is not None:
        view = view if view.mode in ("L", "RGB") else view.convert("RGB")
        levels = _recoloured(np.arange(256, dtype=np.float32), shift, brightness, _MAX_LEVEL, _extremes(view))
        view = view.point(np.rint(levels).astype(int).tolist() * len(view.getbands()))
    return np.array(view if view.mode == "RGB" else view.convert("RGB"))


def transform_array(image: Array, ranges: Ranges, parameters: Parameters, order: int = 1, top: float | None = None) -> Array:
    """Render a view of an image in memory, in its own shape and scale: float32, ``(height, width, channels)``.

    Args:
        image: Numbers of any range, with any number of channels.
        ranges: Its ``fill_mode`` and ``cval`` are used.
        parameters: Parameters with the names of ``random_parameters``; those left out change nothing.
        order: 1 for bilinear sampling, 0 for nearest, which creates no new values. Defaults to 1.
        top: Largest value of the scale, to which brightness is clipped. Defaults to None: 1 if no value is larger, else 255.
    """
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    matrix = _matrix(parameters, width, height)
    if not np.array_equal(matrix, np.eye(3)):
        affine, filter = _affine(matrix), _INTERPOLATION[order]
        planes = [Image.fromarray(np.ascontiguousarray(pixels[..., i])) for i in range(pixels.shape[2])]
        settings: dict[str, Any] = {"filter": filter, "edges": ranges.fill_mode, "level": ranges.cval}
        pixels = np.stack([np.asarray(resample(plane, (width, height), affine, **settings)) for plane in planes], axis=-1)
    shift, brightness = parameters.get("channel_shift_intensity"), parameters.get("brightness")
    if shift is None and brightness is None:
        return pixels
    extremes = float(pixels.min()), float(pixels.max())
    top = (1.0 if extremes[1] <= 1 else _MAX_LEVEL) if top is None else top
    return _recoloured(pixels, shift, brightness, top, extremes)


def _shift(amount: Shift, length: int, random: Any) -> float:
    """Draw a shift in pixels as Keras does: uniformly for a float, among whole numbers below an int, or from a list."""
    if not np.any(amount):
        return 0.0
    is_even = isinstance(amount, float)
    shift = random.uniform(-amount, amount) if is_even else random.choice(amount) * random.choice([-1, 1])  # type: ignore[operator]
    return float(shift * length if np.max(amount) < 1 else shift)


def _matrix(parameters: Parameters, width: int, height: int) -> Array:
    """Matrix from points of a view to the image: flip, zoom, shear, shift and rotation about the centre."""
    theta, shear = np.deg2rad(parameters.get("theta", 0)), np.deg2rad(parameters.get("shear", 0))
    turned = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    moved = np.array([[1, 0, parameters.get("tx", 0)], [0, 1, parameters.get("ty", 0)], [0, 0, 1.0]])
    sheared = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    zoomed = np.diag([parameters.get("zx", 1), parameters.get("zy", 1), 1.0])
    mirrored = np.diag([-1.0 if parameters.get(name) else 1.0 for name in ("flip_horizontal", "flip_vertical")] + [1.0])
    centre, origin = np.eye(3), np.eye(3)
    centre[:2, 2] = width / 2, height / 2
    origin[:2, 2] = -width / 2, -height / 2
    matrix: Array = centre @ turned @ moved @ sheared @ zoomed @ mirrored @ origin
    return matrix


def _affine(matrix: Array) -> Affine:
    a, b, c, d, e, f = (float(value) for value in matrix[:2].ravel())
    return a, b, c, d, e, f


def _extremes(view: Image.Image) -> tuple[float, float]:
    pairs: Any = view.getextrema()
    pairs = pairs if isinstance(pairs[0], tuple) else (pairs,)
    return float(min(low for low, _ in pairs)), float(max(high for _, high in pairs))


def _recoloured(
    levels: Array, shift: float | None, brightness: float | None, top: float, extremes: tuple[float, float]
) -> Array:
    """Shift levels within the extremes of the image, then brighten them within the scale, or above the smallest value."""
    low, high = extremes
    if shift is not None:
        levels = np.clip(levels + shift, low, high)
        low, high = np.clip([low + shift, high + shift], low, high)
    if brightness is None:
        return levels
    if low < 0 or high > _MAX_LEVEL:  # not grey levels, but standardized or 16-bit values
        return np.clip((levels - low) * np.float32(brightness), 0, high - low) + low
    return np.clip(levels * np.float32(brightness), 0, top)
