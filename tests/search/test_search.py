"""The search: trials that fail, are interrupted or retried, next to those that succeed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import headstart as hs
from headstart.evaluation.leaderboard import Row
from headstart.features.extraction import extract
from headstart.features.features import Features
from headstart.foundation.errors import TrainingError
from headstart.foundation.progress import Silent
from headstart.foundation.progress_display import LineProgress
from headstart.foundation.stopwatch import Stopwatch
from headstart.models.ensemble import FOLDS_NAME, NAME
from headstart.models.model import Model
from headstart.search import shared_features as gathering
from headstart.search import trial_loop
from headstart.search import trial_runner as attempt
from headstart.search.planning import plans
from headstart.search.planning.plan_file import Entry
from headstart.search.planning.plans import make_trial
from headstart.training.row_batches import RowBatches

pytestmark = [
    pytest.mark.usefixtures("networks", "no_converter"),
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
    ),
]


def broken(rows: Any) -> Any:
    """A network that fails when it is built."""
    raise ValueError(f"no such axis\nin {rows}")


def whole(name: str, units: int, activation: str | None, num_features: int = 5120) -> Any:
    """A model of the user from rows to the output layer."""
    import keras

    return keras.Sequential([keras.Input((num_features,)), keras.layers.Dense(units, activation=activation)], name=name)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the budget end Part A of the larger images before its first row, as after a prediction that was too low."""

    def until_deadline(*arguments: Any, **options: Any) -> Features:
        is_larger = any(getattr(argument, "side", 0) == 128 for argument in arguments)
        return extract(*arguments, **options | ({"deadline": 0.0} if is_larger else {}))

    monkeypatch.setattr(gathering, "extract", until_deadline)


@pytest.mark.usefixtures("hurried")
def test_failed_trial_is_a_row_with_its_reason(photos: Callable[..., Path], tmp_path: Path) -> None:
    """The other trials run, and the run ends with the best of them."""
    own = [whole("wide", 10, "softmax"), whole("logits", 3, None), whole("narrow", 3, "softmax", 1280)]
    trials = ["avg-linear", broken, *own, "avg-128px-linear"]
    run = hs.fit(photos(per_class=8), trial=trials, out=tmp_path / "run")
    table = run.leaderboard()
    reasons = {row.part_b: (row.status, row.reason) for row in table[table["status"] != "done"].itertuples()}
    assert reasons == {
        "broken": ("failed", "ValueError: no such axis"),
        "wide": ("failed", "the model's output does not fit the task"),
        "logits": ("failed", "the network's output is not a probability"),
        "narrow": ("failed", "the model's input does not fit the cut"),
        "linear": ("skipped", "the budget ended before Part A had processed every image"),
    }
    assert run.to_json()["status"] == "done"
    assert run.to_json()["best"]["trial"] == "efficientnet_lite0-avg-linear"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (KeyboardInterrupt(), "interrupted", "stopped by Ctrl-C"),
        (RuntimeError("a bug\nsomewhere"), "failed", "RuntimeError: a bug"),
        (MemoryError(), "failed", "out of memory"),
    ],
)
def test_failed_ensemble_does_not_fail_the_run(error: BaseException, status: str, reason: str) -> None:
    """The run already has a model; the ensemble is one more failed row."""
    best = Row("linear", "done", "lite0", "linear", val_loss=0.1)
    learning = SimpleNamespace(task="regression")
    job: Any = SimpleNamespace(
        rows=[best], has_model=True, is_prepared=True, interrupted=False, progress=Silent(), learning=learning
    )

    def run() -> None:
        raise error

    trial_loop._guarded(job, run, partial(trial_loop._no_ensemble, job, NAME), is_last=True)
    assert job.rows[1].metric == "r2"
    assert [(row.status, row.reason) for row in job.rows[1:]] == [(status, reason)]
    assert job.interrupted == (status == "interrupted")


def test_failure_after_a_finished_trial_keeps_its_row() -> None:
    """A trial that has a result keeps its row if a later step fails."""
    job: Any = SimpleNamespace(rows=[], has_model=False, is_prepared=True, interrupted=False, progress=Silent())

    def run() -> None:
        job.rows.append(Row("linear", "done", "lite0", "linear", val_loss=0.1))
        raise RuntimeError("the disk")

    trial_loop._guarded(job, run, lambda status, reason: Row("linear", status, "", "", reason=reason), is_last=False)
    assert [row.status for row in job.rows] == ["done"]


