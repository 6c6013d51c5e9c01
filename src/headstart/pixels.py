"""Data: the bytes of an image file -> upright, RGB, square uint8 pixels, with Pillow and NumPy alone.

This file stands on its own and imports nothing of Headstart: a copy of it lies as ``preprocess.py`` beside every
exported model, so that an image meets the same pixels in training and wherever the model is shipped to::

    pixels = load("photo.jpg", size=224)  # uint8, (224, 224, 3)
"""

from __future__ import annotations

import io
import math
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

__all__ = ["FILTERS", "FORMATS", "MAX_PIXELS", "Prepared", "from_array", "load", "prepare"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

# Raster formats that decode in this process; none that starts another program. Frequent ones first; TGA has no
# signature, so it is asked last. A JPEG with several pictures in it (MPO) is opened by the JPEG reader.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "QOI", "PCX", "SGI", "TGA")
FILTERS = {name.lower(): Image.Resampling[name] for name in ("NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS")}
MAX_PIXELS = 64_000_000

_TOO_MANY = f"more than {MAX_PIXELS // 1_000_000} million pixels"
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
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
    """Pixels of an image file (a path), or of its content (bytes): uint8, ``(size, size, 3)``.

    The centred square whose side is ``crop`` times the shorter side is resized to ``size``. The first frame counts,
    EXIF orientation is applied, transparency lies on white, 16-bit values are scaled to 8.

    Raises:
        OSError: The file cannot be read.
        ValueError: The content is no image, is damaged or too large; the text is a plain reason.
    """
    return prepare(source if isinstance(source, bytes) else Path(source).read_bytes(), size, crop, filter).pixels


def prepare(data: bytes, size: int, crop: float = 0.95, filter: str = "bicubic") -> Prepared:
    """Like ``load`` for the content of a file, with what else there is to know about it."""
    _check(size, crop, filter)
    if not data:
        raise ValueError("the file is empty")
    try:
        with _quiet():
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        with image:
            width, height, mode, kind = *image.size, image.mode, image.format or ""
            orientation = _begin(image, size, crop)
            pixels = _square(_plain(image), size, crop, filter, orientation)
            return Prepared(pixels, width, height, kind, mode, _several_frames(image))
    except MemoryError:
        raise  # the machine's limit, not the file's fault
    except Exception as error:
        raise ValueError(_reason(error)) from error


def from_array(array: np.ndarray[Any, Any], size: int, crop: float = 0.95, filter: str = "bicubic") -> Pixels:
    """Pixels of an image in memory, shape ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)`` (alpha on white).

    Integers are 0..255. Floats are 0..1 if none exceeds 1, else 0..255.

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
    return _square(_plain(Image.fromarray(values)), size, crop, filter, 1)


def _begin(image: Image.Image, size: int, crop: float) -> object:
    """Choose the scale of a JPEG, refuse what is too large, read the orientation."""
    needed = math.ceil(size / crop)
    image.draft(None, (needed, needed))  # a JPEG is decoded at 1/2, 1/4 or 1/8 if that is still large enough
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    with _quiet():
        if image.format not in ("JPEG", "MPO"):  # these two never warn while decoding, so they need not wait in line
            image.load()
        try:
            return image.getexif().get(_ORIENTATION, 1)  # after the load: TIFF turns itself, PNG may store it last
        except Exception:  # noqa: BLE001  the tags of a camera are often broken where its picture is fine
            return 1


def _plain(image: Image.Image) -> Image.Image:
    """The same picture as L, RGB or, where something is transparent, RGB multiplied by alpha (RGBa)."""
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_scaled(np.asarray(image)))
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _scaled(values: np.ndarray[Any, Any]) -> Pixels:
    """Wide integers are 16-bit and floats 0..1 or 0..255 if they fit; anything else is stretched from its own range."""
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    top = 65535.0 if values.dtype.kind in "iu" else 1.0 if high <= 1.0 else 255.0
    if low < 0.0 or high > top:
        values, top = values - low, max(high - low, 1e-30)
    return np.rint(values * (255.0 / top)).astype(np.uint8)


def _square(image: Image.Image, size: int, crop: float, filter: str, orientation: object) -> Pixels:
    """Crop, resize and turn: a centred square stays one when it is turned, and the small one turns faster."""
    width, height = image.size
    side = crop * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, min(left + side, width), min(top + side, height))
    image = image.resize((size, size), FILTERS[filter], box=box, reducing_gap=3.0)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])  # type: ignore[index]
    if image.mode != "RGBa":
        return np.array(image.convert("RGB"))
    channels = np.asarray(image).astype(np.int16)
    return np.clip(channels[..., :3] + (255 - channels[..., 3:]), 0, 255).astype(np.uint8)


def _several_frames(image: Image.Image) -> bool:
    try:
        with _quiet():
            return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001  the first frame is fine; whatever is wrong with the second does not matter
        return False


def _check(size: int, crop: float, filter: str) -> None:
    if size < 1 or not 0.0 < crop <= 1.0 or filter not in FILTERS:
        raise ValueError(f"size {size}, crop {crop}, filter {filter!r}: expected >= 1, 0 < crop <= 1, {', '.join(FILTERS)}")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a format that can be read"
    if isinstance(error, Image.DecompressionBombError):
        return _TOO_MANY
    return "the image is cut short" if "truncated" in str(error).lower() else "the image is damaged"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's warnings, whatever the filters of the program are, and one thread at a time."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
