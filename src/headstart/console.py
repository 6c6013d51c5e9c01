"""Standard output as a place for results: its width, and text that is safe to print there."""

from __future__ import annotations

import shutil

from rich.console import Console
from rich.text import Text

from headstart.foundation.text import printable

__all__ = ["plain", "result_console"]

_PIPE_COLUMNS = 10_000  # a pipe has no width to fit into, and wrapped cells would be hard to parse


def result_console() -> Console:
    """Return a console for standard output, as wide as the terminal, also if ``TERM`` is ``dumb``."""
    console = Console(highlight=False)
    width, height = shutil.get_terminal_size() if console.is_terminal else (_PIPE_COLUMNS, 25)
    return Console(highlight=False, width=width, height=height)  # rich takes a dumb terminal for 80 columns wide otherwise


def plain(text: object) -> Text:
    """Return a text that is printed as it is, without markup and control characters."""
    return Text(printable(text))
