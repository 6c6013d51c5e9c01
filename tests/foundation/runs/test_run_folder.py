"""Files of a run are written atomically, names survive, damage is detected, and no run is overwritten."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headstart.foundation.errors import RunError, StackError
from headstart.foundation.runs.files import (
    append_json_line,
    read_csv,
    read_json,
    read_json_lines,
    replacing,
    write_bytes,
    write_csv,
    write_json,
)
from headstart.foundation.runs.run_folder import FORMAT, RunFolder
from headstart.foundation.text import printable

NAMES = [
    "a\nb.jpg",
    "<script>alert(1)</script>.jpg",
    "caf\udce9.jpg",
    'quo"te, and comma.jpg',
    "a\r\x1b[31m\t.jpg",
    "猫.jpg",
]

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
reuse_tmp_path = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def names_in(folder: Path) -> list[str]:
    """Everything in a folder, whatever its name."""
    return sorted(path.name for path in folder.iterdir())


def test_a_write_replaces_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    """The new content stands at the name, whole, and no scratch folder stays."""
    write_bytes(tmp_path / "new" / "file.bin", b"old")
    write_bytes(tmp_path / "new" / "file.bin", b"new")
    assert (tmp_path / "new" / "file.bin").read_bytes() == b"new"
    assert names_in(tmp_path / "new") == ["file.bin"]


def test_the_scratch_name_keeps_the_suffix(tmp_path: Path) -> None:
    """Savers choose the format by the suffix, so the temporary file has the final one's."""
    with replacing(tmp_path / "model.weights.h5") as temporary:
        assert temporary.name == "model.weights.h5"
        assert temporary.parent != tmp_path
        temporary.write_bytes(b"weights")
    assert names_in(tmp_path) == ["model.weights.h5"]


def test_a_saver_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    """An error in the middle of a write changes nothing on disk and reaches the caller as it is."""
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")

    def save_half() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise ValueError("the saver broke")

    with pytest.raises(ValueError, match="the saver broke"):
        save_half()
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["model.keras"]


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """Whether the disk is full at the write or at the rename: H601 with the path, the old file whole, no litter."""
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, failing, refuse)
        with pytest.raises(StackError) as caught:
            write_bytes(path, b"new")
    assert caught.value.code == "H601"
    assert str(path) in caught.value.received
    assert "No space left" in caught.value.received
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["model.keras"]


def test_a_place_that_cannot_be_a_folder_is_told(tmp_path: Path) -> None:
    """A file where a folder should be is the disk's refusal, not a traceback."""
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(StackError) as caught:
        write_bytes(tmp_path / "file" / "inside.json", b"{}")
    assert caught.value.code == "H601"
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Nothing of the old folder is left in the new one."""
    for name in ("old", "new"):
        with replacing(tmp_path / "saved_model") as temporary:
            (temporary / "variables").mkdir(parents=True)
            (temporary / "variables" / name).write_bytes(b"weights")
    assert [p.name for p in (tmp_path / "saved_model").rglob("*")] == ["variables", "new"]
    assert names_in(tmp_path) == ["saved_model"]


def test_an_old_folder_stands_when_the_rename_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stood there before an error stands there still, a folder too."""
    with replacing(tmp_path / "saved_model") as temporary:
        temporary.mkdir()
        (temporary / "graph.pb").write_bytes(b"old")
    real_replace = Path.replace

    def refuse_new(self: Path, target: Path) -> Path:
        if (self / "graph.pb").exists() and (self / "graph.pb").read_bytes() == b"new":
            raise OSError(errno.EIO, "Input/output error")
        return real_replace(self, target)

    def replace_folder() -> None:
        with replacing(tmp_path / "saved_model") as temporary:
            temporary.mkdir()
            (temporary / "graph.pb").write_bytes(b"new")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse_new)
        with pytest.raises(StackError):
            replace_folder()
    assert (tmp_path / "saved_model" / "graph.pb").read_bytes() == b"old"
    assert names_in(tmp_path) == ["saved_model"]


