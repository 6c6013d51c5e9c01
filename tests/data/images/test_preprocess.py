"""From bytes to pixels: every mode and format that a folder may contain, and every kind of invalid file."""

from __future__ import annotations

import io
import json
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
from PIL import Image, ImageCms

from headstart.data.images import preprocess as pixels

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


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deep_png(values: np.ndarray) -> bytes:
    """A 16-bit PNG of grey, grey with alpha, colours, or colours with alpha; Pillow writes grey alone."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_tiff(values: np.ndarray, order: str = "<", *, is_packed: bool = False) -> bytes:
    """A 16-bit TIFF of colours, or of colours with alpha, in either byte order."""
    height, width, channels = values.shape
    body = values.astype(f"{order}u2").tobytes()
    body = zlib.compress(body) if is_packed else body
    body += b"\0" * (len(body) % 2)
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, 8 + len(body)), (259, 3, 1, 8 if is_packed else 1)]
    tags += [(262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, height), (279, 4, 1, len(body))]
    tags += [(338, 3, 1, 2)] if channels == 4 else []
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count)
        + (struct.pack(f"{order}HH", value, 0) if (kind, count) == (3, 1) else struct.pack(f"{order}I", value))
        for tag, kind, count, value in tags
    )
    start = 8 + len(body) + 2 * channels
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    depths = struct.pack(f"{order}{channels}H", *[16] * channels)
    return head + body + depths + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4


def profile(primaries: list[tuple[float, float, float]]) -> bytes:
    """An sRGB profile with other primaries: red, green and blue as XYZ in the profile's white (D50)."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(struct.unpack_from(">I", data, 128)[0]):
        name, offset, _ = struct.unpack_from(">4sII", data, 132 + 12 * number)
        if name in (b"rXYZ", b"gXYZ", b"bXYZ"):
            numbers = primaries[b"rgb".index(name[:1])]
            struct.pack_into(">3i", data, offset + 8, *(round(value * 65536) for value in numbers))
    return bytes(data)


SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]
DISPLAY_P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
ADOBE_RGB = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]  # but for its gamma


def to_srgb(colour: tuple[int, int, int], primaries: list[tuple[float, float, float]]) -> np.ndarray:
    """A colour of other primaries in sRGB, by the formulas of the standard."""
    values = np.array(colour) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.linalg.solve(np.array(SRGB).T, np.array(primaries).T @ linear), 0, 1)
    return np.rint(255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)).astype(int)


