"""A stand-in for the module ``subprocess``: processes forked from a server that has imported TensorFlow already.

A new interpreter takes some four seconds for that import, and the tests convert and verify hundreds of models.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import PIPE, CompletedProcess, TimeoutExpired
from typing import Any

__all__ = ["IS_SAFE", "PIPE", "Popen", "TimeoutExpired", "run"]

IS_SAFE = sys.platform == "linux"  # macOS ends a process that goes on after a fork if its frameworks were loaded before
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["forked_imports"])
_NUMBERS = itertools.count()
_TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class Popen:
    """``python [FLAG...] SCRIPT`` or ``python -c CODE ARGUMENT...`` with pipes, on TensorFlow and without a GPU.

    The program begins when it is given its standard input. It may import what this process can.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None, **_: Any) -> None:
        self._connection, theirs = _CONTEXT.Pipe()
        self._files = [_scratch() / str(next(_NUMBERS)) for _ in range(2)]
        arguments = (list(command), dict(env), cwd or Path.cwd(), theirs, self._files)
        self._process = _CONTEXT.Process(target=_run, args=arguments, daemon=True)
        with _environment(_TENSORFLOW | {"PYTHONPATH": str(Path(__file__).parent)}):  # for the server, which starts once
            self._process.start()
        theirs.close()

    @property
    def returncode(self) -> int | None:
        """Exit status; negative after a signal, None while the process runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status, as above."""
        return self.returncode

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def communicate(self, text: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """Send standard input, wait for the end, and return standard output and standard error."""
        with contextlib.suppress(BrokenPipeError):  # it was killed before it began
            self._connection.send_bytes(text)
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired("forked", timeout or 0.0)
        output, errors = (file.read_bytes() if file.exists() else b"" for file in self._files)
        return output, errors


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> CompletedProcess[str]:
    """Run such a command to its end, without standard input; where forks are not safe, in a new interpreter."""
    if not IS_SAFE:
        return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    process = Popen(command, env, cwd)
    output, errors = process.communicate()
    return CompletedProcess(command, process.returncode or 0, output.decode("utf-8"), errors.decode("utf-8"))


@functools.cache
def _scratch() -> Path:
    """The folder of what the processes write to their standard streams."""
    folder = Path(tempfile.mkdtemp(prefix="headstart-forked-"))
    atexit.register(shutil.rmtree, folder)
    return folder


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(command: list[str], environment: dict[str, str], cwd: Path, connection: Connection, files: list[Path]) -> None:
    """Be the program, in the process that was forked for it."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    with tempfile.TemporaryFile() as given:
        given.write(connection.recv_bytes())
        given.seek(0)
        os.dup2(given.fileno(), 0)
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, encoding="utf-8") for number, mode in enumerate("rww"))
    status: object = 0
    try:
        if "-c" in command:
            place = command.index("-c")
            sys.argv = ["-c", *command[place + 2 :]]
            exec(command[place + 1], {"__name__": "__main__"})
        else:
            sys.argv = command[-1:]
            runpy.run_path(command[-1], run_name="__main__")
    except SystemExit as ended:
        status = ended.code or 0
        if isinstance(status, str):
            sys.stderr.write(f"{status}\n")
    except BaseException:  # noqa: BLE001 - what an interpreter does with it
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)
