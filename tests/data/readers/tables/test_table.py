"""A table becomes images or rows of features, with the labels of every task; each row is used or listed."""

from __future__ import annotations

import csv
import inspect
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headstart as hs
import headstart.data.readers.tables.row_digests as row_digests_module
from headstart.data.dataset import Dataset
from headstart.data.readers.read import read, read_table, unlabelled_rows
from headstart.data.readers.tables.row_digests import row_digests
from headstart.data.readers.tables.table import Known, cells_of
from headstart.data.tables.table import Table
from headstart.foundation.errors import DatasetError

Array = np.ndarray[Any, Any]

COLOURS = ["red", "green", "blue", "red", "green", "blue"]


def write(path: Path, header: str, rows: list[str]) -> Path:
    """A CSV file."""
    path.write_text("".join(f"{line}\n" for line in (header, *rows)))
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with six images in ``images`` beside where a table goes."""
    (tmp_path / "images").mkdir()
    for i in range(6):
        (tmp_path / "images" / f"{i}.jpg").write_bytes(f"picture {i}".encode())
    return tmp_path


def names(dataset: Dataset) -> list[str]:
    """The file names of its samples."""
    return [Path(path).name for path in dataset.paths]


def table_of(dataset: Dataset) -> Table:
    """Its cells, which have to be there."""
    assert dataset.table is not None
    return dataset.table


# Images


def test_columns_of_0_and_1_beside_paths_are_labels(shop: Path) -> None:
    """Each is a label, by its name; the split column is none of them."""
    bits = ["0,1", "1,1", "0,0", "1,0", "0,1", "1,1"]
    rows = [f"{i}.jpg,{pair},train" for i, pair in enumerate(bits)]
    dataset = read_table(write(shop / "t.csv", "image,wet,cold,split", rows))
    assert (dataset.task, dataset.classes) == ("multilabel", ("wet", "cold"))
    assert dataset.labels.tolist() == [[int(bit) for bit in pair.split(",")] for pair in bits]
    assert dataset.labels.dtype == np.int64
    assert "2 columns of 0 and 1" in dataset.task_reason
    assert set(dataset.split) == {"train"}
    assert dataset.table is None


@pytest.mark.parametrize("mark", [";", "|"])
def test_lists_beside_paths_are_labels(shop: Path, mark: str) -> None:
    """Parts that recur are labels; a row without a list is listed."""
    lists = ["wet;cold", "cold", "wet", "", "wet;cold", "cold"]
    rows = [f"{i}.jpg,{labels.replace(';', mark)}" for i, labels in enumerate(lists)]
    dataset = read_table(write(shop / "t.csv", "image,weather", rows))
    assert (dataset.task, dataset.classes) == ("multilabel", ("cold", "wet"))
    assert dataset.label_texts() == ["cold;wet", "cold", "wet", "cold;wet", "cold"]
    assert [row.path.endswith("3.jpg") for row in dataset.skipped] == [True]


def test_numbers_beside_paths_are_values(shop: Path) -> None:
    """One column of fractions, or several that are named; what is no number is listed with its file and its row."""
    rows = ["0.jpg,1.5,10", "1.jpg,2.5,20", "2.jpg,dear,30", "3.jpg,0.25,40", "4.jpg,inf,50", "5.jpg,4,60"]
    path = write(shop / "t.csv", "image,price,heat", [f"{row}" for row in rows])
    dataset = read_table(path, target="price", task="regression")
    assert (dataset.task, dataset.classes, dataset.target_columns) == ("regression", ("price",), ("price",))
    assert dataset.labels.tolist() == [[1.5], [2.5], [0.25], [4.0]]
    assert names(dataset) == ["0.jpg", "1.jpg", "3.jpg", "5.jpg"]
    assert [(Path(row.path).name, row.reason.split(":")[0]) for row in dataset.skipped] == [
        ("2.jpg", "row 3"),
        ("4.jpg", "row 5"),
    ]
    both = read_table(path, target="price,heat")
    assert (both.task, both.classes) == ("regression", ("price", "heat"))
    assert both.labels[-1].tolist() == [4.0, 60.0]


def test_a_file_that_is_not_there_is_listed_with_its_row(shop: Path) -> None:
    """Of a table of values too."""
    rows = [f"{i}.jpg,{i}.5" for i in range(8)]
    dataset = read_table(write(shop / "t.csv", "image,price", rows))
    assert names(dataset) == [f"{i}.jpg" for i in range(6)]
    assert [(Path(row.path).name, row.reason) for row in dataset.skipped] == [
        ("6.jpg", "row 7: no such file"),
        ("7.jpg", "row 8: no such file"),
    ]


# Rows of features


SIZES = [1.5, 2.0, 3.25, 1.0, 2.5, 3.0]


def as_csv(folder: Path) -> Path:
    """The same six rows as a file."""
    return write(folder / "t.csv", "size,kind,colour", [f"{s},{'xy'[i % 2]},{COLOURS[i]}" for i, s in enumerate(SIZES)])


def as_frame() -> pd.DataFrame:
    """As a data frame."""
    return pd.DataFrame({"size": SIZES, "kind": list("xyxyxy"), "colour": COLOURS})


@pytest.mark.parametrize("kind", ["csv", "frame", "parquet"])
def test_rows_of_features_from_everywhere(tmp_path: Path, kind: str) -> None:
    """The last column is the target, the others are the features, and rows are called by their numbers from 1."""
    frame = as_frame()
    frame.to_parquet(tmp_path / "t.parquet")
    given: Any = {"csv": as_csv(tmp_path), "frame": frame, "parquet": tmp_path / "t.parquet"}[kind]
    dataset = read_table(given)
    assert (dataset.task, dataset.classes) == ("multiclass", ("blue", "green", "red"))
    assert dataset.target_columns == ("colour",)
    assert table_of(dataset).names == ("size", "kind")
    assert dataset.paths == ("1", "2", "3", "4", "5", "6")
    assert [float(cell) for cell in table_of(dataset).column("size")] == SIZES
    assert (table_of(dataset).column("size").dtype.kind == "O") == (kind == "csv")  # a file says nothing of types
    assert dataset.label_texts() == COLOURS
    assert len(set(dataset.digests)) == 6


def test_rows_of_an_array() -> None:
    """Columns have numbers for names; the last is the target, or whichever is asked for."""
    rows = np.stack([SIZES, np.arange(6) % 2, np.arange(6) % 2], axis=1)
    dataset = read_table(rows)
    assert (dataset.name, dataset.task, dataset.target_columns) == ("array", "binary", ("c2",))
    assert table_of(dataset).names == ("c0", "c1")
    other = read_table(rows, target="0")
    assert (other.task, other.labels[:, 0].tolist()) == ("regression", SIZES)


@pytest.mark.parametrize(
    ("target", "task", "features"),
    [
        ("kind", "binary", ("size", "colour")),
        ("1", "binary", ("size", "colour")),
        ("-2", "binary", ("size", "colour")),
        ("size", "regression", ("kind", "colour")),
        ("0", "regression", ("kind", "colour")),
    ],
)
def test_the_target_by_name_and_by_position(tmp_path: Path, target: str, task: str, features: tuple[str, ...]) -> None:
    """Whichever it is, it is no feature."""
    dataset = read(as_csv(tmp_path), target=target)
    assert (dataset.task, table_of(dataset).names) == (task, features)
    assert f"--target {target}" in dataset.task_reason


@pytest.mark.parametrize("target", ["a,b", "a, b", "0,1", "b,-3", "b,a"])
def test_several_targets_are_joined_by_commas(tmp_path: Path, target: str) -> None:
    """Columns of 0 and 1 are labels, in the order that they were named; none of them stays a feature."""
    rows = [f"{i % 2},{i // 2 % 2},{i}.5" for i in range(8)]
    dataset = read(write(tmp_path / "t.csv", "a,b,size", rows), target=target)
    order = (0, 1) if target[0] in "a0" else (1, 0)
    assert (dataset.task, dataset.classes) == ("multilabel", tuple("ab"[i] for i in order))
    assert dataset.labels.tolist() == [[(i % 2, i // 2 % 2)[k] for k in order] for i in range(8)]
    assert table_of(dataset).names == ("size",)


def test_images_of_which_none_is_there_are_refused(shop: Path) -> None:
    """H117 names the column, one of the files and where they were looked for; other words with dots are no images."""
    rows = [f"pictures/{i}.JPG,{i}.5,v1.{i},{'xy'[i % 2]}" for i in range(8)]
    table = write(shop / "t.csv", "photo,size,version,kind", rows)
    for data in (table, pd.read_csv(table)):
        with pytest.raises(DatasetError) as caught:
            read_table(data)
        assert caught.value.code == "H117"
        assert "column photo names image files, such as pictures/0.JPG; looked in " in caught.value.received
    plain = read_table(write(shop / "t.csv", "size,version,kind", [row.split(",", 1)[1] for row in rows]))
    assert table_of(plain).names == ("size", "version")


def test_paths_in_a_data_frame_are_those_of_files(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the current folder or one below, or absolute."""
    frame = pd.DataFrame({"photo": [f"{i}.jpg" for i in range(6)], "kind": list("xy") * 3})
    monkeypatch.chdir(shop)
    assert names(read_table(frame)) == [f"{i}.jpg" for i in range(6)]
    monkeypatch.chdir("/")
    absolute = frame.assign(photo=[str(shop / "images" / name) for name in frame["photo"]])
    assert names(read_table(absolute)) == [f"{i}.jpg" for i in range(6)]


