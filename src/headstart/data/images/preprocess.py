"""Data: the bytes of an image file -> upright, RGB, square uint8 pixels, with Pillow and NumPy alone.

This file imports nothing of Headstart: a copy lies as ``preprocess.py`` beside every exported model, so that an image
becomes the same pixels in training and wherever the model is shipped. Beside a ``signature.json`` it takes its settings
from there: ``load("photo.jpg")``.
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
Draw = Callable[[Image.Image], Pixels]  # the whole picture, upright, L or RGB, to a square
Range = Sequence[float]  # the value that becomes black, and the one that becomes white

# Raster formats that decode in this process; none that starts another program. TGA has no signature, so it comes last.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "QOI", "PCX", "SGI", "TGA")
FILTERS = {key: Image.Resampling[key.upper()] for key in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
FRAMES = ("crop", "squeeze")
MAX_PIXELS = 64_000_000

_TURNS = dict(enumerate((Image.Transpose(number) for number in (0, 3, 1, 5, 4, 6, 2)), start=2))  # by EXIF orientation
_WARNINGS = threading.Lock()  # Python's warning filters belong to the whole process
_DEPTHS = (8, 10, 12, 14, 16)  # bits that sensors and files have
_OUTLIERS = 1e-4  # share of the pixels that may lie beyond a range on either side, such as those that are stuck at white
_MAX_MEASURED = 1 << 20  # pixels that tell the range of a picture
_GROUNDS = (255, 0, 128)  # grey levels to show transparent parts on, the usual one first
_MAX_LOST, _MIN_CONTRAST, _MIN_ALPHA = 1 / 3, 32, 16
_MAX_SHIFT = 3  # grey levels by which a colour profile may differ from sRGB and count as sRGB
_OTHER_HALF = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # the byte order that gives the low byte


class Settings(NamedTuple):
    """How pictures become squares.

    Attributes:
        size: Side of the square, in pixels.
        crop: Share of the square's side that is shown, about the centre.
        filter: A key of ``FILTERS``.
        frame: ``crop``: what lies beside a square of the shorter side's length is cut off. ``squeeze``: the whole picture
            is squeezed into a square.
        integer_range: Of pictures of 16 or 32-bit whole numbers, the values that become black and white. None: by each
            picture, the fewest of 8, 10, 12, 14 and 16 bits that hold it.
        float_range: Of pictures of floats, likewise. None: 0 to 1 or 0 to 255, whichever holds the picture.
    """

    size: int
    crop: float = 0.95
    filter: str = "bicubic"
    frame: str = "crop"
    integer_range: Range | None = None
    float_range: Range | None = None


class Prepared(NamedTuple):
    """The pixels of a file, and what there is to know about it.

    Attributes:
        pixels: uint8, ``(size, size, 3)``.
        width, height, format, mode: As stored.
        animated: Whether it holds several frames.
        profile: ``unusable`` where an embedded colour profile was ignored because it cannot be applied, else empty.
    """

    pixels: Pixels
    width: int
    height: int
    format: str
    mode: str
    animated: bool
    profile: str


class Seen(NamedTuple):
    """What is known of a file before its pixels are made.

    Attributes:
        width, height: As stored.
        kind: ``integer`` or ``float`` where values need a range to become grey levels, else empty.
        low, high: The range that the values use, where they need one.
    """

    width: int
    height: int
    kind: str = ""
    low: float = 0.0
    high: float = 0.0


class _Picture(NamedTuple):
    """A decoded picture on its way to a square.

    Attributes:
        image: L, RGB, CMYK with ``colours``, or RGBa, which is RGB multiplied by alpha.
        ground: Grey level behind transparent parts.
        colours: Converts to sRGB; None where nothing has to be converted.
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
    """Pixels of an image file (a path) or of its content (bytes): uint8, ``(size, size, 3)``.

    The arguments are those of ``Settings``. One that is left out is taken from the ``signature.json`` beside this file,
    and without that has the default of ``Settings``. The first frame counts, EXIF orientation is applied, colours with an
    embedded profile become sRGB, wide values are scaled to 8 bits, and transparent parts lie on white, or on a darker
    ground where most of what is visible would vanish on white.

    Raises:
        OSError: The file cannot be read.
        ValueError: The content is no image, is damaged or too large; the text is a plain reason.
    """
    given = dict(zip(Settings._fields, (size, crop, filter, frame, integer_range, float_range), strict=True))
    known = _signed_settings() | {name: value for name, value in given.items() if value is not None}
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    return prepare(data, Settings(**{"size": 0} | known)).pixels


