"""Part A: this side of the child process that converts a Keras model, whatever backend is in use here.

It lies so low because the engine needs a graph of Part A; ``export`` ships and checks what comes out of the same child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.convert import FORMATS, Format
from headstart.errors import ExportError
from headstart.runfolder import replacing

__all__ = ["ask_child", "convert", "settle", "staged", "write_engine_graph"]

_CHILD_SECONDS = 1800.0
_QUIET = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",  # conversion and checks are small; an accelerator would round differently
    "PYTHONWARNINGS": "ignore",
}


def write_engine_graph(keras_file: Path, xml_file: Path) -> None:
    """Convert any .keras file of built-in layers to an OpenVINO graph, float32, with an open batch dimension.

    Inputs and outputs keep their Keras names. The graph is not checked against the model here.

    Args:
        keras_file: The model; it has one input.
        xml_file: Where the graph goes; its weights lie beside it, with the suffix ``.bin``.

    Raises:
        ExportError: The conversion failed (H403), or the folder cannot be made (H404).
        StackError: The disk refuses a write (H601).
    """
    row = FORMATS["openvino"]
    with staged(xml_file.parent) as staging:
        convert(keras_file, [row], staging, output="", labels=[])
        for name in row.files:  # the weights first: whoever sees the graph finds them
            settle(staging / name, xml_file.with_suffix(Path(name).suffix))


def convert(keras_file: Path, rows: Sequence[Format], folder: Path, **names: object) -> dict[str, float]:
    """Run the converter once for all formats.

    Args:
        keras_file: The model, of built-in layers, with one input.
        rows: Rows of ``FORMATS``.
        folder: Where the files go, under the names of the formats.
        names: ``output``, what the model's only output is to be called (empty for its own names), and ``labels``.

    Returns:
        The seconds that each format took.

    Raises:
        ExportError: The conversion failed (H403).
    """
    formats = [row.name for row in rows]
    request = {"keras_file": str(keras_file), "folder": str(folder), "formats": formats, **names}
    seconds, reason = ask_child("convert.py", request)
    if reason:
        raise ExportError(
            "H403",
            f"{keras_file.name} could not be converted",
            received=reason,
            expected="a model of built-in Keras layers",
            advice="see which runtimes are installed: headstart stack",
        )
    return seconds


def ask_child(script: str, request: dict[str, Any]) -> tuple[dict[str, float], str]:
    """Run a script beside this file in a fresh interpreter, on TensorFlow and without an accelerator.

    Args:
        script: Its file name.
        request: What it reads from standard input, as JSON.

    Returns:
        The JSON object on its last line of output and an empty text; or nothing, and the reason why.
    """
    command = [sys.executable, "-P", "-B", str(Path(__file__).with_name(script))]
    text = json.dumps(request, ensure_ascii=True).encode("ascii")
    environment = {**os.environ, **_QUIET}
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, env=environment, timeout=_CHILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {}, f"{script} was stopped after {_CHILD_SECONDS:.0f} seconds"
    if done.returncode:
        lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        told = lines[-1].strip() if lines else "no message"
        return {}, told if done.returncode > 0 else f"{script} was killed by signal {-done.returncode}: {told}"
    answer: dict[str, float] = json.loads(done.stdout.decode("utf-8", "replace").splitlines()[-1])
    return answer, ""


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A hidden folder inside ``out``, gone afterwards; ``out`` itself goes too if it was made here and stays empty.

    Raises:
        ExportError: The folder cannot be made (H404).
    """
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".writing-", dir=out, ignore_cleanup_errors=True)
    except OSError as error:
        raise ExportError(
            "H404",
            f"nothing can be written there: {error.strerror or error}",
            received=str(out),
            expected="a folder to write in",
            advice="name another folder with --out",
        ) from error
    try:
        with scratch as name:
            yield Path(name)
    finally:
        if made and not any(out.iterdir()):
            out.rmdir()


def settle(path: Path, final: Path) -> None:
    """Give a finished file or folder its final name, in place of what stood there."""
    with replacing(final) as temporary:
        path.rename(temporary)
