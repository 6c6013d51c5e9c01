"""Export of a trained model to a folder, in formats that a new process verifies before they are reported."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from headstart.export.converter import Child, ask_child, convert, settle, staged
from headstart.export.formats import FORMATS, TENSORRT_NOTE, Format, tensorrt_command
from headstart.export.graphs.tree_arrays import Trees
from headstart.export.keras_file import check_keras_file
from headstart.export.readme import OPENVINO_OPTIONS, README, readme_text
from headstart.export.signature_reader import outputs_of, read_signature
from headstart.foundation.errors import ExportError, RunError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.files import read_json, write_bytes, write_json
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.text import with_suggestion

__all__ = ["Exported", "export_model", "formats_of", "write_preprocessing"]

# Limits of the measurements of verify_process. Equal inputs differ only by rounding. Read from the bytes of a file, pixels
# differ by one or two levels of 255 between decoders, but by tens with a wrong resize filter or channel order.
_LIMITS = {"from_inputs": 1e-4, "from_bytes": 1e-3, "pixel_levels": 8.0, "changed": 0.0}
# Scores of unknown images are differences of large distances, so that they differ more.
_LIMITS |= {"unknown_from_inputs": 1e-3, "unknown_from_bytes": 0.1}
_GOLDEN, _PREPROCESS = "golden.npz", "preprocess.py"
_MODELS = ("model.keras", "model.npz")  # a network, or trees
_SIGNATURE = "signature.json"
_OF_THE_FOLDER = ("digests", "tensorrt", "tensorrt_note", "openvino_options")  # signature keys about the files next to it


@dataclass(frozen=True)
class Exported:
    """An export whose predictions a new process has reproduced.

    Attributes:
        format: A key of ``FORMATS``.
        path: File or folder to open.
        file_mb: Size of all its files, in 10^6 bytes.
        max_difference: Largest difference from the golden predictions, for stored inputs and for inputs read from files or
            columns; for a regression it is relative to the scale of the target.
        seconds: Time for writing and verifying it; the first format that needs TensorFlow includes its start and loading.
    """

    format: str
    path: Path
    file_mb: float
    max_difference: float
    seconds: float


def export_model(
    source: Path,
    formats: Sequence[str],
    out: Path,
    *,
    child: Child | None = None,
    timeout_seconds: float = 1800.0,
) -> list[Exported]:
    """Export a trained model to several formats; either all of them are written and verified, or ``out`` is not changed.

    Next to the exports are written: ``README.md`` (a program for each format), ``signature.json`` (with the digest of every
    file and, for an ONNX file of an image model, the command that builds a TensorRT engine from it), ``golden.npz`` and
    ``preprocess.py``. Earlier exports of the same model are replaced or kept; files that Headstart did not write are never
    touched.

    Args:
        source: Folder with ``model.keras`` (or ``model.npz``), ``signature.json`` and ``golden.npz``. It is not trusted:
            nothing in it is executed, and ``preprocess.py`` is written from this package.
        formats: Keys of ``FORMATS``.
        out: Folder to write to, created if missing.
        child: A converter that was started before. Defaults to None: a new one.
        timeout_seconds: Time limit of the converter. Defaults to 1800.

    Raises:
        ExportError: A format is unknown (H401) or not available for the model (H407, H408), an export disagrees with the
            model (H402), the conversion failed (H403) or was stopped (H406), ``out`` cannot be written to or contains other
            files (H404), or ``source`` is incomplete (H405).
        RunError: ``source`` was changed (H506), cannot be read (H502), or its model contains unsafe layers (H521).
        StackError: Writing to disk failed (H601).

    Example:
        >>> export_model(Path("runs/flowers-001"), ["onnx"], Path("shipped"))  # doctest: +SKIP
        [Exported(format='onnx', path=PosixPath('shipped/model.onnx'), file_mb=13.4, ...)]
    """
    rows = _rows(formats)
    signature, model = _signature(source)
    _refuse_formats(model, rows)
    if model == "model.keras":
        check_keras_file(source / model)
    else:
        Trees.read(source / model, signature["input"]["shape"][-1])
    _check_golden(source / _GOLDEN, signature)
    written = [_GOLDEN, _PREPROCESS, README, *(name for row in rows for name in row.files)]
    kept = _earlier_exports(out, source, signature, written)
    with staged(out) as staging:
        for name in (_SIGNATURE, _GOLDEN):
            write_bytes(staging / name, (source / name).read_bytes())
        write_preprocessing(staging, signature)
        names = {"outputs": list(outputs_of(signature)), "labels": signature["labels"], "table": _table(signature)}
        seconds = convert(source / model, rows, staging, names=names, child=child, timeout_seconds=timeout_seconds)
        # Importing a runtime on one thread takes most of the time, so two run at once; each holds a copy of the model.
        with ThreadPoolExecutor(max_workers=2) as pool:
            checks = list(pool.map(lambda row: _verify(row, staging), rows))
        exports = [
            Exported(row.name, out / row.file, _file_mb(staging, row), difference, seconds[row.name] + check_seconds)
            for row, (difference, check_seconds) in zip(rows, checks, strict=True)
        ]
        ours = {name.split("/")[0] for name in (*kept, *written)}
        present = [row.name for row in FORMATS.values() if row.file in ours]
        write_bytes(staging / README, readme_text(present, signature).encode())
        digests = _origin(source, signature) | kept | _digests(staging, written)
        for name in written:
            settle(staging / name, out / name)
        write_json(out / _SIGNATURE, _identity(signature) | {"digests": digests} | _of_runtimes(signature, digests))
    return exports


def _rows(formats: Sequence[str]) -> list[Format]:
    named = {alias: row for row in FORMATS.values() for alias in (row.name, *row.aliases)}
    unknown = [name for name in formats if name not in named]
    if unknown or not formats:
        raise ExportError(
            "H401",
            "unknown export format",
            received=with_suggestion(unknown, FORMATS) or "nothing",
            expected=f"one or more of {', '.join(FORMATS)}",
            advice="for example --to onnx openvino",
        )
    return [FORMATS[name] for name in dict.fromkeys(named[name].name for name in formats)]


def formats_of(source: Path) -> list[str]:
    """Formats to which a model can be exported; boosted trees only have the formats that take columns."""
    _, model = _signature(source)
    return [row.name for row in FORMATS.values() if model == "model.keras" or row.takes_columns]


def _refuse_formats(model: str, rows: Sequence[Format]) -> None:
    wrong = [row.name for row in rows if model != "model.keras" and not row.takes_columns]
    if wrong:
        fitting = [row.name for row in FORMATS.values() if row.takes_columns]
        raise ExportError(
            "H407",
            "export format not available for this model",
            received=f"{', '.join(wrong)} for boosted trees, which are not a network",
            expected=" or ".join(fitting),
            advice=f"--to {fitting[0]}; or fit a network: --trial table-dnn",
        )


def _table(signature: dict[str, Any]) -> dict[str, Any] | None:
    """Information about a table for the converter; None for images."""
    if "encoding" not in signature:
        return None
    arguments = [column["saved_model_argument"] for column in signature["columns"]]
    scaling = signature.get("scaling_of_targets")
    return {"encoding": signature["encoding"], "arguments": arguments, "scaling_of_targets": scaling}


def _signature(source: Path) -> tuple[dict[str, Any], str]:
    """Signature, and name of the model's file."""
    models = [name for name in _MODELS if (source / name).is_file()]
    missing = [name for name in (_SIGNATURE, _GOLDEN) if not (source / name).is_file()]
    if missing or not models:
        raise ExportError(
            "H405",
            "model to export is incomplete",
            received=f"{source} without {', '.join(missing or ['model.keras'])}",
            expected="the folder of a finished run",
            advice="wait until the run has finished, or fit again",
        )
    RunFolder(source).check(_GOLDEN, _PREPROCESS, models[0])
    return read_signature(source), models[0]


