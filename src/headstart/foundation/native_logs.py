"""Log lines of TensorFlow and of other C++ libraries, hidden unless the user asked for them."""

from __future__ import annotations

import atexit
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from typing import Any, TextIO

__all__ = ["hush_native_libraries", "hush_tensorflow"]

_LEVEL, _FATAL_ONLY = "TF_CPP_MIN_LOG_LEVEL", "3"  # an error reaches the user as an exception of Python
_LOG_LINE = re.compile(
    rb"(WARNING: All log messages before absl|To enable the following instructions"
    rb"|[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\]|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] )"
)
_DRAIN_SECONDS = 0.5  # a child process that was started meanwhile may hold the pipe open


def hush_tensorflow() -> None:
    """Hide what TensorFlow logs while it is imported, and what its C++ code logs later, fatal errors excepted.

    Nothing is hidden if the user has set ``TF_CPP_MIN_LOG_LEVEL`` to another level, or has imported TensorFlow already.
    """
    if _is_wanted() or "tensorflow" in sys.modules:
        return
    os.environ[_LEVEL] = _FATAL_ONLY
    _hush_warnings()
    sys.meta_path.insert(0, _QuietImport())


def hush_native_libraries() -> None:
    """Hide TensorFlow's warnings and whatever C++ libraries write to file descriptor 2; Python's ``sys.stderr`` still works.

    For a process that is ours alone, such as that of the command line. Nothing is hidden if the user has set
    ``TF_CPP_MIN_LOG_LEVEL`` to another level.
    """
    if _is_wanted() or sys.stderr is None:
        return
    os.environ[_LEVEL] = _FATAL_ONLY
    _hush_warnings()
    sys.stderr, _ = _moved_aside()


def _hush_warnings() -> None:
    """Hide warnings of TensorFlow's Python code, such as retracing, which concern our code.

    A filter, because TensorFlow sets the level of its logger itself in an interactive interpreter.
    """
    logger = logging.getLogger("tensorflow")
    if _is_error not in logger.filters:
        logger.addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def _is_wanted() -> bool:
    return os.environ.get(_LEVEL, _FATAL_ONLY) != _FATAL_ONLY


def _moved_aside() -> tuple[TextIO, int]:
    """Point file descriptor 2 at nothing; return a stream on what it was, and the descriptor of that stream."""
    if sys.stderr is not None:
        sys.stderr.flush()
    own, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return os.fdopen(own, "w", buffering=1, encoding="utf-8", errors="backslashreplace"), own


@contextmanager
def _without_log_lines() -> Iterator[None]:
    """Drop TensorFlow's log lines from file descriptor 2 for a while; whatever else is written there passes.

    Neither ``sys.stderr`` nor what other threads write to it is touched: an error of the program has to be seen.
    """
    try:
        own = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    passing = threading.Thread(target=_pass_on, args=(reading, own), daemon=True)
    passing.start()

    def restore() -> None:
        os.dup2(own, 2)  # which closes the pipe, so that the thread comes to its end
        passing.join(_DRAIN_SECONDS)

    atexit.register(restore)  # the program may end during the import, with an error that is still in the pipe
    try:
        yield
    finally:
        atexit.unregister(restore)
        restore()


def _pass_on(reading: int, own: int) -> None:
    """Copy a pipe to a file descriptor without TensorFlow's log lines."""
    rest = b""
    while chunk := os.read(reading, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        passed = b"".join(line + b"\n" for line in lines if not _LOG_LINE.match(line))
        if rest and rest[:1] not in b"IWET0123456789":  # a progress display writes lines without an end
            passed, rest = passed + rest, b""
        _write_all(own, passed)
    _write_all(own, b"" if _LOG_LINE.match(rest) else rest)
    os.close(reading)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


class _QuietImport:
    """Import finder that drops log lines during the first import of TensorFlow.

    The log level is not enough: TensorFlow writes several lines to the descriptor before it reads the level.
    """

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return TensorFlow's own spec, whose execution is made quiet; leave all other names to the next finder."""
        if name != "tensorflow":
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in others if spec is not None), None)
        loader: Any = spec.loader if spec is not None else None
        if loader is not None:
            execute = loader.exec_module

            def execute_quietly(module: Any) -> None:
                sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
                with _without_log_lines():
                    execute(module)

            loader.exec_module = execute_quietly
        return spec
