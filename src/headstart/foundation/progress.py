"""Interface for reporting the progress of a long job: the command line draws it, and scripts stay silent."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Receiver of progress reports from a long job."""

    def say(self, text: str) -> None:
        """Report one line about a result or a decision."""
        ...

    def begin(self, name: str, total: int) -> None:
        """Start a stage of ``total`` steps, 0 if their number is not known; the previous stage ends."""
        ...

    def advance(self, done: int, note: str = "") -> None:
        """Report that ``done`` steps of the current stage are finished."""
        ...

    def best(self, text: str) -> None:
        """Report the best result so far, which is shown beside the stages that follow."""
        ...

    def end(self) -> None:
        """End the current stage."""
        ...


class Silent:
    """Progress receiver that ignores all reports."""

    def say(self, text: str) -> None:
        """Ignore the line."""

    def begin(self, name: str, total: int) -> None:
        """Ignore the start of a stage."""

    def advance(self, done: int, note: str = "") -> None:
        """Ignore the steps."""

    def best(self, text: str) -> None:
        """Ignore the best result so far."""

    def end(self) -> None:
        """Ignore the end of a stage."""
