"""Data: the random transformations of Keras's retired ``ImageDataGenerator``, and a picture or array as they show it."""

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
    """How far a view may be from its picture, in the units of Keras's arguments.

    Attributes:
        rotation: Degrees, to either side.
        width_shift: A float is a share of the width (from 1 on: pixels) to either side; an int n stands for up to n - 1
            pixels; a tuple lists the shifts to choose from.
        height_shift: Vertical shift, in the form of ``width_shift``.
        shear: Degrees, to either side.
        zoom: Range of the share of the width, and of the height, that is seen: below 1 is nearer.
        channel_shift: Levels that all channels are raised or lowered by.
        brightness: Range of factors; None for none.
        horizontal_flip: Mirror half of the views left to right.
        vertical_flip: Mirror half of the views top to bottom.
        fill_mode: What is seen beyond the picture: one of ``warp.EDGES``.
        cval: Level of the fill mode ``constant``.
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
        """All ranges by name, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Ranges:
        """The ranges that ``to_json`` wrote."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        return cls(**values)

    @property
    def changes_images(self) -> bool:
        """Whether a view can differ from its picture."""
        return self != Ranges(fill_mode=self.fill_mode, cval=self.cval)


def view_random(seed: int, view: int) -> np.random.RandomState:
    """The source of a view's randomness: a pure function of seed and number, whatever the picture shows.

    So generators with equal seeds show equal views of a picture and its mask.
    """
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, view])))


def random_parameters(ranges: Ranges, shape: Sequence[int], random: Any) -> Parameters:
    """The parameters of a view, drawn in the order and with the names of Keras's ``get_random_transform``.

    Args:
        ranges: What to draw from.
        shape: Of the view: height and width come first.
        random: A ``numpy.random.RandomState``, or the module ``numpy.random`` itself.

    Returns:
        ``theta`` and ``shear`` in degrees, ``tx`` (to the side) and ``ty`` (down) in pixels, ``zx`` and ``zy`` as shares,
        ``flip_horizontal``, ``flip_vertical``, ``channel_shift_intensity`` and ``brightness`` (None for none).
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
    """A view of a decoded picture, resampled once, straight to its size: uint8, ``(height, width, 3)``.

    Args:
        image: Upright, L or RGB.
        box: Width and height of the centred part of the picture that the plain view shows.
        size: Width and height of the view.
        ranges: What is seen beyond the picture.
        parameters: What ``random_parameters`` gives; ``{}`` for the plain view.
        filter: How the picture is resized; ``NEAREST`` makes no new levels in any view.
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
    """A view of an image in memory, in its own shape and scale: float32, ``(height, width, channels)``.

    Args:
        image: Numbers of any range, with any number of channels.
        ranges: What is seen beyond the image.
        parameters: Keras's names and meanings, as ``random_parameters`` gives them; those left out change nothing.
        order: 1 for bilinear sampling, 0 for nearest: no new values.
        top: Greatest value of the scale that brightness is clipped to. Left out: 1 where no value is greater, else 255.
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
    """A shift in pixels; Keras draws floats evenly, and chooses among the whole numbers below an int, or from a list."""
    if not np.any(amount):
        return 0.0
    is_even = isinstance(amount, float)
    shift = random.uniform(-amount, amount) if is_even else random.choice(amount) * random.choice([-1, 1])  # type: ignore[operator]
    return float(shift * length if np.max(amount) < 1 else shift)


def _matrix(parameters: Parameters, width: int, height: int) -> Array:
    """Where in the picture the points of a view lie: mirrored, zoomed, sheared, moved and turned about the centre."""
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
    """Levels shifted within the extremes of their picture, then brightened within the scale, or from its least value on."""
    low, high = extremes
    if shift is not None:
        levels = np.clip(levels + shift, low, high)
        low, high = np.clip([low + shift, high + shift], low, high)
    if brightness is None:
        return levels
    if low < 0 or high > _MAX_LEVEL:  # no scale of grey levels: standardized values, 16 bits
        return np.clip((levels - low) * np.float32(brightness), 0, high - low) + low
    return np.clip(levels * np.float32(brightness), 0, top)
