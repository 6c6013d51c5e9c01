"""Conversion of an image file to upright, square RGB pixels in uint8, with Pillow and NumPy only.

This file imports nothing from Headstart, because a copy of it is shipped as ``preprocess.py`` next to every exported model,
so that an image becomes the same pixels in training and wherever the model is used. If there is a ``signature.json`` next to
it, its settings are the defaults: ``load("photo.jpg")``.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

__all__ = [
    "FILTERS",
    "FORMATS",
    "FRAMES",
    "MAX_PIXELS",
    "Prepared",
    "Seen",
    "Settings",
    "from_array",
    "load",
    "natural_range",
    "plain_array",
    "prepare",
    "see",
]

Array = np.ndarray[Any, Any]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Draw = Callable[[Image.Image], Pixels]  # from the whole image, upright, L or RGB, to a square
Range = Sequence[float]  # the values shown as black and as white

# Raster formats that Pillow decodes without starting another program. TGA has no signature, so it is tried last.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "QOI", "PCX", "SGI", "TGA")
FILTERS = {key: Image.Resampling[key.upper()] for key in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
FRAMES = ("crop", "squeeze")
MAX_PIXELS = 64_000_000

_TURNS = dict(enumerate((Image.Transpose(number) for number in (0, 3, 1, 5, 4, 6, 2)), start=2))  # by EXIF orientation
_WARNINGS = threading.Lock()  # Python's warning filters apply to the whole process
_DEPTHS = (8, 10, 12, 14, 16)  # usual bit depths of sensors and files
_OUTLIERS = 1e-4  # share of pixels that may be outside the range, at either end, such as stuck pixels
_MAX_MEASURED = 1 << 20  # pixels from which the value range of an image is measured
_GROUNDS = (255, 0, 128)  # background grey levels for transparent parts, the default first
_MAX_LOST, _MIN_CONTRAST, _MIN_ALPHA = 1 / 3, 32, 16
_MAX_SHIFT = 3  # a colour profile that differs from sRGB by at most this many grey levels is treated as sRGB
_OTHER_HALF = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # byte order that yields the low byte


class Settings(NamedTuple):
    """How images become squares.

    Attributes:
        size: Side of the square, in pixels.
        crop: Share of the side that is kept, around the centre. Defaults to 0.95.
        filter: A key of ``FILTERS``. Defaults to ``bicubic``.
        frame: ``crop`` cuts off everything outside the centred square of the shorter side; ``squeeze`` resizes the whole
            image to a square. Defaults to ``crop``.
        integer_range: Values shown as black and white in images of 16-bit or 32-bit integers. Defaults to None: for each
            image, the smallest range of 8, 10, 12, 14 or 16 bits that contains its values.
        float_range: Values shown as black and white in images of floats. Defaults to None: for each image, 0 to 1 or 0 to
            255, whichever contains its values.
    """

    size: int
    crop: float = 0.95
    filter: str = "bicubic"
    frame: str = "crop"
    integer_range: Range | None = None
    float_range: Range | None = None


class Prepared(NamedTuple):
    """Pixels of a file, with facts about it.

    Attributes:
        pixels: uint8, ``(size, size, 3)``.
        width, height, format, mode: As stored in the file.
        animated: Whether the file contains several frames.
        profile: ``unusable`` if an embedded colour profile was ignored because it cannot be applied, else "".
    """

    pixels: Pixels
    width: int
    height: int
    format: str
    mode: str
    animated: bool
    profile: str


class Seen(NamedTuple):
    """Size and value range of a file, without its pixels.

    Attributes:
        width, height: As stored in the file.
        kind: ``integer`` or ``float`` if values need a range to become grey levels. Defaults to "".
        low, high: Range that the values use, if they need one. Defaults to 0.
    """

    width: int
    height: int
    kind: str = ""
    low: float = 0.0
    high: float = 0.0


class _Picture(NamedTuple):
    """A decoded image before it becomes a square.

    Attributes:
        image: L, RGB, CMYK with ``colours``, or RGBa, which is RGB multiplied by alpha.
        ground: Grey level of the background of transparent parts. Defaults to 255.
        colours: Function that converts to sRGB. Defaults to None: no conversion is needed.
    """

    image: Image.Image
    ground: int = 255
    colours: Callable[[Image.Image], Image.Image] | None = None


def load(
    source: str | os.PathLike[str] | bytes,
    size: int | None = None,
    crop: float | None = None,
    filter: str | None = None,
    frame: str | None = None,
    integer_range: Range | None = None,
    float_range: Range | None = None,
) -> Pixels:
    """Load an image file (a path) or its content (bytes) as pixels: uint8, ``(size, size, 3)``.

    The first frame is used, EXIF orientation is applied, colours with an embedded profile are converted to sRGB, and values
    of more than 8 bits are scaled to 8 bits. Transparent parts are shown on white, or on a darker background if much of the
    visible content would vanish on white.

    All arguments but ``source`` are documented in ``Settings``. Their defaults are the values in the ``signature.json`` next
    to this file, or else the defaults of ``Settings``.

    Raises:
        OSError: The file cannot be read.
        ValueError: The content is not an image, is damaged or too large; the text gives the reason.
    """
    given = dict(zip(Settings._fields, (size, crop, filter, frame, integer_range, float_range), strict=True))
    known = _signed_settings() | {name: value for name, value in given.items() if value is not None}
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    return prepare(data, Settings(**{"size": 0} | known)).pixels


def prepare(data: bytes, settings: Settings, draw: Draw | None = None, needed: int = 0) -> Prepared:
    """Convert the content of a file to pixels, with facts about the file.

    Args:
        data: Content of the file.
        settings: How the image becomes a square.
        draw: Function that makes the pixels from the whole image (upright, L or RGB), for example a random view. Defaults to
            None: a plain square.
        needed: Pixels that the shorter side must keep if a large image is reduced before ``draw``. Defaults to 0.

    Raises:
        ValueError: The content is not an image, is damaged or too large; the text gives the reason.
    """
    _check(settings)
    needed = max(needed, math.ceil(settings.size / settings.crop))
    try:
        with _opened(io.BytesIO(data)) as image:
            width, height, mode, kind = *image.size, image.mode, image.format or ""
            profile = image.info.get("icc_profile")
            decoded, orientation = _wide_colours(data, image) or (image, _decode(image, needed))
            picture, state = _plain(decoded, settings, profile)
            pixels = (
                draw(_whole(picture, settings, needed, orientation)) if draw else _square(picture, settings, orientation)
            )
            animated = bool(_if_readable(lambda: getattr(image, "is_animated", False)))
            return Prepared(pixels, width, height, kind, mode, animated, state)
    except MemoryError:
        raise  # a limit of the machine, not a fault of the file
    except Exception as error:
        raise ValueError(_reason(error) if data else "the file is empty") from error


def see(file: BinaryIO) -> Seen:
    """Read size and value range of a file: only its header, and its values if they need a range.

    Raises:
        ValueError: The content is not an image, is damaged or too large; the text gives the reason.
    """
    try:
        with _opened(file) as image:
            width, height = image.size
            is_wide = _raw_mode(image) is not None
            if not (is_wide or image.mode == "F" or image.mode.startswith("I")):
                return Seen(width, height)
            file.seek(0)
            data = file.read()
        with _opened(io.BytesIO(data)) as image:
            decoded, _ = _wide_colours(data, image) or (image, _decode(image, 1))
            values = np.asarray(decoded)
            return Seen(width, height, _kind(values), *_measured(_without_alpha(values)))
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(_reason(error)) from error


def from_array(array: Array, settings: Settings, draw: Draw | None = None) -> Pixels:
    """Convert an image in memory to pixels: uint8, ``(size, size, 3)``.

    Args:
        array: The image, of a shape and with values that ``plain_array`` accepts.
        settings: How the image becomes a square.
        draw: Function that makes the pixels from the whole image, as in ``prepare``. Defaults to None: a plain square.

    Raises:
        ValueError: The shape or values are not supported.
    """
    _check(settings)
    picture, _ = _plain(Image.fromarray(plain_array(array)), settings, None)
    if draw is None:
        return _square(picture, settings, 1)
    return draw(_whole(picture, settings, math.ceil(settings.size / settings.crop), 1))


def plain_array(array: Array) -> Pixels:
    """Convert an image in memory, ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)`` with alpha, to uint8.

    Integers must be in 0..255. Floats are in 0..1 if none of them exceeds 1, else in 0..255.

    Raises:
        ValueError: The array has another shape, or values outside these ranges.
    """
    values = np.asarray(array)
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.size == 0 or not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))):
        raise ValueError(f"shape {np.shape(array)}: expected (height, width), with 1, 3 or 4 channels last")
    if values.dtype != np.uint8:
        low, high = float(values.min()), float(values.max())
        if not (low >= 0.0 and high <= 255.0):  # written so that NaN fails
            raise ValueError(f"values from {low:g} to {high:g}: expected 0..1 or 0..255")
        scale = 255.0 if values.dtype.kind in "fb" and high <= 1.0 else 1.0
        values = np.rint(values.astype(np.float32) * scale).astype(np.uint8)
    return values


def natural_range(kind: str, low: float, high: float) -> tuple[float, float]:
    """Guess the nominal range (black, white) of an image whose values go from ``low`` to ``high``.

    Args:
        kind: ``integer`` or ``float``.
        low: Smallest value.
        high: Largest value.

    Example:
        >>> natural_range("integer", 0, 3071)
        (0.0, 4095.0)
    """
    tops = [1.0, 255.0] if kind == "float" else [2.0**bits - 1 for bits in _DEPTHS]
    if low >= 0 and high <= tops[-1]:
        return 0.0, next(top for top in tops if high <= top)
    return low, high


@lru_cache(maxsize=1)
def _signed_settings() -> dict[str, Any]:
    """Settings in the signature next to this file; empty if there is none."""
    path = Path(__file__).with_name("signature.json")
    signature = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {name: signature[name] for name in Settings._fields if signature.get(name) is not None}


def _opened(file: BinaryIO) -> Image.Image:
    with _quiet():
        return Image.open(file, formats=FORMATS)


def _decode(image: Image.Image, needed: int) -> object:
    """Decode at least ``needed`` pixels per side, reject images that are too large, and return the EXIF orientation."""
    image.draft(None, (needed, needed))  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size if that is large enough
    _check_area(image)
    if image.format in ("JPEG", "MPO"):
        image.load()  # never warns while decoding, so threads need not wait for the warnings lock
    else:
        with _quiet():
            image.load()
    return _if_readable(lambda: image.getexif().get(0x0112))  # after loading: TIFF is turned by it, PNG may store it last


def _check_area(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


def _raw_mode(image: Image.Image) -> str | None:
    """Raw mode of an image with 16-bit colours, of which Pillow keeps only 8 bits; None for any other image."""
    if image.mode not in ("RGB", "RGBA"):
        return None
    stored = {args if isinstance(args, str) else (args or ("",))[0] for *_, args in getattr(image, "tile", ())}
    mode = stored.pop() if len(stored) == 1 else None
    return mode if isinstance(mode, str) and mode[-4:-1] == ";16" and mode[-1] in _OTHER_HALF else None


def _wide_colours(data: bytes, image: Image.Image) -> tuple[Array, object] | None:
    """Decode 16-bit colours as uint16, ``(h, w, 3)`` or ``(h, w, 4)`` with alpha, and orientation; None if there are none.

    Pillow keeps only the high byte of each value, so that an image which uses the lower 8 of 16 bits would become black.
    Reading with the other byte order yields the low byte.
    """
    raw = _raw_mode(image)
    if raw is None:
        return None
    _check_area(image)
    if raw.startswith("LA"):  # four bytes per pixel: two of grey and two of alpha
        halves, orientation = _decoded_as(data, "RGBA")
        level, alpha = np.moveaxis(halves.view(">u2"), 2, 0)
        return np.stack([level, level, level, alpha], axis=2), orientation
    high, orientation = _decoded_as(data, raw)
    low, _ = _decoded_as(data, raw[:-1] + _OTHER_HALF[raw[-1]])
    return high.astype(np.uint16) << 8 | low, orientation


def _decoded_as(data: bytes, raw: str) -> tuple[Pixels, object]:
    """Decode an image as if its file stored values in the mode ``raw``; also return its orientation."""
    with _opened(io.BytesIO(data)) as image:
        tiles: Any = image
        tiles.tile = [
            tile._replace(args=raw if isinstance(tile.args, str) else (raw, *tile.args[1:])) for tile in tiles.tile
        ]
        orientation = _decode(image, 1)
        return np.array(image), orientation


def _plain(image: Image.Image | Array, settings: Settings, profile: bytes | None) -> tuple[_Picture, str]:
    """Convert an image to one of a few modes; also return ``unusable`` if its colour profile cannot be applied, else ""."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(_scaled(image, settings))
    elif image.mode == "F" or image.mode.startswith("I"):
        return _Picture(Image.fromarray(_scaled(np.asarray(image), settings))), ""  # values are measurements, not colours
    ground = 255
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] == 255:  # nothing is transparent
            image = image.convert("RGB")
        else:
            ground, image = _ground(image), image.convert("RGBa")
    colours, state = _colours(profile, image.mode)
    if image.mode not in ("L", "RGB", "RGBa") and not (colours and image.mode == "CMYK"):
        image = image.convert("RGB")
    return _Picture(image, ground, colours), state


