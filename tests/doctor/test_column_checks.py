"""Each note of the table encoder becomes a finding."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headstart.data.tables.table import Table
from headstart.doctor.column_checks import CHECKS, check_columns
from headstart.features.tables.column import Note
from headstart.features.tables.table_encoder import learn_encoding


@pytest.mark.parametrize("code", CHECKS)
def test_every_note_is_one_finding(code: str) -> None:
    """A code gives one complete finding that lists up to eight noted columns, and none without a note."""
    (finding,) = check_columns([Note(code, f"column {i}: 3 of 9 cells") for i in range(10)])
    assert finding.code == code
    assert all([finding.title, finding.severity, finding.measured, finding.why, finding.advice])
    assert "column 0: 3 of 9 cells" in finding.measured
    assert "column 9" not in finding.measured
    assert finding.measured.endswith("and 2 more")
    json.dumps(finding.to_json(), allow_nan=False)
    assert check_columns([]) == []


def test_findings_come_in_the_order_of_their_codes() -> None:
    """Findings are sorted by code, not by column."""
    notes = [Note(code, "a column") for code in reversed(CHECKS)]
    assert [finding.code for finding in check_columns(notes)] == sorted(CHECKS)


def test_a_table_with_everything_wrong_has_every_finding() -> None:
    """The encoder gives every code except D214, and each finding has the user's name of the column."""
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2
    useful = random.normal(size=200) + labels
    amounts = [f"{value:.2f}" for value in random.normal(size=200)]
    columns = {
        "none": np.full(200, "", object),
        "same": np.full(200, "x", object),
        "number": np.array([f"id{i:05d}" for i in range(200)], object),
        "useful": useful,
        "again": useful.copy(),
        "answer": np.array(["no", "yes"], object)[labels],
        "odd": np.array(
            ["what" if i % 50 == 7 else f"{value:.3f}" for i, value in enumerate(random.normal(size=200))], object
        ),
        "endless": np.where(np.arange(200) % 40 == 3, np.inf, random.normal(size=200)),
        "large": 202401310000.0 + 1000 * random.permutation(200) ** 2,
        "day": np.array([f"{1 + i % 12}/{1 + i // 7 % 12}/2024" for i in range(200)], object),
        "priced": np.array([f"{amount} {'€$'[i % 2]}" for i, amount in enumerate(amounts)], object),
        "both": np.array([amount.replace(".", ".,"[i % 2]) for i, amount in enumerate(reversed(amounts))], object),
        "either": np.array([f"{1 + value % 9},{100 + value}" for value in random.permutation(200)], object),
        "bare": np.array([amount + " kg" * (i % 9 > 0) for i, amount in enumerate(amounts[9:] + amounts[:9])], object),
        "week": np.array([f"2024-W{i % 52:02}-{i}" for i in range(200)], object),
        "counter": np.arange(200.0),
        "message": np.array([f"this is what was said on day {i}" for i in range(200)], object),
        "hour": np.arange(1000.0, 1200),
    }
    _, notes = learn_encoding(Table(tuple(columns), tuple(columns.values())), labels, "binary")
    found = {finding.code: finding.measured for finding in check_columns(notes)}
    assert set(found) == set(CHECKS) - {"D214"}  # which rows outside training give
    columns_of = ("none", "same", "number", "again", "answer", "odd", "endless", "large", "day", "priced")
    columns_of += ("both", "either", "bare", "week", "counter", "hour", "message")
    for code, name in zip(sorted(found), columns_of, strict=True):
        assert name in found[code], code
