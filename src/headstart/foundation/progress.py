"""Ground: what a long job tells whoever watches it. The command line draws it; a script hears nothing."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Listens to a job."""

    def say(self, text: str) -> None:
        """One line about what was found or decided."""
        ...

    def begin(self, name: str, total: int) -> None:
        """A stage begins that has ``total`` steps; it ends the one before."""
        ...

    def advance(self, done: int, note: str = "") -> None:
        """So many steps of the stage are done."""
        ...

    def end(self) -> None:
        """The stage is over."""
        ...


class Silent:
    """Hears everything and says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def begin(self, name: str, total: int) -> None:
        """Nothing."""

    def advance(self, done: int, note: str = "") -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""
