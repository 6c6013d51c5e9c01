"""The leaderboard: ranking, Pareto front, and its file."""

from __future__ import annotations

import itertools
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headstart.data.tasks import TASKS
from headstart.evaluation import leaderboard
from headstart.evaluation.leaderboard import (
    ESSENTIAL,
    Row,
    columns,
    headings,
    metric_of,
    notes,
    pareto_front,
    ranked,
    read_leaderboard,
    shown_columns,
    write_leaderboard,
)
from headstart.foundation.errors import RunError
from headstart.foundation.runs.files import read_csv, write_csv
from headstart.foundation.runs.run_folder import RunFolder

numbers = st.floats(0, 100, allow_nan=False) | st.integers(0, 4).map(float)  # integers, so that there are ties
points = st.lists(st.tuples(numbers, numbers), max_size=25)
texts = st.text(st.characters(exclude_categories=("C", "Z")), max_size=12)
optional = st.none() | numbers
METRICS = sorted({task.metric for task in TASKS.values()})
COLUMNS = columns("accuracy")
SHOWN = ("part_a_seconds", "part_b_seconds", "total_seconds", "num_params", "ms_per_sample", "file_mb")


def whole(row: Row) -> Row:
    """Make a complete row: with a val_loss, the other numbers are present, too."""
    missing = {name: 1 for name in SHOWN if row.val_loss is not None and getattr(row, name) is None}
    return replace(row, **missing)


rows = st.builds(
    Row,
    trial=texts,
    status=st.sampled_from(["done", "failed", "interrupted"]),
    part_a=texts,
    part_b=texts,
    val_loss=optional,
    val_metric=optional,
    part_a_seconds=optional,
    part_a_cached=st.booleans(),
    part_b_seconds=optional,
    total_seconds=optional,
    num_params=st.none() | st.integers(0, 10**9),
    ms_per_sample=optional,
    file_mb=optional,
    fold_loss=optional,
    fold_loss_deviation=optional,
    fold_metric=optional,
    fold_metric_deviation=optional,
    reason=texts,
).map(whole)


@given(points)
def test_pareto_front_equals_that_of_a_sweep(points: list[tuple[float, float]]) -> None:
    """Sorted by time and loss, a point is on the front if its loss is below that of all points before it."""
    best, front = float("inf"), set()
    for seconds, loss in sorted(points):
        if loss < best:
            best = loss
            front.add((seconds, loss))
    assert pareto_front(points) == [point in front for point in points]


@given(points)
def test_pareto_front_dominates_exactly_the_other_points(points: list[tuple[float, float]]) -> None:
    """No point on the front is dominated, and every other point is dominated by one on the front."""
    front = [point for point, is_on in zip(points, pareto_front(points), strict=True) if is_on]
    assert bool(front) == bool(points)
    for point in points:
        beaten = any(f[0] <= point[0] and f[1] <= point[1] and f != point for f in front)
        assert beaten == (point not in front)


def test_pareto_front_by_hand() -> None:
    """Faster or better is enough, equal trials are both on the front, and slower with an equal loss is not."""
    assert pareto_front([]) == []
    assert pareto_front([(1.0, 0.5), (2.0, 0.4), (3.0, 0.6)]) == [True, True, False]
    assert pareto_front([(1.0, 0.5), (1.0, 0.5)]) == [True, True]
    assert pareto_front([(1.0, 0.5), (2.0, 0.5), (1.0, 0.6)]) == [True, False, False]


@given(st.lists(rows, max_size=8))
def test_ranked_puts_the_best_first_and_failures_last(rows: list[Row]) -> None:
    """Rows are sorted by val_loss, then by time; rows without a number come last and are never on the front."""
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
@given(rows=st.lists(rows, max_size=8), metric=st.sampled_from(METRICS))
def test_leaderboard_file_is_read_back_unchanged(tmp_path: Path, rows: list[Row], metric: str) -> None:
    """Numbers are exact, None stays None, and rows are sorted, whatever the metric."""
    rows = [replace(row, metric=metric) for row in rows]
    write_leaderboard(tmp_path / "leaderboard.csv", rows)
    assert read_leaderboard(RunFolder(tmp_path)) == ranked(rows)


@given(row=rows, metric=st.sampled_from(METRICS))
def test_row_is_restored_from_json(row: Row, metric: str) -> None:
    """Keys contain the name of the metric, never ``metric``; keys of folds are present only with folds."""
    row = replace(row, metric=metric)
    values = json.loads(json.dumps(row.to_json()))
    assert Row.from_json(values) == row
    assert metric_of(values) == metric
    assert f"val_{metric}" in values
    assert not any("metric" in name for name in values)
    assert (f"fold_{metric}" in values) == (row.fold_metric is not None)


