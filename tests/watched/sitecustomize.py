"""Imported first by every watched Python process: notes what it sends and what it writes where it should not.

``WATCH_LOG`` is the file of notes; ``WATCH_ALLOWED`` the folders that may be written to, joined by ``os.pathsep``. Where
Linux allows it, a process that connects to an Internet address is also ended by the kernel, native libraries included.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path
from typing import Any

_LOG = os.environ["WATCH_LOG"]
_ALLOWED = (_LOG, *os.environ["WATCH_ALLOWED"].split(os.pathsep))
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CONNECT = {"x86_64": 42, "aarch64": 203}  # the number of the system call


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith("socket.") and event != "socket.gethostname" and not _asks_for_ipv6():
        _note(event, arguments)
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        _check_place(event, arguments[0])
    elif event in ("os.mkdir", "os.rename"):
        _check_place(event, arguments[-2] if event == "os.rename" and arguments[-1] != -1 else arguments[0])


def _check_place(event: str, path: object) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        place = os.path.realpath(os.fsdecode(path))
        is_there = event == "os.mkdir" and Path(place).exists()
        if not place.startswith((*_ALLOWED, "/dev/")) and not is_there:
            _note(event, (place,))


def _asks_for_ipv6() -> bool:
    """Whether this is urllib3, which TensorFlow imports: it binds a socket to ::1, connects nowhere and closes it."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_name != "_has_ipv6":
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and "urllib3" in frame.f_code.co_filename


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    note = os.open(_LOG, os.O_WRONLY | os.O_APPEND)
    os.write(note, f"{event} {arguments!r:.300}\n".encode("utf-8", "backslashreplace"))
    os.close(note)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _end_on_connect(number: int) -> None:
    """End this process and its children when they connect to an address of 16 or 28 bytes, which is IPv4 or IPv6."""
    load, equal, end = 0x20, 0x15, 0x06
    steps = [
        (load, 0, 0, 0),  # the number of the call
        (equal, 0, 4, number),
        (load, 0, 0, 32),  # its third argument: the length of the address
        (equal, 1, 0, 16),
        (equal, 0, 1, 28),
        (end, 0, 0, 0x80000000),
        (end, 0, 0, 0x7FFF0000),  # allowed
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(steps), ctypes.cast(instructions, ctypes.c_void_p))
    library = ctypes.CDLL(None)
    library.prctl(38, 1, 0, 0, 0)  # no new privileges, which the next call asks for
    library.prctl(22, 2, ctypes.byref(program), 0, 0)


sys.addaudithook(_watch)
if sys.platform == "linux" and os.uname().machine in _CONNECT:
    _end_on_connect(_CONNECT[os.uname().machine])
