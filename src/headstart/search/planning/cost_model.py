"""The whole: what a trial will cost on this machine, learned from what has run on it, and which one to run next."""

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

# On two cores of a few years ago; another machine has its pace, by which all that was not measured there is multiplied.
_MIN_PACE, _MAX_PACE = 0.25, 4.0  # beyond, it is Part A's engine that is so fast or slow, and not the machine
_SECONDS_A_WORK = 0.012  # of Part A for 10^9 multiplications
_DECODE_SECONDS = 0.004
_ENCODE_SECONDS = 1e-4  # a row of a table
# Of a table, fixed and for each row; 24,000 rows of 8 columns took 0.9 s (linear) and 6.3 s (trees) on a busy machine. What
# a small table took would say nothing of a large one.
_TABLE_SECONDS = {"baseline": (0.1, 0.0), "trees": (1.0, 3e-4), "linear": (0.5, 1e-4), "ovr_linear": (0.5, 1e-4)}
_STEP_SECONDS = 4e-3  # of a small network
_START_SECONDS = 4.0  # to load another graph, or to build and trace a network
_SOLVER_SECONDS = 4e-3  # a row
_HEAD_SECONDS = 1.5e-2  # a row, over all the epochs that patience allows
_TAIL_FACTOR = 3.0  # forward and backward, against forward alone
_TAIL_SLOWER = 2.0  # the training framework, against the inference engine
_TAIL_EPOCHS = 12
_OWN_NETWORK_WORK = 0.02  # of a small network of one's own at 64 pixels
_OWN_EPOCHS = 60


def work_of(part: PartA) -> float:
    """10^9 multiplications of the whole network for one image, estimated from its cards and the image's size."""
    if not part.cards:
        return _OWN_NETWORK_WORK * (part.geometry.size / 64) ** 2
    return sum(card.work * (part.geometry.size / card.size) ** 2 for card in part.cards)


class Speeds:
    """Seconds an image for each Part A, and for each kind of Part B, as they were measured on this machine.

    They are kept in the cache folder. What never ran is judged by its multiplications, and by how fast others were.
    """

    def __init__(self) -> None:
        try:
            known = read_json(private_folder("notes") / _NOTE)
            self._part_a: dict[str, list[float]] = {name: [float(v) for v in row] for name, row in known["part_a"].items()}
            self._part_b: dict[str, float] = {name: float(seconds) for name, seconds in known["part_b"].items()}
        except (RunError, KeyError, TypeError, ValueError, AttributeError):  # no note, or none that can be read
            self._part_a, self._part_b = {}, {}

    def note_part_a(self, part: PartA, seconds_an_image: float) -> None:
        """Remember what an image took."""
        self._part_a[part.name] = [seconds_an_image, _nominal(part)]
        self._save()

    def note_part_b(self, trial: Trial, seconds: float, num_rows: int) -> None:
        """Remember what a training took, a row."""
        self._part_b[_kind(trial)] = seconds / max(1, num_rows)
        self._save()

    @property
    def pace(self) -> float:
        """How many times as long as this module's numbers say things take here; 1 until something was measured."""
        known = [seconds / nominal for seconds, nominal in self._part_a.values() if nominal > _DECODE_SECONDS]
        measured = statistics.median(known or [1.0])  # decoding alone says little of the rest
        return min(max(measured, _MIN_PACE), _MAX_PACE)

    def part_a_seconds(self, part: PartA, num_images: int) -> float:
        """What so many images will take, loading the graph included."""
        if part.is_table:
            return self.pace * _ENCODE_SECONDS * num_images
        known = self._part_a.get(part.name)
        return self.pace * _START_SECONDS + num_images * (known[0] if known else self.pace * _nominal(part))

    def part_b_seconds(self, trial: Trial, num_rows: int) -> float:
        """What training on so many rows will take."""
        if trial.part.is_table:
            return self.pace * _table_seconds(trial, num_rows)
        known = self._part_b.get(_kind(trial))
        return self.pace * _training_seconds(trial, num_rows) if known is None else known * num_rows

    def _save(self) -> None:
        write_json(private_folder("notes") / _NOTE, {"part_a": self._part_a, "part_b": self._part_b})


def pick(trials: Sequence[Trial], cost: Sequence[float]) -> Trial:
    """The trial with the most expected gain a second; of equal ones, the first.

    Args:
        trials: Those that are left, in the order of their plan.
        cost: Predicted seconds of each.
    """
    best = max(range(len(trials)), key=lambda i: (trials[i].gain / max(cost[i], 0.1), -i))
    return trials[best]


def _table_seconds(trial: Trial, num_rows: int) -> float:
    """Seconds of a training on rows of a table, at a pace of 1."""
    fixed, a_row = _TABLE_SECONDS.get(trial.recipe.network, (_START_SECONDS, 0.0))
    steps = 0 if trial.recipe.network in _TABLE_SECONDS else small_steps(num_rows)
    return fixed + a_row * num_rows + _STEP_SECONDS * steps


def _nominal(part: PartA) -> float:
    """Seconds of Part A for an image, at a pace of 1."""
    return _DECODE_SECONDS + (0.0 if part.is_pixels else _SECONDS_A_WORK * work_of(part))


def _training_seconds(trial: Trial, num_rows: int) -> float:
    """Seconds of Part B, at a pace of 1."""
    if trial.is_solved:
        return _SOLVER_SECONDS * num_rows
    if not trial.part.is_inner:
        return _START_SECONDS + _HEAD_SECONDS * num_rows
    epochs = trial.recipe.epochs or (_OWN_EPOCHS if trial.part.is_pixels else _TAIL_EPOCHS)
    forward = _SECONDS_A_WORK * work_of(trial.part) * _share_behind(trial.part)
    return 3 * _START_SECONDS + forward * _TAIL_FACTOR * _TAIL_SLOWER * epochs * num_rows


def _kind(trial: Trial) -> str:
    """Trainings that take about the same time a row."""
    rows = trial.part.name if trial.part.is_inner else f"{len(trial.part.cards)} {trial.part.pooling}"
    trainer = "solver" if trial.is_solved else f"{trial.recipe.epochs} epochs"
    return f"{rows} {trial.recipe.network} {trainer}"


def _share_behind(part: PartA) -> float:
    """About which share of the multiplications stands behind the cut."""
    if part.is_pixels or not part.cards[0].stages:
        return 1.0 if part.is_pixels else 0.5
    stages = part.cards[0].stages
    return 1 - (stages.index(part.stage) + 1) / len(stages) + 0.1
