"""Part A: the table of formats a model can be written in, and the child process that writes them, on TensorFlow.

``conversion`` starts it as a script, whatever backend trained the model. What comes out is made by public tools alone; of
Headstart it imports no more than the graphs that stand before and in place of the network of a table.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from headstart.export.formats import FORMATS, NO_COUNTERPART, ModelToWrite

__all__ = ["STOPPED", "is_lack_of_room", "main"]

STOPPED = 3  # the exit status where memory or disk was lacking: another try may go well


def is_lack_of_room(error: BaseException) -> bool:
    """Whether an error tells that memory or disk was lacking, which says nothing of the model."""
    text = f"{type(error).__name__} {error}".casefold()
    return isinstance(error, MemoryError | OSError) or any(word in text for word in _LACKS)


_LACKS = ("resourceexhausted", "bad_alloc", "out of memory", "cannot allocate", "no space left")


def main() -> int:
    """Write the formats that standard input asks for; the last line of standard output is a JSON object of seconds.

    The request is ``{"keras_file", "folder", "formats": [...], "output", "labels", "table"}``. On a failure the last line of
    standard error says in which format and why. With ``"each": true`` the others are written all the same, and the object
    holds the reasons of those that failed.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # this process is ours: OpenVINO reports nothing
    import keras  # noqa: F401 - the slow part, done while the request is still being prepared

    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="headstart-") as scratch:
        tempfile.tempdir = scratch  # what TensorFlow leaves among temporary files goes with this folder
        try:
            return _write(request)
        finally:
            tempfile.tempdir = None


def _write(request: dict[str, Any]) -> int:
    from headstart.export.tensorflow_to_onnx import NoCounterpartError

    trained = ModelToWrite(Path(request["keras_file"]), request["output"], tuple(request["labels"]), request["table"])
    seconds: dict[str, float] = {}
    refused: dict[str, str] = {}
    for name in request["formats"]:
        start = time.perf_counter()
        try:
            FORMATS[name].write(trained, Path(request["folder"]) / FORMATS[name].file)
        except ImportError as error:
            refused[name] = f"it needs a package that is not there: pip install {error.name}"
        except NoCounterpartError as error:
            refused[name] = f"{NO_COUNTERPART}: {error}"
        except Exception as error:  # noqa: BLE001  the converters share no base class, and the parent tells the user
            refused[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if is_lack_of_room(error):
                return _fail(f"{name}: {refused[name]}", STOPPED)
        if name in refused and not request.get("each"):
            return _fail(f"{name}: {refused[name]}")
        seconds[name] = time.perf_counter() - start
    sys.stdout.write(f"\n{json.dumps(refused if request.get('each') else seconds)}\n")
    return 0


def _fail(reason: str, status: int = 1) -> int:
    sys.stderr.write(f"\n{reason[:500]}\n")
    return status


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # every file is closed by now, and TensorFlow takes more than a second to be taken down
