"""Stress: resident memory while one fit runs many trials; it should not grow with what has ended.

Usage: python stress/many_trials.py DATA [--trial NAME ...] [--target-growth 1.1]

A whole process of ``headstart fit`` is watched from outside: whenever ``run.json`` has another ended trial, the resident
memory of the process and all its children is read and added up (``VmRSS``, mapped pages of the store included). Exit 1 if
after the last trial it is more than ``--target-growth`` times what it was after the third. Linux only.
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

from processes import held_bytes

_FIT = "from headstart.cli import main; main()"
_POLL_SECONDS = 0.05
_TRIALS = [
    name
    for side in (96, 128, 160, 192, 224)
    for name in (
        f"{side}px-linear",
        f"{side}px-mlp",
        f"efficientnet_lite0-avg-{side}px-dnn",
        f"efficientnet_lite0-stage6_block4-avg-{side}px-linear",
    )
]
_SETTLED = 3  # trials, until every framework is loaded and has its pools of threads and of memory


def main() -> int:
    """Fit, watch, print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="many-trials-") as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-c", _FIT, "fit", str(arguments.data), "--quiet", "--out", str(out)]
        command += ["--trial", *arguments.trial]
        environment = os.environ | {"HEADSTART_CACHE": f"{folder}/cache"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            sizes = _watch(process, out)
    if process.returncode or len(sizes) < len(arguments.trial):
        sys.exit(f"the fit ended with {process.returncode} after {len(sizes)} trials")
    growth = sizes[-1] / sizes[_SETTLED - 1]
    print(f"after trial {len(sizes)} it is {growth:.3f} times what it was after trial {_SETTLED}")
    return 0 if growth <= arguments.target_growth else 1


def _watch(process: subprocess.Popen[bytes], out: Path) -> list[int]:
    """Resident bytes at the end of each trial."""
    sizes: dict[str, int] = {}
    while process.poll() is None:
        for row in _rows(out / "run.json"):  # which are not in the order of their ends
            if row["trial"] not in sizes:
                sizes[row["trial"]] = size = held_bytes(process.pid, "VmRSS")
                print(f"{len(sizes):3} {row['trial']:55} {row['status']:8} {size / 2**20:7.0f} MiB", flush=True)
        time.sleep(_POLL_SECONDS)
    return [*sizes.values()]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        return list(json.loads(path.read_text("utf-8"))["trials"])
    except (FileNotFoundError, KeyError):  # the run has only begun
        return []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Resident memory while one fit runs many trials.")
    parser.add_argument("data", type=Path, metavar="DATA", help="a small folder of labelled images")
    parser.add_argument("--trial", nargs="+", default=_TRIALS, metavar="NAME")
    parser.add_argument("--target-growth", type=float, default=1.10, metavar="G")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
