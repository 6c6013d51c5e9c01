"""Doors: progress on standard error. A bar with an estimate on a terminal, plain lines in a pipe."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from headstart.foundation.text import printable

__all__ = ["LineProgress", "TerminalProgress", "hush_native_libraries", "make_progress"]

_LINE_SECONDS = 5.0  # between two lines about the same stage in a pipe


class TerminalProgress:
    """Draws on a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        self._bar = Progress(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(printable(text), markup=False, highlight=False)

    def begin(self, name: str, total: int) -> None:
        """Show a new bar; an endless one where the total is not known."""
        self.end()
        self._bar.start()
        self._task = self._bar.add_task(printable(name), total=total or None, note="")

    def advance(self, done: int, note: str = "") -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, note=note)

    def end(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._bar.stop()


class LineProgress:
    """Writes plain lines, a few a stage."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._name = ""
        self._total = 0
        self._last = 0.0

    def say(self, text: str) -> None:
        """Write a line; where nobody reads on, as behind ``| head``, the work goes on all the same."""
        with contextlib.suppress(BrokenPipeError):
            print(printable(text), file=self._stream, flush=True)

    def begin(self, name: str, total: int) -> None:
        """Name the stage."""
        self._name, self._total, self._last = name, total, time.monotonic()

    def advance(self, done: int, note: str = "") -> None:
        """Write a line now and then."""
        if time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            count = f"{done} of {self._total}" if self._total else str(done)
            self.say(f"{self._name}: {count}  {note}")

    def end(self) -> None:
        """Nothing to take away."""


def hush_native_libraries() -> None:
    """Keep what C++ libraries write to file descriptor 2, and TensorFlow's warnings, off the screen; Python's stderr stays.

    TensorFlow greets there before it reads its log level. With TF_CPP_MIN_LOG_LEVEL set, the user wants to see it.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or sys.stderr is None:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # what it warns of, as of a graph traced anew, is our doing
    sys.stderr.flush()
    own = os.dup(2)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def make_progress() -> TerminalProgress | LineProgress:
    """Progress that suits standard error as it is."""
    console = Console(stderr=True)
    return TerminalProgress(console) if console.is_terminal else LineProgress(sys.stderr)
