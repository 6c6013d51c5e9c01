"""Format numbers, shares and times for the page."""

from __future__ import annotations

from collections.abc import Callable

from headstart.report.contents import number

__all__ = ["count", "decimal", "duration", "interval", "measured", "percent", "plural"]

_MISSING = "–"


def percent(share: float | None) -> str:
    """Format a share as a percentage with one decimal.

    Example:
        >>> percent(0.834), percent(1.0), percent(None)
        ('83.4%', '100.0%', '–')
    """
    return _MISSING if share is None else f"{100 * share:.1f}%"


def interval(bounds: object, show: Callable[[float | None], str] = percent) -> str:
    """Format two bounds as a range, as percentages by default; empty if ``bounds`` is not a pair of numbers.

    Example:
        >>> interval([0.793, 0.868]), interval([3.21, 3.54], decimal)
        ('79.3 to 86.8%', '3.210 to 3.540')
    """
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return ""
    low, high = (number(bound) for bound in bounds)
    return "" if low is None or high is None else f"{show(low).removesuffix('%')} to {show(high)}"


def measured(value: float | None) -> str:
    """Format a number with four significant digits, or as a whole number from 1000 up to 10^12.

    Example:
        >>> measured(0.0012345), measured(-3.14159), measured(1234567.8), measured(5.0)
        ('0.001234', '-3.142', '1,234,568', '5')
    """
    if value is None:
        return _MISSING
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """Format a number of seconds with suitable units.

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
    """Format a number with a fixed number of decimals, 3 by default."""
    return _MISSING if value is None else f"{value:.{digits}f}"


def count(value: float | None) -> str:
    """Format a whole number with commas between thousands.

    Example:
        >>> count(3371)
        '3,371'
    """
    return _MISSING if value is None else f"{value:,.0f}"


def plural(how_many: int, noun: str, nouns: str = "") -> str:
    """Format a count with its noun; the plural adds an s unless it is given.

    Example:
        >>> plural(1, "image"), plural(2, "class", "classes")
        ('1 image', '2 classes')
    """
    return f"{count(how_many)} {noun if how_many == 1 else nouns or noun + 's'}"
