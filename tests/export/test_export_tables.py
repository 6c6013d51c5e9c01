"""Exports of table models: columns as input where the format supports them, encoded rows elsewhere."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from headstart.data.readers.read import read_table
from headstart.data.tables.table import table_of_frame
from headstart.data.tasks import TASKS
from headstart.export import verify_process as verify_export
from headstart.export.export_folder import Exported, export_model, formats_of
from headstart.export.formats import FORMATS
from headstart.foundation.errors import DatasetError, ExportError
from headstart.foundation.runs.files import read_json
from headstart.models.model import Model
from headstart.models.predictor import Predictor
from headstart.models.signature import _arguments
from readme_program import run_program

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*(treated as missing|training data):UserWarning"),
]

Array = np.ndarray[Any, Any]

TARGETS = {"binary": "grown", "multiclass": "kind", "multilabel": "wet,cold", "regression": "price,heat"}
# Names that a user may give to columns and that a graph or a function cannot bear.
NAMES = {"size": "size (cm)/:0", "since": "class", "colour": "self", "town": "Größe"}
ON_COLUMNS = [row.name for row in FORMATS.values() if row.takes_columns]
ON_ROWS = [row.name for row in FORMATS.values() if not row.takes_columns]
CASES = {  # what is fitted, and the formats that it is exported to: each conversion is a process with TensorFlow
    "network": ("regression", "dnn", list(FORMATS)),
    "trees": ("multilabel", "trees", ON_COLUMNS),
    "members": ("binary", "tabm", ["h5", "onnx", "openvino", "litert"]),
    "ovr": ("multiclass", "ovr_linear", ["h5", "onnx", "litert"]),
}


class Shipped(NamedTuple):
    """A fitted model, where it was saved and exported to, and rows that it has not seen."""

    model: Model
    source: Path
    out: Path
    exports: dict[str, Exported]
    rows: pd.DataFrame


def odd_rows() -> pd.DataFrame:
    """Missing cells, words never seen, numbers far outside, dates before 1970 and after 2262, and what is neither."""
    frame = pd.DataFrame(
        {
            "size": ["", "?", "NaN", "1e30", "-1e30", "many", "0", "12.5", " 7 ", "1e-40"],
            "since": [
                "",
                "1969-12-31",
                "2016-02-29",
                "2300-01-01",
                "soon",
                "2016-02-30",
                "1.2.2016",
                "2020-01-01",
                "-",
                "0001-01-01",
            ],
            "colour": ["red", "", "RED", "mauve", "<b>", "green ", "blue", "🟥", "None", "a" * 300],
            "town": ["Town 3 <é>", "Town 39 <é>", "", "nowhere", "Town 3", "?", "Town 0 <é>", "\t", "0", "Town 17 <é>"],
        }
    )
    return frame.rename(columns=NAMES)


@pytest.fixture(scope="module", params=CASES)
def shipped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_table: Callable[..., Path]
) -> Shipped:
    """Models of three kinds in their formats; tests only look at them."""
    task, head, formats = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    frame = pd.read_csv(make_table(folder / "rows.csv", task)).rename(columns=NAMES)
    model = Model("table", head=head)
    if head in ("dnn", "tabm"):
        model.compile(epochs=3, learning_rate=0.01)
    frame.to_csv(folder / "renamed.csv", index=False)
    model.fit(read_table(folder / "renamed.csv", target=TARGETS[task]))
    model.save(folder / "saved")
    exports = {row.format: row for row in export_model(folder / "saved", formats, folder / "out")}
    return Shipped(model, folder / "saved", folder / "out", exports, odd_rows())


def preprocess_of(folder: Path) -> Any:
    """The module that lies beside the exports."""
    spec = importlib.util.spec_from_file_location("preprocess", folder / "preprocess.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def raw(frame: pd.DataFrame) -> Mapping[str, Array]:
    """Cells by column, as anyone would have them."""
    return {name: frame[name].to_numpy() for name in frame}


def answered(shipped: Shipped, name: str, frame: pd.DataFrame) -> Array:
    """What an export answers for raw rows, by the means that lie beside it and its own runtime."""
    signature, preprocess = read_json(shipped.out / "signature.json"), preprocess_of(shipped.out)
    given: dict[str, Array] = {"rows": preprocess.encode(raw(frame), signature["encoding"])}
    if FORMATS[name].takes_columns:
        typed = preprocess.typed(raw(frame), signature["encoding"])
        argument = "name" if name == "onnx" else "saved_model_argument"
        given = {column[argument]: typed[column["name"]].reshape(-1, 1) for column in signature["columns"]}
        if name == "onnx":
            given = {key: cells.astype(object) if cells.dtype.kind == "U" else cells for key, cells in given.items()}
    predict = verify_export.RUNTIMES[FORMATS[name].runtime](shipped.out / FORMATS[name].file, [signature["output"]["name"]])
    return predict(given)[0]


def test_every_format_answers_as_the_model_does(shipped: Shipped) -> None:
    """Raw columns and encoded rows, with all that a cell may hold, one row and many: answers in the user's units."""
    model, _, _, exports, rows = shipped
    assert model.dataset is not None
    task = TASKS[model.dataset.task]
    frame = model.predict(rows)
    words = "predicted_" if task.name == "regression" else "p_"
    expected = frame[[name for name in frame if name.startswith(words)]].to_numpy(float)
    assert np.isfinite(expected).all()
    for name in exports:
        for chosen in (slice(None), slice(3, 4)):
            output = task.to_answers(answered(shipped, name, rows.iloc[chosen]))
            np.testing.assert_allclose(output, expected[chosen], rtol=2e-4, atol=5e-6, err_msg=name)