def test_a_column_of_groups_is_no_feature(shop: Path) -> None:
    """Its rows belong together, of features and of images; a blank says nothing, and a wrong name is told."""
    rows = [f"{i}.5,{'' if i == 3 else f'p{i // 2}'},{'xy'[i % 2]}" for i in range(8)]
    path = write(shop / "rows.csv", "size,patient,kind", rows)
    for group in ("patient", "1"):
        dataset = read_table(path, group=group)
        assert table_of(dataset).names == ("size",)
        assert dataset.groups == ("p0", "p0", "p1", "", "p2", "p2", "p3", "p3")
        assert dataset.take([2, 3]).groups == ("p1", "")
    assert read_table(path).groups == ()
    countries = pd.DataFrame({"size": SIZES, "land": ["NA", "NA", None, "DE", "", "-"], "kind": list("xyxyxy")})
    assert read_table(countries, group=1).groups == ("NA", "NA", "", "DE", "", "-")
    for group, told in (("kind", "which is the target column"), (1.5, "float 1.5")):
        with pytest.raises(DatasetError, match="H108") as caught:
            read_table(countries, target="kind", group=group)  # type: ignore[arg-type]
        assert told in caught.value.received
    with pytest.raises(DatasetError, match="H108") as caught:
        read_table(path, group="pateint")
    assert caught.value.advice == "--group patient"
    write(shop / "t.csv", "photo,place,kind", [f"images/{i}.jpg,{i // 2},{'xy'[i % 2]}" for i in range(4)])
    dataset = read_table(shop / "t.csv", group="place")
    assert (dataset.classes, dataset.groups) == (("x", "y"), ("0", "0", "1", "1"))


