"""The exception hierarchy. Every error states what was received, what was expected and what to do.

::

    HeadstartError
    ├── UsageError        H0xx  invalid command line or argument
    ├── DatasetError      H1xx  unusable samples, labels or splits
    ├── BackboneError     H2xx  pretrained networks and their weights
    ├── TrainingError     H3xx  compile, fit and the time budget
    ├── ExportError       H4xx  exporting a model
    ├── RunError          H5xx  reading and writing a run folder
    └── StackError        H6xx  packages, devices and the disk
"""

from __future__ import annotations

from typing import Any

from headstart.foundation.text import printable

__all__ = [
    "BackboneError",
    "DatasetError",
    "ExportError",
    "HeadstartError",
    "OutOfMemoryError",
    "OutOfTimeError",
    "RunError",
    "StackError",
    "TrainingError",
    "UsageError",
]


class HeadstartError(Exception):
    """An error that the user can fix: a stable code and three lines.

    All of Headstart's own exceptions derive from it, so that a script can catch it and branch on ``code``.

    Args:
        code: Stable error code: ``H`` and three digits.
        title: What is wrong, in one line.
        received: The input that was given.
        expected: The input that would have been valid.
        advice: How to fix it.
        exit_code: Exit status of the command line: 2 if the input is wrong, 1 if the work failed. Defaults to 2.

    Example:
        >>> print(UsageError("H001", "unknown plan", received="fastest", expected="quick", advice="--plan quick"))
        UsageError H001: unknown plan
          received   fastest
          expected   quick
          do this    --plan quick
    """

    def __init__(self, code: str, title: str, *, received: str, expected: str, advice: str, exit_code: int = 2) -> None:
        super().__init__(code, title, received, expected, advice)
        self.code = code
        self.title = title
        self.received = received
        self.expected = expected
        self.advice = advice
        self.exit_code = exit_code

    def to_json(self) -> dict[str, str]:
        """Return the error as plain values, as the command line prints it with ``--json``."""
        return {name: str(getattr(self, name)) for name in ("code", "title", "received", "expected", "advice")}

    def __str__(self) -> str:
        rows = (("received", self.received), ("expected", self.expected), ("do this", self.advice))
        body = "".join(f"\n  {label:<10} {printable(text)}" for label, text in rows)
        return f"{type(self).__name__} {self.code}: {printable(self.title)}{body}"

    def __reduce__(self) -> tuple[object, ...]:
        fields = {name: getattr(self, name) for name in ("received", "expected", "advice", "exit_code")}
        return _rebuild, (type(self), self.code, self.title, fields)


class UsageError(HeadstartError):
    """The command line or an argument is invalid."""


class DatasetError(HeadstartError):
    """The samples, labels or splits cannot be used as they are."""


class BackboneError(HeadstartError):
    """A pretrained network is unknown, or its weights are not available."""


class TrainingError(HeadstartError):
    """Training cannot start, or cannot finish within its time budget."""


class OutOfMemoryError(TrainingError):
    """A batch of ``batch_size`` samples does not fit in memory; a smaller batch may."""

    batch_size = 0


class OutOfTimeError(TrainingError):
    """The time budget ran out before a trial had any data to train on."""


class ExportError(HeadstartError):
    """An export could not be written, or its predictions differ from the model's."""


class RunError(HeadstartError):
    """A run folder is missing, damaged or not of the requested kind."""


class StackError(HeadstartError):
    """A package, a device or the disk prevents the work."""


def _rebuild(kind: type[HeadstartError], code: str, title: str, fields: dict[str, Any]) -> HeadstartError:
    return kind(code, title, **fields)
