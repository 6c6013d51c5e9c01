"""Benchmarks: tables of features by one command each: networks beside linear models, trees and a constant prediction.

Usage: python benchmarks/tables.py FOLDER [NAME ...] [--out FOLDER]

FOLDER holds the tables of ``SETS``, and those of ``MADE`` are made here; a name stands for one of either. Each is fitted by
``headstart fit FILE`` with no flag but ``--target`` (and ``--task`` where numbers look like classes).

The first question is whether the best model was shipped: the trial that became the run's model is compared with the one of
the lowest loss, on all samples that every trial has predictions of by models that were not fitted to them: those of all
folds, or the validation split. It has to be that trial, or within one standard error of it.

The second is how good networks are. Sets below 500 rows are judged by the out-of-fold answers of five folds, larger ones by
the test split; the chosen network is the DNN, or the ensemble where the test split judges and its ``val_loss`` is lower.

Exit status 1: a model was shipped that is not within noise of the best, or on more than 4 of 14 parts of ``SETS`` the
chosen network is neither ahead of the trees nor within their interval.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.readers.read import read_table
from headstart.evaluation.comparison import paired_difference
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.features.features import FeatureRows
from headstart.foundation.native_logs import hush_native_libraries
from headstart.foundation.runs.run_folder import RunFolder
from headstart.models.ensemble import mixing_weights
from headstart.models.fitting import gather
from headstart.models.model import Model
from headstart.search.planning.plans import SMALL_TABLE, make_trials
from headstart.search.trial_answers import read_answers
from headstart.training.classical.baselines import CONSTANT

_CLI = "from headstart.cli import main; main()"
WANTED = 10 / 14


@dataclass(frozen=True)
class Table:
    """A table, and what has to be said of it."""

    file: str
    flags: dict[str, str] = field(default_factory=dict)


SETS = {
    "sonar (0/1)": Table("dhrim/data/sonar.csv"),
    "sonar (R/M)": Table("jbrownlee/sonar.csv"),
    "iris": Table("jbrownlee/iris.csv"),
    "flawed_iris": Table("dhrim/flawed_iris.csv"),
    "pima": Table("jbrownlee/pima-indians-diabetes.csv"),
    "breast-cancer": Table("jbrownlee/breast-cancer.csv"),
    "glass": Table("jbrownlee/glass.csv"),
    "wine": Table("jbrownlee/wine.csv"),
    "penguins": Table("seaborn/penguins.csv", {"target": "species"}),
    "titanic": Table("seaborn/titanic.csv", {"target": "survived"}),
    "housing": Table("jbrownlee/housing.csv"),
    "winequality-red": Table("jbrownlee/winequality-red.csv", {"task": "regression"}),
    "auto-insurance": Table("jbrownlee/auto-insurance.csv"),
    "mpg": Table("seaborn/mpg.csv", {"target": "mpg"}),
    "tips": Table("seaborn/tips.csv", {"target": "tip"}),
}


Columns = dict[str, np.ndarray[Any, Any]]
MADE_ROWS = 12_000


def _steps(random: np.random.Generator) -> Columns:
    """Boosted trees are right: the class depends on which box of three columns a row lies in; nine columns say nothing."""
    x = random.uniform(0, 4, (MADE_ROWS, 12))
    box = (np.floor(x[:, 0]) + np.floor(x[:, 3]) + np.floor(x[:, 7] / 2)) % 2
    label = np.where(random.random(MADE_ROWS) < 0.1, 1 - box, box)
    return {f"x{k}": column.round(4) for k, column in enumerate(x.T)} | {"kind": np.where(label == 1, "in", "out")}


def _line(random: np.random.Generator) -> Columns:
    """A linear model is right: the log odds of the class are a weighted sum of twenty columns."""
    x = random.normal(size=(MADE_ROWS, 20))
    odds = x @ random.normal(0, 0.4, 20)
    label = np.where(random.logistic(size=MADE_ROWS) < odds, "yes", "no")
    return {f"x{k}": column.round(4) for k, column in enumerate(x.T)} | {"answer": label}


def _prices(random: np.random.Generator) -> Columns:
    """Smooth effects, categories and missing cells: a skewed price, log-normal about what its columns say."""
    area, year = random.gamma(4, 25, MADE_ROWS), random.integers(1950, 2025, MADE_ROWS)
    town, grade = random.integers(0, 25, MADE_ROWS), random.integers(0, 4, MADE_ROWS)
    effect = random.normal(0, 0.4, 25)[town] + 0.25 * grade * np.log(area / 100) + np.sin((year - 1950) / 12)
    price = np.exp(8 + 0.8 * np.log(area) + effect + random.normal(0, 0.5, MADE_ROWS))
    shown = np.where(random.random(MADE_ROWS) < 0.05, "", np.char.mod("%.1f", area))
    names = np.array(["plain", "good", "fine", "rare"])
    return {"area": shown, "year": year, "town": np.char.mod("town %d", town), "grade": names[grade], "price": price.round()}


MADE: dict[str, Callable[[np.random.Generator], Columns]] = {
    "made: steps": _steps,
    "made: line": _line,
    "made: prices": _prices,
}


def main() -> int:
    """Fit every set, print a row each, and count where the network keeps up with the trees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[*SETS, *MADE, []], default=[])
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    hush_native_libraries()
    out = given.out or Path(tempfile.mkdtemp())
    names = given.names or [*SETS, *MADE]
    print("set | task, why | used, skipped | judged by | metric | chosen network | linear | trees | constant | seconds")
    print("  shipped | lowest loss on held-out samples | paired difference | standard error | within noise")
    results = {name: _fit(name, *_find(name, given.folder, out), out) for name in names}
    kept_up = [result.keeps_up for name, result in results.items() if name in SETS]
    within = [result.is_within for result in results.values()]
    print(f"\nnetwork ahead of the trees, or within their interval: {sum(kept_up)} of {len(kept_up)} sets of files")
    print(f"shipped the trial with the lowest loss, or within one standard error of it: {sum(within)} of {len(within)}")
    return int(sum(kept_up) < WANTED * len(kept_up) or not all(within))


