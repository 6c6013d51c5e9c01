"""Ground: files that may come from anyone, read so that whatever is wrong with one ends in H502."""

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
    """Turn what a reader raises about a file into H502.

    The readers of JSON, NumPy, Keras, ONNX Runtime and OpenVINO raise errors of many kinds when a file is not what they
    expect, and share no base class; keep the block down to the reading.

    Raises:
        RunError: The block raised something other than an error of Headstart (H502).
    """
    try:
        yield
    except HeadstartError:
        raise
    except RecursionError as error:
        raise unreadable(path, "it is nested too deeply") from error
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no message"]
        told = lines[0] if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {lines[0]}"
        raise unreadable(path, told[:300]) from error


def held_to(path: Path, value: Any, shape: Shape) -> Any:
    """Give a value that was read from a file back if it has its shape.

    Raises:
        RunError: It has another (H502).
    """
    if wrong := fault(value, shape):
        raise unreadable(path, wrong)
    return value


def parse_json(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: It is not JSON, or a number in it is not finite.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def unreadable(path: Path, reason: object) -> RunError:
    """The error for a file of a run that is missing or is not what Headstart wrote."""
    return RunError(
        "H502",
        "a file of the run cannot be read",
        received=f"{path}: {reason}",
        expected="a file written by Headstart",
        advice="fit again, or restore the file from a copy of the run",
    )
