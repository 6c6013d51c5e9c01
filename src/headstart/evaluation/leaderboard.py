"""Artefacts: trials by execution time and val_loss, and their Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from headstart.foundation.arguments import is_number
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.files import write_csv
from headstart.foundation.runs.run_folder import RunFolder

__all__ = ["Row", "columns", "metric_of", "pareto_front", "ranked", "read_leaderboard", "write_leaderboard"]


@dataclass(frozen=True)
class Row:
    """One trial. Seconds are wall clock; a trial that failed has a reason in place of numbers.

    Attributes:
        trial: Its name.
        status: ``done``, ``failed``, ``interrupted`` or ``skipped``.
        part_a: Backbone and cut.
        part_b: Network.
        val_loss: The task's score on the validation split.
        metric: What ``val_metric`` is: ``accuracy``, ``macro_auc`` or ``r2``.
        val_metric: That, on the validation split.
        part_a_seconds: What its features cost when they were computed.
        part_a_cached: They were not paid for now.
        part_b_seconds: Training.
        total_seconds: Both: the execution time.
        num_params: Parameters of both parts.
        ms_per_sample: Decoding, Part A and Part B for one image or row among many.
        file_mb: The weights of both parts in float32, in 10^6 bytes.
        fold_loss: Mean score over the held-out folds of a cross-validation, where there was one.
        fold_loss_deviation: Standard deviation of that over the folds.
        fold_metric: Mean of the metric over the held-out folds.
        fold_metric_deviation: Standard deviation of that over the folds.
        on_front: No other trial is both faster and better.
        reason: Why it failed, was skipped, or was cut short.
    """

    trial: str
    status: str
    part_a: str
    part_b: str
    metric: str = "accuracy"
    val_loss: float | None = None
    val_metric: float | None = None
    part_a_seconds: float | None = None
    part_a_cached: bool = False
    part_b_seconds: float | None = None
    total_seconds: float | None = None
    num_params: int | None = None
    ms_per_sample: float | None = None
    file_mb: float | None = None
    fold_loss: float | None = None
    fold_loss_deviation: float | None = None
    fold_metric: float | None = None
    fold_metric_deviation: float | None = None
    on_front: bool = False
    reason: str = ""

    @property
    def measured(self) -> str:
        """The metric in words, as ``accuracy 85.8%`` or ``r2 0.912``."""
        value = self.val_metric or 0.0
        return f"accuracy {value:.1%}" if self.metric == "accuracy" else f"{self.metric.replace('_', ' ')} {value:.3f}"

    def to_json(self) -> dict[str, object]:
        """Plain values by name, ``val_metric`` by the metric's own; those of folds only where there were folds."""
        values = {name: value for name, value in asdict(self).items() if value is not None or name not in _FOLDS}
        del values["metric"]
        return {_spelled(name, self.metric): value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Row:
        """The row that ``to_json`` gave."""
        metric = metric_of(values)
        given = {_plain(name, metric): value for name, value in values.items()}
        known = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        return _whole(cls(**known | {"metric": metric}))


def columns(metric: str) -> list[str]:
    """The columns of leaderboard.csv."""
    return ["rank", *(_spelled(field.name, metric) for field in fields(Row) if field.name != "metric")]


def metric_of(columns: Iterable[str]) -> str:
    """Which metric the columns, or keys, of a row are of."""
    found = [name[4:] for name in columns if name.startswith("val_") and name != "val_loss"]
    if len(found) != 1:
        raise ValueError("no column of a validation metric")
    return found[0]


def _spelled(name: str, metric: str) -> str:
    return name.replace("_metric", f"_{metric}")


def _plain(name: str, metric: str) -> str:
    return name.replace(f"_{metric}", "_metric") if name.startswith(("val_", "fold_")) else name


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For each point, whether no other is at least as good in both numbers and better in one; lower is better.

    Example:
        >>> pareto_front([(1.0, 0.5), (2.0, 0.4), (3.0, 0.6)])
        [True, True, False]
    """
    return [not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points) for p in points]


def ranked(rows: Sequence[Row]) -> list[Row]:
    """The rows by val_loss, those without one last, with the Pareto front marked."""
    scored = [row for row in rows if row.val_loss is not None and row.total_seconds is not None]
    front = pareto_front([(row.total_seconds or 0.0, row.val_loss or 0.0) for row in scored])
    marked = [Row(**{**asdict(row), "on_front": is_on}) for row, is_on in zip(scored, front, strict=True)]
    others = [row for row in rows if row.val_loss is None or row.total_seconds is None]
    return [*sorted(marked, key=lambda row: (row.val_loss or 0.0, row.total_seconds or 0.0)), *others]


def write_leaderboard(path: Path, rows: Sequence[Row]) -> None:
    """Write leaderboard.csv, best first; the rows are of one metric."""
    best_first = [{name: value for name, value in asdict(row).items() if name != "metric"} for row in ranked(rows)]
    names = columns(rows[0].metric if rows else Row.metric)
    write_csv(path, names, [[rank, *row.values()] for rank, row in enumerate(best_first, start=1)])


def read_leaderboard(folder: RunFolder) -> list[Row]:
    """Read the leaderboard of a run back.

    Raises:
        RunError: The file is missing or not ours (H502), or was changed (H506).
    """
    rows = folder.rows("leaderboard.csv")
    with reading(folder.path / "leaderboard.csv"):
        return [_row(cells) for cells in rows]


def _row(cells: dict[str, str]) -> Row:
    metric = metric_of(cells)
    numbers = {name: float(cell) if (cell := cells[_spelled(name, metric)]) else None for name in _NUMBERS}
    flags = {name: cells[name] == "True" for name in ("part_a_cached", "on_front")}
    texts = {name: cells[name] for name in ("trial", "status", "part_a", "part_b", "reason")}
    params = int(cells["num_params"]) if cells["num_params"] else None
    return _whole(Row(**texts, **numbers, **flags, metric=metric, num_params=params))  # type: ignore[arg-type]


def _whole(row: Row) -> Row:
    """Refuse a row whose numbers are none, and one with a score and without the numbers that are shown beside it."""
    wrong = [name for name in _NUMBERS if not (getattr(row, name) is None or is_number(getattr(row, name)))]
    if wrong:
        raise ValueError(f"the {wrong[0]} of trial {row.trial} is not a number")
    missing = [name for name in (*_SECONDS, "num_params", "file_mb") if getattr(row, name) is None]
    if row.val_loss is not None and missing:
        raise ValueError(f"trial {row.trial} has a val_loss and no {missing[0]}")
    return row


_SECONDS = ("part_a_seconds", "part_b_seconds", "total_seconds", "ms_per_sample")
_FOLDS = ("fold_loss", "fold_loss_deviation", "fold_metric", "fold_metric_deviation")
_NUMBERS = ("val_loss", "val_metric", *_SECONDS, "file_mb", *_FOLDS)
