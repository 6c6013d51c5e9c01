"""The whole: what a search was asked and what it knows while its trials run; run.json holds all of it, to go on from."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset, Skipped
from headstart.data.splits import check_share
from headstart.evaluation.leaderboard import Row, ranked, write_leaderboard
from headstart.export.converter import Child
from headstart.features.tables.table_features import AnyFeatures
from headstart.foundation.arrays import Array
from headstart.foundation.errors import RunError, UsageError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.machine import backend_name, machine, usable_cores, versions
from headstart.foundation.progress import Progress
from headstart.foundation.runs.file_reading import held_to, reading
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.schema import RESUMABLE
from headstart.foundation.stopwatch import Stopwatch
from headstart.models.ensemble import FOLDS_NAME, NAME, Ensemble
from headstart.models.model import Model
from headstart.search.model_choice import Choice, choose, lowest
from headstart.search.planning.budget import Budget
from headstart.search.planning.cost_model import Speeds
from headstart.search.planning.plan_file import is_plan_file
from headstart.search.trial_answers import read_answers
from headstart.training.classical.baselines import YARDSTICKS

__all__ = ["Job", "Request", "check_same_data", "first_state"]


@dataclass(frozen=True)
class Request:
    """What the user asks of ``fit``; the fields are those of the command line."""

    data: str | Dataset
    target: str | None = None
    image: str | None = None
    group: str | None = None
    task: str | None = None
    plan: str = "quick"
    trials: tuple[str, ...] = ()
    validation: float = 0.2
    weights: Path | None = None
    budget_seconds: float | None = None
    folds: int | None = None  # those of the plan, and of small tables, if None
    out: Path | None = None
    seed: int = 0
    started: float | None = None  # ``perf_counter`` value from which the budget counts; now if None

    def check(self) -> None:
        """Refuse early what would only fail after Part A.

        Raises:
            UsageError: A number is out of its range (H007, H009), or it is said anew what a Dataset says (H044).
            DatasetError: The share of validation is (H105).
        """
        said = [name for name in ("target", "image", "group", "task") if getattr(self, name) is not None]
        if isinstance(self.data, Dataset) and said:
            raise UsageError(
                "H044",
                "a Dataset says this itself",
                received=f"{', '.join(said)} beside a Dataset, whose task is {self.data.task}",
                expected="these words for data that are yet to be read",
                advice="give them to read_table",
            )
        check_share(self.validation)
        if self.folds is not None and (self.folds < 0 or self.folds == 1):
            raise UsageError(
                "H009",
                "there is no such number of folds",
                received=f"--folds {self.folds}",
                expected="2 or more, or 0 for none",
                advice="--folds 5",
            )
        if not 0 <= self.seed < 2**32:
            raise UsageError(
                "H007",
                "the seed is out of range",
                received=f"--seed {self.seed}",
                expected="a whole number from 0 to 4294967295",
                advice="--seed 0",
            )

    def to_json(self) -> dict[str, object] | None:
        """What another process needs to ask the same again; None where the data are only in this one."""
        if isinstance(self.data, Dataset):
            return None
        asked = {key: value for key, value in asdict(self).items() if key not in ("out", "started")}
        if is_plan_file(self.plan):
            asked["plan_digest"] = file_digest(Path(self.plan).expanduser())
        return asked | {"weights": None if self.weights is None else str(self.weights), "folder": os.getcwd()}  # noqa: PTH109 - text

    @classmethod
    def of_run(cls, folder: RunFolder) -> Request:
        """What was asked of a run.

        Raises:
            RunError: Its data were a Dataset that only the process that made it had (H511), or are not where they were from
                here (H512); its plan file is another one by now (H515).
        """
        asked = folder.state.get("request")
        if asked is None:
            raise RunError(
                "H511",
                "the run cannot be resumed",
                received=f"{folder.path}: fitted on a Dataset, arrays or read from files, which is gone with its process",
                expected="a run for which fit was given the path of a folder or a table",
                advice="fit again; with a path instead of read_folder or read_table, the run can be resumed",
            )
        held_to(folder.path / "run.json", folder.state, RESUMABLE)
        asked = dict(asked)
        where = asked.pop("folder")
        if not Path(asked["data"]).exists():
            raise RunError(
                "H512",
                "the data are not where they were",
                received=f"{asked['data']}, from {os.getcwd()}",  # noqa: PTH109 - text
                expected=f"the data of the run, which was started in {where}",
                advice=f"cd {where}, and resume there",
            )
        if digest := asked.pop("plan_digest", ""):
            asked["plan"] = str(Path(where) / Path(asked["plan"]).expanduser())
            _check_plan(Path(asked["plan"]), digest)
        weights = asked.pop("weights")
        asked["trials"] = tuple(asked["trials"])
        known = {field.name: asked[field.name] for field in fields(cls) if field.name in asked}
        return cls(**known, weights=Path(weights) if weights else None, out=folder.path)


def _check_plan(plan: Path, digest: str) -> None:
    """Refuse a plan that has changed; one that is gone is told by whoever reads it."""
    if plan.is_file() and file_digest(plan) != digest:
        raise RunError(
            "H515",
            "the plan has changed since the run began",
            received=f"{plan}: other contents than then",
            expected="the plan that the run began with",
            advice=f"fit again: headstart fit DATA --plan {plan}",
        )


def check_same_data(state: dict[str, Any], dataset: Dataset) -> None:
    """Refuse to resume a run on other data than it began with.

    Args:
        state: What run.json holds.
        dataset: The data as they are now.

    Raises:
        RunError: They differ (H513).
    """
    if state["data_digest"] != dataset.digest():
        data = state["request"]["data"]
        raise RunError(
            "H513",
            "the data have changed since the run began",
            received=f"{data}: other files, contents, labels or splits than then",
            expected="the data that the run began with, file by file",
            advice=f"fit again: headstart fit {data}",
        )


@dataclass
class Job:
    """What is known while trials run.

    Attributes:
        learning: What may be looked at before the end.
        held_out: The user's own test split: nothing until the end.
        is_prepared: The split is decided, and files that give no row are left out.
        state: What run.json holds: among it all that was decided, which a resumed run does not decide again.
        rows: A row a trial that has ended.
        model: The best model so far, with its row's name, where it is in memory.
    """

    request: Request
    folder: RunFolder
    progress: Progress
    budget: Budget
    speeds: Speeds
    watch: Stopwatch
    learning: Dataset
    held_out: Dataset
    is_prepared: bool = False
    state: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    features: dict[str, AnyFeatures] = field(default_factory=dict)
    model: tuple[str, Model | Ensemble] | None = None
    converter: Child | None = None
    interrupted: bool = False

    @property
    def has_model(self) -> bool:
        """Whether a trial has ended with a model."""
        return any(row.val_loss is not None for row in self.rows)

    @property
    def best(self) -> Row | None:
        """The row to ship; see ``choice``."""
        return None if self.choice is None else self.choice.shipped

    @property
    def choice(self) -> Choice | None:
        """The row to ship and how it compares with the others; None while no row has a ``val_loss``."""
        validation = self.learning.indices("validation")
        return choose(self.rows, self._losses, self.learning.group_numbers(validation))

    @property
    def best_network(self) -> Row | None:
        """The row with the lowest ``val_loss`` among networks and their ensembles."""
        return lowest(row for row in self.rows if row.part_b not in YARDSTICKS)

    def _losses(self, trial: str) -> Array:
        targets = self.learning.targets[self.learning.indices("validation")]
        return self.learning.scored_task.losses_of(targets, read_answers(self.folder, trial, len(targets)))

    def save(self, **changes: object) -> None:
        """Write run.json and the leaderboard as they stand."""
        self.state |= {"trials": [row.to_json() for row in ranked(self.rows)]} | changes
        self.state["stages"] = {name: round(seconds, 3) for name, seconds in self.watch.seconds.items()}
        self.folder.write_state(self.state)
        write_leaderboard(self.folder.path / "leaderboard.csv", self.rows)

    def take_up(self, state: dict[str, Any]) -> None:
        """Know again what an earlier process knew of this run: what it decided, and which trials it had ended."""
        self.state = state
        ended = [row for row in state["trials"] if row["status"] in ("done", "failed", "skipped")]
        with reading(self.folder.path / "run.json"):
            # What is made of others is made of them again.
            self.rows = [Row.of_json(row) for row in ended if row["trial"] not in (NAME, FOLDS_NAME)]
        left_out = dict(state["left_out"])
        positions = [i for i, path in enumerate(self.learning.paths) if path in left_out]
        skipped = [Skipped(self.learning.paths[i], left_out[self.learning.paths[i]]) for i in positions]
        self.learning = self.learning.without(skipped, positions)


def first_state(job: Job, dataset: Dataset) -> dict[str, object]:
    """What run.json says before anything has run."""
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
        "grouped": bool(dataset.together),
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
        "test_looks": 0,
    }