def test_targets_as_python_names_them() -> None:
    """A position is a number, several targets are a list, and names of columns may be numbers."""
    frame = pd.DataFrame({0: SIZES, "heat": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], 7: list("xyxyxy")})
    assert read_table(frame, target=-1).target_columns == ("7",)
    assert read_table(frame, target=7).task == "binary"
    assert read_table(frame, target=["heat", 0]).target_columns == ("heat", "0")
    assert read_table(frame, target=np.int64(2)).target_columns == ("7",)
    for wrong_target in ([], 1.5, [None]):
        with pytest.raises(DatasetError, match="H108"):
            read_table(frame, target=wrong_target)  # type: ignore[arg-type]
    for wrong in ({"size": [1, 2]}, [1, 2], None):
        with pytest.raises(DatasetError, match="H107"):
            read_table(wrong)  # type: ignore[arg-type]


def test_a_split_column_of_a_table_is_honoured_and_no_feature(tmp_path: Path) -> None:
    """Under all the names of a split; an unknown one is listed with its row; positions count it as a column."""
    words = ["train", "VAL", "test", "", "Train", "later", "valid"]
    rows = [f"{i}.5,{word},{'xy'[i % 2]}" for i, word in enumerate(words)]
    path = write(tmp_path / "t.csv", "size,Split,kind", rows)
    for target in (None, "2", "kind"):
        dataset = read(path, target=target)
        assert dataset.split == ("train", "validation", "test", "", "train", "validation")
        assert table_of(dataset).names == ("size",)
        assert [(row.path, row.reason) for row in dataset.skipped] == [("row 6", "unknown split 'later'")]
        assert dataset.label_texts() == ["x", "y", "x", "y", "x", "x"]