def _find(name: str, folder: Path, out: Path) -> tuple[Path, dict[str, str]]:
    """The file of a set and its flags; a table of ``MADE`` is written first, always the same."""
    if name in SETS:
        return folder / SETS[name].file, SETS[name].flags
    columns = MADE[name](np.random.default_rng(2026))
    file = out / f"{name.removeprefix('made: ')}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    file.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n", "utf-8")
    return file, {"target": list(columns)[-1]}


class Result(NamedTuple):
    """Whether the network keeps up with the trees, and whether the best model was shipped."""

    keeps_up: bool
    is_within: bool


def _fit(name: str, file: Path, flags: dict[str, str], out: Path) -> Result:
    run = out / name.replace("/", "-").replace(": ", "-").replace(" ", "-")
    command = [sys.executable, "-c", _CLI, "fit", str(file), "--out", str(run), "--json", "--quiet"]
    start = time.perf_counter()
    told = subprocess.run([*command, *(f"--{key}={value}" for key, value in flags.items())], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    state = json.loads((run / "run.json").read_text("utf-8"))
    part = make_trials("quick", [], weights=None, seed=0, is_table=True)[0].part
    read = read_table(file, target=flags.get("target"), task=flags.get("task"))
    dataset, features = gather(read, part, validation=0.2, seed=0)
    judged, how = _judge(run, dataset, features, json.loads(told.stdout))
    cells = [_cell(judged[part]) for part in ("network", "linear", "trees", "baseline")]
    num_used = sum(state["num_samples"].values())
    metric = judged["trees"]["headline"]
    facts = [name, f"{state['task']}: {state['task_reason']}", f"{num_used}, {state['num_skipped']}", how, metric]
    kept_up = _keeps_up(judged["network"], judged["trees"])
    print(" | ".join([*facts, *cells, f"{seconds:.1f}"]), "" if kept_up else "<- behind", flush=True)
    return Result(kept_up, _is_within(run, dataset, state))


def _is_within(run: Path, dataset: Dataset, state: dict[str, Any]) -> bool:
    """Compare what was shipped with the lowest loss anew, on all samples of which the run has every trial's predictions."""
    trials = [row["trial"] for row in state["trials"] if row["val_loss"] is not None]
    held_out = {name: read_answers(RunFolder(run), name, dataset) for name in trials}
    samples = reduce(np.intersect1d, [found.samples for found in held_out.values()])
    labels, task = dataset.targets[samples], dataset.scored_task
    losses = {name: task.losses_of(labels, found.at(samples)) for name, found in held_out.items()}
    best, shipped = min(losses, key=lambda name: losses[name].mean()), state["best"]["trial"]
    found = paired_difference(losses[shipped], losses[best])
    verdict = "yes" if found.is_noise else "NO"
    print(f"  {shipped} | {best} | {found.mean:.4f} | {found.standard_error:.4f} | {verdict}", flush=True)
    return found.is_noise


def _judge(
    run: Path, dataset: Dataset, features: FeatureRows, told: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], str]:
    """Each model's metric and interval: out of fold where the set is small, else on the test split."""
    kinds = {"linear": "table-linear", "trees": "table-trees", "baseline": "table-baseline", "network": "table-dnn"}
    if sum(told["num_samples"].values()) < SMALL_TABLE:
        found = {kind: json.loads((run / "trials" / name / "folds.json").read_text("utf-8")) for kind, name in kinds.items()}
        return {kind: _headline(value) for kind, value in found.items()}, "5 folds"
    evaluations = _on_test(dataset, features, run)
    losses = {row["trial"]: row["val_loss"] for row in told["trials"]}
    if losses.get("ensemble", np.inf) < losses["table-dnn"]:
        kinds["network"] = "ensemble"
    return {kind: _headline(evaluations[name].to_json()) for kind, name in kinds.items()}, "test"