def test_ctrl_c_leaves_a_row_for_every_trial(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials that Ctrl-C kept from starting have a row, too."""
    tried = attempt.attempt

    def impatient(job: Any, trial: Any) -> None:
        if trial.recipe.network == "mlp":
            raise KeyboardInterrupt
        tried(job, trial)

    monkeypatch.setattr(trial_loop, "attempt", impatient)
    run = hs.fit(photos(per_class=8), trial=["avg-linear", "avg-mlp", "avg-dnn"], out=tmp_path / "run")
    statuses = {row["part_b"]: row["status"] for row in run.to_json()["trials"]}
    assert statuses == {"linear": "done", "mlp": "interrupted", "dnn": "interrupted"}
    assert run.to_json()["status"] == "interrupted"


def test_batch_size_is_halved_when_memory_runs_out(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch size is halved until memory suffices, and the recipe has the final one."""
    sizes = []
    batch = RowBatches.__getitem__

    def greedy(self: RowBatches, index: int) -> Any:
        sizes.append(self.batch_size)
        if self.batch_size > 2:
            raise MemoryError
        return batch(self, index)

    monkeypatch.setattr(RowBatches, "__getitem__", greedy)
    run = hs.fit(photos(per_class=8), trial="avg-mlp", out=tmp_path / "run")
    assert list(dict.fromkeys(sizes)) == [8, 4, 2]
    row = next(row for row in run.to_json()["trials"] if row["trial"] != FOLDS_NAME)
    assert row["status"] == "done"
    recipe = json.loads((run.path / "trials" / row["trial"] / "recipe.json").read_text())
    assert recipe["batch_size"] == 2


def test_run_continues_if_the_progress_pipe_is_closed() -> None:
    """A closed pipe, as with ``| head``, does not fail a trial."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    LineProgress(Closed()).say("a line")


# Folds


def test_folds_hold_out_each_sample_once(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each training and validation sample is held out once and not used in that fold; the test split is in no fold."""
    seen: list[set[str]] = []
    train = Model.train

    def spy(self: Model, dataset: Any, *arguments: Any, **options: Any) -> Any:
        seen.append({dataset.paths[i] for name in ("train", "validation") for i in dataset.indices(name)})
        return train(self, dataset, *arguments, **options)

    monkeypatch.setattr(Model, "train", spy)
    run = hs.fit(photos(per_class=15), trial="avg-linear", folds=3, out=tmp_path / "run")
    learning, *of_folds = seen
    held_out = [learning - fold for fold in of_folds[:3]]
    assert len(of_folds) == 6
    assert of_folds[3:] == of_folds[:3]  # those of the ensemble of the folds are trained on the same
    assert all(fold < learning for fold in of_folds)
    assert set().union(*held_out) == learning
    assert sum(len(fold) for fold in held_out) == len(learning)
    rows = {row["trial"]: row for row in run.to_json()["trials"]}
    assert set(rows) == {"efficientnet_lite0-avg-linear", FOLDS_NAME}
    assert rows[FOLDS_NAME]["val_accuracy"] > 0.8
    row = rows["efficientnet_lite0-avg-linear"]
    assert row["fold_accuracy"] > 0.8
    assert row["fold_loss"] > 0
    assert row["fold_accuracy_deviation"] >= 0


@pytest.mark.parametrize(
    "error", [TrainingError("H306", "out of memory", received="", expected="", advice=""), OSError("disk")]
)
def test_failed_cross_validation_keeps_the_trial(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The model was trained before; its row has the reason why there are no folds."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(attempt, "cross_validate", fail)
    run = hs.fit(photos(per_class=8), trial="avg-linear", folds=2, out=tmp_path / "run")
    row = next(row for row in run.to_json()["trials"] if row["trial"] != FOLDS_NAME)
    assert row["status"] == "done"
    assert "fold_loss" not in row
    assert row["reason"].startswith("cross-validation failed: ")
    assert run.evaluation["accuracy"] > 0.5


def test_best_plan_cross_validates_its_heads(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plan ``best`` cross-validates heads by default."""
    monkeypatch.setitem(plans.PLANS, "best", (Entry("avg-96px-linear"),))
    run = hs.fit(photos(per_class=10), plan="best", out=tmp_path / "run")
    (row,) = run.to_json()["trials"]
    assert row["fold_accuracy"] > 0.5


# Views


def test_resume_leaves_out_the_same_augmented_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run has more time than the first process, but trains on the same rows."""
    trial = make_trial(Entry("avg-4views-mlp"), weights=None, seed=0)
    made = Features(trial.part, ("s",) * 6, ("d",) * 6, store=Any, unreached=(3,), failures={5: "damaged"})  # type: ignore[arg-type]
    learning = SimpleNamespace(indices=lambda _: np.arange(2))
    job: Any = SimpleNamespace(state={"views_left_out": {}}, watch=Stopwatch(), progress=Silent(), learning=learning)
    job.budget = SimpleNamespace(extraction_deadline=0.0)
    job.save = lambda: None
    monkeypatch.setattr(Model, "views", lambda *_, **__: made)
    assert gathering.views_of(job, trial).unreached == (3, 5)
    made.unreached, made.failures = (), {}
    assert gathering.views_of(job, trial).unreached == (3, 5)


def test_table_run_ends_with_a_model_on_any_budget(
    make_table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A baseline does not suffice: if no trial seems to fit into the budget, the linear model runs anyway."""
    monkeypatch.setattr("headstart.search.planning.budget.Budget.has_time_for", lambda *_: False)
    run = hs.fit(make_table(tmp_path / "t.csv", "binary"), budget="10m", out=tmp_path / "run")
    rows = {row["trial"]: row["status"] for row in run.to_json()["trials"]}
    assert rows.pop("table-linear") == "done"
    assert set(rows.values()) == {"skipped"}


def test_first_trial_that_does_not_fit_gives_way_to_the_fastest(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short budget is not spent on the plan's first trial if another one is faster."""
    monkeypatch.setitem(plans.PLANS, "quick", (Entry("avg-96px-mlp"), Entry("avg-96px-linear")))
    monkeypatch.setattr("headstart.search.planning.budget.Budget.has_time_for", lambda *_: False)
    run = hs.fit(photos(per_class=10), plan="quick", budget="10m", out=tmp_path / "run")
    rows = {row["part_b"]: row["status"] for row in run.to_json()["trials"]}
    assert rows == {"linear": "done", "mlp": "skipped"}
