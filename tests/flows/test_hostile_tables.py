"""Data to the whole: tables as they should not be end in a result or an error of three lines; test rows teach nothing."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import headstart as hs
from headstart.data.dataset import Dataset
from headstart.data.groups import group_duplicates
from headstart.data.readers.labels.targets import find_target
from headstart.data.readers.read import read
from headstart.data.readers.tables.row_digests import row_digests
from headstart.data.readers.tables.table import Known
from headstart.data.skipped import Skipped
from headstart.data.splits import make_split
from headstart.data.tables.files.read_cells import read_cells
from headstart.data.tables.table import Table
from headstart.features.part_a import PartA
from headstart.foundation.errors import DatasetError, HeadstartError
from headstart.models.fitting import gather
from headstart.training.trials.trial import parse_trial
from hostile import HostileTable, hostile_table, hostile_tables

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*(treated as missing|training data):UserWarning"),
]

Array = np.ndarray[Any, Any]

TABLE: PartA = parse_trial("table-linear").part


def is_told(error: HeadstartError) -> bool:
    """Whether it has a title and three lines, each of which says something."""
    lines = str(error).splitlines()
    return len(lines) == 4 and all(len(line.split(maxsplit=1)) == 2 for line in lines)


def write(path: Path, columns: dict[str, Sequence[object]]) -> Path:
    """A CSV file of these columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


# Two hundred tables


