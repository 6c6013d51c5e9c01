"""A table is read from a file of any supported kind, packed or not; every other kind gets the command that converts it."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from headstart.data.readers.read import read_table
from headstart.data.skipped import Skipped
from headstart.data.tables.files import archives
from headstart.data.tables.files.conversions import COMMANDS, CONVERSIONS
from headstart.data.tables.files.read_cells import FORMATS, is_table_name, read_cells, table_name
from headstart.foundation.errors import DatasetError

FRAME = pd.DataFrame({"size": [1.5, 2.5, 3.25], "town": ["Ulm", "Graz", None], "id": [2**53 + 1, 7, 8]})
CSV = FRAME.to_csv(index=False).encode()
CELLS = [("1.5", "Ulm", "9007199254740993"), ("2.5", "Graz", "7"), ("3.25", "", "8")]


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of these files."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return memory.getvalue()


def arrow_stream() -> bytes:
    """The table as an Arrow stream, which is how the Hugging Face hub stores tables."""
    memory, table = io.BytesIO(), pa.Table.from_pandas(FRAME)
    with pa.ipc.new_stream(memory, table.schema) as stream:
        stream.write_table(table)
    return memory.getvalue()


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    """What a function writes to a file."""
    memory = io.BytesIO()
    write(memory)
    return memory.getvalue()


FILES = {
    "t.csv": CSV,
    "t.csv.gz": gzip.compress(CSV),
    "t.CSV.GZ": gzip.compress(CSV),
    "t.tsv.gz": gzip.compress(CSV.replace(b",", b"\t")),
    "t.csv.bz2": bz2.compress(CSV),
    "t.csv.xz": lzma.compress(CSV),
    "gzip without its suffix.csv": gzip.compress(CSV),
    "t.zip": zipped(
        {"deep/t.csv": CSV, "__MACOSX/deep/._t.csv": b"\0", "README.txt": b"About this table", "notes.json": b"{}"}
    ),
    "t.json": FRAME.to_json(orient="records").encode(),
    "columns.json": FRAME.to_json().encode(),
    "split.json": FRAME.to_json(orient="split").encode(),
    "index.json": FRAME.to_json(orient="index").encode(),
    "service.json": json.dumps({"count": 3, "data": FRAME.replace({np.nan: None}).to_dict("records")}).encode(),
    "lists.json": json.dumps(FRAME.replace({np.nan: None}).to_dict("list")).encode(),
    "t.jsonl": FRAME.to_json(orient="records", lines=True).encode(),
    "lines.json": FRAME.to_json(orient="records", lines=True).encode(),
    "output.manifest": FRAME.to_json(orient="records", lines=True).encode(),
    "lines.csv": b"\xef\xbb\xbf" + FRAME.to_json(orient="records", lines=True).encode(),
    "document.txt": FRAME.to_json(orient="records", indent=2).encode(),
    "t.ndjson.gz": gzip.compress(FRAME.to_json(orient="records", lines=True).encode()),
    "t.parquet": written(FRAME.to_parquet),
    "parquet without its suffix": written(FRAME.to_parquet),
    "t.feather": written(FRAME.to_feather),
    "t.arrow": arrow_stream(),
    "t.dat": CSV.replace(b",", b";"),
    "any text.test": CSV,
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file_holds_the_cells_that_the_csv_file_holds(tmp_path: Path, name: str) -> None:
    """Names, rows and whole numbers that float64 would round are those of the CSV file."""
    (tmp_path / name).write_bytes(FILES[name])
    table, skipped = read_cells(tmp_path / name)
    assert (table.names, skipped) == (("size", "town", "id"), [])
    rows = zip(
        *([f"{c:g}" if isinstance(c, float) else c for c in column.tolist()] for column in table.columns), strict=True
    )
    assert list(rows) == CELLS


def test_table_names_have_no_suffix() -> None:
    """The name of a packed table has neither of its suffixes."""
    assert [table_name(Path(name)) for name in ("a/pay.csv", "pay.csv.gz", "pay.2024.csv")] == ["pay", "pay", "pay.2024"]
    assert all(is_table_name(f"t{suffix}") for suffix in FORMATS)


def test_nested_records_become_columns_and_lines_that_are_no_records_are_listed(tmp_path: Path) -> None:
    """Each line counts as a row, so that its number is that in the file."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"size": {"w": 1, "h": 2}, "tags": ["a", "b"]}\n\n[1]\n{"size": {"w": 3}, "tags": []}\noops\n')
    table, skipped = read_cells(path)
    assert table.names == ("size.w", "size.h", "tags")
    assert table.column("tags").tolist() == ["a;b", ";"]
    assert table.row_numbers().tolist() == [1, 3]
    assert skipped == [Skipped("row 2", "not a JSON object"), Skipped("row 4", "not a JSON object")]


