"""Artefacts, the report: how the page names files: by where they lie in the data, not on the machine it was made on.

A report is passed on. The names of a user and of folders around the data are nobody's business, and mean nothing elsewhere.
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

_BOUNDARY = r"(?<![\w.~/\\-])"  # what a path begins after, so that no part of a longer one is taken for it


class Places:
    """The folders of this machine that may stand before a name, and names without them.

    Args:
        run: The run folder.
        state: What its run.json holds; the data may be any value.
        paths: Paths of samples.
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
        """Text, or a list or a dictionary of any values, with every path in it shortened to what follows a known folder."""
        if isinstance(value, str):
            return self._pattern.sub(lambda found: "" if found[2] else PurePath(found[1]).name, value)  # type: ignore[return-value]
        if isinstance(value, dict):
            return {self.local(key): self.local(item) for key, item in value.items()}  # type: ignore[return-value]
        if isinstance(value, list | tuple):
            return type(value)(self.local(item) for item in value)
        return value

    def name(self, path: str) -> str:
        """The name of a sample: its path in the data; of one that lies elsewhere, its folder and its file alone."""
        local = self.local(path)
        parts = PurePath(local).parts
        return local if not PurePath(local).is_absolute() else "/".join(("…", *parts[-2:]))


def _common_folder(paths: Iterable[str]) -> str:
    """The innermost folder that holds all absolute paths; empty where there is none."""
    folders = [str(PurePath(path).parent) for path in paths if PurePath(path).is_absolute()]
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # they lie on several drives
        return ""


def _forms(folder: str) -> set[str]:
    """A folder as it may be written: as it is and without links; a table stands for the folder it lies in."""
    if not folder or "\0" in folder:
        return set()
    path = Path(folder).expanduser().absolute()
    forms = {path, path.resolve()}
    forms |= {form.parent for form in forms if form.is_file()}
    return {str(form) for form in forms if form != Path(form.anchor)}
