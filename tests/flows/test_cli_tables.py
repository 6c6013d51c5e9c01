"""The command line on tables of features: fit, evaluate, predict and export, and how mistakes end."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import headstart
from headstart.foundation.runs.files import read_csv

FEATURES = ["size", "since", "colour", "town"]
CLASSES = ["ash", "elm", "oak"]

Ended = tuple[int, str, str]
Call = Callable[..., Ended]


def process(*arguments: object, code: str = "from headstart.cli import main; main()") -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(headstart.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, make_table: Callable[..., Path]) -> Path:
    """A table of three classes with a split, one row of which is too short and one of which has no class."""
    path = make_table(tmp_path_factory.mktemp("cli") / "trees.csv", "multiclass", split=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("1.5,2020-01-01\n1.5,2020-01-01,red,Town 1 <é>,train,?\n")
    return path


@pytest.fixture(scope="module")
def fitted(table: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The finished process of ``fit --json``."""
    out = tmp_path_factory.mktemp("cli-run") / "run"
    return process("fit", table, "--trial", "table-baseline", "table-linear", "--out", out, "--json")


@pytest.fixture(scope="module")
def run(fitted: subprocess.CompletedProcess[str]) -> Path:
    """The run folder."""
    assert fitted.returncode == 0, fitted.stderr
    return Path(json.loads(fitted.stdout)["run"])


def features_of(table: Path) -> pd.DataFrame:
    """Its features alone."""
    return pd.read_csv(table, nrows=200)[FEATURES]


def test_fit_gives_one_json_object(fitted: subprocess.CompletedProcess[str], run: Path) -> None:
    """The task, the classes, the trials, and every row of the file used or counted."""
    value = json.loads(fitted.stdout)
    assert (value["task"], value["classes"], value["status"]) == ("multiclass", CLASSES, "done")
    assert value["best"]["trial"] == "table-linear"
    assert {row["trial"] for row in value["trials"]} == {"table-linear", "table-baseline"}
    assert all(row["val_accuracy"] is not None and row["fold_accuracy"] is not None for row in value["trials"])
    assert value["num_samples"] == {"train": 120, "validation": 40, "test": 40}
    assert value["num_skipped"] == 2
    assert [row["path"] for row in read_csv(run / "skipped.csv")] == ["row 201", "row 202"]
    assert "200 rows" in fitted.stderr


def test_evaluate_counts_the_test_rows(run: Path, table: Path, call: Call) -> None:
    """On the same file it is the evaluation of the run, a look at its test split; a person is told of rows."""
    stored = json.loads((run / "evaluation.json").read_text())
    status, out, _ = call("evaluate", run, table, "--json")
    value = json.loads(out)
    assert (status, value["n"], value["split"]) == (0, 40, "test")
    assert value["accuracy"] == stored["accuracy"] > stored["baseline_accuracy"]
    assert value["loss"] == pytest.approx(stored["loss"], abs=1e-5)
    status, out, err = call("evaluate", run, table)
    assert (status, "on 40 rows" in out) == (0, True)
    assert "row 202" in err


def test_new_rows_are_new_though_some_are_equal_to_known_ones(run: Path, table: Path, call: Call, tmp_path: Path) -> None:
    """A third of the rows are copies of training rows: they are counted, and neither called train nor a look at the test."""
    looks = json.loads((run / "run.json").read_text()).get("test_looks", 0)
    rows = pd.read_csv(table, nrows=60).drop(columns="split")
    rows["size"] = rows["size"].where(rows.index < 20, 1.0 + rows.index / 1000)
    rows.to_csv(tmp_path / "new.csv", index=False)
    status, out, _ = call("evaluate", run, tmp_path / "new.csv", "--json")
    value = json.loads(out)
    assert (status, value["split"], value["optimistic"], value["num_seen"]) == (0, "test", False, 16)
    assert json.loads((run / "run.json").read_text()).get("test_looks", 0) == looks
    assert "16 of 60 rows duplicate samples" in call("evaluate", run, tmp_path / "new.csv")[1]


