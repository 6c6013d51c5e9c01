"""Locks of files in the cache, shared by processes that use what they protect; none on Windows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["lock_file"]


def lock_file(path: Path, *, wait: bool) -> int | None:
    """Lock a file, which is created if missing: shared if ``wait`` is true, which waits; else exclusively, which does not.

    The operating system releases the lock when the descriptor is closed or the process ends.

    Args:
        path: The file.
        wait: Whether to wait for a shared lock.

    Returns:
        File descriptor of the lock, or None if it is not available. On Windows it is always None.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, or a file system without locks
        os.close(lock)
        return None
    return lock
