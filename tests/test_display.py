"""Results on a terminal, for every task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import display
from headstart.display import as_csv, entries, show_evaluation, show_leaderboard
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.leaderboard import Row, write_leaderboard
from headstart.foundation.runs.files import read_csv, write_csv, write_json
from headstart.foundation.runs.run_folder import RunFolder
from headstart.search.run import Run

RNG = np.random.default_rng(4)
ON = (RNG.random((80, 3)) < 0.4).astype(int)
CHANCES = np.clip(0.4 * ON + 0.6 * RNG.random((80, 3)), 0, 1)
SUMS = CHANCES / CHANCES.sum(axis=1, keepdims=True)


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


@pytest.mark.parametrize(
    ("task", "labels", "answers", "words"),
    [
        ("multiclass", ON.argmax(axis=1), SUMS, "test: accuracy "),
        ("multilabel", ON, CHANCES, "test: macro AUC 0."),
        ("multilabel", ON * 0, CHANCES, "test: macro AUC not defined on 80 rows (no interval)"),
        ("regression", ON * 5000.0, CHANCES, "test: mean absolute error 1,"),
        ("regression", ON[:1] * 1.0, CHANCES[:1], "R² not defined"),
    ],
)
def test_evaluation_shows_the_main_score_of_its_task(
    capsys: pytest.CaptureFixture[str], task: str, labels: Any, answers: Any, words: str
) -> None:
    """The main score of the task is shown with n and its baseline."""
    result = evaluate_predictions(task, ["a", "b", "c"], labels, answers, split="test")
    show_evaluation(result.to_json(), "rows")
    shown = capsys.readouterr().out
    assert words in shown
    assert f"on {len(labels)} rows" in shown
    assert "nan" not in shown


def test_leaderboard_csv_runs_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    """The name of a run folder is untrusted text, in a file and on standard output."""
    rows = [{"run": "=runs/x", "trial": "mlp", "val_loss": -0.5}]
    assert as_csv(rows).splitlines()[1] == "'=runs/x,mlp,-0.5"
    write_csv(tmp_path / "table.csv", ["path"], [["=1+1.jpg"]])
    assert (tmp_path / "table.csv").read_text("utf-8") == "path\n'=1+1.jpg\n"
    assert read_csv(tmp_path / "table.csv") == [{"path": "=1+1.jpg"}]


def test_findings_name_samples_by_their_path_within_the_data(tmp_path: Path) -> None:
    """No folder of the machine is shown, as in the report."""
    run = make_run(tmp_path, "accuracy", 0.9)
    finding = {"code": "D114", "title": "1 picture is blank", "measured": f"1 of 9 pictures: {tmp_path / 'cat' / '1.png'}"}
    write_json(run / "findings.json", [{**finding, "severity": "info", "why": "-", "advice": "-"}])
    assert display._finding_lines(Run(run)) == ["D114  1 picture is blank: 1 of 9 pictures: cat/1.png"]
