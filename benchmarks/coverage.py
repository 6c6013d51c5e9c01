"""Benchmark: how often do sets and intervals contain the truth, on test splits that nothing was fitted to or tuned on?

Usage: python benchmarks/coverage.py DATA[:TARGET]... [--seeds 10] [--trial NAME ...] [--coverage 0.8 0.9 0.95]

Each data set is fitted once per seed, which decides its split, by the commands of a user. The test split of each run, or its
validation split where the data have splits but no test split, is then predicted by the shipped model with ``coverage``. Of a
regression with several targets, a sample counts as covered if all of them are. The standard error is that of the mean over
the seeds; splits of one data set overlap, so that it is rather too small.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import headstart as hs
from headstart.data.target_scaling import Scaling
from headstart.evaluation.uncertainty.conformal import Conformal
from headstart.foundation.errors import UsageError
from headstart.foundation.runs.files import read_csv, read_json
from headstart.report.predictions import read_answers


def main() -> int:
    """Fit, count, print."""
    arguments = _arguments()
    print(
        f"{'data':20} {'task':11} {'nominal':>7} {'covered':>8} {'s.e.':>6}  mean size of sets, or median width of intervals"
    )
    for data in arguments.data:
        path, _, target = data.partition(":")
        found: dict[float, list[tuple[float, float]]] = {coverage: [] for coverage in arguments.coverage}
        task = ""
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                options = {"trial": arguments.trial, "seed": seed, "folds": 0, "out": f"{folder}/run", "progress": False}
                run = hs.fit(path, target=target or None, **options)
                task = str(run.to_json()["task"])
                for coverage in arguments.coverage:
                    found[coverage] += _covered(run.path, coverage)
        for coverage, pairs in found.items():
            if not pairs:
                print(f"{Path(path).name:20} {task:11} {coverage:7.0%} too few held-out samples")
                continue
            shares, sizes = np.array(pairs).T
            error = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else float("nan")
            print(
                f"{Path(path).name:20} {task:11} {coverage:7.0%} {shares.mean():8.1%} {error:6.1%}  {sizes.mean():.4g}",
                flush=True,
            )
    return 0


def _covered(run: Path, coverage: float) -> list[tuple[float, float]]:
    """Share of the evaluated samples whose truth is in the set, and the size of the sets; nothing if samples are too few."""
    evaluation = read_answers(read_csv(run / "predictions.csv"), read_json(run / "evaluation.json"))
    signature = read_json(run / "signature.json")
    scaling = signature.get("scaling_of_targets")
    scale = None if scaling is None else Scaling.from_json(scaling)
    try:
        sets = Conformal.from_json(signature["conformal"]).with_coverage(
            coverage, evaluation.task, evaluation.classes, scale
        )
    except UsageError:
        return []
    labels, answers = evaluation.labels, evaluation.answers
    if evaluation.task == "regression":
        low, high = sets.interval(answers)
        return [(float(((low <= labels) & (labels <= high)).all(axis=1).mean()), float(np.median(high - low)))]
    inside = sets.contains(answers)
    is_true = labels == 1 if evaluation.task == "multilabel" else np.eye(inside.shape[1], dtype=bool)[labels]
    return [(float((inside | ~is_true).all(axis=1).mean()), float(inside.sum(axis=1).mean()))]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trial", nargs="+", default=[])
    parser.add_argument("--coverage", type=float, nargs="+", default=[0.8, 0.9, 0.95])
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