def png_header(width: int, height: int, body: bytes = zlib.compress(b"\0" * 64)) -> bytes:
    """A PNG that promises this many pixels and holds none."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(MODES),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 40),
    st.floats(0.05, 1.0),
    st.sampled_from(list(pixels.FILTERS)),
    st.sampled_from(pixels.FRAMES),
)
def test_any_image_becomes_a_square(
    mode: str, width: int, height: int, size: int, crop: float, filter: str, frame: str
) -> None:
    """Whatever the mode, the size, the crop, the filter and the frame: uint8, three channels, as large as asked."""
    data = content(Image.new(mode, (width, height)), FORMAT_OF.get(mode, "PNG"))
    square = pixels.load(data, size, crop, filter, frame)
    assert square.shape == (size, size, 3)
    assert square.dtype == np.uint8
    assert np.array_equal(square, pixels.load(data, size, crop, filter, frame))


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


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_bits_in_use_become_black_to_white(bits: int, channels: int) -> None:
    """A picture that uses some of 16 bits looks as it would in 8, whether grey or in colours, with alpha or without."""
    top = 2**bits - 1
    values = np.random.default_rng(bits).integers(0, top + 1, (8, 8, channels))
    values[0, 0] = top
    if channels in (2, 4):
        values[..., -1] = top
    expected = np.rint(values[..., : 1 if channels < 3 else 3] * (255 / top))
    files = [deep_png(values)]
    files += [] if channels < 3 else [deep_tiff(values), deep_tiff(values, ">"), deep_tiff(values, is_packed=True)]
    for data in files:
        assert np.array_equal(exact(data, 8), np.broadcast_to(expected, (8, 8, 3)))
        assert pixels.see(io.BytesIO(data))[2:] == ("integer", float(values.min()), float(top))


@pytest.mark.parametrize("orientation", [1, 6])
def test_deep_colours_are_turned_upright_once(orientation: int) -> None:
    """An orientation is heeded in a 16-bit picture too."""
    values = np.random.default_rng(0).integers(0, 65536, (8, 8, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = deep_png(values)
    data = data[:33] + chunk(b"eXIf", exif.tobytes()[6:]) + data[33:]  # after the head
    upright = np.rot90(exact(deep_png(values), 8), -1) if orientation == 6 else exact(deep_png(values), 8)
    assert np.array_equal(exact(data, 8), upright)


def test_a_given_range_holds_for_dark_and_bright_pictures() -> None:
    """With the range of a data set a dark picture stays dark; one of another kind, far beyond it, has its own range."""
    dark, bright, other = (np.full((4, 4), value, np.uint16) for value in (200, 4000, 50_000))
    other[0, 0] = 65_535
    given = {"integer_range": (0, 4095)}
    levels = [int(pixels.load(content(Image.fromarray(v)), 4, 1.0, **given)[-1, -1, 0]) for v in (dark, bright, other)]
    assert levels == [round(200 / 4095 * 255), round(4000 / 4095 * 255), round(50_000 / 65_535 * 255)]
    floats = content(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF")
    assert pixels.load(floats, 4, 1.0, float_range=(0, 1000)).max() == 0


def test_a_few_outliers_do_not_decide_the_range() -> None:
    """One pixel in ten thousand, stuck at white, leaves a picture of 8 bits in 16 as it is."""
    values = np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint16)
    plain = exact(content(Image.fromarray(values)), 128).copy()
    values[5, 7] = 65_535
    stuck = exact(content(Image.fromarray(values)), 128)
    plain[5, 7] = 255
    assert np.array_equal(stuck, plain)


def icon(colour: int | tuple[int, int], mode: str) -> bytes:
    """A shape, or two of two greys, in the middle of a transparent square of 24 pixels."""
    one, other = colour if isinstance(colour, tuple) else (colour, colour)
    grey = np.full((24, 24), one, np.uint8)
    grey[:, 12:] = other
    alpha = np.zeros((24, 24), np.uint8)
    alpha[8:16, 8:16] = 255
    straight = Image.fromarray(np.stack([grey, grey, grey, alpha], axis=2))
    if mode in ("RGBA", "LA"):
        return content(straight.convert(mode))
    hidden = np.where(alpha > 0, grey, 7)  # a colour of its own stands for transparent
    if mode == "P":
        palette = Image.fromarray(np.where(alpha > 0, np.where(np.arange(24) < 12, 1, 2), 0).astype(np.uint8), "L")
        palette = palette.copy()
        palette.putpalette([7, 7, 7, one, one, one, other, other, other])
        return content(palette, transparency=0)
    if mode == "RGB":
        return content(Image.fromarray(np.stack([hidden] * 3, axis=2).astype(np.uint8)), transparency=(7, 7, 7))
    return content(Image.fromarray(hidden.astype(np.uint8)), transparency=7)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
@pytest.mark.parametrize(
    ("colour", "ground"), [(255, 0), (245, 0), (0, 255), (128, 255), ((255, 0), 128), ((255, 100), 0)], ids=str
)
def test_transparent_parts_lie_on_what_the_shape_stands_out_from(
    mode: str, colour: int | tuple[int, int], ground: int
) -> None:
    """White shapes lie on black, white beside black on grey, all others on white, in every mode that can be transparent."""
    square = exact(icon(colour, mode), 24)
    assert (square[0, 0] == ground).all()
    one, other = colour if isinstance(colour, tuple) else (colour, colour)
    assert (square[10, 10] == one).all()
    assert (square[10, 14] == other).all()
    assert min(abs(one - ground), abs(other - ground)) >= 100


def test_a_picture_with_alpha_that_hides_nothing_is_the_picture_without() -> None:
    """Opaque alpha changes no bit, and a picture without anything visible is white."""
    picture = noise(30, 40)
    opaque = np.concatenate([picture, np.full((30, 40, 1), 255, np.uint8)], axis=2)
    assert np.array_equal(
        pixels.load(content(Image.fromarray(opaque)), 16), pixels.load(content(Image.fromarray(picture)), 16)
    )
    assert (exact(content(Image.new("RGBA", (8, 8), (0, 0, 0, 0))), 8) == 255).all()


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_squeezed_picture_shows_both_ends(orientation: int) -> None:
    """Cropped, a picture of 4:1 shows its middle; squeezed, all of it, upright, and so do its views."""
    values = np.full((40, 160, 3), 100, np.uint8)
    values[:, :40], values[:, 120:] = 0, 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = content(Image.fromarray(values), exif=exif)
    cropped, squeezed = pixels.load(data, 16, 1.0), pixels.load(data, 16, 1.0, frame="squeeze")
    assert (cropped == 100).all()
    seen = squeezed if orientation == 1 else np.rot90(squeezed)
    assert (seen[:, 1].mean(), seen[:, 8].mean(), seen[:, -2].mean()) == (0, 100, 255)
    whole: list[Image.Image] = []

    def draw(image: Image.Image) -> np.ndarray:
        whole.append(image)
        return squeezed

    pixels.prepare(data, pixels.Settings(16, frame="squeeze"), draw, 32)
    assert whole[0].size == (32, 32)
    ends = [int(np.asarray(whole[0] if orientation == 1 else whole[0].rotate(90))[16, place, 0]) for place in (1, 30)]
    assert ends == [0, 255]


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["display p3", "adobe rgb"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_colours_of_a_wide_gamut_become_srgb(primaries: list[tuple[float, float, float]], kind: str) -> None:
    """The colours are those that the profile stands for, with and without alpha."""
    for colour in ((200, 100, 90), (60, 160, 70), (40, 60, 170)):
        image = Image.new("RGB", (16, 16), colour)
        options = {"quality": 100} if kind in ("JPEG", "WEBP") else {}
        data = content(image, kind, icc_profile=profile(primaries), **options)
        known = pixels.prepare(data, pixels.Settings(8))
        assert np.abs(known.pixels.astype(int) - to_srgb(colour, primaries)).max() <= 4
        assert known.profile == ""
        image.putalpha(255)
        image.putpixel((0, 0), (0, 0, 0, 0))
        see_through = pixels.load(content(image, icc_profile=profile(primaries)), 16, 1.0)
        assert np.abs(see_through[8, 8].astype(int) - to_srgb(colour, primaries)).max() <= 2


def test_a_profile_of_srgb_changes_no_bit() -> None:
    """Most profiles say sRGB: they are recognised by what they do, and cost nothing."""
    image = Image.fromarray(noise(30, 40))
    assert np.array_equal(pixels.load(content(image, icc_profile=profile(SRGB)), 16), pixels.load(content(image), 16))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", b"no profile"), ("RGB", profile(SRGB)[:200]), ("CMYK", profile(DISPLAY_P3))],
    ids=["text", "cut short", "of RGB"],
)
def test_an_unusable_profile_is_ignored_and_noted(mode: str, kind: bytes) -> None:
    """A broken profile, or one for another kind of picture, leaves the pixels as they are without it."""
    image = Image.fromarray(noise(16, 16)).convert(mode)
    known = pixels.prepare(content(image, "TIFF", icc_profile=kind), pixels.Settings(8))
    assert known.profile == "unusable"
    assert np.array_equal(known.pixels, pixels.load(content(image, "TIFF"), 8))


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
    known = pixels.prepare(content(red, "GIF", save_all=True, append_images=[blue]), pixels.Settings(8))
    assert (known.pixels == (255, 0, 0)).all()
    assert known.animated
    assert not pixels.prepare(content(red, "GIF"), pixels.Settings(8)).animated


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO", "TGA"])
def test_the_format_is_told_by_content(kind: str, tmp_path: Path) -> None:
    """A file of any format is read under a name that says something else, and its facts are known."""
    path = tmp_path / "picture.JPEG.txt"
    path.write_bytes(content(Image.new("RGB", (48, 48), (200, 100, 50)), kind))
    assert np.abs(pixels.load(path, 16).astype(int) - (200, 100, 50)).max() <= 6
    known = pixels.prepare(path.read_bytes(), pixels.Settings(16))
    assert (known.format, known.width, known.height, known.animated) == (kind, 48, 48, False)


def test_a_large_jpeg_is_decoded_at_a_fraction_and_looks_the_same() -> None:
    """The scaled decode of a large JPEG is within a few grey levels of the whole one, and its facts are the file's."""
    ramp = np.linspace(0, 255, 1600, dtype=np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], (1600, 1200, 3))))
    known = pixels.prepare(content(image, "JPEG", quality=95), pixels.Settings(64))
    assert (known.width, known.height) == (1200, 1600)
    assert np.abs(known.pixels.astype(int) - pixels.load(content(image), 64)).max() <= 4