def prepare(data: bytes, settings: Settings, draw: Draw | None = None, needed: int = 0) -> Prepared:
    """Like ``load`` for the content of a file, with what else there is to know about it.

    Args:
        data: The content.
        settings: What the pixels become.
        draw: Makes the pixels in another way, from the whole picture: upright, L or RGB.
        needed: Pixels that its shorter side must keep, where a large picture is reduced before it is drawn.
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
            animated = bool(_asked(lambda: getattr(image, "is_animated", False)))
            return Prepared(pixels, width, height, kind, mode, animated, state)
    except MemoryError:
        raise  # the machine's limit, not the file's fault
    except Exception as error:
        raise ValueError(_reason(error) if data else "the file is empty") from error


def see(file: BinaryIO) -> Seen:
    """Look at a file: its head alone, and at its values where these need a range.

    Raises:
        ValueError: As ``load``.
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
    """Pixels of an image in memory, of a shape and values that ``plain_array`` takes.

    Args:
        array: The image.
        settings: What the pixels become.
        draw: That of ``prepare``.

    Raises:
        ValueError: Another shape, or other values.
    """
    _check(settings)
    picture, _ = _plain(Image.fromarray(plain_array(array)), settings, None)
    if draw is None:
        return _square(picture, settings, 1)
    return draw(_whole(picture, settings, math.ceil(settings.size / settings.crop), 1))


def plain_array(array: Array) -> Pixels:
    """An image in memory as uint8: shape ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or, with alpha, ``(h, w, 4)``.

    Integers are 0..255. Floats are 0..1 if none of them exceeds 1, else 0..255.

    Raises:
        ValueError: Another shape, or values outside these ranges.
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
    """The range that values from ``low`` to ``high`` most likely have by their nature: what is black and what is white.

    Args:
        kind: ``integer`` or ``float``.
        low: Least value.
        high: Greatest value.

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
    """What the signature beside this file says of pictures; nothing where there is none."""
    path = Path(__file__).with_name("signature.json")
    signature = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {name: signature[name] for name in Settings._fields if signature.get(name) is not None}


def _opened(file: BinaryIO) -> Image.Image:
    with _quiet():
        return Image.open(file, formats=FORMATS)


def _decode(image: Image.Image, needed: int) -> object:
    """Decode at least ``needed`` pixels a side, refuse what is too large, and give the EXIF orientation."""
    image.draft(None, (needed, needed))  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that is large enough
    _check_area(image)
    if image.format in ("JPEG", "MPO"):
        image.load()  # these never warn while they decode, so threads need not wait for one another
    else:
        with _quiet():
            image.load()
    return _asked(lambda: image.getexif().get(0x0112))  # now, for TIFF turns itself and PNG may store it last


