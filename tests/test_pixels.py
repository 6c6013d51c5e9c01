"""Bytes to pixels: every mode and format that a folder may hold, and every way that a file can be wrong."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headstart import pixels

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")
FORMAT_OF = {"PA": "TIFF", "CMYK": "TIFF", "YCbCr": "TIFF", "LAB": "TIFF", "I": "TIFF", "F": "TIFF"}


def content(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The file that Pillow writes of an image."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exact(data: bytes, side: int) -> np.ndarray:
    """Pixels without any resize."""
    return pixels.load(data, side, crop=1.0)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Seeded random pixels."""
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png_header(width: int, height: int, body: bytes = zlib.compress(b"\0" * 64)) -> bytes:
    """A PNG that promises this many pixels and holds none."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", body))
    packed = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + packed


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(MODES),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 40),
    st.floats(0.05, 1.0),
    st.sampled_from(list(pixels.FILTERS)),
)
def test_any_image_becomes_a_square(mode: str, width: int, height: int, size: int, crop: float, filter: str) -> None:
    """Whatever the mode, the size, the crop and the filter: uint8, three channels, as large as asked, every time."""
    data = content(Image.new(mode, (width, height)), FORMAT_OF.get(mode, "PNG"))
    square = pixels.load(data, size, crop, filter)
    assert square.shape == (size, size, 3)
    assert square.dtype == np.uint8
    assert np.array_equal(square, pixels.load(data, size, crop, filter))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_shapes_work(shape: tuple[int, int]) -> None:
    """A single pixel and a very long line give a square of their colour."""
    data = content(Image.new("RGB", shape, (10, 20, 30)))
    assert (pixels.load(data, 32) == (10, 20, 30)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_every_exif_orientation_gives_the_same_upright_image(orientation: int, kind: str) -> None:
    """The same picture, stored in any of the eight ways, comes out the same to the last bit."""
    upright = noise(8, 8)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),  # must be turned clockwise to stand upright
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = content(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif)
    assert np.array_equal(exact(data, 8), upright)


def test_orientation_is_applied_to_the_centre_of_an_oblong_jpeg() -> None:
    """Cropping before turning, as is done for speed, equals cropping after it."""
    ramp = np.linspace(0, 255, 120, dtype=np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (80, 120, 3))))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = pixels.load(content(image, "JPEG", quality=95, exif=exif), 64).astype(int)
    expected = np.rot90(pixels.load(content(image, "JPEG", quality=95), 64), -1).astype(int)
    assert np.abs(turned - expected).max() == 0


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_nonsense_orientation_is_ignored(value: int) -> None:
    """A tag outside 1 to 8 leaves the picture as it is."""
    exif = Image.Exif()
    exif[0x0112] = value
    picture = noise(8, 8)
    assert np.array_equal(exact(content(Image.fromarray(picture), exif=exif), 8), picture)


def test_transparency_lies_on_white() -> None:
    """Fully transparent is white, half transparent red is pink, whatever colour hides under the transparency."""
    rgba = np.array([[[255, 0, 0, 255], [9, 9, 9, 0]], [[255, 0, 0, 128], [0, 0, 0, 255]]], np.uint8)
    square = exact(content(Image.fromarray(rgba)), 2)
    assert square.tolist() == [[[255, 0, 0], [255, 255, 255]], [[255, 127, 127], [0, 0, 0]]]


def test_transparency_of_grey_and_palette_images_lies_on_white() -> None:
    """LA, a palette with a transparent colour, and a grey PNG with one all show white there."""
    grey = Image.fromarray(np.array([[[50, 255], [50, 0]], [[50, 0], [50, 255]]], np.uint8), "LA")
    expected = np.array([[50, 255], [255, 50]], np.uint8)
    palette = Image.new("P", (2, 2))
    palette.putpalette([50, 50, 50, 200, 0, 0])
    palette.putdata([0, 1, 1, 0])
    plain = Image.fromarray(np.array([[50, 7], [7, 50]], np.uint8))
    for data in (
        content(grey),
        content(palette, transparency=1),
        content(palette, "GIF", transparency=1),
        content(plain, transparency=7),
    ):
        assert np.array_equal(exact(data, 2), np.stack([expected] * 3, axis=2))


def test_bilevel_is_black_and_white_and_is_smoothed() -> None:
    """Mode 1 gives 0 and 255, and greys once it is made smaller."""
    bits = np.indices((8, 8)).sum(0) % 2 == 1
    data = content(Image.fromarray(bits))
    assert np.array_equal(exact(data, 8)[..., 0], bits * np.uint8(255))
    assert np.abs(pixels.load(data, 2, crop=1.0, filter="box").astype(int) - 128).max() <= 1


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    """0, half and the whole of 16 bits become 0, 128 and 255, in either byte order."""
    values = np.array([[0, 32896], [65535, 257]], np.uint16)
    expected = [[0, 128], [255, 1]]
    assert exact(content(Image.fromarray(values)), 2)[..., 0].tolist() == expected
    assert exact(b"P5 2 2 65535\n" + values.astype(">u2").tobytes(), 2)[..., 0].tolist() == expected
    assert exact(content(Image.fromarray(values.astype(np.int32)), "TIFF"), 2)[..., 0].tolist() == expected


def test_numbers_without_a_known_range_are_scaled() -> None:
    """Floats of 0..1 and of 0..255 keep their meaning; anything wider is stretched; NaN and infinity do no harm."""
    for values, expected in (
        ([[0.0, 0.2], [0.4, 1.0]], [[0, 51], [102, 255]]),
        ([[0.0, 51.0], [102.0, 255.0]], [[0, 51], [102, 255]]),
        ([[-1000.0, 0.0], [0.0, 1000.0]], [[0, 128], [128, 255]]),
        ([[np.nan, np.inf], [0.0, 1.0]], [[0, 0], [0, 255]]),
    ):
        data = content(Image.fromarray(np.array(values, np.float32)), "TIFF")
        assert exact(data, 2)[..., 0].tolist() == expected
    wide = content(Image.fromarray(np.array([[-5, 100_000], [-5, 100_000]], np.int32)), "TIFF")
    assert exact(wide, 2)[..., 0].tolist() == [[0, 255], [0, 255]]


def test_print_and_television_colours_become_rgb() -> None:
    """CMYK (as TIFF and as JPEG) and YCbCr give the colours that they stand for."""
    for kind in ("TIFF", "JPEG"):
        cyan = pixels.load(content(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), kind), 8).astype(int)
        assert np.abs(cyan - (0, 255, 255)).max() <= 3
    red = pixels.load(content(Image.new("YCbCr", (8, 8), (76, 85, 255)), "TIFF"), 8).astype(int)
    assert np.abs(red - (254, 0, 0)).max() <= 2


def test_the_first_frame_of_an_animation_counts() -> None:
    """A GIF of a red and a blue frame is red, and is known to have several frames."""
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    known = pixels.prepare(content(red, "GIF", save_all=True, append_images=[blue]), 8)
    assert (known.pixels == (255, 0, 0)).all()
    assert known.animated
    assert not pixels.prepare(content(red, "GIF"), 8).animated


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "TGA"])
def test_the_format_is_told_by_content(kind: str, tmp_path: Path) -> None:
    """A file of any format is read under a name that says something else, and its facts are known."""
    path = tmp_path / "picture.JPEG.txt"
    path.write_bytes(content(Image.new("RGB", (48, 48), (200, 100, 50)), kind))
    assert np.abs(pixels.load(path, 16).astype(int) - (200, 100, 50)).max() <= 6
    known = pixels.prepare(path.read_bytes(), 16)
    assert (known.format, known.width, known.height, known.animated) == (kind, 48, 48, False)


def test_a_large_jpeg_is_decoded_at_a_fraction_and_looks_the_same() -> None:
    """The scaled decode of a large JPEG is within a few grey levels of the whole one, and its facts are the file's."""
    ramp = np.linspace(0, 255, 1600, dtype=np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], (1600, 1200, 3))))
    known = pixels.prepare(content(image, "JPEG", quality=95), 64)
    assert (known.width, known.height) == (1200, 1600)
    assert np.abs(known.pixels.astype(int) - pixels.load(content(image), 64)).max() <= 4


