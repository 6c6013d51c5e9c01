"""``run_lock``: one process at a time writes to a run folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headstart.foundation.errors import RunError, StackError
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.run_lock import LOCK, run_lock

HOLD = """
import sys, pathlib
from headstart.foundation.runs.run_lock import run_lock
with run_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_run_lock_refuses_a_second_process_and_is_free_after_a_kill(tmp_path: Path) -> None:
    """While another process holds the lock, H516; once that process was killed, the lock is free."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=r"H516(?s:.)*another process"), run_lock(tmp_path):
            pass
        holder.kill()
    assert (tmp_path / LOCK).exists()  # the killed process could not remove it
    with run_lock(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_run_lock_is_released_after_an_error(tmp_path: Path) -> None:
    """An error in the block reaches the caller, and the lock is free again."""
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path):
        raise ZeroDivisionError
    with run_lock(tmp_path):
        pass


def test_run_lock_in_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """A path below a file stands for a folder that is read-only: H601."""
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="H601"), run_lock(tmp_path / "file" / "run"):
        pass


def test_manifest_does_not_list_the_lock(tmp_path: Path) -> None:
    """A run is sealed while it is locked, and undamaged once it is unlocked."""
    folder = RunFolder(tmp_path)
    with run_lock(tmp_path):
        folder.write_state({"status": "done"})
        folder.seal()
    assert LOCK not in (tmp_path / "manifest.json").read_text("utf-8")
    folder.check()
