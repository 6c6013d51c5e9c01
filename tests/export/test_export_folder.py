"""Export formats: what is written, what is rejected, and that an export which disagrees with the model is never kept."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from headstart.data.images import preprocess as pixels
from headstart.export import converter as conversion
from headstart.export import export_folder as export
from headstart.export import verify_process as verify_export
from headstart.export.converter import write_engine_graph
from headstart.export.export_folder import Exported, export_model
from headstart.export.formats import FORMATS
from headstart.export.readme import USAGES, program, readme_text
from headstart.foundation.errors import ExportError, RunError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.runs.files import read_json, write_json
from headstart.models.predictor import Predictor
from readme_program import run_program

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SIZE = 24
LABELS = ["daisy", "røse <b>", "tulip"]
COLOURS = [(200, 40, 30), (40, 190, 60), (30, 60, 210), (180, 170, 20)]


def _network(keras: Any, scale: float) -> Any:
    """A convolution, normalisation and a softmax that answers clearly to red, green and blue."""
    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(scale)(image)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="convolution")(x)
    x = layers.BatchNormalization(name="normalisation")(x)
    x = layers.Flatten()(layers.AveragePooling2D(SIZE // 2)(x))  # as the rows of Part A are made
    x = layers.Dropout(0.5)(x)
    network = keras.Model(image, layers.Dense(3, activation="softmax", name="probabilities")(x))
    rng = np.random.default_rng(7)
    kernel = rng.normal(0, 0.02, (3, 3, 3, 4)) + np.eye(3, 4) / 9
    network.get_layer("convolution").set_weights([kernel, np.full(4, 0.05)])
    network.get_layer("probabilities").set_weights([np.eye(4, 3) * 4 + rng.normal(0, 0.1, (4, 3)), np.zeros(3)])
    return network


def _image_files() -> list[bytes]:
    """JPEG and PNG files, each noise around one colour, none of them square."""
    rng = np.random.default_rng(3)
    files = []
    for number, colour in enumerate(COLOURS):
        noise = np.clip(rng.normal(colour, 30, (40 + number, 56, 3)), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, "PNG" if number % 2 else "JPEG")
        files.append(stream.getvalue())
    return files


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's model with its golden samples."""
    import keras

    folder = tmp_path_factory.mktemp("run")
    network = _network(keras, 1 / 255)
    network.save(folder / "model.keras")
    files = _image_files()
    decoded = np.stack([pixels.load(data, SIZE, 0.9, "bilinear") for data in files])
    probabilities = keras.ops.convert_to_numpy(network(decoded.astype(np.float32), training=False))
    np.savez(
        folder / "golden.npz",
        inputs=decoded,
        answers=probabilities,
        files=np.frombuffer(b"".join(files), np.uint8),
        offsets=np.cumsum([0, *map(len, files)]),
    )
    shutil.copyfile(pixels.__file__, folder / "preprocess.py")
    signature = {
        "task": "multiclass",
        "labels": LABELS,
        "size": SIZE,
        "crop": 0.9,
        "filter": "bilinear",
        "frame": "crop",
        "integer_range": None,
        "float_range": None,
        "scaling": "inside the model: feed 0..255",
        "input": {
            "name": "image",
            "shape": [None, SIZE, SIZE, 3],
            "dtype": "float32",
            "layout": "NHWC",
            "channels": "RGB",
        },
        "output": {"name": "probabilities", "shape": [None, 3], "activation": "softmax"},
        "digests": {"model.keras": file_digest(folder / "model.keras"), "weights": "0" * 64},
        "golden": [{"file": f"{i}.jpg", "digest": "", "answers": row.tolist()} for i, row in enumerate(probabilities)],
    }
    write_json(folder / "signature.json", signature)
    return folder


@pytest.fixture(scope="session")
def shipped(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Exported]]:
    """Every format, exported at once into a folder that holds a note of the user's."""
    out = tmp_path_factory.mktemp("shipped")
    (out / "notes.txt").write_text("mine")
    return out, {row.format: row for row in export_model(source, list(FORMATS), out)}


@pytest.fixture
def copied(source: Path, tmp_path: Path) -> Path:
    """A copy of the model folder, to be spoilt."""
    return Path(shutil.copytree(source, tmp_path / "copied"))