@given(hostile_tables())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_each_table_is_learned_from_or_refused_in_three_lines(
    tmp_path_factory: pytest.TempPathFactory, table: HostileTable
) -> None:
    """Read, split, encoded and solved: no other exception, no warning, no score that is no number, no row that is lost."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.csv"
    path.write_bytes(table.content)
    try:
        dataset = read(path)
        assert table.num_rows is None or len(dataset) + len(dataset.skipped) in (table.num_rows, table.num_rows + 1)
        model = hs.Model("table", head="linear")
        history = model.fit(dataset)
        assert np.isfinite(history.history["val_loss"]).all()
        json.dumps(model.evaluate().to_json(), allow_nan=False)
        path.write_bytes(table.later)
        answers = model.predict(path)
        answers = answers[answers["error"].isna()].drop(columns="error") if "error" in answers else answers
        assert np.isfinite(answers.select_dtypes("number").to_numpy()).all()
    except HeadstartError as error:
        assert is_told(error)  # noqa: PT017  which one, other tests say


LEARNED = (1, 5, 8, 12, 17, 19, 24, 31, 36, 46, 50, 53)  # numbers of tables that can be learned from, of each task


@pytest.mark.parametrize("number", LEARNED)
def test_a_whole_run_on_a_table_as_it_should_not_be(tmp_path: Path, number: int) -> None:
    """With its graph, which answers for rows with categories that it never saw, and is measured on them."""
    table = hostile_table(number)
    path, later = tmp_path / "table.csv", tmp_path / "later.csv"
    path.write_bytes(table.content)
    later.write_bytes(table.later)
    trial = ("table-linear", "table-trees", "table-baseline")[number % 3]
    run = hs.fit(path, trial=trial, out=tmp_path / "run")
    told = run.to_json()
    found = sum(told["num_samples"].values()) + told["num_skipped"]
    assert table.num_rows is None or found in (table.num_rows, table.num_rows + 1)
    json.dumps([told, run.evaluation], allow_nan=False)
    assert [row["status"] for row in told["trials"]] == ["done"]
    for verb in (lambda: run.answers([str(later)]), lambda: run.evaluate(later).to_json()):
        try:
            json.dumps(verb(), allow_nan=False)
        except HeadstartError as error:
            assert is_told(error)  # noqa: PT017  a column may have lost its name


def test_no_name_of_a_column_or_a_class_is_in_the_way(tmp_path: Path) -> None:
    """Names that Headstart uses itself, and classes with separators, newlines and pictures in them."""
    random = np.random.default_rng(0)
    names = ("row", "path", "predicted", "probabilities", "rows", "error", "p_a;b", "encoder/0", "a\nb", "🙂", "")
    columns: dict[str, Sequence[object]] = {name: random.normal(size=80).round(3).tolist() for name in names}
    columns["split"] = random.choice(["left", "right"], 80).tolist()  # no split of ours
    first = np.array(columns["row"])
    columns["label"] = np.array(["a;b", "two\nlines", "🙂"], object)[np.digitize(first, [-0.5, 0.5])].tolist()
    run = hs.fit(write(tmp_path / "t.csv", columns), trial="table-linear", out=tmp_path / "run")
    assert run.to_json()["classes"] == ["a;b", "two\\nlines", "🙂"]
    assert run.evaluation["accuracy"] > 0.6
    answers = run.predict(tmp_path / "t.csv")
    assert list(answers.columns) == ["row", "predicted", "p_a;b", "p_two\\nlines", "p_🙂"]
    assert set(answers["predicted"]) <= {"a;b", "two\\nlines", "🙂"}
    assert run.evaluate(tmp_path / "t.csv").to_json()["n"] == 80


# Who sees what


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_poison_in_the_test_split_changes_no_bit_of_what_is_learned(
    make_table: Callable[..., Path], tmp_path: Path, task: str
) -> None:
    """Neither its cells nor its labels: encoding, scale of targets, thresholds, and the weights of each kind of model."""
    clean = read(make_table(tmp_path / "t.csv", task, split=True), target=_TARGETS.get(task))
    poisoned = _poisoned(clean)
    assert [list(map(str, column)) for column in clean.table.columns] != [  # type: ignore[union-attr]
        list(map(str, column))
        for column in poisoned.table.columns  # type: ignore[union-attr]
    ]
    assert not np.array_equal(clean.labels, poisoned.labels)
    assert _learned(clean) == _learned(poisoned)


_TARGETS = {"multilabel": "wet,cold", "regression": "price,heat"}


def _poisoned(dataset: Dataset) -> Dataset:
    """The same with canaries in each test row."""
    assert dataset.table is not None
    test = dataset.indices("test")
    canaries = ("nan", "inf", "-1e308", "unseen", "", "1e300", "1000-01-01", "🙂")
    columns = [column.copy() for column in dataset.table.columns]
    for place, column in enumerate(columns):
        column[test] = [canaries[(place + row) % len(canaries)] for row in range(len(test))]
    labels = dataset.labels.copy()
    labels[test] = 1e9 if dataset.task == "regression" else (labels[test] + 1) % max(2, labels.max() + 1)
    table = replace(dataset.table, columns=tuple(columns))
    return replace(dataset, table=table, labels=labels, digests=tuple(row_digests(table)))


def _learned(dataset: Dataset) -> dict[str, object]:
    """Everything that is learned from a data set, as bytes and plain values."""
    split, features = gather(dataset, TABLE, validation=0.2, seed=0)
    learning = [*split.indices("train"), *split.indices("validation")]
    found: dict[str, object] = {"encoding": features.encoding, "rows": features.rows(learning).tobytes()}  # type: ignore[union-attr]
    found["scaling"] = split.scaling
    for head in ("linear", "trees", "baseline", "dnn"):
        model = hs.Model("table", head=head)
        if head == "dnn":
            model.compile("adam", epochs=2)
        model.fit(dataset)
        assert model.trained is not None
        found[head] = [array.tobytes() for array in model.trained.weights]
        found[f"{head} scores"] = (model.val_loss, model.thresholds)
    return found


def test_a_canary_in_the_training_split_does_change_what_is_learned(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """So that the test above can fail."""
    clean = read(make_table(tmp_path / "t.csv", "binary", split=True))
    moved = replace(clean, split=tuple({"test": "train", "train": "test"}.get(name, name) for name in clean.split))
    back = replace(_poisoned(moved), split=clean.split)
    encodings = [gather(dataset, TABLE, validation=0.2, seed=0)[1].encoding for dataset in (clean, back)]  # type: ignore[union-attr]
    assert encodings[0] != encodings[1]


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_labels_score_no_better_than_the_most_frequent_class(tmp_path: Path, seed: int) -> None:
    """The interval of the test accuracy holds the baseline: nothing of the test labels has leaked."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(400, 8)).round(4)
    labels = random.permutation(np.where(features[:, 0] + features[:, 1] > 0.3, "yes", "no"))
    columns: dict[str, Sequence[object]] = {f"x{i}": features[:, i].tolist() for i in range(8)}
    model = hs.Model("table", head="linear")
    model.compile(seed=seed)
    model.fit(write(tmp_path / "t.csv", columns | {"kind": labels.tolist()}))
    measured = model.evaluate().to_json()
    low, high = measured["accuracy_interval"]
    assert measured["split"] == "test"
    assert low <= measured["baseline_accuracy"] <= high


