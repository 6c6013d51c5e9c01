"""Location of the cache folder, which only its owner can read and write."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import sys
import tempfile
import warnings
from pathlib import Path

from headstart.foundation.errors import StackError

__all__ = ["cache_folder", "check_private", "disk_refused", "private_folder", "warn_if_temporary"]

_OWNER_ONLY = 0o700
_NO_FOLDER = "it is a file, not a folder"
_CHOICE = "HEADSTART_CACHE"
_unusable: list[str] = []  # why the user's cache folder cannot be used, if a temporary folder takes its place


def cache_folder() -> Path:
    """Path of the cache: ``HEADSTART_CACHE``, or ``headstart`` in the user's cache folder. It may not exist yet.

    Raises:
        StackError: ``HEADSTART_CACHE`` is not set, and the user has no home folder (H601).
    """
    if chosen := os.environ.get(_CHOICE):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home()) / "headstart"
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "headstart"
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "headstart"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # HOME is not set, and the system's user database has no entry for this user
        raise disk_refused(Path("~"), "this user has no home folder") from error


def private_folder(name: str) -> Path:
    """Path of a folder in the cache that only its owner can read and write, whatever the umask; created if missing.

    Owner and permissions are not checked on Windows. If ``HEADSTART_CACHE`` is not set and the user's cache folder cannot
    be created or written to, as in a read-only home, the cache is a temporary folder, removed when the process ends.

    Args:
        name: Name of the folder inside the cache.

    Raises:
        StackError: The cache belongs to another user or is writable by others (H603), or it cannot be created (H601).
    """
    try:
        folder = _private_folder(cache_folder(), name)
        if os.environ.get(_CHOICE) or os.access(folder, os.W_OK):
            return folder
        reason = f"{folder}: it is read-only"
    except StackError as error:
        if error.code != "H601" or os.environ.get(_CHOICE):
            raise
        reason = error.received
    _unusable.append(reason)
    return _private_folder(_temporary_cache(), name)


def warn_if_temporary() -> None:
    """Warn once if computed features are lost when this process ends, because the user's cache folder cannot be used."""
    if _unusable:
        warnings.warn(
            f"the cache folder cannot be used ({_unusable.pop()}): computed features are removed when this process ends; "
            "set HEADSTART_CACHE to a folder to keep them",
            stacklevel=2,
        )


def _temporary_cache() -> Path:
    folder = tempfile.mkdtemp(prefix="headstart-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[_CHOICE] = folder  # for child processes, too
    return Path(folder)


def _private_folder(root: Path, name: str) -> Path:
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        for folder in (root, root / name):
            folder.mkdir(mode=_OWNER_ONLY, exist_ok=True)
            check_private(folder)
        if stat.S_IMODE(folder.stat().st_mode) != _OWNER_ONLY:
            folder.chmod(_OWNER_ONLY)
    except FileExistsError as error:
        raise disk_refused(Path(error.filename), _NO_FOLDER) from error
    except OSError as error:
        raise disk_refused(root / name, error.strerror or str(error)) from error
    return folder


def disk_refused(folder: Path, reason: str) -> StackError:
    """Create the error for a cache folder that cannot be created, read or written (H601)."""
    return StackError(
        "H601",
        "cannot write to disk",
        received=f"{folder}: {reason}",
        expected="a local folder with free space and write permission",
        advice="free some space, or set HEADSTART_CACHE to another folder",
        exit_code=1,
    )


def check_private(folder: Path) -> None:
    """Reject a folder into which another user may have put files, because files in the cache are trusted.

    Raises:
        StackError: The folder belongs to another user or is writable by others (H603), or it is not a folder (H601).
    """
    if not folder.is_dir():
        raise disk_refused(folder, _NO_FOLDER)
    if not hasattr(os, "getuid"):
        return
    info = folder.stat()
    if info.st_uid != os.getuid():
        received = f"{folder}: it belongs to user {info.st_uid}, not to the current user {os.getuid()}"
    elif info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        received = f"{folder}: other users may write to it ({stat.filemode(info.st_mode)})"
    else:
        return
    raise StackError(
        "H603",
        "the cache folder is not private",
        received=received,
        expected="a folder that you own and that only you can write to",
        advice="set HEADSTART_CACHE to a folder of your own, or remove the permission: chmod go-w FOLDER",
    )
