"""The architecture executed: image files and rows of features walk every floor to an exported file, and both ends agree.

Runs on whatever ``KERAS_BACKEND`` says; CI walks it once for each backend, in an environment of its own.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import headstart as hs
from headstart.foundation.errors import ExportError
from headstart.foundation.runs.files import read_csv
from headstart.foundation.runs.run_folder import RunFolder
from headstart.search.planning.plan_file import Entry
from headstart.search.planning.plans import TABLE_PLANS

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)

INNER_CUT = """
[[trial]]
cut = "stage6_block4"
pooling = "avg"
size = 96
network = "linear"
learning_rate = 0.01
epochs = 4
"""

ASK_ONNX = """
import json, sys
from pathlib import Path
import numpy as np, onnxruntime
folder, image = Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(folder))
import preprocess
signature = json.loads((folder / "signature.json").read_text())
pixels = preprocess.load(image, signature["size"], signature["crop"], signature["filter"])
session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
(output,) = session.run(None, {signature["input"]["name"]: pixels[None].astype(np.float32)})
assert not [name for name in sys.modules if name.split(".")[0] in ("headstart", "keras", "tensorflow")]
print(json.dumps(output[0].tolist()))
"""


def assert_both_ends_agree(run: hs.Run, folder: Path) -> None:
    """The stored predictions, the graph without Keras and the ONNX file in a foreign process give the same answers."""
    stored = read_csv(run.path / "predictions.csv")
    paths = [row["path"] for row in stored]
    names = [f"p_{name}" for name in run.to_json()["classes"]]
    expected = np.array([[float(row[name]) for name in names] for row in stored])
    answered = run.predict(paths)
    assert list(answered["path"]) == paths
    assert list(answered["predicted"]) == [row["predicted"] for row in stored]
    assert np.abs(answered[names].to_numpy() - expected).max() <= 1e-4
    run.export("onnx", out=folder)
    command = [sys.executable, "-c", ASK_ONNX, str(folder), paths[0]]
    output = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    probabilities = [1 - output[0], output[0]] if len(names) == 2 else output
    assert np.abs(np.array(probabilities) - expected[0]).max() <= 1e-4


@pytest.fixture(
    scope="module", params=[("circle", "square"), ("circle", "square", "triangle")], ids=["binary", "multiclass"]
)
def walk(
    request: pytest.FixtureRequest, make_photos: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[hs.Run, Path]:
    """A finished run on photographs with a bad file among them, and the folder of the photographs."""
    folder = tmp_path_factory.mktemp("walk")
    photos = make_photos(folder / "photos", classes=request.param, per_class=30)
    (photos / request.param[0] / "broken.jpg").write_bytes(b"no image")
    return hs.fit(photos, out=folder / "run"), photos


def test_run_is_whole(walk: tuple[hs.Run, Path]) -> None:
    """Every file of the run folder is there, agrees with its manifest, and the best trial is a good one."""
    run, _ = walk
    names = [
        "run.json",
        "splits.csv",
        "skipped.csv",
        "leaderboard.csv",
        "evaluation.json",
        "predictions.csv",
        "findings.json",
    ]
    names += [
        "model.keras",
        "signature.json",
        "golden.npz",
        "preprocess.py",
        "model.xml",
        "model.bin",
        "report.html",
        "manifest.json",
    ]
    assert [name for name in names if not (run.path / name).is_file()] == []
    assert run.folder.damaged() == []
    assert str(run.path.parent) not in (run.path / "signature.json").read_text()  # which travels with every export
    assert run.to_json()["status"] == "done"
    assert run.evaluation["split"] == "test"
    assert run.evaluation["accuracy"] >= 0.8


def test_nothing_found_is_lost(walk: tuple[hs.Run, Path]) -> None:
    """Every file is used or listed as skipped with a reason."""
    run, photos = walk
    used = {row["path"] for row in read_csv(run.path / "splits.csv")}
    skipped = {row["path"]: row["reason"] for row in read_csv(run.path / "skipped.csv")}
    assert used | skipped.keys() == {str(p) for p in photos.rglob("*") if p.is_file()}
    assert used & skipped.keys() == set()
    assert all(skipped.values())


def test_leaderboard_compares_both_heads(walk: tuple[hs.Run, Path]) -> None:
    """Both trials of the quick plan and their mean are there, with both clocks, best first, and a front."""
    run, _ = walk
    table = run.leaderboard()
    assert set(table["part_b"]) == {"linear", "mlp", "0.50×linear 0.50×mlp"}
    assert list(table["val_loss"]) == sorted(table["val_loss"])
    assert table["on_front"].any()
    assert np.allclose(table["total_seconds"], table["part_a_seconds"] + table["part_b_seconds"])


def test_both_ends_agree(walk: tuple[hs.Run, Path], tmp_path: Path) -> None:
    """What was measured in training is what the exported file answers."""
    run, _ = walk
    assert_both_ends_agree(run, tmp_path / "export")


def test_a_cut_inside_the_backbone_walks(make_photos: Callable[..., Path], tmp_path: Path) -> None:
    """Trained behind an inner cut, the model learns, and ends as one file that starts at the image."""
    photos, plan = make_photos(tmp_path / "photos", per_class=20), tmp_path / "plan.toml"
    plan.write_text(INNER_CUT)
    run = hs.fit(photos, out=tmp_path / "run", plan=plan)
    assert run.evaluation["accuracy"] >= 0.8
    assert_both_ends_agree(run, tmp_path / "export")


def test_second_run_reads_every_row(walk: tuple[hs.Run, Path], tmp_path: Path) -> None:
    """Fitting again on the same files computes no row, and the linear head comes out the same."""
    run, photos = walk
    again = hs.fit(photos, out=tmp_path / "again", trial="linear")
    (row,) = again.to_json()["trials"]
    first = next(r for r in run.to_json()["trials"] if r["part_b"] == "linear")
    assert row["part_a_cached"]
    assert row["val_loss"] == pytest.approx(first["val_loss"], abs=1e-12)


def test_evaluating_the_test_split_is_counted(walk: tuple[hs.Run, Path], tmp_path: Path) -> None:
    """Looking at the run's own test files again is counted in run.json, and the manifest still agrees."""
    run, _ = walk
    table = tmp_path / "again.csv"
    rows = [row for row in read_csv(run.path / "splits.csv") if row["split"] == "test"]
    table.write_text("image,label\n" + "".join(f"{row['path']},{row['label']}\n" for row in rows))
    before = RunFolder.open(run.path).state["test_looks"]
    evaluation = run.evaluate(table)
    assert evaluation.accuracy == run.evaluation["accuracy"]
    assert RunFolder.open(run.path).state["test_looks"] == before + 1
    assert run.folder.damaged() == []


