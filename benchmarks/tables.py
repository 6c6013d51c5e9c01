"""Benchmarks: tables of features by one command each: networks beside linear models, boosted trees and a constant answer.

Usage: python benchmarks/tables.py FOLDER [NAME ...] [--out FOLDER]

FOLDER holds the tables of ``SETS``; a name stands for one of them. Each is fitted by ``headstart fit FILE`` with no flag but
``--target`` (and ``--task`` where numbers look like classes). Sets below 500 rows are judged by the out-of-fold answers of
five folds, larger ones by the test split; the chosen network is the DNN, or the ensemble where the test split judges and its
``val_loss`` is lower. Exit status 1: on less than 10 of 14 parts of the sets the chosen network is ahead of the trees or
within their interval.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.console import hush_native_libraries
from headstart.ensemble import mixing_weights
from headstart.metrics import Evaluation, evaluate_predictions
from headstart.model import Model, gather
from headstart.plans import SMALL_TABLE, make_trials
from headstart.readers import read_table

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


def main() -> int:
    """Fit every set, print a row each, and count where the network keeps up with the trees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[*SETS, []], default=[])
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    hush_native_libraries()
    out = given.out or Path(tempfile.mkdtemp())
    names = given.names or list(SETS)
    print("set | task, why | used, skipped | judged by | metric | chosen network | linear | trees | constant | seconds")
    kept_up = [_fit(name, given.folder / SETS[name].file, SETS[name].flags, out) for name in names]
    print(f"\nahead of the trees, or within their interval: {sum(kept_up)} of {len(kept_up)}")
    return int(sum(kept_up) < WANTED * len(kept_up))


def _fit(name: str, file: Path, flags: dict[str, str], out: Path) -> bool:
    run = out / name.replace("/", "-").replace(" ", "-")
    command = [sys.executable, "-c", _CLI, "fit", str(file), "--out", str(run), "--json", "--quiet"]
    start = time.perf_counter()
    told = subprocess.run([*command, *(f"--{key}={value}" for key, value in flags.items())], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    state = json.loads((run / "run.json").read_text("utf-8"))
    judged, how = _judge(run, file, flags, json.loads(told.stdout))
    cells = [_cell(judged[part]) for part in ("network", "linear", "trees", "baseline")]
    num_used = sum(state["num_samples"].values())
    metric = judged["trees"]["headline"]
    facts = [name, f"{state['task']}: {state['task_reason']}", f"{num_used}, {state['num_skipped']}", how, metric]
    kept_up = _keeps_up(judged["network"], judged["trees"])
    print(" | ".join([*facts, *cells, f"{seconds:.1f}"]), "" if kept_up else "<- behind", flush=True)
    return kept_up


def _judge(run: Path, file: Path, flags: dict[str, str], told: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], str]:
    """Each model's metric and interval: out of fold where the set is small, else on the test split."""
    kinds = {"linear": "table-linear", "trees": "table-trees", "baseline": "table-baseline", "network": "table-dnn"}
    if sum(told["num_samples"].values()) < SMALL_TABLE:
        found = {kind: json.loads((run / "trials" / name / "folds.json").read_text("utf-8")) for kind, name in kinds.items()}
        return {kind: _headline(value) for kind, value in found.items()}, "5 folds"
    evaluations = _on_test(file, flags, run)
    losses = {row["trial"]: row["val_loss"] for row in told["trials"]}
    if losses.get("ensemble", np.inf) < losses["table-dnn"]:
        kinds["network"] = "ensemble"
    return {kind: _headline(evaluations[name].to_json()) for kind, name in kinds.items()}, "test"


def _on_test(file: Path, flags: dict[str, str], run: Path) -> dict[str, Evaluation]:
    """Every trial of a run on its test split, from the weights that lie in the run."""
    trials = {trial.name: trial for trial in make_trials("quick", [], weights=None, seed=0, is_table=True)}
    dataset, features = gather(
        read_table(file, target=flags.get("target"), task=flags.get("task")),
        next(iter(trials.values())).part,
        validation=0.2,
        seed=0,
    )
    validation, test = dataset.indices("validation"), dataset.indices("test")
    models = {name: Model.of(trial).restore(dataset, features, run / "trials" / name) for name, trial in trials.items()}
    answers = {name: model.scaled_answers(features, test) for name, model in models.items()}
    networks = [name for name, trial in trials.items() if not trial.is_yardstick]
    weights = mixing_weights(
        dataset.task, [models[name].scaled_answers(features, validation) for name in networks], dataset.targets[validation]
    )
    answers["ensemble"] = np.sum([w * answers[name] for w, name in zip(weights, networks, strict=True)], axis=0)
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
