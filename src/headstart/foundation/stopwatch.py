"""Ground: the one definition of execution time. Stages are named, warm-up is kept apart."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Stopwatch", "process_age_seconds"]


class Stopwatch:
    """Wall-clock seconds by named stage.

    A stage that is entered twice adds up. Times come from ``time.perf_counter``.

    Example:
        >>> watch = Stopwatch()
        >>> with watch.stage("scan"):
        ...     pass
        >>> list(watch.seconds)
        ['scan']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block under ``name``, whether it ends well or not."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def process_age_seconds() -> float:
    """Seconds since this process was started by the operating system, interpreter start-up included.

    On Linux the kernel's own start time is read; elsewhere the CPU time used so far is the nearest honest floor.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started_ticks = int(fields[19])  # field 22 of proc(5): start time after boot, in clock ticks
        uptime_seconds = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.process_time()
    return max(0.0, uptime_seconds - started_ticks / os.sysconf("SC_CLK_TCK"))
