"""Artefacts: a trained model in the formats to ship, each reproduced by a fresh process before it is reported."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.export.converter import Child, ask_child, convert, settle, staged
from headstart.export.formats import FORMATS, TENSORRT_NOTE, Format, tensorrt_command
from headstart.export.keras_file import check_keras_file
from headstart.export.readme import OPENVINO_OPTIONS, README, readme_text
from headstart.export.signature_reader import read_signature
from headstart.export.tree_arrays import Trees
from headstart.foundation.errors import ExportError, RunError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.files import read_json, write_bytes, write_json
from headstart.foundation.runs.run_folder import RunFolder

__all__ = ["Exported", "export_model", "formats_of", "write_preprocessing"]

# The most that each measurement of verify_export may be. The same inputs leave rounding alone; from the bytes of a
# file, decoders differ by a level or two of 255, while a wrong resize filter or channel order makes tens.
_LIMITS = {"from_inputs": 1e-4, "from_bytes": 1e-3, "pixel_levels": 8.0, "changed": 0.0}
_GOLDEN, _PREPROCESS = "golden.npz", "preprocess.py"
_MODELS = ("model.keras", "model.npz")  # a network, or trees
_SIGNATURE = "signature.json"
_OF_THE_FOLDER = ("digests", "tensorrt", "tensorrt_note", "openvino_options")  # what a signature says of the files beside it


@dataclass(frozen=True)
class Exported:
    """One export that a fresh process has read and found in agreement with the model.

    Attributes:
        format: Its name in ``FORMATS``.
        path: The file or folder to open.
        file_mb: Size of all its files, in 10^6 bytes.
        max_difference: Largest difference from the golden answers, from pixels and from files, or from columns; values of
            a regression by the size of the target.
        seconds: Writing and checking it; the first format that needs TensorFlow pays for its start and the loading.
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
    """Write a trained model in several formats: either all are there, checked, or ``out`` is as it was.

    Beside the exports lie ``README.md`` (a program for each format that is there), ``signature.json`` (with the digest of
    every file, and beside an ONNX file the command that makes a TensorRT engine of it), ``golden.npz`` and
    ``preprocess.py``.
    Earlier exports of the same model are replaced or kept; a file that Headstart did not write is never touched.

    Args:
        source: A folder with ``model.keras``, ``signature.json`` and ``golden.npz``, which may come from anyone: nothing in
            it is executed, and ``preprocess.py`` is written from this package.
        formats: Keys of ``FORMATS``.
        out: The folder to write into; made if it is not there.
        child: A converter that was started before.
        timeout_seconds: The converter is ended after so long.

    Raises:
        ExportError: An unknown format (H401), an export that disagrees with the model (H402), a conversion that failed
            (H403), something in the way in ``out`` (H404), or an incomplete ``source`` (H405).
        RunError: ``source`` was changed (H506), cannot be read (H502), or its model has layers that are not loaded (H521).
        StackError: The disk refuses a write (H601).

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
        names = {"output": signature["output"]["name"], "labels": signature["labels"], "table": _table(signature)}
        seconds = convert(source / model, rows, staging, names=names, child=child, timeout_seconds=timeout_seconds)
        # Most of a check is one thread importing a runtime, so two at a time; each holds a copy of the model.
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
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ExportError(
            "H401",
            "no known export format was named",
            received=", ".join(unknown) or "nothing",
            expected=f"one or more of {', '.join(FORMATS)}",
            advice="for example --to onnx openvino",
        )
    return [FORMATS[name] for name in dict.fromkeys(formats)]


def formats_of(source: Path) -> list[str]:
    """The formats that a model can be written in: trees are no network, and have those of columns alone."""
    _, model = _signature(source)
    return [row.name for row in FORMATS.values() if model == "model.keras" or row.takes_columns]


def _refuse_formats(model: str, rows: Sequence[Format]) -> None:
    wrong = [row.name for row in rows if model != "model.keras" and not row.takes_columns]
    if wrong:
        fitting = [row.name for row in FORMATS.values() if row.takes_columns]
        raise ExportError(
            "H407",
            "the model has no such format",
            received=f"{', '.join(wrong)} of boosted trees, which are no network",
            expected=" or ".join(fitting),
            advice=f"--to {fitting[0]}; or fit a network: --trial table-dnn",
        )


def _table(signature: dict[str, Any]) -> dict[str, Any] | None:
    """What a converter needs to know of a table; None for images."""
    if "encoding" not in signature:
        return None
    arguments = [column["saved_model_argument"] for column in signature["columns"]]
    scaling = signature.get("scaling_of_targets")
    return {"encoding": signature["encoding"], "arguments": arguments, "scaling_of_targets": scaling}


def _signature(source: Path) -> tuple[dict[str, Any], str]:
    """The signature, and the name of the model's file."""
    models = [name for name in _MODELS if (source / name).is_file()]
    missing = [name for name in (_SIGNATURE, _GOLDEN) if not (source / name).is_file()]
    if missing or not models:
        raise ExportError(
            "H405",
            "the model to export is not complete",
            received=f"{source} without {', '.join(missing or ['model.keras'])}",
            expected="the folder of a finished run",
            advice="let the run end, or fit again",
        )
    RunFolder(source).check(_GOLDEN, _PREPROCESS, models[0])
    return read_signature(source), models[0]


