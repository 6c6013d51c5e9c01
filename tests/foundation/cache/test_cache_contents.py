"""The cache: it is private, can be listed and cleared by kind, and is pruned by last use even if processes are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headstart.data.images.image_cache import Squares
from headstart.features.feature_store import Record, Store
from headstart.foundation.cache.cache_contents import clear, parts, prune
from headstart.foundation.cache.cache_folder import private_folder
from headstart.foundation.errors import HeadstartError
from headstart.foundation.fingerprint import settings_digest
from headstart.models.fitting import open_store

Call = Callable[..., tuple[int, str, str]]

NAMES = ("first", "second", "third")
SPACES = [settings_digest(space=name) for name in NAMES]
DIGESTS = [settings_digest(sample=number) for number in range(40)]
ROW = Record(bytes(20_000), 0.0)  # of which a space holds 0.8 MB
GEOMETRY = {"size": 100, "crop": 1.0, "filter": "bicubic"}  # 30 kB a square


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def in_child(code: str, cache: Path) -> subprocess.Popen[str]:
    """A Python process that holds the names of this module."""
    prelude = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from test_cache_contents import *\n"
    command = [sys.executable, "-c", prelude + code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, env=os.environ | {"HEADSTART_CACHE": str(cache)}, text=True, **pipes)


def run_child(code: str, cache: Path) -> None:
    """Run such a process to its end."""
    process = in_child(code, cache)
    process.communicate()
    assert process.returncode == 0


def fill(cache: Path) -> None:
    """Store rows of three spaces, last used one, two and three hours ago, by a process that has ended."""
    code = "store = open_store()\nfor space in SPACES:\n    store.write(space, [(digest, ROW) for digest in DIGESTS])"
    run_child(code, cache)
    for hours, space in enumerate(SPACES, 1):
        age(cache / "features" / "uses" / space, hours)


def age(path: Path, hours: float) -> None:
    """Let a file look as if it was last used so many hours ago."""
    used = path.stat().st_mtime - 3600 * hours
    os.utime(path, (used, used))


def num_rows() -> list[int]:
    """How many rows of each space are stored."""
    return [sum(row == ROW for row in open_store().read(space, DIGESTS)) for space in SPACES]


def three_lines(error: HeadstartError, code: str) -> None:
    """An error that says what was received, what was expected and what to do."""
    assert error.code == code
    assert all((error.received, error.expected, error.advice))
    assert len(str(error).splitlines()) == 4


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_folder_of_the_cache_is_its_owners_alone_whatever_the_umask(cache: Path, umask: int) -> None:
    """The cache and the folder are made for the owner alone; a folder that others could read is closed."""
    before = os.umask(umask)
    try:
        folder = private_folder("features")
        folder.chmod(0o755)
        private_folder("features")
    finally:
        os.umask(before)
    assert [oct(path.stat().st_mode & 0o777) for path in (cache, folder)] == ["0o700", "0o700"]


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
@pytest.mark.parametrize("name", ["", "features"])
def test_a_cache_that_others_may_write_is_not_used(
    cache: Path, mode: int, name: str, photos: Callable[..., Path], call: Call
) -> None:
    """A fit ends in three lines, before it reads or stores anything there."""
    (cache / "features").mkdir(parents=True, mode=0o700)
    (cache / name).chmod(mode)
    code, _, told = call("fit", photos(), "--trial", "linear", "--out", cache.parent / "run", "--quiet")
    assert code == 2
    assert "StackError H603: the cache folder is not private\n  received   " in told
    assert "other users may write to it" in told
    assert list((cache / "features").iterdir()) == []


def test_a_cache_of_another_user_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither read nor pruned nor cleared."""
    fill(cache)
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0")
    monkeypatch.setattr(os, "getuid", lambda: cache.stat().st_uid + 1)
    for use in (lambda: private_folder("features"), open_store, prune, lambda: clear(["all"])):
        with pytest.raises(HeadstartError) as caught:
            use()
        three_lines(caught.value, "H603")
    assert (cache / "features" / "data.mdb").stat().st_size > 2e6


