"""Cells of a column become paths of files: in the right folder, with a suffix, in either Unicode form, from any machine."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from headstart.data.readers.image_paths import PathRule, find_rule, places_to_look
from headstart.data.readers.table import read_table

NAMES = [f"{i}a" for i in range(8)]


def fill(folder: Path, *names: str) -> None:
    """Files with contents of their own."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


@pytest.mark.parametrize(
    ("cells", "place", "parts", "suffix"),
    [
        ([f"{name}.jpg" for name in NAMES], "photos", 0, ""),
        (NAMES, "photos", 0, ".jpg"),
        ([f"/home/ann/photos/{name}.jpg" for name in NAMES], "", 2, ""),
        ([rf"C:\pets\{name}.jpg" for name in NAMES], "photos", 1, ""),
    ],
    ids=["names", "ids", "another machine", "another system"],
)
def test_rule_leads_from_cells_to_files(tmp_path: Path, cells: list[str], place: str, parts: int, suffix: str) -> None:
    """Whatever the table has of a path, the file is found; of another machine's, as much is kept as fits."""
    fill(tmp_path, *(f"photos/{name}.jpg" for name in NAMES))
    rule = find_rule(cells, places_to_look(tmp_path), are_ids=bool(suffix))
    assert rule == PathRule(tmp_path / place, parts, suffix)
    assert [Path(rule.path(cell)) for cell in cells] == [tmp_path / "photos" / f"{name}.jpg" for name in NAMES]


def test_ids_are_files_only_if_all_are_and_only_if_asked(tmp_path: Path) -> None:
    """Numbers of any column would else name files by chance."""
    fill(tmp_path, *(f"photos/{name}.jpg" for name in NAMES[:-1]))
    places = places_to_look(tmp_path)
    assert find_rule(NAMES, places, are_ids=True) is None
    assert find_rule(NAMES[:-1], places) is None
    assert find_rule([f"{name}.jpg" for name in NAMES], places) is not None  # paths may miss some


def test_the_folder_with_the_most_files_counts(tmp_path: Path) -> None:
    """Of equally many, the one that is called like the table, then the first."""
    fill(tmp_path, *(f"{folder}/{name}.jpg" for folder in ("more", "test", "train") for name in NAMES), "few/0a.jpg")
    (tmp_path / "more" / "0a.jpg").unlink()
    cells, places = [f"{name}.jpg" for name in NAMES], places_to_look(tmp_path)
    assert find_rule(cells, places, "train") == PathRule(tmp_path / "train")
    assert find_rule(cells, places, "labels") == PathRule(tmp_path / "test")


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_unicode_forms_of_a_name_are_the_same_file(tmp_path: Path, written: str, stored: str) -> None:
    """A Mac decomposes the names of files; a table has them as they were typed."""
    names = [f"Müller {name}.jpg" for name in NAMES]
    fill(tmp_path, *(unicodedata.normalize(stored, name) for name in names))  # type: ignore[arg-type]
    cells = [unicodedata.normalize(written, name) for name in names]  # type: ignore[arg-type]
    rule = find_rule(cells, places_to_look(tmp_path))
    assert rule is not None
    assert all(rule.finds(cell) for cell in cells)


def test_paths_from_where_the_command_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the project's folder, and from elsewhere: the table is in a folder of it."""
    fill(tmp_path, *(f"data/photos/{name}.jpg" for name in NAMES))
    rows = [f"data/photos/{name}.jpg,{'xy'[i % 2]}" for i, name in enumerate(NAMES)]
    (tmp_path / "data" / "labels.csv").write_text("\n".join(["photo,kind", *rows]))
    for folder, table in ((tmp_path, Path("data/labels.csv")), (Path("/"), tmp_path / "data" / "labels.csv")):
        monkeypatch.chdir(folder)
        dataset = read_table(table)
        assert dataset.table is None
        assert len(dataset) == len(NAMES)


def test_numbers_are_no_ids_where_they_recur(tmp_path: Path) -> None:
    """A column of ages beside photographs with numbers stays a feature."""
    fill(tmp_path, *(f"photos/{i}.jpg" for i in range(10)))
    rows = [f"{i % 10},{'xy'[i % 2]}" for i in range(40)]
    (tmp_path / "people.csv").write_text("\n".join(["age,kind", *rows]))
    dataset = read_table(tmp_path / "people.csv")
    assert dataset.table is not None
    assert dataset.table.names == ("age",)


def test_places_are_the_table_s_folder_what_is_below_and_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three levels deep, each folder once, hidden ones never."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, "set/a/b/c/d/1.jpg", "set/.cache/1.jpg", "set/e/1.jpg", "beside/1.jpg")
    found = [path.resolve().relative_to(tmp_path).as_posix() for path in places_to_look(tmp_path / "set")]
    assert found == ["set", "set/a", "set/e", "set/a/b", "set/a/b/c", "."]