RECORDS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "x"}]


@pytest.mark.parametrize(
    "document",
    [
        {"train": RECORDS, "Test": RECORDS[:1]},
        {"data": {"train": RECORDS, "test": RECORDS[:1]}},
        {"train": {"a": [1, 2, 3], "b": ["x", "y", "x"]}, "test": {"a": [1], "b": ["x"]}},
    ],
    ids=["lists", "within", "columns"],
)
def test_lists_of_records_by_split_are_splits(tmp_path: Path, document: object) -> None:
    """Every row is read."""
    (tmp_path / "t.json").write_text(json.dumps(document))
    table, skipped = read_cells(tmp_path / "t.json")
    assert table.splits is not None
    assert (table.splits.tolist(), table.column("b").tolist()) == (["train"] * 3 + ["test"], ["x", "y", "x", "x"])
    assert (table.notes, skipped) == ((), [])


def test_lists_of_records_that_are_not_read_are_named(tmp_path: Path) -> None:
    """The longest of several is read; or the splits, if there are any."""
    (tmp_path / "t.json").write_text(json.dumps({"authors": RECORDS[:1], "rows": RECORDS, "count": 3, "kinds": RECORDS[:2]}))
    table, _ = read_cells(tmp_path / "t.json")
    assert (len(table), table.notes) == (3, ("read the list rows of the file; authors, kinds are not read",))
    (tmp_path / "t.json").write_text(json.dumps({"train": RECORDS, "test": RECORDS, "kinds": RECORDS}))
    table, _ = read_cells(tmp_path / "t.json")
    assert (len(table), table.notes) == (6, ("read the lists train, test of the file; kinds is not read",))


@pytest.mark.parametrize(
    "document",
    [
        *(None, 7, "a", [], {}, [1], [None], [[1, 2]], {"a": []}, {"a": [1], "b": [2, 3]}, {"train": [], "test": []}),
        {"columns": 7, "data": [[1, 2]]},
        {"columns": ["a"], "data": 7},
        {"columns": ["a"], "data": None},
        {"columns": ["a"], "data": [[1, 2]]},
        {"columns": ["a", "b"], "data": [1]},
        {"columns": ["a", "b"], "data": [None, [1, 2], [3, 4]]},
        {"columns": [{"a": 1}, "b"], "data": [[1, 2]]},
    ],
)
def test_json_that_is_no_table_is_an_error(tmp_path: Path, document: object) -> None:
    """H107 for every shape."""
    (tmp_path / "t.json").write_text(json.dumps(document))
    with pytest.raises(DatasetError, match="H107"):
        read_cells(tmp_path / "t.json")


@pytest.mark.parametrize("depth", [1500, 100_000])
def test_json_that_is_nested_too_deeply_is_an_error(tmp_path: Path, depth: int) -> None:
    """As a document, and as the only line of JSON Lines."""
    for name, around in (("t.json", "[{}]"), ("t.jsonl", "{}")):
        (tmp_path / name).write_text(around.replace("{}", '{"a":' * depth + "1" + "}" * depth))
        with pytest.raises(DatasetError, match="H107"):
            read_cells(tmp_path / name)


def test_columns_of_several_levels_have_joined_names(tmp_path: Path) -> None:
    """As in a data frame."""
    (tmp_path / "t.json").write_text(json.dumps({"columns": [["a", "x"], ["a", "y"]], "data": [[1, 2], [3, 4]]}))
    assert read_cells(tmp_path / "t.json")[0].names == ("a_x", "a_y")


def test_arrays_become_a_table_with_the_target_y(tmp_path: Path) -> None:
    """X and y, with splits if their names say so; one-hot rows become one column."""
    x = np.arange(12.0).reshape(6, 2)
    np.savez(tmp_path / "a.npz", X=x, y=[0, 1, 0, 1, 0, 1], feature_names=["age", "pay"])
    table, _ = read_cells(tmp_path / "a.npz")
    assert (table.names, table.targets, table.splits) == (("age", "pay", "y"), ("y",), None)
    np.savez(tmp_path / "s.npz", x_train=x[:4], y_train=np.eye(3)[[0, 1, 2, 0]], x_test=x[4:], y_test=np.eye(3)[[1, 2]])
    table, _ = read_cells(tmp_path / "s.npz")
    assert table.splits is not None
    assert table.splits.tolist() == ["train"] * 4 + ["test"] * 2
    assert table.column("y").tolist() == [0, 1, 2, 0, 1, 2]


