"""How images are presented to a network is decided from the training images."""

from __future__ import annotations

import json

import pytest

from headstart.data.images.preprocess import Seen
from headstart.data.images.rendering import Rendering, render

PLAIN = Seen(640, 480)


@pytest.mark.parametrize(("num_long", "frame"), [(0, "crop"), (5, "crop"), (6, "squeeze"), (100, "squeeze")], ids=str)
@pytest.mark.parametrize("long", [Seen(480, 120), Seen(120, 480), Seen(201, 100)], ids=["wide", "tall", "hardly"])
def test_pictures_are_squeezed_where_more_than_one_in_twenty_is_long(long: Seen, num_long: int, frame: str) -> None:
    """Longer than 2:1, either way; a few among many are cropped like the others."""
    assert render([long] * num_long + [PLAIN] * (100 - num_long)).frame == frame


def test_two_to_one_is_not_long() -> None:
    """The centred square of such a picture shows half of it."""
    assert render([Seen(200, 100)] * 10).frame == "crop"


@pytest.mark.parametrize(
    ("highs", "white"), [([200, 255], 255), ([90, 900], 1023), ([3000, 4095], 4095), ([5000], 16383), ([65535], 65535)]
)
def test_whole_numbers_have_the_fewest_bits_that_hold_them(highs: list[int], white: int) -> None:
    """8, 10, 12, 14 or 16; the brightest picture counts."""
    rendering = render([Seen(9, 9, "integer", 0.0, float(high)) for high in highs])
    assert rendering == Rendering("crop", (0.0, float(white)), None)


def test_one_picture_in_a_hundred_does_not_decide_the_range() -> None:
    """A single file of another kind does not make all the others black."""
    usual, odd = Seen(9, 9, "integer", 0.0, 255.0), Seen(9, 9, "integer", 0.0, 60_000.0)
    assert render([usual] * 99 + [odd]).integer_range == (0.0, 255.0)
    assert render([usual] * 98 + [odd] * 2).integer_range == (0.0, 65535.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 0.9, (0.0, 1.0)), (0.0, 180.0, (0.0, 255.0)), (-1000.0, 3000.0, (-1000.0, 3000.0)), (5e3, 9e4, (5e3, 9e4))],
)
def test_floats_have_a_range_that_is_usual_or_their_own(low: float, high: float, expected: tuple[float, float]) -> None:
    """0 to 1, 0 to 255, or what the training pictures use."""
    assert render([Seen(9, 9, "float", low, high)]).float_range == expected


def test_nothing_seen_and_plain_pictures_leave_the_usual_rendering() -> None:
    """Pictures of 8 bits need no range."""
    assert render([]) == render([PLAIN] * 3) == Rendering()
    assert render([Seen(9, 9, "float", 7.0, 7.0)] * 2).float_range == (0.0, 255.0)
    assert render([Seen(9, 9, "float", -7.0, -7.0)] * 2).float_range is None


def test_a_rendering_survives_json() -> None:
    """As a signature holds it."""
    rendering = Rendering("squeeze", (0.0, 4095.0), None)
    assert Rendering.from_json(json.loads(json.dumps(rendering._asdict()))) == rendering