@reuse_tmp_path
@given(value=st.recursive(any_text | st.integers() | st.booleans() | st.none(), st.lists))
def test_json_comes_back_as_it_went_in(tmp_path: Path, value: object) -> None:
    """Any text, undecodable bytes of a file name included, survives; the file itself is ASCII."""
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value
    assert (tmp_path / "value.json").read_bytes().isascii()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_that_others_cannot_read_is_refused(tmp_path: Path, value: float) -> None:
    """NaN is no JSON: nothing is written."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "value.json", {"val_loss": value})
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xfe"], ids=["missing", "cut short", "not text"])
def test_json_that_cannot_be_read_is_a_run_error(tmp_path: Path, content: bytes | None) -> None:
    """Missing and damaged files name themselves, under H502."""
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json") as caught:
        read_json(tmp_path / "run.json")
    assert caught.value.code == "H502"


def test_json_lines_without_the_torn_last_one(tmp_path: Path) -> None:
    """A line that a crash cut short is skipped, at whatever byte it was cut; the lines before it are all there."""
    path = tmp_path / "history.jsonl"
    rows = [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "path": "caf\udce9"}]
    for row in rows:
        append_json_line(path, row)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        assert read_json_lines(path) == rows[:1]
    path.write_bytes(whole)
    assert read_json_lines(path) == rows


def test_a_line_appended_after_a_torn_one_is_read(tmp_path: Path) -> None:
    """A run that was killed in the middle of a line and goes on loses that line alone."""
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"epoch": 1}\n{"epoch": 2, "val_l')
    append_json_line(path, {"epoch": 3})
    assert read_json_lines(path) == [{"epoch": 1}, {"epoch": 3}]


def test_no_json_lines_file_means_no_rows(tmp_path: Path) -> None:
    """A trial that never finished an epoch has no history, which is no error."""
    assert read_json_lines(tmp_path / "history.jsonl") == []


def test_a_line_that_cannot_be_appended_is_told(tmp_path: Path) -> None:
    """H601 with the path."""
    with pytest.raises(StackError, match=r"history\.jsonl") as caught:
        append_json_line(tmp_path / "missing folder" / "history.jsonl", {"epoch": 1})
    assert caught.value.code == "H601"


@pytest.mark.parametrize("name", NAMES)
def test_odd_file_names_survive_in_tables_and_json(tmp_path: Path, name: str) -> None:
    """Newlines, markup and undecodable bytes: escaped in a CSV, exact in JSON, and a row stays a row."""
    write_csv(tmp_path / "splits.csv", ["path", "split"], [[name, "train"], ["b.jpg", "test"]])
    assert read_csv(tmp_path / "splits.csv") == [
        {"path": printable(name), "split": "train"},
        {"path": "b.jpg", "split": "test"},
    ]
    assert len((tmp_path / "splits.csv").read_bytes().splitlines()) == 3
    write_json(tmp_path / "value.json", {name: name})
    assert read_json(tmp_path / "value.json") == {name: name}


@reuse_tmp_path
@given(rows=st.lists(st.tuples(any_text, any_text | st.none() | st.floats(allow_nan=False) | st.booleans())))
def test_a_table_has_a_row_for_every_row(tmp_path: Path, rows: list[tuple[str, Any]]) -> None:
    """Whatever the cells hold, each comes back in its own place: text printable, None empty, numbers exact."""
    write_csv(tmp_path / "table.csv", ["name", "value"], rows)

    def shown(cell: object) -> str:
        return "" if cell is None else printable(cell)

    assert read_csv(tmp_path / "table.csv") == [{"name": shown(a), "value": shown(b)} for a, b in rows]


@pytest.mark.parametrize("content", [None, b"path\n\xff\n"], ids=["missing", "not UTF-8"])
def test_a_table_that_cannot_be_read_is_a_run_error(tmp_path: Path, content: bytes | None) -> None:
    """H502, with the name of the file."""
    if content is not None:
        (tmp_path / "splits.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"splits\.csv") as caught:
        read_csv(tmp_path / "splits.csv")
    assert caught.value.code == "H502"


def test_runs_are_numbered_and_none_is_taken_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run gets the first number that is free, whoever made the folder that has it."""
    monkeypatch.chdir(tmp_path)
    assert RunFolder.create(None, "flowers").path == Path("runs/flowers-001")
    Path("runs/flowers-002").mkdir()
    assert RunFolder.create(None, "flowers").path == Path("runs/flowers-003")
    assert RunFolder.create(None, "shoes").name == "shoes-001"


