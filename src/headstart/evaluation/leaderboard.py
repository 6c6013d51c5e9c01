"""The leaderboard: trials ranked by ``val_loss``, with execution times and the Pareto front of both, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from headstart.foundation.arguments import is_number
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.files import write_csv
from headstart.foundation.runs.run_folder import RunFolder

__all__ = [
    "COLUMNS",
    "ESSENTIAL",
    "Column",
    "Row",
    "columns",
    "headings",
    "metric_of",
    "notes",
    "pareto_front",
    "ranked",
    "read_leaderboard",
    "shown_columns",
    "write_leaderboard",
]


@dataclass(frozen=True)
class Row:
    """One trial of a leaderboard; a trial that failed has a reason instead of numbers.

    Attributes:
        trial: Name of the trial.
        status: ``done``, ``failed``, ``interrupted`` or ``skipped``.
        part_a: Backbone and cut.
        part_b: Network.
        metric: Name of ``val_metric``: ``accuracy``, ``macro_auc`` or ``r2``.
        val_loss: Loss on the validation split, as ``TASKS`` defines it for the task.
        val_metric: Value of the metric on the validation split.
        part_a_seconds: Wall-clock seconds that the features took when they were computed, even if they were cached now.
        part_a_cached: Whether the features were read from the cache.
        part_b_seconds: Wall-clock seconds of the training.
        total_seconds: Execution time: the sum of both.
        num_params: Number of parameters of both parts.
        ms_per_sample: Milliseconds per image or row when many are predicted: decoding, Part A and Part B.
        file_mb: Size of the weights of both parts in float32, in units of 10^6 bytes.
        fold_loss: Mean loss over the held-out folds of a cross-validation; None without one.
        fold_loss_deviation: Standard deviation of the loss over the folds.
        fold_metric: Mean of the metric over the held-out folds.
        fold_metric_deviation: Standard deviation of the metric over the folds.
        on_front: Whether the trial is Pareto-optimal: no other trial is both faster and better.
        reason: Why the trial failed, was skipped, or was cut short.
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
        """The metric as text, for example ``accuracy 85.8%`` or ``r2 0.912``."""
        value = self.val_metric or 0.0
        return f"accuracy {value:.1%}" if self.metric == "accuracy" else f"{self.metric.replace('_', ' ')} {value:.3f}"

    def to_json(self) -> dict[str, object]:
        """Return plain values; ``metric`` in a key is replaced by its name, and keys of folds appear only with folds."""
        values = {name: value for name, value in asdict(self).items() if value is not None or name not in _FOLDS}
        del values["metric"]
        return {_spelled(name, self.metric): value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Row:
        """Restore a row from the output of ``to_json``."""
        metric = metric_of(values)
        given = {_plain(name, metric): value for name, value in values.items()}
        known = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        return _whole(cls(**known | {"metric": metric}))


def columns(metric: str) -> list[str]:
    """Column names of ``leaderboard.csv`` for a metric."""
    return ["rank", *(_spelled(field.name, metric) for field in fields(Row) if field.name != "metric")]


def metric_of(columns: Iterable[str]) -> str:
    """Name of the metric in the columns or keys of a row.

    Raises:
        ValueError: There is no column of a validation metric, or more than one.
    """
    metrics = [name[4:] for name in columns if name.startswith("val_") and name != "val_loss"]
    if len(metrics) != 1:
        raise ValueError(f"{len(metrics)} columns of a validation metric instead of 1")
    return metrics[0]


def _spelled(name: str, metric: str) -> str:
    return name.replace("_metric", f"_{metric}")


def _plain(name: str, metric: str) -> str:
    return name.replace(f"_{metric}", "_metric") if name.startswith(("val_", "fold_")) else name


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each point is Pareto-optimal: no other point is at least as low in both numbers and lower in one.

    Example:
        >>> pareto_front([(1.0, 0.5), (2.0, 0.4), (3.0, 0.6)])
        [True, True, False]
    """
    return [not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points) for p in points]


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Sort rows by ``val_loss`` (rows without one last), and mark the Pareto front of ``val_loss`` and execution time."""
    scored = [row for row in rows if row.val_loss is not None and row.total_seconds is not None]
    front = pareto_front([(row.total_seconds or 0.0, row.val_loss or 0.0) for row in scored])
    marked = [Row(**{**asdict(row), "on_front": is_on}) for row, is_on in zip(scored, front, strict=True)]
    others = [row for row in rows if row.val_loss is None or row.total_seconds is None]
    return [*sorted(marked, key=lambda row: (row.val_loss or 0.0, row.total_seconds or 0.0)), *others]


def write_leaderboard(path: Path, rows: Sequence[Row]) -> None:
    """Write ``leaderboard.csv``, the best trial first; all rows must have the same metric."""
    best_first = [{name: value for name, value in asdict(row).items() if name != "metric"} for row in ranked(rows)]
    names = columns(rows[0].metric if rows else Row.metric)
    write_csv(path, names, [[rank, *row.values()] for rank, row in enumerate(best_first, start=1)])


def read_leaderboard(folder: RunFolder) -> list[Row]:
    """Read ``leaderboard.csv`` of a run.

    Raises:
        RunError: The file is missing or malformed (H502), or it was changed (H506).
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
    """Reject a row with a value that is not a number, or with a ``val_loss`` but without the numbers shown next to it."""
    wrong = [name for name in _NUMBERS if not (getattr(row, name) is None or is_number(getattr(row, name)))]
    if wrong:
        raise ValueError(f"the {wrong[0]} of trial {row.trial} is not a number")
    missing = [name for name in (*_SECONDS, "num_params", "file_mb") if getattr(row, name) is None]
    if row.val_loss is not None and missing:
        raise ValueError(f"trial {row.trial} has a val_loss but no {missing[0]}")
    return row


_SECONDS = ("part_a_seconds", "part_b_seconds", "total_seconds", "ms_per_sample")
_FOLDS = ("fold_loss", "fold_loss_deviation", "fold_metric", "fold_metric_deviation")
_NUMBERS = ("val_loss", "val_metric", *_SECONDS, "file_mb", *_FOLDS)


class Column(NamedTuple):
    """A column after the name of the trial.

    Attributes:
        heading: Its heading; that of the metric is the metric's name, see ``headings``.
        importance: Rank by which columns are dropped where there is no room: the highest number first.
        cell: Function from a row with a ``val_loss`` to the text of its cell.
    """

    heading: str
    importance: int
    cell: Callable[[Row], str]


def _decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _millions(num_params: int) -> str:
    return f"{num_params / 1e6:.2f} M" if num_params >= 10_000 else f"{num_params:,}"


def _folds(row: Row) -> str:
    return "" if row.fold_metric is None else f"{row.fold_metric:.3f} ± {row.fold_metric_deviation or 0.0:.3f}"


_METRIC, _FOLD_METRIC = "metric", "folds"
ESSENTIAL = 3  # columns without which a table of trials says too little

COLUMNS = (
    Column("val_loss", 0, lambda row: f"{row.val_loss or 0.0:.4f}"),
    Column(_METRIC, 1, lambda row: _decimals(row.val_metric)),
    Column("Part A s", 8, lambda row: f"{row.part_a_seconds or 0.0:.1f}" + (" (stored)" if row.part_a_cached else "")),
    Column("Part B s", 7, lambda row: f"{row.part_b_seconds or 0.0:.1f}"),
    Column("total s", 2, lambda row: f"{row.total_seconds or 0.0:.1f}"),
    Column("params", 6, lambda row: _millions(row.num_params or 0)),
    Column("ms/sample", 5, lambda row: _short(row.ms_per_sample or 0.0)),
    Column("MB", 9, lambda row: f"{row.file_mb or 0.0:.1f}"),
    Column("front", 3, lambda row: "●" if row.on_front else ""),
    Column(_FOLD_METRIC, 4, _folds),
)


def shown_columns(rows: Sequence[Row], number: int | None = None) -> list[Column]:
    """Return the columns to show, in their order: those that have a value, or the ``number`` most important of them."""
    used = [
        column for column in COLUMNS if column.heading != _FOLD_METRIC or any(row.fold_metric is not None for row in rows)
    ]
    kept = sorted(used, key=lambda column: column.importance)[:number]
    return [column for column in used if column in kept]


def headings(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    """Headings of columns, with the names of the rows' metrics: runs of several tasks have several."""
    metrics = " / ".join(dict.fromkeys(_METRICS.get(row.metric, row.metric) for row in rows)) or Row.metric
    named = {_METRIC: metrics, _FOLD_METRIC: f"folds {metrics}"}
    return [named.get(column.heading, column.heading) for column in columns]


_METRICS = {"macro_auc": "macro AUC"}  # headings that differ from the metric's key


def notes(rows: Sequence[Row]) -> list[str]:
    """Describe the trials without a result, and those that were cut short, one line per trial."""
    texts = []
    for row in rows:
        states = [] if row.status == "done" else [row.status]
        if text := ": ".join([*states, *([row.reason] if row.reason else [])]):
            texts.append(f"{row.trial} {text}" if states else f"{row.trial}: {text}")
    return texts
