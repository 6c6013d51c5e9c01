"""The arguments of a search, with their checks and their form in ``run.json``."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.groups import check_duplicates
from headstart.data.splits import check_share
from headstart.foundation.errors import RunError, UsageError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.runs.file_reading import held_to
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.schema import RESUMABLE
from headstart.search.planning.plan_file import is_plan_file
from headstart.training.trials.settings import SETTINGS, check_value

__all__ = ["SETTINGS_OF_ALL", "Request"]

SETTINGS_OF_ALL = ("epochs", "learning_rate", "batch_size")  # settings that may be given for all trials of a plan at once


@dataclass(frozen=True)
class Request:
    """Arguments of ``fit``; the fields are named like the options of the command line."""

    data: str | Dataset
    target: str | None = None
    image: str | None = None
    group: str | None = None
    time: str | None = None
    task: str | None = None
    duplicates: str | None = None
    plan: str = "quick"
    trials: tuple[str, ...] = ()
    validation: float = 0.2
    weights: Path | None = None
    refit: bool = False
    unknown: bool = False
    extends: str | None = None  # folder of the run that the data extend
    budget_seconds: float | None = None
    folds: int | None = None  # None: the default of the plan, or for small tables
    epochs: int | None = None  # None, here and below: the plan's own
    learning_rate: float | None = None
    batch_size: int | None = None
    out: Path | None = None
    seed: int = 0
    started: float | None = None  # ``perf_counter`` value from which the budget is counted; None: now

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of ``Recipe`` to set in every trial where they have an effect."""
        given = {name: getattr(self, name) for name in SETTINGS_OF_ALL}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def data_name(self) -> str:
        """Short name of the data, for messages."""
        return self.data.name if isinstance(self.data, Dataset) else Path(self.data).name or self.data

    def check(self) -> None:
        """Reject invalid arguments early, before Part A runs.

        Raises:
            UsageError: A number is out of range (H007, H009, H032), the treatment of duplicates is unknown (H130), or an
                argument only applies to data that are still to be read, not to a Dataset (H044).
            DatasetError: The validation share is out of range (H105).
        """
        given = [name for name in ("target", "image", "group", "time", "task") if getattr(self, name) is not None]
        if isinstance(self.data, Dataset) and given:
            raise UsageError(
                "H044",
                "these arguments do not apply to a Dataset",
                received=f"{', '.join(given)} together with a Dataset whose task is {self.data.task}",
                expected="target, image, group, time and task only with a path, a data frame or an array",
                advice="pass them to read_table when you read the data",
            )
        check_share(self.validation)
        check_duplicates(self.duplicates)
        for name, value in self.settings.items():
            setting = SETTINGS[name]
            check_value(name, value, setting.check, f"--{name.replace('_', '-')} {setting.example.rpartition(' ')[2]}")
        if self.folds is not None and (self.folds < 0 or self.folds == 1):
            raise UsageError(
                "H009",
                "invalid number of folds",
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
        """Return what another process needs to resume the run; None if the data exist only in this process."""
        if isinstance(self.data, Dataset):
            return None
        asked = {key: value for key, value in asdict(self).items() if key not in ("out", "started")}
        if is_plan_file(self.plan):
            asked["plan_digest"] = file_digest(Path(self.plan).expanduser())
        return asked | {"weights": None if self.weights is None else str(self.weights), "folder": os.getcwd()}  # noqa: PTH109 - text

    @classmethod
    def from_run(cls, folder: RunFolder) -> Request:
        """Restore the request of a run from its ``run.json``.

        Raises:
            RunError: The data were a Dataset that existed only in the process of the run (H511), the data are not found
                from here (H512), or the plan file has changed (H515).
        """
        asked = folder.state.get("request")
        if asked is None:
            raise RunError(
                "H511",
                "the data of the run are not on disk",
                received=f"{folder.path}: fitted on a Dataset, which existed only in the process of the run",
                expected="a run that was started with the path of a folder or a table",
                advice="fit again, with a path instead of a Dataset: such runs can be resumed and extended",
            )
        held_to(folder.path / "run.json", folder.state, RESUMABLE)
        asked = dict(asked)
        where = asked.pop("folder")
        if not Path(asked["data"]).exists():
            raise RunError(
                "H512",
                "data of the run not found",
                received=f"{asked['data']}, from {os.getcwd()}",  # noqa: PTH109 - text
                expected=f"the data of the run, which was started in {where}",
                advice=f"cd {where} and try again there",
            )
        if digest := asked.pop("plan_digest", ""):
            asked["plan"] = str(Path(where) / Path(asked["plan"]).expanduser())
            _check_plan(Path(asked["plan"]), digest)
        weights = asked.pop("weights")
        asked["trials"] = tuple(asked["trials"])
        known = {field.name: asked[field.name] for field in fields(cls) if field.name in asked}
        return cls(**known, weights=Path(weights) if weights else None, out=folder.path)


def _check_plan(plan: Path, digest: str) -> None:
    """Reject a plan file that has changed; a missing one is reported when it is read."""
    if plan.is_file() and file_digest(plan) != digest:
        raise RunError(
            "H515",
            "the plan has changed since the run began",
            received=f"{plan}, with different contents",
            expected="the plan that the run began with",
            advice=f"fit again: headstart fit DATA --plan {plan}",
        )
