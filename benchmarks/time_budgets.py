"""Benchmarks: are time budgets kept and used?

Usage: python benchmarks/time_budgets.py DATA[:TARGET] ... [--tiny TABLE] [--budgets 20 40 60 120] [--plan balanced]

Each data set is first fitted without a budget, which gives the seconds that each trial really takes; then with each budget,
once with an empty cache in which only the tiny table has been fitted, and once with the cache of the run without a budget.
Every fit is a whole process, and its seconds are those of the process.

A budget is kept if the process takes at most 10% longer. It is used if at least 60% of it were spent, or if every trial that
was skipped for lack of time takes longer than what was left, the time to convert and check its model included. Exit 1 if a
budget is not kept or not used. A budget that is rejected (H303) counts as kept if the process ends within it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CLI = "from headstart.cli import main; main()"
_MAX_OVER, _MIN_USED = 1.1, 0.6
_END = ("join and save", "convert for predict")  # stages whose time depends on the model


@dataclass(frozen=True)
class Fit:
    """One process: its seconds, its exit status, and the JSON that it printed."""

    seconds: float
    status: int
    result: dict[str, Any]
    stages: dict[str, float]

    @property
    def best(self) -> float:
        """Lowest ``val_loss``; infinite if the fit was rejected."""
        return self.result["best"]["val_loss"] if self.result else float("inf")

    def seconds_of(self, trial: str) -> float:
        """Seconds of a trial; infinite if it has no result."""
        rows = {row["trial"]: row["total_seconds"] for row in self.result.get("trials", ())}
        return rows.get(trial) or float("inf")

    def end_seconds_of(self, trial: str) -> float:
        """Seconds of the end of the run if its model is on the Part A of this trial; 0 if it is not."""
        part = {row["trial"]: row["part_a"] for row in self.result.get("trials", ())}
        is_shipped = part.get(trial, "") == part.get(self.result.get("best", {}).get("trial"))
        return sum(self.stages.get(stage, 0.0) for stage in _END) if is_shipped else 0.0

    def skipped(self) -> list[str]:
        """Trials that were skipped for lack of time."""
        return [row["trial"] for row in self.result.get("trials", ()) if row["status"] == "skipped"]


def main() -> int:
    """Fit, compare, print."""
    arguments = _arguments()
    good = True
    print(f"{'data':24} {'cache':5} {'budget':>6} {'seconds':>8} {'used':>5}  trials skipped  best val_loss  verdict")
    with tempfile.TemporaryDirectory(prefix="budgets-") as scratch:
        for data in arguments.data:
            free = _fit(arguments, data, None, Path(scratch) / "warm")
            _show(data, "warm", None, free, "")
            for budget in arguments.budgets:
                for cache in ("cold", "warm"):
                    with tempfile.TemporaryDirectory(prefix="cold-", dir=scratch) as empty:
                        folder = Path(empty) if cache == "cold" else Path(scratch) / "warm"
                        if cache == "cold" and arguments.tiny:
                            _fit(arguments, arguments.tiny, None, folder)
                        fit = _fit(arguments, data, budget, folder)
                    verdict = _verdict(fit, budget, free)
                    good &= verdict in ("kept and used", "rejected")
                    _show(data, cache, budget, fit, verdict)
    return 0 if good else 1


def _fit(arguments: argparse.Namespace, data: str, budget: float | None, cache: Path) -> Fit:
    path, _, target = data.partition(":")
    command = [sys.executable, "-c", _CLI, "fit", path, *(["--target", target] if target else []), "--json", "--quiet"]
    command += ["--plan", arguments.plan, *(["--budget", f"{budget:g}s"] if budget else [])]
    cache.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as out:
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--out", f"{out}/run"],
            env=os.environ | {"HEADSTART_CACHE": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        state = Path(out) / "run" / "run.json"
        stages = json.loads(state.read_text())["stages"] if state.exists() else {}
    if done.returncode and "H303" not in done.stdout + done.stderr:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return Fit(seconds, done.returncode, {} if done.returncode else json.loads(done.stdout), stages)


def _verdict(fit: Fit, budget: float, free: Fit) -> str:
    if fit.seconds > _MAX_OVER * budget:
        return "NOT KEPT"
    if fit.status:
        return "rejected"
    end = sum(fit.stages.get(stage, 0.0) for stage in _END)
    fitting = [
        trial
        for trial in fit.skipped()
        if fit.seconds + free.seconds_of(trial) + max(0.0, free.end_seconds_of(trial) - end) < budget
    ]
    return "kept and used" if fit.seconds >= _MIN_USED * budget or not fitting else f"NOT USED: {', '.join(fitting)}"


def _show(data: str, cache: str, budget: float | None, fit: Fit, verdict: str) -> None:
    given = f"{budget:g}" if budget else "none"
    used = f"{fit.seconds / budget:5.0%}" if budget else "    -"
    trials = fit.result.get("trials", ())
    numbers = f"{len(trials):6} {len(fit.skipped()):7}  {fit.best:13.4f}"
    print(f"{Path(data).name:24} {cache:5} {given:>6} {fit.seconds:8.1f} {used}  {numbers}  {verdict}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="folder or table; of a table, the target after a colon")
    parser.add_argument("--tiny", help="a tiny table that is fitted first in each empty cache")
    parser.add_argument("--budgets", nargs="+", type=float, default=[20.0, 40.0, 60.0, 120.0])
    parser.add_argument("--plan", default="balanced")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