def _check_golden(path: Path, signature: Mapping[str, Any]) -> None:
    """Refuse golden samples that no export could be held against, before the model is converted.

    Raises:
        RunError: There is none, or the file is not of this model (H502).
    """
    with reading(path), np.load(path, allow_pickle=False) as arrays:
        answers = arrays["answers"]
        if answers.shape[1:] != tuple(signature["output"]["shape"][1:]) or not len(answers):
            raise ValueError(f"it holds answers {answers.shape}, and the signature says {signature['output']['shape']}")
        if arrays["inputs"].shape != (len(answers), *signature["input"]["shape"][1:]):
            raise ValueError(f"it holds inputs {arrays['inputs'].shape} for {len(answers)} answers")


def write_preprocessing(folder: Path, signature: Mapping[str, Any]) -> None:
    """Write ``preprocess.py`` beside a model: always this package's own, never one that lay in a run."""
    from headstart.data.images import preprocess as pixels  # which imports Pillow
    from headstart.data.tables import preprocess as encoding  # which imports Pillow

    source = encoding if "encoding" in signature else pixels
    write_bytes(folder / _PREPROCESS, Path(str(source.__file__)).read_bytes())


def _earlier_exports(out: Path, source: Path, signature: dict[str, Any], written: Sequence[str]) -> dict[str, str]:
    """Digests of the earlier exports that stay; an error if anything foreign, or of another model, is in the way."""
    if out.exists() and out.samefile(source):
        raise _blocked(out, "the export folder is the run itself", "a folder of its own: a run stays as it is")
    earlier = _earlier_signature(out)
    listed: dict[str, str] = earlier.get("digests", {})
    present = {path.relative_to(out).as_posix(): path for name in written for path in _files(out / name)}
    for name, path in present.items():
        if path.is_symlink() or listed.get(name) != file_digest(path):
            raise _blocked(path, "a file in the way is not ours", "only what an earlier export left, unchanged")
    kept = {name: digest for name, digest in listed.items() if name not in present and (out / name).exists()}
    if kept and _identity(earlier) != _identity(signature):
        raise _blocked(out, "another model's exports are there", f"this model's exports beside {', '.join(kept)}")
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
        raise _blocked(path, "a file in the way is not ours", f"a {_SIGNATURE} that an earlier export left")
    return signature


def _identity(signature: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in signature.items() if key not in _OF_THE_FOLDER}


def _of_runtimes(signature: dict[str, Any], digests: dict[str, str]) -> dict[str, Any]:
    """What the runtimes of the formats that are there have to be told."""
    told: dict[str, Any] = {}
    if FORMATS["openvino"].file in digests:
        told["openvino_options"] = OPENVINO_OPTIONS
    if FORMATS["onnx"].file in digests and "encoding" not in signature:  # TensorRT has no operations on text
        given = signature["input"]
        told["tensorrt"] = shlex.join(tensorrt_command(given["name"], given["shape"][1:]))
        told["tensorrt_note"] = TENSORRT_NOTE
    return told


def _origin(source: Path, signature: dict[str, Any]) -> dict[str, str]:
    """Digests of the signature that name no file of the run, such as where its weights came from."""
    return {name: digest for name, digest in signature.get("digests", {}).items() if not (source / name).exists()}


def _blocked(path: Path, reason: str, expected: str) -> ExportError:
    return ExportError(
        "H404",
        f"nothing can be written there: {reason}",
        received=str(path),
        expected=expected,
        advice="name another folder with --out",
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
    """The largest difference of an export, and the seconds it took to measure it in a process of its own."""
    start = time.perf_counter()
    request = {"folder": str(folder), "file": row.file, "runtime": row.runtime}
    measured, reason = ask_child("verify_process.py", request)
    if not reason:
        exceeded = [name for name, limit in _LIMITS.items() if not measured[name] <= limit]  # so that NaN exceeds too
        reason = ", ".join(f"{name} {measured[name]:.3g}" for name in exceeded)
    if reason:
        raise ExportError(
            "H402",
            f"the {row.name} export does not agree with the model; it was not kept",
            received=reason,
            expected=", ".join(f"{name} <= {limit:g}" for name, limit in _LIMITS.items()) + " on the golden samples",
            advice="check that model.keras and golden.npz are of one run and one version of Headstart, or fit again",
            exit_code=1,
        )
    return max(measured["from_inputs"], measured["from_bytes"]), time.perf_counter() - start