# What once went wrong


def test_what_stands_between_quotes_splits_the_rows(tmp_path: Path) -> None:
    """Though commas within the cells split more rows alike than semicolons, of which some rows have too few."""
    rows = [f'"{i}";"{i},5";"red"' if i % 3 else f'"{i}";"{i},5"' for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(['"size";"weight";"colour"', *rows]))
    table, skipped = read_cells(tmp_path / "t.csv")
    assert table.names == ("size", "weight", "colour")
    assert (len(table), len(skipped)) == (40, 20)


def test_a_first_row_of_dates_above_dates_is_no_header(tmp_path: Path) -> None:
    """Nothing of it recurs below, but it is no name; above numbers it is one."""
    days = [f"2020-01-{day:02d},{word}" for day, word in enumerate(["wet", "wet;cold", "dark", "cold;dark"], 1)]
    (tmp_path / "t.csv").write_text("\n".join(days))
    assert len(read_cells(tmp_path / "t.csv")[0]) == 4
    (tmp_path / "t.csv").write_text("town,2020-01-01\nRome,1\nOslo,2\n")
    assert read_cells(tmp_path / "t.csv")[0].names == ("town", "2020-01-01")


def test_a_number_may_be_a_name_where_a_word_stands_above_numbers(tmp_path: Path) -> None:
    """The header is no row, which would make a class of the target's own name."""
    (tmp_path / "t.csv").write_text("size,1,kind\n" + "".join(f"{i}.5,{i % 3},{'xy'[i % 2]}\n" for i in range(30)))
    dataset = read(tmp_path / "t.csv")
    assert (dataset.classes, len(dataset)) == (("x", "y"), 30)


def test_values_that_no_network_can_hold_are_listed() -> None:
    """Their squares are infinite, and one of them would make the scale of all others so."""
    cells = ["1", "2.5", "1e308", "-1e31", "3.5", "inf"] * 4
    table = Table(("x", "t"), (np.arange(24.0), np.array(cells, object)))
    found = find_target(table, "t")
    assert (found.task, len(found.labels)) == ("regression", 12)
    assert [row.reason.split("'t' is ")[1] for row in found.skipped[:3]] == ["too large", "too large", "not a finite number"]


def test_more_labels_than_recur_are_no_labels() -> None:
    """Free text with semicolons in it would be a label for each of its parts."""
    texts = [f"part {i % 40};part {7 * i % 40};part {3 * i % 40}" for i in range(60)]
    with pytest.raises(DatasetError, match="H113") as caught:
        find_target(Table(("x", "t"), (np.arange(60.0), np.array(texts, object))), "t")
    assert "40 different labels in 60 rows" in caught.value.received