def test_formats_that_start_other_programs_are_refused() -> None:
    """EPS is no image here, since drawing it would run a PostScript interpreter."""
    with pytest.raises(ValueError, match="not an image in a format that can be read"):
        pixels.load(content(Image.new("RGB", (8, 8)), "EPS"), 8)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, I am no image", "not an image in a format that can be read"),
        (content(Image.fromarray(noise(64, 64)), "JPEG")[:-900], "the image is cut short"),
        (content(Image.fromarray(noise(64, 64)))[:-4000], "the image is cut short"),
        (png_header(8, 8), "the image is cut short"),
        (png_header(8, 8, b"no zlib stream"), "the image is damaged or of an unusual kind"),
        (png_header(9000, 9000), "more than 64 million pixels"),
        (png_header(12000, 12000), "more than 64 million pixels"),
        (png_header(2**31 - 1, 2**31 - 1), "more than 64 million pixels"),
    ],
    ids=["empty", "text", "jpeg cut", "png cut", "no pixels", "damaged", "81 million", "144 million", "bomb"],
)
def test_what_is_no_image_is_refused_with_a_plain_reason(data: bytes, reason: str) -> None:
    """The reason is one of a few sentences, without paths, addresses or Python."""
    with pytest.raises(ValueError, match=f"^{reason}$"):
        pixels.load(data, 8)


