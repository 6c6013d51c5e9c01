"""Arguments and options that several commands share, and JSON on standard output."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from headstart.foundation.errors import UsageError

__all__ = ["Json", "Quiet", "RunPath", "check_file_to_write", "print_json"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else.")]

Quiet = Annotated[bool, typer.Option("--quiet", help="Do not show progress.")]

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/flowers-001.")]


def print_json(value: object) -> None:
    """Print a value as one JSON object; text that a terminal or another encoding could not take is escaped."""
    print(json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False))  # noqa: T201


def check_file_to_write(path: Path) -> None:
    """Reject a file to write whose folder does not exist, before the work is done; only folders of results are created.

    Raises:
        UsageError: The folder does not exist, or the path is a folder itself (H004).
    """
    if path.parent.is_dir() and not path.is_dir():
        return
    made = shlex.quote(str(path.parent))
    raise UsageError(
        "H004",
        "invalid command line",
        received=f"--out {path}, a folder"
        if path.is_dir()
        else f"--out {path}, and the folder {path.parent} does not exist",
        expected="the path of a file in an existing folder",
        advice=f"--out {shlex.quote(str(path / 'predictions.csv'))}"
        if path.is_dir()
        else f"create the folder: mkdir -p {made}",
    )
