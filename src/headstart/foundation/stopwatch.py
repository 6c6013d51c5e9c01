"""Measurement of execution time by named stage."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Stopwatch", "process_age_seconds"]


class Stopwatch:
    """Wall-clock seconds of named stages.

    Times of a stage that is entered several times are added up. The clock is ``time.perf_counter``.

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
        """Add the time of the block to stage ``name``, even if the block raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def process_age_seconds() -> float:
    """Seconds since the operating system started this process, interpreter start-up included.

    On Linux it is computed from the kernel's start time of the process. Elsewhere it is the CPU time used so far, which is
    a lower bound.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started_ticks = int(fields[19])  # field 22 of proc(5): start time after boot, in clock ticks
        uptime_seconds = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.process_time()
    return max(0.0, uptime_seconds - started_ticks / os.sysconf("SC_CLK_TCK"))
