"""Ground: the one cache folder. What lies in it is readable by its owner alone."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from headstart.foundation.errors import StackError

__all__ = ["cache_folder", "check_private", "disk_refused", "private_folder"]

_OWNER_ONLY = 0o700
_NO_FOLDER = "a file stands there, not a folder"


def cache_folder() -> Path:
    """Path of the cache: ``HEADSTART_CACHE``, or ``headstart`` in the user's own cache folder. It may not exist yet.

    Raises:
        StackError: No folder was named, and the user has no home (H601).
    """
    if chosen := os.environ.get("HEADSTART_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home()) / "headstart"
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "headstart"
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "headstart"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a user without an entry in the system's list of users, and no HOME
        raise disk_refused(Path("~"), "this user has no home folder") from error


def private_folder(name: str) -> Path:
    """A folder in the cache that its owner alone can read and write, whatever the umask; made if it is missing.

    Args:
        name: Name of the folder inside the cache.

    Raises:
        StackError: The cache belongs to another user, or others may write to it (H603); or it cannot be made (H601).
            Windows has no such owners and modes: nothing is checked there.
    """
    root = cache_folder()
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
    """The error for a folder of the cache that cannot be made, read or written."""
    return StackError(
        "H601",
        "the disk refused a write",
        received=f"{folder}: {reason}",
        expected="a local folder with room and permission to write",
        advice="free some space, or point HEADSTART_CACHE at another folder",
        exit_code=1,
    )


def check_private(folder: Path) -> None:
    """Reject a folder into which another user may have put files: what lies in a cache is believed.

    Raises:
        StackError: It belongs to another user, or others may write to it (H603); or it is no folder (H601).
    """
    if not folder.is_dir():
        raise disk_refused(folder, _NO_FOLDER)
    if not hasattr(os, "getuid"):
        return
    found = folder.stat()
    if found.st_uid != os.getuid():
        received = f"{folder}: it belongs to user {found.st_uid}, and this is user {os.getuid()}"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        received = f"{folder}: other users may write to it ({stat.filemode(found.st_mode)})"
    else:
        return
    raise StackError(
        "H603",
        "the cache folder is not private",
        received=received,
        expected="a folder that belongs to you and that nobody else may write to",
        advice="point HEADSTART_CACHE at a folder of your own, or take the permission away: chmod go-w FOLDER",
    )
