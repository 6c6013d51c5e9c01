"""Benchmarks: seconds to the quality of the notebook template, both sides as whole processes in one run.

Usage: python benchmarks/time_to_quality.py DATA [--epochs 10] [--repeat N] [--target-ratio R]

First ``notebook_template.py`` trains, and sets the target: its best ``val_loss``, and the seconds from its process
start to the end of that epoch. Then ``headstart fit DATA`` runs with an empty cache while its run folder is watched;
it is there when the first line of any trial's history has a ``val_loss`` at or below the target. Both numbers are
cross-entropies of the same validation photos, without penalties. Exit 1 if that never happens, or if the ratio is
below ``--target-ratio``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.02
_FIT = "from headstart.cli import main; main()"
# What either side imports; a process apart reads it all from the disk, so that the first side does not pay for both.
_IMPORTS = "import tensorflow, keras, openvino, scipy.ndimage, sklearn.metrics, pandas, matplotlib, typer, lmdb, PIL.Image"


@dataclass(frozen=True)
class Baseline:
    """Result of the notebook template."""

    settings: dict[str, Any]
    epochs: list[dict[str, Any]]
    test: dict[str, Any]

    @property
    def best(self) -> dict[str, Any]:
        """The epoch with the least ``val_loss``."""
        return min(self.epochs, key=lambda epoch: float(epoch["val_loss"]))


@dataclass(frozen=True)
class Fit:
    """Result of one ``headstart fit``.

    Attributes:
        seconds_to_target: From process start to the first ``val_loss`` at or below the target; None if never.
        trial: The trial that got there first.
        wall_seconds: The whole process, report and exports included.
        result: Its JSON.
        test: Its evaluation of the test split.
    """

    seconds_to_target: float | None
    trial: str
    wall_seconds: float
    result: dict[str, Any]
    test: dict[str, Any]


class Watch:
    """Follows the histories of a run that is being written.

    Args:
        out: The run folder; need not exist yet.
        target: The ``val_loss`` to wait for.

    Attributes:
        reached: The trial whose history was the first at or below the target; empty until then.
    """

    def __init__(self, out: Path, target: float) -> None:
        self.reached = ""
        self._out = out
        self._target = target
        self._read: dict[Path, int] = {}  # bytes of whole lines seen, by file

    def look(self) -> bool:
        """Read what is new; True once the target was reached."""
        for history in sorted(self._out.glob("trials/*/history.jsonl")) if not self.reached else ():
            with history.open("rb") as file:
                file.seek(self._read.get(history, 0))
                lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            self._read[history] = self._read.get(history, 0) + len(whole)
            losses = [json.loads(line)["val_loss"] for line in whole.splitlines()]
            if any(loss is not None and loss <= self._target for loss in losses):
                self.reached = history.parent.name
                break
        return bool(self.reached)


def main() -> int:
    """Run both sides and print the comparison; the exit code says whether the target was met."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="time-to-quality-") as folder:
        scratch = Path(folder)
        _warm_up(arguments.data)
        baseline = _run_baseline(arguments, scratch)
        target = float(baseline.best["val_loss"])
        print(f"the template's best val_loss is {target:.4f}; now headstart fit", file=sys.stderr)
        fits = [_run_fit(arguments, scratch / f"fit-{n}", target) for n in range(arguments.repeat)]
    return _report(baseline, fits, arguments.target_ratio)


def _warm_up(data: Path) -> None:
    """Read the photos and the libraries once, so that neither side pays for a cold disk."""
    for path in data.rglob("*"):
        if path.is_file():
            path.read_bytes()
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True, capture_output=True)


def _run_baseline(arguments: argparse.Namespace, scratch: Path) -> Baseline:
    out = scratch / "template.jsonl"
    script = Path(__file__).with_name("notebook_template.py")
    command = [sys.executable, str(script), str(arguments.data), "--out", str(out)]
    command += ["--epochs", str(arguments.epochs), "--interpolation", arguments.interpolation]
    command += ["--workers", str(arguments.workers)] if arguments.workers else []
    print(f"the notebook template, {arguments.epochs} epochs", file=sys.stderr)
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"the notebook template failed:\n{finished.stderr[-2000:]}")
    settings, *epochs, test = (json.loads(line) for line in out.read_text("utf-8").splitlines())
    return Baseline(settings, epochs, test)


def _run_fit(arguments: argparse.Namespace, scratch: Path, target: float) -> Fit:
    """One ``headstart fit`` with nothing cached, watched from outside."""
    scratch.mkdir()
    out = scratch / "run"
    command = [sys.executable, "-c", _FIT, "fit", str(arguments.data), "--json", "--quiet", "--out", str(out)]
    command += arguments.fit_options
    environment = os.environ | {"HEADSTART_CACHE": str(scratch / "cache")}
    watch = Watch(out, target)
    reached = None
    with (scratch / "stdout").open("wb") as stdout, (scratch / "stderr").open("wb") as stderr:
        start = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr) as process:
            try:
                running = True
                while running:
                    running = process.poll() is None  # asked before the look, so that the last lines are seen too
                    if reached is None and watch.look():
                        reached = time.perf_counter() - start
                    time.sleep(_POLL_SECONDS if running else 0.0)
            except BaseException:
                process.kill()
                raise
        wall_seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"headstart fit failed with {process.returncode}:\n{(scratch / 'stderr').read_text('utf-8')[-2000:]}")
    result = json.loads((scratch / "stdout").read_text("utf-8"))
    test = json.loads((out / "evaluation.json").read_text("utf-8"))
    return Fit(reached, watch.reached, wall_seconds, result, test)


