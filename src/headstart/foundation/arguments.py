"""Ground: what an argument may be, as rows of a table."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from headstart.foundation.errors import UsageError

__all__ = ["Rule", "check", "is_number", "is_whole"]


class Rule(NamedTuple):
    """What an argument may be.

    Attributes:
        expected: That, in words.
        holds: Whether a value is such a one.
        advice: What to do where it is not.
    """

    expected: str
    holds: Callable[[Any], bool]
    advice: str = "leave it out for what suits most"


def check(given: Mapping[str, object], rules: Mapping[str, Rule], refusal: Callable[[str, str, Rule], UsageError]) -> None:
    """Refuse the first argument that is not what its rule says.

    Args:
        given: Arguments by name; those without a rule are let pass.
        rules: A rule by name.
        refusal: From the name, the value in words and the rule to the error that is raised.
    """
    for name, rule in rules.items():
        if name in given and not rule.holds(given[name]):
            raise refusal(name, reprlib.repr(given[name]), rule)


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True and False are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number, and at least so large."""
    return isinstance(value, int | np.integer) and is_number(value) and int(value) >= least