@pytest.mark.parametrize("name", ["data set", "Subset", "set", "partition", "fold"])
def test_a_split_column_of_another_name_is_honoured_and_named(tmp_path: Path, name: str) -> None:
    """The reason that is printed says which column it is."""
    rows = [f"{i}.5,{('Training', 'dev', 'Testing')[i % 3]},{'xy'[i // 3 % 2]}" for i in range(12)]
    dataset = read(write(tmp_path / "t.csv", f"size,{name},kind", rows))
    assert dataset.split == ("train", "validation", "test") * 4
    assert table_of(dataset).names == ("size",)
    assert f"the splits are those of the column {name}" in dataset.task_reason


@pytest.mark.parametrize(
    ("word", "about"),
    [
        (
            "Validierung",
            "3 rows are skipped, because Validierung (did you mean validation?) in the column Set names no split",
        ),
        ("later", "3 rows are skipped, because later in the column Set names no split"),
        ("dev", ""),
    ],
)
def test_values_that_name_no_split_are_named_with_the_split_they_may_mean(tmp_path: Path, word: str, about: str) -> None:
    """In the first line: their rows are skipped."""
    rows = [f"{i}.5,{('train', word, 'test', 'train')[i % 4]},{'xy'[i // 4 % 2]}" for i in range(12)]
    dataset = read(write(tmp_path / "t.csv", "size,Set,kind", rows))
    assert ("skipped, because" in dataset.task_reason) == bool(about)
    assert dataset.task_reason.endswith(about)
    assert len(dataset.skipped) == (3 if about else 0)


def test_yes_and_no_are_splits_of_images_only(shop: Path) -> None:
    """``is_valid`` says which images are for validation; in a table of features it may be what is to be predicted."""
    names_of_images = [f"{i}.jpg" for i in range(6)]
    rows = [f"{name},{('False', 'True')[i % 2]},{'xy'[i // 2 % 2]}" for i, name in enumerate(names_of_images)]
    dataset = read_table(write(shop / "t.csv", "image,is_valid,kind", rows))
    assert dataset.split == ("train", "validation") * 3
    plain = read_table(
        write(shop / "p.csv", "size,is_valid,kind", [f"{i}.5,{row.split(',', 1)[1]}" for i, row in enumerate(rows)])
    )
    assert set(plain.split) == {""}
    assert "is_valid" in table_of(plain).names


def test_a_column_called_split_that_holds_something_else_is_a_feature(tmp_path: Path) -> None:
    """A hair style, say."""
    rows = [f"{('left', 'right')[i % 2]},{'xy'[i // 2 % 2]}" for i in range(8)]
    assert table_of(read(write(tmp_path / "t.csv", "split,kind", rows))).names == ("split",)


def test_numbers_of_rows_are_those_of_the_file(tmp_path: Path) -> None:
    """Rows that fall out leave their numbers behind, whatever they fall out for."""
    rows = ["1.5,x", "2.5", "3.5,y", "4.5,?", "5.5,x", "6.5,y,z", "7.5,y"]
    dataset = read(write(tmp_path / "t.csv", "size,kind", rows))
    assert dataset.paths == ("1", "3", "5", "7")
    assert sorted(row.path for row in dataset.skipped) == ["row 2", "row 4", "row 6"]