def _kind(values: Array) -> str:
    return "integer" if values.dtype.kind in "iu" else "float"


def _measured(values: Array) -> tuple[float, float]:
    """Smallest and largest value without a few outliers, estimated from a sample of the pixels if the image is large."""
    sample = values.reshape(-1)
    sample = sample[:: (sample.size // _MAX_MEASURED) | 1]  # an odd step visits all columns
    sample = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    if not sample.size:
        return 0.0, 0.0
    beyond = int(_OUTLIERS * sample.size)
    ordered = np.partition(sample, [beyond, sample.size - 1 - beyond])
    return float(ordered[beyond]), float(ordered[-1 - beyond])


def _scaled(values: Array, settings: Settings) -> Pixels:
    """Scale integers of more than 8 bits, or floats, to grey levels.

    An image whose values extend over more than twice the given range is of another kind and gets its own range.
    """
    kind, colours = _kind(values), _without_alpha(values)
    low, high = _measured(colours)
    given = settings.integer_range if kind == "integer" else settings.float_range
    black, white = given or (low, high)
    if given is None or high - black > 2 * (white - black) or white - low > 2 * (white - black):
        black, white = natural_range(kind, low, high)
    numbers = np.nan_to_num(colours.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    numbers -= np.float32(black)
    numbers *= np.float32(255.0 / ((white - black) or 1.0))
    levels = np.rint(np.clip(numbers, 0.0, 255.0, out=numbers), out=numbers).astype(np.uint8)
    if colours.shape == values.shape:
        return levels
    opaque = natural_range(kind, 0.0, float(values[..., -1].max()))[1]  # alpha may use more bits than the colours
    alpha = np.rint(values[..., -1:] * (255.0 / opaque)).astype(np.uint8)
    return np.concatenate([levels, alpha], axis=-1)


def _without_alpha(values: Array) -> Array:
    return values[..., :-1] if values.ndim == 3 and values.shape[2] == 4 else values


def _ground(image: Image.Image) -> int:
    """Background grey level of an RGBA image: white, unless much of the visible content would vanish on it."""
    visible = image.getchannel("A").point([0] * _MIN_ALPHA + [255] * (256 - _MIN_ALPHA))
    levels = np.array(image.convert("RGB").convert("L").histogram(visible))
    lost = {ground: levels[max(0, ground - _MIN_CONTRAST + 1) : ground + _MIN_CONTRAST].sum() for ground in _GROUNDS}
    if lost[_GROUNDS[0]] <= _MAX_LOST * levels.sum():
        return _GROUNDS[0]
    return min(_GROUNDS, key=lambda ground: lost[ground])


def _colours(profile: bytes | None, mode: str) -> tuple[Callable[[Image.Image], Image.Image] | None, str]:
    """Conversion from a colour profile to sRGB, or None if none is needed; and ``unusable`` if it is impossible, else ""."""
    if not profile:
        return None, ""
    try:
        with _quiet():
            return _conversion(profile, "RGB" if mode not in ("L", "CMYK") else mode), ""
    except Exception:  # noqa: BLE001  LittleCMS and Pillow raise many kinds of errors for broken profiles
        return None, "unusable"


@lru_cache(maxsize=64)  # the images of a data set share a few dozen profiles at most
def _conversion(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    of_profile = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[source.profile.xcolor_space.strip()]
    if mode != of_profile and (mode, of_profile) != ("L", "RGB"):
        raise ValueError(f"a profile for {of_profile} in an image of mode {mode}")
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), of_profile, "RGB")

    def convert(image: Image.Image) -> Image.Image:
        plain = image if image.mode == of_profile else image.convert(of_profile)
        return transform.apply(plain)

    if mode == "CMYK":
        return convert
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(6, 36, 3)
    probe = Image.fromarray(colours).convert(mode)
    shift = np.abs(np.asarray(convert(probe)).astype(int) - np.asarray(probe.convert("RGB"))).max()
    return convert if shift > _MAX_SHIFT else None


def _square(picture: _Picture, settings: Settings, orientation: object) -> Pixels:
    width, height = picture.image.size
    shown = (width, height) if settings.frame == "squeeze" else (min(width, height),) * 2
    across, down = (settings.crop * side for side in shown)
    left, top = (width - across) / 2, (height - down) / 2
    box = (left, top, min(left + across, width), min(top + down, height))
    image = picture.image.resize((settings.size,) * 2, FILTERS[settings.filter], box=box, reducing_gap=3.0)
    if isinstance(orientation, int) and orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])  # after resizing, because turning the small square is faster
    return np.array(_shown(image, picture).convert("RGB"))


