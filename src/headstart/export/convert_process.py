"""The child process that writes a model in the formats of ``FORMATS``, on TensorFlow.

``export.converter`` starts it as a script, whatever backend trained the model.
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

STOPPED = 3  # exit status for a lack of memory or disk space: a retry may succeed


def is_lack_of_room(error: BaseException) -> bool:
    """Whether an error means a lack of memory or disk space, so that the model is not at fault."""
    text = f"{type(error).__name__} {error}".casefold()
    return isinstance(error, MemoryError | OSError) or any(word in text for word in _LACKS)


_LACKS = ("resourceexhausted", "bad_alloc", "out of memory", "cannot allocate", "no space left")


def main() -> int:
    """Write the formats requested on standard input; the last line of standard output is a JSON object of seconds.

    The request is ``{"keras_file", "folder", "formats": [...], "outputs", "labels", "table"}``. After a failure, the last
    line of standard error names the format and the reason. With ``"each": true``, the remaining formats are still written,
    and the JSON object holds the reasons of those that failed.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # disables OpenVINO's telemetry in this process
    import keras  # noqa: F401 - slow, and done while the request is still being prepared

    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="headstart-") as scratch:
        tempfile.tempdir = scratch  # temporary files that TensorFlow leaves behind are removed with this folder
        try:
            return _write(request)
        finally:
            tempfile.tempdir = None


def _write(request: dict[str, Any]) -> int:
    from headstart.export.graphs.tensorflow_to_onnx import NoCounterpartError

    names = tuple(request["outputs"]), tuple(request["labels"])
    trained = ModelToWrite(Path(request["keras_file"]), *names, request["table"])
    seconds: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name in request["formats"]:
        start = time.perf_counter()
        try:
            FORMATS[name].write(trained, Path(request["folder"]) / FORMATS[name].file)
        except ImportError as error:
            failed[name] = f"a required package is not installed: pip install {error.name}"
        except NoCounterpartError as error:
            failed[name] = f"{NO_COUNTERPART}: {error}"
        except Exception as error:  # noqa: BLE001  the converters share no base class, and the parent reports it
            failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if is_lack_of_room(error):
                return _fail(f"{name}: {failed[name]}", STOPPED)
        if name in failed and not request.get("each"):
            return _fail(f"{name}: {failed[name]}")
        seconds[name] = time.perf_counter() - start
    sys.stdout.write(f"\n{json.dumps(failed if request.get('each') else seconds)}\n")
    return 0


def _fail(reason: str, status: int = 1) -> int:
    sys.stderr.write(f"\n{reason[:500]}\n")
    return status


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all files are closed, and a regular shutdown of TensorFlow takes more than a second
