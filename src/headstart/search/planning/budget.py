"""Time budget of a run: how much is left, how long finishing the run takes here, and whether the budget is too small."""

from __future__ import annotations

import math
import re
import time

from headstart.foundation.errors import TrainingError, UsageError
from headstart.search.planning.cost_model import IMPORT_SECONDS, Cost, finish_cost
from headstart.search.planning.speeds import Speeds
from headstart.training.framework_state import is_keras_imported

__all__ = ["Budget", "parse_seconds"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}

_DOUBT = 1.25  # factor on predicted seconds, because machines are shared
_WORTHWHILE = 0.5  # share of a training that must fit: one that the deadline ends keeps its best weights
_MIN_TRAINING_SECONDS = 2.0
_MIN_FINISH_SECONDS = 3.0
_EXIT_SECONDS = 1.0  # for TensorFlow to shut down


class Budget:
    """Time limit of a run, counted from the start of the process.

    Args:
        seconds: The budget in seconds; None for no limit.
        started: ``time.perf_counter()`` value at which the process began.
        speeds: Measured speeds of this machine.
        num_samples: Number of samples of the run.
        is_table: Whether they are rows of a table.
    """

    def __init__(self, seconds: float | None, *, started: float, speeds: Speeds, num_samples: int, is_table: bool) -> None:
        self.seconds = seconds
        self._started = started
        self._speeds = speeds
        self._num_samples = num_samples
        self._is_table = is_table
        self._finish_started: float | None = None
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
        return math.inf if self.seconds is None else self._started + self.seconds - self.reserved

    @property
    def extraction_deadline(self) -> float:
        """``perf_counter`` value at which Part A must end so that a head can be trained."""
        return self.training_deadline - _MIN_TRAINING_SECONDS

    def has_time_for(self, cost: Cost, part: str = "", held_out_seconds: float = 0.0) -> bool:
        """Whether a trial fits, if the run may end with a model on Part A ``part``.

        Args:
            cost: Predicted seconds: fixed ones, and those of a training that keeps its best weights when it is ended.
            part: Name of the Part A. Defaults to "": one that is already expected.
            held_out_seconds: Predicted seconds of this Part A for the user's test split. Defaults to 0.
        """
        return _DOUBT * (cost.fixed + _WORTHWHILE * cost.sized) < self.spare(part, held_out_seconds)

    def spare(self, part: str = "", held_out_seconds: float = 0.0) -> float:
        """Seconds left for trials if the run may end with a model on Part A ``part``; infinite without a budget."""
        shipped = self._shipped | ({part: held_out_seconds} if part else {})
        return self.left() - self._finish_seconds(shipped)

    @property
    def reserved(self) -> float:
        """Seconds reserved to finish the run: convert the model, evaluate it and write the report."""
        return self._finish_seconds(self._shipped)

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
        least = self.elapsed() + part_a_seconds + _MIN_TRAINING_SECONDS + self._finish_seconds(self._shipped, doubt=1.0)
        advised = 5 * math.ceil(least * _DOUBT / 5)
        if least > self.seconds:
            raise TrainingError(
                "H303",
                "the budget is too small for any trial",
                received=f"--budget {self.seconds:g}s",
                expected=f"at least {advised} s for this data on this machine",
                advice=f"--budget {advised}s, or fewer samples",
            )

    def begin_finish(self) -> None:
        """Mark the end of training, from which the time to finish the run is measured if Keras is imported already."""
        self._finish_started = time.perf_counter() if is_keras_imported() else None

    def end_finish(self, part: str, held_out_seconds: float) -> None:
        """Note how long finishing a run on a Part A took on this machine, without the features of the user's test split."""
        if self._finish_started is None:  # the seconds would contain those of the import
            return
        seconds = time.perf_counter() - self._finish_started - held_out_seconds
        self._speeds.note(_finish_of(part), self._finish_cost(part), seconds)

    def _finish_seconds(self, shipped: dict[str, float], doubt: float = _DOUBT) -> float:
        ends = []
        for part, held_out_seconds in (shipped or {"": 0.0}).items():
            seconds = doubt * self._speeds.predict(_finish_of(part), self._finish_cost(part)).seconds + _EXIT_SECONDS
            ends.append(max(_MIN_FINISH_SECONDS, seconds) + held_out_seconds)
        return max(ends) + self._import_seconds()

    def _import_seconds(self) -> float:
        """Predicted seconds to import Keras, if it is not imported yet."""
        return 0.0 if is_keras_imported() else self._speeds.pace * IMPORT_SECONDS

    def _finish_cost(self, part: str) -> Cost:
        return finish_cost(part, self._num_samples, is_table=self._is_table)


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


def _finish_of(part: str) -> str:
    return f"finish {part}"
