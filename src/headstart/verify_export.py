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

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # nothing is reported to anyone

__all__ = ["RUNTIMES", "main", "measure"]

Array = np.ndarray[Any, Any]
Predict = Callable[[Array], Array]

# A top class that leads by less than this is a tie, which float32 may settle either way.
_TIE = 2e-4


def _read_keras(path: Path, _input: str, _output: str) -> Predict:
    import keras

    model = keras.models.load_model(path, compile=False)
    return lambda batch: keras.ops.convert_to_numpy(model(batch, training=False))


def _read_tensorflow(path: Path, given: str, output: str) -> Predict:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # the function below keeps it: a signature does not own its variables
    return lambda batch: loaded.signatures["serving_default"](**{given: tf.constant(batch)})[output].numpy()


def _read_onnxruntime(path: Path, given: str, output: str) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda batch: np.asarray(session.run([output], {given: batch})[0])


def _read_openvino(path: Path, given: str, output: str) -> Predict:
    import openvino

    # Half precision is the runtime's own choice where the processor has it; the export is to be judged in float32.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: np.asarray(compiled({given: batch})[compiled.output(output)])


def _read_litert(path: Path, given: str, output: str) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    # Not TensorFlow's interpreter: that one holds TensorFlow's operations too, and would hide that a file needs them.
    answer = Interpreter(str(path)).get_signature_runner()  # it resizes the input to each batch
    return lambda batch: answer(**{given: batch})[output]


RUNTIMES: dict[str, Callable[[Path, str, str], Predict]] = {
    "keras": _read_keras,
    "tensorflow": _read_tensorflow,
    "onnxruntime": _read_onnxruntime,
    "openvino": _read_openvino,
    "litert": _read_litert,
}


def measure(folder: Path, file: str, runtime: str) -> dict[str, float]:
    """Feed the golden samples to an export, once as stored pixels and once from the bytes of the image files.

    Args:
        folder: Where the export lies, with its ``signature.json``, ``golden.npz`` and ``preprocess.py``.
        file: Name of the export in that folder.
        runtime: A key of ``RUNTIMES``.

    Returns:
        ``from_pixels`` and ``from_bytes``: largest absolute difference from the golden probabilities;
        ``pixel_levels``: largest difference, of 255, between the stored pixels and those ``preprocess.py`` makes;
        ``changed``: samples whose predicted class is another one when read from bytes.

    Raises:
        ValueError: There are no golden samples, or the export answers in another shape.
    """
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    with np.load(folder / "golden.npz", allow_pickle=False) as golden:
        pixels, expected = golden["pixels"], golden["probabilities"]
        files, offsets = golden["files"], golden["offsets"]
    if not len(pixels):
        raise ValueError("golden.npz holds no samples")
    predict = RUNTIMES[runtime](folder / file, signature["input"]["name"], signature["output"]["name"])
    twice = [*range(len(pixels)), 0]  # one more than there are, so that a single sample makes a batch too
    stored = np.max([_difference(predict, pixels[rows], expected[rows]) for rows in (twice, [0])])  # NaN stays NaN

    load = _preprocessing(folder / "preprocess.py")
    settings = (signature["size"], signature["crop"], signature["filter"])
    spans = itertools.pairwise(offsets)
    decoded = np.stack([load(files[start:end].tobytes(), *settings) for start, end in spans])
    levels = np.abs(decoded.astype(np.int16) - pixels.astype(np.int16)).max()
    predicted = _answers(predict, decoded, expected)
    return {
        "from_pixels": float(stored),
        "from_bytes": float(np.abs(predicted - expected).max()),
        "pixel_levels": float(levels),
        "changed": float(_changed(expected, predicted, signature.get("threshold", 0.5))),
    }


def main() -> int:
    """Measure what standard input names; the last line of standard output is the JSON of ``measure``.

    The request is ``{"folder", "file", "runtime"}``. On a failure the last line of standard error says why.
    """
    if "headstart" in sys.modules:
        raise SystemExit("Headstart is already imported in this process: it is not a fresh one")
    sys.modules["headstart"] = None  # type: ignore[assignment]  # from here on importing it fails, for preprocess.py too
    request = json.load(sys.stdin)
    try:
        measured = measure(Path(request["folder"]), request["file"], request["runtime"])
    except Exception as error:  # noqa: BLE001  the runtimes share no base class, and the parent tells the user
        sys.stderr.write(f"\n{type(error).__name__}: {' '.join(str(error).split())[:500]}\n")
        return 1
    sys.stdout.write(f"\n{json.dumps(measured)}\n")
    return 0


def _answers(predict: Predict, pixels: Array, expected: Array) -> Array:
    predicted = predict(pixels.astype(np.float32))
    if predicted.shape != expected.shape:  # else (n, 1) would be compared with (n, k) without a word
        raise ValueError(f"the export answers in shape {predicted.shape}, the model in {expected.shape}")
    return predicted


def _difference(predict: Predict, pixels: Array, expected: Array) -> float:
    return float(np.abs(_answers(predict, pixels, expected) - expected).max())


def _changed(expected: Array, predicted: Array, threshold: float) -> int:
    if expected.shape[1] == 1:
        clear = np.abs(expected - threshold) > _TIE
        return int((((expected >= threshold) != (predicted >= threshold)) & clear).sum())
    best_two = np.sort(expected, axis=1)[:, -2:]
    clear_lead = best_two[:, 1] - best_two[:, 0] > _TIE
    return int(((expected.argmax(axis=1) != predicted.argmax(axis=1)) & clear_lead).sum())


def _preprocessing(path: Path) -> Callable[..., Array]:
    spec = importlib.util.spec_from_file_location("preprocess", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    load: Callable[..., Array] = module.load
    return load


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # every file is closed by now, and TensorFlow takes more than a second to be taken down
