"""Artefacts, the report: what the run folder holds, read without trust. What cannot be read becomes a note."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headstart.evaluation.evaluation import Evaluation
from headstart.foundation.errors import RunError
from headstart.foundation.runs.files import read_csv, read_json, read_json_lines
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.text import printable
from headstart.report.places import Places
from headstart.report.predictions import read_answers

__all__ = ["MALFORMED", "Contents", "Trial", "mapping", "number", "text", "val_metric"]

# What reading or showing a file written by anyone can raise. RecursionError: JSON nested too deep.
MALFORMED = (
    RunError,
    ArithmeticError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    AttributeError,
    csv.Error,
    RecursionError,
)

_NUMBERS = (
    *("val_loss", "part_a_seconds", "part_b_seconds", "total_seconds"),
    *("num_params", "ms_per_sample", "file_mb"),
)


def number(value: object) -> float | None:
    """A finite number out of JSON or a CSV cell, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def text(value: object) -> str:
    """A cell or JSON string on one line; nothing for None."""
    return "" if value is None else printable(value)


def mapping(value: object) -> dict[str, Any]:
    """A JSON object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def val_metric(row: Mapping[str, object]) -> tuple[str, float | None]:
    """The metric of a trial on the validation split, and its value: ``val_accuracy``, ``val_macro_auc`` or ``val_r2``."""
    name = next((key for key in row if str(key).startswith("val_") and key != "val_loss"), "val_accuracy")
    return name.removeprefix("val_"), number(row.get(name))


@dataclass(frozen=True)
class Trial:
    """A row of leaderboard.csv; numbers that are missing or malformed are None.

    ``metric`` is the name of what ``metric_value`` is, and ``folds`` its mean and standard deviation over the folds of a
    cross-validation; the other numbers go by the names of their columns.
    """

    rank: str
    name: str
    status: str
    parts: str
    reason: str
    cached: bool
    on_front: bool
    metric: str
    metric_value: float | None
    folds: tuple[float, float] | None
    numbers: Mapping[str, float | None]

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Trial:
        """Take the cells of one CSV row."""
        metric, value = val_metric(row)
        mean, deviation = number(row.get(f"fold_{metric}")), number(row.get(f"fold_{metric}_deviation"))
        return cls(
            rank=text(row.get("rank")),
            name=text(row.get("trial")),
            status=text(row.get("status")),
            parts=" + ".join(part for part in (text(row.get("part_a")), text(row.get("part_b"))) if part),
            reason=text(row.get("reason")),
            cached=_truth(row.get("part_a_cached")),
            on_front=_truth(row.get("on_front")),
            metric=metric,
            metric_value=value,
            folds=None if mean is None or deviation is None else (mean, deviation),
            numbers={column: number(row.get(column)) for column in _NUMBERS},
        )


@dataclass(frozen=True)
class Contents:
    """A run folder as the report sees it.

    Attributes:
        folder: Where it lies.
        places: How the page names files.
        state: run.json.
        trials: leaderboard.csv, in its order.
        histories: Rows of each trial's history.jsonl, by the name of the trial's folder.
        evaluation: evaluation.json.
        predictions: The evaluation made anew from predictions.csv, None if that cannot be done.
        paths: Path, or number of the row, of each prediction.
        splits: Rows of splits.csv.
        skipped: Rows of skipped.csv.
        findings: findings.json.
        signature: signature.json.
        notes: For each file that is missing or malformed, the reason in words.
    """

    folder: RunFolder
    places: Places
    state: dict[str, Any] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    predictions: Evaluation | None = None
    paths: tuple[str, ...] = ()
    splits: tuple[dict[str, str], ...] = ()
    skipped: tuple[dict[str, str], ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    signature: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the page is about."""
        return text(self.state.get("data_name")) or self.folder.name

    @property
    def status(self) -> str:
        """``running``, ``done``, ``failed`` or ``interrupted``; ``unknown`` if run.json does not say."""
        status = self.state.get("status")
        return status if status in ("running", "done", "failed", "interrupted") else "unknown"

    @property
    def task(self) -> str:
        """The task, as run.json or else evaluation.json names it."""
        return text(self.state.get("task")) or text(self.evaluation.get("task"))

    @property
    def is_table(self) -> bool:
        """Whether the samples are rows of a table of features; they are images otherwise."""
        return self.state.get("data_kind") == "table"

    @property
    def noun(self) -> str:
        """What a sample is called."""
        return "row" if self.is_table else "image"

    @property
    def num_groups(self) -> int | None:
        """Independent groups that the evaluated samples come in; None where each sample stands for itself."""
        count = number(self.evaluation.get("num_groups"))
        return None if count is None or count < 1 else int(count)

    @property
    def is_grouped(self) -> bool:
        """Whether samples come in groups, so that no interval follows from a share and a number of samples alone."""
        return self.num_groups is not None or self.state.get("grouped") is True

    def num_samples(self, split: str) -> int | None:
        """Samples of a split, as run.json counts them."""
        count = number(mapping(self.state.get("num_samples")).get(split))
        return None if count is None or count < 0 else int(count)

    @classmethod
    def read(cls, folder: RunFolder) -> Contents:
        """Read everything there is; nothing that is missing or malformed raises."""
        notes: dict[str, str] = {}

        def attempt(name: str, read: Callable[[], Any], otherwise: Any) -> Any:
            if not (folder.path / name).exists():
                notes[name] = "missing"
                return otherwise
            try:
                return read()
            except MALFORMED as error:
                notes[name] = text(error.received if isinstance(error, RunError) else error) or type(error).__name__
                return otherwise

        def table(name: str) -> tuple[dict[str, str], ...]:
            rows: tuple[dict[str, str], ...] = attempt(name, lambda: tuple(read_csv(folder.path / name)), ())
            return rows

        state = attempt("run.json", lambda: _object(read_json(folder.path / "run.json")), {})
        evaluation = attempt("evaluation.json", lambda: _object(read_json(folder.path / "evaluation.json")), {})
        answers, splits, skipped = table("predictions.csv"), table("splits.csv"), table("skipped.csv")
        named = [text(row.get("path")) for row in (*answers, *splits, *skipped) if row.get("path")]
        places = Places(folder.path, state, named)
        histories = _histories(folder, attempt)
        found = cls(
            folder=folder,
            places=places,
            state=places.local(state),
            trials=tuple(Trial.from_row(places.local(row)) for row in table("leaderboard.csv")),
            histories=histories,
            evaluation=evaluation,
            predictions=attempt("predictions.csv", lambda: read_answers(answers, evaluation), None) if answers else None,
            paths=tuple(text(row.get("path") or row.get("row")) for row in answers),
            splits=splits,
            skipped=places.local(skipped),
            findings=places.local(attempt("findings.json", lambda: _objects(read_json(folder.path / "findings.json")), ())),
            signature=attempt("signature.json", lambda: _object(read_json(folder.path / "signature.json")), {}),
        )
        return replace(found, notes=places.local(notes))


def _histories(folder: RunFolder, attempt: Callable[..., Any]) -> dict[str, list[dict[str, Any]]]:
    found = sorted((folder.path / "trials").glob("*/history.jsonl"))
    histories = {}
    for path in found:
        name = path.relative_to(folder.path).as_posix()
        rows = attempt(name, lambda path=path: list(_objects(read_json_lines(path))), [])
        histories[path.parent.name] = [{key: number(value) for key, value in row.items()} for row in rows]
    return histories


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _objects(value: object) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ValueError("not a list of JSON objects")
    return tuple(value)


def _truth(cell: object) -> bool:
    return str(cell).strip().lower() in ("true", "1", "yes")
