"""Displays of progress: live on a terminal, as plain lines in a pipe or a file, as one updated display in a notebook."""

from __future__ import annotations

import contextlib
import html
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from headstart.foundation.progress import Progress, Silent
from headstart.foundation.text import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["LineProgress", "NotebookProgress", "TerminalProgress", "is_notebook", "make_progress"]

_LINE_SECONDS = 5.0  # least time between two lines about one stage
_NOTEBOOK_SECONDS = 0.25  # least time between two updates of a notebook's display
_BAR_COLUMNS = 24


class _Stage(NamedTuple):
    """The step that is being done.

    Attributes:
        name: Name of the stage.
        total: Number of its steps; 0 if it is not known.
        start: ``time.monotonic()`` at its start.
        done: Number of finished steps.
        note: What to say beside it.
    """

    name: str
    total: int
    start: float
    done: int = 0
    note: str = ""

    @property
    def steps(self) -> str:
        """Finished steps of a known number, and the note."""
        count = f"{self.done}/{self.total}" if self.total else ""
        return "  ".join(part for part in (count, self.note) if part)

    @property
    def elapsed(self) -> str:
        """Time since the start, as minutes and seconds."""
        minutes, seconds = divmod(int(time.monotonic() - self.start), 60)
        return f"{minutes}:{seconds:02d}"


class TerminalProgress:
    """Live progress at the end of a terminal's output; implements ``foundation.progress.Progress``."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live
        from rich.spinner import Spinner

        self._console = console
        self._spinner = Spinner("dots")
        self._stage: _Stage | None = None
        self._best = ""
        self._live = Live(console=console, transient=True, refresh_per_second=8, get_renderable=self._render)

    def say(self, text: str) -> None:
        """Print a line above the live ones."""
        self._console.print(printable(text), markup=False, highlight=False)

    def begin(self, name: str, total: int) -> None:
        """Show the name of a stage, with a bar if its number of steps is known."""
        self._stage = _Stage(printable(name), total, time.monotonic())
        self._live.start(refresh=True)

    def advance(self, done: int, note: str = "") -> None:
        """Set the number of finished steps, and the note beside it."""
        if self._stage is not None:
            self._stage = self._stage._replace(done=done, note=printable(note))

    def best(self, text: str) -> None:
        """Show the best result so far below each stage that follows."""
        self._best = printable(text)

    def end(self) -> None:
        """Remove the live lines."""
        self._stage = None
        self._live.stop()

    def _render(self) -> RenderableType:
        """Two lines for the stage, since one would be too long for its name and its numbers, and one for the best result."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        stage = self._stage
        if stage is None:
            return Text()
        self._spinner.update(text=Text(stage.name))
        numbers = Table.grid(padding=(0, 1))
        bar = [ProgressBar(total=stage.total, completed=stage.done, width=_BAR_COLUMNS)] if stage.total else []
        numbers.add_row(" ", *bar, Text("  ".join(part for part in (stage.steps, stage.elapsed) if part)))
        best = [Text(f"  best so far: {self._best}", style="dim")] if self._best else []
        return Group(self._spinner, numbers, *best)


class LineProgress:
    """Progress as plain lines; implements ``foundation.progress.Progress``.

    A stage writes a line when it reports one and the last is at least 5 seconds old, and else after 5, 15, 35, ... seconds,
    so that no log stays silent for long.

    Args:
        stream: Where lines are written. Defaults to None: ``sys.stderr`` at that time.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._stage = _Stage("", 0, 0.0)
        self._last = 0.0
        self._best = ""
        self._timer: threading.Timer | None = None

    def say(self, text: str) -> None:
        """Write a line; if the reader has exited, as with ``| head``, skip it and let the work continue."""
        stream = self._stream or sys.stderr
        with contextlib.suppress(BrokenPipeError):
            stream.write(f"{printable(text)}\n")
            stream.flush()

    def begin(self, name: str, total: int) -> None:
        """Start a stage; its first line follows if it takes longer than 5 seconds."""
        self.end()
        self._stage, self._last = _Stage(name, total, time.monotonic()), time.monotonic()
        self._wake(_LINE_SECONDS)

    def advance(self, done: int, note: str = "") -> None:
        """Write a line if the last one is at least 5 seconds old."""
        self._stage = self._stage._replace(done=done, note=note)
        if time.monotonic() - self._last >= _LINE_SECONDS:
            self._write()

    def best(self, text: str) -> None:
        """Write the best result so far on each line that follows."""
        self._best = text

    def end(self) -> None:
        """Write no further line about the stage."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._beat, [seconds])
        self._timer.daemon = True
        self._timer.start()

    def _beat(self, seconds: float) -> None:
        if time.monotonic() - self._last >= seconds - 0.1:
            self._write()
        self._wake(2 * seconds)

    def _write(self) -> None:
        self._last = time.monotonic()
        best = f"; best so far: {self._best}" if self._best else ""
        self.say("  ".join(part for part in (f"{self._stage.name}:", self._stage.steps, self._stage.elapsed) if part) + best)


class NotebookProgress:
    """Progress as one display of a notebook, updated in place; implements ``foundation.progress.Progress``."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._stage: _Stage | None = None
        self._best = ""
        self._last = 0.0
        self._handle: Any = None

    def say(self, text: str) -> None:
        """Add a line that stays."""
        self._lines.append(printable(text))
        self._show()

    def begin(self, name: str, total: int) -> None:
        """Show the name of a stage."""
        self._stage = _Stage(printable(name), total, time.monotonic())
        self._show()

    def advance(self, done: int, note: str = "") -> None:
        """Update the numbers of the stage, at most four times a second."""
        if self._stage is not None:
            self._stage = self._stage._replace(done=done, note=printable(note))
        if time.monotonic() - self._last >= _NOTEBOOK_SECONDS:
            self._show()

    def best(self, text: str) -> None:
        """Show the best result so far beside each stage that follows."""
        self._best = printable(text)

    def end(self) -> None:
        """Remove the stage; the lines stay."""
        self._stage = None
        self._show()

    def _show(self) -> None:
        from IPython.display import display

        self._last = time.monotonic()
        lines = list(self._lines)
        if (stage := self._stage) is not None:
            best = f"best so far: {self._best}" if self._best else ""
            lines.append("  ".join(part for part in (f"▸ {stage.name}", stage.steps, stage.elapsed, best) if part))
        text = "\n".join(lines)
        shown = {"text/plain": text, "text/html": f'<pre style="white-space: pre-wrap">{html.escape(text)}</pre>'}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call, unused-ignore]
        else:
            self._handle.update(shown, raw=True)


def make_progress(wanted: Progress | bool = True) -> Progress:
    """Return a display of progress that fits where this process runs.

    Args:
        wanted: True for one updated display in a notebook, live lines if standard error is a terminal that can move its
            cursor, and plain lines otherwise. False for none. A ``Progress`` is returned as it is. Defaults to True.
    """
    if not isinstance(wanted, bool):
        return wanted
    if not wanted:
        return Silent()
    if is_notebook():
        return NotebookProgress()
    from rich.console import Console

    console = Console(stderr=True)
    return TerminalProgress(console) if console.is_terminal and not console.is_dumb_terminal else LineProgress()


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython is not imported to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
