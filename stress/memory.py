"""Stress: peak memory of a fit on few and on many photographs; it should not grow with their number.

Usage: python stress/memory.py DATA [--sizes 2000 20000] [--trial NAME ...] [--keep FOLDER]

``jitter.py`` makes sets of so many photographs from DATA. Each trial is fitted on each as a whole process, and its
anonymous memory (``RssAnon``: what no file stands behind; mapped pages of the store are the system's to reclaim) is added up
over the process and all its children every 50 ms. What importing the frameworks alone takes is measured apart; the table
has the peaks beyond it. Exit 1 if a trial's whole peaks differ by more than 10% between the sizes, or if one exceeds the
imports by more than 1.5 GiB. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import held_bytes

_POLL_SECONDS = 0.05
_FIT = "from headstart.cli import main; main()"
_IMPORTS = (
    "import time, tensorflow, keras, openvino, scipy.optimize, sklearn.metrics, pandas, matplotlib.figure; time.sleep(1)"
)
_TRIALS = {  # with settings that keep the long ones short: what a second epoch holds, every later one holds
    "linear": "",
    "mlp": "",
    "efficientnet_lite0-stage6_block4-avg-linear": "epochs = 2",
    "pixels-96px-cnn": "epochs = 2",
}
_MAX_GROWTH = 1.10
_MAX_BYTES = 1.5 * 2**30


def main() -> int:
    """Measure every trial on every size, print the table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        scratch = arguments.keep or Path(folder)
        sets = [_photographs(arguments.data, scratch, size) for size in arguments.sizes]
        imports = _peak([sys.executable, "-c", _IMPORTS], os.environ.copy())
        print(f"imports alone: {imports / 2**20:.0f} MiB")
        print(f"{'trial':55} " + " ".join(f"{size:>9,}" for size in arguments.sizes) + "   growth")
        failures = 0
        for trial in arguments.trial:
            peaks = [_fit(photos, trial, scratch) for photos in sets]
            growth = max(peaks) / min(peaks)
            is_missed = growth > _MAX_GROWTH or max(peaks) - imports > _MAX_BYTES
            failures += is_missed
            cells = " ".join(f"{(peak - imports) / 2**20:>5.0f} MiB" for peak in peaks)
            print(f"{trial:55} {cells}   {growth:.2f}" + ("  MISSED" if is_missed else ""), flush=True)
    return 1 if failures else 0


def _photographs(data: Path, scratch: Path, size: int) -> Path:
    """A set of about so many training photographs, made unless it is there."""
    out = scratch / f"photos-{size}"
    if not out.exists():
        classes = sum(path.is_dir() for path in (data / "train").iterdir())
        script = Path(__file__).with_name("jitter.py")
        begun = out.with_suffix(".begun")  # a set that was broken off is not taken for a whole one
        command = [sys.executable, str(script), str(data), str(begun), "--train-per-class", str(size // classes)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        begun.rename(out)
    return out


def _fit(photos: Path, trial: str, scratch: Path) -> int:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(f'[[trial]]\ntrial = "{trial}"\n{_TRIALS.get(trial, "")}\n', "utf-8")
        command = [sys.executable, "-c", _FIT, "fit", str(photos), "--plan", str(plan), "--quiet", "--out", f"{folder}/run"]
        return _peak(command, os.environ | {"HEADSTART_CACHE": str(scratch / "cache")})


def _peak(command: list[str], environment: dict[str, str]) -> int:
    """The most anonymous memory, in bytes, that a command and all its children held at one time."""
    most = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            most = max(most, held_bytes(process.pid, "RssAnon"))
            time.sleep(_POLL_SECONDS)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{process.stderr.read().decode()[-2000:] if process.stderr else ''}")
    return most


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Peak anonymous memory of a fit, by the number of photographs.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of train, validation and test class folders")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 20000], metavar="N")
    parser.add_argument("--trial", nargs="+", default=[*_TRIALS], metavar="NAME")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="make the photographs here, and leave them for next time"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
