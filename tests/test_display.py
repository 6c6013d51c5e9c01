"""Results on a terminal, for every task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import display
from headstart.display import show_evaluation
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.foundation.runs.files import write_json
from headstart.foundation.runs.run_folder import RunFolder
from headstart.search.run import Run

RNG = np.random.default_rng(4)
ON = (RNG.random((80, 3)) < 0.4).astype(int)
CHANCES = np.clip(0.4 * ON + 0.6 * RNG.random((80, 3)), 0, 1)
SUMS = CHANCES / CHANCES.sum(axis=1, keepdims=True)


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


def test_findings_name_samples_by_their_path_within_the_data(tmp_path: Path) -> None:
    """No folder of the machine is shown, as in the report."""
    run = RunFolder.create(tmp_path / "run", "run").path
    RunFolder(run).write_state({"task": "multiclass"})
    finding = {"code": "D114", "title": "1 picture is blank", "measured": f"1 of 9 pictures: {tmp_path / 'cat' / '1.png'}"}
    write_json(run / "findings.json", [{**finding, "severity": "info", "why": "-", "advice": "-"}])
    assert display._finding_lines(Run(run)) == ["D114  1 picture is blank: 1 of 9 pictures: cat/1.png"]
