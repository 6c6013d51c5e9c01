"""Data: a process that decodes image files, and the parent's handle on it: both ends of two pipes.

A request is the length of a path, and the path. An answer is the lengths of its two parts, then facts as JSON, then the
pixels with the thumbnail behind them; there are no pixels in a failure, nor in the first answer, which says "ready".
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import struct
import sys
import time
import warnings
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from headstart import pixels
from headstart.errors import DatasetError

if TYPE_CHECKING:
    import subprocess

__all__ = ["MAX_FILE_BYTES", "THUMBNAIL", "DecodeWorker", "main", "thumbnail"]

MAX_FILE_BYTES = 512 << 20
THUMBNAIL = 16  # pixels a side

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_REQUEST = struct.Struct(">I")
_ANSWER = struct.Struct(">II")
_START_SECONDS = 60.0
_START_TRIES = 3
_CHILD = (
    "import json, sys; sys.path[:], settings = map(json.loads, sys.argv[1:]); "
    "from headstart.decode_worker import main; main(settings)"
)


class DecodeWorker:
    """The parent's handle on one process. One thread submits and takes answers; any thread may kill.

    Args:
        settings: See ``main``.
        timeout_seconds: How long one file may take, where ``end_if_overdue`` is called now and then.
    """

    def __init__(self, settings: dict[str, Any], timeout_seconds: float) -> None:
        self.in_hand: deque[tuple[int, bytes]] = deque()
        self._arguments = [json.dumps([str(entry) for entry in sys.path]), json.dumps(settings)]
        self._timeout_seconds = timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = float("inf")
        self._overdue = False

    def submit(self, index: int, path: bytes) -> None:
        """Hand over a file; its answer comes after those of the files before it."""
        if not self.in_hand and self._process is not None and self._process.poll() is not None:
            self.bury()  # it died while it had nothing to do, which is no fault of this file
        self.in_hand.append((index, path))
        if self._process is not None:
            self._write(path)

    def answer(self) -> tuple[int, dict[str, Any], Pixels | None]:
        """Wait for the next answer: index, facts, and the pixels with the thumbnail behind them, flat.

        A process that is dead by then gives a failure for the file it had, and the next call starts another.

        Raises:
            DatasetError: No process can be started (H121).
        """
        if self._process is None:
            self._start()
            for _, path in self.in_hand:
                self._write(path)
        answer = self._read(self._timeout_seconds)
        index, _ = self.in_hand.popleft()
        return index, *(answer or ({"reason": self._cause_of_death()}, None))

    def end_if_overdue(self) -> None:
        """Kill the process if it has had its time for the file at hand."""
        if time.monotonic() > self._deadline:
            self._overdue = True
            self.kill()

    def kill(self) -> None:
        """End the process, whatever it does; its next answer will be a failure."""
        if (process := self._process) is not None:
            process.kill()

    def bury(self) -> None:
        """End the process, and free what the system keeps of it."""
        self.kill()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(BrokenPipeError):  # closing writes what is left in the buffer
                process.communicate()

    def _start(self) -> None:
        import subprocess

        # The child sees the modules that we see, and nothing else that lies in the current folder.
        command = [sys.executable, "-P", "-W", "ignore", "-c", _CHILD, *self._arguments]
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        pipe, nowhere, environment = subprocess.PIPE, subprocess.DEVNULL, os.environ | one_thread
        cause = ""
        for _ in range(_START_TRIES):
            try:
                self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment)
            except OSError as error:
                cause = str(error)
                continue
            if self._read(_START_SECONDS) is not None:
                return
            cause = "it ended or hung before it was ready"
            self.bury()
        raise DatasetError(
            "H121",
            "images cannot be decoded: the process for it does not start",
            received=f"{cause}; {_START_TRIES} tries of {sys.executable}",
            expected="a Python with Pillow and NumPy, and room for one more process",
            advice=f"see what this says: {sys.executable} -c 'import numpy, PIL.Image'",
        )

    def _write(self, path: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has died: the next answer tells
                self._process.stdin.write(_REQUEST.pack(len(path)) + path)
                self._process.stdin.flush()

    def _read(self, seconds: float) -> tuple[dict[str, Any], Pixels | None] | None:
        """The next answer, or None if the process ends first; ``seconds`` from now it is overdue."""
        pipe = cast("io.BufferedReader", self._process and self._process.stdout)
        self._deadline = time.monotonic() + seconds
        try:
            if len(header := pipe.read(_ANSWER.size)) < _ANSWER.size:
                return None
            num_text, num_body = _ANSWER.unpack(header)
            text, body = pipe.read(num_text), np.empty(num_body, np.uint8)
            if len(text) < num_text or pipe.readinto(body.data) < num_body:
                return None
            return json.loads(text), body if num_body else None
        finally:
            self._deadline = float("inf")

    def _cause_of_death(self) -> str:
        process = self._process
        self.bury()
        overdue, self._overdue = self._overdue, False
        alarm = hasattr(signal, "SIGALRM") and process is not None and process.returncode == -signal.SIGALRM
        return f"took longer than {self._timeout_seconds:g} s to decode" if overdue or alarm else "the decoder crashed"


def main(settings: dict[str, Any]) -> None:
    """Answer requests until the standard input closes.

    Args:
        settings: ``geometry`` (arguments of ``pixels.prepare``), ``memory_bytes`` and ``alarm_seconds``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent, which closes our input
    warnings.simplefilter("ignore")
    requests, answers = sys.stdin.buffer, _claim_standard_output()
    _bound_memory(settings["memory_bytes"])
    with contextlib.suppress(BrokenPipeError):  # the parent is gone: nobody is left to be told
        _send(answers, {"reason": "ready"}, b"")
        while len(header := requests.read(_REQUEST.size)) == _REQUEST.size:
            path = requests.read(_REQUEST.unpack(header)[0])
            _set_alarm(settings["alarm_seconds"])
            facts, body = _answer(path, settings)
            _set_alarm(0.0)
            _send(answers, facts, body)