def test_rows_last_used_longest_ago_are_removed_first_and_their_room_is_given_back(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 2.5 MB of rows, 1 MB may stay: the space used last is whole, the others are gone, and so is the room they took."""
    fill(cache)
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0011")
    with pytest.warns(UserWarning, match=r"removed [\d,]+ MB from the cache, least recently used first"):
        removed = prune()
    assert num_rows() == [40, 0, 0]
    assert removed > 1.5e6
    assert sum(part.num_bytes for part in parts()) <= 1.1e6
    assert prune() == 0


def test_reading_rows_is_a_use_of_them(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The space that was written first and read last stays."""
    fill(cache)
    run_child("open_store().read(SPACES[2], DIGESTS[:1])", cache)
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0011")
    with pytest.warns(UserWarning, match="removed"):
        prune()
    assert num_rows() == [0, 0, 40]


def test_rows_that_a_process_uses_are_not_pruned_until_it_has_ended(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run never loses the rows it is learning from; once it was killed, nothing holds them."""
    fill(cache)
    running = in_child("store = open_store(); print('open', flush=True); sys.stdin.read()", cache)
    assert running.stdout is not None
    assert running.stdout.readline() == "open\n"
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0")
    assert prune() == 0
    running.kill()
    running.communicate()
    with pytest.warns(UserWarning, match="removed"):
        assert prune() > 2e6
    assert num_rows() == [0, 0, 0]


def test_pruning_that_was_killed_is_finished_by_the_next(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a copy of the database and a folder on its way out are taken away, and the rows are whole."""
    fill(cache)
    for leftover in (cache / "features" / ".copy-abc", cache / ".gone-squares-1-2"):
        leftover.mkdir()
        (leftover / "data.mdb").write_bytes(b"half")
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0021")
    with pytest.warns(UserWarning, match="removed"):
        prune()
    assert num_rows() == [40, 40, 0]
    assert not [*cache.glob(".*"), *cache.glob("features/.*")]


def test_files_that_a_killed_process_was_writing_are_removed_after_a_day(cache: Path) -> None:
    """Those of today may be another process's."""
    old, new = (private_folder("graphs") / name for name in (".writing-old", ".writing-new"))
    old.mkdir()
    new.mkdir()
    age(old, 25)
    prune()
    assert [old.exists(), new.exists()] == [False, True]


def test_all_kinds_are_pruned_together_by_last_use(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares and graphs go before rows that were used later; the files of a graph go together; weights of Keras stay."""
    fill(cache)
    squares = Squares(private_folder("squares"), GEOMETRY)
    for number, digest in enumerate(DIGESTS):
        squares.write(digest, np.zeros((100, 100, 3), np.uint8))
        age(squares._path(digest), 10 if number < 20 else 0)
    for name in ("old.xml", "old.bin", "new.xml", "new.bin"):
        (private_folder("graphs") / name).write_bytes(bytes(300_000))
        age(cache / "graphs" / name, 1.5 if "new" in name else 20)
    (private_folder("keras") / "models").write_bytes(bytes(5_000_000))
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0034")
    with pytest.warns(UserWarning, match="removed"):
        prune()
    assert [squares.read(digest) is not None for digest in DIGESTS] == [False] * 20 + [True] * 20
    assert sorted(path.name for path in (cache / "graphs").iterdir()) == ["new.bin", "new.xml"]
    assert num_rows() == [40, 40, 0]
    assert (cache / "keras" / "models").exists()


def test_reading_a_square_is_a_use_of_it(cache: Path) -> None:
    """A square that was read is as old as the day it was read."""
    squares = Squares(private_folder("squares"), GEOMETRY)
    squares.write(DIGESTS[0], np.zeros((100, 100, 3), np.uint8))
    (path,) = [path for path in cache.rglob(DIGESTS[0]) if path.is_file()]
    written = path.stat().st_mtime
    age(path, 100)
    assert squares.read(DIGESTS[0]) is not None
    assert path.stat().st_mtime >= written


def test_clearing_removes_what_is_named_while_another_process_uses_it(cache: Path, call: Call) -> None:
    """The process goes on with the rows it has open; others begin with an empty store."""
    fill(cache)
    (private_folder("notes") / "speeds.json").write_text("{}")
    running = in_child(
        "store = open_store(); print('open', flush=True); sys.stdin.readline(); print(num_rows())\n"
        "store.write(SPACES[0], [(DIGESTS[0], ROW)])",
        cache,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "open\n"
    code, out, _ = call("cache", "--clear", "rows", "--json")
    told = json.loads(out)
    assert (code, [row["kind"] for row in told["contents"]]) == (0, ["notes"])
    assert told["removed_bytes"] > 2e6
    assert running.communicate("go\n")[0] == "[40, 40, 40]\n"
    assert running.returncode == 0
    assert Store(private_folder("features")).read(SPACES[0], DIGESTS[:1]) == [None]


def test_the_command_shows_size_age_and_meaning(cache: Path, call: Call) -> None:
    """Each kind that is there is a row, for a person and for a script."""
    fill(cache)
    (private_folder("notes") / "speeds.json").write_text("{}")
    code, out, _ = call("cache")
    assert code == 0
    assert "3 hours ago" in out
    assert "rows of Part A" in out
    assert "are limited to 20 GB" in out
    told = json.loads(call("cache", "--json")[1])
    rows, notes = told["contents"]
    assert (rows["kind"], notes["kind"], told["bound_bytes"]) == ("rows", "notes", 20e9)
    assert rows["bytes"] > 2e6
    assert 3000 < rows["unused_seconds"] < 4000 < rows["oldest_seconds"]
    assert told["bytes"] == rows["bytes"] + notes["bytes"]


def test_a_file_in_place_of_the_cache_is_named(cache: Path, call: Call) -> None:
    """H601, when the cache is shown and when it is used."""
    cache.write_text("mine")
    code, _, told = call("cache")
    assert (code, "H601" in told, "it is a file, not a folder" in told) == (1, True, True)
    with pytest.raises(HeadstartError, match="it is a file, not a folder"):
        private_folder("graphs")
    assert cache.read_text() == "mine"


def test_an_unknown_kind_is_rejected(call: Call) -> None:
    """The error names the kinds that there are."""
    code, _, told = call("cache", "--clear", "everything")
    assert code == 2
    assert "H605" in told
    assert "rows, squares, graphs, pictures, keras, matplotlib, notes, scratch or all" in told


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_no_number_of_gigabytes_is_rejected(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and what holds without it."""
    monkeypatch.setenv("HEADSTART_CACHE_GB", text)
    with pytest.raises(HeadstartError) as caught:
        prune()
    three_lines(caught.value, "H604")
