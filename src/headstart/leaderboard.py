"""Artefacts: trials by execution time and val_loss, and their Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from headstart.runfolder import read_csv, unreadable, write_csv

__all__ = ["COLUMNS", "Row", "pareto_front", "ranked", "read_leaderboard", "write_leaderboard"]


@dataclass(frozen=True)
class Row:
    """One trial. Seconds are wall clock; a trial that failed has a reason in place of numbers.

    Attributes:
        trial: Its name.
        status: ``done``, ``failed``, ``interrupted`` or ``skipped``.
        part_a: Backbone and cut.
        part_b: Network.
        val_loss: The task's score on the validation split.
        val_accuracy: Share of right answers there.
        part_a_seconds: What its features cost when they were computed.
        part_a_cached: They were not paid for now.
        part_b_seconds: Training.
        total_seconds: Both: the execution time.
        num_params: Parameters of both parts.
        ms_per_sample: Decoding, Part A and Part B for one image among many.
        file_mb: The weights of both parts in float32, in 10^6 bytes.
        fold_loss: Mean score over the held-out folds of a cross-validation, where one was asked for.
        fold_loss_deviation: Standard deviation of that over the folds.
        fold_accuracy: Mean share of right answers in the held-out folds.
        fold_accuracy_deviation: Standard deviation of that over the folds.
        on_front: No other trial is both faster and better.
        reason: Why it failed, was skipped, or was cut short.
    """

    trial: str
    status: str
    part_a: str
    part_b: str
    val_loss: float | None = None
    val_accuracy: float | None = None
    part_a_seconds: float | None = None
    part_a_cached: bool = False
    part_b_seconds: float | None = None
    total_seconds: float | None = None
    num_params: int | None = None
    ms_per_sample: float | None = None
    file_mb: float | None = None
    fold_loss: float | None = None
    fold_loss_deviation: float | None = None
    fold_accuracy: float | None = None
    fold_accuracy_deviation: float | None = None
    on_front: bool = False
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """Plain values by name; those of folds only where there were folds."""
        return {name: value for name, value in asdict(self).items() if value is not None or name not in _FOLDS}


COLUMNS = ("rank", *(field.name for field in fields(Row)))


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
    """Write leaderboard.csv, best first."""
    write_csv(path, COLUMNS, [[rank, *asdict(row).values()] for rank, row in enumerate(ranked(rows), start=1)])


def read_leaderboard(path: Path) -> list[Row]:
    """Read leaderboard.csv back.

    Raises:
        RunError: The file is missing or not ours (H502).
    """
    try:
        return [_row(cells) for cells in read_csv(path)]
    except (KeyError, ValueError) as error:
        raise unreadable(path, error) from error


def _row(cells: dict[str, str]) -> Row:
    if None in cells.values():
        raise ValueError("a row is cut short")
    numbers = {name: float(cells[name]) if cells[name] else None for name in _NUMBERS}
    flags = {name: cells[name] == "True" for name in ("part_a_cached", "on_front")}
    texts = {name: cells[name] for name in ("trial", "status", "part_a", "part_b", "reason")}
    params = int(cells["num_params"]) if cells["num_params"] else None
    return Row(**texts, **numbers, **flags, num_params=params)  # type: ignore[arg-type]


_SECONDS = ("part_a_seconds", "part_b_seconds", "total_seconds", "ms_per_sample")
_FOLDS = ("fold_loss", "fold_loss_deviation", "fold_accuracy", "fold_accuracy_deviation")
_NUMBERS = ("val_loss", "val_accuracy", *_SECONDS, "file_mb", *_FOLDS)
