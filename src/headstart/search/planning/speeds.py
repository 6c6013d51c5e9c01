"""``Speeds``: how fast each kind of work runs on this machine, relative to the reference, as measured in earlier runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from headstart.foundation.cache.notes import read_note, write_note
from headstart.foundation.fingerprint import settings_digest
from headstart.foundation.machine import backend_name, machine
from headstart.search.planning.cost_model import Cost

__all__ = ["Speeds"]

_NOTE = ("notes", "speeds.json")
_MIN_SECONDS = 0.5  # the time of less work says nothing
_MIN_SHARE = 0.1  # of the seconds; a measurement says nothing about a smaller part
_MIN_FACTOR, _MAX_FACTOR = 0.1, 10.0  # beyond these, something other than the speed was measured
_REFERENCES = 3  # factors of 1.0 in the pace: one kind of work may be unusually fast or slow without the machine being so


class Speeds:
    """Measured over reference seconds of each kind of work, on this machine and backend.

    Each kind has a factor for its fixed seconds and one for those in proportion to its size, so that the start-up of a tiny
    fit says nothing about a large one: a measurement changes each factor by the share of its part in the seconds. The
    factors are stored in the cache folder, under a key of the hardware and the Keras backend. The first word of a kind is
    its family. A kind that was never measured runs at the pace of its family, or of all kinds if none of it was measured.

    Example::

        speeds = Speeds()
        speeds.note("part_b trees", Cost(fixed=1.0, sized=20.0), seconds=41.0)
        speeds.predict("part_b trees", Cost(fixed=1.0, sized=200.0))  # Cost(fixed=1.0, sized=400.0)
    """

    def __init__(self) -> None:
        hardware = {key: value for key, value in machine().items() if key != "system"}
        self._place = settings_digest(**hardware, backend=backend_name())[:16]
        known = _known(self._place).items()
        self._factors: dict[str, list[float | None]] = {kind: given for kind, given in known if _are_factors(given)}

    def note(self, kind: str, cost: Cost, seconds: float) -> None:
        """Store a measurement.

        Args:
            kind: Name of the kind of work.
            cost: Its reference cost.
            seconds: Measured seconds.
        """
        predicted = self.predict(kind, cost)
        if max(seconds, cost.seconds) < _MIN_SECONDS or not predicted.seconds:
            return
        ratio = min(max(seconds / predicted.seconds, _MIN_FACTOR), _MAX_FACTOR)
        factors, before = self._factors.setdefault(kind, [None, None]), self._of(kind)
        for part, share in enumerate(part / predicted.seconds for part in predicted):
            if share >= _MIN_SHARE:
                weight = share if factors[part] is None else share / 2  # smoothed, because machines are shared
                factors[part] = min(max(before[part] * ratio**weight, _MIN_FACTOR), _MAX_FACTOR)
        write_note(*_NOTE, read_note(*_NOTE) | {self._place: {**_known(self._place), kind: factors}})

    def predict(self, kind: str, cost: Cost) -> Cost:
        """Predicted seconds of work whose reference cost is ``cost``."""
        fixed, sized = self._of(kind)
        return Cost(fixed * cost.fixed, sized * cost.sized)

    @property
    def pace(self) -> float:
        """Speed factor of this machine: the geometric mean of all measured factors, together with a few of 1.0."""
        known = [factor for factors in self._factors.values() for factor in factors if factor is not None]
        return statistics.geometric_mean([*known, *[1.0] * _REFERENCES])

    def _of(self, kind: str) -> tuple[float, float]:
        """Factors of a kind of work; where nothing was measured, those of its family, or the pace."""
        name = kind.partition(" ")[0]
        family = [factors for other, factors in self._factors.items() if other.partition(" ")[0] == name]
        fixed, sized = self._factors.get(kind, (None, None))
        return (
            self._pace_of([factors[0] for factors in family]) if fixed is None else fixed,
            self._pace_of([factors[1] for factors in family]) if sized is None else sized,
        )

    def _pace_of(self, factors: Sequence[float | None]) -> float:
        """Geometric mean of the measured ones among some factors, together with a 1.0; the pace if none was measured."""
        known = [factor for factor in factors if factor is not None]
        return statistics.geometric_mean([*known, 1.0]) if known else self.pace


def _known(place: str) -> dict[str, Any]:
    known = read_note(*_NOTE).get(place)
    return known if isinstance(known, dict) else {}


def _are_factors(given: object) -> bool:
    """Whether these are factors as ``note`` stores them; the cache may be damaged."""
    return (
        isinstance(given, list)
        and len(given) == 2
        and all(value is None or (isinstance(value, int | float) and value > 0) for value in given)
    )
