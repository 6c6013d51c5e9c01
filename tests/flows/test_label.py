"""``headstart label``: from a folder of unlabelled images, or a table, to the list of those to label next."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import headstart as hs
from headstart.foundation.errors import UsageError
from headstart.foundation.runs.files import read_csv

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)

Call = Callable[..., tuple[int, str, str]]
LINEAR = "efficientnet_lite0-grid2-linear"


@pytest.fixture(scope="module")
def run(make_photos: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> hs.Run:
    """A run on few photos."""
    folder = tmp_path_factory.mktemp("label")
    return hs.fit(make_photos(folder / "few", per_class=8), trial=LINEAR, out=folder / "run", progress=False)


@pytest.fixture(scope="module")
def unlabelled(run: hs.Run, make_photos: Callable[..., Path]) -> Path:
    """A folder of other photos, one of them twice, and one of the run's."""
    folder = make_photos(run.path.parent / "unlabelled", per_class=20, seed=7)
    first = folder / "circle" / "000.jpg"
    (folder / "again.jpg").write_bytes(first.read_bytes())
    (folder / "known.jpg").write_bytes((run.path.parent / "few" / "circle" / "000.jpg").read_bytes())
    return folder


def test_the_list_has_a_column_to_fill_in_and_what_the_model_thinks(run: hs.Run, unlabelled: Path, call: Call) -> None:
    """As many as asked for, without copies and without what the run has."""
    code, out, err = call("label", run.path, unlabelled, "--number", 9)
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0
    assert list(rows[0]) == ["path", "label", "predicted", "p_circle", "p_square", "p_triangle", "uncertainty"]
    assert len({row["path"] for row in rows}) == len(rows) == 9
    assert {row["label"] for row in rows} == {""}
    assert not {str(unlabelled / "known.jpg")} & {row["path"] for row in rows}
    assert "9 to label (1 in the run already; 1 equal to others)" in err
    for row in rows:
        first, second = sorted((float(row[f"p_{name}"]) for name in ("circle", "square", "triangle")), reverse=True)[:2]
        assert float(row["uncertainty"]) == pytest.approx(1 - (first - second), abs=1e-4)
    assert len({Path(row["path"]).parent.name for row in rows}) == 3  # of every kind


def test_all_are_listed_if_more_are_asked_for(run: hs.Run, unlabelled: Path) -> None:
    """The most uncertain first; the same in Python."""
    frame = run.label(unlabelled, number=500)
    assert len(frame) == 60
    assert frame["uncertainty"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(frame, run.label([str(unlabelled)], number=500))


def test_out_has_the_list_and_a_page_with_thumbnails(run: hs.Run, unlabelled: Path, tmp_path: Path, call: Call) -> None:
    """Nothing on standard output; no path of the machine on the page."""
    code, out, _ = call("label", run.path, unlabelled, "--number", 5, "--out", tmp_path / "next")
    assert (code, out) == (0, "")
    rows = read_csv(tmp_path / "next" / "to_label.csv")
    page = (tmp_path / "next" / "to_label.html").read_text("utf-8")
    assert len(rows) == page.count("<figure") == page.count("data:image/jpeg") == 5
    assert str(unlabelled) not in page
    assert all(f"{number}. {row['predicted']}" in page for number, row in enumerate(rows, start=1))
    code, _, err = call("label", run.path, unlabelled, "--out", tmp_path / "next")
    assert (code, "H501" in err) == (2, True)


def test_a_file_that_cannot_be_read_is_listed_last(run: hs.Run, unlabelled: Path, tmp_path: Path, call: Call) -> None:
    """With its reason, and exit status 1, as in predict."""
    (tmp_path / "notes.txt").write_text("no picture", "utf-8")
    code, out, err = call("label", run.path, tmp_path / "notes.txt", unlabelled / "again.jpg", "--json")
    first, last = json.loads(out)["samples"]
    assert code == 1
    assert "1 to label (1 unreadable)" in err
    assert (first["error"], last["label"], last["uncertainty"]) == (None, None, None)
    assert last["error"] == "not an image in a supported format"


def test_images_in_memory_are_named_by_position(run: hs.Run) -> None:
    """As in predict."""
    images = np.random.default_rng(0).integers(0, 255, (6, 40, 40, 3), np.uint8)
    assert set(run.label(images, number=3)["path"]) <= {f"[{number}]" for number in range(6)}


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression"])
def test_rows_of_a_table(make_table: Callable[..., Path], tmp_path: Path, task: str, call: Call) -> None:
    """By their numbers, with a blank for each target; values have no uncertainty of their own."""
    target = {"binary": "grown", "multilabel": "wet,cold", "regression": "price,heat"}[task]
    table = make_table(tmp_path / "table.csv", task, rows=300)
    frame = pd.read_csv(table)
    frame[:100].to_csv(tmp_path / "few.csv", index=False)
    frame[80:].drop(columns=target.split(",")).to_csv(tmp_path / "more.csv", index=False)
    run = hs.fit(tmp_path / "few.csv", target=target, trial="table-linear", out=tmp_path / "run", progress=False)
    found = run.label(tmp_path / "more.csv", number=7)
    blanks = ["label_price", "label_heat"] if task == "regression" else ["label"]
    assert list(found.columns[: 1 + len(blanks)]) == ["row", *blanks]
    assert found[blanks].isna().all(axis=None)
    assert found["row"].between(21, 220).all()  # the first 20 rows are in the run
    assert found["row"].is_unique
    assert (found["uncertainty"] == 1).all() == (task == "regression")
    code, _, err = call("label", run.path, tmp_path / "more.csv", "--out", tmp_path / "next")
    assert (code, "20 in the run already" in err) == (0, True)
    assert "Row " in (tmp_path / "next" / "to_label.html").read_text("utf-8")


def test_wrong_requests_are_explained(
    run: hs.Run, unlabelled: Path, make_table: Callable[..., Path], tmp_path: Path
) -> None:
    """No samples, or two tables."""
    with pytest.raises(UsageError) as raised:
        run.label(unlabelled, number=0)
    assert raised.value.code == "H052"
    table = make_table(tmp_path / "table.csv", "binary", rows=100)
    of_table = hs.fit(table, trial="table-linear", out=tmp_path / "run", progress=False)
    with pytest.raises(UsageError) as raised:
        of_table.label([str(table), str(table)])
    assert raised.value.code == "H053"
    assert of_table.label(table).empty  # all of them are in the run


@pytest.mark.parametrize("trial", ["pixels-cnn", "efficientnet_lite0-stage7_block1-grid2-mlp"])
def test_other_kinds_of_models_choose_too(trial: str, run: hs.Run, unlabelled: Path, tmp_path: Path) -> None:
    """Without a backbone the predictions tell samples apart, and feature maps by their means."""
    other = hs.fit(run.path.parent / "few", trial=trial, epochs=1, out=tmp_path / "run", progress=False)
    assert len(other.label(unlabelled, number=4)) == 4
