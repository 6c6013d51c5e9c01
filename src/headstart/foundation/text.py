"""Names as text: printable in one line, in natural order, in short lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["listed", "natural_key", "printable"]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``img2`` comes before ``img10``, whatever the case."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts if p] or [(0, 0, "")]


def printable(text: object) -> str:
    r"""Text for a terminal or a CSV cell: control characters and undecodable bytes are shown as escapes.

    Example:
        >>> printable("a\nb\x1b[31m")
        'a\\nb\\x1b[31m'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in str(text)
    )


def listed(names: Sequence[str]) -> str:
    """Names for a message, not too many of them."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
