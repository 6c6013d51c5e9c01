"""Data: the process that decodes image files: requests come in by one pipe, answers go out by another.

A request is the lengths of a path and a digest, the number of a view and whether a thumbnail is wanted, then the path and
the digest. An answer is the lengths of its two parts, then facts as JSON, then the pixels, with the thumbnail behind them;
there are no pixels in a failure, nor in a mere look, nor in the first answer, which says "ready".
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
        settings: ``geometry`` (fields of ``pixels.Settings``) or ``frame`` (those of ``Frame``), ``memory_bytes`` and
            ``alarm_seconds``; ``augmentation`` (its settings), ``seed`` and ``squares`` (a folder) where they are wanted.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent, which closes our input
    warnings.simplefilter("ignore")
    requests, answers = sys.stdin.buffer, _claim_standard_output()
    decoder = _decoder(settings)
    _bound_memory(settings["memory_bytes"])
    with contextlib.suppress(BrokenPipeError):  # the parent is gone: nobody is left to be told
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
    for part in parts:  # apart, so that a large one is not copied once more
        answers.write(part)
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