@pytest.mark.parametrize("name", FORMATS)
def test_readme_program_answers_as_predict_does(name: str, shipped: Shipped, tmp_path: Path) -> None:
    """What README.md says letter by letter, run without Headstart on a CSV file with text, gaps and odd numbers."""
    model, _, out, exports, rows = shipped
    if name not in exports:
        pytest.skip("not exported here: each program is a process of its own")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    expected = model.predict(tmp_path / "rows.csv")
    told = run_program(out, name, [tmp_path / "rows.csv"], tmp_path)
    assert [row["sample"] for row in told] == list(range(1, len(rows) + 1))
    assert model.dataset is not None
    classes = model.dataset.classes
    if model.dataset.task == "regression":
        found = [[row["predicted"][target] for target in classes] for row in told]
        wanted = expected[[f"predicted_{target}" for target in classes]]
    else:
        assert [row["predicted"] for row in told] == list(expected["predicted"])
        found = [[row[f"p_{label}"] for label in classes] for row in told]
        wanted = expected[[f"p_{label}" for label in classes]]
    np.testing.assert_allclose(found, wanted.to_numpy(float), rtol=2e-4, atol=5e-6)
    sets = model.predict(tmp_path / "rows.csv", coverage=0.9)
    if model.dataset.task != "regression":
        assert [";".join(row["set"]) for row in told] == list(sets["set"])
        return
    for end in ("low", "high"):
        found = [[row[end][target] for target in classes] for row in told]
        np.testing.assert_allclose(
            found, sets[[f"{end}_{target}" for target in classes]].to_numpy(float), rtol=2e-4, atol=5e-6
        )


def test_the_signature_says_how_to_ask(shipped: Shipped) -> None:
    """Columns with their kinds, the encoding, units and thresholds, the golden rows; and nothing of TensorRT."""
    model, _, out, exports, _ = shipped
    signature = read_json(out / "signature.json")
    assert model.dataset is not None
    assert {column["name"]: column["dtype"] for column in signature["columns"]} == {
        NAMES["size"]: "float32",
        NAMES["since"]: "float64",
        NAMES["colour"]: "string",
        NAMES["town"]: "string",
    }
    assert signature["input"] == {"name": "rows", "shape": [None, signature["encoding"]["width"]], "dtype": "float32"}
    assert signature["labels"] == list(model.dataset.classes)
    is_values = model.dataset.task == "regression"
    assert signature["output"]["name"] == ("values" if is_values else "probabilities")
    assert ("scaling_of_targets" in signature) == is_values
    assert ("thresholds" in signature) == (model.dataset.task == "multilabel")
    assert ("threshold" in signature) == (model.dataset.task == "binary")
    found = signature.get("thresholds", {"": signature["threshold"]} if "threshold" in signature else {})
    assert list(found.values()) == list(model.thresholds)
    assert not {"tensorrt", "size", "crop", "filter"} & signature.keys()
    assert all(exported.max_difference <= 1e-3 for exported in exports.values())
    units = signature["output"]["shape"][1]
    assert all("row" in golden and len(golden["answers"]) == units for golden in signature["golden"])