def _check_area(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


def _raw_mode(image: Image.Image) -> str | None:
    """How 16-bit colours are stored, of which Pillow keeps 8 bits; None for any other image."""
    if image.mode not in ("RGB", "RGBA"):
        return None
    stored = {args if isinstance(args, str) else (args or ("",))[0] for *_, args in getattr(image, "tile", ())}
    mode = stored.pop() if len(stored) == 1 else None
    return mode if isinstance(mode, str) and mode[-4:-1] == ";16" and mode[-1] in _OTHER_HALF else None


def _wide_colours(data: bytes, image: Image.Image) -> tuple[Array, object] | None:
    """16-bit colours, uint16, ``(h, w, 3)`` or with alpha ``(h, w, 4)``, and the orientation; None where there are none.

    Pillow keeps the high byte of each value alone, which makes black of 8 bits inside 16. Read in the other byte order,
    it gives the low byte.
    """
    raw = _raw_mode(image)
    if raw is None:
        return None
    _check_area(image)
    if raw.startswith("LA"):  # four bytes a pixel, of which grey and alpha have two each
        halves, orientation = _decoded_as(data, "RGBA")
        level, alpha = np.moveaxis(halves.view(">u2"), 2, 0)
        return np.stack([level, level, level, alpha], axis=2), orientation
    high, orientation = _decoded_as(data, raw)
    low, _ = _decoded_as(data, raw[:-1] + _OTHER_HALF[raw[-1]])
    return high.astype(np.uint16) << 8 | low, orientation


def _decoded_as(data: bytes, raw: str) -> tuple[Pixels, object]:
    """The values of an image whose file is said to store them in the mode ``raw``, and its orientation."""
    with _opened(io.BytesIO(data)) as image:
        tiles: Any = image
        tiles.tile = [
            tile._replace(args=raw if isinstance(tile.args, str) else (raw, *tile.args[1:])) for tile in tiles.tile
        ]
        orientation = _decode(image, 1)
        return np.array(image), orientation


def _plain(image: Image.Image | Array, settings: Settings, profile: bytes | None) -> tuple[_Picture, str]:
    """The picture in one of a few modes, and what became of its colour profile."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(_scaled(image, settings))
    elif image.mode == "F" or image.mode.startswith("I"):
        return _Picture(Image.fromarray(_scaled(np.asarray(image), settings))), ""  # measurements rather than colours
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
    """Least and greatest value, a few outliers apart; of a large picture as a sample of its pixels tells it."""
    sample = values.reshape(-1)
    sample = sample[:: (sample.size // _MAX_MEASURED) | 1]  # an odd step meets all columns
    sample = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    if not sample.size:
        return 0.0, 0.0
    beyond = int(_OUTLIERS * sample.size)
    ordered = np.partition(sample, [beyond, sample.size - 1 - beyond])
    return float(ordered[beyond]), float(ordered[-1 - beyond])


def _scaled(values: Array, settings: Settings) -> Pixels:
    """Grey levels of wide integers or floats.

    A picture that reaches further than twice the given range is of another kind, and has a range of its own.
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
    """The grey level to show an RGBA picture on: white, unless much of what is visible would vanish there."""
    visible = image.getchannel("A").point([0] * _MIN_ALPHA + [255] * (256 - _MIN_ALPHA))
    levels = np.array(image.convert("RGB").convert("L").histogram(visible))
    lost = {ground: levels[max(0, ground - _MIN_CONTRAST + 1) : ground + _MIN_CONTRAST].sum() for ground in _GROUNDS}
    if lost[_GROUNDS[0]] <= _MAX_LOST * levels.sum():
        return _GROUNDS[0]
    return min(_GROUNDS, key=lambda ground: lost[ground])


def _colours(profile: bytes | None, mode: str) -> tuple[Callable[[Image.Image], Image.Image] | None, str]:
    """The way from a colour profile to sRGB, or None; and ``unusable`` where there is a profile but no way."""
    if not profile:
        return None, ""
    try:
        with _quiet():
            return _conversion(profile, "RGB" if mode not in ("L", "CMYK") else mode), ""
    except Exception:  # noqa: BLE001  LittleCMS and Pillow raise a dozen kinds of error on broken profiles
        return None, "unusable"


@lru_cache(maxsize=64)  # the pictures of a data set share a few dozen profiles at most
def _conversion(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    of_profile = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[source.profile.xcolor_space.strip()]
    if mode != of_profile and (mode, of_profile) != ("L", "RGB"):
        raise ValueError(f"a profile of {of_profile} in a picture of {mode}")
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
        image = image.transpose(_TURNS[orientation])  # a square stays one, and the small one turns faster
    return np.array(_shown(image, picture).convert("RGB"))


def _whole(picture: _Picture, settings: Settings, needed: int, orientation: object) -> Image.Image:
    """The whole picture, upright and without transparency; one that is much larger than needed is reduced first."""
    image = picture.image
    if settings.frame == "squeeze":
        image = image.resize((needed, needed), FILTERS[settings.filter], reducing_gap=3.0)
    elif settings.filter != "nearest" and (factor := min(image.size) // (3 * needed)) > 1:  # nearest makes no new levels
        image = image.reduce(factor)
    image = _shown(image, picture)
    return image.transpose(_TURNS[orientation]) if isinstance(orientation, int) and orientation in _TURNS else image


def _shown(image: Image.Image, picture: _Picture) -> Image.Image:
    """A resized picture in sRGB, L or RGB, on its ground."""
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


def _asked(question: Callable[[], object]) -> object:
    """What a file says of itself, or None: tags and later frames are often broken where the picture is fine."""
    try:
        with _quiet():
            return question()
    except Exception:  # noqa: BLE001  Pillow lets a dozen kinds of error through here
        return None


def _check(settings: Settings) -> None:
    size, crop, filter, frame, *_ = settings
    if size < 1 or not 0.0 < crop <= 1.0 or filter not in FILTERS or frame not in FRAMES:
        expected = f"size >= 1, 0 < crop <= 1, filter {', '.join(FILTERS)}, frame {' or '.join(FRAMES)}"
        raise ValueError(f"size {size}, crop {crop}, filter {filter}, frame {frame}: expected {expected}")


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