@pytest.mark.parametrize("header", ["kind", "split,kind"])
def test_a_target_alone_is_told(tmp_path: Path, header: str) -> None:
    """There is nothing to tell it by: H114 says what is missing."""
    rows = [f"{'train,' * ('split' in header)}{'xy'[i % 2]}" for i in range(6)]
    with pytest.raises(DatasetError, match="kind") as caught:
        read(write(tmp_path / "t.csv", header, rows), target="kind")
    assert caught.value.code == "H114"


def test_digests_of_rows_are_computed_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and neither by reading nor by the predictions of a model."""
    frame = pd.DataFrame({"size": [1.0, 2, 1, 4], "kind": ["a", "b"] * 2})
    calls: list[int] = []
    monkeypatch.setattr(row_digests_module, "row_digests", lambda table: calls.append(len(table)) or row_digests(table))
    dataset = read_table(frame)
    to_predict = unlabelled_rows(frame[["size"]], dataset, Known(dataset.classes, dataset.task, columns=dataset.columns))
    assert (len(dataset.digests), len(to_predict.digests), calls) == (4, 4, [])
    assert dataset.plus(dataset).digests == (*row_digests(dataset.table), *row_digests(dataset.table))  # type: ignore[arg-type]
    assert (dataset.take([2]).digests[0], dataset.digests[:2]) == (dataset.digests[0], (*dataset.digests,)[:2])
    assert calls == [4]


def test_equal_rows_have_equal_digests_and_others_do_not() -> None:
    """Cells that run into one another are told apart."""
    cells = Table(("a", "b"), (np.array(["x", "xy", "x"], object), np.array(["yz", "z", "yz"], object)))
    first, second, third = row_digests(cells)
    assert first == third != second


# What a model knows


def test_what_a_model_knows_is_no_word_of_the_public_reader() -> None:
    """``Known`` is not offered, so nothing that is takes one."""
    assert list(inspect.signature(hs.read_table).parameters) == ["table", "target", "image", "group", "time", "task"]


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_model_finds_its_columns_by_name(tmp_path: Path, shuffled: bool) -> None:
    """Whatever their order, and beside others; classes are the model's, rows of others are listed."""
    frame = as_frame().assign(extra=1)
    if shuffled:
        frame = frame[["extra", "colour", "kind", "size"]]
    frame.to_csv(tmp_path / "t.csv", index=False)
    known = Known(("red", "blue"), "binary", ("colour",), None, ("size", "kind"))
    dataset = read(tmp_path / "t.csv", known=known)
    assert (dataset.task, dataset.classes, dataset.labels.tolist()) == ("binary", ("red", "blue"), [0, 1, 0, 1])
    assert {"size", "kind"} <= set(table_of(dataset).names)
    assert [row.reason for row in dataset.skipped] == ["its class green is not one of the model's classes"] * 2


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("split who a b kind", "split who a b kind"),
        ("split who a b", "split who a b"),
        ("a b", "a b"),
        ("a", "a"),
        ("a b kind", ""),
    ],
)
def test_columns_without_names_are_those_of_the_fit(columns: str, expected: str) -> None:
    """All of them, or without the target, without what was set aside too, or those that are read; other widths are told."""
    known = Known(("x", "y"), "binary", ("kind",), None, ("split", "who", "a", "b", "kind"), ("a",), ("split", "who"))
    rows = np.zeros((3, len(columns.split())))
    if expected:
        assert cells_of(rows, known)[2].names == tuple(expected.split())
    else:  # as many as without what was set aside, and that is what they are taken for
        assert cells_of(rows, known)[2].names == ("a", "b", "kind")
    with pytest.raises(DatasetError, match="H115") as caught:
        cells_of(np.zeros((3, 6)), known)
    assert caught.value.expected == "2 columns: a, b"


