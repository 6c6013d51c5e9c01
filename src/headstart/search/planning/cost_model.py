"""Predict how long a trial takes on this machine, from measurements, and pick the next trial."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from headstart.features.part_a import PartA
from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import RunError
from headstart.foundation.runs.files import read_json, write_json
from headstart.training.keras_training import small_steps
from headstart.training.trials.trial import Trial

__all__ = ["Speeds", "pick", "work_of"]

_NOTE = "speeds.json"

# Reference times, measured on two cores of an older machine. Times that were not measured on this machine are multiplied by
# its pace.
_MIN_PACE, _MAX_PACE = 0.25, 4.0  # beyond these, Part A's engine is unusually fast or slow, not the machine
_SECONDS_A_WORK = 0.012  # seconds of Part A per 10^9 multiplications
_DECODE_SECONDS = 0.004  # per image
_ENCODE_SECONDS = 1e-4  # per row of a table
# Training on a table: fixed seconds, and seconds per row. 24,000 rows of 8 columns took 0.9 s (linear) and 6.3 s (trees) on
# a busy machine. Measured times are not used, because those of a small table would say nothing about a large one.
_TABLE_SECONDS = {"baseline": (0.1, 0.0), "trees": (1.0, 3e-4), "linear": (0.5, 1e-4), "ovr_linear": (0.5, 1e-4)}
_STEP_SECONDS = 4e-3  # per training step of a small network
_START_SECONDS = 4.0  # to load a graph, or to build and trace a network
_SOLVER_SECONDS = 4e-3  # per row
_HEAD_SECONDS = 1.5e-2  # per row, over all epochs until early stopping
_TAIL_FACTOR = 3.0  # forward and backward pass relative to the forward pass
_TAIL_SLOWER = 2.0  # training framework relative to the inference engine
_TAIL_EPOCHS = 12
_OWN_NETWORK_WORK = 0.02  # 10^9 multiplications of a small network from scratch at 64 pixels
_OWN_EPOCHS = 60


def work_of(part: PartA) -> float:
    """Multiplications of the whole network for one image, in units of 10^9, estimated from its cards and the image size."""
    if not part.cards:
        return _OWN_NETWORK_WORK * (part.geometry.size / 64) ** 2
    return sum(card.work * (part.geometry.size / card.size) ** 2 for card in part.cards)


class Speeds:
    """Measured seconds per image of each Part A, and per row of each kind of Part B, on this machine.

    They are stored in the cache folder. Times of models that have not run yet are predicted from their number of
    multiplications and the pace of the machine.
    """

    def __init__(self) -> None:
        try:
            known = read_json(private_folder("notes") / _NOTE)
            self._part_a: dict[str, list[float]] = {name: [float(v) for v in row] for name, row in known["part_a"].items()}
            self._part_b: dict[str, float] = {name: float(seconds) for name, seconds in known["part_b"].items()}
        except (RunError, KeyError, TypeError, ValueError, AttributeError):  # the note is missing or unreadable
            self._part_a, self._part_b = {}, {}

    def note_part_a(self, part: PartA, seconds_an_image: float) -> None:
        """Store the measured seconds per image of a Part A."""
        self._part_a[part.name] = [seconds_an_image, _nominal(part)]
        self._save()

    def note_part_b(self, trial: Trial, seconds: float, num_rows: int) -> None:
        """Store the measured seconds of a training, per row."""
        self._part_b[_kind(trial)] = seconds / max(1, num_rows)
        self._save()

    @property
    def pace(self) -> float:
        """Speed factor of this machine: measured over reference seconds; 1.0 until measured."""
        # Parts that only decode are left out: the speed of decoding says little about that of networks.
        known = [seconds / nominal for seconds, nominal in self._part_a.values() if nominal > _DECODE_SECONDS]
        measured = statistics.median(known or [1.0])
        return min(max(measured, _MIN_PACE), _MAX_PACE)

    def part_a_seconds(self, part: PartA, num_images: int) -> float:
        """Predicted seconds of Part A for ``num_images`` images or rows, including loading the graph."""
        if part.is_table:
            return self.pace * _ENCODE_SECONDS * num_images
        known = self._part_a.get(part.name)
        return self.pace * _START_SECONDS + num_images * (known[0] if known else self.pace * _nominal(part))

    def part_b_seconds(self, trial: Trial, num_rows: int) -> float:
        """Predicted seconds of training Part B on ``num_rows`` rows."""
        if trial.part.is_table:
            return self.pace * _table_seconds(trial, num_rows)
        known = self._part_b.get(_kind(trial))
        return self.pace * _training_seconds(trial, num_rows) if known is None else known * num_rows

    def _save(self) -> None:
        write_json(private_folder("notes") / _NOTE, {"part_a": self._part_a, "part_b": self._part_b})


def pick(trials: Sequence[Trial], cost: Sequence[float]) -> Trial:
    """Pick the trial with the highest expected gain per second, and the first of several equal ones.

    Args:
        trials: Remaining trials, in the order of their plan.
        cost: Predicted seconds of each trial.
    """
    best = max(range(len(trials)), key=lambda i: (trials[i].gain / max(cost[i], 0.1), -i))
    return trials[best]


def _table_seconds(trial: Trial, num_rows: int) -> float:
    """Reference seconds of a training on rows of a table."""
    fixed, a_row = _TABLE_SECONDS.get(trial.recipe.network, (_START_SECONDS, 0.0))
    steps = 0 if trial.recipe.network in _TABLE_SECONDS else small_steps(num_rows)
    return fixed + a_row * num_rows + _STEP_SECONDS * steps


def _nominal(part: PartA) -> float:
    """Reference seconds of Part A for one image."""
    return _DECODE_SECONDS + (0.0 if part.is_pixels else _SECONDS_A_WORK * work_of(part))


def _training_seconds(trial: Trial, num_rows: int) -> float:
    """Reference seconds of training Part B on images."""
    if trial.is_solved:
        return _SOLVER_SECONDS * num_rows
    if not trial.part.is_inner:
        return _START_SECONDS + _HEAD_SECONDS * num_rows
    epochs = trial.recipe.epochs or (_OWN_EPOCHS if trial.part.is_pixels else _TAIL_EPOCHS)
    forward = _SECONDS_A_WORK * work_of(trial.part) * _share_after_cut(trial.part)
    return 3 * _START_SECONDS + forward * _TAIL_FACTOR * _TAIL_SLOWER * epochs * num_rows


def _kind(trial: Trial) -> str:
    """Key of trainings that take about the same time per row."""
    rows = trial.part.name if trial.part.is_inner else f"{len(trial.part.cards)} {trial.part.pooling}"
    trainer = "solver" if trial.is_solved else f"{trial.recipe.epochs} epochs"
    return f"{rows} {trial.recipe.network} {trainer}"


def _share_after_cut(part: PartA) -> float:
    """Approximate share of the network's multiplications after the cut."""
    if part.is_pixels or not part.cards[0].stages:
        return 1.0 if part.is_pixels else 0.5
    stages = part.cards[0].stages
    return 1 - (stages.index(part.stage) + 1) / len(stages) + 0.1