def test_formats_that_start_other_programs_are_refused() -> None:
    """EPS is no image here, since drawing it would run a PostScript interpreter."""
    with pytest.raises(ValueError, match="not an image in a supported format"):
        pixels.load(content(Image.new("RGB", (8, 8)), "EPS"), 8)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, I am no image", "not an image in a supported format"),
        (content(Image.fromarray(noise(64, 64)), "JPEG")[:-900], "the image is truncated"),
        (content(Image.fromarray(noise(64, 64)))[:-4000], "the image is truncated"),
        (png_header(8, 8), "the image is truncated"),
        (png_header(8, 8, b"no zlib stream"), "the image is damaged or of an unsupported kind"),
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
    assert np.array_equal(pixels.from_array(given[kind], pixels.Settings(16)), expected)


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
        pixels.from_array(array, pixels.Settings(8))


@pytest.mark.parametrize(("size", "crop", "filter"), [(0, 0.9, "box"), (8, 0.0, "box"), (8, 1.1, "box"), (8, 0.9, "sharp")])
def test_a_wrong_geometry_is_refused(size: int, crop: float, filter: str) -> None:
    """Size, crop and filter out of range are named."""
    with pytest.raises(ValueError, match="expected size >= 1, 0 < crop <= 1, filter nearest"):
        pixels.load(content(Image.new("L", (8, 8))), size, crop, filter)


