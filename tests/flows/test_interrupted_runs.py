"""Runs that are refused, in use, or ended by Ctrl-C: what is left on disk, and how they go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import headstart as hs
from headstart.foundation.errors import DatasetError, RunError, TrainingError, UsageError
from headstart.foundation.runs.run_lock import run_lock
from headstart.search import trial_loop

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)

TRIALS = ("table-linear", "table-baseline", "table-trees")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table whose classes only trees separate well."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 600))
    path = tmp_path / "signs.csv"
    pd.DataFrame({"a": a, "b": b, "sign": np.where(a * b > 0, "same", "other")}).to_csv(path, index=False)
    return path


def impatient_at(monkeypatch: pytest.MonkeyPatch, network: str) -> None:
    """Press Ctrl-C when a trial with this network begins."""
    attempt = trial_loop.attempt

    def pressed(job: Any, trial: Any) -> None:
        if trial.recipe.network == network:
            raise KeyboardInterrupt
        attempt(job, trial)

    monkeypatch.setattr(trial_loop, "attempt", pressed)


def test_resume_of_a_run_ended_by_ctrl_c_trains_the_other_trials(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was finished with the best model so far; resumed, it ends as if nobody had pressed Ctrl-C."""
    whole = hs.fit(table, trial=TRIALS, out=tmp_path / "whole")
    with monkeypatch.context() as patch:
        impatient_at(patch, "baseline")
        first = hs.fit(table, trial=TRIALS, out=tmp_path / "run")
    assert first.to_json()["status"] == "interrupted"
    assert first.to_json()["best"]["trial"] == "table-linear"
    assert (first.path / "model.keras").exists()
    statuses = {row["trial"]: row["status"] for row in first.to_json()["trials"]}
    assert statuses == {"table-linear": "done", "table-baseline": "interrupted", "table-trees": "interrupted"}

    run = hs.resume(tmp_path / "run")
    assert run.to_json()["status"] == "done"
    assert run.to_json()["best"]["trial"] == "table-trees"
    assert run.folder.damaged() == []
    assert not (run.path / "model.keras").exists()  # the model of the interrupted run
    assert run.evaluation == whole.evaluation
    assert [row["val_loss"] for row in run.to_json()["trials"]] == [row["val_loss"] for row in whole.to_json()["trials"]]
    pd.testing.assert_frame_equal(run.predict(table), whole.predict(table))
    assert run.folder.state["test_looks"] == 2  # Headstart showed the score of the test split twice


def test_ctrl_c_between_two_trials_finishes_the_run(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choosing the next trial is interrupted like a trial itself."""
    choose = trial_loop._next

    def pressed(job: Any, left: Any) -> Any:
        if job.rows:
            raise KeyboardInterrupt
        return choose(job, left)

    monkeypatch.setattr(trial_loop, "_next", pressed)
    run = hs.fit(table, trial=TRIALS, out=tmp_path / "run")
    statuses = {row["trial"]: row["status"] for row in run.to_json()["trials"]}
    assert statuses == {"table-linear": "done", "table-baseline": "interrupted", "table-trees": "interrupted"}
    assert run.to_json()["status"] == "interrupted"
    assert run.folder.is_sealed


def test_fit_ended_by_ctrl_c_without_a_model_says_how_to_go_on(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says that there is no model and names the command that continues the run."""
    with monkeypatch.context() as patch:
        impatient_at(patch, "linear")
        with pytest.raises(KeyboardInterrupt, match=r"no model yet; to continue: headstart resume .*run"):
            hs.fit(table, trial=TRIALS, out=tmp_path / "run")
    with pytest.raises(RunError, match="H505"):
        hs.Run(tmp_path / "run").predict(table)
    assert hs.resume(tmp_path / "run").to_json()["status"] == "done"


def test_ctrl_c_of_a_fit_on_a_dataset_does_not_promise_a_resume(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples that exist in one process only cannot be read again."""
    impatient_at(monkeypatch, "linear")
    with pytest.raises(KeyboardInterrupt, match="fit again, because the data exist in this process only"):
        hs.fit(hs.read_table(table), trial=TRIALS, out=tmp_path / "run")


def test_resume_of_a_run_in_use_is_refused(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the run is changed."""
    impatient_at(monkeypatch, "linear")
    with pytest.raises(KeyboardInterrupt):
        hs.fit(table, trial=TRIALS, out=tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with run_lock(tmp_path / "run"), pytest.raises(RunError, match="H516"):
        hs.resume(tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_second_fit_into_the_folder_of_a_running_one_is_refused(table: Path, tmp_path: Path) -> None:
    """With files in the folder H501; in the moment before there are any, H516. The folder of the other fit stays."""
    out = tmp_path / "run"
    out.mkdir()
    with run_lock(out), pytest.raises(RunError, match="H501"):
        hs.fit(table, trial=TRIALS, out=out)
    assert out.is_dir()


def test_refused_fit_leaves_no_folder(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the run nor the folder of runs is left, whether the request, the data or the budget was at fault."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.csv").write_text("a,kind\n" + "".join(f"1,{'xy'[i % 2]}\n" for i in range(60)))
    refused: list[tuple[type[Exception], Callable[[], object]]] = [
        (UsageError, lambda: hs.fit(table, plan="fastest")),
        (DatasetError, lambda: hs.fit(table, target="colour")),
        (DatasetError, lambda: hs.fit("alone.csv")),  # its only column is constant, which the encoder finds out
        (TrainingError, lambda: hs.fit(table, budget=0.5)),
    ]
    for error, fit in refused:
        with pytest.raises(error):
            fit()
        assert not (tmp_path / "runs").exists()


def test_notes_that_cannot_be_written_do_not_fail_a_finished_run(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured times are stored in the cache on a best effort: the run is done, and a warning says what was not noted."""
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    (cache / "notes").write_text("a file where the folder of notes would be")
    monkeypatch.setenv("HEADSTART_CACHE", str(cache))
    with pytest.warns(UserWarning, match="not noted in the cache"):
        run = hs.fit(table, trial=TRIALS, out=tmp_path / "run")
    assert run.to_json()["status"] == "done"
    assert run.folder.damaged() == []


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
def test_sigint_ends_a_fit_with_status_130(table: Path, tmp_path: Path) -> None:
    """A real SIGINT to the real command while a network trains: the run is finished, and can be resumed."""
    arguments = [sys.executable, "-m", "headstart", "fit", table, "--out", tmp_path / "run", "--folds", "0"]
    trials = ["--trial", "table-linear", "table-dnn", "--plan", tmp_path / "long.toml"]
    (tmp_path / "long.toml").write_text(
        '[[trial]]\ntrial = "table-linear"\n[[trial]]\ntrial = "table-dnn"\nepochs = 100000\npatience = 100000\n'
        'schedule = "constant"\n'
    )
    fit = subprocess.Popen(
        [*arguments, *trials],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  ignored in the background
    )
    with fit:
        history = tmp_path / "run" / "trials" / "table-dnn" / "history.jsonl"
        while fit.poll() is None and not (history.exists() and history.read_text()):
            pass
        fit.send_signal(signal.SIGINT)
        try:
            _, errors = fit.communicate(timeout=120)
        finally:
            fit.kill()  # of no effect on a process that has ended
    assert fit.returncode == 130, errors
    assert f"To train the other trials: headstart resume {tmp_path / 'run'}" in errors
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    assert (tmp_path / "run" / "manifest.json").exists()
