"""Artefacts: trials in order, the front among them, and a file that gives back what was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headstart.errors import RunError
from headstart.leaderboard import COLUMNS, Row, pareto_front, ranked, read_leaderboard, write_leaderboard
from headstart.runfolder import read_csv, write_csv

numbers = st.floats(0, 100, allow_nan=False) | st.integers(0, 4).map(float)  # integers, so that there are ties
points = st.lists(st.tuples(numbers, numbers), max_size=25)
texts = st.text(st.characters(exclude_categories=("C", "Z")), max_size=12)
optional = st.none() | numbers
rows = st.builds(
    Row,
    trial=texts,
    status=st.sampled_from(["done", "failed", "interrupted"]),
    part_a=texts,
    part_b=texts,
    val_loss=optional,
    val_accuracy=optional,
    part_a_seconds=optional,
    part_a_cached=st.booleans(),
    part_b_seconds=optional,
    total_seconds=optional,
    num_params=st.none() | st.integers(0, 10**9),
    ms_per_sample=optional,
    file_mb=optional,
    reason=texts,
)


@given(points)
def test_the_front_is_what_a_sweep_finds(points: list[tuple[float, float]]) -> None:
    """Sorted by time and then loss, a point is on the front if its loss is below all before it."""
    best, front = float("inf"), set()
    for seconds, loss in sorted(points):
        if loss < best:
            best = loss
            front.add((seconds, loss))
    assert pareto_front(points) == [point in front for point in points]


@given(points)
def test_what_is_not_on_the_front_is_beaten_by_something_on_it(points: list[tuple[float, float]]) -> None:
    """The definition: nothing on the front is beaten; everything else is, in both numbers or in one at equal other."""
    front = [point for point, is_on in zip(points, pareto_front(points), strict=True) if is_on]
    assert bool(front) == bool(points)
    for point in points:
        beaten = any(f[0] <= point[0] and f[1] <= point[1] and f != point for f in front)
        assert beaten == (point not in front)


def test_the_front_by_hand() -> None:
    """Faster or better is enough; equal trials stand side by side; slower at the same loss is off."""
    assert pareto_front([]) == []
    assert pareto_front([(1.0, 0.5), (2.0, 0.4), (3.0, 0.6)]) == [True, True, False]
    assert pareto_front([(1.0, 0.5), (1.0, 0.5)]) == [True, True]
    assert pareto_front([(1.0, 0.5), (2.0, 0.5), (1.0, 0.6)]) == [True, False, False]


@given(st.lists(rows, max_size=8))
def test_the_best_stands_first_and_failures_last(rows: list[Row]) -> None:
    """Every trial has its row: by val_loss, then by time; those without a number below, never on the front."""
    table = ranked(rows)

    def stripped(row: Row) -> str:
        return repr(replace(row, on_front=False))

    assert sorted(map(stripped, table)) == sorted(map(stripped, rows))
    scored = [row for row in table if row.val_loss is not None and row.total_seconds is not None]
    assert table[: len(scored)] == scored
    keys = [(row.val_loss, row.total_seconds) for row in scored]
    assert keys == sorted(keys)
    assert [row.on_front for row in table[len(scored) :]] == [False] * (len(table) - len(scored))
    assert not scored or scored[0].on_front


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=8))
def test_a_leaderboard_comes_back_as_it_was_written(tmp_path: Path, rows: list[Row]) -> None:
    """Numbers exact, None as None, flags as flags, best first."""
    write_leaderboard(tmp_path / "leaderboard.csv", rows)
    assert read_leaderboard(tmp_path / "leaderboard.csv") == ranked(rows)


def test_the_columns_and_ranks_of_the_file(tmp_path: Path) -> None:
    """Names as the contract spells them; ranks count from 1; a reason of several lines stays in its cell."""
    failed = Row("lite0-mlp", "failed", "lite0-grid2", "mlp", reason='H301: loss is NaN,\n"lower the rate"')
    done = Row("lite0-linear", "done", "lite0-grid2", "linear", val_loss=0.5, total_seconds=2.0)
    write_leaderboard(tmp_path / "leaderboard.csv", [failed, done])
    table = read_csv(tmp_path / "leaderboard.csv")
    assert tuple(table[0]) == COLUMNS
    assert [(row["rank"], row["trial"], row["on_front"]) for row in table] == [
        ("1", "lite0-linear", "True"),
        ("2", "lite0-mlp", "False"),
    ]
    assert table[1]["reason"] == 'H301: loss is NaN,\\n"lower the rate"'
    assert done.to_json()["val_loss"] == 0.5


def test_a_leaderboard_that_is_not_there_is_told(tmp_path: Path) -> None:
    """H502."""
    with pytest.raises(RunError, match="H502"):
        read_leaderboard(tmp_path / "leaderboard.csv")


@pytest.mark.parametrize(
    ("columns", "row"),
    [(("name", "score"), ("lite0", 1)), (COLUMNS, ["x"] * len(COLUMNS)), (COLUMNS, ["1", "lite0"])],
    ids=["other columns", "text for numbers", "cut short"],
)
def test_a_table_that_is_no_leaderboard_is_told(tmp_path: Path, columns: tuple[str, ...], row: list[object]) -> None:
    """H502 too, not a traceback: anyone may have edited it."""
    write_csv(tmp_path / "leaderboard.csv", columns, [row])
    with pytest.raises(RunError, match="H502"):
        read_leaderboard(tmp_path / "leaderboard.csv")
