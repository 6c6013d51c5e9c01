"""Stress: whether a fit keeps its budget, and what more time buys.

Usage: python stress/budgets.py DATA [DATA ...] [--budgets 30s 60s 300s] [--plan balanced] [--most-over 0.1]

Each data set is fitted once with each budget, as a whole process with an empty cache: nothing is known of the machine, no
row is stored. A budget that is refused is told with the least that would do. Exit 1 if a process takes more than
``--most-over`` beyond its budget, or a longer budget gives a worse ``val_loss``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from headstart.search.planning.budget import parse_seconds

_CLI = "from headstart.cli import main; main()"


def main() -> int:
    """Fit, print the table, judge."""
    arguments = _arguments()
    failures = []
    print(f"{'data':16} {'budget':>6} {'seconds':>8} {'val_loss':>8}  trials that ended, the kept one first; or the refusal")
    for data in arguments.data:
        best = float("inf")
        for budget in arguments.budgets:
            seconds, val_loss, told = _fit(data, arguments.plan, budget)
            print(f"{data.name:16} {budget:>6} {seconds:8.1f} {val_loss:8.4f}  {told}", flush=True)
            if seconds > (1 + arguments.most_over) * parse_seconds(budget):
                failures.append(f"{data.name}: {budget} took {seconds:.1f} s")
            if val_loss > best:
                failures.append(f"{data.name}: {budget} is worse than a shorter budget")
            best = min(best, val_loss)  # NaN of a refusal is not less
    for failure in failures:
        print(f"MISSED: {failure}")
    return 1 if failures else 0


def _fit(data: Path, plan: str, budget: str) -> tuple[float, float, str]:
    """Seconds of the process, ``val_loss`` (NaN where the budget was refused), and what to tell."""
    with tempfile.TemporaryDirectory(prefix="budgets-") as folder:
        command = [sys.executable, "-c", _CLI, "fit", str(data), "--plan", plan, "--budget", budget]
        command += ["--out", f"{folder}/run", "--json", "--quiet"]
        start = time.perf_counter()
        environment = os.environ | {"HEADSTART_CACHE": f"{folder}/cache"}
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode and any(" H303: " in line for line in lines):
        return seconds, float("nan"), "refused: " + next(line for line in lines if line.startswith("expected"))
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    names = [trial["trial"] for trial in result["trials"] if trial["status"] == "done"]
    kept = result["best"]["trial"]
    return seconds, result["best"]["val_loss"], ", ".join([kept, *(name for name in names if name != kept)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Whether a fit keeps its budget, and what more time buys.")
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA", help="folders of labelled images")
    parser.add_argument("--budgets", nargs="+", default=["30s", "60s", "300s"], metavar="B", help="shortest first")
    parser.add_argument("--plan", default="balanced", metavar="PLAN")
    parser.add_argument("--most-over", type=float, default=0.10, metavar="S", help="share of a budget")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
