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

from headstart.export.convert_process import STOPPED
from headstart.export.formats import FORMATS, NO_COUNTERPART, Format
from headstart.foundation.errors import ExportError
from headstart.foundation.runs.files import replacing

__all__ = ["Child", "ask_child", "convert", "settle", "staged", "write_engine_graph"]

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
        convert(keras_file, [row], staging, names={"output": "", "labels": [], "table": None})
        for name in row.files:  # the weights first: whoever sees the graph finds them
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
    """Run the converter once for all formats.

    Args:
        keras_file: The model, of built-in layers, with one input.
        rows: Rows of ``FORMATS``.
        folder: Where the files go, under the names of the formats.
        names: ``output``, what the model's only output is to be called (empty for its own names), ``labels``, and
            ``table``: see ``convert.ModelToWrite``.
        child: A ``Child`` of convert.py that was started before.
        timeout_seconds: The child is ended after so long.

    Returns:
        The seconds that each format took.

    Raises:
        ExportError: The conversion failed (H403), was ended from outside, by its time limit, or for lack of memory or disk
            (H406), or the format lacks operations of the network (H408).
    """
    formats = [row.name for row in rows]
    request = {"keras_file": str(keras_file), "folder": str(folder), "formats": formats, **names}
    child = child or Child("convert_process.py")
    seconds, reason = child.ask(request, timeout_seconds)
    if reason and child.was_stopped:
        raise ExportError(
            "H406",
            "the conversion was stopped",
            received=reason,
            expected="time, memory and disk for one more process with TensorFlow",
            advice="try again with more of them: headstart export RUN --to openvino",
            exit_code=1,
        )
    if reason:
        raise _failed(keras_file, reason)
    return seconds


def _failed(keras_file: Path, reason: str) -> ExportError:
    """The error for what the converter said, which begins with the format where one is at fault."""
    named, _, told = reason.partition(": ")
    others = f"take other formats: --to {' '.join(name for name in FORMATS if name != named)}"
    if told.startswith(NO_COUNTERPART):
        return ExportError(
            "H408",
            f"the model cannot be written as {named}",
            received=told.removeprefix(f"{NO_COUNTERPART}: "),
            expected=f"a network of operations that {named} has",
            advice=f"{others}; or fit a network of other layers or activations",
            exit_code=1,
        )
    return ExportError(
        "H403",
        f"{keras_file.name} could not be converted",
        received=reason,
        expected="a model of built-in Keras layers",
        advice=others if named in FORMATS else "see which runtimes are installed: headstart stack",
        exit_code=1,
    )


def ask_child(script: str, request: dict[str, Any]) -> tuple[dict[str, float], str]:
    """Run a script beside this file in a fresh interpreter; see ``Child``."""
    return Child(script).ask(request)


class Child:
    """A script beside this file in a fresh interpreter, on TensorFlow and without an accelerator.

    It starts at once and imports what it needs while the request is still being prepared. It ends with its answer, or
    when this process ends.

    Args:
        script: Its file name.

    Attributes:
        was_stopped: A signal, its time limit, or a lack of memory or disk ended it, so that another try may go well.
    """

    def __init__(self, script: str) -> None:
        self._script = script
        self.was_stopped = False
        command = [sys.executable, "-P", "-B", str(Path(__file__).with_name(script))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # A group of its own: Ctrl-C in the terminal is for the parent to handle.
        self._process = subprocess.Popen(command, env={**os.environ, **_QUIET}, process_group=0, **pipes)  # type: ignore[call-overload]

    def ask(self, request: dict[str, Any], timeout_seconds: float = _CHILD_SECONDS) -> tuple[dict[str, Any], str]:
        """Send a request, wait for the answer.

        Returns:
            The JSON object on its last line of output and an empty text; or nothing, and the reason why.
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
            told = lines[-1].strip() if lines else "no message"
            return {}, told if code > 0 else f"{self._script} was killed by signal {-code}: {told}"
        answer: dict[str, Any] = json.loads(output.decode("utf-8", "replace").splitlines()[-1])
        return answer, ""

    def stop(self) -> None:
        """End it while another thread waits for its answer; that thread gets none."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


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
