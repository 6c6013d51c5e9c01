"""Views are a pure function of seed, content and number, resampled once, without black borders."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.mixup import mix
from headstart.data.augmentation.presets import AUGMENTATIONS, find_augmentation
from headstart.data.augmentation.resampling import EDGES, resample
from headstart.data.augmentation.views import augment_image, augment_square, needed_side, random_for, view_drawer
from headstart.data.images import preprocess as pixels
from headstart.foundation.errors import UsageError

DIGEST = "ab" * 32
SEED = 7


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A picture of which no two parts are alike."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(width: int, height: int) -> np.ndarray:
    """A picture without sharp edges, brighter than 60 everywhere."""
    down, across = np.mgrid[0:height, 0:width]
    waves = [150 + 90 * np.sin(across / 17 + c) * np.cos(down / 23 - c) for c in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


def view(augmentation: Augmentation, picture: np.ndarray, number: int = 1, size: int = 32) -> np.ndarray:
    """A view as a worker draws it."""
    random = random_for(SEED, DIGEST, number)
    return augment_image(Image.fromarray(picture), augmentation, random, size, crop=1.0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_named_augmentation_changes_pictures_and_survives_json(name: str) -> None:
    """A row of the table gives other pixels in every view, the same again for the same view, and is its JSON."""
    augmentation, picture = AUGMENTATIONS[name], smooth(90, 70)
    views = [view(augmentation, picture, number) for number in range(1, 9)]
    assert all(v.shape == (32, 32, 3) and v.dtype == np.uint8 for v in views)
    assert len({v.tobytes() for v in views}) >= 2
    assert np.array_equal(views[2], view(augmentation, picture, 3))
    assert Augmentation.from_json(json.loads(json.dumps(augmentation.to_json()))) == augmentation
    assert find_augmentation(name) is augmentation
    assert augmentation.changes_images


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_strength_zero_is_nothing(name: str) -> None:
    """The dial at 0 turns every named augmentation off: the view is the plain square, pixel by pixel."""
    off = Augmentation.from_json(AUGMENTATIONS[name].to_json() | {"strength": 0.0, "mixup": 1.0})
    picture = noise(60, 40)
    plain = pixels.from_array(picture, pixels.Settings(32, crop=1.0))
    assert not off.changes_images
    assert not off.mixes
    assert np.array_equal(view(off, picture), plain)


def test_strength_scales_the_amounts() -> None:
    """Half the strength is half the way from doing nothing, for factors too, and bounds hold beyond 1."""
    half = Augmentation(rotation=20, zoom=(0.8, 1.4), brightness=0.2, horizontal_flip=True, strength=0.5).scaled
    assert (half.rotation, half.zoom, half.brightness) == (10, (0.9, 1.2), (0.9, 1.1))
    assert half.horizontal_flip == 0.25
    assert Augmentation(rotation=120, crop=0.8, strength=2).scaled == Augmentation(rotation=180, crop=0.9)


def test_randomness_is_a_function_of_seed_content_and_view() -> None:
    """The same three give the same numbers; another one of any of them gives others."""
    first = random_for(0, "00ff", 1).random(4)
    assert np.array_equal(first, random_for(0, "00ff", 1).random(4))
    for other in (random_for(1, "00ff", 1), random_for(0, "00fe", 1), random_for(0, "00ff", 2), random_for(0, "", 1)):
        assert not np.array_equal(first, other.random(4))


def test_one_operation_leaves_the_draws_of_the_others() -> None:
    """What is switched on beside the flip does not decide whether a view is flipped."""
    picture = noise(32, 32)
    for number in range(1, 9):
        flipped = view(Augmentation(horizontal_flip=True), picture, number)
        darker = view(Augmentation(horizontal_flip=True, brightness=(0.5, 0.5)), picture, number)
        assert np.abs(darker.astype(int) - flipped / 2).max() <= 1


def test_flips_are_exact_and_come_in_half_of_the_views() -> None:
    """A view at its own size is the picture or its mirror image, and both are seen; so for upside down."""
    picture = noise(32, 32)
    for settings_, mirrored in (
        (Augmentation(horizontal_flip=True), picture[:, ::-1]),
        (Augmentation(vertical_flip=True), picture[::-1]),
    ):
        views = [view(settings_, picture, number) for number in range(1, 41)]
        num_plain = sum(np.array_equal(v, picture) for v in views)
        num_mirrored = sum(np.array_equal(v, mirrored) for v in views)
        assert num_plain + num_mirrored == 40
        assert 10 <= num_plain <= 30
    assert np.array_equal(view(Augmentation(horizontal_flip=1.0), picture), picture[:, ::-1])


def test_geometry_moves_turns_and_zooms_by_what_was_asked_for() -> None:
    """A shift moves the picture, a rotation turns it and a zoom enlarges it: as the same affine map by hand."""
    picture = smooth(64, 64)
    augmentation = Augmentation(rotation=30, shift_width=0.2, shift_height=0.1, zoom=(0.7, 0.9))
    draws = random_for(SEED, DIGEST, 1).random(20)
    angle, zoom = np.radians(30 * (2 * draws[5] - 1)), 0.7 + 0.2 * draws[2]
    right, down = 64 * 0.2 * (2 * draws[7] - 1), 64 * 0.1 * (2 * draws[8] - 1)
    seen = view(augmentation, picture, size=64)
    for x, y in ((20, 20), (32, 32), (40, 24), (25, 40)):
        u, v = x + 0.5 - 32, y + 0.5 - 32
        at_x = 32 + right + zoom * (np.cos(angle) * u - np.sin(angle) * v) - 0.5
        at_y = 32 + down + zoom * (np.sin(angle) * u + np.cos(angle) * v) - 0.5
        assert np.abs(seen[y, x].astype(int) - picture[round(at_y), round(at_x)]).max() <= 8


def test_a_turned_view_is_smooth_at_any_size() -> None:
    """However much a picture shrinks, a hardly turned view is within a few grey levels of the smoothed resize."""
    picture = smooth(400, 400)
    for size in (300, 150, 90, 40):
        turned = view(Augmentation(rotation=0.01), picture, size=size)
        assert np.abs(turned.astype(int) - pixels.from_array(picture, pixels.Settings(size, crop=1.0))).mean() < 3


def test_a_view_shows_what_lies_beyond_the_square() -> None:
    """In a wide picture a moved view shows the picture itself and not a filling."""
    picture = np.zeros((40, 120, 3), np.uint8)
    picture[:, :40], picture[:, 40:80], picture[:, 80:] = 50, 100, 200
    seen = view(Augmentation(shift_width=1.0), picture, 2)
    assert seen.min() < 60 or seen.max() > 190


@pytest.mark.parametrize("edges", ["reflect", "nearest", "wrap"])
def test_nothing_black_comes_in_at_the_edges(edges: str) -> None:
    """A bright picture, moved, turned, sheared and zoomed out, stays bright up to the corners."""
    augmentation = Augmentation(
        rotation=90, shift_width=0.8, shift_height=0.8, shear=30, zoom=(0.5, 3.0), zoom_each_axis=True, edges=edges
    )
    for number in range(1, 25):
        assert view(augmentation, smooth(50, 40), number).min() >= 58


@pytest.mark.parametrize(("edges", "padding"), [("reflect", "symmetric"), ("nearest", "edge"), ("wrap", "wrap")])
@pytest.mark.parametrize("slant", [0.0, 1e-5])
def test_edges_continue_the_picture_as_numpy_pads(edges: str, padding: str, slant: float) -> None:
    """Far beyond a small picture, on both ways of sampling, edges are those of ``numpy.pad``."""
    picture = noise(9, 7)
    wide = resample(Image.fromarray(picture), (49, 37), (1, slant, -20, slant, 1, -13), edges=edges)
    expected = np.pad(picture, ((13, 17), (20, 20), (0, 0)), mode=padding)  # type: ignore[call-overload]
    assert np.abs(np.asarray(wide).astype(int) - expected).max() <= (0 if slant == 0 else 1)


def test_constant_edges_have_the_level_asked_for() -> None:
    """Where the user wants a frame there is one, of that grey."""
    seen = resample(Image.new("RGB", (4, 4), (9, 9, 9)), (8, 4), (1, 0, -2, 0, 1, 0), edges="constant", level=77)
    assert np.asarray(seen)[0, :, 0].tolist() == [77, 77, 9, 9, 9, 9, 77, 77]
    assert set(EDGES) == {"reflect", "nearest", "wrap", "constant"}


def test_colour_is_brightness_contrast_and_saturation() -> None:
    """Factors do what they say: twice as bright, no contrast is the mean, no saturation is grey."""
    picture = noise(32, 32) // 3
    assert np.array_equal(view(Augmentation(brightness=(2.0, 2.0)), picture), picture * 2)
    flat = view(Augmentation(contrast=(0.0, 0.0)), picture)
    assert np.ptp(flat) <= 1
    assert abs(float(flat.mean()) - float(picture[::8, ::8].mean())) <= 1
    grey = view(Augmentation(saturation=(0.0, 0.0)), picture).astype(int)
    assert np.ptp(grey, axis=2).max() <= 1
    assert np.abs(grey[..., 0] - picture @ np.array([0.299, 0.587, 0.114])).max() <= 1
    shifted = view(Augmentation(channel_shift=40), picture).astype(int) - picture
    assert np.ptp(shifted[(picture > 40).all(axis=2)]) == 0


def test_erasing_covers_no_more_than_its_share() -> None:
    """In about half of the views a rectangle of noise covers at most the share of the area that was given."""
    picture = np.full((40, 40, 3), 128, np.uint8)
    covered = [(view(Augmentation(erasing=0.2), picture, n, 40) != 128).any(axis=2).mean() for n in range(1, 41)]
    assert 10 <= sum(share > 0 for share in covered) <= 30
    assert max(covered) <= 0.25
    assert max(covered) > 0.1


def test_squares_that_are_stored_are_augmented_at_their_size() -> None:
    """Pixels without their picture, of any shape, give views of that shape; the same draw gives the same view."""
    square = smooth(40, 24)
    augmentation = AUGMENTATIONS["strong"]
    seen = augment_square(square, augmentation, random_for(1, DIGEST, 1))
    assert (seen.shape, seen.dtype) == ((24, 40, 3), np.uint8)
    assert not np.array_equal(seen, square)
    assert np.array_equal(seen, augment_square(square, augmentation, random_for(1, DIGEST, 1)))
    assert np.array_equal(augment_square(square, Augmentation(), random_for(1, DIGEST, 1)), square)


def test_a_view_of_a_file_is_upright_and_lies_on_white() -> None:
    """EXIF orientation and transparency are heeded before a view is drawn: it is the plain square, mirrored."""
    augmentation, file = Augmentation(horizontal_flip=1.0), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = np.concatenate([smooth(48, 48), np.full((48, 48, 1), 255, np.uint8)], axis=2)
    rgba[:10, :, 3] = 0
    Image.fromarray(rgba).save(file, "PNG", exif=exif)
    draw = view_drawer(augmentation, random_for(0, DIGEST, 1), size=48, crop=1.0)
    drawn = pixels.prepare(file.getvalue(), pixels.Settings(48, crop=1.0), draw=draw).pixels
    plain = pixels.load(file.getvalue(), 48, crop=1.0)
    assert np.array_equal(drawn, plain[:, ::-1])
    assert (plain == 255).all(axis=2).any()


def test_a_near_view_of_a_large_photograph_is_decoded_large_enough() -> None:
    """A quarter of the side, enlarged, is drawn from as many pixels, not from a small decode of the whole."""
    augmentation, file = Augmentation(zoom=(0.25, 0.25)), io.BytesIO()
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::8], stripes[:, 1::8], stripes[:, 2::8], stripes[:, 3::8] = 255, 255, 255, 255
    Image.fromarray(stripes).save(file, "PNG")
    assert needed_side(augmentation, 64, 1.0) == 256
    draw = view_drawer(augmentation, random_for(0, DIGEST, 1), size=64, crop=1.0)
    needed = needed_side(augmentation, 64, 1.0)
    near = pixels.prepare(file.getvalue(), pixels.Settings(64, crop=1.0), draw=draw, needed=needed).pixels
    assert float(near.std()) > 60


@pytest.mark.parametrize("alpha", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixing_keeps_pictures_and_targets_together(alpha: dict[str, float]) -> None:
    """What share of a picture is in the mixture, that share its target has; shapes, types and inputs stay."""
    images = np.zeros((6, 8, 8, 3), np.float32)
    images[np.arange(6), ...] = np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1)
    targets = np.eye(6, dtype=np.float32)
    before = images.copy()
    for number in range(10):
        mixed, labels = mix(images, targets, Augmentation(**alpha), np.random.default_rng(number))
        assert (mixed.dtype, mixed.shape, labels.dtype, labels.shape) == (np.float32, (6, 8, 8, 3), np.float32, (6, 6))
        assert np.allclose(labels.sum(axis=1), 1)
        assert np.allclose(mixed.mean(axis=(1, 2, 3)), labels @ np.arange(6), atol=1e-4)
    assert np.array_equal(images, before)
    assert np.array_equal(targets, np.eye(6))


def test_mixing_pixels_keeps_them_pixels() -> None:
    """uint8 comes out as uint8, and without mixing nothing is touched."""
    images, targets = noise(8, 8)[None].repeat(4, 0), np.array([0.0, 1.0, 0.0, 1.0], np.float32)
    mixed, labels = mix(images, targets, Augmentation(mixup=1.0), np.random.default_rng(0))
    assert (mixed.dtype, labels.shape) == (np.uint8, (4,))
    assert mix(images, targets, Augmentation(rotation=5), np.random.default_rng(0))[0] is images


def test_label_numbers_cannot_be_mixed() -> None:
    """Integers are refused with what to ask for instead."""
    with pytest.raises(UsageError, match=r"H013.*\n.*\n.*\n.*labels='one_hot'"):
        mix(noise(4, 4)[None], np.array([1]), Augmentation(mixup=1.0), np.random.default_rng(0))


@pytest.mark.parametrize(
    "settings_",
    [
        {"rotation": -1},
        {"rotation": float("nan")},
        {"rotation": "10"},
        {"rotation": True},
        {"zoom": (1.2, 0.8)},
        {"zoom": (0.5, 1.0, 1.5)},
        {"zoom": 1.5},
        {"brightness": 9},
        {"crop": 1.0},
        {"edges": "black"},
        {"edge_level": 300},
        {"zoom_each_axis": 1},
        {"strength": 3},
    ],
)
def test_a_value_out_of_range_is_refused(settings_: dict[str, object]) -> None:
    """Every setting is checked where it is given, and the error names it."""
    with pytest.raises(UsageError, match=f"H010.*\n  received   {next(iter(settings_))}"):
        Augmentation(**settings_)  # type: ignore[arg-type]


def test_unknown_names_and_settings_are_refused() -> None:
    """A name that is not in the table and a setting that does not exist each have an error that lists what there is."""
    with pytest.raises(UsageError, match=r"H011[^\0]*flip, light, strong, notebook"):
        find_augmentation("heavy")
    with pytest.raises(UsageError, match=r"H012[^\0]*received   turn\n[^\0]*rotation"):
        find_augmentation({"turn": 10})
    assert find_augmentation(None) is None
    assert find_augmentation({"rotation": 10}) == Augmentation(rotation=10)


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.integers(1, 40),
    st.floats(0, 180),
    st.floats(0, 1),
    st.floats(0, 60),
    st.tuples(st.floats(0.1, 1), st.floats(1, 4)),
    st.sampled_from(EDGES),
)
def test_any_picture_gives_a_view_of_its_size(
    shape: tuple[int, int],
    size: int,
    rotation: float,
    shift: float,
    shear: float,
    zoom: tuple[float, float],
    edges: str,
) -> None:
    """Whatever the picture's sides and the amounts, a view is a whole square."""
    augmentation = Augmentation(
        rotation=rotation, shift_width=shift, shift_height=shift, shear=shear, zoom=zoom, edges=edges, crop=0.3
    )
    assert view(augmentation, noise(*shape), 1, size).shape == (size, size, 3)
