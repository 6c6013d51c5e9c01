"""Reference seconds of the steps of a run, fixed and proportional parts apart, and the choice of the next trial.

The numbers are rough: from runs on two cores of a server (AVX-512, no GPU), and estimates for what was not run there.
``Speeds`` corrects them by what each machine measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headstart.features.part_a import PartA
from headstart.training.keras_training import small_steps
from headstart.training.trials.trial import Trial

__all__ = [
    "IMPORT_SECONDS",
    "Cost",
    "finish_cost",
    "kind_of",
    "part_a_cost",
    "part_a_kind",
    "part_b_cost",
    "pick",
    "work_of",
]

IMPORT_SECONDS = 4.5  # to import Keras and TensorFlow

_SECONDS_A_WORK = 0.008  # seconds of Part A per 10^9 multiplications
_DECODE_SECONDS = 0.004  # per image
_START_SECONDS = 2.0  # to build and compile the graph of a backbone
_ENCODE_SECONDS = 2e-6  # per cell of a table
_BUILD_SECONDS = 4.0  # to build and trace a network, and to measure how fast it predicts
_SOLVER_SECONDS = 3e-3  # per row of features of images
_HEAD_SECONDS = 1.5e-2  # per row, over all epochs until early stopping
_TAIL_FACTOR = 3.0  # forward and backward pass relative to the forward pass
_TAIL_SLOWER = 3.0  # training framework relative to the inference engine
_TAIL_EPOCHS = 12
_OWN_NETWORK_WORK = 0.02  # 10^9 multiplications of a small network from scratch at 64 pixels
_OWN_EPOCHS = 60
_STEP_SECONDS, _STEP_COLUMN_SECONDS = 2.5e-3, 1e-5  # per training step of a network on a table, and per column in it
# Training on a table: fixed seconds, and seconds per number (rows times columns times outputs).
_TABLE_SECONDS = {"baseline": (0.1, 1e-9), "trees": (1.0, 5e-6), "linear": (0.5, 3e-7), "ovr_linear": (0.5, 3e-7)}
# Joining, converting, checking and reporting: for images, for each further backbone, and for a table; then per sample.
_FINISH_SECONDS, _FINISH_MORE_SECONDS, _FINISH_TABLE_SECONDS = 6.5, 8.0, 4.0
_FINISH_SAMPLE_SECONDS = 5e-5


class Cost(NamedTuple):
    """Seconds of a step: those that it always takes, and those in proportion to its size."""

    fixed: float
    sized: float

    @property
    def seconds(self) -> float:
        """Both parts together."""
        return self.fixed + self.sized


def part_a_cost(part: PartA, num_samples: int, num_columns: int = 1) -> Cost:
    """Reference cost of Part A.

    Args:
        part: The Part A.
        num_samples: Number of images or rows to compute.
        num_columns: Number of columns of a table. Defaults to 1.
    """
    if part.is_table:
        return Cost(0.0, _ENCODE_SECONDS * num_samples * num_columns)
    a_sample = _DECODE_SECONDS + (0.0 if part.is_pixels else _SECONDS_A_WORK * work_of(part))
    return Cost(_START_SECONDS * max(1, len(part.cards)), a_sample * num_samples)


def part_b_cost(trial: Trial, num_rows: int, width: int, num_outputs: int) -> Cost:
    """Reference cost of training and measuring Part B.

    Args:
        trial: The trial.
        num_rows: Number of training rows, views included.
        width: Number of columns of the rows of a table; of no effect for images.
        num_outputs: Number of classes, labels or targets; of no effect for images.
    """
    network = trial.recipe.network
    if network in _TABLE_SECONDS and trial.part.is_table:
        fixed, a_number = _TABLE_SECONDS[network]
        return Cost(fixed, a_number * num_rows * width * num_outputs)
    if trial.part.is_table:
        return Cost(_BUILD_SECONDS, (_STEP_SECONDS + _STEP_COLUMN_SECONDS * width) * small_steps(num_rows))
    if trial.is_solved:
        return Cost(_BUILD_SECONDS / 2, _SOLVER_SECONDS * num_rows)
    if not trial.part.is_inner:
        return Cost(_BUILD_SECONDS, _HEAD_SECONDS * num_rows)
    epochs = trial.recipe.epochs or (_OWN_EPOCHS if trial.part.is_pixels else _TAIL_EPOCHS)
    forward = _SECONDS_A_WORK * work_of(trial.part) * _share_after_cut(trial.part)
    return Cost(3 * _BUILD_SECONDS, forward * _TAIL_FACTOR * _TAIL_SLOWER * epochs * num_rows)


def finish_cost(part: str, num_samples: int, *, is_table: bool) -> Cost:
    """Reference cost of finishing a run, without the features of the user's test split.

    Args:
        part: Name of the Part A of the model.
        num_samples: Number of samples of the run.
        is_table: Whether they are rows of a table.
    """
    fixed = _FINISH_TABLE_SECONDS if is_table else _FINISH_SECONDS + _FINISH_MORE_SECONDS * part.count("+")
    return Cost(fixed, _FINISH_SAMPLE_SECONDS * num_samples)


def kind_of(trial: Trial) -> str:
    """Name of the trainings that run at about the same speed as this trial's."""
    rows = trial.part.name if trial.part.is_inner or trial.part.is_table else f"{len(trial.part.cards)} {trial.part.pooling}"
    trainer = "solver" if trial.is_solved else f"{trial.recipe.epochs} epochs"
    return f"part_b {rows} {trial.recipe.network} {trainer}"


def part_a_kind(part: PartA) -> str:
    """Name of the work of a Part A."""
    return f"part_a {part.name}"


def work_of(part: PartA) -> float:
    """Multiplications of the whole network for one image, in units of 10^9, estimated from its cards and the image size."""
    if not part.cards:
        return _OWN_NETWORK_WORK * (part.geometry.size / 64) ** 2
    return sum(card.work * (part.geometry.size / card.size) ** 2 for card in part.cards)


def pick(trials: Sequence[Trial], cost: Sequence[float]) -> Trial:
    """Pick the trial with the highest expected gain per second, and the first of several equal ones.

    Args:
        trials: Remaining trials, in the order of their plan.
        cost: Predicted seconds of each trial.
    """
    best = max(range(len(trials)), key=lambda i: (trials[i].gain / max(cost[i], 0.1), -i))
    return trials[best]


def _share_after_cut(part: PartA) -> float:
    """Approximate share of the network's multiplications after the cut."""
    if part.is_pixels or not part.cards[0].stages:
        return 1.0 if part.is_pixels else 0.5
    stages = part.cards[0].stages
    return 1 - (stages.index(part.stage) + 1) / len(stages) + 0.1
