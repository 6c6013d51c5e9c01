"""Data: what was found and is not used. Nothing disappears silently."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Skipped"]


class Skipped(NamedTuple):
    """A file or a row that is not used, and why."""

    path: str
    reason: str
