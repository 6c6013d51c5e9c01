"""The new process that reads an export without Headstart and compares its predictions with the golden samples.

``export.export_folder`` starts it as a script and compares the measurements with limits.
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
Given = dict[str, Array]  # inputs of a model by name
Names = list[str]  # of outputs, in their order
Predict = Callable[[Given], list[Array]]

# If the probability of the top class leads by less than this, it is a tie that rounding in float32 may decide either way.
_TIE = 2e-4


def _read_keras(path: Path, _names: Names) -> Predict:
    import keras

    model = keras.models.load_model(path, compile=False)

    def predict(given: Given) -> list[Array]:
        outputs = keras.tree.flatten(model(next(iter(given.values())), training=False))
        return [keras.ops.convert_to_numpy(output) for output in outputs]

    return predict


def _read_tensorflow(path: Path, names: Names) -> Predict:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # kept alive by predict, because a signature does not own its variables
    answer = loaded.signatures["serving_default"]

    def predict(given: Given, _owner: Any = loaded) -> list[Array]:
        outputs = answer(**{name: tf.constant(values) for name, values in given.items()})
        return [outputs[name].numpy() for name in names]

    return predict


def _read_onnxruntime(path: Path, names: Names) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    asked = names if len(names) > 1 else None  # a single output has another name if a column has its own
    return lambda given: session.run(asked, given)


def _read_openvino(path: Path, names: Names) -> Predict:
    import openvino

    # The export must be compared in float32; by default OpenVINO uses lower precision on processors that support it.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def predict(given: Given) -> list[Array]:
        outputs = compiled(given)
        return [outputs[name] for name in names]

    return predict


def _read_litert(path: Path, names: Names) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    # TensorFlow's interpreter would also accept TensorFlow's operations, which LiteRT on a phone does not have.
    answer = Interpreter(str(path)).get_signature_runner()  # resizes the input to each batch

    def predict(given: Given) -> list[Array]:
        outputs = answer(**given)
        return [outputs[name] for name in names]

    return predict


RUNTIMES: dict[str, Callable[[Path, Names], Predict]] = {
    "keras": _read_keras,
    "tensorflow": _read_tensorflow,
    "onnxruntime": _read_onnxruntime,
    "openvino": _read_openvino,
    "litert": _read_litert,
}


def measure(folder: Path, file: str, runtime: str) -> dict[str, float]:
    """Run an export on the golden samples, both from their stored inputs and from their original files or cells.

    Args:
        folder: Folder of the export, with ``signature.json``, ``golden.npz`` and ``preprocess.py``.
        file: Name of the export in that folder.
        runtime: A key of ``RUNTIMES``.

    Returns:
        ``from_inputs`` and ``from_bytes``: largest difference from the golden predictions, from stored inputs and from the
        bytes of image files or the cells of a table; for a regression it is relative to the scale of the target.
        ``pixel_levels``: largest difference, in levels of 255, between the stored pixels and those of ``preprocess.py``.
        ``changed``: number of samples whose predicted class or labels differ when read from bytes or cells.
        ``unknown_from_inputs`` and ``unknown_from_bytes``: the first two for the score of unknown images; 0 without one.

    Raises:
        ValueError: There are no golden samples, or the outputs of the export have other shapes.
    """
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    with np.load(folder / "golden.npz", allow_pickle=False) as arrays:
        golden = dict(arrays)
    expected = golden["answers"]
    if not len(expected):
        raise ValueError("golden.npz contains no samples")
    names = [made["name"] for made in (signature["output"], signature.get("unknown")) if made]
    predict = RUNTIMES[runtime](folder / file, names)
    judge = _Judge(expected, signature)
    unknown = golden.get("unknown") if "unknown" in signature else None
    twice = [*range(len(expected)), 0]  # one row more than there are, so that even a single sample is tested as a batch
    preprocess = _preprocessing(folder / "preprocess.py")
    if "encoding" in signature:
        given, levels = _columns(golden, signature, preprocess, runtime), 0.0
        stored = given
    else:
        name = signature["input"]["name"]
        decoded = _decoded(golden, preprocess)
        levels = float(np.abs(decoded.astype(np.int16) - golden["inputs"].astype(np.int16)).max())
        stored, given = ({name: pixels.astype(np.float32)} for pixels in (golden["inputs"], decoded))
    of_stored = [(predict(_taken(stored, rows)), rows) for rows in (twice, [0])]
    all_rows = [*range(len(expected))]
    read = predict(_taken(given, all_rows))
    return {
        "from_inputs": float(np.max([judge.difference(outputs[0], rows) for outputs, rows in of_stored])),  # NaN stays NaN
        "from_bytes": judge.difference(read[0], all_rows),
        "pixel_levels": levels,
        "changed": float(judge.changed(read[0])),
        "unknown_from_inputs": float(np.max([_unlike(unknown, outputs, rows) for outputs, rows in of_stored])),
        "unknown_from_bytes": _unlike(unknown, read, all_rows),
    }


def main() -> int:
    """Measure the export named on standard input; the last line of standard output is the JSON of ``measure``.

    The request is ``{"folder", "file", "runtime"}``. After a failure, the last line of standard error gives the reason.
    """
    if "headstart" in sys.modules:
        raise SystemExit("Headstart is already imported, but exports must be verified in a process without it")
    sys.modules["headstart"] = None  # type: ignore[assignment]  # importing it now fails, also in preprocess.py
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # disables OpenVINO's telemetry
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when ONNX Runtime is imported
    request = json.load(sys.stdin)
    try:
        measured = measure(Path(request["folder"]), request["file"], request["runtime"])
    except Exception as error:  # noqa: BLE001  the runtimes share no base class, and the parent reports it
        sys.stderr.write(f"\n{type(error).__name__}: {' '.join(str(error).split())[:500]}\n")
        return 1
    sys.stdout.write(f"\n{json.dumps(measured)}\n")
    return 0


class _Judge:
    """Comparison of predictions with the golden ones."""

    def __init__(self, expected: Array, signature: dict[str, Any]) -> None:
        self._expected, self._task = expected, signature["task"]
        self._thresholds = np.array([signature.get("threshold", 0.5)])
        if "thresholds" in signature:
            self._thresholds = np.array([signature["thresholds"][label] for label in signature["labels"]])
        self._size = np.ones(expected.shape[1])
        if self._task == "regression":
            self._size = _sizes(expected, signature["scaling_of_targets"])

    def difference(self, answers: Array, rows: list[int]) -> float:
        """Largest difference from the golden predictions of these rows."""
        expected = self._expected[rows]
        if answers.shape != expected.shape:  # else (n, 1) would silently be broadcast to (n, k)
            raise ValueError(f"predictions of the export have shape {answers.shape}, those of the model {expected.shape}")
        size = self._size[rows] if self._size.ndim == 2 else self._size
        return float((np.abs(answers - expected) / size).max())

    def changed(self, answers: Array) -> int:
        """Number of samples with another predicted class or label, unless the golden prediction is a tie."""
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
    """Scale of differences: the target's standard deviation, or the value plus 1 if its logarithm was learned.

    It is at least a multiple of the spacing of float32 at that value, because smaller differences cannot be measured.
    """
    of_values = np.where(scaling["log1p"], np.abs(expected) + 1, np.broadcast_to(scaling["deviation"], expected.shape))
    steps = 8 * np.spacing(np.abs(expected).astype(np.float32))
    sizes: Array = np.maximum(of_values, steps / 1e-4)
    return sizes


def _unlike(unknown: Array | None, outputs: list[Array], rows: list[int]) -> float:
    """Largest difference from the golden scores of unknown images; 0 if there are none."""
    if unknown is None:
        return 0.0
    if outputs[1].shape != (len(rows), 1):
        raise ValueError(f"scores of unknown images have shape {outputs[1].shape}")
    return float(np.abs(outputs[1] - unknown[rows]).max())


def _taken(given: Given, rows: list[int]) -> Given:
    return {name: values[rows] for name, values in given.items()}


def _decoded(golden: Given, preprocess: Any) -> Array:
    """Decode golden images from the bytes of their files, with the settings in the signature next to ``preprocess.py``."""
    files, spans = golden["files"], itertools.pairwise(golden["offsets"])
    return np.stack([preprocess.load(files[start:end].tobytes()) for start, end in spans])


def _columns(golden: Given, signature: dict[str, Any], preprocess: Any, runtime: str) -> Given:
    """Golden rows of a table in the form that a runtime takes: columns by name, or encoded rows."""
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
        raise ValueError(f"{path.name} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all files are closed, and a regular shutdown of TensorFlow takes more than a second
