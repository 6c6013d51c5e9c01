"""Progress on standard error: a progress bar on a terminal, plain lines in a pipe or a file."""

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

_LINE_SECONDS = 5.0  # least time between two lines about one stage


class TerminalProgress:
    """Progress bar on a terminal; implements ``foundation.progress.Progress``."""

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
        """Show a new bar; if ``total`` is 0 (unknown), one without an end."""
        self.end()
        self._bar.start()
        self._task = self._bar.add_task(printable(name), total=total or None, note="")

    def advance(self, done: int, note: str = "") -> None:
        """Set the bar to ``done`` steps, with a note at its right."""
        if self._task is not None:
            self._bar.update(self._task, completed=done, note=note)

    def end(self) -> None:
        """Remove the bar."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._bar.stop()


class LineProgress:
    """Progress as plain lines, at most one every 5 seconds per stage; implements ``foundation.progress.Progress``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._name = ""
        self._total = 0
        self._last = 0.0

    def say(self, text: str) -> None:
        """Write a line; if the reader has exited, as with ``| head``, skip it and let the work continue."""
        with contextlib.suppress(BrokenPipeError):
            print(printable(text), file=self._stream, flush=True)

    def begin(self, name: str, total: int) -> None:
        """Set the name and the number of steps of the stage; writes nothing yet."""
        self._name, self._total, self._last = name, total, time.monotonic()

    def advance(self, done: int, note: str = "") -> None:
        """Write a line if the last one is at least 5 seconds old."""
        if time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            count = f"{done} of {self._total}" if self._total else str(done)
            self.say(f"{self._name}: {count}  {note}")

    def end(self) -> None:
        """Do nothing: written lines stay."""


def hush_native_libraries() -> None:
    """Hide TensorFlow's warnings and whatever C++ libraries write to file descriptor 2; Python's ``sys.stderr`` still works.

    The log level alone is not enough, because TensorFlow writes to the descriptor before it reads the level. Nothing is
    hidden if the user has set ``TF_CPP_MIN_LOG_LEVEL``.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or sys.stderr is None:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # warnings such as retracing concern our code alone
    sys.stderr.flush()
    own = os.dup(2)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def make_progress() -> TerminalProgress | LineProgress:
    """Return a progress bar if standard error is a terminal, plain lines otherwise."""
    console = Console(stderr=True)
    return TerminalProgress(console) if console.is_terminal else LineProgress(sys.stderr)
