"""Part A: the README.md of an export folder: for each format in it, a program that answers for a user's own samples.

The program of a format is a row of ``USAGES`` between two parts that all formats share: reading samples by
``preprocess.py``, and printing predictions. Nothing from the signature of a model becomes part of the text but its task:
whoever made the model has no say in what another user runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headstart.export.formats import FORMATS, Format

__all__ = ["OPENVINO_OPTIONS", "README", "USAGES", "Usage", "program", "readme_text"]

README = "README.md"
OPENVINO_OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}  # OpenVINO 2026.4 reads it from no place in the file


@dataclass(frozen=True)
class Usage:
    """How a format is used.

    Attributes:
        title: Its name in a heading.
        package: What to install beside NumPy, and beside Pillow for images.
        imports: Lines that import it.
        answers: Lines from ``inputs``, an array or columns by name, to ``answers``, ``(n, units)``.
        variables: Environment variables that have to be set before that.
        columns: Line that gives a table's columns as the format takes them; empty where it takes encoded rows.
        notes: What its runtime does unless told otherwise, or what else goes wrong in silence.
    """

    title: str
    package: str
    imports: Sequence[str]
    answers: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    columns: str = ""
    notes: Sequence[str] = ()


_TF32 = "tf.config.experimental.enable_tensor_float_32_execution(False)  # full float32, where there is an NVIDIA GPU"
_OF_KERAS = (
    "Keras runs on TensorFlow, PyTorch or JAX. On an NVIDIA GPU these may shorten float32 products to ten bits; the program "
    "sets TensorFlow, Keras's default, to full float32.",
)


def _keras(file: str) -> Usage:
    return Usage(
        title=f"Keras, `{file}`",
        package="keras tensorflow",
        imports=["import keras", "import tensorflow as tf"],
        answers=[
            _TF32,
            f'model = keras.models.load_model("{file}", compile=False)',
            "answers = keras.ops.convert_to_numpy(model(inputs, training=False))",
        ],
        notes=_OF_KERAS,
    )


USAGES: dict[str, Usage] = {
    "keras": _keras("model.keras"),
    "h5": _keras("model.h5"),
    "saved_model": Usage(
        title="TensorFlow SavedModel, `saved_model/`",
        package="tensorflow",
        imports=["import tensorflow as tf"],
        answers=[
            _TF32,
            'model = tf.saved_model.load("saved_model")',
            "given = {name: tf.constant(values) for name, values in inputs.items()}",
            'answers = model.signatures["serving_default"](**given)[signature["output"]["name"]].numpy()',
        ],
        columns='{column["saved_model_argument"]: cells[column["name"]].reshape(-1, 1) for column in signature["columns"]}',
        notes=(
            "Inputs go in by name, each as a tensor of its own type: text as strings, a gap in it as an empty string; "
            "numbers as float32 and dates as float64, a gap as NaN. The names may differ from those in a file of rows: "
            "`signature.json` lists them as `saved_model_argument`.",
        ),
    ),
    "onnx": Usage(
        title="ONNX Runtime, `model.onnx`",
        package="onnxruntime",
        imports=["import onnxruntime"],
        variables={"ORT_DISABLE_TELEMETRY": "1"},  # else it keeps a device id in the home folder, and sends it
        answers=[
            'session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])',
            "(answers,) = session.run(None, inputs)",
        ],
        columns=(
            "{name: (values.astype(object) if values.dtype.kind == 'U' else values).reshape(-1, 1) "
            "for name, values in cells.items()}"
        ),
        notes=(
            'ONNX Runtime turns whatever is in a column of text into text without a warning: None becomes `"None"`, NaN '
            '`"nan"`, a 7 among objects that pandas has made floating-point becomes `"7.0"`; the model has seen neither. '
            "Give it `str` alone, and an empty string for a gap, as `preprocess.typed` does.",
        ),
    ),
    "openvino": Usage(
        title="OpenVINO, `model.xml` and `model.bin`",
        package="openvino",
        imports=["import openvino"],
        variables={"CI": "true"},  # else it reports its import
        answers=[
            f'compiled = openvino.Core().compile_model("model.xml", "CPU", {OPENVINO_OPTIONS!r})'.replace("'", '"'),
            'answers = compiled(inputs)[signature["output"]["name"]]',
        ],
        notes=(
            "OpenVINO computes in bfloat16 unless told otherwise on processors that have it (Intel's with AMX), and in half "
            "precision on a GPU: a probability is then off by some hundredths, and some samples get another class. The file "
            "cannot ask for float32 itself. Do so whenever you compile it, as the program does.",
        ),
    ),
    "litert": Usage(
        title="LiteRT (TensorFlow Lite), `model.tflite`",
        package="ai-edge-litert",
        imports=["from ai_edge_litert.interpreter import Interpreter"],
        answers=[
            'run = Interpreter("model.tflite").get_signature_runner()',
            'answers = run(**inputs)[signature["output"]["name"]]',
        ],
        notes=(
            "Use the signature, which names inputs and outputs. A LiteRT file lists its inputs in alphabetical order, "
            "whatever their order was in the model.",
        ),
    ),
}


_TABLE = "a CSV file with a header, separated as the training file was (by commas if that was no CSV file),"


def program(name: str, signature: Mapping[str, Any]) -> str:
    """The program of one format: it takes image files, or a CSV file, and prints a JSON object for each sample.

    Args:
        name: A key of ``FORMATS``.
        signature: What ``signature.json`` holds.
    """
    usage = USAGES[name]
    is_table = "encoding" in signature
    modules = ["json", "sys", *(["csv"] if is_table else []), *(["os"] if usage.variables else [])]
    settings = [f'os.environ["{name}"] = "{value}"  # nothing is sent to anyone' for name, value in usage.variables.items()]
    lines = [
        *(f"import {name}" for name in sorted(modules)),
        "",
        *([*settings, ""] if settings else []),
        *sorted([*usage.imports, "import numpy as np"], key=lambda line: line.split()[1]),
        "",
        "import preprocess",
        "",
        'with open("signature.json", encoding="utf-8") as file:',
        "    signature = json.load(file)",
        *(_read_rows(FORMATS[name], usage) if is_table else _read_images(FORMATS[name])),
        "",
        *usage.answers,
        "",
        *_PRINTED[signature["task"]],
    ]
    return "\n".join(lines) + "\n"


def readme_text(formats: Sequence[str], signature: Mapping[str, Any]) -> str:
    """README.md of a folder that holds these formats.

    Args:
        formats: Keys of ``FORMATS``.
        signature: What ``signature.json`` holds.
    """
    is_table = "encoding" in signature
    given = (
        "a CSV file with a header, separated as the training data were (by commas if these were no CSV file),"
        if is_table
        else "image files"
    )
    argument = "rows.csv" if is_table else "a.jpg b.jpg"
    pillow = "" if is_table else " pillow"
    sections = [
        f"""## {USAGES[name].title}

