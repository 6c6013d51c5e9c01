"""Shorten paths on the page to their part within the data.

Reports are shared, and paths of the machine would reveal the name of the user and of folders around the data.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeVar

__all__ = ["Places"]

Value = TypeVar("Value")

_BOUNDARY = r"(?<![\w.~/\\-])"  # a path must not begin in the middle of a longer path or word


class Places:
    """Removes the folders of this machine from paths and texts.

    Args:
        run: The run folder.
        state: Content of its ``run.json``, which is untrusted.
        paths: Paths of the samples.
    """

    def __init__(self, run: Path, state: Mapping[str, Any], paths: Sequence[str]) -> None:
        request = state.get("request")
        asked = request if isinstance(request, dict) else {}
        data, folder = (value if isinstance(value := asked.get(key), str) else "" for key in ("data", "folder"))
        home = os.path.expanduser("~")  # noqa: PTH111 - pathlib raises where there is no home
        around = [data, folder, str(run.parent), os.getcwd(), tempfile.gettempdir(), home]  # noqa: PTH109 - text
        common = _common_folder(paths)
        if not any(PurePath(common).is_relative_to(form) for form in _forms(data)):  # a list of images from elsewhere
            around.append(common)
        folders = {form for folder in around for form in _forms(folder)}
        longest_first = sorted(folders, key=len, reverse=True)
        self._pattern = re.compile(f"{_BOUNDARY}({'|'.join(map(re.escape, longest_first))})([/\\\\]|(?![\\w.-]))")

    def local(self, value: Value) -> Value:
        """Shorten every path in a text, or in a list or dictionary of any values, to the part after a known folder."""
        if isinstance(value, str):
            return self._pattern.sub(lambda found: "" if found[2] else PurePath(found[1]).name, value)  # type: ignore[return-value]
        if isinstance(value, dict):
            return {self.local(key): self.local(item) for key, item in value.items()}  # type: ignore[return-value]
        if isinstance(value, list | tuple):
            return type(value)(self.local(item) for item in value)
        return value

    def name(self, path: str) -> str:
        """Path of a sample within the data; for a sample from elsewhere, only its folder and file name."""
        local = self.local(path)
        parts = PurePath(local).parts
        return local if not PurePath(local).is_absolute() else "/".join(("…", *parts[-2:]))


def _common_folder(paths: Iterable[str]) -> str:
    """Innermost folder that contains all absolute paths; empty if there is none."""
    folders = [str(PurePath(path).parent) for path in paths if PurePath(path).is_absolute()]
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # the paths are on different drives
        return ""


def _forms(folder: str) -> set[str]:
    """Spellings of a folder: absolute, and with links resolved; also the parent folder if it is a file (a table)."""
    if not folder or "\0" in folder:
        return set()
    path = Path(folder).expanduser().absolute()
    forms = {path, path.resolve()}
    forms |= {form.parent for form in forms if form.is_file()}
    return {str(form) for form in forms if form != Path(form.anchor)}