def _whole(picture: _Picture, settings: Settings, needed: int, orientation: object) -> Image.Image:
    """Convert to the whole image, upright and without transparency; it is reduced first if it is much larger than needed."""
    image = picture.image
    if settings.frame == "squeeze":
        image = image.resize((needed, needed), FILTERS[settings.filter], reducing_gap=3.0)
    elif settings.filter != "nearest" and (factor := min(image.size) // (3 * needed)) > 1:  # nearest must create no levels
        image = image.reduce(factor)
    image = _shown(image, picture)
    return image.transpose(_TURNS[orientation]) if isinstance(orientation, int) and orientation in _TURNS else image


def _shown(image: Image.Image, picture: _Picture) -> Image.Image:
    """Convert a resized image to sRGB, L or RGB, on its background."""
    if image.mode != "RGBa":
        return image if picture.colours is None else picture.colours(image)
    if picture.colours is not None:
        straight = image.convert("RGBA")
        coloured = picture.colours(straight.convert("RGB"))
        coloured.putalpha(straight.getchannel("A"))
        image = coloured.convert("RGBa")
    channels = np.asarray(image).astype(np.int32)
    behind = (255 - channels[..., 3:]) * picture.ground
    return Image.fromarray(np.clip(channels[..., :3] + (behind + 127) // 255, 0, 255).astype(np.uint8))


def _if_readable(read: Callable[[], object]) -> object:
    """Result of reading metadata, or None: tags and later frames are often broken in files whose image is intact."""
    try:
        with _quiet():
            return read()
    except Exception:  # noqa: BLE001  Pillow raises many kinds of errors here
        return None


def _check(settings: Settings) -> None:
    size, crop, filter, frame, *_ = settings
    if size < 1 or not 0.0 < crop <= 1.0 or filter not in FILTERS or frame not in FRAMES:
        expected = f"size >= 1, 0 < crop <= 1, filter {', '.join(FILTERS)}, frame {' or '.join(FRAMES)}"
        raise ValueError(f"size {size}, crop {crop}, filter {filter}, frame {frame}: expected {expected}")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a supported format"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS // 1_000_000} million pixels"
    if "truncated" in str(error).lower():
        return "the image is truncated"
    return "the image is damaged or of an unsupported kind"


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Pillow's warnings whatever the program's filters are, one thread at a time."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
