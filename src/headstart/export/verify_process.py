"""Artefacts: the fresh process that reads an export without Headstart and measures it against the golden samples.

``export`` starts it as a script, and judges what it measures.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["RUNTIMES", "main", "measure"]

Array = np.ndarray[Any, Any]  # not imported from Headstart, which this process must not load
Given = dict[str, Array]  # what a model is fed: arrays by the names of its inputs
Predict = Callable[[Given], Array]

# A top class that leads by less than this is a tie, which float32 may settle either way.
_TIE = 2e-4


def _read_keras(path: Path, _output: str) -> Predict:
    import keras

    model = keras.models.load_model(path, compile=False)
    return lambda given: keras.ops.convert_to_numpy(model(next(iter(given.values())), training=False))


def _read_tensorflow(path: Path, output: str) -> Predict:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # kept below: a signature does not own its variables
    answer = loaded.signatures["serving_default"]

    def predict(given: Given, _owner: Any = loaded) -> Array:
        return np.asarray(answer(**{name: tf.constant(values) for name, values in given.items()})[output].numpy())

    return predict


def _read_onnxruntime(path: Path, _output: str) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda given: np.asarray(session.run(None, given)[0])


def _read_openvino(path: Path, output: str) -> Predict:
    import openvino

    # Half precision is the runtime's own choice where the processor has it; the export is to be judged in float32.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda given: np.asarray(compiled(given)[compiled.output(output)])


def _read_litert(path: Path, output: str) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    # Not TensorFlow's interpreter: that one holds TensorFlow's operations too, and would hide that a file needs them.
    answer = Interpreter(str(path)).get_signature_runner()  # it resizes the input to each batch
    return lambda given: np.asarray(answer(**given)[output])


RUNTIMES: dict[str, Callable[[Path, str], Predict]] = {
    "keras": _read_keras,
    "tensorflow": _read_tensorflow,
    "onnxruntime": _read_onnxruntime,
    "openvino": _read_openvino,
    "litert": _read_litert,
}


def measure(folder: Path, file: str, runtime: str) -> dict[str, float]:
    """Feed the golden samples to an export: as they were stored, and once more from where they came from.

    Args:
        folder: Where the export lies, with its ``signature.json``, ``golden.npz`` and ``preprocess.py``.
        file: Name of the export in that folder.
        runtime: A key of ``RUNTIMES``.

    Returns:
        ``from_inputs`` and ``from_bytes``: largest difference from the golden answers, of stored inputs and of the bytes of
        image files, or of the cells of a table; that of a regression by the size of the target;
        ``pixel_levels``: largest difference, of 255, between the stored pixels and those ``preprocess.py`` makes;
        ``changed``: samples whose answer is another class, or other labels, when read from bytes.

    Raises:
        ValueError: There are no golden samples, or the export answers in another shape.
    """
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    with np.load(folder / "golden.npz", allow_pickle=False) as arrays:
        golden = dict(arrays)
    expected = golden["answers"]
    if not len(expected):
        raise ValueError("golden.npz holds no samples")
    predict = RUNTIMES[runtime](folder / file, signature["output"]["name"])
    judge = _Judge(expected, signature)
    twice = [*range(len(expected)), 0]  # one more than there are, so that a single sample makes a batch too
    preprocess = _preprocessing(folder / "preprocess.py")
    if "encoding" in signature:
        given, levels = _columns(golden, signature, preprocess, runtime), 0.0
        stored = given
    else:
        name = signature["input"]["name"]
        decoded = _decoded(golden, preprocess)
        levels = float(np.abs(decoded.astype(np.int16) - golden["inputs"].astype(np.int16)).max())
        stored, given = ({name: pixels.astype(np.float32)} for pixels in (golden["inputs"], decoded))
    of_stored = [judge.difference(predict(_taken(stored, rows)), rows) for rows in (twice, [0])]
    all_rows = [*range(len(expected))]
    predicted = predict(_taken(given, all_rows))
    return {
        "from_inputs": float(np.max(of_stored)),  # NaN stays NaN
        "from_bytes": judge.difference(predicted, all_rows),
        "pixel_levels": levels,
        "changed": float(judge.changed(predicted)),
    }


def main() -> int:
    """Measure what standard input names; the last line of standard output is the JSON of ``measure``.

    The request is ``{"folder", "file", "runtime"}``. On a failure the last line of standard error says why.
    """
    if "headstart" in sys.modules:
        raise SystemExit("Headstart is already imported in this process: it is not a fresh one")
    sys.modules["headstart"] = None  # type: ignore[assignment]  # from here on importing it fails, for preprocess.py too
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # OpenVINO reports nothing without it
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # nor does ONNX Runtime, which is silent from its import on
    request = json.load(sys.stdin)
    try:
        measured = measure(Path(request["folder"]), request["file"], request["runtime"])
    except Exception as error:  # noqa: BLE001  the runtimes share no base class, and the parent tells the user
        sys.stderr.write(f"\n{type(error).__name__}: {' '.join(str(error).split())[:500]}\n")
        return 1
    sys.stdout.write(f"\n{json.dumps(measured)}\n")
    return 0


class _Judge:
    """Golden answers, and how far others are from them."""

    def __init__(self, expected: Array, signature: dict[str, Any]) -> None:
        self._expected, self._task = expected, signature["task"]
        self._thresholds = np.array([signature.get("threshold", 0.5)])
        if "thresholds" in signature:
            self._thresholds = np.array([signature["thresholds"][label] for label in signature["labels"]])
        self._size = np.ones(expected.shape[1])
        if self._task == "regression":
            self._size = _sizes(expected, signature["scaling_of_targets"])

    def difference(self, answers: Array, rows: list[int]) -> float:
        """The largest difference from the golden answers of these rows."""
        expected = self._expected[rows]
        if answers.shape != expected.shape:  # else (n, 1) would be compared with (n, k) without a word
            raise ValueError(f"the export answers in shape {answers.shape}, the model in {expected.shape}")
        size = self._size[rows] if self._size.ndim == 2 else self._size
        return float((np.abs(answers - expected) / size).max())

    def changed(self, answers: Array) -> int:
        """Samples that are answered differently, those apart where the golden answer was a tie."""
        expected = self._expected
        if self._task == "regression":
            return 0
        if self._task in ("binary", "multilabel"):
            clear = np.abs(expected - self._thresholds) > _TIE
            differs = (expected >= self._thresholds) != (answers >= self._thresholds)
            return int((differs & clear).any(axis=1).sum())
        best_two = np.sort(expected, axis=1)[:, -2:]
        clear_lead = best_two[:, 1] - best_two[:, 0] > _TIE
        return int(((expected.argmax(axis=1) != answers.argmax(axis=1)) & clear_lead).sum())


def _sizes(expected: Array, scaling: dict[str, Any]) -> Array:
    """What a difference of 1 is: the target's deviation, or the value itself where its logarithm was learned.

    Nothing can be told that is smaller than float32's steps at that value.
    """
    of_values = np.where(scaling["log1p"], np.abs(expected) + 1, np.broadcast_to(scaling["deviation"], expected.shape))
    steps = 8 * np.spacing(np.abs(expected).astype(np.float32))
    sizes: Array = np.maximum(of_values, steps / 1e-4)
    return sizes


def _taken(given: Given, rows: list[int]) -> Given:
    return {name: values[rows] for name, values in given.items()}


def _decoded(golden: Given, preprocess: Any) -> Array:
    """Golden images from the bytes of their files, by the settings that the signature beside ``preprocess.py`` states."""
    files, spans = golden["files"], itertools.pairwise(golden["offsets"])
    return np.stack([preprocess.load(files[start:end].tobytes()) for start, end in spans])


def _columns(golden: Given, signature: dict[str, Any], preprocess: Any, runtime: str) -> Given:
    """Golden rows of a table as a runtime takes them: columns by name, or encoded."""
    names = [column["name"] for column in signature["columns"]]
    cells = {name: golden[f"column_{number}"] for number, name in enumerate(names)}
    typed, _ = preprocess.read_cells(cells, signature["encoding"])
    if runtime not in ("onnxruntime", "tensorflow"):
        return {signature["input"]["name"]: preprocess.encode_typed(typed, signature["encoding"])}
    called = names if runtime == "onnxruntime" else [column["saved_model_argument"] for column in signature["columns"]]
    columns = [typed[name].reshape(-1, 1) for name in names]
    if runtime == "onnxruntime":
        columns = [column.astype(object) if column.dtype.kind == "U" else column for column in columns]
    return dict(zip(called, columns, strict=True))


def _preprocessing(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("preprocess", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # every file is closed by now, and TensorFlow takes more than a second to be taken down
