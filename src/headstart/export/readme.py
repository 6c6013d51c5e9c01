"""The README.md of an export folder, with a program per format that predicts a user's own samples.

The program of a format consists of a row of ``USAGES`` between two parts that all formats share: reading samples with
``preprocess.py``, and printing predictions. From a model's signature only the task, and whether there are limits of sets and
a score of unknown images, affect the text, so that the author of a model cannot put code into a program that others run.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headstart.export.formats import FORMATS, Format

__all__ = ["OPENVINO_OPTIONS", "README", "USAGES", "Usage", "program", "readme_text"]

README = "README.md"
OPENVINO_OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}  # OpenVINO 2026.4 cannot read it from the model file


@dataclass(frozen=True)
class Usage:
    """How a format is used in a program.

    Attributes:
        title: Heading.
        package: Packages to install in addition to NumPy, and to Pillow for images.
        imports: Import lines.
        prepare: Lines that load the model and, if its outputs are named, compute them.
        answers: Expression for the predictions, ``(n, units)``, from ``inputs``, which is an array or columns by name.
        outputs: Expression for a list of all outputs, in the order of ``names_of_outputs``.
        variables: Environment variables that must be set first.
        columns: Expression for a table's columns in the form that the format takes. Defaults to "": it takes encoded rows.
        notes: Pitfalls of the runtime, such as defaults that change predictions.
    """

    title: str
    package: str
    imports: Sequence[str]
    prepare: Sequence[str]
    answers: str
    outputs: str
    variables: Mapping[str, str] = field(default_factory=dict)
    columns: str = ""
    notes: Sequence[str] = ()


_TF32 = "tf.config.experimental.enable_tensor_float_32_execution(False)  # full float32 on NVIDIA GPUs"
_OF_KERAS = (
    "Keras runs on TensorFlow, PyTorch or JAX. On an NVIDIA GPU these may round float32 products to ten bits (TF32); the "
    "program sets TensorFlow, Keras's default backend, to full float32.",
)


def _keras(file: str) -> Usage:
    return Usage(
        title=f"Keras, `{file}`",
        package="keras tensorflow",
        imports=["import keras", "import tensorflow as tf"],
        prepare=[_TF32, f'model = keras.models.load_model("{file}", compile=False)'],
        answers="keras.ops.convert_to_numpy(model(inputs, training=False))",
        outputs="[keras.ops.convert_to_numpy(output) for output in model(inputs, training=False)]",
        notes=_OF_KERAS,
    )


USAGES: dict[str, Usage] = {
    "keras": _keras("model.keras"),
    "h5": _keras("model.h5"),
    "saved_model": Usage(
        title="TensorFlow SavedModel, `saved_model/`",
        package="tensorflow",
        imports=["import tensorflow as tf"],
        prepare=[
            _TF32,
            'model = tf.saved_model.load("saved_model")',
            "given = {name: tf.constant(values) for name, values in inputs.items()}",
            'computed = model.signatures["serving_default"](**given)',
        ],
        answers='computed[signature["output"]["name"]].numpy()',
        outputs="[computed[name].numpy() for name in names_of_outputs]",
        columns='{column["saved_model_argument"]: cells[column["name"]].reshape(-1, 1) for column in signature["columns"]}',
        notes=(
            "Inputs are passed by name, each as a tensor of its type: text as strings, with empty strings for missing "
            "values; numbers as float32 and dates as float64, with NaN for missing values. The names may differ from the "
            "column names of a table: `signature.json` lists them as `saved_model_argument`.",
        ),
    ),
    "onnx": Usage(
        title="ONNX Runtime, `model.onnx`",
        package="onnxruntime",
        imports=["import onnxruntime"],
        variables={"ORT_DISABLE_TELEMETRY": "1"},  # else it stores a device id in the home folder and sends it
        prepare=['session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])'],
        answers="session.run(None, inputs)[0]",
        outputs="session.run(names_of_outputs, inputs)",
        columns=(
            "{name: (values.astype(object) if values.dtype.kind == 'U' else values).reshape(-1, 1) "
            "for name, values in cells.items()}"
        ),
        notes=(
            'ONNX Runtime converts all values of a text column to text without a warning: None becomes `"None"`, NaN '
            '`"nan"`, and a 7 that pandas has converted to floating point becomes `"7.0"`. The model has seen none of them '
            "in training. Pass `str` only, with empty strings for missing values, as `preprocess.typed` does.",
        ),
    ),
    "openvino": Usage(
        title="OpenVINO, `model.xml` and `model.bin`",
        package="openvino",
        imports=["import openvino"],
        variables={"CI": "true"},  # else OpenVINO reports its import
        prepare=[
            f'compiled = openvino.Core().compile_model("model.xml", "CPU", {OPENVINO_OPTIONS!r})'.replace("'", '"'),
            "computed = compiled(inputs)",
        ],
        answers='computed[signature["output"]["name"]]',
        outputs="[computed[name] for name in names_of_outputs]",
        notes=(
            "By default, OpenVINO computes in bfloat16 on processors that support it (Intel's with AMX), and in half "
            "precision on a GPU: probabilities then differ by some hundredths, and some samples get another class. The file "
            "cannot request float32 itself. Request it whenever you compile the model, as the program does.",
        ),
    ),
    "litert": Usage(
        title="LiteRT (TensorFlow Lite), `model.tflite`",
        package="ai-edge-litert",
        imports=["from ai_edge_litert.interpreter import Interpreter"],
        prepare=[
            'run = Interpreter("model.tflite").get_signature_runner()',
            "computed = run(**inputs)",
        ],
        answers='computed[signature["output"]["name"]]',
        outputs="[computed[name] for name in names_of_outputs]",
        notes=(
            "Use the signature, which names inputs and outputs. A LiteRT file lists its inputs in alphabetical order, which "
            "may differ from their order in the model.",
        ),
    ),
}


def program(name: str, signature: Mapping[str, Any]) -> str:
    """Write the program of one format, which reads image files or a CSV file and prints a JSON object per sample.

    Args:
        name: A key of ``FORMATS``.
        signature: Contents of ``signature.json``.
    """
    usage = USAGES[name]
    is_table, knows_unknown = "encoding" in signature, "unknown" in signature
    modules = ["json", "sys", *(["csv"] if is_table else []), *(["os"] if usage.variables else [])]
    settings = [f'os.environ["{name}"] = "{value}"  # disables telemetry' for name, value in usage.variables.items()]
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
        *usage.prepare,
        *(_two_outputs(usage) if knows_unknown else [f"answers = {usage.answers}"]),
        "",
        *_printed(signature),
    ]
    return "\n".join(lines) + "\n"


def readme_text(formats: Sequence[str], signature: Mapping[str, Any]) -> str:
    """Write the README.md of a folder that contains these formats.

    Args:
        formats: Keys of ``FORMATS``.
        signature: Contents of ``signature.json``.
    """
    is_table = "encoding" in signature
    given = (
        "a CSV file with a header and the separator of the training data (commas if these were not a CSV file),"
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

Headstart wrote this file next to the exported files. Each program below reads {given} and prints one JSON object per
sample. It needs neither Headstart nor anything else from the machine that trained the model. Save it in this folder, for
example as `predict.py`, and run it here:

```
python predict.py {argument}
```

`preprocess.py` prepares samples exactly as in training; any other way of reading samples gives other predictions.
`signature.json` contains the labels, the names, shapes and types of inputs and outputs, and a digest of each file.
`golden.npz` contains samples with the model's predictions, for checking an installation.
{_about_keys(signature)}
{chr(10).join(sections)}"""


