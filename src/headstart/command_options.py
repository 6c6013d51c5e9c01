"""Arguments and options that several commands share, and JSON on standard output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Json", "Quiet", "RunPath", "print_json"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else.")]

Quiet = Annotated[bool, typer.Option("--quiet", help="Do not show progress.")]

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/flowers-001.")]


def print_json(value: object) -> None:
    """Print a value as one JSON object; text that a terminal or another encoding could not take is escaped."""
    print(json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False))  # noqa: T201
