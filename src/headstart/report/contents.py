"""Artefacts, the report: what the run folder holds, read without trust. What cannot be read becomes a note."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.errors import RunError, printable
from headstart.metrics import Evaluation, evaluate_predictions
from headstart.runfolder import RunFolder, read_csv, read_json, read_json_lines

__all__ = ["MALFORMED", "Contents", "Trial", "mapping", "number", "text"]

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
    *("val_loss", "val_accuracy", "part_a_seconds", "part_b_seconds", "total_seconds"),
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


@dataclass(frozen=True)
class Trial:
    """A row of leaderboard.csv; numbers that are missing or malformed are None."""

    rank: str
    name: str
    status: str
    parts: str
    reason: str
    cached: bool
    on_front: bool
    numbers: Mapping[str, float | None]

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Trial:
        """Take the cells of one CSV row."""
        return cls(
            rank=text(row.get("rank")),
            name=text(row.get("trial")),
            status=text(row.get("status")),
            parts=" + ".join(part for part in (text(row.get("part_a")), text(row.get("part_b"))) if part),
            reason=text(row.get("reason")),
            cached=_truth(row.get("part_a_cached")),
            on_front=_truth(row.get("on_front")),
            numbers={column: number(row.get(column)) for column in _NUMBERS},
        )


@dataclass(frozen=True)
class Contents:
    """A run folder as the report sees it.

    Attributes:
        folder: Where it lies.
        state: run.json.
        trials: leaderboard.csv, in its order.
        histories: Rows of each trial's history.jsonl, by the name of the trial's folder.
        evaluation: evaluation.json.
        predictions: The evaluation made anew from predictions.csv, None if that cannot be done.
        paths: Path of each prediction.
        splits: Rows of splits.csv.
        skipped: Rows of skipped.csv.
        findings: findings.json.
        signature: signature.json.
        notes: For each file that is missing or malformed, the reason in words.
    """

    folder: RunFolder
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
        answers = table("predictions.csv")
        return cls(
            folder=folder,
            state=state,
            trials=tuple(Trial.from_row(row) for row in table("leaderboard.csv")),
            histories=_histories(folder, attempt),
            evaluation=evaluation,
            predictions=attempt("predictions.csv", lambda: _evaluated(answers, evaluation), None) if answers else None,
            paths=tuple(text(row.get("path")) for row in answers),
            splits=table("splits.csv"),
            skipped=table("skipped.csv"),
            findings=attempt("findings.json", lambda: _objects(read_json(folder.path / "findings.json")), ()),
            signature=attempt("signature.json", lambda: _object(read_json(folder.path / "signature.json")), {}),
            notes=notes,
        )


def _histories(folder: RunFolder, attempt: Callable[..., Any]) -> dict[str, list[dict[str, Any]]]:
    found = sorted((folder.path / "trials").glob("*/history.jsonl"))
    histories = {}
    for path in found:
        name = path.relative_to(folder.path).as_posix()
        rows = attempt(name, lambda path=path: list(_objects(read_json_lines(path))), [])
        histories[path.parent.name] = [{key: number(value) for key, value in row.items()} for row in rows]
    return histories


def _evaluated(answers: tuple[dict[str, str], ...], evaluation: dict[str, Any]) -> Evaluation:
    """The evaluation again, from the probabilities; class names in a CSV stand as ``printable`` shows them."""
    names = [printable(name) for name in evaluation["classes"]]
    position = {name: k for k, name in enumerate(names)}
    threshold = number(evaluation.get("threshold"))
    return evaluate_predictions(
        evaluation["task"],
        names,
        np.array([position[row["label"]] for row in answers]),
        np.array([[float(row[f"p_{name}"]) for name in names] for row in answers]),
        split=text(evaluation.get("split")),
        threshold=0.5 if threshold is None else threshold,
    )


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