_NAMED = 'inputs = {signature["input"]["name"]: inputs}'


def _read_images(row: Format) -> list[str]:
    from headstart.data.images.preprocess import load

    settings = ", ".join(f'"{name}"' for name in inspect.signature(load).parameters if name != "source")
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


def _about_keys(signature: Mapping[str, Any]) -> str:
    """Paragraph about what the programs print beside predictions; empty if there is nothing."""
    lines = []
    if _has_sets(signature):
        several = ("`low` and `high` are the ends of the interval that contains", "`set` has the labels that contain")
        lines.append(f"{several[signature['task'] != 'regression']} the truth with a probability of {_PERCENT}%.")
    if "unknown" in signature:
        lines.append(
            "`unknown` says how unlike the training images an image is, from 0 to 1. From the threshold in `signature.json` "
            "on, the image should count as unknown, whatever is predicted."
        )
    return "".join(f"\n{line}\n" for line in lines)


def _has_sets(signature: Mapping[str, Any]) -> bool:
    return str(_PERCENT) in signature.get("conformal", {}).get("limits", {})


def _two_outputs(usage: Usage) -> list[str]:
    return [
        'names_of_outputs = [signature["output"]["name"], signature["unknown"]["name"]]',
        f"answers, unknown = {usage.outputs}",
    ]


