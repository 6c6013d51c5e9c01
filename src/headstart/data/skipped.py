"""Files and rows that were found but are not used; each is recorded with a reason."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Skipped"]


class Skipped(NamedTuple):
    """A file or row that is not used, with the reason."""

    path: str
    reason: str
