"""The parent's side of the child process that converts a Keras model on TensorFlow, whatever backend is in use here.

Two modules use it: ``features.engines``, for a fast graph of Part A, and ``export.export_folder``, for exports.
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

from headstart.export.convert_process import STOPPED
from headstart.export.formats import FORMATS, NO_COUNTERPART, Format
from headstart.foundation.errors import ExportError
from headstart.foundation.runs.files import replacing

__all__ = ["Child", "ask_child", "convert", "settle", "staged", "write_engine_graph"]

_CHILD_SECONDS = 1800.0
_QUIET = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",  # conversion and verification are small jobs, and a GPU would round differently
    "PYTHONWARNINGS": "ignore",
}


def write_engine_graph(keras_file: Path, xml_file: Path) -> None:
    """Convert a .keras file of built-in layers to a float32 OpenVINO graph with a dynamic batch dimension.

    Inputs and outputs keep their Keras names. The graph is not verified against the model here.

    Args:
        keras_file: Path of the model, which has one input.
        xml_file: Path of the graph to write; its weights are written next to it, with the suffix ``.bin``.

    Raises:
        ExportError: The conversion failed (H403), or the folder cannot be created (H404).
        StackError: Writing to disk failed (H601).
    """
    row = FORMATS["openvino"]
    with staged(xml_file.parent) as staging:
        convert(keras_file, [row], staging, names={"outputs": [], "labels": [], "table": None})
        for name in row.files:  # weights first, so that a graph is never visible without them
            settle(staging / name, xml_file.with_suffix(Path(name).suffix))


def convert(
    keras_file: Path,
    rows: Sequence[Format],
    folder: Path,
    *,
    names: dict[str, object],
    child: Child | None = None,
    timeout_seconds: float = _CHILD_SECONDS,
) -> dict[str, float]:
    """Convert a model to several formats in one child process.

    Args:
        keras_file: Path of the model, which has built-in layers and one input.
        rows: Rows of ``FORMATS``.
        folder: Folder to write to, under the file names of the formats.
        names: ``outputs`` (names of the outputs, or none to keep the model's), ``labels``, and ``table``, as in
            ``formats.ModelToWrite``.
        child: A ``Child`` running convert_process.py that was started before. Defaults to None: a new one.
        timeout_seconds: Time limit of the child. Defaults to 1800.

    Returns:
        Seconds taken by each format.

    Raises:
        ExportError: The conversion failed (H403), was stopped by a signal, the time limit, or a lack of memory or disk space
            (H406), or the format does not support an operation of the network (H408).
    """
    formats = [row.name for row in rows]
    request = {"keras_file": str(keras_file), "folder": str(folder), "formats": formats, **names}
    child = child or Child("convert_process.py")
    seconds, reason = child.ask(request, timeout_seconds)
    if reason and child.was_stopped:
        raise ExportError(
            "H406",
            "conversion was stopped",
            received=reason,
            expected="enough time, memory and disk space for one more process with TensorFlow",
            advice="provide more of them and try again: headstart export RUN --to openvino",
            exit_code=1,
        )
    if reason:
        raise _failed(keras_file, reason)
    return seconds


def _failed(keras_file: Path, reason: str) -> ExportError:
    """Create the error for a message of the converter, which begins with the format that failed, if any."""
    named, _, message = reason.partition(": ")
    others = f"choose other formats: --to {' '.join(name for name in FORMATS if name != named)}"
    if message.startswith(NO_COUNTERPART):
        return ExportError(
            "H408",
            f"the model cannot be exported to {named}",
            received=message.removeprefix(f"{NO_COUNTERPART}: "),
            expected=f"a network of operations that {named} supports",
            advice=f"{others}; or fit a network with other layers or activations",
            exit_code=1,
        )
    return ExportError(
        "H403",
        f"{keras_file.name} could not be converted",
        received=reason,
        expected="a model of built-in Keras layers",
        advice=others if named in FORMATS else "check which runtimes are installed: headstart stack",
        exit_code=1,
    )


def ask_child(script: str, request: dict[str, Any]) -> tuple[dict[str, float], str]:
    """Run a script of this folder in a new interpreter and return its answer; see ``Child``."""
    return Child(script).ask(request)


class Child:
    """A script of this folder in a new interpreter, on TensorFlow and without a GPU.

    The process starts at once, so that its imports run while the request is still being prepared. It ends after its answer,
    or when this process ends.

    Args:
        script: File name of the script.

    Attributes:
        was_stopped: Whether a signal, the time limit, or a lack of memory or disk space ended it, so that a retry may
            succeed.
    """

    def __init__(self, script: str) -> None:
        self._script = script
        self.was_stopped = False
        command = [sys.executable, "-P", "-B", str(Path(__file__).with_name(script))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # In its own process group, so that only the parent receives Ctrl-C from the terminal.
        self._process = subprocess.Popen(command, env={**os.environ, **_QUIET}, process_group=0, **pipes)  # type: ignore[call-overload]

    def ask(self, request: dict[str, Any], timeout_seconds: float = _CHILD_SECONDS) -> tuple[dict[str, Any], str]:
        """Send a request and wait for the answer.

        Returns:
            The JSON object on the last line of the output, and ""; or an empty dictionary, and the reason of the failure.
        """
        text = json.dumps(request, ensure_ascii=True).encode("ascii")
        try:
            output, errors = self._process.communicate(text, timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            self.was_stopped = True
            return {}, f"{self._script} was stopped after {timeout_seconds:.0f} seconds"
        finally:
            self.close()
        code = self._process.returncode
        self.was_stopped = code < 0 or code == STOPPED
        if code:
            lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
            message = lines[-1].strip() if lines else "no message"
            return {}, message if code > 0 else f"{self._script} was killed by signal {-code}: {message}"
        answer: dict[str, Any] = json.loads(output.decode("utf-8", "replace").splitlines()[-1])
        return answer, ""

    def stop(self) -> None:
        """Kill the process while another thread waits for its answer; that thread then gets a failure."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """Kill the process if it is still running, and release its pipes."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Create a hidden temporary folder inside ``out``, and remove ``out`` if it was created for it and stays empty.

    Raises:
        ExportError: The folder cannot be created (H404).
    """
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".writing-", dir=out, ignore_cleanup_errors=True)
    except OSError as error:
        raise ExportError(
            "H404",
            f"cannot write to the export folder: {error.strerror or error}",
            received=str(out),
            expected="a writable folder",
            advice="choose another folder with --out",
        ) from error
    try:
        with scratch as name:
            yield Path(name)
    finally:
        if made and not any(out.iterdir()):
            out.rmdir()


def settle(path: Path, final: Path) -> None:
    """Move a finished file or folder to its final path, replacing an existing one."""
    with replacing(final) as temporary:
        path.rename(temporary)