def _report(baseline: Baseline, fits: list[Fit], target_ratio: float | None) -> int:
    best, settings = baseline.best, baseline.settings
    trained, frozen = settings["trained_parameters"], settings["frozen_parameters"]
    print(f"\n(a) notebook template: {trained:,} trained and {frozen:,} frozen parameters, jit_compile=False,")
    print(f"    batch {settings['batch_size']}, {settings['workers']} worker(s), {settings['interpolation']} resizing")
    print("    epoch  seconds since process start  val_loss  val_accuracy")
    for row in baseline.epochs:
        mark = " <- best" if row is best else ""
        epoch = f"{row['epoch'] + 1:9}  {row['seconds']:27.1f}  {row['val_loss']:8.4f}  {row['val_accuracy']:12.3f}"
        print(epoch + mark)
    print("(b) headstart fit, empty cache")
    print("    run    seconds to the target  whole process  best val_loss  trial that got there")
    for n, fit in enumerate(fits, start=1):
        seconds = "never reached" if fit.seconds_to_target is None else f"{fit.seconds_to_target:.2f}"
        best_loss = fit.result["best"]["val_loss"]
        print(f"{n:7}  {seconds:>23}  {fit.wall_seconds:13.1f}  {best_loss:13.4f}  {fit.trial or '-'}")
    _print_quality(baseline, fits)
    return _verdict(baseline, fits, target_ratio)


def _print_quality(baseline: Baseline, fits: list[Fit]) -> None:
    from headstart.evaluation.intervals import wilson_interval

    n = int(baseline.test["test_samples"])
    accuracy = float(baseline.test["test_accuracy"])
    low, high = wilson_interval(round(accuracy * n), n)
    num_validation = baseline.settings["samples"]["validation"]
    print(f"\n                  best val_loss (n={num_validation})  test accuracy [95% interval]")
    print(f"(a) template      {baseline.best['val_loss']:21.4f}  {accuracy:.3f} [{low:.3f}, {high:.3f}] n={n}")
    for fit in fits:
        low, high = fit.test["accuracy_interval"]
        loss, accuracy = fit.result["best"]["val_loss"], fit.test["accuracy"]
        print(f"(b) headstart     {loss:21.4f}  {accuracy:.3f} [{low:.3f}, {high:.3f}] n={fit.test['n']}")


def _verdict(baseline: Baseline, fits: list[Fit], target_ratio: float | None) -> int:
    failures = []
    for fit in fits:
        if fit.result["num_samples"] != baseline.settings["samples"]:
            used = f"{fit.result['num_samples']} against {baseline.settings['samples']}"
            failures.append(f"the sides used different photos: {used}")
    reached = [fit.seconds_to_target for fit in fits if fit.seconds_to_target is not None]
    if len(reached) < len(fits):
        failures.append(f"never reached in {len(fits) - len(reached)} of {len(fits)} runs")
    if reached:
        seconds = statistics.median(reached)
        theirs, target = baseline.best["seconds"], baseline.best["val_loss"]
        ratio, whole = theirs / seconds, theirs / statistics.median(fit.wall_seconds for fit in fits)
        spread = f"median of {len(reached)}, {min(reached):.2f} to {max(reached):.2f}"
        print(f"\nseconds to val_loss {target:.4f}: (a) {theirs:.1f}, (b) {seconds:.2f} ({spread})")
        print(f"ratio {ratio:.1f}; to the end of the whole process, report included, {whole:.1f}")
        if target_ratio is not None and ratio < target_ratio:
            failures.append(f"the ratio {ratio:.1f} is below {target_ratio:g}")
    for failure in failures:
        print(f"MISSED: {failure}")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seconds to the notebook template's quality, both sides in one run.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of train, validation and test class folders")
    parser.add_argument("--epochs", type=int, default=10, help="of the template")
    parser.add_argument("--workers", type=int, help="of the template's generator; default half the cores")
    parser.add_argument("--interpolation", default="nearest", help="of the template's resizing; default the generator's own")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run headstart fit so often; the median counts")
    parser.add_argument("--target-ratio", type=float, metavar="R", help="exit 1 if the ratio is below")
    parser.add_argument("--fit-options", nargs=argparse.REMAINDER, default=[], help="the rest goes to headstart fit")
    arguments = parser.parse_args()
    missing = [name for name in ("train", "validation", "test") if not (arguments.data / name).is_dir()]
    if missing or arguments.repeat < 1:
        parser.error(f"{arguments.data} has no {', '.join(missing)}" if missing else "--repeat is at least 1")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