def test_arrays_without_their_other_are_listed(tmp_path: Path) -> None:
    """Features without targets, and targets without features, are skipped row by row, and named."""
    x = np.arange(12.0).reshape(6, 2)
    np.savez(tmp_path / "s.npz", x_train=x[:4], y_train=[0, 1, 0, 1], x_test=x[4:], y_val=[1])
    table, skipped = read_cells(tmp_path / "s.npz")
    assert (len(table), table.notes) == (4, ("not used: x_test, y_val",))
    assert skipped == [
        Skipped("x_test[0]", "the file has no targets for x_test"),
        Skipped("x_test[1]", "the file has no targets for x_test"),
        Skipped("y_val[0]", "the file has no features for y_val"),
    ]


@pytest.mark.parametrize(
    ("arrays", "advice"),
    [
        ({"x_train": np.zeros((4, 2)), "y_train": np.zeros(4), "x_test": np.zeros((2, 2)), "y_test": np.zeros((2, 3))}, ""),
        ({"x_train": np.zeros((4, 8, 8)), "y_train": np.zeros(4)}, "hs.read_arrays"),
        ({"a": np.zeros((4, 2))}, "numpy.savez"),
        ({"X": np.zeros((4, 2)), "y": np.zeros(3)}, "numpy.savez"),
    ],
)
def test_arrays_that_are_no_table_are_listed(tmp_path: Path, arrays: dict[str, np.ndarray], advice: str) -> None:
    """H107 with the shapes that were found."""
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DatasetError, match=r"H107(.|\n)*\(4, ") as caught:
        read_cells(tmp_path / "a.npz")
    assert advice in caught.value.advice


@pytest.mark.parametrize("suffix", [*CONVERSIONS, *filter(None, COMMANDS), ".sqlite", ".hdf5"])
def test_a_kind_that_is_not_read_gets_the_next_thing_to_do(tmp_path: Path, suffix: str) -> None:
    """H122, and a command that names the file; Python in it can be compiled."""
    path = tmp_path / f"my table{suffix}"
    path.write_bytes(b"anything")
    with pytest.raises(DatasetError, match="H122") as caught:
        read_cells(path)
    assert "{" not in caught.value.advice
    if "python -c" in caught.value.advice:
        program = caught.value.advice.partition("python -c '")[2].removesuffix("'")
        compile(program, "advice", "exec")
        assert str(path) in program


@pytest.mark.parametrize("suffix", [".dta", ".arff", ".mat", ".orc", ".svm"])
def test_the_command_that_converts_a_file_works(tmp_path: Path, suffix: str) -> None:
    """For each kind that needs no other package, the program writes a CSV file that is read."""
    scipy_io = pytest.importorskip("scipy.io")
    path, numbers = tmp_path / f"t{suffix}", pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    if suffix == ".dta":
        numbers.to_stata(path, write_index=False)
    elif suffix == ".arff":
        path.write_text("@relation r\n@attribute a numeric\n@attribute b {x,y}\n@data\n1,x\n2,y\n")
    elif suffix == ".mat":
        scipy_io.savemat(path, {"X": numbers.to_numpy(), "y": [1, 0]})
    elif suffix == ".orc":
        numbers.to_orc(path)
    else:
        path.write_text("1 1:3 2:4\n0 1:5\n")
    with pytest.raises(DatasetError, match="H122") as caught:
        read_cells(path)
    limit = csv.field_size_limit()
    exec(caught.value.advice.partition("python -c '")[2].removesuffix("'"), {})
    csv.field_size_limit(limit)  # scipy's reader of .arff raises it for the whole process
    assert len(read_cells(path.with_suffix(".csv"))[0]) == 2


@pytest.mark.parametrize("content", [b"\x89HDF\r\n", b"SQLite format 3\0", b"%PDF-1.4", b"\0\1\2 anything"])
def test_the_first_bytes_tell_a_kind_that_the_suffix_does_not(tmp_path: Path, content: bytes) -> None:
    """H122 for a file of another kind, also without a suffix that says so."""
    (tmp_path / "t.unknown").write_bytes(content)
    with pytest.raises(DatasetError, match="H122"):
        read_cells(tmp_path / "t.unknown")


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.csv.bz2", "bomb.csv.xz", "bomb.zip", "bomb.xlsx", "bomb.npz"])
def test_a_file_that_unpacks_to_too_much_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """H123, before all of it is unpacked."""
    monkeypatch.setattr(archives, "_ALWAYS_BYTES", 1 << 20)
    zeros = b"a,b\n" + b"0,0\n" * (1 << 21)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(Path(name).suffix)
    inner = {".xlsx": "xl/workbook.xml", ".npz": "X.npy"}.get(Path(name).suffix, "t.csv")
    (tmp_path / name).write_bytes(pack(zeros) if pack else zipped({inner: zeros}))
    with pytest.raises(DatasetError, match="H123"):
        read_cells(tmp_path / name)


