"""Benchmarks: how long a CSV file takes to be read, and how much memory, beside pandas.

Usage: python benchmarks/reading.py [--rows N] [--repeat N]

The file is made here: 27 columns, of which 20 are decimals, 3 whole numbers, 2 words, one dates and one row numbers. Both
sides read it in turns in one process, and the medians are compared: pandas.read_csv, Headstart's reader of cells (text, as
every command gets it) and ``hs.read_table`` (the data set: target and splits; digests of rows are computed when a split is
made). Memory is the growth of a fresh process to its peak (on Linux), libraries imported and a small table read before.

Exit status 1: ``hs.read_table`` takes more than 5 times as long as pandas, or more than 4 times the file's size in memory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from headstart.data.readers.read import read_table
from headstart.data.tables.files.read_cells import read_cells

_MAX_RATIO, _MAX_MEMORY = 5.0, 4.0
READERS = {"pandas.read_csv": pd.read_csv, "cells": read_cells, "hs.read_table": read_table}


def make_table(path: Path, num_rows: int) -> None:
    """Write a table of 27 columns."""
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {f"f{i}": np.round(rng.normal(50, 20, num_rows), 4) for i in range(20)}
    columns |= {f"k{i}": rng.integers(0, 1000, num_rows) for i in range(3)}
    columns["town"] = rng.choice(["Ulm", "Graz, West", "Metz", "Aarau"], num_rows)
    columns["when"] = pd.date_range("2020-01-01", periods=num_rows, freq="h").astype(str)
    columns["id"] = np.arange(num_rows) + 1
    columns["label"] = rng.choice(["yes", "no"], num_rows)
    pd.DataFrame(columns).to_csv(path, index=False)


def seconds(path: Path, repeat: int) -> dict[str, float]:
    """Median seconds of each reader, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(repeat):
        for name, read in READERS.items():
            started = time.perf_counter()
            read(path)  # type: ignore[operator]
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in taken.items()}


def peak_growth(path: Path, reader: str) -> float:
    """Growth in MB of a fresh process that reads the file, to its peak."""
    command = [sys.executable, __file__, "--measure", reader, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(reader: str, path: Path) -> None:
    """Print the growth of this process while it reads the file, in MB."""
    small = path.with_name("small.csv")
    make_table(small, 100)
    READERS[reader](small)  # type: ignore[operator]
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before = _status("VmRSS")
    READERS[reader](path)  # type: ignore[operator]
    print((_status("VmHWM") - before) / 1024)


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def main() -> int:
    """Measure, and print a line for each reader."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--measure", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure[0], Path(asked.measure[1]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        make_table(path, asked.rows)
        size = path.stat().st_size / 2**20
        taken = seconds(path, asked.repeat)
        grown = {name: peak_growth(path, name) for name in READERS}
    print(f"{asked.rows} rows, {size:.1f} MB")
    for name in READERS:
        ratio, times = taken[name] / taken["pandas.read_csv"], grown[name] / size
        print(f"{name:16} {taken[name]:7.3f} s  {ratio:5.1f} x pandas   {grown[name]:6.1f} MB  {times:4.1f} x the file")
    is_slow = taken["hs.read_table"] > _MAX_RATIO * taken["pandas.read_csv"]
    return int(is_slow or grown["hs.read_table"] > _MAX_MEMORY * size)


if __name__ == "__main__":
    sys.exit(main())