@reuse_tmp_path
@given(data_name=st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(["..", "../..", "/etc", ""]))
def test_a_run_always_lies_in_runs(tmp_path_factory: pytest.TempPathFactory, data_name: str) -> None:
    """No name of a data set leads out of the folder of runs, or is hidden there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("somewhere"))
        folder = RunFolder.create(None, data_name)
        assert folder.path.resolve().parent == Path("runs").resolve()
        assert not folder.name.startswith(".")
        assert folder.path.is_dir()


def test_a_chosen_folder_may_be_new_or_empty(tmp_path: Path) -> None:
    """``--out`` is taken as it is; parents are made."""
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty", "x").path == tmp_path / "empty"
    assert RunFolder.create(tmp_path / "a" / "b", "x").path.is_dir()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    """A folder with anything in it, or a file of that name: H501, and it is as it was."""
    mine = tmp_path / "out" / "thesis.txt" if kind == "folder" else tmp_path / "out"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(RunError) as caught:
        RunFolder.create(tmp_path / "out", "x")
    assert caught.value.code == "H501"
    assert mine.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """``--out`` below a file: H601."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StackError) as caught:
        RunFolder.create(tmp_path / "file" / "run", "x")
    assert caught.value.code == "H601"


def make_run(path: Path) -> RunFolder:
    """A sealed run of three files."""
    folder = RunFolder.create(path, "x")
    folder.write_state({"status": "done", "classes": ["cat", "dog"]})
    write_bytes(folder.path / "model.keras", bytes(range(256)))
    append_json_line(folder.trial("lite0-linear") / "history.jsonl", {"epoch": 1})
    folder.seal()
    return folder


def test_a_sealed_run_is_whole(tmp_path: Path) -> None:
    """Opened again it has its state, and nothing is damaged; the manifest lists every file but itself."""
    make_run(tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    assert folder.state == {"format": FORMAT, "status": "done", "classes": ["cat", "dog"]}
    assert folder.damaged() == []
    listed = read_json(folder.path / "manifest.json")["files"]
    assert sorted(listed) == ["model.keras", "run.json", "trials/lite0-linear/history.jsonl"]


@pytest.mark.parametrize("position", [0, 100, 255])
def test_the_manifest_catches_one_flipped_bit(tmp_path: Path, position: int) -> None:
    """Size and name are the same, one bit is not: the file is named."""
    folder = make_run(tmp_path / "run")
    data = bytearray((folder.path / "model.keras").read_bytes())
    data[position] ^= 1
    (folder.path / "model.keras").write_bytes(data)
    assert folder.damaged() == ["model.keras"]


def test_the_manifest_catches_a_missing_file(tmp_path: Path) -> None:
    """A file that is gone is damaged too."""
    folder = make_run(tmp_path / "run")
    (folder.path / "trials" / "lite0-linear" / "history.jsonl").unlink()
    assert folder.damaged() == ["trials/lite0-linear/history.jsonl"]


def test_looks_at_the_test_split_are_counted_in_a_sealed_run(tmp_path: Path) -> None:
    """The count is the one value that changes after the manifest was written; any other change of run.json is H506."""
    folder = make_run(tmp_path / "run")
    folder.count_look()
    folder.count_look()
    assert folder.state == {"format": FORMAT, "status": "done", "classes": ["cat", "dog"], "test_looks": 2}
    assert folder.damaged() == []
    folder.write_state({**folder.state, "classes": ["dog", "cat"]})
    assert folder.damaged() == ["run.json"]
    with pytest.raises(RunError, match="H506"):
        RunFolder.open(folder.path)


def test_a_run_that_was_killed_can_be_opened(tmp_path: Path) -> None:
    """Without a manifest there is nothing to compare with, and nothing to complain about."""
    RunFolder.create(tmp_path / "run", "x").write_state({"status": "running"})
    folder = RunFolder.open(tmp_path / "run")
    folder.write_state({"status": "interrupted"})
    assert folder.state["status"] == "interrupted"
    assert folder.damaged() == []


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "H503"), ("{", "H502"), ('{"format": 99}', "H504"), ('{"status": "done"}', "H504"), ("[1]", "H502")],
    ids=["no run", "cut short", "newer", "no format", "a list"],
)
def test_what_is_no_run_of_ours_is_refused(tmp_path: Path, content: str | None, code: str) -> None:
    """A folder without a run, a damaged one and one of another format each have their code."""
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError) as caught:
        RunFolder.open(tmp_path)
    assert caught.value.code == code
