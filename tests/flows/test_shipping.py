"""What is offered by name can be shipped, and what cannot be shipped still predicts and says so in three lines."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from applications import FAMILIES
from headstart.api import fit
from headstart.data.readers.arrays import read_arrays
from headstart.data.tables.preprocess import encode
from headstart.data.tables.table import table_of_frame
from headstart.export import conversion_notes
from headstart.export import convert_process as convert
from headstart.export import converter as conversion
from headstart.foundation.errors import ExportError
from headstart.foundation.progress import Silent
from headstart.foundation.runs.files import read_json
from headstart.models import keras_graph, signature
from headstart.models.model import Model
from headstart.models.predictor import Predictor
from headstart.search.run import Run
from headstart.training.networks.networks import NETWORKS, Network
from headstart.training.trials.setting_checks import ACTIVATIONS

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

LEAST_SIDES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
GRAPHS = ["onnx", "openvino", "litert"]
# Reads the formats in one process and gives, for each, its largest difference from the answers.
_READ = """
import json, sys
sys.modules["openvino_telemetry"] = None
import numpy as np
from headstart.export.verify_process import RUNTIMES
from headstart.export.formats import FORMATS
from pathlib import Path
folder = Path(sys.argv[1])
with np.load(folder / "given.npz") as arrays:
    batch, answers = arrays["batch"], arrays["answers"]
size = max(1.0, float(answers.std()))
found = {}
for name in sys.argv[2:]:
    predict = RUNTIMES[FORMATS[name].runtime](folder / FORMATS[name].file, ["out"])
    found[name] = float(np.abs(predict({"given": batch})[0] - answers).max()) / size
