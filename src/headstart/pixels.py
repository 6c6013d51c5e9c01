"""Data: the bytes of an image file -> upright, RGB, square uint8 pixels, with Pillow and NumPy alone.

This file imports nothing of Headstart: a copy lies as ``preprocess.py`` beside every exported model, so that an image
becomes the same pixels in training and wherever the model is shipped: ``load("photo.jpg", size=224)``.
"""

from __future__ import annotations

import io
import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

__all__ = ["FILTERS", "FORMATS", "MAX_PIXELS", "Prepared", "from_array", "load", "prepare"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Draw = Callable[[Image.Image], Pixels]  # the whole picture, upright, L or RGB, to a square

# Raster formats that decode in this process; none that starts another program. TGA has no signature, so it comes last.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "QOI", "PCX", "SGI", "TGA")
FILTERS = {key: Image.Resampling[key.upper()] for key in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
MAX_PIXELS = 64_000_000

_TURNS = dict(enumerate((Image.Transpose(number) for number in (0, 3, 1, 5, 4, 6, 2)), start=2))  # by EXIF orientation
_WARNINGS = threading.Lock()  # Python's warning filters belong to the whole process


class Prepared(NamedTuple):
    """The pixels of a file, with its width, height, format and mode as stored, and whether it holds several frames."""

    pixels: Pixels
    width: int
    height: int
    format: str
    mode: str
    animated: bool


def load(source: str | os.PathLike[str] | bytes, size: int, crop: float = 0.95, filter: str = "bicubic") -> Pixels:
    """Pixels of an image file (a path) or of its content (bytes): uint8, ``(size, size, 3)``.

    The centred square whose side is ``crop`` times the shorter side is resized to ``size``. The first frame counts,
    EXIF orientation is applied, transparency lies on white, 16-bit values are scaled to 8.

    Raises:
        OSError: The file cannot be read.
        ValueError: The content is no image, is damaged or too large; the text is a plain reason.
    """
    return prepare(source if isinstance(source, bytes) else Path(source).read_bytes(), size, crop, filter).pixels


def prepare(
    data: bytes, size: int, crop: float = 0.95, filter: str = "bicubic", draw: Draw | None = None, needed: int = 0
) -> Prepared:
    """Like ``load`` for the content of a file, with what else there is to know about it.

    Args:
        data: The content.
        size: Side of the square.
        crop: Share of the shorter side that it takes.
        filter: A key of ``FILTERS``.
        draw: Makes the pixels in another way, from the whole picture: upright, L or RGB, transparency on white.
        needed: Pixels that its shorter side must keep, where a large picture is reduced before it is drawn.
    """
    _check(size, crop, filter)
    needed = max(needed, math.ceil(size / crop))
    try:
        with _quiet():
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        with image:
            width, height, mode, kind = *image.size, image.mode, image.format or ""
            orientation = _decode(image, needed)
            plain = _plain(image)
            pixels = draw(_whole(plain, needed, orientation)) if draw else _square(plain, size, crop, filter, orientation)
            animated = bool(_asked(lambda: getattr(image, "is_animated", False)))
            return Prepared(pixels, width, height, kind, mode, animated)
    except MemoryError:
        raise  # the machine's limit, not the file's fault
    except Exception as error:
        raise ValueError(_reason(error) if data else "the file is empty") from error


def from_array(
    array: np.ndarray[Any, Any], size: int, crop: float = 0.95, filter: str = "bicubic", draw: Draw | None = None
) -> Pixels:
    """Pixels of an image in memory, shape ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)`` (alpha on white).

    Integers are 0..255. Floats are 0..1 if none of them exceeds 1, else 0..255. ``draw`` is that of ``prepare``.

    Raises:
        ValueError: Another shape, or values outside these ranges.
    """
    _check(size, crop, filter)
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
    plain = _plain(Image.fromarray(values))
    return draw(_whole(plain, math.ceil(size / crop), 1)) if draw else _square(plain, size, crop, filter, 1)


def _decode(image: Image.Image, needed: int) -> object:
    """Decode at least ``needed`` pixels a side, refuse what is too large, and give the EXIF orientation."""
    image.draft(None, (needed, needed))  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that is large enough
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if image.format in ("JPEG", "MPO"):
        image.load()  # these never warn while they decode, so threads need not wait for one another
    else:
        with _quiet():
            image.load()
    return _asked(lambda: image.getexif().get(0x0112))  # now, for TIFF turns itself and PNG may store it last


def _plain(image: Image.Image) -> Image.Image:
    """The same picture as L, RGB or, where something may be transparent, RGB multiplied by alpha (RGBa)."""
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_scaled(np.asarray(image)))
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _scaled(values: np.ndarray[Any, Any]) -> Pixels:
    """Wide integers are 16-bit, floats 0..1 or 0..255, if they fit; anything else is stretched from its own range."""
    numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    top = 65535.0 if values.dtype.kind in "iu" else 1.0 if high <= 1.0 else 255.0
    if low < 0.0 or high > top:
        numbers, top = (numbers - low) / (high - low or 1.0), 1.0
    scaled: Pixels = np.rint(numbers * (255.0 / top)).astype(np.uint8)
    return scaled


def _square(image: Image.Image, size: int, crop: float, filter: str, orientation: object) -> Pixels:
    width, height = image.size
    side = crop * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, min(left + side, width), min(top + side, height))
    image = image.resize((size, size), FILTERS[filter], box=box, reducing_gap=3.0)
    if isinstance(orientation, int) and orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])  # a centred square stays one, and the small one turns faster
    return _on_white(image) if image.mode == "RGBa" else np.array(image.convert("RGB"))


def _whole(image: Image.Image, needed: int, orientation: object) -> Image.Image:
    """The whole picture, upright and without transparency; one that is much larger than needed is reduced first."""
    if (factor := min(image.size) // (3 * needed)) > 1:
        image = image.reduce(factor)
    image = image if image.mode != "RGBa" else Image.fromarray(_on_white(image))
    if isinstance(orientation, int) and orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    return image


def _on_white(image: Image.Image) -> Pixels:
    channels = np.asarray(image).astype(np.int16)
    on_white: Pixels = np.clip(channels[..., :3] + (255 - channels[..., 3:]), 0, 255).astype(np.uint8)
    return on_white


def _asked(question: Callable[[], object]) -> object:
    """What a file says of itself, or None: tags and later frames are often broken where the picture is fine."""
    try:
        with _quiet():
            return question()
    except Exception:  # noqa: BLE001  Pillow lets a dozen kinds of error through here
        return None


def _check(size: int, crop: float, filter: str) -> None:
    if size < 1 or not 0.0 < crop <= 1.0 or filter not in FILTERS:
        expected = f"size >= 1, 0 < crop <= 1, filter {', '.join(FILTERS)}"
        raise ValueError(f"size {size}, crop {crop}, filter {filter}: expected {expected}")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a format that can be read"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS // 1_000_000} million pixels"
    return "the image is cut short" if "truncated" in str(error).lower() else "the image is damaged or of an unusual kind"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings whatever the program's filters are, one thread at a time."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