def test_predict_answers_in_rows(run: Path, table: Path, call: Call, tmp_path: Path) -> None:
    """The first column is the number of the row; columns may stand in any order, the target need not be there."""
    features_of(table)[FEATURES[::-1]].to_csv(tmp_path / "new.csv", index=False)
    status, out, err = call("predict", run, tmp_path / "new.csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, err) == (0, "")
    assert list(rows[0]) == ["row", "predicted", *(f"p_{name}" for name in CLASSES)]
    assert [row["row"] for row in rows] == [str(number) for number in range(1, 201)]
    stored = {row["row"]: row for row in read_csv(run / "predictions.csv")}
    assert len(stored) == 40
    for row in rows:
        if row["row"] in stored:
            assert row["predicted"] == stored[row["row"]]["predicted"]
            assert float(row["p_oak"]) == pytest.approx(float(stored[row["row"]]["p_oak"]), abs=1e-4)
    status, nothing, _ = call("predict", run, tmp_path / "new.csv", "--out", tmp_path / "answers.csv")
    assert (status, nothing, (tmp_path / "answers.csv").read_text("utf-8")) == (0, "", out)


def test_cells_that_count_as_missing_are_told(run: Path, table: Path, call: Call, tmp_path: Path) -> None:
    """A word and an infinity where the model reads numbers: answers on stdout, a line about each on stderr, every time."""
    rows = features_of(table).head(3).astype(object)
    rows.loc[1:, FEATURES[0]] = ["much", "inf"]
    rows.to_csv(tmp_path / "new.csv", index=False)
    for _ in range(2):
        status, out, err = call("predict", run, tmp_path / "new.csv")
        assert (status, len(out.splitlines())) == (0, 4)
        assert err.splitlines() == [
            f'{FEATURES[0]}: 1 of 3 cells is not a number and is treated as missing ("much")',
            f'{FEATURES[0]}: 1 of 3 cells is infinite and is treated as missing ("inf")',
        ]


def test_predict_lists_rows_that_do_not_fit_and_names_one_file_of_several(
    run: Path, table: Path, call: Call, tmp_path: Path
) -> None:
    """A ragged row has an error in place of an answer, and the status is 1; of several tables the file is told."""
    for name in ("a.csv", "b.csv"):
        features_of(table).head(3).to_csv(tmp_path / name, index=False)
    with (tmp_path / "b.csv").open("a") as file:
        file.write("1.5,red\n")
    status, out, _ = call("predict", run, tmp_path / "a.csv", tmp_path / "b.csv", "--json")
    rows = json.loads(out)["predictions"]
    assert status == 1
    expected = [f"{tmp_path}/a.csv:{i}" for i in (1, 2, 3)] + [f"{tmp_path}/b.csv:{i}" for i in (1, 2, 3, 4)]
    assert [row["row"] for row in rows] == expected
    assert [row["error"] is None for row in rows] == [True] * 6 + [False]
    assert rows[-1]["predicted"] is None
    assert rows[0]["p_ash"] == rows[3]["p_ash"]


def test_a_missing_column_is_told(run: Path, table: Path, call: Call, tmp_path: Path) -> None:
    """H115 in three lines, exit status 2, nothing on stdout."""
    features_of(table).drop(columns="town").to_csv(tmp_path / "new.csv", index=False)
    for command in ("predict", "evaluate"):
        if command == "evaluate":
            pd.read_csv(table, nrows=200).drop(columns="town").to_csv(tmp_path / "new.csv", index=False)
        status, out, err = call(command, run, tmp_path / "new.csv")
        assert (status, out, "H115" in err, "town" in err) == (2, "", True, True)
        assert len(err.splitlines()) == 4


def test_data_of_the_other_kind_is_told(run: Path, call: Call, tmp_path: Path, make_photos: Callable[..., Path]) -> None:
    """A model of features that is given a folder of images, or something that is no table, says what is wrong."""
    photos = make_photos(tmp_path / "photos", per_class=1)
    status, out, err = call("predict", run, photos / "circle")
    assert (status, out) == (2, "")
    assert "give such a table, or a run that was fitted on images" in err
    assert len(err.splitlines()) == 4
    status, out, err = call("evaluate", run, photos)
    assert (status, out) == (2, "")
    assert "H110" in err
    assert len(err.splitlines()) == 4


def test_predict_needs_no_training_framework(run: Path, table: Path, tmp_path: Path) -> None:
    """A fresh process that predicts imports neither Keras nor TensorFlow, PyTorch, JAX, pandas or matplotlib."""
    features_of(table).head(2).to_csv(tmp_path / "new.csv", index=False)
    names = ("keras", "tensorflow", "torch", "jax", "pandas", "matplotlib", "openvino")
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: sys.stderr.write(' '.join(n for n in {names!r} if n in sys.modules)))\n"
        "from headstart.cli import main\nmain()\n"
    )
    done = process("predict", run, tmp_path / "new.csv", code=code)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


