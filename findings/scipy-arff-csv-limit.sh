#!/usr/bin/env bash
# Finding: reading an ARFF file with SciPy lifts the limit on the length of a cell for every CSV reader of the process.
# Versions: scipy 1.17.1, numpy 2.4.6, Python 3.11.7.
# Behaviour: csv.field_size_limit() is a setting of the process, 131,072 characters by default; a longer cell is an error.
#   scipy.io.arff.loadarff sets it to the largest number that fits, and does not restore it. From then on, the csv module
#   reads a cell of any length, also in code that relied on the limit. The documentation of loadarff does not mention it.
# Expected instead: a function that reads one file leaves the settings of other readers alone.
# Output seen:
#   before: limit 131072, a cell of 200000 characters: field larger than field limit (131072)
#   after loadarff: limit 9223372036854775807, a cell of 200000 characters: read
# Usage: bash findings/scipy-arff-csv-limit.sh        Exits 1 if the behaviour has changed.
set -euo pipefail

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6

"$scratch/venv/bin/python" - <<'PROGRAM'
import csv
import io
import sys

from scipy.io import arff


def outcome() -> str:
    try:
        rows = [*csv.reader(["x" * 200_000])]
    except csv.Error as error:
        return str(error)
    return "read" if len(rows[0][0]) == 200_000 else "cut"


before = csv.field_size_limit(), outcome()
arff.loadarff(io.StringIO("@relation r\n@attribute a numeric\n@data\n1\n"))
after = csv.field_size_limit(), outcome()
print(f"before: limit {before[0]}, a cell of 200000 characters: {before[1]}")
print(f"after loadarff: limit {after[0]}, a cell of 200000 characters: {after[1]}")
sys.exit(not (before == (131_072, "field larger than field limit (131072)") and after == (sys.maxsize, "read")))
PROGRAM
