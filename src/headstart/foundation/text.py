"""Formatting of names: natural sort order, printable text and short lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["listed", "natural_key", "printable"]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key for natural order, which ignores case: ``img2`` comes before ``img10``."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts if p] or [(0, 0, "")]


def printable(text: object) -> str:
    r"""Make text safe for a terminal or a CSV cell: control characters and undecodable bytes become escapes.

    Example:
        >>> printable("a\nb\x1b[31m")
        'a\\nb\\x1b[31m'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in str(text)
    )


def listed(names: Sequence[str]) -> str:
    """Join names for a message; after the first 20, only their number is given."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
