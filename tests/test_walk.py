"""The architecture executed: a few image files walk every floor to an exported file, and the predictions agree at both ends.

Runs on whatever ``KERAS_BACKEND`` says; CI walks it once for each backend, in an environment of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.runfolder import RunFolder, read_csv

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
    """Both trials of the quick plan are there, with both clocks, best first, and a front that is not empty."""
    run, _ = walk
    table = run.leaderboard()
    assert set(table["part_b"]) == {"linear", "mlp"}
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
