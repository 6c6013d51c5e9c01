"""Benchmarks: what one plan gains over another on the same test images, over several seeds.

Usage: python benchmarks/plans.py DATA [--plans quick balanced] [--budget 5m] [--seeds 5] [--target-gain 0.03]

Each plan is a whole process of ``headstart fit`` for each seed. All seeds of a plan share a cache, which is empty at first:
the first wall time is that of a first run, the others are those of later ones. The gain is the mean over seeds and test
images of right answers of the second plan less those of the first; its interval is a paired bootstrap (Efron, 1979) that
draws test images, and seeds, with replacement. Exit 1 if the interval holds zero or the gain is below ``--target-gain``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_CLI = "from headstart.cli import main; main()"
_DRAWS = 10_000


@dataclass(frozen=True)
class Fit:
    """One process.

    Attributes:
        result: Its JSON.
        right: By test image, whether it was named rightly.
        loss: Cross-entropy on the test images.
    """

    result: dict[str, Any]
    right: dict[str, bool]
    loss: float


def main() -> int:
    """Fit, compare, print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="plans-") as folder:
        fits = {
            plan: [_fit(arguments, plan, seed, Path(folder)) for seed in range(arguments.seeds)] for plan in arguments.plans
        }
    print(f"{'plan':10} seed  {'kept':62} val_loss  test acc  test loss  wall s")
    for plan, runs in fits.items():
        for seed, fit in enumerate(runs):
            best, accuracy = fit.result["best"], np.mean(list(fit.right.values()))
            numbers = f"{best['val_loss']:8.4f}  {accuracy:8.4f}  {fit.loss:9.4f}  {fit.result['wall_seconds']:6.1f}"
            print(f"{plan:10} {seed:4}  {best['trial']:62} {numbers}")
    first, second = (_table(fits[plan]) for plan in arguments.plans)
    gain, low, high = _bootstrap(second.astype(float) - first.astype(float))
    n = first.shape[1]
    print(f"\nmean gain in accuracy {gain:+.4f}, 95% interval {low:+.4f} to {high:+.4f} (n={n} images, {len(first)} seeds)")
    return 0 if low > 0 and gain >= arguments.target_gain else 1


def _fit(arguments: argparse.Namespace, plan: str, seed: int, scratch: Path) -> Fit:
    out = scratch / f"{plan}-{seed}"
    command = [
        sys.executable,
        "-c",
        _CLI,
        "fit",
        str(arguments.data),
        "--plan",
        plan,
        "--seed",
        str(seed),
        "--json",
        "--quiet",
    ]
    command += ["--out", str(out), *(["--budget", arguments.budget] if arguments.budget else [])]
    environment = os.environ | {"HEADSTART_CACHE": str(scratch / f"{plan}-cache")}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
        right = {row["path"]: row["label"] == row["predicted"] for row in csv.DictReader(file)}
    evaluation = json.loads((out / "evaluation.json").read_text("utf-8"))
    if evaluation["split"] != "test":
        sys.exit(f"{arguments.data} has no test split to compare on")
    return Fit(json.loads(done.stdout), right, float(evaluation["loss"]))


def _table(fits: list[Fit]) -> np.ndarray[Any, Any]:
    """Right or wrong, ``(seeds, images)``, the images in one order."""
    paths = sorted(fits[0].right)
    return np.array([[fit.right[path] for path in paths] for fit in fits])


def _bootstrap(differences: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Mean, and its 95% interval, of ``(seeds, images)`` differences."""
    random = np.random.default_rng(0)
    num_seeds, num_images = differences.shape
    means = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        seeds, images = random.integers(num_seeds, size=num_seeds), random.integers(num_images, size=num_images)
        means[draw] = differences[np.ix_(seeds, images)].mean()
    low, high = np.quantile(means, (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What one plan gains over another on the same test images.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of train, validation and test class folders")
    parser.add_argument(
        "--plans", nargs=2, default=["quick", "balanced"], metavar="PLAN", help="the second against the first"
    )
    parser.add_argument("--budget", default="5m", metavar="B", help="of each fit; default 5m; '' for none")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--target-gain", type=float, default=0.03, metavar="G")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