def _sign_anew(folder: Path, *names: str) -> None:
    """Let the signature say of changed files that they are the signed ones."""
    signature = read_json(folder / "signature.json")
    signature["digests"] |= {name: file_digest(folder / name) for name in names}
    write_json(folder / "signature.json", signature)


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _refused(source: Path, formats: list[str], out: Path) -> ExportError:
    with pytest.raises(ExportError) as caught:
        export_model(source, formats, out)
    assert "Traceback" not in str(caught.value)
    return caught.value


def _verify(folder: Path, file: str, runtime: str) -> subprocess.CompletedProcess[bytes]:
    request = json.dumps({"folder": str(folder), "file": file, "runtime": runtime}).encode()
    return subprocess.run([sys.executable, "-P", verify_export.__file__], input=request, capture_output=True, check=False)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_and_agrees(name: str, shipped: tuple[Path, dict[str, Exported]]) -> None:
    """A row of the table gives its files, a difference within rounding, and a digest for each file."""
    out, exports = shipped
    row, exported = FORMATS[name], exports[name]
    assert exported.path == out / row.file
    assert all((out / file).exists() for file in row.files)
    assert 0 <= exported.max_difference <= 1e-4
    assert exported.file_mb > 0
    digests = read_json(out / "signature.json")["digests"]
    files = [path for path in _content(out) if path.split("/")[0] in row.files]
    assert files
    assert all(digests[path] == file_digest(out / path) for path in files)


def test_table_is_keyed_by_its_own_names_and_has_a_reader_for_each() -> None:
    """Names, files and runtimes of the table fit together."""
    assert all(name == row.name for name, row in FORMATS.items())
    assert {row.runtime for row in FORMATS.values()} == set(verify_export.RUNTIMES)
    files = [file for row in FORMATS.values() for file in row.files]
    assert len(files) == len(set(files))


@pytest.mark.parametrize(("given_", "name"), [("tflite", "litert"), ("tf", "saved_model"), ("hdf5", "h5")])
def test_formats_have_aliases(given_: str, name: str) -> None:
    """An alias means the format itself, and one that is named twice is written once; no alias means two formats."""
    assert export._rows([given_, name]) == [FORMATS[name]]
    aliases = [alias for row in FORMATS.values() for alias in (row.name, *row.aliases)]
    assert len(set(aliases)) == len(aliases)


def test_companions_lie_beside_the_exports(source: Path, shipped: tuple[Path, dict[str, Exported]]) -> None:
    """The folder holds the exports, what is needed to use and check them, the user's own file, and nothing else."""
    out, _ = shipped
    names = {path.name for path in out.iterdir()}
    expected = {file for row in FORMATS.values() for file in row.files}
    assert names == expected | {"signature.json", "golden.npz", "preprocess.py", "README.md", "notes.txt"}
    assert (out / "preprocess.py").read_bytes() == (source / "preprocess.py").read_bytes()
    assert (out / "model.keras").read_bytes() == (source / "model.keras").read_bytes()
    assert (out / "notes.txt").read_text() == "mine"
    before, after = read_json(source / "signature.json"), read_json(out / "signature.json")
    assert after["digests"]["weights"] == before["digests"]["weights"]
    assert {key: value for key, value in after.items() if key not in export._OF_THE_FOLDER} == (
        {key: value for key, value in before.items() if key != "digests"}
    )


def _bytes_of(path: Path) -> bytes:
    """All bytes of a file, those of a zip archive also unpacked."""
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data += b"".join(archive.read(name) for name in archive.namelist())
    return data


def test_no_export_names_a_folder_of_this_machine(source: Path, shipped: tuple[Path, dict[str, Exported]]) -> None:
    """Neither where the run or the export lies, nor the user's home, nor where packages are installed; in no format."""
    folders = [source, shipped[0], Path(tempfile.gettempdir()), Path.home(), Path(np.__file__).parents[1], Path.cwd()]
    needles = [str(folder).encode() for folder in folders if len(str(folder)) > len("/root")]
    needles += [str(folder / "").encode() for folder in (Path.home(), Path(tempfile.gettempdir()))]
    needles += [b"/.writing-", b"site-packages", b".py:"]
    for path in filter(Path.is_file, shipped[0].rglob("*")):
        if path.suffix != ".py":
            data = _bytes_of(path)
            assert [needle for needle in needles if needle in data] == [], path