@pytest.mark.parametrize("metric", METRICS)
def test_columns_contain_the_name_of_the_metric(metric: str) -> None:
    """Columns are ``val_accuracy`` for classes, and that of the task's metric otherwise."""
    names = columns(metric)
    assert names[:6] == ["rank", "trial", "status", "part_a", "part_b", "val_loss"]
    assert names[6] == f"val_{metric}"
    assert len(names) == len(set(names)) == len(fields(Row))  # the rank, and all but the metric's name
    assert {name.replace(metric, "accuracy") for name in names} == set(COLUMNS)
    assert metric_of(names) == metric


@pytest.mark.parametrize("names", [["val_loss"], ["val_loss", "val_r2", "val_accuracy"], []])
def test_columns_of_no_metric_or_of_several_are_rejected(names: list[str]) -> None:
    """``metric_of`` raises a ValueError, which reading a leaderboard turns into H502."""
    with pytest.raises(ValueError, match="metric"):
        metric_of(names)


@pytest.mark.parametrize(
    ("metric", "told"), [("accuracy", "accuracy 85.8%"), ("macro_auc", "macro auc 0.858"), ("r2", "r2 0.858")]
)
def test_row_measured_formats_the_metric(metric: str, told: str) -> None:
    """Accuracy is a percentage, other metrics have three decimals."""
    assert Row("a", "done", "b", "c", metric=metric, val_metric=0.8576).measured == told


def test_leaderboard_file_has_the_promised_columns_and_ranks(tmp_path: Path) -> None:
    """Columns have the promised names, ranks start at 1, and a reason of several lines stays in its cell."""
    failed = Row("lite0-mlp", "failed", "lite0-grid2", "mlp", reason='H301: loss is NaN,\n"lower the rate"')
    done = Row("lite0-linear", "done", "lite0-grid2", "linear", val_loss=0.5, total_seconds=2.0)
    write_leaderboard(tmp_path / "leaderboard.csv", [failed, done])
    table = read_csv(tmp_path / "leaderboard.csv")
    assert list(table[0]) == COLUMNS
    assert [(row["rank"], row["trial"], row["on_front"]) for row in table] == [
        ("1", "lite0-linear", "True"),
        ("2", "lite0-mlp", "False"),
    ]
    assert table[1]["reason"] == 'H301: loss is NaN,\\n"lower the rate"'
    assert done.to_json()["val_loss"] == 0.5


def test_missing_leaderboard_raises_h502(tmp_path: Path) -> None:
    """A missing leaderboard raises H502."""
    with pytest.raises(RunError, match="H502"):
        read_leaderboard(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("names", "row"),
    [(["name", "score"], ("lite0", 1)), (COLUMNS, ["x"] * len(COLUMNS)), (COLUMNS, ["1", "lite0"])],
    ids=["other columns", "text for numbers", "cut short"],
)
def test_malformed_leaderboard_raises_h502(tmp_path: Path, names: list[str], row: list[object]) -> None:
    """A table that is not a leaderboard raises H502: the file may have been edited."""
    write_csv(tmp_path / "leaderboard.csv", names, [row])
    with pytest.raises(RunError, match="H502"):
        read_leaderboard(RunFolder(tmp_path))


DONE = Row("linear", "done", "a", "b", val_loss=0.25, val_metric=0.9, fold_metric=0.8, fold_metric_deviation=0.01)
FAILED = Row("dnn", "failed", "a", "b", reason="out of memory")


def test_columns_are_dropped_from_the_least_important_on_and_keep_their_order() -> None:
    """Each number of columns contains the smaller ones; ranks are distinct."""
    assert sorted(column.importance for column in leaderboard.COLUMNS) == list(range(len(leaderboard.COLUMNS)))
    kept = [shown_columns([DONE], number) for number in range(len(leaderboard.COLUMNS) + 1)]
    assert all(set(few) < set(more) for few, more in itertools.pairwise(kept))
    assert kept[-1] == list(leaderboard.COLUMNS)
    assert headings(kept[ESSENTIAL], [DONE]) == ["val_loss", "accuracy", "total s"]


def test_folds_have_a_column_only_where_there_are_some() -> None:
    """Its heading names the metric."""
    assert headings(shown_columns([DONE]), [DONE])[-1] == "folds accuracy"
    assert "folds accuracy" not in headings(shown_columns([FAILED]), [FAILED])


def test_notes_tell_why_a_trial_has_no_result_or_was_cut_short() -> None:
    """A finished trial without a reason needs no note."""
    short = Row("mlp", "interrupted", "a", "b", val_loss=0.3, reason="")
    assert notes([DONE, FAILED, short]) == ["dnn failed: out of memory", "mlp interrupted"]
