"""Displays of progress: on a terminal, in a pipe, in a notebook."""

from __future__ import annotations

import io
import re
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from headstart.foundation import progress_display
from headstart.foundation.progress import Silent
from headstart.foundation.progress_display import LineProgress, NotebookProgress, TerminalProgress, make_progress

NAME = "Part A, computing features: efficientnet_lite0-stage6_block3-grid2"


def shown_at(width: int) -> str:
    """What a terminal of this width shows while features are computed."""
    stream = io.StringIO()
    progress = TerminalProgress(Console(file=stream, force_terminal=True, width=width, height=30, color_system=None))
    progress.best("efficientnet_lite0-grid2-linear, accuracy 88.0%")
    progress.begin(NAME, 480)
    progress.advance(120, "35 images/s, 10 s left")
    progress._live.refresh()
    progress.end()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_terminal_progress_names_the_step_its_count_and_the_best_result(width: int) -> None:
    """Nothing is cut, however narrow the terminal."""
    words = " ".join(shown_at(width).split())
    assert all(word in words for word in NAME.split())
    assert "120/480 35 images/s, 10 s left" in words
    assert "best so far: efficientnet_lite0-grid2-linear, accuracy 88.0%" in words


def test_terminal_progress_without_a_number_of_steps_shows_none() -> None:
    """No ``0/?``: the name of the step, its note and the time."""
    stream = io.StringIO()
    progress = TerminalProgress(Console(file=stream, force_terminal=True, width=80, height=30, color_system=None))
    progress.begin("reading flowers", 0)
    progress.advance(0, "a note")
    progress._live.refresh()
    progress.end()
    assert "reading flowers" in stream.getvalue()
    assert "a note  0:00" in stream.getvalue()
    assert "0/" not in stream.getvalue()


def test_line_progress_reports_a_step_that_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent step is named after a while, with the best result so far; a short one writes nothing."""
    monkeypatch.setattr(progress_display, "_LINE_SECONDS", 0.05)
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.best("linear, accuracy 88.0%")
    progress.begin("converting the backbone", 0)
    for _ in range(100):
        if stream.getvalue():
            break
        time.sleep(0.02)
    progress.end()
    assert stream.getvalue().splitlines()[0] == "converting the backbone:  0:00; best so far: linear, accuracy 88.0%"
    quick = io.StringIO()
    monkeypatch.setattr(progress_display, "_LINE_SECONDS", 60.0)
    progress = LineProgress(quick)
    progress.begin("reading", 0)
    progress.end()
    assert quick.getvalue() == ""


def test_notebook_progress_is_one_display_that_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines stay, the step goes at the end, and names are escaped."""
    updates: list[dict[str, str]] = []

    def display(shown: dict[str, str], **_: Any) -> SimpleNamespace:
        updates.append(shown)
        return SimpleNamespace(update=lambda shown, **_: updates.append(shown))

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    progress = NotebookProgress()
    progress.say("2 images, <b>")
    progress.begin("training", 0)
    assert updates[-1]["text/plain"] == "2 images, <b>\n▸ training  0:00"
    progress.end()
    assert updates[-1]["text/plain"] == "2 images, <b>"
    assert "2 images, &lt;b&gt;" in updates[-1]["text/html"]


def test_make_progress_chooses_by_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines for a dumb terminal and for a pipe, a display for a notebook, nothing if it is not wanted."""
    own = Silent()
    assert make_progress(own) is own
    assert isinstance(make_progress(False), Silent)
    assert isinstance(make_progress(), LineProgress)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_progress(), LineProgress)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(make_progress(), TerminalProgress)
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert isinstance(make_progress(), NotebookProgress)