# Every other task, on images


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_images_of_every_task_walk(task: str, make_photos: Callable[..., Path], tmp_path: Path) -> None:
    """A table of paths with labels or values: trained, judged, told in a report, exported, and asked again."""
    photos = make_photos(tmp_path / "photos", per_class=14)
    told = {"circle": ("1,0", 12.5), "square": ("0,1", -3.25), "triangle": ("1,1", 40.0)}
    lines = ["image,round,angular" if task == "multilabel" else "image,price"]
    for number, path in enumerate(sorted(photos.rglob("*.jpg"))):
        bits, value = told[path.parent.name]
        lines.append(f"{path.relative_to(tmp_path)},{bits if task == 'multilabel' else value + number % 5 / 10}")
    lines.append("photos/gone.jpg," + lines[-1].split(",", 1)[1])
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    run = hs.fit(tmp_path / "t.csv", trial="avg-linear", out=tmp_path / "run")
    assert (run.to_json()["task"], run.to_json()["status"]) == (task, "done")
    assert [row["reason"] for row in read_csv(run.path / "skipped.csv")] == ["row 43: no such file"]
    assert (run.evaluation["r2"] if task == "regression" else run.evaluation["roc_auc"]["macro"]) > 0.8
    assert run.folder.damaged() == []
    stored = read_csv(run.path / "predictions.csv")
    answered = run.predict([row["path"] for row in stored])
    columns = ["predicted"] if task == "regression" else ["p_round", "p_angular"]
    expected = np.array([[float(row[name]) for name in columns] for row in stored])
    assert np.abs(answered[columns].to_numpy(float) - expected).max() <= 1e-4 * np.abs(expected).max()
    if task == "multilabel":
        assert list(answered["predicted"]) == [row["predicted"] for row in stored]
        assert {row["label"] for row in stored} <= {"round", "angular", "round;angular"}
    if task == "regression":  # one export is enough: what units and labels become in each format, test_export_tables says
        run.export("onnx", out=tmp_path / "export")
        command = [sys.executable, "-c", ASK_ONNX, str(tmp_path / "export"), stored[0]["path"]]
        output = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert np.abs(np.array(output) - expected[0]).max() <= 1e-4 * np.abs(expected).max()
    page = run.report.read_text("utf-8")
    assert ("angular" if task == "multilabel" else "price") in page