def thumbnail(square: Pixels) -> Pixels:
    """The prepared square in 16 x 16 grey levels, for the search of near duplicates."""
    grey = Image.fromarray(square).convert("L")
    return np.array(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def _answer(path: bytes, settings: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    start = time.perf_counter()
    facts: dict[str, Any] = {"reason": "", "lasting": False}
    body = b""
    try:
        data = _read(path)
        facts["digest"] = hashlib.sha256(data).hexdigest()
        square, *known = pixels.prepare(data, **settings["geometry"])
        facts |= zip(("width", "height", "format", "mode", "animated"), known, strict=True)
        body = square.tobytes() + thumbnail(square).tobytes()
    except MemoryError:
        facts["reason"] = f"needs more than {settings['memory_bytes'] / 2**30:g} GiB to decode"
    except OSError as error:
        facts["reason"] = f"cannot be read: {(error.strerror or 'input/output error').lower()}"
    except ValueError as error:
        facts |= {"reason": str(error), "lasting": True}
    return facts | {"seconds": time.perf_counter() - start}, body


def _read(path: bytes) -> bytes:
    with io.BufferedReader(io.FileIO(path)) as file:  # given bytes, any name there can be
        num_bytes = os.fstat(file.fileno()).st_size
        if num_bytes > MAX_FILE_BYTES:
            raise ValueError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        return file.read(num_bytes + 1)  # never without end, whatever kind of file it is


def _send(answers: IO[bytes], facts: dict[str, Any], body: bytes) -> None:
    text = json.dumps(facts).encode("ascii")
    answers.write(_ANSWER.pack(len(text), len(body)) + text + body)
    answers.flush()


def _claim_standard_output() -> IO[bytes]:
    """Keep the pipe for answers alone: what a C library prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


def _bound_memory(memory_bytes: int) -> None:
    """Allow so much beyond what the interpreter and its libraries have mapped by now, where the system can."""
    try:
        import resource

        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        bound = mapped + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
    except (ImportError, OSError, ValueError):
        return  # Windows and macOS: only time, pixels and file size are bounded there


def _set_alarm(seconds: float) -> None:
    """End by the system's hand if the parent, which watches the time, is itself gone; 0 calls it off."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
