"""The lock of a run folder: one process at a time writes to a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.foundation.errors import RunError
from headstart.foundation.runs.files import disk_error

__all__ = ["LOCK", "run_lock"]

LOCK = ".lock"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder, which the operating system releases if the process is killed.

    Args:
        folder: The run folder, which exists.

    Raises:
        RunError: Another process holds the lock (H516).
        StackError: The folder is not writable (H601).
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunError(
            "H516",
            "the run is in use",
            received=f"{folder}, which another process is writing to",
            expected="a run that no other process is writing to",
            advice=f"wait until that process ends, or choose another --out; headstart leaderboard {folder} shows its trials",
        ) from error
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        yield
    finally:
        if os.name == "posix":  # elsewhere an open file cannot be removed
            path.unlink(missing_ok=True)
        lock.release()
