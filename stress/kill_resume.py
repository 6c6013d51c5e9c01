"""Stress: a run that is killed again and again ends as the run that never was.

Usage: python stress/kill_resume.py DATA [--kills 40] [--seed 0] [--trial NAME ...]

First ``headstart fit`` runs undisturbed, with an empty cache. Then, until so many SIGKILLs have struck, runs are started
with empty caches of their own, killed with all their children at random moments, and taken up by ``headstart resume``
until they end. Each must come out as the first did: leaderboard, histories, evaluation, and the weights of every trial and
of the shipped model, bit for bit; only fields that hold seconds, and the front that is drawn from them, may differ.
Exit 1 if one does not.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import family

_TRIALS = ("linear", "efficientnet_lite0-stage6_block4-avg-128px-2views-mlp")
_CLI = "from headstart.cli import main; main()"
_SECONDS = ("part_a_seconds", "part_b_seconds", "total_seconds", "ms_per_sample", "on_front")
_MAX_IN_A_RUN = 4  # kills, after which it may end


@dataclass(frozen=True)
class Outcome:
    """Results that a resumed run must share with one that was never killed."""

    leaderboard: list[dict[str, str]]
    histories: dict[str, list[dict[str, Any]]]
    evaluation: dict[str, Any]
    weights: dict[str, str]

    def differences(self, other: Outcome) -> list[str]:
        """Names of what differs, each array of weights by its own."""
        names = [name for name in ("leaderboard", "histories", "evaluation") if getattr(self, name) != getattr(other, name)]
        arrays = sorted(self.weights.keys() | other.weights.keys())
        return names + [name for name in arrays if self.weights.get(name) != other.weights.get(name)]


def main() -> int:
    """Run, kill, resume, compare."""
    arguments = _arguments()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="kill-resume-") as folder:
        scratch = Path(folder)
        start = time.perf_counter()
        _command(_fit(arguments, scratch / "whole"), scratch / "whole-cache", None)
        seconds = time.perf_counter() - start
        whole = _outcome(scratch / "whole")
        print(f"undisturbed: {seconds:.1f} s, {len(whole.weights)} arrays of weights", flush=True)
        kills = runs = wrong = 0
        while kills < arguments.kills:
            runs += 1
            struck, out = _killed_run(arguments, scratch, seconds, arguments.kills - kills)
            kills += struck
            differences = whole.differences(_outcome(out))
            wrong += bool(differences)
            print(f"run {runs}: {struck} kills, {', '.join(differences[:5]) or 'the same'}", flush=True)
            shutil.rmtree(out)
    print(f"{kills} kills in {runs} runs, {runs - wrong} of them came out the same")
    return 1 if wrong else 0


def _killed_run(arguments: argparse.Namespace, scratch: Path, seconds: float, left: int) -> tuple[int, Path]:
    out, cache = scratch / "killed", scratch / "killed-cache"
    shutil.rmtree(cache, ignore_errors=True)
    kills = 0
    while True:
        is_begun = (out / "run.json").exists()
        command = [sys.executable, "-c", _CLI, "resume", str(out), "--quiet"] if is_begun else _fit(arguments, out)
        is_last = kills >= min(left, _MAX_IN_A_RUN)
        if _command(command, cache, None if is_last else random.uniform(0.5, seconds)):
            return kills, out
        kills += 1


def _fit(arguments: argparse.Namespace, out: Path) -> list[str]:
    command = [sys.executable, "-c", _CLI, "fit", str(arguments.data), "--out", str(out), "--quiet"]
    return [*command, "--trial", *arguments.trial]


def _command(command: list[str], cache: Path, kill_after: float | None) -> bool:
    """Run a command to its end, or kill it with all its children; whether it ended by itself."""
    environment = os.environ | {"HEADSTART_CACHE": str(cache)}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            for pid in family(process.pid):
                _kill(pid)
            process.wait()
            return False
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read().decode()[-3000:]}")
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        print(f"{pid} had ended already", file=sys.stderr)


def _outcome(run: Path) -> Outcome:
    with (run / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        board = [{key: value for key, value in row.items() if key not in _SECONDS} for row in csv.DictReader(file)]
    histories = {
        path.parent.name: [
            {key: value for key, value in json.loads(line).items() if key != "seconds"}
            for line in path.read_text("utf-8").splitlines()
        ]
        for path in sorted(run.glob("trials/*/history.jsonl"))
    }
    evaluation = json.loads((run / "evaluation.json").read_text("utf-8"))
    weights: dict[str, str] = {}
    for path in sorted(run.rglob("*.keras")):
        weights |= _digests(path, path.relative_to(run).as_posix())
    return Outcome(board, histories, evaluation, weights)


def _digests(path: Path, name: str) -> dict[str, str]:
    """The digest of every array of weights in a .keras file."""
    import h5py

    found: dict[str, str] = {}

    def note(place: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[f"{name}:{place}"] = hashlib.sha256(item[()].tobytes()).hexdigest()

    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(note)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Killed and resumed, a run ends as if it had never been killed.")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a small folder of labelled images, or a table whose target is found unasked"
    )
    parser.add_argument("--kills", type=int, default=40, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--trial", nargs="+", default=_TRIALS, metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