def _on_test(dataset: Dataset, features: FeatureRows, run: Path) -> dict[str, Evaluation]:
    """Every trial of a run on its test split, from the weights that lie in the run."""
    trials = {trial.name: trial for trial in make_trials("quick", [], weights=None, seed=0, is_table=True)}
    test = dataset.indices("test")
    models = {
        name: Model.from_trial(trial).restore(dataset, features, run / "trials" / name) for name, trial in trials.items()
    }
    answers = {name: model.scaled_answers(features, test) for name, model in models.items()}
    members = [name for name, trial in trials.items() if trial.recipe.network != CONSTANT]
    held_out = [read_answers(RunFolder(run), name, dataset) for name in members]
    samples = reduce(np.intersect1d, (one.samples for one in held_out))
    weights = mixing_weights(dataset.task, [one.at(samples) for one in held_out], dataset.targets[samples])
    answers["ensemble"] = np.sum([w * answers[name] for w, name in zip(weights, members, strict=True)], axis=0)
    labels = dataset.labels[test]
    return {
        name: evaluate_predictions(dataset.task, dataset.classes, labels, dataset.in_units(values), split="test")
        for name, values in answers.items()
    }


def _headline(evaluation: dict[str, Any]) -> dict[str, Any]:
    name = "mae" if "mae" in evaluation else "accuracy"
    return {"headline": name, "value": evaluation[name], "interval": evaluation[f"{name}_interval"]}


def _cell(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['value']:.3f} [{low:.3f}, {high:.3f}]"


def _keeps_up(network: dict[str, Any], trees: dict[str, Any]) -> bool:
    low, high = trees["interval"]
    return bool(network["value"] <= high if network["headline"] == "mae" else network["value"] >= low)


if __name__ == "__main__":
    raise SystemExit(main())
