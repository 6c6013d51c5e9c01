"""What the user asked of a search."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from headstart.data.dataset import Dataset
from headstart.data.splits import check_share
from headstart.foundation.errors import RunError, UsageError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.runs.file_reading import held_to
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.schema import RESUMABLE
from headstart.search.planning.plan_file import is_plan_file

__all__ = ["Request"]


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
    def from_run(cls, folder: RunFolder) -> Request:
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
