"""Reading of untrusted files of a run: any problem with a file becomes error H502."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.foundation.errors import HeadstartError, RunError
from headstart.foundation.runs.schema import Shape, fault

__all__ = ["held_to", "parse_json", "reading", "unreadable"]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any exception that a reader raises about a file into H502.

    The readers of JSON, NumPy, Keras, ONNX Runtime and OpenVINO raise exceptions of many classes without a common base
    class, so all of them are caught. Keep the block small: it should only read the file.

    Raises:
        RunError: The block raised an exception other than a ``HeadstartError`` (H502).
    """
    try:
        yield
    except HeadstartError:
        raise
    except RecursionError as error:
        raise unreadable(path, "it is nested too deeply") from error
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no message"]
        reason = lines[0] if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {lines[0]}"
        raise unreadable(path, reason[:300]) from error


def held_to(path: Path, value: Any, shape: Shape) -> Any:
    """Return a value that was read from a file, after checking it against a shape.

    Raises:
        RunError: The value does not have that shape (H502).
    """
    if wrong := fault(value, shape):
        raise unreadable(path, wrong)
    return value


def parse_json(text: str) -> Any:
    """Parse JSON in which all numbers are finite.

    Raises:
        ValueError: The text is not JSON, or a number in it is not finite.
        RecursionError: The text is nested too deeply.
    """
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def unreadable(path: Path, reason: object) -> RunError:
    """Create the error for a file of a run that is missing or was not written by Headstart (H502)."""
    return RunError(
        "H502",
        "run file cannot be read",
        received=f"{path}: {reason}",
        expected="a file written by Headstart",
        advice="fit again, or restore the file from a copy of the run",
    )
