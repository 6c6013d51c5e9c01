"""Entry point of the command line: parses arguments, prints warnings and errors, sets the exit status."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer

from headstart.command_options import print_json
from headstart.commands import STOPPED_EARLY, app, interrupted
from headstart.foundation.errors import HeadstartError, UsageError
from headstart.foundation.text import printable

__all__ = ["main"]

_PROGRAM = "headstart"  # also for ``python -m headstart``, so that completion is installed for the command of this name
INTERRUPTED = 130
_MANY = ("--trial", "--to", "--clear")  # options that take several values, as in `--to onnx openvino`


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The exit status is 0 for success, 1 for a failed check or run, 2 for invalid input (after an error with a code and three
    lines), and 130 for Ctrl-C.

    Args:
        arguments: Command-line arguments without the program name. Defaults to ``sys.argv[1:]``.
    """
    if sys.stderr is None or sys.stdout is None:  # the parent process closed them
        sys.stderr, sys.stdout = (s or Path(os.devnull).open("w") for s in (sys.stderr, sys.stdout))  # noqa: SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning, module=r"headstart\.")
        warnings.showwarning = partial(_show_warning, warnings.showwarning)
        code = _guarded(spread(sys.argv[1:] if arguments is None else arguments) or ["--help"])
    sys.exit(code)


def spread(arguments: Sequence[str]) -> list[str]:
    """Rewrite ``--to a b`` as ``--to a --to b``, which typer can parse.

    From the second value on, one that is an existing file or folder ends the list and is taken as a positional argument.

    Example:
        >>> spread(["export", "runs/flowers-001", "--to", "onnx", "keras", "--json"])
        ['export', 'runs/flowers-001', '--to', 'onnx', '--to', 'keras', '--json']
    """
    result: list[str] = []
    option, num_values = "", 0
    for argument in arguments:
        if argument.startswith("-"):
            option, num_values = argument if argument in _MANY else "", 0
        elif option:
            if num_values and Path(argument).exists():
                option = ""
            elif num_values:
                result.append(option)
            num_values += 1
        result.append(argument)
    return result


def _guarded(arguments: list[str]) -> int:
    try:
        result = app(args=arguments, standalone_mode=False, prog_name=_PROGRAM)
        sys.stdout.flush()  # here, so that the BrokenPipeError of a closed pipe is caught below
    except HeadstartError as error:
        return _report(error, arguments)
    except typer.TyperException as error:
        wrong = UsageError(
            "H004",
            "invalid command line",
            received=f"{_PROGRAM} {' '.join(arguments)}",
            expected=error.format_message(),
            advice=" ".join([_PROGRAM, *(name for name in arguments[:1] if name in _commands()), "--help"]),
        )
        return _report(wrong, arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader, for example `head`, has exited
        return 0
    if result == INTERRUPTED:  # typer's status for Ctrl-C
        return _report(interrupted(), arguments)
    if result == STOPPED_EARLY:
        return INTERRUPTED
    return int(result or 0)


def _report(error: HeadstartError, arguments: Sequence[str]) -> int:
    """Print an error to standard error, and with ``--json`` also as one JSON object to standard output."""
    print(error, file=sys.stderr)  # noqa: T201
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--json" in options:
        print_json(error.to_json())
    return error.exit_code


def _show_warning(
    otherwise: Callable[..., None], message: Warning | str, category: type[Warning], filename: str, *place: Any
) -> None:
    """Print a warning of Headstart on one line without its position in the source; pass other warnings on."""
    if category is UserWarning and Path(filename).is_relative_to(Path(__file__).parent):
        print(printable(message), file=sys.stderr)  # noqa: T201
    else:
        otherwise(message, category, filename, *place)


def _commands() -> set[str]:
    return {command.callback.__name__ for command in app.registered_commands if command.callback}
