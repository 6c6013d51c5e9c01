"""The leaderboard on terminals of several widths, in a pipe and as CSV."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import headstart
from headstart.evaluation.leaderboard import Row, write_leaderboard
from headstart.foundation.runs.files import read_csv, write_csv
from headstart.foundation.runs.run_folder import RunFolder
from headstart.leaderboard_display import as_csv, entries, show_leaderboard

LONG = "efficientnet_lite0+efficientnet_lite1-grid2-260px-linear"
TRIALS = ("efficientnet_lite0-grid2-linear", "efficientnet_lite0-grid2-mlp")
# A terminal is as wide as it says it is; one process shows the leaderboard at each width.
AT_WIDTHS = """
import fcntl, struct, sys, termios
from pathlib import Path
from headstart.leaderboard_display import entries, show_leaderboard
for width in map(int, sys.argv[2:]):
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    print(f"width {width}", flush=True)
    show_leaderboard(entries([Path(sys.argv[1])]))
"""


def make_run(root: Path, metric: str, value: float | None, **folds: float) -> Path:
    """A run with one trial that is done and one that failed."""
    folder = RunFolder.create(root / metric, metric)
    folder.write_state({"task": metric})
    numbers: dict[str, Any] = {"part_a_seconds": 0.01, "part_b_seconds": 1.5, "total_seconds": 1.51, "num_params": 640}
    numbers |= {"ms_per_sample": 0.0123, "file_mb": 0.1, "val_loss": 0.4, "val_metric": value, "metric": metric} | folds
    rows = [Row("mlp", "done", "table", "mlp", **numbers), Row("dnn", "failed", "table", "dnn", metric, reason="too slow")]
    write_leaderboard(folder.path / "leaderboard.csv", rows)
    return folder.path


@pytest.mark.parametrize(
    ("metric", "head"), [("accuracy", "accuracy"), ("macro_auc", "macro AUC"), ("r2", "r2")], ids=lambda value: value
)
def test_leaderboard_names_its_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str], metric: str, head: str) -> None:
    """The column is headed by the task's metric, and a failed trial shows its reason."""
    show_leaderboard(entries([make_run(tmp_path, metric, 0.875)]))
    shown = capsys.readouterr().out
    assert head in shown.splitlines()[0]
    assert "0.875" in shown
    assert "failed: too slow" in shown
    assert "different data" not in shown


def test_leaderboard_of_runs_of_different_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both metrics are in the heading, each has a CSV column, and folds are shown if there are any."""
    folds = {"fold_loss": 0.41, "fold_loss_deviation": 0.02, "fold_metric": 0.86, "fold_metric_deviation": 0.01}
    both = entries([make_run(tmp_path, "accuracy", 0.875, **folds), make_run(tmp_path, "r2", None)])
    show_leaderboard(both)
    shown = capsys.readouterr().out
    assert "accuracy / r2" in shown
    assert "0.860 ± 0.010" in shown
    assert "–" in shown
    assert "These runs used different data, so their losses and ranks cannot be compared." in shown
    assert {"val_accuracy", "val_r2", "fold_accuracy"} <= set(as_csv(both).splitlines()[0].split(","))


def write_run(out: Path, *trials: str) -> Path:
    """A run with finished trials of these names, one that was cut short and one that failed."""
    folder = RunFolder.create(out, "run")
    folder.write_state({"task": "multiclass"})
    numbers: dict[str, Any] = {"part_a_seconds": 3.6, "part_b_seconds": 1.5, "total_seconds": 5.1, "num_params": 3_460_000}
    numbers |= {"ms_per_sample": 7.2, "file_mb": 13.9, "val_loss": 0.2901, "val_metric": 0.88}
    rows = [Row(name, "done", "a", "b", **numbers) for name in trials]
    rows += [Row("short", "done", "a", "b", **numbers, reason="training was stopped by the budget")]
    rows += [Row("dnn", "failed", "a", "dnn", reason="the loss is not a number")]
    write_leaderboard(folder.path / "leaderboard.csv", rows)
    return folder.path


def on_terminal(term: str, *arguments: object) -> str:
    """What a process shows on a pseudo-terminal, without colours."""
    parent, child = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {"TERM": term, "PYTHONPATH": str(Path(headstart.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, stdout=child, stderr=child) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                some = os.read(parent, 65536)
            except OSError:  # the end, on Linux
                some = b""
            if not some:
                break
            shown += some
    os.close(parent)
    assert process.returncode == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_leaderboard_fits_the_terminal_with_whole_trial_names_first(tmp_path: Path, term: str) -> None:
    """Columns are dropped where there is no room, the least important first; the reasons stand below the table."""
    widths = (60, 80, 100, 140)
    shown = on_terminal(term, "-c", AT_WIDTHS, write_run(tmp_path / "run", *TRIALS), *widths)
    seen: list[set[str]] = []
    for part, width in zip(shown.split("width ")[1:], widths, strict=True):
        lines = part.splitlines()[1:]
        assert all(len(line) <= width for line in lines), part
        assert lines[0].startswith("trial ")
        assert [line.split()[0] for line in lines[1:5]] == [*TRIALS, "short", "dnn"]
        assert "failed" in lines[4]
        assert "…" not in part
        assert "short: training was stopped by the budget" in part
        assert "dnn failed: the loss is not a number" in part
        seen.append({name for name in ("val_loss", "accuracy", "total s", "ms/sample", "params", "MB") if name in lines[0]})
    assert all(seen[0] <= columns for columns in seen)
    assert seen[0] == {"val_loss", "accuracy", "total s"}
    assert seen[1] == seen[0] | {"ms/sample"}
    assert len(seen[3]) == 6


def test_leaderboard_shows_numbers_below_a_name_that_leaves_no_room(tmp_path: Path) -> None:
    """The name stays whole, on a line of its own."""
    shown = on_terminal("xterm", "-c", AT_WIDTHS, write_run(tmp_path / "run", LONG), 60, 40)
    at_60, at_40 = (part.splitlines() for part in shown.split("width ")[1:])
    assert at_60[1:3] == [LONG, "  val_loss 0.2901  accuracy 0.880  total s 5.1"]
    assert at_40[1] == LONG


def test_leaderboard_in_a_pipe_has_every_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe has no width: no column is dropped, and no line is wrapped."""
    show_leaderboard(entries([write_run(tmp_path / "run", LONG)]))
    head, first = capsys.readouterr().out.splitlines()[:2]
    assert re.split(r" {2,}", head)[:4] == ["trial", "val_loss", "accuracy", "Part A s"]
    assert first.split()[0] == LONG


def test_leaderboard_csv_runs_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    """The name of a run folder is untrusted text, in a file and on standard output."""
    rows = [{"run": "=runs/x", "trial": "mlp", "val_loss": -0.5}]
    assert as_csv(rows).splitlines()[1] == "'=runs/x,mlp,-0.5"
    write_csv(tmp_path / "table.csv", ["path"], [["=1+1.jpg"]])
    assert (tmp_path / "table.csv").read_text("utf-8") == "path\n'=1+1.jpg\n"
    assert read_csv(tmp_path / "table.csv") == [{"path": "=1+1.jpg"}]
