"""Ground: the error tree. Every error says what was received, what was expected and what to do.

::

    HeadstartError
    ├── UsageError        H0xx  the command or an argument
    ├── DatasetError      H1xx  the images, labels and splits
    ├── BackboneError     H2xx  a pretrained network and its weights
    ├── TrainingError     H3xx  compile, fit and the time budget
    ├── ExportError       H4xx  a file to ship
    ├── RunError          H5xx  a run folder
    └── StackError        H6xx  a package, a device or the disk
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
    """A mistake that the user can mend, told in three lines under a stable code.

    Args:
        code: Stable code, ``H`` and three digits.
        title: One line: what is wrong.
        received: What was given.
        expected: What would have been right.
        advice: What to do about it.
        exit_code: Of the command line: 2 where the input is wrong, 1 where the work failed.

    Example:
        >>> print(UsageError("H001", "no such plan", received="fastest", expected="quick", advice="--plan quick"))
        UsageError H001: no such plan
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

    def __str__(self) -> str:
        rows = (("received", self.received), ("expected", self.expected), ("do this", self.advice))
        body = "".join(f"\n  {label:<10} {printable(text)}" for label, text in rows)
        return f"{type(self).__name__} {self.code}: {printable(self.title)}{body}"

    def __reduce__(self) -> tuple[object, ...]:
        told = {name: getattr(self, name) for name in ("received", "expected", "advice", "exit_code")}
        return _rebuild, (type(self), self.code, self.title, told)


class UsageError(HeadstartError):
    """The command line or an argument is wrong."""


class DatasetError(HeadstartError):
    """The samples, labels or splits cannot be used as they are."""


class BackboneError(HeadstartError):
    """A pretrained network is unknown or its weights cannot be had."""


class TrainingError(HeadstartError):
    """Training cannot start, or cannot end within its budget."""


class OutOfMemoryError(TrainingError):
    """The memory does not suffice for a batch of ``batch_size`` samples; a smaller one may do."""

    batch_size = 0


class OutOfTimeError(TrainingError):
    """The budget ended a trial before it had anything to train on."""


class ExportError(HeadstartError):
    """A file to ship could not be written, or does not agree with the model."""


class RunError(HeadstartError):
    """A run folder is missing, damaged or not what was asked for."""


class StackError(HeadstartError):
    """A package, a device or the disk stands in the way."""


def _rebuild(kind: type[HeadstartError], code: str, title: str, told: dict[str, Any]) -> HeadstartError:
    return kind(code, title, **told)
