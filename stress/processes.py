"""Stress: a process and its children, from outside. Linux only."""

from __future__ import annotations

from pathlib import Path

__all__ = ["family", "held_bytes"]


def family(pid: int) -> list[int]:
    """A process with its children, and theirs; empty if it has ended."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(member for child in children for member in family(child))]


def held_bytes(pid: int, kind: str) -> int:
    """Memory of a process and all its children, added up, in bytes.

    Args:
        pid: The process; of one that has just ended nothing is counted.
        kind: A name in ``/proc/PID/status``: ``VmRSS`` for all that is resident, ``RssAnon`` for what no file stands behind.
    """
    total = 0
    for member in family(pid):
        try:
            lines = Path(f"/proc/{member}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))
    return total