# Rows of features


ASK_COLUMNS = """
import csv, json, sys
from pathlib import Path
import numpy as np, onnxruntime
folder, table, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.path.insert(0, str(folder))
import preprocess
signature = json.loads((folder / "signature.json").read_text())
row = list(csv.DictReader(open(table, encoding="utf-8")))[number - 1]
cells = preprocess.typed({name: [cell] for name, cell in row.items()}, signature["encoding"])
given = {name: np.array(cell, object if cell.dtype.kind == "U" else cell.dtype)[:, None] for name, cell in cells.items()}
session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
(output,) = session.run(None, given)
assert not [name for name in sys.modules if name.split(".")[0] in ("headstart", "keras", "tensorflow", "pandas")]
print(json.dumps(output[0].tolist()))
"""

OF_TABLES = {"multiclass": ("kind", "accuracy"), "regression": ("price,heat", "r2")}
SHORT_PLAN = (
    Entry("table-baseline"),
    Entry("table-trees"),
    Entry("table-linear"),
    Entry("table-dnn", settings={"epochs": 4, "learning_rate": 0.01}),
)


@pytest.fixture(scope="module", params=OF_TABLES)
def table_walk(
    request: pytest.FixtureRequest, make_table: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[hs.Run, Path]:
    """A finished run on a table by its plan, though with few epochs, and the table."""
    folder = tmp_path_factory.mktemp("table-walk")
    table = make_table(folder / "rows.csv", request.param)
    with table.open("a", encoding="utf-8") as file:
        file.write("too,short\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TABLE_PLANS, "quick", SHORT_PLAN)
        return hs.fit(table, target=OF_TABLES[request.param][0], out=folder / "run"), table


def test_table_run_is_whole(table_walk: tuple[hs.Run, Path]) -> None:
    """The files of a run on images, but for the graph, which begins at the columns; every row is used or listed."""
    run, _ = table_walk
    names = "run.json splits.csv skipped.csv leaderboard.csv evaluation.json predictions.csv findings.json contents.csv"
    names += " signature.json golden.npz preprocess.py model.onnx report.html manifest.json"
    assert [name for name in names.split() if not (run.path / name).is_file()] == []
    assert not (run.path / "model.xml").exists()
    assert run.folder.damaged() == []
    assert (run.to_json()["status"], run.evaluation["split"]) == ("done", "test")
    used = {row["row"] for row in read_csv(run.path / "splits.csv")}
    assert used == {str(number) for number in range(1, 201)}
    assert [row["path"] for row in read_csv(run.path / "skipped.csv")] == ["row 201"]


def test_table_leaderboard_has_baselines_networks_and_folds(table_walk: tuple[hs.Run, Path]) -> None:
    """The plan's trials, each cross-validated, and perhaps their ensemble; the baseline is the worst of them."""
    run, _ = table_walk
    board = run.leaderboard().set_index("trial")
    metric = OF_TABLES[run.to_json()["task"]][1]
    trials = [entry.trial for entry in SHORT_PLAN]
    assert set(board.index) - {"ensemble"} == set(trials)
    assert list(board["status"]) == ["done"] * len(board)
    assert board.loc[trials, f"fold_{metric}"].notna().all()
    assert board["val_loss"].idxmax() == "table-baseline"
    assert run.to_json()["best"]["trial"] in {*trials[1:], "ensemble"}
    for trial in trials:
        answers = read_csv(run.path / "trials" / trial / "folds.csv")
        splits = read_csv(run.path / "splits.csv")
        assert [row["row"] for row in answers] == [row["row"] for row in splits if row["split"] != "test"]
        evaluation = json.loads((run.path / "trials" / trial / "folds.json").read_text())
        assert evaluation["n"] == len(answers)
        if evaluation["task"] == "binary":
            right = np.mean([row["label"] == row["predicted"] for row in answers])
            assert right == pytest.approx(evaluation["accuracy"])
        assert (run.path / "trials" / trial / ("model.npz" if trial in trials[:2] else "model.keras")).is_file()


def test_both_ends_of_a_table_agree(table_walk: tuple[hs.Run, Path], tmp_path: Path) -> None:
    """Stored predictions, the graph without Keras, and the ONNX file in a foreign process that feeds it raw cells."""
    run, table = table_walk
    stored = read_csv(run.path / "predictions.csv")
    is_values = run.to_json()["task"] == "regression"
    names = [f"{'predicted_' if is_values else 'p_'}{name}" for name in run.to_json()["classes"]]
    expected = np.array([[float(row[name]) for name in names] for row in stored])
    rows = [int(row["row"]) - 1 for row in stored]
    told = run.predict(table)
    answered = told[told["error"].isna()].drop(columns="error").iloc[rows]  # a row of it has a cell too many
    frame = pd.read_csv(table, nrows=200)
    for same in (frame, frame[["size", "since", "colour", "town"]].to_numpy()):
        again = run.predict(same).iloc[rows].reset_index(drop=True)
        pd.testing.assert_frame_equal(again, answered.reset_index(drop=True), rtol=1e-5, atol=2e-6)
    size = np.abs(expected).max(axis=0)
    assert (np.abs(answered[names].to_numpy(float) - expected) / size).max() <= 1e-4
    truth = [row["label_price"] for row in stored] if is_values else [row["label"] for row in stored]
    with table.open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert [float(cell) if is_values else cell for cell in truth] == [
        float(cells[i]["price"]) if is_values else cells[i]["kind"] for i in rows
    ]
    run.export("onnx", out=tmp_path / "export")
    command = [sys.executable, "-c", ASK_COLUMNS, str(tmp_path / "export"), str(table), stored[0]["row"]]
    output = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (np.abs(np.array(output) - expected[0]) / size).max() <= 1e-4


def test_evaluating_a_table_again_is_counted(table_walk: tuple[hs.Run, Path], tmp_path: Path) -> None:
    """The run's own test rows in another file are known by their cells; new rows are no look."""
    run, table = table_walk
    lines = table.read_text("utf-8").splitlines()
    rows = [int(row["row"]) for row in read_csv(run.path / "splits.csv") if row["split"] == "test"]
    (tmp_path / "again.csv").write_text("\n".join([lines[0], *(lines[i] for i in rows)]) + "\n", "utf-8")
    before = RunFolder.open(run.path).state["test_looks"]
    evaluation = run.evaluate(tmp_path / "again.csv")
    assert evaluation.loss == pytest.approx(run.evaluation["loss"], rel=1e-4)
    assert (evaluation.split, RunFolder.open(run.path).state["test_looks"]) == ("test", before + 1)
    assert run.folder.damaged() == []


def test_a_table_without_folds_or_baseline_walks_to_trees(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """Trees that are all there is are shipped, answer from the graph, and say that they have no network to export."""
    table = make_table(tmp_path / "rows.csv", "binary", rows=60)
    run = hs.fit(table, trial="table-trees", out=tmp_path / "run")
    assert (run.path / "model.npz").is_file()
    assert not (run.path / "model.keras").exists()
    stored = read_csv(run.path / "predictions.csv")
    answered = run.predict(table).iloc[[int(row["row"]) - 1 for row in stored]]
    assert np.abs(answered["p_yes"].to_numpy() - [float(row["p_yes"]) for row in stored]).max() <= 1e-5
    with pytest.raises(ExportError, match="H407"):
        run.export("keras", out=tmp_path / "export")
