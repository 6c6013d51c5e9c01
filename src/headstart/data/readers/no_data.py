"""The error for a path where there are no data: a misspelled path, a web address, a pattern or a device."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from headstart.foundation.errors import DatasetError
from headstart.foundation.text import nearest

__all__ = ["no_data"]

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.ASCII | re.DOTALL)  # pathlib joins repeated slashes to one

# By scheme of a web address: what to do.
_DOWNLOADS = {
    "http": "download it first: curl -LO {address}",
    "https": "download it first: curl -LO {address}",
    "s3": "download it first: aws s3 cp {address} . (with --recursive for a folder)",
    "gs": "download it first: gcloud storage cp {address} . (with --recursive for a folder)",
    "file": "give the path alone: {path}",
}


def no_data(path: Path) -> DatasetError:
    """Create the error for a path that is neither a file nor a folder (H106); it says what to give instead."""
    if address := _ADDRESS.fullmatch(path.as_posix()):
        scheme, rest = address.groups()
        received = f"{scheme}://{rest}"
        given = {"address": shlex.quote(received), "path": shlex.quote(f"/{rest}")}
        advice = _DOWNLOADS.get(scheme.lower(), "download it first, and give the path of the file or folder").format(**given)
        return _error(f"{received} (a web address, which is not read)", advice)
    if path.exists():
        return _error(f"{path} (not a regular file)", "save the data in a file, and give its path")
    if re.search(r"[*?[]", path.name) and path.parent.is_dir():
        found = sorted(path.parent.glob(path.name))
        several = (
            f"give one of them, for example {found[0]}, or a folder" if found else "give the path of a file or a folder"
        )
        return _error(f"{path} (a pattern, which fits {len(found)} file{'s' * (len(found) != 1)})", several)
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    missing = path.relative_to(folder).parts[0] if path != folder else path.name
    try:
        like = nearest(missing, (entry.name for entry in folder.iterdir()))
    except OSError:  # a folder that cannot be listed
        like = ""
    where = f"; {folder} has no {missing}" if folder not in (path.parent, Path()) else ""
    meant = f"did you mean {folder / like}?" if like else "check the path; `headstart demo` shows a working example"
    return _error(f"{path} (does not exist{where})", meant)


def _error(received: str, advice: str) -> DatasetError:
    return DatasetError(
        "H106",
        "no data found",
        received=received,
        expected="a folder with one folder per class, or a table such as a CSV file",
        advice=advice,
    )
