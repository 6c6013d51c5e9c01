"""Benchmarks: how much better is a build that uses every label, on test splits that stay the same?

Usage: python benchmarks/every_label.py OLD_SRC NEW_SRC DATA... [--seeds 5] [--plan quick]

OLD_SRC and NEW_SRC are the ``src`` folders of two checkouts, whose requirements this environment has. DATA are folders of
class folders, with or without splits, or folders with ``labels.csv`` (columns of files, labels and ``split``). Each gets a
test split that is the same for all fits: its own; else its validation split; else a fifth of each class, chosen once. All
other samples are for training and validation, which each fit splits by its own seed.

The builds fit in turns, each in a process of its own and with a cache of its own, in which a first fit has computed the
features. Losses are those of the shipped model on the test split; the difference is paired over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_CLI = "from headstart.cli import main; main()"
_TEST, _OTHERS = ("test",), ("val", "valid", "validation")
_SHARE = 5  # one sample of so many is for the test


def main() -> int:
    """Fit, compare, print."""
    arguments = _arguments()
    print(f"{'data':20} {'old loss':>9} {'new loss':>9} {'change':>7} {'difference':>11} {'s.e.':>7} {'seconds':>8}  of old")
    changes, ratios = [], []
    with tempfile.TemporaryDirectory(prefix="labels-") as scratch:
        for data in arguments.data:
            folder = _with_test(Path(data), Path(scratch) / Path(data).name)
            losses = np.zeros((2, arguments.seeds))
            seconds = np.zeros((2, arguments.seeds))
            for side, source in enumerate((arguments.old, arguments.new)):
                _fit(source, folder, 0, arguments.plan, Path(scratch) / f"cache{side}")
            for seed in range(arguments.seeds):
                for side, source in enumerate((arguments.old, arguments.new)):
                    cache = Path(scratch) / f"cache{side}"
                    losses[side, seed], seconds[side, seed] = _fit(source, folder, seed, arguments.plan, cache)
            difference = losses[1] - losses[0]
            changes.append(losses[1].mean() / losses[0].mean() - 1)
            ratios.append(seconds[1].mean() / seconds[0].mean())
            error = difference.std(ddof=1) / np.sqrt(len(difference))
            numbers = (
                f"{losses[0].mean():9.4f} {losses[1].mean():9.4f} {changes[-1]:7.1%} {difference.mean():11.4f} {error:7.4f}"
            )
            print(f"{Path(data).name:20} {numbers} {seconds[1].mean():8.1f}  {ratios[-1]:.2f}", flush=True)
    print(f"mean change {np.mean(changes):.1%}, seconds {np.mean(ratios):.2f} of the old ones")
    return 0


def _fit(source: str, folder: Path, seed: int, plan: str, cache: Path) -> tuple[float, float]:
    """Loss on the test split, and seconds of the process."""
    cache.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        command = [sys.executable, "-c", _CLI, "fit", str(folder), "--plan", plan, "--seed", str(seed), "--json", "--quiet"]
        done = subprocess.run(
            [*command, "--out", f"{out}/run"],
            env=os.environ | {"PYTHONPATH": source, "HEADSTART_CACHE": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(done.stderr)
        evaluation = json.loads((Path(out) / "run" / "evaluation.json").read_text("utf-8"))
    if evaluation["split"] != "test":
        raise SystemExit(f"{folder}: evaluated on {evaluation['split']}")
    return float(evaluation["loss"]), seconds


def _with_test(data: Path, out: Path) -> Path:
    """A copy of the data in which every sample is for training or for the test."""
    table = data / "labels.csv"
    if table.exists():
        shutil.copytree(data, out, symlinks=False)
        _rewrite(out / "labels.csv")
        return out
    splits = {path.name: path for path in data.iterdir() if path.is_dir()}
    test = next((name for name in (*_TEST, *_OTHERS) if name in splits), None)
    random = np.random.default_rng(0)
    for folder in sorted(
        path for path in data.rglob("*") if path.is_dir() and any(file.is_file() for file in path.iterdir())
    ):
        files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
        first = folder.relative_to(data).parts[0]
        is_test = random.permutation(len(files)) % _SHARE == 0 if test is None else np.full(len(files), first == test)
        for file, is_held in zip(files, is_test, strict=True):
            place = out / ("test" if is_held else "train") / folder.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place / f"{first}-{file.name}")
    return out


def _rewrite(table: Path) -> None:
    """Call every split but the test ``train``; without a test split, choose a fifth of the rows."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = np.random.default_rng(0).permutation(len(rows)) % _SHARE == 0
    test = next((name for name in (*_TEST, *_OTHERS) if any(row.get("split") == name for row in rows)), None)
    for row, is_chosen in zip(rows, chosen, strict=True):
        is_test = is_chosen if test is None else row.get("split") == test
        row["split"] = "test" if is_test else "train"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD_SRC")
    parser.add_argument("new", metavar="NEW_SRC")
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plan", default="quick")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
