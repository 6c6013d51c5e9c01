"""The process that decodes image files: it reads requests from one pipe and writes answers to another.

A request consists of the lengths of a path and a digest, the number of a view and whether a thumbnail is wanted, then the
path and the digest. An answer consists of the lengths of its two parts, then facts as JSON, then the pixels followed by the
thumbnail. There are no pixels if decoding failed, if the view is ``LOOK``, and in the first answer, which is "ready".
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
import time
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.transforms import Ranges
from headstart.data.images.decoder import Decoder, thumbnail
from headstart.data.images.frame_decoder import Frame, FrameDecoder
from headstart.data.images.image_cache import Squares

__all__ = ["ANSWER", "REQUEST", "main"]

REQUEST = struct.Struct(">IIIB")
ANSWER = struct.Struct(">II")


def main(settings: dict[str, Any]) -> None:
    """Answer requests until the standard input closes.

    Args:
        settings: ``geometry`` (fields of ``preprocess.Settings``) or ``frame`` (fields of ``Frame``), ``memory_bytes`` and
            ``alarm_seconds``; optionally ``augmentation`` (its settings), ``seed`` and ``squares`` (a folder).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which closes our input
    warnings.simplefilter("ignore")
    requests, answers = sys.stdin.buffer, _claim_standard_output()
    decoder = _decoder(settings)
    _bound_memory(settings["memory_bytes"])
    with contextlib.suppress(BrokenPipeError):  # the parent has ended
        _send(answers, {"reason": "ready"})
        while len(header := requests.read(REQUEST.size)) == REQUEST.size:
            num_path, num_digest, view, has_thumbnail = REQUEST.unpack(header)
            path, digest = requests.read(num_path), requests.read(num_digest).decode("ascii")
            _set_alarm(settings["alarm_seconds"])
            facts, parts = _answer(decoder, settings["memory_bytes"], path, view, digest, has_thumbnail)
            _set_alarm(0.0)
            _send(answers, facts, *parts)


def _decoder(settings: dict[str, Any]) -> Decoder | FrameDecoder:
    amounts, folder = settings.get("augmentation"), settings.get("squares")
    if "frame" in settings:
        return FrameDecoder(Frame(**settings["frame"]), Ranges.from_json(amounts or {}), settings.get("seed", 0))
    geometry = settings["geometry"]
    augmentation = Augmentation.from_json(amounts) if amounts else None
    return Decoder(geometry, augmentation, settings.get("seed", 0), Squares(folder, geometry) if folder else None)


def _answer(
    decoder: Decoder | FrameDecoder, memory_bytes: int, path: bytes, view: int, digest: str, has_thumbnail: bool
) -> tuple[dict[str, Any], list[bytes | memoryview]]:
    start = time.perf_counter()
    facts: dict[str, Any] = {"reason": "", "lasting": False}
    parts: list[bytes | memoryview] = []
    try:
        square = decoder.decode(path, view, digest, facts)
        if square is not None:
            parts.append(np.ascontiguousarray(square).reshape(-1).data)
            parts += [thumbnail(square).tobytes()] if has_thumbnail else []
    except MemoryError:
        facts["reason"] = f"needs more than {memory_bytes / 2**30:g} GiB to decode"
    except OSError as error:
        facts["reason"] = f"cannot be read: {(error.strerror or 'input/output error').lower()}"
    except ValueError as error:
        facts |= {"reason": str(error), "lasting": True}
    return facts | {"seconds": time.perf_counter() - start}, parts


def _send(answers: IO[bytes], facts: dict[str, Any], *parts: bytes | memoryview) -> None:
    text = json.dumps(facts).encode("ascii")
    answers.write(ANSWER.pack(len(text), sum(len(part) for part in parts)) + text)
    for part in parts:  # separately, so that a large part is not copied again
        answers.write(part)
    answers.flush()


def _claim_standard_output() -> IO[bytes]:
    """Reserve the standard output for answers; output of C libraries is discarded."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


def _bound_memory(memory_bytes: int) -> None:
    """Limit the memory to ``memory_bytes`` more than is mapped now, if the system supports it."""
    try:
        import resource

        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        bound = mapped + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
    except (ImportError, OSError, ValueError):
        return  # Windows and macOS: only time, pixels and file size are limited there


def _set_alarm(seconds: float) -> None:
    """Let the system end this process after ``seconds``, in case the parent, which checks the time, is gone; 0 cancels."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
