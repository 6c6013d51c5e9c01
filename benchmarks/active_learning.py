"""Benchmark: do the samples that ``headstart label`` chooses improve the model more than as many chosen at random?

Usage: python benchmarks/active_learning.py DATA [--start 60] [--number 60] [--seeds 10]

DATA has one folder per class. For each seed, two fifths of its images are the test; of the others, ``--start`` are labelled,
as many of each class. A run on them, with that test split, chooses ``--number`` more from the rest by ``Run.label``, and as
many are chosen at random. Compared are the test accuracies of a run on each of both sets.

Exit status 1: the 95% interval of the mean difference in accuracy contains zero, or is below it.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import headstart as hs
from headstart.data.readers.read import read
from headstart.foundation.arrays import Array

_TRIAL = "efficientnet_lite0-grid2-linear"


def main() -> int:
    """Fit, choose, fit again, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--start", type=int, default=60)
    parser.add_argument("--number", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    print("seed  accuracy before  chosen by label  at random")
    found = np.array([_measure(given.data, given.start, given.number, seed) for seed in range(given.seeds)])
    differences = found[:, 1] - found[:, 2]
    error = differences.std(ddof=1) / len(differences) ** 0.5
    low, high = differences.mean() - 1.96 * error, differences.mean() + 1.96 * error
    print(f"mean  {found[:, 0].mean():15.3f}  {found[:, 1].mean():15.3f}  {found[:, 2].mean():9.3f}")
    print(f"difference {differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
    return int(low <= 0)


def _measure(data: str, start: int, number: int, seed: int) -> tuple[float, float, float]:
    dataset, random = read(data), np.random.default_rng(seed)
    labels, order = np.asarray(dataset.labels), random.permutation(len(dataset))
    test, others = np.split(order, [2 * len(order) // 5])
    per_class = start // dataset.num_classes
    labelled = np.concatenate([others[labels[others] == one][:per_class] for one in range(dataset.num_classes)])
    pool = np.setdiff1d(others, labelled)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = _fitted(dataset, labelled, test, folder / "first", seed)
        chosen = first.label([dataset.file(i) for i in pool], number=number)["path"]
        place = {str(dataset.file(i)): i for i in pool}
        by_label = np.array([place[path] for path in chosen])
        at_random = random.choice(pool, len(by_label), replace=False)
        runs = [first] + [
            _fitted(dataset, np.concatenate([labelled, more]), test, folder / name, seed)
            for more, name in ((by_label, "chosen"), (at_random, "random"))
        ]
        scores = [float(run.evaluation["accuracy"]) for run in runs]
    print(f"{seed:4}  {scores[0]:15.3f}  {scores[1]:15.3f}  {scores[2]:9.3f}", flush=True)
    return scores[0], scores[1], scores[2]


def _fitted(dataset: hs.Dataset, labelled: Array, test: Array, out: Path, seed: int) -> hs.Run:
    indices = np.sort(np.concatenate([labelled, test]))
    split = tuple(np.where(np.isin(indices, test), "test", "train").tolist())
    return hs.fit(replace(dataset.take(indices), split=split), trial=_TRIAL, seed=seed, out=out, progress=False)


if __name__ == "__main__":
    raise SystemExit(main())
