"""The state of a search while its trials run, which ``run.json`` stores so that the run can be resumed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.evaluation.leaderboard import Row, ranked, write_leaderboard
from headstart.export.converter import Child
from headstart.features.features import FeatureRows
from headstart.foundation.errors import RunError
from headstart.foundation.machine import backend_name, machine, usable_cores, versions
from headstart.foundation.progress import Progress
from headstart.foundation.runs.digests import COUNTER
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.stopwatch import Stopwatch
from headstart.models.ensemble import FOLDS_NAME, NAME, Ensemble
from headstart.models.model import Model
from headstart.search.model_choice import Choice, choose, lowest
from headstart.search.planning.budget import Budget
from headstart.search.planning.speeds import Speeds
from headstart.search.request import Request
from headstart.search.trial_answers import read_answers
from headstart.training.classical.baselines import BASELINES

__all__ = ["SearchState", "check_same_data", "first_state"]


def check_same_data(state: dict[str, Any], dataset: Dataset) -> None:
    """Reject resuming a run on data that have changed since it began.

    Args:
        state: Content of ``run.json``.
        dataset: The data as they are now.

    Raises:
        RunError: The data have changed (H513).
    """
    if state["data_digest"] != dataset.digest():
        data = state["request"]["data"]
        raise RunError(
            "H513",
            "the data have changed since the run began",
            received=f"{data}, with different files, contents, labels or splits",
            expected="the data that the run began with, file by file",
            advice=f"fit again: headstart fit {data}",
        )


@dataclass
class SearchState:
    """State of a search while its trials run.

    Attributes:
        request: Arguments of ``fit``.
        folder: The run folder.
        progress: Receives the progress.
        budget: The time limit.
        speeds: Measured speeds of this machine.
        watch: Seconds of each stage.
        learning: All samples except the user's test split.
        unseen: The user's own test split, which is not used before the end.
        is_prepared: Whether the split has been made and unreadable files have been left out.
        state: Content of ``run.json``, including all decisions that a resumed run must not make again.
        rows: A leaderboard row for each trial that has ended.
        features: Computed features by the name of their Part A.
        model: Name and model of the best trial so far, if it is in memory.
        converter: The converter process, once started.
        interrupted: Whether Ctrl-C was pressed.
    """

    request: Request
    folder: RunFolder
    progress: Progress
    budget: Budget
    speeds: Speeds
    watch: Stopwatch
    learning: Dataset
    unseen: Dataset
    is_prepared: bool = False
    state: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    features: dict[str, FeatureRows] = field(default_factory=dict)
    model: tuple[str, Model | Ensemble] | None = None
    converter: Child | None = None
    interrupted: bool = False

    @property
    def has_model(self) -> bool:
        """Whether a trial has ended with a model."""
        return any(row.val_loss is not None for row in self.rows)

    @property
    def best(self) -> Row | None:
        """Row of the trial that would be selected now; see ``choice``."""
        return None if self.choice is None else self.choice.shipped

    @property
    def choice(self) -> Choice | None:
        """The trial that would be selected now, and how it compares with the others; None while no trial has a result.

        Trials are compared on all samples that each of them predicted without having been fitted to them.
        """
        ended = [row.trial for row in self.rows if row.val_loss is not None]
        held_out = {trial: read_answers(self.folder, trial, self.learning) for trial in ended}
        samples = reduce(np.intersect1d, (one.samples for one in held_out.values())) if ended else np.zeros(0, np.int64)
        targets, task = self.learning.targets[samples], self.learning.scored_task
        losses = {trial: task.losses_of(targets, one.at(samples)) for trial, one in held_out.items()}
        return choose(self.rows, losses.__getitem__, self.learning.group_numbers(samples))

    @property
    def best_network(self) -> Row | None:
        """Row with the lowest ``val_loss`` among networks and ensembles, baselines excluded."""
        return lowest(row for row in self.rows if row.part_b not in BASELINES)

    def save(self, **changes: object) -> None:
        """Write ``run.json``, with ``changes`` applied, and the leaderboard."""
        self.state |= {"trials": [row.to_json() for row in ranked(self.rows)]} | changes
        self.state["stages"] = {name: round(seconds, 3) for name, seconds in self.watch.seconds.items()}
        self.folder.write_state(self.state)
        write_leaderboard(self.folder.path / "leaderboard.csv", self.rows)

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the decisions and finished trials of an earlier process of this run from its ``run.json``."""
        self.state = state
        ended = [row for row in state["trials"] if row["status"] in ("done", "failed", "skipped")]
        with reading(self.folder.path / "run.json"):
            # Ensembles are built again from their members.
            self.rows = [Row.from_json(row) for row in ended if row["trial"] not in (NAME, FOLDS_NAME)]
        left_out = dict(state["left_out"])
        positions = [i for i, path in enumerate(self.learning.paths) if path in left_out]
        skipped = [Skipped(self.learning.paths[i], left_out[self.learning.paths[i]]) for i in positions]
        self.learning = self.learning.without(skipped, positions)


def first_state(job: SearchState, dataset: Dataset) -> dict[str, object]:
    """Content of ``run.json`` before the first trial."""
    request = job.request
    return {
        "run": job.folder.name,
        "data_name": dataset.name,
        "data_digest": dataset.digest(),
        "status": "running",
        "data_kind": "images" if dataset.table is None else "table",
        "columns": [] if dataset.table is None else list(dataset.table.names),
        "task": dataset.task,
        "task_reason": dataset.task_reason,
        "classes": list(dataset.classes),
        "seed": request.seed,
        "targets": list(dataset.target_columns),
        "image": request.image,
        "grouped": bool(dataset.groups),
        "plan": "trials" if request.trials else request.plan,
        "budget_seconds": request.budget_seconds,
        "request": request.to_json(),
        "best": None,
        "machine": machine(),
        "backend": backend_name(),
        "versions": versions(),
        "threads": usable_cores(),
        "left_out": [],
        "split_part": "",
        "paid": {},
        "order": [],
        "batch_sizes": {},
        "views_left_out": {},
        COUNTER: 0,
        "looks_before": 0,  # evaluations of the test split before the run was continued
    }
