"""Validation of arguments: which values are accepted, as rows of a table."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from headstart.foundation.errors import UsageError

__all__ = ["Rule", "check", "is_number", "is_whole"]


class Rule(NamedTuple):
    """The values that an argument accepts.

    Attributes:
        expected: Description of the accepted values, for the error message.
        holds: Predicate that is true for an accepted value.
        advice: What the user should do if the value is rejected.
    """

    expected: str
    holds: Callable[[Any], bool]
    advice: str = "leave it out to use the default"


def check(given: Mapping[str, object], rules: Mapping[str, Rule], refusal: Callable[[str, str, Rule], UsageError]) -> None:
    """Reject the first argument whose value violates its rule.

    Args:
        given: Arguments by name; arguments without a rule are not checked.
        rules: Rules by argument name.
        refusal: Function from the argument's name, its value as text and its rule to the error to raise.
    """
    for name, rule in rules.items():
        if name in given and not rule.holds(given[name]):
            raise refusal(name, reprlib.repr(given[name]), rule)


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True and False do not count as numbers."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number of at least ``least``."""
    return isinstance(value, int | np.integer) and is_number(value) and int(value) >= least
