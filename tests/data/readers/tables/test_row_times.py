"""A column of times decides the split: what is read as a time, and which rows are before which."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import headstart as hs
from headstart.data.dataset import Dataset
from headstart.data.folds import folds_to_select_on, learned_in_fold, make_folds
from headstart.data.readers.read import read_table
from headstart.data.readers.tables.row_times import row_times
from headstart.data.splits import carve_validation, make_split
from headstart.data.tables.table import table_of_frame
from headstart.foundation.errors import DatasetError

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def frame_of(times: object, **columns: object) -> pd.DataFrame:
    """Rows with a target of two classes that alternate, and a time each."""
    data = {"when": times, "size": np.random.default_rng(0).normal(size=60), "kind": ["up", "down"] * 30}
    return pd.DataFrame(data | columns)


def dates(form: str) -> list[str]:
    """Sixty days in a shuffled order, as text."""
    days = pd.date_range("2023-12-15", periods=60)
    return [day.strftime(form) for day in days[np.random.default_rng(1).permutation(60)]]


def in_order(dataset: Dataset) -> bool:
    """Whether all training samples are before all of validation, and these before all of the test."""
    times, split = np.array(dataset.times), np.array(dataset.split)
    parts = [times[split == name] for name in ("train", "validation", "test")]
    return bool(all(len(part) for part in parts) and all(a.max() < b.min() for a, b in itertools.pairwise(parts)))


@pytest.mark.parametrize(
    "times",
    [dates("%Y-%m-%d"), dates("%d.%m.%Y %H:%M"), dates("%m/%d/%Y"), pd.to_datetime(dates("%Y-%m-%d")), [*range(60)][::-1]],
    ids=["ISO", "day first", "month first", "dates of pandas", "numbers"],
)
def test_the_last_rows_are_the_test_split(times: object) -> None:
    """Whatever the order of the rows and however times are written; the column stays a feature."""
    dataset = make_split(read_table(frame_of(times), target="kind", time="when"), validation=0.2)
    assert in_order(dataset)
    assert [dataset.split.count(name) for name in ("train", "validation", "test")] == [36, 12, 12]
    assert dataset.made_splits == ("train", "test", "validation")
    assert dataset.task_reason.endswith("; split in time by when")
    assert dataset.table is not None
    assert "when" in dataset.table.names


def test_rows_of_one_time_stay_in_one_split() -> None:
    """So that no row is predicted from one of the same moment."""
    dataset = make_split(read_table(frame_of([2020 + i // 13 for i in range(60)]), target="kind", time="when"))
    assert in_order(dataset)
    by_year = pd.Series(dataset.split).groupby(np.array(dataset.times)).nunique()
    assert by_year.max() == 1


def test_rows_without_a_time_are_skipped() -> None:
    """They are listed with the reason."""
    times = dates("%Y-%m-%d")
    times[3], times[7] = "", "soon"
    dataset = read_table(frame_of(times), target="kind", time="when")
    assert len(dataset) == 58
    assert [tuple(row) for row in dataset.skipped] == [(f"row {n}", "no time in the column when") for n in (4, 8)]


@pytest.mark.parametrize(
    ("times", "columns", "asked", "code"),
    [
        (["soon", "later"] * 30, {}, {}, "H139"),
        ([""] * 60, {}, {}, "H139"),
        (["14:30", "15:00"] * 30, {}, {}, "H139"),
        ([*range(60)], {"split": ["train", "test"] * 30}, {}, "H140"),
        ([*range(60)], {"town": ["Ulm", "Graz"] * 30}, {"group": "town"}, "H140"),
        ([*range(60)], {}, {"time": "kind"}, "H108"),
        ([*range(60)], {}, {"time": "wen"}, "H108"),
    ],
    ids=["words", "blank", "no dates", "a split of the user's", "groups", "the target", "misspelled"],
)
def test_what_is_no_time_is_an_error(times: object, columns: dict[str, object], asked: dict[str, str], code: str) -> None:
    """A split is decided by one thing, which is there."""
    with pytest.raises(DatasetError) as caught:
        read_table(frame_of(times, **columns), target="kind", **({"time": "when"} | asked))  # type: ignore[arg-type]
    assert caught.value.code == code


def test_folds_go_forward_in_time() -> None:
    """Each fold is later than all that is learned from; models are selected on the validation split alone."""
    dataset = make_split(read_table(frame_of(dates("%Y-%m-%d")), target="kind", time="when"))
    folds, times = make_folds(dataset, 3), np.array(dataset.times)
    assert (folds[dataset.indices("test")] == -1).all()
    assert np.bincount(folds[folds >= 0]).tolist() == [12, 12, 12]
    sizes = []
    for fold in range(3):
        learned = learned_in_fold(dataset, folds, fold)
        assert times[learned].max() < times[folds == fold].min()
        others = replace(dataset, split=tuple(np.where(learned, "train", "test").tolist()))
        assert in_order(
            carve_validation(others, share=1 / 3, seed=0).take([*np.flatnonzero(learned), *np.flatnonzero(folds == fold)])
        )
        sizes.append(int(learned.sum()))
    assert sizes == [12, 24, 36]
    assert np.flatnonzero(folds_to_select_on(dataset, seed=0) == 0).tolist() == dataset.indices("validation").tolist()
    with pytest.raises(DatasetError, match="H112"):
        make_folds(replace(dataset, times=(1.0, 2.0) * 30), 3)


def test_row_times_of_numbers_are_the_numbers() -> None:
    """Years, seconds and steps have an order of their own."""
    assert row_times(table_of_frame(pd.DataFrame({"year": [1999, 2001]})), "year").tolist() == [1999.0, 2001.0]


def test_a_run_is_split_in_time(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """From the command line's argument to the files of the run; a table without the column is predicted if it can be."""
    frame = pd.read_csv(make_table(tmp_path / "t.csv", "binary", rows=100))
    frame["day"] = pd.date_range("2024-01-01", periods=100)[::-1].strftime("%Y-%m-%d")
    frame.to_csv(tmp_path / "t.csv", index=False)
    run = hs.fit(tmp_path / "t.csv", target="grown", time="day", trial="table-linear", folds=3, out=tmp_path / "run")
    splits = pd.read_csv(run.path / "splits.csv")["split"]
    assert splits.tolist() == ["test"] * 20 + ["validation"] * 20 + ["train"] * 60
    held_out = pd.read_csv(run.path / "trials" / "table-linear" / "folds.csv")["row"]
    assert set(held_out) == set(range(21, 81))  # the test split and what is before the first fold are in none
    assert "split in time by day" in (run.path / "report.html").read_text()
    assert len(run.predict(tmp_path / "t.csv")) == 100
