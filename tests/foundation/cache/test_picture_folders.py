"""Folders of pictures: pruned by last use with the other kinds, and never while a process uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.foundation.cache.cache_contents import parts, prune
from headstart.foundation.cache.cache_folder import cache_folder
from headstart.foundation.cache.picture_folders import USED, picture_folder, remove_unused, unused_folders


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))


def run_child(code: str, *, is_to_end: bool = True) -> subprocess.Popen[str]:
    """Another process that knows ``picture_folder``."""
    code = f"import sys; from headstart.foundation.cache.picture_folders import picture_folder\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    if is_to_end:
        process.communicate()
        assert process.returncode == 0
    return process


def fill(name: str, hours: int) -> None:
    """Pictures of 1 MB, last used so many hours ago by a process that has ended."""
    run_child(f"(picture_folder({name!r}) / '1.jpg').write_bytes(bytes(10**6))")
    mark = cache_folder() / "pictures" / name / USED
    used = mark.stat().st_mtime - 3600 * hours
    os.utime(mark, (used, used))


def left() -> list[str]:
    """Names of the folders that are there."""
    return sorted(path.name for path in (cache_folder() / "pictures").iterdir())


def test_pictures_used_longest_ago_are_removed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a warning; time and size are those of the folder, whatever the times of its files."""
    for hours, name in enumerate(("a", "b", "c"), 1):
        fill(name, hours)
    part = next(part for part in parts() if part.kind == "pictures")
    assert (part.num_bytes, round((part.last_used - part.first_used) / 3600)) == (3 * 10**6, 2)
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0025")
    with pytest.warns(UserWarning, match="removed 1 MB from the cache"):
        prune()
    assert left() == ["a", "b"]


def test_use_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that was made first and used last stays."""
    for hours, name in enumerate(("a", "b", "c"), 1):
        fill(name, hours)
    run_child("picture_folder('c')")
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0012")
    with pytest.warns(UserWarning, match="removed"):
        prune()
    assert left() == ["c"]


def test_pictures_in_use_are_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By this process or another one, until it has ended, even if it was killed."""
    fill("a", 1)
    fill("b", 2)
    picture_folder("a")
    running = run_child("picture_folder('b'); print('used', flush=True); sys.stdin.read()", is_to_end=False)
    assert running.stdout is not None
    assert running.stdout.readline() == "used\n"
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0")
    assert prune() == 0
    remove_unused(cache_folder() / "pictures" / "b")
    assert left() == ["a", "b"]
    running.kill()
    running.communicate()
    with pytest.warns(UserWarning, match="removed"):
        prune()
    assert left() == ["a"]


def test_folder_that_was_cleared_is_made_again() -> None:
    """A process that had used it locks the new folder."""
    folder = picture_folder("a")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert picture_folder("a").is_dir()
    assert [*unused_folders(folder.parent)] == []