print(json.dumps(found))
"""


def differences(model: keras.Model, batch: Array, folder: Path, formats: list[str] = GRAPHS) -> dict[str, float]:
    """Convert a network and compare what each format answers with Keras, in units of the answers' spread."""
    model.save(folder / "model.keras")
    answers = np.asarray(model.predict(batch, verbose=0))
    np.savez(folder / "given.npz", batch=batch, answers=answers)
    names: dict[str, object] = {"outputs": ["out"], "labels": [], "table": None}
    conversion.convert(folder / "model.keras", [convert.FORMATS[name] for name in formats], folder, names=names)
    done = subprocess.run([sys.executable, "-c", _READ, str(folder), *formats], capture_output=True, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_activation_can_be_shipped(tmp_path: Path) -> None:
    """All that a plan may name, side by side in one network with a grouped convolution, in every format that is a graph."""
    given = keras.Input((6, 6, 4), name="given")
    grouped = keras.layers.Conv2D(8, 3, groups=2, padding="same")(given)
    flat = keras.layers.Flatten()(grouped)
    both = [keras.layers.Activation(name)(flat) for name in ACTIVATIONS]
    model = keras.Model(given, keras.layers.Concatenate(name="out")(both))
    batch = np.random.default_rng(0).normal(0, 3, (5, 6, 6, 4)).astype(np.float32)
    found = differences(model, batch, tmp_path)
    assert set(found) == set(GRAPHS)
    assert max(found.values()) <= 1e-5


@pytest.mark.parametrize(
    "name", [name if name == "EfficientNetV2B0" else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_every_backbone_can_be_shipped(name: str, tmp_path: Path) -> None:
    """A network of each family of keras.applications becomes ONNX with Keras's own features."""
    side = LEAST_SIDES.get(name, 32)
    image = keras.Input((side, side, 3), name="given")
    network = getattr(keras.applications, name)(include_top=False, weights=None, input_tensor=image, pooling="avg")
    model = keras.Model(image, keras.layers.Rescaling(1.0, name="out")(network.outputs[0]))
    batch = np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype(np.float32)
    assert differences(model, batch, tmp_path, ["onnx"])["onnx"] <= 1e-3


def unshippable(rows: keras.KerasTensor, **_: object) -> keras.KerasTensor:
    """A user's own network with an operation that ONNX does not have, and no other fault."""
    x = keras.layers.Flatten()(rows)
    return keras.ops.erfinv(0.9 * keras.layers.Dense(4, activation="tanh")(x))


class Heard(Silent):
    """Keeps what a fit says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)


@pytest.mark.usefixtures("networks")
def test_a_table_without_onnx_is_fitted_predicted_and_evaluated(
    tmp_path: Path, make_table: Callable[..., Path], call: Callable[..., tuple[int, str, str]]
) -> None:
    """The fit ends well; predict and evaluate use Keras; an export to ONNX ends in three lines that name other formats."""
    NETWORKS["erfinv"] = Network(unshippable)
    data = make_table(tmp_path / "rows.csv", "multiclass")
    heard = Heard()
    run = fit(data, trial="table-erfinv", folds=0, out=tmp_path / "run", progress=heard)
    (told,) = (line for line in heard.lines if line.startswith("table-erfinv cannot be written as"))
    assert "as onnx: operations without a counterpart in ONNX: Erfinv; openvino: " in told
    assert any("predict will use Keras" in line for line in heard.lines)
    assert not (run.path / "model.onnx").exists()
    code, out, _ = call("predict", run.path, data)
    assert code == 0
    assert len(out.splitlines()) == 201
    predicted = Run(run.path).predict(data)
    given = table_of_frame(pd.read_csv(data, dtype=str))
    names = [f"p_{name}" for name in ("ash", "elm", "oak")]
    whole = keras.models.load_model(run.path / "model.keras", compile=False)
    signed = read_json(run.path / "signature.json")
    cells = {name: given.column(name) for name in ("size", "since", "colour", "town")}
    expected = whole.predict(encode(cells, signed["encoding"]), verbose=0)
    np.testing.assert_allclose(predicted[names].to_numpy(float), expected, atol=2e-6)
    assert Run(run.path).evaluate(data).accuracy > 0.4
    with pytest.raises(ExportError) as caught:
        run.export("onnx", out=tmp_path / "out")
    assert caught.value.code == "H408"
    title, received, expected_line, advice = str(caught.value).splitlines()
    assert title.endswith("the model cannot be exported to onnx")
    assert "Erfinv" in received
    assert expected_line.strip().startswith("expected")
    assert all(name in advice for name in ("keras", "h5", "saved_model", "openvino", "litert"))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("networks")
def test_images_without_a_graph_are_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenVINO cannot read the network, Keras gives the answers of the fitted model, and no process converts again."""
    labels = np.arange(24) % 2
    images = np.random.default_rng(0).integers(0, 200, (24, 8, 8, 3)) + 50 * labels[:, None, None, None]
    unshippable.takes_images = True  # type: ignore[attr-defined]
    model = Model("pixels", head=unshippable, side=8)
    model.compile(epochs=1)
    model.fit(read_arrays(images.astype(np.uint8), labels))
    model.save(tmp_path)
    predicted = Predictor(tmp_path).predict_arrays(images.astype(np.uint8))
    expected = model.predict(images.astype(np.uint8))
    assert not (tmp_path / "model.xml").exists()
    found = np.stack([np.asarray(row.answers) for row in predicted])
    np.testing.assert_allclose(found, expected[["p_0", "p_1"]].to_numpy(float), atol=2e-6)

    monkeypatch.setattr(signature, "add_graph", _never)  # the failure was noted: no process tries again
    assert not signature.has_graph(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(conversion_notes, "version", lambda _: "9.9")  # another converter may be able to
    conversion_notes.converter_versions.cache_clear()
    tried: list[Path] = []
    monkeypatch.setattr(signature, "add_graph", tried.append)
    assert signature.has_graph(tmp_path)
    assert tried == [tmp_path]
    conversion_notes.converter_versions.cache_clear()


def _never(_: Path) -> None:
    raise AssertionError("the conversion was tried again")


def test_a_run_that_cannot_be_written_to_is_predicted_by_keras(
    tmp_path: Path, make_table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph that is missing cannot be put into a folder of another user; the model answers all the same."""
    data = make_table(tmp_path / "rows.csv", "multiclass")
    run = fit(data, trial="table-linear", folds=0, out=tmp_path / "run")
    expected = run.predict(data)
    (run.path / "model.onnx").unlink()
    make = tempfile.TemporaryDirectory

    def refused(*given: Any, dir: Any = None, **options: Any) -> Any:
        if dir is not None and Path(dir) == run.path:
            raise PermissionError(13, "Permission denied")
        return make(*given, dir=dir, **options)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)
    predicted = Run(run.path).predict(data)
    assert (predicted["predicted"] == expected["predicted"]).all()
    assert not (run.path / "model.onnx").exists()


def test_a_model_that_keras_cannot_load_is_told(tmp_path: Path) -> None:
    """H409 in three lines, and what Keras said about it."""
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:  # of layers that may be loaded, but without any weights
        archive.writestr("config.json", '{"module": "keras", "class_name": "Sequential", "config": {"layers": []}}')
    with pytest.raises(ExportError, match="H409") as caught:
        keras_graph.KerasGraph(tmp_path / "model.keras")
    assert len(str(caught.value).splitlines()) == 4


def test_litert_lists_inputs_in_alphabetical_order(tmp_path: Path) -> None:
    """ai-edge-litert 2.3.0, TensorFlow 2.21.0: whatever their order was, so that inputs go in by name."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    specs = {name: tf.TensorSpec((1, 1), tf.float32, name=name) for name in ("zebra", "ant")}
    function = tf.function(lambda zebra, ant: {"out": zebra - ant}).get_concrete_function(**specs)
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=function)
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
    interpreter = Interpreter(model_content=content)
    assert [row["name"] for row in interpreter.get_input_details()] == ["serving_default_ant:0", "serving_default_zebra:0"]
    run = interpreter.get_signature_runner()
    told = run(zebra=np.array([[3.0]], np.float32), ant=np.array([[1.0]], np.float32))
    assert told["out"].tolist() == [[2.0]]