def test_a_path_that_cannot_be_read_is_the_systems_error(tmp_path: Path) -> None:
    """A folder and a missing file raise OSError: the content is not to blame."""
    for path in (tmp_path, tmp_path / "missing.png"):
        with pytest.raises(OSError, match=r"Is a directory|No such file|Permission denied"):
            pixels.load(path, 8)


def test_pillow_is_left_as_it_was_and_its_warnings_stay_inside() -> None:
    """A file that makes Pillow warn is read under any filter, and neither filters nor Pillow's limits change."""
    palette = Image.new("P", (8, 8))
    data = content(palette, transparency=bytes(range(8)))
    exif = content(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x0f\x01\x02\0\xff\xff\0\0")
    limit = Image.MAX_IMAGE_PIXELS
    for action in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            before = list(warnings.filters)
            pixels.load(data, 8)
            pixels.load(exif, 8)
            assert warnings.filters == before
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
@pytest.mark.parametrize("kind", ["uint8", "int64", "unit", "float"])
def test_arrays_of_either_range_agree_with_the_file(channels: int, kind: str) -> None:
    """An array in memory gives the pixels that the same image gives as a file."""
    values = noise(20, 30, channels or 1)
    values = values[..., 0] if channels == 0 else values
    values.flat[0] = 255
    expected = pixels.load(content(Image.fromarray(values.squeeze(-1) if channels == 1 else values)), 16)
    given = {"uint8": values, "int64": values.astype(int), "unit": values / 255.0, "float": values.astype(np.float32)}
    assert np.array_equal(pixels.from_array(given[kind], 16), expected)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 2)),
        np.zeros(4),
        np.zeros((0, 4)),
        np.full((4, 4), -1.0),
        np.full((4, 4), 256),
        np.full((4, 4), np.nan),
    ],
    ids=["two channels", "a line", "nothing", "negative", "too large", "not a number"],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    """A wrong shape or range is an error, never clipped in silence."""
    with pytest.raises(ValueError, match="expected"):
        pixels.from_array(array, 8)


@pytest.mark.parametrize(("size", "crop", "filter"), [(0, 0.9, "box"), (8, 0.0, "box"), (8, 1.1, "box"), (8, 0.9, "sharp")])
def test_a_wrong_geometry_is_refused(size: int, crop: float, filter: str) -> None:
    """Size, crop and filter out of range are named."""
    with pytest.raises(ValueError, match="expected size >= 1, 0 < crop <= 1, filter nearest"):
        pixels.load(content(Image.new("L", (8, 8))), size, crop, filter)


def test_the_file_works_alone(tmp_path: Path) -> None:
    """A copy of pixels.py under another name gives the same pixels in a process that knows nothing of Headstart."""
    (tmp_path / "preprocess.py").write_bytes(Path(pixels.__file__).read_bytes())
    (tmp_path / "picture.png").write_bytes(content(Image.fromarray(noise(40, 30))))
    script = "import preprocess, sys; sys.stdout.buffer.write(preprocess.load('picture.png', 16).tobytes());"
    script += "assert not any('headstart' in name for name in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, env={}, capture_output=True, check=True
    )
    assert done.stdout == pixels.load(tmp_path / "picture.png", 16).tobytes()
