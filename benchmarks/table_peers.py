"""Benchmark: tables of features, beside trees, networks and a search by other packages, each as a whole process.

Usage: python benchmarks/table_peers.py FOLDER OUT [--sets NAME ...] [--peers NAME ...] [--folds N]

FOLDER holds the tables of ``SETS`` in ``tables.py``. Each is dealt into five outer folds. A peer is fitted to four of them
in a process of its own and predicts the fifth: ``headstart fit`` of a folder with ``train.csv`` and ``test.csv`` and no flag
but ``--task``, and each peer by ``table_peer.py`` in a virtual environment that is made in OUT. A column that gives the
target away, which Headstart would leave out, is left out for all.

Results go to ``OUT/results.jsonl``, a line for each fit; fits that it holds are not repeated. The table at the end gives
the mean log loss or RMSE of each peer over the folds that all have predicted, seconds from the start of a process to its
end, mean ranks, and whether Headstart is at least as good as CatBoost within the interval of the paired differences.

Exit status 1: on more than 2 of 14 sets Headstart is behind CatBoost by more than the interval, its mean rank is not better
than that of each single model, or it takes longer than AutoGluon.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tables import SETS

from headstart.data.dataset import Dataset
from headstart.data.rare_classes import without_rare_classes
from headstart.data.readers.read import read_table
from headstart.evaluation.comparison import paired_difference

_CLI = "from headstart.cli import main; main()"
_NUM_FOLDS, _SEED = 5, 0
_GIVES_AWAY = {"titanic": {"alive"}}
_MIN_PROBABILITY = 1e-7
_OURS, _RIVAL, _SEARCH = "headstart", "catboost", "autogluon"
_PACKAGES = {
    "hist_gradient_boosting": ("scikit-learn", "pandas"),
    "catboost": ("catboost", "scikit-learn"),
    "realmlp": ("torch", "pytabkit"),
    "tabm": ("torch", "pytabkit"),
    "autogluon": ("torch", "autogluon.tabular[lightgbm,catboost,xgboost,fastai]"),
}
_WANTED = 12 / 14


def main() -> int:
    """Fit what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--peers", nargs="*", choices=(_OURS, *_PACKAGES), default=[_OURS, *_PACKAGES])
    parser.add_argument("--folds", type=int, choices=range(1, _NUM_FOLDS + 1), default=_NUM_FOLDS)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    out = given.out.resolve()
    results = out / "results.jsonl"
    known = {(row["set"], row["fold"], row["peer"]) for row in _lines(results)}
    for peer in given.peers:
        for name in given.sets:
            for fold, folder in enumerate(_folds(given.folder, out, name)):
                if fold < given.folds and (name, fold, peer) not in known:
                    row = {"set": name, "fold": fold, "peer": peer, **_fit(peer, folder, out)}
                    with results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
                    print(f"{name}, fold {fold}, {peer}: {row['score']:.4f}, {row['seconds']:.1f} s", flush=True)
    return _report([row for row in _lines(results) if row["set"] in given.sets and row["peer"] in given.peers])


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.is_file() else []


def _folds(source: Path, out: Path, name: str) -> Iterator[Path]:
    """Folders of the outer folds of a set, each with train.csv, test.csv and task.json; written when first asked for."""
    folders = [out / "folds" / name.replace("/", "-").replace(" ", "-") / str(fold) for fold in range(_NUM_FOLDS)]
    if not (folders[-1] / "task.json").is_file():
        asked = SETS[name]
        dataset = read_table(source / asked.file, target=asked.flags.get("target"), task=asked.flags.get("task"))
        _write_folds(without_rare_classes(dataset), _GIVES_AWAY.get(name, set()), folders)
    yield from folders


