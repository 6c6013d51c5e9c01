"""Cells of a column become paths of files: in the right folder, with a suffix, in either Unicode form, from any machine."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from headstart.data.readers.read import read_table
from headstart.data.readers.tables.image_paths import PathRule, find_rule, places_to_look
from headstart.foundation.errors import DatasetError

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


@pytest.mark.parametrize(
    "form",
    [
        "https://example.com/sets/photos/{}%20x.jpg?token=a",
        "/data/local-files/?d=photos/{}%20x.jpg",
        "/data/upload/3/0a1b2c3d-{} x.jpg",
        "s3://bucket/photos/{} x.jpg",
    ],
    ids=["web address", "Label Studio", "upload", "bucket"],
)
def test_addresses_of_files_that_are_here(tmp_path: Path, form: str) -> None:
    """Tools write where they had the files from; their tail leads to the file."""
    fill(tmp_path, *(f"photos/{name} x.jpg" for name in NAMES))
    cells = [form.format(name) for name in NAMES]
    rule = find_rule(cells, places_to_look(tmp_path))
    assert rule is not None
    assert [Path(rule.path(cell)) for cell in cells] == [tmp_path / "photos" / f"{name} x.jpg" for name in NAMES]


def test_folders_beside_the_table_s_are_looked_at_if_they_are_of_images(tmp_path: Path) -> None:
    """As in annotations/labels.csv and images/, but not in the folder of another data set."""
    fill(tmp_path, *(f"{folder}/{name}.jpg" for folder in ("images", "other") for name in NAMES), "annotations/labels.csv")
    assert find_rule([f"{name}.jpg" for name in NAMES], places_to_look(tmp_path / "annotations")) == PathRule(
        tmp_path / "images"
    )
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    assert find_rule([f"{name}.jpg" for name in NAMES], places_to_look(tmp_path / "annotations")) is None


def test_a_named_column_without_a_single_file_is_an_error(tmp_path: Path) -> None:
    """H117 names the column and an example, and not each row; with one file, the others are listed."""
    rows = ["photo,kind", *(f"{name}.jpg,{'xy'[i % 2]}" for i, name in enumerate(NAMES))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(DatasetError) as caught:
        read_table(tmp_path / "t.csv", image="photo")
    assert caught.value.code == "H117"
    assert caught.value.received.startswith("--image photo: no file called 0a.jpg, 1a.jpg; looked in ")
    fill(tmp_path, "0a.jpg", "1a.jpg")
    dataset = read_table(tmp_path / "t.csv", image="photo")
    assert (len(dataset), len(dataset.skipped)) == (2, 6)


def test_numbers_of_folds_are_named_as_not_used(tmp_path: Path) -> None:
    """The reason is printed in the first line of a run; a column of splits and a target are no such column."""
    fill(tmp_path, *(f"{name}.jpg" for name in NAMES))
    rows = [f"{name}.jpg,{'xy'[i % 2]},{i % 4}" for i, name in enumerate(NAMES)]
    (tmp_path / "t.csv").write_text("\n".join(["photo,kind,fold", *rows]))
    dataset = read_table(tmp_path / "t.csv", target="kind")
    assert set(dataset.split) == {""}
    assert dataset.task_reason.endswith("; the column fold is not used as a split: it names none")
    assert "not used" not in read_table(tmp_path / "t.csv", target="fold").task_reason


@pytest.mark.parametrize(
    ("folders", "splits"), [(("train", "test"), {"train", "test"}), (("a", "b"), {""}), (("val", "test"), {""})]
)
def test_paths_through_folders_of_splits_are_splits(tmp_path: Path, folders: tuple[str, str], splits: set[str]) -> None:
    """If one of them is for training; a column of splits goes before."""
    names = [f"{folders[i % 2]}/{name}.jpg" for i, name in enumerate(NAMES)]
    fill(tmp_path, *names)
    rows = [f"{name},{'xy'[i // 2 % 2]}" for i, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["photo,kind", *rows]))
    dataset = read_table(tmp_path / "t.csv")
    assert set(dataset.split) == splits
    assert ("; the splits are those of the paths" in dataset.task_reason) == (splits != {""})
    (tmp_path / "t.csv").write_text(
        "\n".join(["photo,kind,split", *(f"{row},{'train' if i % 4 else 'val'}" for i, row in enumerate(rows))])
    )
    assert set(read_table(tmp_path / "t.csv", target="kind").split) == {"train", "validation"}


@pytest.mark.parametrize(
    ("files", "advice"),
    [
        (["photos/0a.png"], "the table and the files have to agree: write 0a.png, or rename the files"),
        (["photos/0A.JPG"], "the table and the files have to agree: write 0A.JPG, or rename the files"),
        (["photos/0a.jpg"], "add the others, or name the column, to skip rows without an image: --image photo"),
        (["images.zip"], "unpack the images first: python -m zipfile -e {0}/images.zip {0}"),
        (["images.tar.gz"], "unpack the images first: python -m tarfile -e {0}/images.tar.gz {0}"),
        (
            [],
            "move the table into the folder with its images, or write whole paths; "
            "to learn from its other columns, delete this one",
        ),
    ],
    ids=["suffix", "case", "one of many", "archive", "tar", "nothing"],
)
def test_absent_images_say_what_is_there_instead(tmp_path: Path, files: list[str], advice: str) -> None:
    """H117 looks for a file of a similar name and for an archive."""
    fill(tmp_path, *files)
    rows = [f"{name}.jpg,{'xy'[i % 2]}" for i, name in enumerate(NAMES)]
    (tmp_path / "t.csv").write_text("\n".join(["photo,kind", *rows]))
    with pytest.raises(DatasetError) as caught:
        read_table(tmp_path / "t.csv")
    assert (caught.value.code, caught.value.advice) == ("H117", advice.format(tmp_path))


def test_images_on_the_web_are_to_be_downloaded(tmp_path: Path) -> None:
    """Their folders are those of a server; once downloaded, they are found by the last part of the address."""
    rows = [f"https://example.org/{name}.jpg,{'xy'[i % 2]}" for i, name in enumerate(NAMES)]
    (tmp_path / "t.csv").write_text("\n".join(["photo,kind", *rows]))
    with pytest.raises(DatasetError, match="H117") as caught:
        read_table(tmp_path / "t.csv")
    assert caught.value.advice.startswith(f"download the images into {tmp_path}, under the last parts of their addresses")
    fill(tmp_path, *(f"{name}.jpg" for name in NAMES))
    assert len(read_table(tmp_path / "t.csv")) == len(NAMES)


@pytest.mark.parametrize(
    ("name", "measured", "is_image"), [("id", 0, True), ("age", 0, False), ("id", 2, False), ("image", 1, True)]
)
def test_numbers_are_ids_of_images_only_if_called_so(tmp_path: Path, name: str, measured: int, is_image: bool) -> None:
    """A table of measurements beside a folder of numbered images is a table of features."""
    fill(tmp_path, *(f"photos/{i}.jpg" for i in range(30)))
    columns = ["", "width", "size"][1 : measured + 1]
    rows = [",".join([str(i), *[f"{i}.5"] * measured, "xy"[i % 2]]) for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join([",".join([name, *columns, "kind"]), *rows]))
    assert (read_table(tmp_path / "t.csv").table is None) == is_image


@pytest.mark.parametrize("image", [None, "path"])
def test_different_paths_are_never_one_file(tmp_path: Path, image: str | None) -> None:
    """Without their folders, pictures of two classes would be the same files; paths of other signs are the same path."""
    fill(tmp_path, *(f"images/{i}.png" for i in range(30)))
    cells = [f"/data/{kind}s/{i}.png" for kind in ("cat", "dog") for i in range(30)]
    rows = [f"{cell},{cell.split('/')[2]}" for cell in cells]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    with pytest.raises(DatasetError) as caught:
        read_table(tmp_path / "list.csv", image=image)
    assert caught.value.code == "H117"
    assert "/data/cats/0.png, /data/dogs/0.png have one name" in caught.value.received
    fill(tmp_path, *(cell[1:] for cell in cells))
    assert len(set(read_table(tmp_path / "list.csv", image=image).paths)) == 60
    places = places_to_look(tmp_path / "images")
    assert find_rule(["/a/1.png", "//a/1.png", r"\a\1.png"], places) == PathRule(tmp_path / "images", 1)