def _printed(signature: Mapping[str, Any]) -> list[str]:
    """Lines that print a prediction per sample, with a set or interval, and the score of unknown images, where there are."""
    task, knows_unknown = signature["task"], "unknown" in signature
    sets = _OF_SETS[task] if _has_sets(signature) else _Sets()
    loop = _LOOP_WITH_SCORES if knows_unknown else _LOOP
    keys = ['"sample": name', '"predicted": predicted', *([] if task == "regression" else ["**shares"]), *sets.keys]
    keys += ['"unknown": round(float(score), 6)'] if knows_unknown else []
    lines = [*sets.before, loop, *_PRINTED[task], *sets.within, f"    print(json.dumps({{{', '.join(keys)}}}))"]
    return ['labels = signature["labels"]', *lines]


class _Sets(NamedTuple):
    """Lines before the loop over samples and within it, and keys to print, for sets and intervals."""

    before: Sequence[str] = ()
    within: Sequence[str] = ()
    keys: Sequence[str] = ()


_PERCENT = 90  # coverage of the sets and intervals that are printed
_LIMITS = f'signature["conformal"]["limits"]["{_PERCENT}"]'
_SETS_OF_LABELS = _Sets(
    [f"(limit,) = {_LIMITS}  # sets that contain the truth with a probability of {_PERCENT}%"],
    ["    likely = [label for label, p in zip(labels, answer) if p >= 1 - limit - 1e-6]"],
    ['"set": likely'],
)
_INTERVALS = _Sets(
    [
        f'scaling, limits = signature["scaling_of_targets"], {_LIMITS}',
        f'steps = np.array(scaling["deviation"]) * limits  # intervals contain the truth with a probability of {_PERCENT}%',
        "",
        "",
        "def end(answer, step):",
        "    answer = np.asarray(answer, np.float64)",
        "    log = np.log1p(np.maximum(answer, 0.0)) + step",
        '    ends = np.where(scaling["log1p"], np.expm1(np.maximum(log, 0.0)), answer + step)',
        "    return dict(zip(labels, ends.tolist()))",
        "",
        "",
    ],
    [],
    ['"low": end(answer, -steps)', '"high": end(answer, steps)'],
)
_OF_SETS = {**dict.fromkeys(("binary", "multiclass", "multilabel"), _SETS_OF_LABELS), "regression": _INTERVALS}
_LOOP = "for name, answer in zip(names, answers):"
_LOOP_WITH_SCORES = "for name, answer, (score,) in zip(names, answers, unknown):"
_PROBABILITIES = '    shares = {f"p_{label}": round(float(p), 6) for label, p in zip(labels, answer)}'
_PRINTED: dict[str, list[str]] = {  # of each task
    "binary": [
        "    answer = [1 - answer[0], answer[0]]",
        '    predicted = labels[int(answer[1] >= signature["threshold"])]',
        _PROBABILITIES,
    ],
    "multiclass": ["    predicted = labels[int(answer.argmax())]", _PROBABILITIES],
    "multilabel": [
        '    thresholds = [signature["thresholds"][label] for label in labels]',
        '    predicted = ";".join(label for label, p, least in zip(labels, answer, thresholds) if p >= least)',
        _PROBABILITIES,
    ],
    "regression": ["    predicted = {label: float(value) for label, value in zip(labels, answer)}"],
}