def test_the_file_takes_its_settings_from_the_signature_beside_it(tmp_path: Path) -> None:
    """As preprocess.py in an exported folder it needs no arguments, and an argument that is given still counts."""
    settings = {
        "size": 16,
        "crop": 0.8,
        "filter": "box",
        "frame": "squeeze",
        "integer_range": [0, 4095],
        "float_range": None,
    }
    (tmp_path / "preprocess.py").write_bytes(Path(pixels.__file__).read_bytes())
    (tmp_path / "signature.json").write_text(json.dumps({"labels": ["a"], **settings}))
    deep = np.random.default_rng(0).integers(0, 1000, (20, 90)).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(content(Image.fromarray(deep)))
    script = "import preprocess, sys; sys.stdout.buffer.write(preprocess.load('deep.png').tobytes());"
    script += "sys.stdout.buffer.write(preprocess.load('deep.png', 8).tobytes())"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={}, capture_output=True, check=True)
    expected = [pixels.load(tmp_path / "deep.png", **settings | {"size": size}).tobytes() for size in (16, 8)]
    assert done.stdout == b"".join(expected)


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


@pytest.mark.parametrize("channels", [2, 4], ids=["LA", "RGBA"])
@pytest.mark.parametrize("alpha", [65535, 60000], ids=["opaque", "see-through"])
def test_the_bits_in_use_are_those_of_the_colours(channels: int, alpha: int) -> None:
    """Alpha has all 16 bits whatever the instrument's colours have: 12 bits become black to white beside it too."""
    values = np.random.default_rng(0).integers(0, 4096, (32, 32, channels)).astype(np.uint16)
    values[..., -1] = alpha
    data = deep_png(values)
    assert pixels.see(io.BytesIO(data)).high < 4096
    shown = pixels.load(data, 32, crop=1.0, integer_range=(0, 4095))
    assert shown.max() - shown.min() > 200
