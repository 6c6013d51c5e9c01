"""The Keras backend is chosen under the names that people give it."""

from __future__ import annotations

import os

import pytest

from headstart.foundation import machine
from headstart.foundation.errors import UsageError


@pytest.mark.parametrize(
    ("given", "chosen"), [("tf", "tensorflow"), ("tensorflow", "tensorflow"), ("pytorch", "torch"), ("jax", "jax")]
)
def test_backend_has_aliases(given: str, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An alias means the backend itself, for this process and for those that it starts."""
    monkeypatch.setattr(machine, "find_spec", lambda _: object())
    monkeypatch.setattr(machine, "_loaded_backend", lambda: "")
    monkeypatch.setenv("KERAS_BACKEND", "none")
    machine.choose_backend(given)
    assert os.environ["KERAS_BACKEND"] == chosen


def test_misspelled_backend_raises_h005_with_the_one_that_was_meant() -> None:
    """The suggestion is a backend that exists."""
    with pytest.raises(UsageError, match="did you mean tensorflow") as caught:
        machine.choose_backend("tensorflw")
    assert caught.value.code == "H005"


def test_backend_of_the_environment_is_named_by_its_variable() -> None:
    """H005 says where the name comes from, and how to be rid of it."""
    with pytest.raises(UsageError, match="H005") as caught:
        machine.choose_backend("foo", is_variable=True)
    assert caught.value.received == "KERAS_BACKEND=foo"
    assert caught.value.advice.startswith("unset KERAS_BACKEND to use TensorFlow, or ")