def _write_folds(dataset: Dataset, left_out: set[str], folders: list[Path]) -> None:
    from sklearn.model_selection import KFold, StratifiedKFold

    if dataset.table is None:
        raise ValueError("not a table of features")
    has_classes = dataset.task != "regression"
    names = [name for name in dataset.table.names if name not in left_out]
    cells = [list(map(str, dataset.table.column(name))) for name in names]
    labels = dataset.label_texts() if has_classes else [repr(float(value)) for value in dataset.labels[:, 0]]
    rows = list(zip(*cells, labels, strict=True))
    splitter = (StratifiedKFold if has_classes else KFold)(_NUM_FOLDS, shuffle=True, random_state=_SEED)
    for folder, parts in zip(folders, splitter.split(rows, labels if has_classes else None), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        for file, part in zip(("train.csv", "test.csv"), parts, strict=True):
            with (folder / file).open("w", encoding="utf-8", newline="") as opened:
                csv.writer(opened).writerows([[*names, "target"], *(rows[i] for i in part)])
        task = {"task": dataset.task, "classes": list(dataset.classes) if has_classes else []}
        (folder / "task.json").write_text(json.dumps(task), "utf-8")


def _fit(peer: str, folder: Path, out: Path) -> dict[str, Any]:
    """Fit a peer to an outer fold. Returns its score, the loss of each test row, and the seconds of its process."""
    task = json.loads((folder / "task.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "predictions.npy"
        if peer == _OURS:
            data, run = Path(scratch) / "data", Path(scratch) / "run"
            data.mkdir()
            for name in ("train.csv", "test.csv"):
                (data / name).symlink_to(folder / name)
            flags = ["--target=target", f"--task={task['task']}", f"--out={run}", "--quiet"]
            command = [sys.executable, "-c", _CLI, "fit", str(data), *flags]
        else:
            worker = Path(__file__).with_name("table_peer.py")
            command = [str(_python(peer, out)), str(worker), peer, str(folder), str(made)]
        start, used = time.perf_counter(), os.times()
        subprocess.run(command, check=True, capture_output=True)
        seconds, spent = time.perf_counter() - start, os.times()
        answers = _our_answers(run, task["classes"]) if peer == _OURS else np.load(made)
        facts = {"shipped": json.loads((run / "run.json").read_text("utf-8"))["best"]["trial"]} if peer == _OURS else {}
    with (folder / "test.csv").open(encoding="utf-8", newline="") as file:
        labels = [row["target"] for row in csv.DictReader(file)]
    losses = _losses(answers, labels, task["classes"])
    score = float(np.mean(losses)) if task["classes"] else float(np.mean(losses) ** 0.5)
    cpu = spent.children_user - used.children_user + spent.children_system - used.children_system
    return {"score": score, "seconds": seconds, "cpu_seconds": cpu, **facts, "losses": losses.tolist()}


def _our_answers(run: Path, classes: list[str]) -> Any:
    """Predictions of the test rows, in their order, from the run."""
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["row"]))
    columns = [f"p_{name}" for name in classes] or ["predicted"]
    answers = np.array([[float(row[name]) for name in columns] for row in rows])
    return answers if classes else answers[:, 0]


def _losses(answers: Any, labels: list[str], classes: list[str]) -> Any:
    """Log loss, or squared error, of each row."""
    if not classes:
        return (np.asarray(answers, np.float64) - np.array(labels, np.float64)) ** 2
    probabilities = np.clip(np.asarray(answers, np.float64), _MIN_PROBABILITY, 1.0)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return -np.log(probabilities[np.arange(len(labels)), [classes.index(label) for label in labels]])


def _python(peer: str, out: Path) -> Path:
    """Interpreter of a peer's virtual environment, which is made when it is first asked for."""
    packages = _PACKAGES[peer]
    folder = out / "environments" / "-".join(package.partition("[")[0] for package in packages)
    python = folder / "bin" / "python"
    if not (folder / "complete").is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "complete").touch()
    return python


def _report(rows: list[dict[str, Any]]) -> int:
    """Print the results of the folds that all peers have, and return the exit status."""
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    by_place: dict[tuple[str, int], dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        by_place[row["set"], row["fold"]][row["peer"]] = row
    by_set: dict[str, list[dict[str, dict[str, Any]]]] = defaultdict(list)
    for (name, _), found in by_place.items():
        if len(found) == len(peers):
            by_set[name].append(found)
    print("\nset | folds | " + " | ".join(peers) + f" | paired difference from {_RIVAL}")
    ranks, seconds = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    kept_up = []
    for name, folds in by_set.items():
        scores = [float(np.mean([fold[peer]["score"] for fold in folds])) for peer in peers]
        for peer, score in zip(peers, scores, strict=True):
            ranks[peer].append(1 + sum(other < score for other in scores) + (scores.count(score) - 1) / 2)
            seconds[peer] += [fold[peer]["seconds"] for fold in folds]
        cells = [f"{score:.4f}" for score in scores]
        if {_OURS, _RIVAL} <= {*peers}:
            ours, rival = (np.concatenate([fold[peer]["losses"] for fold in folds]) for peer in (_OURS, _RIVAL))
            gap = paired_difference(ours, rival)
            kept_up.append(gap.mean <= 1.96 * gap.standard_error)
            cells.append(f"{gap.mean:+.4f} ± {1.96 * gap.standard_error:.4f}{'' if kept_up[-1] else ' <- behind'}")
        print(" | ".join([name, str(len(folds)), *cells]), flush=True)
    means = {peer: float(np.mean(ranks[peer])) for peer in peers if ranks[peer]}
    took = {peer: float(np.mean(seconds[peer])) for peer in means}
    print("mean rank | | " + " | ".join(f"{mean:.2f}" for mean in means.values()))
    print("mean seconds | | " + " | ".join(f"{mean:.1f}" for mean in took.values()))
    print(f"at least as good as {_RIVAL} within the interval: {sum(kept_up)} of {len(kept_up)} sets")
    if _OURS not in means:
        return 0
    is_first = all(means[_OURS] < mean for peer, mean in means.items() if peer not in (_OURS, _SEARCH))
    is_fast = took[_OURS] <= took.get(_SEARCH, np.inf)
    return int(sum(kept_up) < _WANTED * len(kept_up) or not (is_first and is_fast))


if __name__ == "__main__":
    raise SystemExit(main())