Install: `pip install numpy{pillow} {USAGES[name].package}`

{"".join(f"{note}{chr(10)}{chr(10)}" for note in USAGES[name].notes)}```python
{program(name, signature)}```
"""
        for name in formats
    ]
    return f"""# How to use this model

Written by Headstart beside the exported files. Each program below reads {given}, prints one JSON object per sample, and
needs neither Headstart nor anything else from the machine that trained the model. Save it in this folder, for example as
`predict.py`, and run it here:

```
python predict.py {argument}
```

`preprocess.py` does exactly what was done in training; any other way to read samples gives other predictions.
`signature.json` holds the labels, the names, shapes and types of inputs and outputs, and a digest of each file. `golden.npz`
holds samples with the model's answers, to check an installation with.

{chr(10).join(sections)}"""


_NAMED = 'inputs = {signature["input"]["name"]: inputs}'


def _read_images(row: Format) -> list[str]:
    from headstart.data.images import preprocess as pixels

    settings = ", ".join(f'"{name}"' for name in inspect.signature(pixels.load).parameters if name != "source")
    return [
        "names = sys.argv[1:]",
        f"settings = {{name: signature[name] for name in ({settings})}}",
        "images = [preprocess.load(name, **settings) for name in names]",
        "inputs = np.stack(images).astype(np.float32)  # 0 to 255: the model scales them itself",
        *([] if row.runtime == "keras" else [_NAMED]),
    ]


def _read_rows(row: Format, usage: Usage) -> list[str]:
    lines = [
        'with open(sys.argv[1], encoding="utf-8-sig", newline="") as file:',
        '    rows = list(csv.DictReader(file, delimiter=signature["encoding"]["separator"] or ","))',
        "names = range(1, len(rows) + 1)",
        'cells = {column["name"]: [row[column["name"]] for row in rows] for column in signature["columns"]}',
    ]
    if usage.columns:
        return [*lines, 'cells = preprocess.typed(cells, signature["encoding"])', f"inputs = {usage.columns}"]
    lines.append('inputs = preprocess.encode(cells, signature["encoding"])')
    return lines if row.runtime == "keras" else [*lines, _NAMED]


_PROBABILITIES = '    shares = {f"p_{label}": round(float(p), 6) for label, p in zip(labels, answer)}'
_LABELS = 'labels = signature["labels"]'
_LOOP = "for name, answer in zip(names, answers):"
_PRINT = '    print(json.dumps({"sample": name, "predicted": predicted, **shares}))'
_PRINTED: dict[str, list[str]] = {  # of each task
    "binary": [
        _LABELS,
        "for name, (p,) in zip(names, answers):",
        "    answer = [1 - p, p]",
        '    predicted = labels[int(p >= signature["threshold"])]',
        _PROBABILITIES,
        _PRINT,
    ],
    "multiclass": [_LABELS, _LOOP, "    predicted = labels[int(answer.argmax())]", _PROBABILITIES, _PRINT],
    "multilabel": [
        _LABELS,
        _LOOP,
        '    thresholds = [signature["thresholds"][label] for label in labels]',
        '    predicted = ";".join(label for label, p, least in zip(labels, answer, thresholds) if p >= least)',
        _PROBABILITIES,
        _PRINT,
    ],
    "regression": [
        _LABELS,
        _LOOP,
        "    values = {label: float(value) for label, value in zip(labels, answer)}",
        '    print(json.dumps({"sample": name, "predicted": values}))',
    ],
}
