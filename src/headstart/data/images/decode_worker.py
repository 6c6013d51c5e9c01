"""``DecodeWorker``: the parent's handle on a decoding process, which submits files, reads answers and kills it if needed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import time
from collections import deque
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from headstart.data.images.decode_process import ANSWER, REQUEST
from headstart.foundation.errors import DatasetError

if TYPE_CHECKING:
    import subprocess

__all__ = ["DecodeWorker", "Request"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_START_SECONDS = 60.0
_START_TRIES = 3
_PIPE_BYTES = 1 << 18  # large enough for a whole answer, so that neither side waits; 64 KiB is the default
_CHILD = (
    "import json, sys; sys.path[:], settings = map(json.loads, sys.argv[1:]); "
    "from headstart.data.images.decode_process import main; main(settings)"
)


class Request(NamedTuple):
    """A file to decode.

    Attributes:
        number: The caller's number of the file.
        path: Path of the file as bytes.
        view: Number of the view. Defaults to 0: the image itself.
        digest: Expected digest of the file's content. Defaults to "": not known.
        row: Flat buffer for the pixels; a thumbnail is then not made. Defaults to None: a new array, thumbnail included.
    """

    number: int
    path: bytes
    view: int = 0
    digest: str = ""
    row: Pixels | None = None

    def packed(self) -> bytes:
        """Bytes to write to the worker."""
        digest = self.digest.encode("ascii", "replace")
        return REQUEST.pack(len(self.path), len(digest), self.view, self.row is None) + self.path + digest


class DecodeWorker:
    """Handle on one decoding process. Only one thread may submit files and read answers; any thread may kill it.

    Args:
        settings: Settings for ``decode_process.main``.
        timeout_seconds: Time limit per file, which is enforced by regular calls of ``end_if_overdue``.
    """

    def __init__(self, settings: dict[str, Any], timeout_seconds: float) -> None:
        self.in_hand: deque[Request] = deque()
        self._arguments = [json.dumps([str(entry) for entry in sys.path]), json.dumps(settings)]
        self._timeout_seconds = timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = float("inf")
        self._overdue = False
        self._doomed = False  # killed, although it may still appear to be alive or have answered

    def submit(self, request: Request) -> None:
        """Submit a file; answers come in the order of submission."""
        if not self.in_hand and self._process is not None and (self._doomed or self._process.poll() is not None):
            self.bury()  # it died while idle, which is not this file's fault
        self.in_hand.append(request)
        if self._process is not None:
            self._write(request)

    def answer(self) -> tuple[Request, dict[str, Any], Pixels | None]:
        """Wait for the next answer: the request, facts, and flat pixels (in the request's row if it has one).

        If the process has died, its current file fails, and the next call starts a new process.

        Raises:
            DatasetError: No process can be started (H121).
        """
        if self._process is None:
            self._start()
            for request in self.in_hand:
                self._write(request)
        answer = self._read(self._timeout_seconds, self.in_hand[0].row)
        request = self.in_hand.popleft()
        return request, *(answer or ({"reason": self._cause_of_death()}, None))

    def end_if_overdue(self) -> None:
        """Kill the process if its current file has exceeded the time limit."""
        if time.monotonic() > self._deadline:
            self._overdue = True
            self.kill()

    def kill(self) -> None:
        """Kill the process immediately; its next answer is a failure."""
        if (process := self._process) is not None:
            self._doomed = True
            process.kill()

    def bury(self) -> None:
        """Kill the process and release its system resources."""
        self.kill()
        process, self._process, self._doomed = self._process, None, False
        if process is not None:
            with contextlib.suppress(BrokenPipeError):  # closing writes what is left in the buffer
                process.communicate()

    def _start(self) -> None:
        import subprocess

        # The child can import the modules that this process can, but nothing else from the current folder.
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
            _widen(self._process.stdout)
            if self._read(_START_SECONDS) is not None:
                return
            cause = "the process ended or hung before it was ready"
            self.bury()
        raise DatasetError(
            "H121",
            "image decoding process does not start",
            received=f"{cause}; tried {_START_TRIES} times with {sys.executable}",
            expected="a Python with Pillow and NumPy, and enough resources for one more process",
            advice=f"check the output of: {sys.executable} -c 'import numpy, PIL.Image'",
        )

    def _write(self, request: Request) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has died, which the next answer reports
                self._process.stdin.write(request.packed())
                self._process.stdin.flush()

    def _read(self, seconds: float, row: Pixels | None = None) -> tuple[dict[str, Any], Pixels | None] | None:
        """Read the next answer, or None if the process ends first; it is overdue after ``seconds``."""
        pipe = cast("io.BufferedReader", self._process and self._process.stdout)
        self._deadline = time.monotonic() + seconds
        try:
            if len(header := pipe.read(ANSWER.size)) < ANSWER.size:
                return None
            num_text, num_body = ANSWER.unpack(header)
            text = pipe.read(num_text)
            body = row if row is not None and num_body else np.empty(num_body, np.uint8)
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


def _widen(pipe: IO[bytes] | None) -> None:
    """Enlarge a pipe's buffer if the system allows it (Linux)."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(cast("IO[bytes]", pipe).fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
