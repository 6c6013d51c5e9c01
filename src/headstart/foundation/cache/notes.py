"""Small JSON notes in the cache, such as measured speeds: work goes on without them."""

from __future__ import annotations

import warnings
from typing import Any

from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import RunError, StackError
from headstart.foundation.runs.files import read_json, write_json

__all__ = ["read_note", "write_note"]


def read_note(folder: str, name: str) -> dict[str, Any]:
    """Read a note; a missing or unreadable note is empty.

    Args:
        folder: Name of a folder in the cache.
        name: File name of the note.
    """
    try:
        note = read_json(private_folder(folder) / name)
    except (RunError, StackError):
        return {}
    return note if isinstance(note, dict) else {}


def write_note(folder: str, name: str, value: dict[str, Any]) -> None:
    """Write a note; if that fails, only warn, because the work that the note is about has succeeded."""
    try:
        write_json(private_folder(folder) / name, value)
    except StackError as error:
        warnings.warn(f"not noted in the cache: {error.title} ({error.received})", stacklevel=2)
