"""Read a run folder for the report without trusting its files; a file that cannot be read becomes a note."""

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
from headstart.report.predictions import read_answers, read_unknown

__all__ = ["MALFORMED", "Contents", "Trial", "mapping", "number", "text", "val_metric"]

# Everything that reading or showing an untrusted file can raise. RecursionError: JSON is nested too deeply.
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
    """Return a JSON value or CSV cell as a finite number, or None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def text(value: object) -> str:
    """Return a CSV cell or JSON value as text on one line; empty for None."""
    return "" if value is None else printable(value)


def mapping(value: object) -> dict[str, Any]:
    """Return a JSON object as it is, and an empty dictionary for anything else."""
    return value if isinstance(value, dict) else {}


def val_metric(row: Mapping[str, object]) -> tuple[str, float | None]:
    """Name and value of a trial's validation metric, from the key ``val_accuracy``, ``val_macro_auc`` or ``val_r2``."""
    name = next((key for key in row if str(key).startswith("val_") and key != "val_loss"), "val_accuracy")
    return name.removeprefix("val_"), number(row.get(name))


@dataclass(frozen=True)
class Trial:
    """A row of ``leaderboard.csv``; numbers that are missing or malformed are None.

    ``metric`` is the name of the metric whose value is ``metric_value``; ``folds`` holds its mean and standard deviation
    over the folds of a cross-validation. ``numbers`` holds the other numbers by the names of their columns.
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
        """Create a trial from a row of ``leaderboard.csv``."""
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
    """The contents of a run folder, as the report uses them.

    Attributes:
        folder: The run folder.
        places: Shortens the paths of files for the page.
        state: Content of ``run.json``.
        trials: Rows of ``leaderboard.csv``, in their order.
        histories: Rows of each trial's ``history.jsonl``, by the name of the trial's folder.
        evaluation: Content of ``evaluation.json``.
        predictions: Evaluation recomputed from ``predictions.csv``; None if that is not possible.
        unknown: Score of each prediction that says how unlike the training images the image is; empty without one.
        paths: Path, or row number, of each prediction.
        splits: Rows of ``splits.csv``.
        skipped: Rows of ``skipped.csv``.
        findings: Content of ``findings.json``.
        signature: Content of ``signature.json``.
        notes: The reason for each file that is missing or malformed, by file name.
    """

    folder: RunFolder
    places: Places
    state: dict[str, Any] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    histories: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    predictions: Evaluation | None = None
    unknown: tuple[float, ...] = ()
    paths: tuple[str, ...] = ()
    splits: tuple[dict[str, str], ...] = ()
    skipped: tuple[dict[str, str], ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    signature: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Title of the page: the name of the data, or else of the run folder."""
        return text(self.state.get("data_name")) or self.folder.name

    @property
    def status(self) -> str:
        """Status of the run: ``running``, ``done``, ``failed``, ``interrupted``, or ``unknown``."""
        status = self.state.get("status")
        return status if status in ("running", "done", "failed", "interrupted") else "unknown"

    @property
    def task(self) -> str:
        """The task from ``run.json``, or else from ``evaluation.json``; empty if neither names it."""
        return text(self.state.get("task")) or text(self.evaluation.get("task"))

    @property
    def is_table(self) -> bool:
        """Whether the samples are rows of a table of features (and not images)."""
        return self.state.get("data_kind") == "table"

    @property
    def noun(self) -> str:
        """Noun for a sample: ``row`` or ``image``."""
        return "row" if self.is_table else "image"

    @property
    def num_groups(self) -> int | None:
        """Number of independent groups of evaluated samples; None if samples are independent."""
        count = number(self.evaluation.get("num_groups"))
        return None if count is None or count < 1 else int(count)

    @property
    def is_grouped(self) -> bool:
        """Whether samples come in groups, so that intervals cannot be computed from a share and a number of samples."""
        return self.num_groups is not None or self.state.get("grouped") is True

    def num_samples(self, split: str) -> int | None:
        """Number of samples of a split according to ``run.json``; None if it does not say."""
        count = number(mapping(self.state.get("num_samples")).get(split))
        return None if count is None or count < 0 else int(count)

    @classmethod
    def read(cls, folder: RunFolder) -> Contents:
        """Read all files of a run folder. Missing or malformed files do not raise; they become notes."""
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
            unknown=attempt("predictions.csv", lambda: read_unknown(answers), ()),
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
