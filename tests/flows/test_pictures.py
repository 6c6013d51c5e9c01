"""Pictures that need more than a crop, from their folder to the exported file: both ends see the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.foundation.progress import Progress, Silent
from headstart.search.request import Request
from headstart.search.search import _surveyed, search

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)

ASK_ONNX = """
import json, sys
import numpy as np, onnxruntime
sys.path.insert(0, sys.argv[1])
import preprocess
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx", providers=["CPUExecutionProvider"])
pixels = np.stack([preprocess.load(path) for path in sys.argv[2:]]).astype(np.float32)
assert not [name for name in sys.modules if name.split(".")[0] == "headstart"]
print(json.dumps(session.run(None, {session.get_inputs()[0].name: pixels})[0].tolist()))
"""


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Note a line."""
        self.lines.append(text)


def draw(folder: Path) -> None:
    """Long pictures of 12 bits in 16, with one of two patterns at an end; one is blank."""
    random = np.random.default_rng(0)
    for number in range(60):
        name = ("rows", "columns")[number % 2]
        values = np.kron(random.integers(800, 3300, (4, 16)), np.ones((15, 15), int))  # no two are near copies
        phase, width = random.integers(0, 12), random.integers(5, 8)
        stripes = np.broadcast_to(((np.arange(60) + phase) // width % 2 * 4095)[:, None], (60, 60))
        at = int(random.choice([0, 180]))
        values[:, at : at + 60] = stripes if name == "rows" else stripes.T
        values = np.full_like(values, 77) if number == 58 else values
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values.astype(np.uint16)).save(folder / name / f"{number:02}.png")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[hs.Run, Path, list[str]]:
    """A run on such pictures, made by a process in which no image file can be opened; and what it said."""
    folder = tmp_path_factory.mktemp("pictures")
    draw(folder / "data")
    progress: Progress = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "open", _refuse)
        trial = ("efficientnet_lite0-grid2-linear",)
        run = search(Request(str(folder / "data"), trials=trial, out=folder / "run"), progress)
    return run, folder / "data", progress.lines  # type: ignore[attr-defined]


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("an image file was opened in the parent")


def test_what_lies_at_an_end_is_learned_and_the_decisions_are_told(fitted: tuple[hs.Run, Path, list[str]]) -> None:
    """The pictures are shown whole and in their 12 bits; the run says so, and so do its state, signature and findings."""
    run, _, lines = fitted
    assert run.evaluation["accuracy"] >= 0.8
    assert "longer than 2:1" in next(line for line in lines if line.startswith("images are squeezed into"))
    assert any(line.startswith("integer images show 0 as black and 4095 as white") for line in lines)
    signature = json.loads((run.path / "signature.json").read_text())
    expected = {"frame": "squeeze", "integer_range": [0.0, 4095.0], "float_range": None}
    for told in (signature, signature["part_a"], run.folder.state["pictures"]):
        assert {name: told[name] for name in expected} == expected
    findings = {finding["code"]: finding for finding in json.loads((run.path / "findings.json").read_text())}
    assert {"D114", "D115", "D116"} <= findings.keys()
    assert "58.png" in findings["D114"]["measured"]


def test_both_ends_see_the_same(
    fitted: tuple[hs.Run, Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """predict, evaluate, a model that is loaded and the exported file agree; the parent opens no image for any of them."""
    run, data, _ = fitted
    files = [str(path) for path in sorted(data.rglob("*.png"))[::7]]
    odd = tmp_path / "odd.png"  # of another kind: 8 bits, square, white on transparent
    icon = np.zeros((40, 40, 4), np.uint8)
    icon[10:30, 10:30] = 255
    Image.fromarray(icon).save(odd)
    files.append(str(odd))
    monkeypatch.setattr(Image, "open", _refuse)
    answered = run.predict(files).iloc[:, 2:].to_numpy(float)
    assert run.evaluate(str(data)).accuracy >= 0.9
    loaded = hs.Model.load(run.path)
    assert np.abs(loaded.predict(files).iloc[:, 2:].to_numpy(float) - answered).max() <= 1e-4
    run.export("onnx", out=tmp_path / "export")
    command = [sys.executable, "-c", ASK_ONNX, str(tmp_path / "export"), *files]
    output = np.array(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert np.abs(output[:, 0] - answered[:, 1]).max() <= 1e-4


def test_a_resumed_run_does_not_decide_again(
    fitted: tuple[hs.Run, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided when the run began stands in run.json, and holds for the trials that are left."""
    run, data, _ = fitted
    monkeypatch.setattr("headstart.search.search.survey", None)
    found = _surveyed(Request(str(data)), hs.read_folder(data), run.folder.state)
    assert found.rendering == hs.Model.load(run.path).part.rendering
    assert found.rendering.frame == "squeeze"


def test_a_model_decides_as_a_run_does(fitted: tuple[hs.Run, Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """``Model.fit`` looks at the same pictures, and its evaluation sees them in the same way."""
    run, data, _ = fitted
    monkeypatch.setattr(Image, "open", _refuse)
    model = hs.Model("efficientnet_lite0")
    model.fit(str(data))
    assert model.part.rendering == hs.Model.load(run.path).part.rendering
    assert model.val_loss == pytest.approx(run.to_json()["best"]["val_loss"], rel=1e-6)