def _check_golden(path: Path, signature: Mapping[str, Any]) -> None:
    """Reject golden samples that do not fit the model, before it is converted.

    Raises:
        RunError: There are no golden samples, or they do not belong to this model (H502).
    """
    with reading(path), np.load(path, allow_pickle=False) as arrays:
        answers = arrays["answers"]
        if answers.shape[1:] != tuple(signature["output"]["shape"][1:]) or not len(answers):
            raise ValueError(f"answers have shape {answers.shape}, but the output has {signature['output']['shape']}")
        if arrays["inputs"].shape != (len(answers), *signature["input"]["shape"][1:]):
            raise ValueError(f"inputs have shape {arrays['inputs'].shape} for {len(answers)} answers")
        if "unknown" in signature and arrays["unknown"].shape != (len(answers), 1):
            raise ValueError(f"scores of unknown images have shape {arrays['unknown'].shape} for {len(answers)} answers")


def write_preprocessing(folder: Path, signature: Mapping[str, Any]) -> None:
    """Write ``preprocess.py`` next to a model: always this package's own file, never one found in a run."""
    kind = "tables" if "encoding" in signature else "images"
    write_bytes(folder / _PREPROCESS, files("headstart.data").joinpath(kind, _PREPROCESS).read_bytes())


def _earlier_exports(out: Path, source: Path, signature: dict[str, Any], written: Sequence[str]) -> dict[str, str]:
    """Digests of earlier exports that are kept; raises if files of others, or of another model, are in the way."""
    if out.exists() and out.samefile(source):
        raise _blocked(out, "it is the run itself", "a separate folder, because a run is not changed")
    earlier = _earlier_signature(out)
    listed: dict[str, str] = earlier.get("digests", {})
    present = {path.relative_to(out).as_posix(): path for name in written for path in _files(out / name)}
    for name, path in present.items():
        if path.is_symlink() or listed.get(name) != file_digest(path):
            raise _blocked(path, "it contains a file not written by Headstart", "only unchanged files of an earlier export")
    kept = {name: digest for name, digest in listed.items() if name not in present and (out / name).exists()}
    if kept and _identity(earlier) != _identity(signature):
        raise _blocked(out, "it contains another model's exports", f"the model that {', '.join(kept)} belongs to")
    return kept


