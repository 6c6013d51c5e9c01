"""The whole: what a search was asked and what it knows while its trials run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.budget import Budget
from headstart.conversion import Child
from headstart.dataset import Dataset
from headstart.features import Features
from headstart.leaderboard import Row, write_leaderboard
from headstart.model import Model
from headstart.progress import Progress
from headstart.runfolder import RunFolder
from headstart.stack import machine, versions
from headstart.stopwatch import Stopwatch

__all__ = ["Job", "Request", "first_state"]


@dataclass(frozen=True)
class Request:
    """What the user asks of ``fit``; the fields are those of the command line."""

    data: str | Dataset
    target: str | None = None
    image: str | None = None
    task: str | None = None
    plan: str = "quick"
    trials: tuple[str, ...] = ()
    validation: float = 0.2
    weights: Path | None = None
    budget_seconds: float | None = None
    out: Path | None = None
    seed: int = 0
    started: float | None = None  # ``perf_counter`` value from which the budget counts; now if None


@dataclass
class Job:
    """What is known while trials run."""

    request: Request
    folder: RunFolder
    progress: Progress
    budget: Budget
    watch: Stopwatch
    learning: Dataset  # what may be looked at before the end
    held_out: Dataset  # the user's test split: nothing until the end
    is_prepared: bool = False
    state: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    features: dict[str, Features] = field(default_factory=dict)
    best: tuple[Model, Row] | None = None
    converter: Child | None = None
    interrupted: bool = False

    def save(self, **changes: object) -> None:
        """Write run.json and the leaderboard as they stand."""
        self.state |= changes
        self.state["stages"] = {name: round(seconds, 3) for name, seconds in self.watch.seconds.items()}
        self.folder.write_state(self.state)
        write_leaderboard(self.folder.path / "leaderboard.csv", self.rows)


def first_state(job: Job, dataset: Dataset) -> dict[str, object]:
    """What run.json says before anything has run."""
    request = job.request
    return {
        "run": job.folder.name,
        "data_name": dataset.name,
        "status": "running",
        "task": dataset.task,
        "task_reason": dataset.task_reason,
        "classes": list(dataset.classes),
        "seed": request.seed,
        "target": request.target,
        "image": request.image,
        "plan": "trials" if request.trials else request.plan,
        "budget_seconds": request.budget_seconds,
        "best": None,
        "machine": machine(),
        "versions": versions(),
        "test_looks": 0,
    }
