"""Artefacts, the report: numbers in words, the same everywhere on the page."""

from __future__ import annotations

from collections.abc import Callable

from headstart.report.contents import number

__all__ = ["count", "decimal", "duration", "interval", "measured", "percent", "plural"]

_MISSING = "–"


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal.

    Example:
        >>> percent(0.834), percent(1.0), percent(None)
        ('83.4%', '100.0%', '–')
    """
    return _MISSING if share is None else f"{100 * share:.1f}%"


def interval(bounds: object, show: Callable[[float | None], str] = percent) -> str:
    """Two shares as a range of percent, or two numbers as they are shown; nothing if they are no such thing.

    Example:
        >>> interval([0.793, 0.868]), interval([3.21, 3.54], decimal)
        ('79.3 to 86.8%', '3.210 to 3.540')
    """
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return ""
    low, high = (number(bound) for bound in bounds)
    return "" if low is None or high is None else f"{show(low).removesuffix('%')} to {show(high)}"


def measured(value: float | None) -> str:
    """A number in the units of whatever was measured, with four digits that count.

    Example:
        >>> measured(0.0012345), measured(-3.14159), measured(1234567.8), measured(5.0)
        ('0.001234', '-3.142', '1,234,568', '5')
    """
    if value is None:
        return _MISSING
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """A time as it is read aloud.

    Example:
        >>> duration(0.042), duration(3.25), duration(125), duration(7260)
        ('42 ms', '3.2 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds is None:
        return _MISSING
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of decimals."""
    return _MISSING if value is None else f"{value:.{digits}f}"


def count(value: float | None) -> str:
    """A whole number with commas between thousands.

    Example:
        >>> count(3371)
        '3,371'
    """
    return _MISSING if value is None else f"{value:,.0f}"


def plural(how_many: int, noun: str, nouns: str = "") -> str:
    """A number with its noun.

    Example:
        >>> plural(1, "image"), plural(2, "class", "classes")
        ('1 image', '2 classes')
    """
    return f"{count(how_many)} {noun if how_many == 1 else nouns or noun + 's'}"