def _earlier_signature(out: Path) -> dict[str, Any]:
    path = out / _SIGNATURE
    if not path.exists():
        return {}
    try:
        signature = read_json(path)
    except RunError:
        signature = None
    if not isinstance(signature, dict) or not isinstance(signature.get("digests"), dict):
        raise _blocked(path, "it contains a file not written by Headstart", f"a {_SIGNATURE} of an earlier export")
    return signature


def _identity(signature: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in signature.items() if key not in _OF_THE_FOLDER}


def _of_runtimes(signature: dict[str, Any], digests: dict[str, str]) -> dict[str, Any]:
    """Options and commands for the runtimes of the formats in the folder."""
    options: dict[str, Any] = {}
    if FORMATS["openvino"].file in digests:
        options["openvino_options"] = OPENVINO_OPTIONS
    if FORMATS["onnx"].file in digests and "encoding" not in signature:  # TensorRT has no operations on text
        given = signature["input"]
        options["tensorrt"] = shlex.join(tensorrt_command(given["name"], given["shape"][1:]))
        options["tensorrt_note"] = TENSORRT_NOTE
    return options


def _origin(source: Path, signature: dict[str, Any]) -> dict[str, str]:
    """Digests in the signature that do not belong to a file of the run, such as that of the original weights."""
    return {name: digest for name, digest in signature.get("digests", {}).items() if not (source / name).exists()}


def _blocked(path: Path, reason: str, expected: str) -> ExportError:
    return ExportError(
        "H404",
        f"cannot write to the export folder: {reason}",
        received=str(path),
        expected=expected,
        advice="choose another folder with --out",
    )


def _files(path: Path) -> list[Path]:
    if path.is_symlink() or path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_symlink() or file.is_file())


def _digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): file_digest(file) for name in names for file in _files(folder / name)}


def _file_mb(folder: Path, row: Format) -> float:
    return sum(file.stat().st_size for name in row.files for file in _files(folder / name)) / 1e6


def _verify(row: Format, folder: Path) -> tuple[float, float]:
    """Largest difference of an export's predictions, measured in a new process, and the seconds that this took."""
    start = time.perf_counter()
    request = {"folder": str(folder), "file": row.file, "runtime": row.runtime}
    measured, reason = ask_child("verify_process.py", request)
    if not reason:
        exceeded = [name for name, limit in _LIMITS.items() if not measured[name] <= limit]  # so that NaN exceeds too
        reason = ", ".join(f"{name} {measured[name]:.3g}" for name in exceeded)
    if reason:
        raise ExportError(
            "H402",
            f"the {row.name} export does not agree with the model and was discarded",
            received=reason,
            expected=", ".join(f"{name} <= {limit:g}" for name, limit in _LIMITS.items()) + " on the golden samples",
            advice="check that model.keras and golden.npz come from one run and one version of Headstart, or fit again",
            exit_code=1,
        )
    return max(measured["from_inputs"], measured["from_bytes"]), time.perf_counter() - start