def test_an_archive_of_very_many_files_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H123 for more files than any table has."""
    monkeypatch.setattr(archives, "_MAX_MEMBERS", 3)
    (tmp_path / "t.zip").write_bytes(zipped({f"{i}.csv": CSV for i in range(4)}))
    with pytest.raises(DatasetError, match="H123"):
        read_cells(tmp_path / "t.zip")


@pytest.mark.parametrize(
    "name", ["t.csv.gz", "t.csv.bz2", "t.csv.xz", "t.zip", "t.npz", "t.json", "t.jsonl", "t.arrow", "t.feather"]
)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_damaged_files_are_reported(tmp_path: Path, name: str, share: float) -> None:
    """H107 for a file that ends too soon, whatever its kind."""
    np.savez(tmp_path / "whole.npz", X=np.zeros((9, 2)), y=np.zeros(9))
    whole = FILES.get(name) or (tmp_path / "whole.npz").read_bytes()
    if name == "t.jsonl" and share:
        pytest.skip("whole lines are read, and the others are listed")
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DatasetError, match="H107"):
        read_cells(tmp_path / name)


def test_an_archive_of_several_tables_or_of_none_is_reported_with_what_is_in_it(tmp_path: Path) -> None:
    """H107 names the tables, and the command that unpacks them."""
    for files, told in (
        ({"a.csv": CSV, "b.csv": CSV}, "a.csv, b.csv"),
        ({}, "without files"),
        ({"t.zip": zipped({})}, "within"),
    ):
        (tmp_path / "t.zip").write_bytes(zipped(files))
        with pytest.raises(DatasetError, match="H107") as caught:
            read_cells(tmp_path / "t.zip")
        assert told in caught.value.received
        assert "unpack it" in caught.value.advice


def test_spreadsheets_need_a_package_and_say_which(tmp_path: Path) -> None:
    """H124 gives the command that installs it."""
    if find_spec("python_calamine") or find_spec("openpyxl"):
        pytest.skip("a package that reads spreadsheets is installed")
    (tmp_path / "t.xlsx").write_bytes(zipped({"xl/workbook.xml": b"<workbook/>"}))
    with pytest.raises(DatasetError, match="H124") as caught:
        read_cells(tmp_path / "t.xlsx")
    assert caught.value.advice.startswith("pip install python-calamine")


def test_a_spreadsheet_is_read_as_text_from_its_first_sheet_with_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever package reads it: titles, whole numbers and dates are as in a CSV file."""
    cells = [["age", "when", "town"], [31, pd.Timestamp("2024-05-30"), "Ulm"], [None, None, None], [7.5, "soon", "Graz"]]
    sheets = {"empty": pd.DataFrame(), "data": pd.DataFrame(cells, dtype=object)}
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: sheets)
    (tmp_path / "t.xlsx").write_bytes(zipped({"xl/workbook.xml": b"<workbook/>"}))
    table, _ = read_cells(tmp_path / "t.xlsx")
    assert table.names == ("age", "when", "town")
    assert list(zip(*(column.tolist() for column in table.columns), strict=True)) == [
        ("31", "2024-05-30 00:00:00", "Ulm"),
        ("7.5", "soon", "Graz"),
    ]


@pytest.mark.parametrize("cover", [[["Report"]], [["Report", None], ["of the year", None], ["by", "Ann"]]])
def test_sheets_that_are_not_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cover: list[list[str | None]]
) -> None:
    """A cover is not read, whether it comes first or has more than one line, and empty sheets are not named."""
    rows = pd.DataFrame([["age", "town"], [31, "Ulm"], [42, "Graz"]], dtype=object)
    sheets = {"cover": pd.DataFrame(cover), "2023": rows, "empty": pd.DataFrame(), "2024": rows}
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: sheets)
    (tmp_path / "t.xlsx").write_bytes(zipped({"xl/workbook.xml": b"<workbook/>"}))
    table, _ = read_cells(tmp_path / "t.xlsx")
    note = "read the sheet 2023; cover, 2024 are not read (to read one, save it as CSV)"
    assert (len(table), table.notes) == (2, (note,))
    with pytest.raises(DatasetError, match="H108") as caught:
        read_table(tmp_path / "t.xlsx", target="city")
    assert caught.value.received == f"--target city; the columns are age, town; {note}"
