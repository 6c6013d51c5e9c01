"""The whole: which model a run ships, and how honest the numbers are that it tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.evaluation.intervals import wilson_interval

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def test_run_ships_trees_that_are_clearly_better(tmp_path: Path) -> None:
    """A checkerboard is beyond a line: a gain of less than 10% is enough, and the run says what it chose and why."""
    random = np.random.default_rng(0)
    x, y = random.uniform(0, 2, (2, 3000))
    label = (np.floor(x) + np.floor(y)).astype(int) % 2
    flipped = np.where(random.random(3000) < 0.35, 1 - label, label)  # losses are near ln 2 and gaps small
    file = tmp_path / "board.csv"
    file.write_text("x,y,label\n" + "\n".join(f"{a:.4f},{b:.4f},{'ab'[c]}" for a, b, c in zip(x, y, flipped, strict=True)))
    run = hs.fit(file, target="label", trial=["table-linear", "table-trees"], folds=0, out=tmp_path / "run")
    state = run.folder.state
    losses = {row["trial"]: row["val_loss"] for row in state["trials"]}
    assert None not in losses.values()
    assert losses["table-trees"] > 0.9 * losses["table-linear"]  # less than 10% lower
    assert state["best"]["trial"] == "table-trees"
    assert state["choice"]["shipped"] == "table-trees"
    assert state["choice"]["differences"]["table-linear"]["mean"] == pytest.approx(
        losses["table-linear"] - losses["table-trees"], abs=1e-6
    )
    assert state["choice"]["reason"] in run.report.read_text("utf-8")


@pytest.fixture(scope="module", params=["table-linear", "table-trees"])
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[hs.Run, Path]:
    """A run on two targets, of which ``cost`` is log-normal and ``heat`` is not, and a table of new rows."""
    folder = tmp_path_factory.mktemp("smearing")
    for name, num_rows, seed in (("train.csv", 3000, 0), ("new.csv", 5000, 1)):
        random = np.random.default_rng(seed)
        x = random.normal(size=(num_rows, 3))
        cost = np.exp(4 + 0.6 * x[:, 0] - 0.3 * x[:, 1] + random.normal(0, 1.0, num_rows))
        heat = 20 + x[:, 1] + random.normal(0, 0.5, num_rows)
        rows = [",".join(f"{cell:.5f}" for cell in row) for row in np.column_stack([x, cost, heat])]
        (folder / name).write_text("\n".join(["a,b,c,cost,heat", *rows]) + "\n")
    run = hs.fit(folder / "train.csv", target="cost,heat", trial=request.param, folds=2, out=folder / "run")
    return run, folder / "new.csv"


def test_sum_of_predictions_on_new_rows_is_that_of_the_truth(fitted: tuple[hs.Run, Path]) -> None:
    """The shipped graph predicts means of both targets: sums are right within a few percent, not 40% too low."""
    run, file = fitted
    truth = np.genfromtxt(file, delimiter=",", names=True)
    predicted = run.predict(file)
    assert predicted["predicted_cost"].astype(float).sum() == pytest.approx(truth["cost"].sum(), rel=0.08)
    assert predicted["predicted_heat"].astype(float).sum() == pytest.approx(truth["heat"].sum(), rel=0.01)
    signature = json.loads((run.path / "signature.json").read_text("utf-8"))
    assert signature["scaling_of_targets"]["predicts"] == ["mean", None]
    assert signature["scaling_of_targets"]["smearing"][0] == pytest.approx(np.exp(0.5), rel=0.1)


def test_answers_out_of_fold_are_means_too(fitted: tuple[hs.Run, Path]) -> None:
    """Each fold is corrected by its own validation samples; its loss stays in the scale that was learned."""
    run, _ = fitted
    trial = run.to_json()["trials"][0]["trial"]
    rows = np.genfromtxt(run.path / "trials" / trial / "folds.csv", delimiter=",", names=True)
    assert rows["predicted_cost"].sum() == pytest.approx(rows["label_cost"].sum(), rel=0.08)
    row = run.leaderboard().iloc[0]
    assert row["fold_loss"] == pytest.approx(row["val_loss"], rel=0.25)


def test_model_that_is_loaded_again_predicts_the_same(fitted: tuple[hs.Run, Path]) -> None:
    """The factor is in the signature, from which the model is rebuilt."""
    run, file = fitted
    expected = run.predict(file)["predicted_cost"].astype(float).to_numpy()
    loaded = hs.Model.load(run.path).predict(file)["predicted_cost"].astype(float).to_numpy()
    np.testing.assert_allclose(loaded, expected, rtol=1e-3)


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> tuple[hs.Run, Path]:
    """A run on 100 patients of 8 rows each, whose rows are alike, with folds; and a table of other patients."""
    folder = tmp_path_factory.mktemp("grouped")
    for name, first, number in (("known.csv", 0, 100), ("new.csv", 100, 30)):
        lines = ["x,z,patient,ill"]
        for patient in range(first, first + number):
            random = np.random.default_rng(patient)
            x, z = random.normal(size=2)
            ill = x + random.normal(0, 1.0) > 0
            lines += [f"{x + random.normal(0, 0.1):.4f},{z + random.normal(0, 0.1):.4f},p{patient},{ill}" for _ in range(8)]
        (folder / name).write_text("\n".join(lines) + "\n")
    run = hs.fit(folder / "known.csv", target="ill", group="patient", trial="table-linear", folds=3, out=folder / "run")
    return run, folder / "new.csv"


def test_run_with_groups_reports_them(grouped: tuple[hs.Run, Path]) -> None:
    """In the evaluation of the test split, of the folds and of new samples, and in the report."""
    run, new = grouped
    told = run.evaluation
    low, high = told["accuracy_interval"]
    alone = wilson_interval(round(told["accuracy"] * told["n"]), told["n"])
    assert high - low > 1.5 * (alone[1] - alone[0])
    assert told["n"] == 8 * told["num_groups"]
    folds = json.loads((run.path / "trials" / "table-linear" / "folds.json").read_text("utf-8"))
    assert folds["n"] == 8 * folds["num_groups"] > told["n"]
    assert f"in {told['num_groups']} groups" in run.report.read_text("utf-8")
    elsewhere = run.evaluate(new)
    assert (len(elsewhere), elsewhere.num_groups) == (240, 30)
    assert hs.Model.load(run.path).evaluate(new).num_groups == 30


def test_run_on_labels_that_mean_nothing_says_so(tmp_path: Path) -> None:
    """One against the rest is scored by calibrations that have not seen the samples: no better than a constant."""
    random = np.random.default_rng(0)
    rows = [",".join(map(str, [*row.round(3), f"class {k % 12}"])) for k, row in enumerate(random.normal(size=(360, 4)))]
    file = tmp_path / "noise.csv"
    file.write_text("\n".join(["a,b,c,d,kind", *rows]) + "\n")
    run = hs.fit(file, target="kind", trial=["table-ovr_linear", "table-baseline"], folds=0, out=tmp_path / "run")
    losses = {row["trial"]: row["val_loss"] for row in run.folder.state["trials"]}
    assert losses["table-baseline"] == pytest.approx(np.log(12), abs=0.02)
    assert losses["table-ovr_linear"] > np.log(12) - 0.02
    assert "D301" in {finding["code"] for finding in run.folder.state["findings"]}