def test_golden_rows_are_kept_as_they_were_given_and_encoded(shipped: Shipped) -> None:
    """Under ``inputs``, ``answers`` and one name a column, without pickles; ``measure`` repeats them from both."""
    _, _, out, exports, _ = shipped
    signature = read_json(out / "signature.json")
    with np.load(out / "golden.npz", allow_pickle=False) as golden:
        assert set(golden.files) == {"inputs", "answers", *(f"column_{i}" for i in range(4))}
        assert golden["inputs"].shape == (8, signature["encoding"]["width"])
        assert golden["answers"].shape == (8, signature["output"]["shape"][1])
    name = next(iter(exports))
    measured = verify_export.measure(out, FORMATS[name].file, FORMATS[name].runtime)
    assert measured["from_inputs"] <= 1e-4
    assert measured["from_bytes"] <= 1e-3
    assert (measured["pixel_levels"], measured["changed"]) == (0, 0)


def test_the_predictor_answers_from_columns(shipped: Shipped) -> None:
    """From the folder of exports alone, words and numbers as the model says them; a missing column is H115."""
    model, _, out, _, rows = shipped
    predictor = Predictor(out)
    told = predictor.predict_rows(table_of_frame(rows))
    expected = model.predict(rows)
    assert [int(answer.path) for answer in told] == list(expected["row"])
    if "predicted" in expected:
        assert [answer.predicted for answer in told] == list(expected["predicted"])
    assert set(NAMES.values()) <= set(predictor.known().columns)
    assert predictor.predict_rows(table_of_frame(rows.iloc[:0])) == []
    with pytest.raises(DatasetError, match="H115"):
        predictor.predict_rows(table_of_frame(rows.drop(columns=NAMES["town"])))


def test_an_encoder_that_was_changed_is_caught(shipped: Shipped, tmp_path: Path) -> None:
    """The golden cells are encoded anew by what lies beside the export: another encoding is another answer."""
    _, _, out, exports, _ = shipped
    name = "h5" if "h5" in exports else "onnx"
    for path in out.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    if not FORMATS[name].takes_columns:
        signature = json.loads((tmp_path / "signature.json").read_text())
        signature["encoding"]["columns"][0]["offset"] += 1
        (tmp_path / "signature.json").write_text(json.dumps(signature))
    else:
        with np.load(out / "golden.npz") as golden:
            arrays = dict(golden)
        arrays["column_0"] = arrays["column_0"] + 5
        np.savez(tmp_path / "golden.npz", **arrays)
    measured = verify_export.measure(tmp_path, FORMATS[name].file, FORMATS[name].runtime)
    assert max(measured["from_inputs"], measured["from_bytes"]) > 1e-3


@pytest.mark.parametrize("shipped", ["trees"], indirect=True)
def test_trees_have_the_formats_that_take_columns(shipped: Shipped, tmp_path: Path) -> None:
    """They are no network: H407 names the formats there are, before anything is converted."""
    assert formats_of(shipped.source) == ON_COLUMNS
    for name in ON_ROWS:
        with pytest.raises(ExportError) as caught:
            export_model(shipped.source, ["onnx", name], tmp_path / "out")
        assert (caught.value.code, name in caught.value.received) == ("H407", True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shipped", ["network"], indirect=True)
def test_a_network_has_them_all(shipped: Shipped) -> None:
    """Of a table too."""
    assert formats_of(shipped.source) == list(FORMATS) == list(shipped.exports)


@pytest.mark.parametrize(
    "names",
    [
        ("size", "since"),
        ("class", "for", "None", "True", "self"),
        ("a b", "a_b", "a-b", "a/b:0"),
        ("", " ", "?", "column_0", "column_1"),
        ("ä", "ö", "1st", "2", "_x"),
        ("x", "x ", "x_1", "x_1_1"),
    ],
)
def test_a_saved_model_has_names_that_python_can_say(names: tuple[str, ...]) -> None:
    """One for each column, in order, no two alike, whatever the columns are called; plain ones keep theirs."""
    found = _arguments(names)
    assert len(set(found)) == len(found) == len(names)
    namespace: dict[str, Any] = {}
    exec(f"def forward({', '.join(found)}): return locals()", namespace)
    assert list(namespace["forward"](*range(len(names)))) == found
    assert found[0] == names[0] or not names[0].isidentifier() or names[0] == "class" or not names[0].isascii()
