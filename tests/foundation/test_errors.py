"""Errors state what was received, what was expected and what to do, and are safe to print in a terminal."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.foundation import errors
from headstart.foundation.errors import DatasetError, HeadstartError, UsageError
from headstart.foundation.text import printable

KINDS = [getattr(errors, name) for name in errors.__all__ if name != "printable"]
any_text = st.text(st.characters(exclude_categories=()))  # surrogates too, as os.fsdecode gives them


def make(kind: type[HeadstartError] = UsageError, **changes: str) -> HeadstartError:
    """An error with a text in every field."""
    fields = {"title": "no such plan", "received": "fastest", "expected": "quick", "advice": "--plan quick"} | changes
    return kind("H001", fields.pop("title"), **fields)


def test_an_error_is_a_title_and_three_lines() -> None:
    """The house form: kind, code and title, then received, expected and do this in one column."""
    error = DatasetError("H104", "2 of 5 classes are empty", received="24 images", expected="images", advice="add some")
    assert str(error) == (
        "DatasetError H104: 2 of 5 classes are empty\n  received   24 images\n  expected   images\n  do this    add some"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_caught_as_a_headstart_error_and_survives_pickling(kind: type[HeadstartError]) -> None:
    """A worker process can hand any error of the tree to its parent, fields and all."""
    error = make(kind, received="a\udc80\n<b>")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert isinstance(again, HeadstartError)
    assert (again.code, again.title, again.received) == ("H001", "no such plan", "a\udc80\n<b>")
    assert (again.expected, again.advice, str(again)) == ("quick", "--plan quick", str(error))


@given(title=any_text, received=any_text, expected=any_text, advice=any_text)
def test_whatever_the_user_gave_the_error_has_four_printable_lines(
    title: str, received: str, expected: str, advice: str
) -> None:
    """A file name can neither break the lines, nor steer the terminal, nor fail to be encoded."""
    lines = str(make(title=title, received=received, expected=expected, advice=advice)).split("\n")
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert "\n".join(lines).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("caf\udce9.jpg", "caf\\udce9.jpg"),
        ("right\u202eto left", "right\\u202eto left"),
        ("naïve 猫 🐈 <script> & 'quotes'", "naïve 猫 🐈 <script> & 'quotes'"),
        (12, "12"),
    ],
)
def test_printable_escapes_what_cannot_be_seen_and_nothing_else(text: object, shown: str) -> None:
    """Control characters, direction marks and undecodable bytes become escapes; letters of any script stay."""
    assert printable(text) == shown


@given(any_text)
def test_printable_text_stays_as_it_is(text: str) -> None:
    """Escaping twice is escaping once."""
    assert printable(printable(text)) == printable(text)


def test_error_as_json_has_the_fields_that_are_printed() -> None:
    """The text is as it was given: JSON escapes what a terminal cannot take."""
    fields = ("code", "title", "received", "expected", "advice")
    error = make(received="two\nlines")
    assert error.to_json() == {name: getattr(error, name) for name in fields}
