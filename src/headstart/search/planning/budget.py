"""Time budget of a run: how much is left, how long finishing the run takes here, and whether the budget is too small."""

from __future__ import annotations

import math
import re
import time

from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import RunError, TrainingError, UsageError
from headstart.foundation.runs.files import read_json, write_json
from headstart.search.planning.cost_model import Speeds

__all__ = ["Budget", "parse_seconds"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}

# Joining, converting, checking and reporting at a pace of 1, until it has been measured. In measurements it took half of
# this, and two thirds for a model of three backbones.
_FINISH_SECONDS = 15.0
_FINISH_MORE_SECONDS = 10.0  # for each further backbone of the model
_DOUBT = 1.25  # factor on the predicted seconds of a trial
_MARGIN = 1.5  # factor on the last measured time to finish a run, because machines are shared
_MIN_TRAINING_SECONDS = 3.0
_MIN_FINISH_SECONDS = 5.0
_NOTE = "finish.json"
_EXIT_SECONDS = 2.0  # for TensorFlow to shut down


class Budget:
    """Time limit of a run, counted from the start of the process.

    Args:
        seconds: The budget in seconds; None for no limit.
        started: ``time.perf_counter()`` value at which the process began.
        speeds: Measured speeds of this machine.
    """

    def __init__(self, seconds: float | None, *, started: float, speeds: Speeds) -> None:
        self.seconds = seconds
        self._started = started
        self._speeds = speeds
        self._finish_started = started
        self._shipped: dict[str, float] = {}  # for each Part A that may become the model, seconds for the test split

    def expect(self, part: str, held_out_seconds: float = 0.0) -> None:
        """Reserve time to finish the run with a model on this Part A.

        Args:
            part: Name of the Part A.
            held_out_seconds: Predicted seconds of this Part A for the user's test split. Defaults to 0.
        """
        self._shipped[part] = held_out_seconds

    def elapsed(self) -> float:
        """Seconds since the process began."""
        return time.perf_counter() - self._started

    @property
    def training_deadline(self) -> float:
        """``perf_counter`` value at which training must end so that the run finishes in time."""
        return math.inf if self.seconds is None else self._started + self.seconds - self._finish_seconds()

    @property
    def extraction_deadline(self) -> float:
        """``perf_counter`` value at which Part A must end so that a head can be trained."""
        return self.training_deadline - _MIN_TRAINING_SECONDS

    def has_time_for(self, seconds: float, part: str = "", held_out_seconds: float = 0.0) -> bool:
        """Whether a trial of ``seconds`` fits, with a margin, if the run may end with a model on Part A ``part``."""
        return _DOUBT * seconds < self.spare(part, held_out_seconds)

    def spare(self, part: str = "", held_out_seconds: float = 0.0) -> float:
        """Seconds left for trials if the run may end with a model on Part A ``part``; infinite without a budget."""
        shipped = self._shipped | ({part: held_out_seconds} if part else {})
        return self.left() - self._finish_seconds(shipped)

    def left(self) -> float:
        """Seconds until the budget is spent; infinite without one."""
        return math.inf if self.seconds is None else self.seconds - self.elapsed()

    def require(self, part_a_seconds: float) -> None:
        """Raise an error if Part A alone would exceed the budget.

        Args:
            part_a_seconds: Remaining seconds of Part A, predicted from a probe.

        Raises:
            TrainingError: The budget is too small for any trial (H303).
        """
        if self.seconds is None:
            return
        least = self.elapsed() + part_a_seconds + _MIN_TRAINING_SECONDS + self._finish_seconds()
        advised = 5 * math.ceil(least * 1.3 / 5)  # with room for a busy machine
        if least > self.seconds:
            raise TrainingError(
                "H303",
                "the budget is too small for any trial",
                received=f"--budget {self.seconds:g}s",
                expected=f"at least {advised} s for this data on this machine",
                advice=f"--budget {advised}s, or fewer samples",
            )

    def begin_finish(self) -> None:
        """Mark the end of training, from which the time to finish the run is measured."""
        self._finish_started = time.perf_counter()

    def end_finish(self, part: str, evaluation_seconds: float) -> None:
        """Store how long finishing a run on a Part A took on this machine, without the evaluation of the test split."""
        seconds = time.perf_counter() - self._finish_started - evaluation_seconds
        write_json(private_folder("notes") / _NOTE, _known_ends() | {part: seconds})

    def _finish_seconds(self, shipped: dict[str, float] | None = None) -> float:
        known, ends = _known_ends(), []
        for part, held_out_seconds in (self._shipped if shipped is None else shipped).items():
            seconds = self._speeds.pace * (_FINISH_SECONDS + _FINISH_MORE_SECONDS * part.count("+"))
            if part in known:
                seconds = known[part] * _MARGIN + _EXIT_SECONDS
            ends.append(max(_MIN_FINISH_SECONDS, seconds) + held_out_seconds)
        return max(ends, default=_FINISH_SECONDS)


def parse_seconds(text: str) -> float:
    """Parse a duration such as ``30s``, ``5m`` or ``1h``; without a unit, seconds.

    Raises:
        UsageError: The text is not a positive duration (H003).

    Example:
        >>> parse_seconds("5m")
        300.0
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if not found or float(found[1]) == 0:
        raise UsageError(
            "H003",
            "invalid budget",
            received=text,
            expected="a duration such as 30s, 5m or 1h",
            advice="for example --budget 5m",
        )
    return float(found[1]) * _UNITS[found[2]]


def _known_ends() -> dict[str, float]:
    """Stored seconds that finishing a run took on this machine, by Part A."""
    note = private_folder("notes") / _NOTE
    if not note.exists():
        return {}
    try:
        return {part: float(seconds) for part, seconds in read_json(note).items()}
    except (RunError, AttributeError, TypeError, ValueError):  # an unreadable note is treated like a missing one
        return {}
