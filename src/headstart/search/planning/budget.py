"""The whole: a promise about time. How much is left, what the end of a run costs here, and when a budget is too small."""

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

# Joining, converting, checking and reporting, at a pace of 1, where none was measured yet. It took half as long wherever it
# was measured, but for a model of three backbones, which took two thirds.
_FINISH_SECONDS = 15.0
_FINISH_MORE_SECONDS = 10.0  # for each further backbone of the model
_DOUBT = 1.25  # of what a trial is predicted to take
_MARGIN = 1.5  # of the finish measured last time: machines are shared
_MIN_TRAINING_SECONDS = 3.0
_MIN_FINISH_SECONDS = 5.0
_NOTE = "finish.json"
_EXIT_SECONDS = 2.0  # TensorFlow takes its time to be taken down


class Budget:
    """Time that a run may take, counted from the start of the process.

    Args:
        seconds: The budget; None for as long as it takes.
        started: The ``time.perf_counter()`` value at which the process began.
        speeds: What is known of this machine's pace.
    """

    def __init__(self, seconds: float | None, *, started: float, speeds: Speeds) -> None:
        self.seconds = seconds
        self._started = started
        self._speeds = speeds
        self._finish_started = started
        self._shipped: dict[str, float] = {}  # what may be the run's model, and what the test split will cost with it

    def expect(self, part: str, held_out_seconds: float = 0.0) -> None:
        """A model on this Part A may be the one that the run ends with: time for that end is kept free.

        Args:
            part: Its name.
            held_out_seconds: What Part A of the held-out test split will take.
        """
        self._shipped[part] = held_out_seconds

    def elapsed(self) -> float:
        """Seconds since the process began."""
        return time.perf_counter() - self._started

    @property
    def training_deadline(self) -> float:
        """``perf_counter`` value at which training has to end, so that the run can be finished in time."""
        return math.inf if self.seconds is None else self._started + self.seconds - self._finish_seconds()

    @property
    def extraction_deadline(self) -> float:
        """``perf_counter`` value at which Part A has to end, so that a head can be trained."""
        return self.training_deadline - _MIN_TRAINING_SECONDS

    def has_time_for(self, seconds: float, part: str = "", held_out_seconds: float = 0.0) -> bool:
        """Whether a trial of so many predicted seconds fits, with a margin, if the run may then end with that Part A."""
        return _DOUBT * seconds < self.spare(part, held_out_seconds)

    def spare(self, part: str = "", held_out_seconds: float = 0.0) -> float:
        """Seconds left for trials, if the run may then end with a model on that Part A; infinite without a budget."""
        shipped = self._shipped | ({part: held_out_seconds} if part else {})
        return self.left() - self._finish_seconds(shipped)

    def left(self) -> float:
        """Seconds until the budget is spent; infinite without one."""
        return math.inf if self.seconds is None else self.seconds - self.elapsed()

    def require(self, part_a_seconds: float) -> None:
        """Refuse to go on where Part A alone would need more time than there is.

        Args:
            part_a_seconds: What is still to be computed, predicted from a probe.

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
        """Training is over; the end of the run begins."""
        self._finish_started = time.perf_counter()

    def end_finish(self, part: str, evaluation_seconds: float) -> None:
        """Remember what the end of a run on a Part A costs here, but for what depends on the size of the test split."""
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
    """Seconds of ``30s``, ``5m`` or ``1h``.

    Raises:
        UsageError: It is no length of time (H003).

    Example:
        >>> parse_seconds("5m")
        300.0
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if not found or float(found[1]) == 0:
        raise UsageError(
            "H003",
            "the budget cannot be read",
            received=text,
            expected="a length of time: 30s, 5m or 1h",
            advice="--budget 5m",
        )
    return float(found[1]) * _UNITS[found[2]]


def _known_ends() -> dict[str, float]:
    """Seconds that the end of a run took here, by Part A."""
    note = private_folder("notes") / _NOTE
    if not note.exists():
        return {}
    try:
        return {part: float(seconds) for part, seconds in read_json(note).items()}
    except (RunError, AttributeError, TypeError, ValueError):  # a note that cannot be read is as good as none
        return {}