def test_a_model_knows_its_targets_though_their_names_hold_commas(tmp_path: Path) -> None:
    """Of several, joined by commas, the model's own names say which they are."""
    rows = [f"{i},{i}.5,{i}.25" for i in range(6)]
    path = write(tmp_path / "t.csv", 'size,"price, EUR",heat', rows)
    dataset = read(path, target="1,2")
    assert dataset.target_columns == ("price, EUR", "heat")
    again = read(path, known=Known(dataset.classes, "regression", dataset.target_columns, None, ("size",)))
    np.testing.assert_array_equal(again.labels, dataset.labels)


def test_a_model_of_values_takes_any_values(tmp_path: Path) -> None:
    """Also if they are all alike, or would be classes of a new model."""
    rows = [f"{'xy'[i % 2]},{7}" for i in range(6)]
    path = write(tmp_path / "t.csv", "kind,price", rows)
    dataset = read(path, known=Known(("price",), "regression", ("price",), None, ("kind",)))
    assert (dataset.task, dataset.labels.tolist()) == ("regression", [[7.0]] * 6)
    with pytest.raises(DatasetError, match="H101"):
        read(path, target="price", task="regression")


def test_rows_to_predict_need_no_target(tmp_path: Path) -> None:
    """As a file, a frame or an array; all columns are kept, and the model looks for its own."""
    like = read_table(as_frame())
    for rows in (as_csv(tmp_path), as_frame()[["kind", "size"]], as_frame()[["size", "kind"]].to_numpy()):
        dataset = unlabelled_rows(rows, like, Known(like.classes, like.task, like.target_columns, None, like.columns))
        table = table_of(dataset)
        assert {"size", "kind"} <= set(table.names)
        assert [float(cell) for cell in table.column("size")] == SIZES
        assert (dataset.classes, len(dataset), dataset.paths[0]) == (like.classes, 6, "1")


cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6) | st.sampled_from(["0", "1", "2.5", "?", "a;b"])