def test_export_of_a_table(run: Path, call: Call, tmp_path: Path) -> None:
    """One file from columns to answers, checked."""
    status, out, _ = call("export", run, "--to", "onnx", "--out", tmp_path / "out", "--json")
    (exported,) = json.loads(out)["exports"]
    assert (status, exported["format"], Path(exported["path"]).exists()) == (0, "onnx", True)
    assert exported["max_difference"] <= 1e-3


def test_the_leaderboard_of_a_table(run: Path, call: Call) -> None:
    """Execution time and the task's metric, the baseline among the rows."""
    status, out, _ = call("leaderboard", run, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, [row["trial"] for row in rows]) == (0, ["table-linear", "table-baseline"])
    assert float(rows[0]["val_accuracy"]) > float(rows[1]["val_accuracy"])


@pytest.mark.parametrize(
    ("task", "arguments", "code"),
    [
        ("multiclass", ["--trial", "pixels-cnn"], "H042"),
        ("multiclass", ["--trial", "avg-linear"], "H008"),
        ("multiclass", ["--trial", "table-grid2-mlp"], "H008"),
        ("multiclass", ["--plan", "scratch"], "H001"),
        ("multiclass", ["--trial", "table-cnn"], "H008"),
        ("multiclass", ["--trial", "table-32px-mlp"], "H008"),
        ("multiclass", ["--target", "colour,kind"], "H102"),
        ("multiclass", ["--target", "species"], "H108"),
        ("multiclass", ["--task", "regression"], "H102"),
        ("multiclass", ["--folds", "1"], "H009"),
        ("binary", ["--trial", "table-ovr_linear"], "H043"),
        ("binary", ["--plan", "one_vs_rest"], "H043"),
        ("regression", ["--target", "price", "--task", "binary"], "H102"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_mistakes_are_told_before_anything_is_trained(
    task: str, arguments: list[str], code: str, call: Call, tmp_path: Path, make_table: Callable[..., Path]
) -> None:
    """Three lines with their code, exit status 2, and no folder."""
    path = make_table(tmp_path / "rows.csv", task)
    status, out, err = call("fit", path, "--out", tmp_path / "run", "--quiet", *arguments)
    assert (status, out) == (2, "")
    title, *rows = err.splitlines()
    assert f" {code}: " in title
    assert [row[:12].strip() for row in rows] == ["received", "expected", "do this"]
    assert not (tmp_path / "run").exists()


def test_a_table_trial_for_images_is_told(call: Call, tmp_path: Path, make_photos: Callable[..., Path]) -> None:
    """H042 the other way round; one-vs-rest for two classes of images is H043."""
    for arguments, code in ((["--trial", "table-mlp"], "H042"), (["--trial", "avg-ovr_mlp"], "H043")):
        photos = make_photos(tmp_path / "photos", classes=("circle", "square"), per_class=3)
        status, out, err = call("fit", photos, "--out", tmp_path / "run", "--quiet", *arguments)
        assert (status, out, f" {code}: " in err) == (2, "", True)
        assert not (tmp_path / "run").exists()