def test_onnx_names_its_tensors_and_carries_the_labels(shipped: tuple[Path, dict[str, Exported]]) -> None:
    """The ONNX file has a named NHWC input, a named output, an open batch, a modern opset and the labels."""
    import onnx

    model = onnx.load(shipped[0] / "model.onnx")
    (image,), (output,) = model.graph.input, model.graph.output
    dimensions = image.type.tensor_type.shape.dim
    assert (image.name, output.name) == ("image", "probabilities")
    assert [d.dim_value for d in dimensions[1:]] == [SIZE, SIZE, 3]
    assert dimensions[0].dim_param == output.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert min(o.version for o in model.opset_import if o.domain == "") >= 17
    assert json.loads({p.key: p.value for p in model.metadata_props}["labels"]) == LABELS


# Of the operators that NVIDIA lists as supported by TensorRT's ONNX parser, those our networks can become.
TENSORRT_OPERATORS = {
    *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "Div", "Flatten", "Gather", "Gemm"),
    *("GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "MatMul", "Max", "MaxPool"),
    *("Min", "Mul", "Pad", "Pow", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Slice"),
    *("Softmax", "Split", "Squeeze", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze"),
}


def test_onnx_graph_is_one_that_tensorrt_can_parse(shipped: tuple[Path, dict[str, Exported]]) -> None:
    """The ONNX graph has operators of TensorRT's list, float32 at both ends, and whole numbers only to say shapes."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(shipped[0] / "model.onnx")).graph
    assert {node.op_type for node in graph.node} <= TENSORRT_OPERATORS
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}
    known = (*graph.input, *graph.value_info, *graph.output)
    kinds = {value.name: value.type.tensor_type.elem_type for value in known}
    kinds |= {value.name: value.data_type for value in graph.initializer}
    number, whole = onnx.TensorProto.FLOAT, {onnx.TensorProto.INT32, onnx.TensorProto.INT64}
    assert {kinds[value.name] for value in (*graph.input, *graph.output)} == {number}
    assert set(kinds.values()) <= {number, *whole}
    pixels_and_rows = [node for node in graph.node if kinds[node.output[0]] == number]
    read = {
        (node.op_type, place) for node in pixels_and_rows for place, name in enumerate(node.input) if kinds[name] in whole
    }
    assert ("Reshape", 1) in read
    assert read <= {(name, 1) for name in ("Reshape", "Squeeze", "Unsqueeze", "ReduceMax", "ReduceMean", "ReduceSum")}


def test_onnx_export_says_how_to_build_a_tensorrt_engine(shipped: tuple[Path, dict[str, Exported]]) -> None:
    """The signature beside an ONNX file holds the command, with the shapes of this model and a word on precision."""
    signature = read_json(shipped[0] / "signature.json")
    program, *options = signature["tensorrt"].split()
    assert program == "trtexec"
    assert dict(option.split("=") for option in options if "=" in option) == {
        "--onnx": "model.onnx",
        "--saveEngine": "model.engine",
        "--minShapes": f"image:1x{SIZE}x{SIZE}x3",
        "--optShapes": f"image:8x{SIZE}x{SIZE}x3",
        "--maxShapes": f"image:64x{SIZE}x{SIZE}x3",
    }
    assert [option for option in options if "=" not in option] == ["--noTF32"]
    assert "has not run this command" in signature["tensorrt_note"]
    assert "--fp16" in signature["tensorrt_note"]


def test_what_runtimes_are_told_stands_only_where_their_file_does(
    shipped: tuple[Path, dict[str, Exported]], tmp_path: Path
) -> None:
    """A Keras file alone says nothing of TensorRT or OpenVINO, even if the signature it was made from did."""
    export_model(shipped[0], ["keras"], tmp_path)
    assert not {"tensorrt", "tensorrt_note", "openvino_options"} & read_json(tmp_path / "signature.json").keys()


def _litert(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path))


def test_litert_file_names_its_tensors_and_has_an_open_batch(shipped: tuple[Path, dict[str, Exported]]) -> None:
    """The LiteRT file has one signature with a named NHWC float32 input of any batch size and a named output."""
    interpreter = _litert(shipped[0] / "model.tflite")
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["probabilities"]}}
    (image,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert image["shape_signature"].tolist() == [-1, SIZE, SIZE, 3]
    assert output["shape_signature"].tolist() == [-1, 3]
    assert image["dtype"] is output["dtype"] is np.float32


def test_litert_file_has_built_in_operations_and_full_precision(shipped: tuple[Path, dict[str, Exported]]) -> None:
    """Nothing in the LiteRT file is a custom or TensorFlow operation, and all but shapes is float32."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf((shipped[0] / "model.tflite").read_bytes())
    assert model.operatorCodes
    assert all(code.customCode is None for code in model.operatorCodes)
    types = {tensor.type for graph in model.subgraphs for tensor in graph.tensors}
    assert types == {schema.TensorType.FLOAT32, schema.TensorType.INT32}


@pytest.mark.parametrize("num_images", [1, 5])
def test_litert_file_answers_for_any_batch(num_images: int, source: Path, shipped: tuple[Path, dict[str, Exported]]) -> None:
    """After its input is resized by hand, as on a phone, the LiteRT file gives the model's answers."""
    golden = np.load(source / "golden.npz")
    rows = [0, 1, 2, 3, 0][:num_images]
    interpreter = _litert(shipped[0] / "model.tflite")
    (image,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(image["index"], [num_images, SIZE, SIZE, 3])
    interpreter.allocate_tensors()
    interpreter.set_tensor(image["index"], golden["inputs"][rows].astype(np.float32))
    interpreter.invoke()
    assert np.abs(interpreter.get_tensor(output["index"]) - golden["answers"][rows]).max() <= 1e-4


def test_openvino_graph_is_float32_with_an_open_batch(shipped: tuple[Path, dict[str, Exported]]) -> None:
    """The OpenVINO graph has a named input of any batch size, and no constant in half precision."""
    import openvino

    graph = openvino.Core().read_model(shipped[0] / "model.xml")
    assert graph.input("image").partial_shape == openvino.PartialShape([-1, SIZE, SIZE, 3])
    assert graph.output("probabilities").partial_shape == openvino.PartialShape([-1, 3])
    assert openvino.Type.f16 not in {op.get_element_type() for op in graph.get_ops() if op.get_type_name() == "Constant"}


def test_signature_says_what_openvino_has_to_be_told(shipped: tuple[Path, dict[str, Exported]]) -> None:
    """Beside an OpenVINO file stands the option for float32."""
    assert read_json(shipped[0] / "signature.json")["openvino_options"] == {"INFERENCE_PRECISION_HINT": "f32"}


# The programs of these start TensorFlow, and those of tables are run in any case.
_SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("h5", "saved_model")]


@pytest.mark.parametrize("name", [*(name for name in FORMATS if name not in ("h5", "saved_model")), *_SLOW])
def test_readme_program_answers_as_predict_does(
    name: str, source: Path, shipped: tuple[Path, dict[str, Exported]], tmp_path: Path
) -> None:
    """What README.md says letter by letter, run without Headstart on image files: names, labels and probabilities."""
    files = _image_files()
    paths = [tmp_path / f"picture {number}.{'png' if number % 2 else 'jpg'}" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    expected = Predictor(shipped[0]).predict([str(path) for path in paths])
    told = run_program(shipped[0], name, paths, tmp_path)
    assert [row["sample"] for row in told] == [row.path for row in expected]
    assert [row["predicted"] for row in told] == [row.predicted for row in expected]
    found = [[row[f"p_{label}"] for label in LABELS] for row in told]
    np.testing.assert_allclose(found, np.stack([np.asarray(row.answers) for row in expected]), atol=1e-4)


def test_readme_names_the_formats_that_are_there(
    source: Path, shipped: tuple[Path, dict[str, Exported]], tmp_path: Path
) -> None:
    """Each format has a usage; a later export adds its own to those that stay, and a file of the user's is not named."""
    assert set(USAGES) == set(FORMATS)
    (tmp_path / "model.h5").write_bytes(b"mine")
    export_model(source, ["keras"], tmp_path)
    export_model(source, ["onnx"], tmp_path)
    text = (tmp_path / "README.md").read_text("utf-8")
    assert [name for name in FORMATS if f"## {USAGES[name].title}" in text] == ["keras", "onnx"]
    assert read_json(tmp_path / "signature.json")["digests"]["README.md"] == file_digest(tmp_path / "README.md")
    whole = (shipped[0] / "README.md").read_text("utf-8")
    assert [name for name in FORMATS if f"## {USAGES[name].title}" in whole] == list(FORMATS)


def test_readme_holds_nothing_from_a_signature(source: Path) -> None:
    """Whoever made a model has no say in what others run: hostile names change no letter of it."""
    signature = read_json(source / "signature.json")
    hostile = json.loads(json.dumps(signature))
    hostile["labels"] = hostile["output"]["name"] = hostile["input"]["name"] = hostile["filter"] = '"); import os #```'
    assert readme_text(list(FORMATS), hostile) == readme_text(list(FORMATS), signature)


def test_again_replaces_one_format_and_keeps_the_others(
    source: Path, shipped: tuple[Path, dict[str, Exported]], tmp_path: Path
) -> None:
    """A second export of the same model replaces what it names and leaves the rest, digests included."""
    out = Path(shutil.copytree(shipped[0], tmp_path / "again"))
    before = _content(out)
    (exported,) = export_model(source, ["keras", "keras"], out)
    assert exported.format == "keras"
    assert _content(out).keys() == before.keys()
    assert json.loads(before["signature.json"]) == read_json(out / "signature.json")


@pytest.fixture
def ship_instead(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that lets exports ship other Python code as their preprocess.py than this package has."""

    def replace_code(code: str) -> None:
        def write(folder: Path, _signature: object) -> None:
            (folder / "preprocess.py").write_text(code, "utf-8")

        monkeypatch.setattr(export, "write_preprocessing", write)

    return replace_code


def test_swapped_channels_are_caught(
    source: Path, shipped: tuple[Path, dict[str, Exported]], tmp_path: Path, ship_instead: Callable[[str], None]
) -> None:
    """A preprocess.py that gives BGR is found out, and the earlier exports stay as they were."""
    out = Path(shutil.copytree(shipped[0], tmp_path / "out"))
    before = _content(out)
    ours = Path(pixels.__file__).read_text("utf-8")
    ship_instead(ours + "\n\n_rgb = load\n\n\ndef load(*arguments):\n    return _rgb(*arguments)[..., ::-1]\n")
    error = _refused(source, ["keras"], out)
    assert error.code == "H402"
    assert all(name in error.received for name in ("from_bytes", "pixel_levels", "changed"))
    assert "from_inputs" not in error.received
    assert _content(out) == before


def test_wrong_scaling_is_caught(copied: Path, tmp_path: Path) -> None:
    """A model that scales its pixels otherwise than the golden samples were made leaves not even a folder."""
    import keras

    _network(keras, 1.0).save(copied / "model.keras")
    _sign_anew(copied, "model.keras")
    out = tmp_path / "new" / "out"
    error = _refused(copied, ["onnx"], out)
    assert (error.code, "from_inputs" in error.received) == ("H402", True)
    assert not out.exists()


def test_crash_of_the_fresh_process_is_told_in_its_own_words(
    source: Path, tmp_path: Path, ship_instead: Callable[[str], None]
) -> None:
    """A verification that breaks off refuses the export, with the last line of what it said."""
    ship_instead("raise RuntimeError('no such decoder')\n")
    error = _refused(source, ["keras"], tmp_path / "out")
    assert (error.code, error.received) == ("H402", "RuntimeError: no such decoder")
    assert not (tmp_path / "out").exists()


def test_failed_conversion_is_told_in_its_own_words(tmp_path: Path) -> None:
    """A file that is no model gives H403 and leaves nothing behind."""
    (tmp_path / "a.keras").write_bytes(b"no model")
    with pytest.raises(ExportError) as caught:
        write_engine_graph(tmp_path / "a.keras", tmp_path / "graphs" / "a.xml")
    assert caught.value.code == "H403"
    assert "a.keras" in caught.value.received
    assert [path.name for path in tmp_path.iterdir()] == ["a.keras"]


def test_killed_converter_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A child that dies without a word still gives a three-line error."""
    monkeypatch.setattr(conversion, "__file__", str(tmp_path / "conversion.py"))
    (tmp_path / "convert_process.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(ExportError, match="killed by signal 9") as caught:
        write_engine_graph(tmp_path / "a.keras", tmp_path / "a.xml")
    assert caught.value.code == "H406"


def test_engine_graph_keeps_the_names_of_the_model(tmp_path: Path) -> None:
    """Any .keras file becomes a graph under the name asked for, with Keras's own tensor names."""
    import keras
    import openvino

    image = keras.Input((8, 8, 3), name="pixels")
    pooled = keras.layers.GlobalMaxPooling2D(name="rows")(image)
    keras.Model(image, [pooled, keras.layers.Dense(2, name="scores")(pooled)]).save(tmp_path / "part_a.keras")
    write_engine_graph(tmp_path / "part_a.keras", tmp_path / "engine" / "part_a.xml")
    assert sorted(path.name for path in (tmp_path / "engine").iterdir()) == ["part_a.bin", "part_a.xml"]
    compiled = openvino.Core().compile_model(tmp_path / "engine" / "part_a.xml", "CPU")
    batch = np.random.default_rng(0).random((3, 8, 8, 3), np.float32)
    answers = compiled({"pixels": batch})
    assert np.allclose(answers[compiled.output("rows")], batch.max(axis=(1, 2)))
    assert answers[compiled.output("scores")].shape == (3, 2)


@given(st.text().filter(lambda name: name not in FORMATS))
def test_unknown_format_is_refused_before_anything_is_read(name: str) -> None:
    """A name that is not in the table gives H401 with the names that are, wherever it stands in the list."""
    error = _refused(Path("no such folder"), ["onnx", name], Path("no such folder"))
    assert error.code == "H401"
    assert all(known in error.expected for known in FORMATS)


def test_a_misspelled_format_is_answered_with_the_one_that_is_like_it() -> None:
    """The three lines say what was probably meant."""
    error = _refused(Path("no such folder"), ["onnx", "openvin"], Path("no such folder"))
    assert error.received == "openvin; did you mean openvino?"


def test_no_format_is_refused() -> None:
    """An empty list of formats is a mistake, not an empty success."""
    assert _refused(Path("no such folder"), [], Path("no such folder")).code == "H401"


@pytest.mark.parametrize("name", ["model.onnx", "saved_model/saved_model.pb", "preprocess.py", "signature.json"])
def test_foreign_file_in_the_way_is_left_alone(name: str, source: Path, tmp_path: Path) -> None:
    """A file that no earlier export left is neither replaced nor joined."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = _content(tmp_path)
    error = _refused(source, ["onnx", "saved_model"], tmp_path)
    assert (error.code, error.received) == ("H404", str(tmp_path / name))
    assert _content(tmp_path) == before


def test_export_that_was_changed_since_is_foreign(
    source: Path, shipped: tuple[Path, dict[str, Exported]], tmp_path: Path
) -> None:
    """An earlier export that somebody edited is theirs now."""
    out = Path(shutil.copytree(shipped[0], tmp_path / "out"))
    (out / "model.onnx").write_bytes(b"edited")
    assert _refused(source, ["onnx"], out).code == "H404"
    assert (out / "model.onnx").read_bytes() == b"edited"


def test_exports_of_two_models_are_not_mixed(
    copied: Path, shipped: tuple[Path, dict[str, Exported]], tmp_path: Path
) -> None:
    """One signature cannot speak for two models, so a folder holds the exports of one."""
    out = Path(shutil.copytree(shipped[0], tmp_path / "out"))
    write_json(copied / "signature.json", read_json(copied / "signature.json") | {"labels": ["a", "b", "c"]})
    assert _refused(copied, ["onnx"], out).code == "H404"


def test_run_itself_is_no_place_for_exports(source: Path) -> None:
    """Exporting into the folder that is exported would change the run."""
    before = _content(source)
    assert _refused(source, ["onnx"], source).code == "H404"
    assert _content(source) == before


def test_file_where_the_folder_should_be(source: Path, tmp_path: Path) -> None:
    """An output path that is a file is told as such."""
    (tmp_path / "out").write_text("mine")
    assert _refused(source, ["onnx"], tmp_path / "out").code == "H404"
    assert (tmp_path / "out").read_text() == "mine"


def test_preprocess_py_of_the_source_is_not_executed_and_not_shipped(copied: Path, tmp_path: Path) -> None:
    """What lies there under the name is nobody's business; the package's own code is shipped and checked."""
    (copied / "preprocess.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w')\n", "utf-8")
    export_model(copied, ["keras"], tmp_path / "out")
    assert not (tmp_path / "marker").exists()
    assert (tmp_path / "out" / "preprocess.py").read_bytes() == Path(pixels.__file__).read_bytes()


@pytest.mark.parametrize("name", ["model.keras", "golden.npz", "preprocess.py"])
def test_signed_file_that_was_changed_is_refused(name: str, copied: Path, tmp_path: Path) -> None:
    """H506, before anything is converted."""
    _sign_anew(copied, "model.keras", "golden.npz", "preprocess.py")
    with (copied / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(RunError, match="H506") as caught:
        export_model(copied, ["keras"], tmp_path / "out")
    assert name in caught.value.received


@pytest.mark.parametrize("name", ["model.keras", "signature.json", "golden.npz"])
def test_incomplete_model_is_refused(name: str, copied: Path, tmp_path: Path) -> None:
    """Without one of its three files a model cannot be exported, and the error names the file."""
    (copied / name).unlink()
    error = _refused(copied, ["onnx"], tmp_path / "out")
    assert error.code == "H405"
    assert name in error.received


def test_fixed_batch_size_is_caught(shipped: tuple[Path, dict[str, Exported]], tmp_path: Path) -> None:
    """An export for one image at a time does not pass."""
    import onnx

    out = Path(shutil.copytree(shipped[0], tmp_path / "out"))
    model = onnx.load(out / "model.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, out / "model.onnx")
    assert _verify(shipped[0], "model.onnx", "onnxruntime").returncode == 0
    assert _verify(out, "model.onnx", "onnxruntime").returncode == 1


def test_litert_file_that_needs_tensorflow_is_caught(shipped: tuple[Path, dict[str, Exported]], tmp_path: Path) -> None:
    """A LiteRT file with one of TensorFlow's own operations does not pass, though TensorFlow is installed."""
    import tensorflow as tf

    out = Path(shutil.copytree(shipped[0], tmp_path / "out"))
    spec = tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="image")
    forward = tf.function(lambda image: {"probabilities": tf.image.adjust_hue(image, 0.1)}, input_signature=[spec])
    tf.saved_model.save(tf.Module(), str(tmp_path / "foreign"), signatures={"serving_default": forward})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "foreign"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (out / "model.tflite").write_bytes(converter.convert())
    assert _verify(shipped[0], "model.tflite", "litert").returncode == 0
    done = _verify(out, "model.tflite", "litert")
    assert done.returncode == 1
    assert b"FlexAdjustHue" in done.stderr


def test_fresh_process_cannot_reach_headstart(shipped: tuple[Path, dict[str, Exported]], tmp_path: Path) -> None:
    """A preprocess.py that leans on Headstart does not pass, though Headstart is installed."""
    out = Path(shutil.copytree(shipped[0], tmp_path / "out"))
    (out / "preprocess.py").write_text("from headstart.data.images.preprocess import load\n")
    done = _verify(out, "model.onnx", "onnxruntime")
    assert done.returncode == 1
    assert b"headstart" in done.stderr.splitlines()[-1]


def _measured(monkeypatch: pytest.MonkeyPatch, folder: Path, predict: verify_export.Predict) -> dict[str, float]:
    monkeypatch.setitem(verify_export.RUNTIMES, "planted", lambda path, names: lambda given: [predict(given["image"])])
    return verify_export.measure(folder, "model", "planted")


def test_not_a_number_is_not_agreement(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """An export that answers NaN for single images is measured as NaN, which no limit lets pass."""
    golden = np.load(source / "golden.npz")["answers"]
    rows = [0, 1, 2, 3, 0]

    def predict(batch: verify_export.Array) -> verify_export.Array:
        return np.full((1, 3), np.nan) if len(batch) == 1 else golden[rows[: len(batch)]]

    measured = _measured(monkeypatch, source, predict)
    assert np.isnan(measured["from_inputs"])
    assert measured["from_bytes"] == 0
    monkeypatch.setattr(export, "ask_child", lambda script, request: (measured, ""))
    with pytest.raises(ExportError, match="from_inputs nan"):
        export._verify(FORMATS["onnx"], source)


def test_another_shape_is_not_compared(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """One column against three would broadcast; it is refused instead."""
    with pytest.raises(ValueError, match="shape"):
        _measured(monkeypatch, source, lambda batch: np.zeros((len(batch), 1)))


pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1)


@given(pairs, st.floats(0.1, 0.9), st.sampled_from(["binary", "multilabel"]))
def test_decisions_change_only_across_the_threshold(pairs: list[tuple[float, float]], threshold: float, task: str) -> None:
    """A class, or a label, changes where the two probabilities lie on different sides, ties apart."""
    expected, predicted = (np.array(column)[:, None] for column in zip(*pairs, strict=True))
    clear = [(a, b) for a, b in pairs if abs(a - threshold) > 2e-4]
    changed = sum((a >= threshold) != (b >= threshold) for a, b in clear)
    told = {"threshold": threshold} if task == "binary" else {"thresholds": {"wet": threshold}, "labels": ["wet"]}
    judge = verify_export._Judge(expected, {"task": task, **told})
    assert judge.changed(predicted) == changed
    assert judge.difference(predicted, [*range(len(pairs))]) == np.abs(expected - predicted).max()


def test_a_sample_with_two_changed_labels_counts_once() -> None:
    """Each label has its own threshold."""
    signature = {"task": "multilabel", "labels": ["wet", "cold"], "thresholds": {"cold": 0.9, "wet": 0.2}}
    judge = verify_export._Judge(np.array([[0.3, 0.8], [0.3, 0.8]]), signature)
    assert judge.changed(np.array([[0.1, 0.95], [0.25, 0.5]])) == 1


def test_values_differ_by_the_size_of_their_target() -> None:
    """A difference counts by the target's deviation, and by the value itself where its logarithm was learned."""
    expected = np.array([[1e6, 0.01], [0.0, 0.03]])
    scaling = {"log1p": [True, False], "mean": [7.0, 0.02], "deviation": [7.0, 0.01]}
    signature = {"task": "regression", "labels": ["price", "tip"], "scaling_of_targets": scaling}
    judge = verify_export._Judge(expected, signature)
    assert judge.difference(np.array([[100.0, 0.0], [0.0, 0.0]]) + expected, [0, 1]) == pytest.approx(1e-4, rel=1e-3)
    assert judge.difference(np.array([[0.0, 0.0], [0.5, 0.0]]) + expected, [0, 1]) == pytest.approx(0.5)
    assert judge.difference(np.array([[0.0, 0.005], [0.0, 0.0]]) + expected, [0, 1]) == pytest.approx(0.5)
    assert judge.changed(expected + 1e9) == 0


def test_years_are_not_equal_because_they_are_large() -> None:
    """Of a target of 2000 within 8 years, an eighth of a year is a difference; float32's own steps are none."""
    expected = np.array([[2001.0], [1.7e9]])
    scaling = {"log1p": [False], "mean": [2000.0], "deviation": [8.0]}
    judge = verify_export._Judge(expected, {"task": "regression", "labels": ["year"], "scaling_of_targets": scaling})
    assert judge.difference(expected + np.array([[0.125], [0.0]]), [0, 1]) > 1e-2
    assert judge.difference(expected + np.array([[0.0], [128.0]]), [0, 1]) <= 1e-4


def test_import_is_light() -> None:
    """Importing the module pulls in no Keras, no TensorFlow, no OpenVINO, no ONNX and no LiteRT."""
    code = (
        "import sys, headstart.export.export_folder\n"
        "heavy = {'keras', 'tensorflow', 'openvino', 'onnx', 'onnxruntime', 'tf2onnx', 'ai_edge_litert', 'PIL'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(export.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _other_side(signature: Path) -> None:
    value = read_json(signature)
    value["size"] = SIZE + 1
    value["input"]["shape"] = [None, SIZE + 1, SIZE + 1, 3]
    write_json(signature, value)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.xml", lambda path: path.write_text("<net")),
        ("model.xml", lambda path: path.write_text("<net name='x' version='11'><layers/><edges/></net>")),
        ("model.xml", _cut),
        ("model.bin", _cut),
        ("signature.json", _other_side),
    ],
    ids=["no XML", "nothing in it", "cut short", "weights cut short", "another side"],
)
def test_graph_of_images_that_cannot_be_used_is_told(
    name: str, damage: Callable[[Path], object], shipped: tuple[Path, dict[str, Exported]], tmp_path: Path
) -> None:
    """H502 with the name of the graph, also where its digest is the signed one; H506 where it is not."""
    from headstart.models.predictor import Predictor

    out = Path(shutil.copytree(shipped[0], tmp_path / "out"))
    assert Predictor(out).classes == tuple(LABELS)
    damage(out / name)
    if name != "signature.json":
        with pytest.raises(RunError, match="H506"):
            Predictor(out)
        _sign_anew(out, name)
    with pytest.raises(RunError, match=r"H502[^\0]*model\.xml"):
        Predictor(out)


def test_the_guide_shows_a_program_of_an_export() -> None:
    """docs/guides/exporting.md has the program for OpenVINO as an export's README.md would, letter by letter."""
    guide = Path(__file__).parents[2] / "docs" / "guides" / "exporting.md"
    assert program("openvino", {"task": "multiclass"}) in guide.read_text("utf-8")