@settings(max_examples=60)
@given(
    rows=st.lists(st.lists(cells, min_size=1, max_size=4), min_size=2, max_size=12),
    target=st.sampled_from([None, "0", "-1", "0,1", "size"]),
)
def test_rows_are_used_or_listed(rows: list[list[str]], target: str | None) -> None:
    """Whatever the cells are and however ragged the rows, a result that accounts for each, or a DatasetError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(["size", "kind", "note"])
            writer.writerows(rows)
        try:
            dataset = read_table(path, target=target)
        except DatasetError as error:
            assert error.code in ("H101", "H102", "H107", "H108", "H113", "H114")  # noqa: PT017  which one, other tests say
            return
    assert dataset.table is not None
    assert len(dataset) == len(dataset.labels) == len(dataset.table) == len(dataset.split)
    used = {f"row {number}" for number in dataset.paths}
    listed = {row.path for row in dataset.skipped}
    assert not used & listed
    blank = sum(all(not cell.strip() for cell in row) for row in rows)
    is_header = int("size" in dataset.table.names or "size" in dataset.target_columns)  # else: as wide as other rows
    assert len(rows) - blank <= len(used) + len(listed) <= len(rows) + (not is_header)
    assert np.isfinite(dataset.labels).all()


def test_a_copy_with_another_id_is_a_copy() -> None:
    """Columns that number or name the rows tell no row from its copy; a column of measurements does."""
    values = np.tile(np.random.default_rng(0).normal(size=30), 2)
    frame = pd.DataFrame({"id": range(60), "name": [f"no. {i}" for i in range(60)], "x": values, "kind": ["a", "b"] * 30})
    digests = read_table(frame, target="kind").digests
    assert digests[:30] == digests[30:]
    assert len(set(digests)) == 30


@pytest.mark.parametrize("form", ["dates", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y"])
def test_a_column_of_days_tells_rows_apart(form: str) -> None:
    """One in each row, one after the other: it is no id, and rows of different days are no copies."""
    days = pd.date_range("2024-01-25", periods=40)
    frame = pd.DataFrame(
        {"day": days if form == "dates" else days.strftime(form), "x": [1, 2] * 20, "kind": ["a", "b"] * 20}
    )
    assert len(set(read_table(frame, target="kind").digests)) == 40
    assert len(set(read_table(frame.assign(day=[f"no. {i}" for i in range(40)]), target="kind").digests)) == 2


def test_one_hot_columns_are_read_again(tmp_path: Path) -> None:
    """What a model was fitted on, it is evaluated on: its classes are columns; one that is 1 in no row is none."""
    rows = [f"{i % 3}.{i},{int(i % 3 == 0)},{int(i % 3 == 1)},{int(i % 3 == 2)},0" for i in range(30)]
    path = write(tmp_path / "t.csv", 'size,"cat, small",dog,cow,eel', rows)
    dataset = read(path, target="1,2,3,4", task="multiclass")
    assert (dataset.classes, table_of(dataset).names) == (("cat, small", "dog", "cow"), ("size",))
    known = Known(dataset.classes, dataset.task, dataset.target_columns, None, dataset.table_columns, ("size",))
    later = write(tmp_path / "later.csv", 'size,"cat, small",dog,cow,eel', ["1.5,0,1,0,0", "2.5,0,0,0,1", "0.5,1,0,0,0"])
    again = read(later, known=known)
    assert [again.classes[label] for label in again.labels] == ["dog", "cat, small"]
    assert [(row.path, row.reason) for row in again.skipped] == [
        ("row 2", "its class eel is not one of the model's classes")
    ]


def test_one_hot_columns_beside_paths_are_classes(shop: Path) -> None:
    """As lists of lesions are published: one column a class."""
    rows = [f"{i}.jpg,{int(i % 3 == 0)}.0,{int(i % 3 == 1)}.0,{int(i % 3 == 2)}.0" for i in range(6)]
    dataset = read_table(write(shop / "t.csv", "image,cat,dog,cow", rows))
    assert (dataset.task, dataset.classes, dataset.labels.tolist()) == ("multiclass", ("cat", "dog", "cow"), [0, 1, 2] * 2)
    again = read(shop / "t.csv", known=Known(dataset.classes, dataset.task, dataset.target_columns, "image"))
    assert again.labels.tolist() == dataset.labels.tolist()


def digest_of(target: str = "label", **changes: Any) -> str:
    """The digest of a small table as a data set, with some of its columns in other words."""
    columns: dict[str, Any] = {
        "row": range(1, 31),
        "note": [f"note {i}" for i in range(30)],
        "a": [float(i % 7) for i in range(30)],
        "b": [float(i % 5) for i in range(30)],
        "label": ["yes", "no", "no"] * 10,
        "price": [1e9 + i * i for i in range(30)],
    }
    names = changes.pop("names", {})
    columns |= changes
    frame = pd.DataFrame({names.get(name, name): cells for name, cells in columns.items()})
    return read_table(frame[[*frame.columns]], target=target).digest()


def test_a_table_read_twice_has_one_digest() -> None:
    """So a run can be resumed on it."""
    assert digest_of() == digest_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"names": {"a": "aa"}},
        {"names": {"a": "b", "b": "a"}},
        {"row": range(2, 32)},
        {"note": ["another note", *(f"note {i}" for i in range(1, 30))]},
        {"a": [float(i % 7) for i in range(29)] + [0.25]},
        {"a": [str(float(i % 7)) for i in range(30)]},
        {"label": ["no", "no", "yes"] * 10},
    ],
    ids=["name", "names exchanged", "row number", "text of one row each", "cell", "text for numbers", "labels"],
)
def test_the_digest_of_a_table_holds_names_and_every_cell(changes: dict[str, Any]) -> None:
    """A table that differs in anything is another table: a killed run is not resumed on it."""
    assert digest_of(**changes) != digest_of()


def test_the_digest_of_a_table_holds_all_digits_of_its_targets() -> None:
    """Also those that no table of predictions shows."""
    changed = [1e9 + i * i + (1e-4 if i == 3 else 0) for i in range(30)]
    assert digest_of("price", price=changed) != digest_of("price")
