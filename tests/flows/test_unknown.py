"""``fit --unknown``: from the command to every exported file, which then also says what is unlike the training images."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.export.export_folder import export_model
from headstart.export.formats import FORMATS
from headstart.foundation.errors import HeadstartError
from headstart.foundation.runs.files import read_csv, read_json, write_json
from readme_program import run_program

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)

Call = Callable[..., tuple[int, str, str]]
LINEAR = "efficientnet_lite0-grid2-linear"


@pytest.fixture(scope="module")
def photos(make_photos: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coloured shapes of three classes."""
    return make_photos(tmp_path_factory.mktemp("unknown") / "shapes", per_class=30)


@pytest.fixture(scope="module")
def run(photos: Path) -> hs.Run:
    """A run of the whole quick plan."""
    return hs.fit(photos, unknown=True, out=photos.parent / "run", progress=False)


@pytest.fixture(scope="module")
def strange(photos: Path) -> Path:
    """A picture that is nothing like them."""
    stripes = (np.indices((90, 90)).sum(axis=0) // 3 % 2 * 255).astype(np.uint8)
    Image.fromarray(stripes).save(path := photos.parent / "stripes.png")
    return path


def test_predict_answers_unknown_only_if_asked(run: hs.Run, photos: Path, strange: Path, call: Call) -> None:
    """A picture of something else is ``unknown``, one of theirs is not; without the flag, nothing changes."""
    known = str(next((photos / "circle").iterdir()))
    code, out, _ = call("predict", run.path, known, strange, "--unknown")
    first, second = csv.DictReader(out.splitlines())
    assert code == 0
    assert list(first) == ["path", "predicted", "p_circle", "p_square", "p_triangle", "unknown"]
    assert (first["predicted"], second["predicted"]) == ("circle", "unknown")
    assert float(first["unknown"]) < 0.5 <= float(second["unknown"]) <= 1
    code, out, _ = call("predict", run.path, known, strange)
    plain = list(csv.DictReader(out.splitlines()))
    assert list(plain[0]) == list(first)[:-1]
    assert plain[1]["predicted"] in ("circle", "square", "triangle")
    assert [plain[i]["p_circle"] for i in (0, 1)] == [first["p_circle"], second["p_circle"]]
    frame = run.predict([known, str(strange)], unknown=True, coverage=0.9)
    assert list(frame.columns[-2:]) == ["set", "unknown"]
    assert frame["unknown"].tolist() == [float(first["unknown"]), float(second["unknown"])]


def test_an_image_that_cannot_be_read_has_no_score(run: hs.Run, strange: Path, tmp_path: Path, call: Call) -> None:
    """It has an error, as without the flag."""
    (tmp_path / "empty.jpg").write_bytes(b"")
    code, out, _ = call("predict", run.path, tmp_path / "empty.jpg", strange, "--unknown", "--json")
    broken, other = json.loads(out)["predictions"]
    assert code == 1
    assert broken["unknown"] is None
    assert broken["error"]
    assert other["predicted"] == "unknown"


def test_the_signature_says_what_the_output_is(run: hs.Run, photos: Path) -> None:
    """Name, shape and threshold; at least 99% of the validation split is below it."""
    signature = read_json(run.path / "signature.json")
    assert signature["unknown"]["name"] == "unknown"
    assert (signature["unknown"]["shape"], signature["unknown"]["threshold"]) == ([None, 1], 0.5)
    rows = read_csv(run.path / "splits.csv")
    held_out = [row["path"] for row in rows if row["split"] == "validation"]
    assert len(held_out) == signature["unknown"]["num_samples"]
    scores = run.predict([str(photos / path) for path in held_out], unknown=True)["unknown"]
    assert (scores < 0.5).mean() >= 0.99


def test_predictions_and_report_show_the_scores(run: hs.Run) -> None:
    """The evaluated samples by their scores; their predictions remain classes, because the evaluation counts them."""
    rows = run.folder.rows("predictions.csv")
    assert {"unknown", "predicted"} <= set(rows[0])
    assert {row["predicted"] for row in rows} <= {"circle", "square", "triangle"}
    page = run.report.read_text("utf-8")
    assert "Most unlike the training images" in page
    num = sum(float(row["unknown"]) >= 0.5 for row in rows)
    assert f"here {num} of {len(rows)} images" in page


@pytest.fixture(scope="module")
def exported(run: hs.Run) -> Path:
    """All formats; each is verified in a process of its own, its scores too."""
    out = run.path.parent / "exports"
    assert [one.format for one in run.export(out=out)] == list(FORMATS)
    return out


@pytest.mark.parametrize("name", FORMATS)
def test_the_program_of_every_format_prints_the_score(
    name: str, run: hs.Run, exported: Path, photos: Path, strange: Path, tmp_path: Path
) -> None:
    """As ``predict --unknown`` does, by a user without Headstart."""
    paths = [str(next((photos / "square").iterdir())), str(strange)]
    expected = run.predict(paths, unknown=True)
    found = run_program(exported, name, paths, tmp_path)
    np.testing.assert_allclose([row["unknown"] for row in found], expected["unknown"], atol=1e-3)
    np.testing.assert_allclose([row["p_square"] for row in found], expected["p_square"], atol=1e-4)


def test_a_file_with_other_scores_is_not_exported(run: hs.Run, tmp_path: Path) -> None:
    """The fresh process compares them with the golden ones, which are those of the model."""
    for name in ("model.keras", "golden.npz", "signature.json", "preprocess.py"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    with np.load(tmp_path / "golden.npz") as arrays:
        golden = dict(arrays)
    np.savez_compressed(tmp_path / "golden.npz", **golden | {"unknown": 1 - golden["unknown"]})
    signature = read_json(tmp_path / "signature.json")
    del signature["digests"]["golden.npz"]
    write_json(tmp_path / "signature.json", signature)
    with pytest.raises(HeadstartError, match="unknown_from_inputs") as raised:
        export_model(tmp_path, ["openvino"], tmp_path / "out")
    assert raised.value.code == "H402"


@pytest.mark.parametrize(
    "trial",
    [
        "efficientnet_lite0-stage7_block1-grid2-mlp",  # features after layers that are trained
        "efficientnet_lite0-grid2-ovr_linear",
        "efficientnet_lite0+efficientnet_lite1-grid2-linear",
    ],
)
def test_every_kind_of_trial_with_a_backbone_has_scores(trial: str, photos: Path, strange: Path, tmp_path: Path) -> None:
    """The saved model gives the scores that were computed from stored rows."""
    run = hs.fit(photos, trial=trial, unknown=True, epochs=2, out=tmp_path / "run", progress=False)
    rows = run.folder.rows("predictions.csv")
    found = run.predict([str(photos / row["path"]) for row in rows], unknown=True)["unknown"]
    np.testing.assert_allclose(found, [float(row["unknown"]) for row in rows], atol=0.05)
    assert run.predict([str(strange)], unknown=True)["predicted"].tolist() == ["unknown"]


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_tasks_without_a_class_per_image_have_scores(task: str, photos: Path, strange: Path, tmp_path: Path) -> None:
    """Labels that occur together, and values; a value is never replaced by a word."""
    files = sorted(photos.glob("*/*.jpg"))
    lines = [f"{path},{int(path.parent.name != 'circle')},{int(path.parent.name != 'square')}" for path in files]
    if task == "regression":
        lines = [f"{path},{number / 7:.3f}" for number, path in enumerate(files)]
    head = "path,angular,round" if task == "multilabel" else "path,size"
    (tmp_path / "table.csv").write_text("\n".join([head, *lines]), "utf-8")
    target = "angular,round" if task == "multilabel" else "size"
    run = hs.fit(tmp_path / "table.csv", target=target, trial=LINEAR, unknown=True, out=tmp_path / "run", progress=False)
    assert run.folder.state["task"] == task
    known, odd = run.predict([str(files[0]), str(strange)], unknown=True)[["predicted", "unknown"]].to_numpy().tolist()
    assert known[1] < 0.5 <= odd[1]
    assert isinstance(odd[0], float) if task == "regression" else odd[0] == "unknown"


def test_a_run_without_it_says_how_to_get_it(photos: Path, call: Call, tmp_path: Path) -> None:
    """``predict --unknown`` is an error there, not a guess."""
    hs.fit(photos, trial=LINEAR, out=tmp_path / "run", progress=False)
    assert "unknown" not in read_json(tmp_path / "run" / "signature.json")
    code, out, err = call("predict", tmp_path / "run", photos, "--unknown")
    assert (code, out) == (2, "")
    assert "H050" in err
    assert "headstart fit DATA --unknown" in err


@pytest.mark.parametrize("flags", [("--plan", "scratch"), ("--trial", "pixels-cnn")])
def test_networks_without_a_backbone_cannot_tell(photos: Path, flags: tuple[str, ...], call: Call, tmp_path: Path) -> None:
    """An error before anything is trained."""
    code, _, err = call("fit", photos, *flags, "--unknown", "--out", tmp_path / "run", "--quiet")
    assert (code, "H051" in err) == (2, True)
    assert not (tmp_path / "run").exists()


def test_tables_cannot_tell(make_table: Callable[..., Path], call: Call, tmp_path: Path) -> None:
    """Likewise."""
    table = make_table(tmp_path / "table.csv", "binary")
    code, _, err = call("fit", table, "--unknown", "--out", tmp_path / "run", "--quiet")
    assert (code, "H051" in err) == (2, True)


def test_a_loaded_model_predicts_as_before_and_keeps_the_score_in_its_file(
    photos: Path, strange: Path, tmp_path: Path
) -> None:
    """``Model.load`` rebuilds the model from its parts; what it saves again still has both outputs."""
    run = hs.fit(photos, trial=LINEAR, unknown=True, out=tmp_path / "run", progress=False)
    model = hs.Model.load(run.path)
    expected = run.predict([str(strange)])
    np.testing.assert_allclose(model.predict([str(strange)])["p_circle"], expected["p_circle"], atol=1e-4)
    model.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.keras").read_bytes() == (run.path / "model.keras").read_bytes()
    assert read_json(tmp_path / "again" / "signature.json")["unknown"] == read_json(run.path / "signature.json")["unknown"]