def test_rows_of_few_values_are_no_copies_of_one_another() -> None:
    """Columns of two values each make rows that recur: each may go to either side of a split."""
    cells = np.array([f"{i % 2}" for i in range(60)], object)
    table = Table(("a", "t"), (cells, np.array([f"{i}.5" for i in range(60)], object)))
    found = find_target(table, "t")
    dataset = Dataset(
        name="few",
        task=found.task,
        task_reason="",
        classes=found.classes,
        paths=tuple(map(str, range(60))),
        labels=found.labels,
        digests=tuple(row_digests(table.select(["a"]))),
        split=("",) * 60,
        table=table.select(["a"]),
    )
    assert len(set(group_duplicates(dataset).duplicate_groups)) == 60
    counted = make_split(group_duplicates(dataset))
    assert [len(counted.indices(name)) for name in ("train", "validation", "test")] == [40, 10, 10]


def test_a_row_is_the_same_in_whatever_order_its_columns_are() -> None:
    """Else rows that were trained on would be taken for new ones."""
    table = Table(("a", "b"), (np.array(["1", "2"], object), np.array(["x", "y"], object)))
    assert row_digests(table) == row_digests(table.select(["b", "a"])) != row_digests(table.take([1, 0]))


def test_values_without_validation_rows_are_told_so() -> None:
    """Of a regression there are no classes to name, and of files that were left out there is the first reason."""
    two = np.array([[1.0], [2.0]])
    dataset = Dataset("t", "regression", "", ("t",), ("1", "2"), two, ("a", "b"), ("", ""))
    listed = dataset.without([Skipped("row 3", "no value")], [])
    with pytest.raises(DatasetError, match="H104: there are no validation samples") as caught:
        make_split(listed)
    assert caught.value.received.endswith("1 skipped (such as row 3: no value)")


@pytest.mark.parametrize(
    ("content", "code"), [("a,b,kind\n", "H101"), ("x", "H101"), ("", "H107"), ("a,kind\n1,x\n", "H108")]
)
def test_a_table_of_nothing_is_refused(tmp_path: Path, content: str, code: str) -> None:
    """A header alone, one cell, no byte, one row."""
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DatasetError, match=code) as caught:
        read(tmp_path / "t.csv")
    assert is_told(caught.value)


def test_a_model_is_told_which_column_it_misses(tmp_path: Path) -> None:
    """There is no option to name another one."""
    write(tmp_path / "t.csv", {"size": [1.5, 2.5, 3.5], "colour": ["red", "blue", "red"]})
    with pytest.raises(DatasetError, match="H108") as caught:
        read(tmp_path / "t.csv", known=Known(("x", "y"), "binary", ("kind",), None, ("size",)))
    assert caught.value.received == "no target column kind; the columns are size, colour"
    assert "--target" not in caught.value.advice


def test_a_file_that_is_not_there_is_no_broken_table(tmp_path: Path) -> None:
    """It cannot be opened in a spreadsheet either."""
    with pytest.raises(DatasetError, match="H107") as caught:
        read_cells(tmp_path / "none.csv")
    assert caught.value.advice == "check the path"


def test_a_wide_table_does_not_search_its_folder_for_each_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder below and the one above is listed once in all; a column of numbers is soon known to be none of paths."""
    folder = tmp_path / "project"  # the folders of other tests, called test_…, are not beside it
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
    columns: dict[str, Sequence[object]] = {f"x{i}": [f"{i}.{row}5" for row in range(40)] for i in range(100)}
    path = write(folder / "t.csv", columns | {"kind": ["u", "v"] * 20})
    scan, is_file, calls = os.scandir, Path.is_file, {"scan": 0, "file": 0}

    def counted_scan(folder: Any) -> Any:
        calls["scan"] += 1
        return scan(folder)

    def counted_is_file(self: Path) -> bool:
        calls["file"] += 1
        return is_file(self)

    monkeypatch.setattr(os, "scandir", counted_scan)
    monkeypatch.setattr(Path, "is_file", counted_is_file)
    assert len(read(path)) == 40
    assert calls["scan"] <= 5
    assert calls["file"] <= 4 * 101 * 12
