"""Folders of pictures in the cache, each locked while a process uses it, and removal of those that none uses."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from headstart.foundation.cache.cache_folder import disk_refused, private_folder
from headstart.foundation.cache.file_locks import lock_file

__all__ = ["PICTURES", "USED", "picture_folder", "remove_unused", "unused_folders"]

PICTURES = "pictures"
USED = ".used"  # its modification time is the last use of the folder, and its lock says that a process uses the folder
_held: dict[Path, int | None] = {}


def picture_folder(name: str) -> Path:
    """Path of a folder of pictures in the cache, created if missing; it is not pruned until this process ends.

    Args:
        name: Name of the folder, such as the digest of the file that the pictures come from.

    Raises:
        StackError: The cache is not private (H603), or writing to disk failed (H601).
    """
    folder = private_folder(PICTURES) / name
    try:
        while folder not in _held or not _is_of(_held[folder], folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another process has just removed the folder
                _held[folder] = _lock(folder, wait=True)
        (folder / USED).touch()
    except OSError as error:
        raise disk_refused(folder, error.strerror or str(error)) from error
    return folder


def unused_folders(root: Path) -> Iterator[tuple[Path, float, int]]:
    """Yield each folder of pictures that no process uses, with the time of its last use and its size in bytes.

    On Windows there are none: there is no way to tell that a folder is not in use.
    """
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith(".") and (lock := _lock(folder, wait=False)) is not None:
            os.close(lock)
            sizes = (Path(place, name).lstat().st_size for place, _, names in os.walk(folder) for name in names)
            yield folder, (folder / USED).stat().st_mtime, sum(sizes)


def remove_unused(folder: Path) -> None:
    """Remove a folder of pictures, unless a process has begun to use it."""
    with contextlib.suppress(FileNotFoundError):  # another process has removed it
        if (lock := _lock(folder, wait=False)) is not None:
            gone = folder.with_name(f".gone-{folder.name}-{os.getpid()}")
            folder.rename(gone)  # in one step, so that no process finds half of it
            os.close(lock)
            shutil.rmtree(gone, ignore_errors=True)


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Lock a folder by its mark of use, see ``lock_file``; a shared lock is a use."""
    if wait:
        (folder / USED).touch(mode=0o600)
    return lock_file(folder / USED, wait=wait)


def _is_of(lock: int | None, folder: Path) -> bool:
    """Whether a lock is that of the folder that is there now, which may have been removed and made again."""
    mark = folder / USED
    try:
        return (lock is None and mark.is_file()) or (lock is not None and os.path.samestat(os.fstat(lock), mark.stat()))
    except FileNotFoundError:
        return False
