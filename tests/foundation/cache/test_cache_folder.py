"""Where the cache is, and what takes its place where the user's folder cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.foundation.cache import cache_folder
from headstart.foundation.cache.cache_folder import private_folder, warn_if_temporary
from headstart.foundation.cache.notes import read_note, write_note
from headstart.foundation.errors import StackError


@pytest.fixture
def unusable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which no folder can be created: a file stands for a folder without write permission."""
    home = tmp_path / "home"
    home.touch()
    monkeypatch.setenv("HOME", str(home))
    for name in ("HEADSTART_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # restored at the end, although the code under test sets it
        monkeypatch.delenv(name)
    monkeypatch.setattr(cache_folder, "_unusable", [])
    return home


@pytest.mark.skipif(sys.platform == "win32", reason="the variables of POSIX systems")
def test_private_folder_is_temporary_where_the_home_cannot_be_written_to(unusable: Path) -> None:
    """All folders are in one temporary cache, which child processes use, too; a warning says that it is removed."""
    folder = private_folder("features")
    assert folder.is_dir()
    assert unusable not in folder.parents
    assert private_folder("notes").parent == folder.parent == Path(os.environ["HEADSTART_CACHE"])
    with pytest.warns(UserWarning, match=r"cache folder cannot be used \(.*home.*set HEADSTART_CACHE"):
        warn_if_temporary()


@pytest.mark.skipif(sys.platform == "win32", reason="the variables of POSIX systems")
def test_private_folder_is_temporary_where_an_existing_cache_is_read_only(
    unusable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that is mounted read-only may hold the folders of earlier runs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "earlier"))
    earlier = private_folder("features")
    assert tmp_path in earlier.parents
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != earlier and access(path, mode))
    assert tmp_path not in private_folder("features").parents


@pytest.mark.skipif(sys.platform == "win32", reason="the variables of POSIX systems")
def test_temporary_cache_is_removed_when_the_process_ends(unusable: Path) -> None:
    """Nothing is left on the disk."""
    code = "from headstart.foundation.cache.cache_folder import private_folder; print(private_folder('features'))"
    environment = {name: value for name, value in os.environ.items() if name not in ("HEADSTART_CACHE", "XDG_CACHE_HOME")}
    made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not Path(made.stdout.strip()).parent.exists()


def test_private_folder_does_not_replace_a_cache_that_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that the user named is used or rejected (H601), never replaced."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StackError, match="H601"):
        private_folder("features")


def test_warn_if_temporary_is_silent_for_the_usual_cache(recwarn: pytest.WarningsRecorder) -> None:
    """There is nothing to report if the cache is kept."""
    private_folder("features")
    warn_if_temporary()
    assert not list(recwarn)


def test_notes_are_written_and_read() -> None:
    """A note is a JSON object in a folder of the cache."""
    write_note("notes", "test.json", {"a": 1})
    assert read_note("notes", "test.json") == {"a": 1}
    assert read_note("notes", "other.json") == {}


def test_note_that_cannot_be_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work that the note is about has succeeded; reading it later gives an empty note."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="not noted in the cache: cannot write to disk"):
        write_note("notes", "test.json", {"a": 1})
    assert read_note("notes", "test.json") == {}
