"""Distribution of the files of one ``DecodePool.decode`` call to the workers, and collection of the results."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from headstart.data.images.decode_worker import DecodeWorker, Request
from headstart.data.images.decoder import THUMBNAIL

__all__ = ["Asked", "DecodeQueue", "Decoded"]

Array = np.ndarray[Any, np.dtype[np.uint8]]

_QUEUED = 3  # files submitted to a worker ahead of time, so that it never waits for the parent
_TOGETHER = 8  # results delivered at once if each has a row: waking the consumer costs more than reading a result
_MAX_PATH_BYTES = 4096  # so that requests fit into the worker's pipe and writing never blocks


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Result of decoding one file.

    Attributes:
        index: Position of the file in the sequence of paths.
        pixels: uint8, ``(size, size, 3)``; None if decoding failed or the view is ``LOOK``.
        reason: Why decoding failed, or "".
        lasting: Whether it would fail again, because the content is at fault, not time, memory, the disk or a crash.
        width, height, format, mode: As stored in the file; 0 and "" if decoding failed or the square was cached.
        animated: Whether the file contains more frames than the one that was decoded.
        profile: ``unusable`` if the colour profile was ignored.
        kind, low, high: With the view ``LOOK``, the fields of ``preprocess.Seen``.
        thumbnail: The square in 16 x 16 grey levels, uint8; None if decoding failed or the pixels went into a given row.
        digest: SHA-256 of the bytes that were decoded; "" if they could not be read.
        seconds: Time taken, reading included.
    """

    index: int
    pixels: Array | None = None
    reason: str = ""
    lasting: bool = False
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    animated: bool = False
    profile: str = ""
    kind: str = ""
    low: float = 0.0
    high: float = 0.0
    thumbnail: Array | None = None
    digest: str = ""
    seconds: float = 0.0


class Asked(NamedTuple):
    """Arguments of one ``DecodePool.decode`` call, which documents them."""

    paths: Sequence[str]
    digests: Sequence[str] | None
    views: Sequence[int] | None
    rows: Callable[[int], Array] | None
    allowed: int | None


class DecodeQueue:
    """Remaining files of one call, with a thread for each worker and a queue of results.

    Args:
        asked: Arguments of the call.
        shape: Shape of an image's pixels.
        waiting: Largest number of results in the queue.
    """

    def __init__(self, asked: Asked, shape: tuple[int, int, int], waiting: int) -> None:
        self.results: queue.Queue[list[Decoded] | Exception] = queue.Queue(waiting)
        self.stopped = threading.Event()
        self.threads: list[threading.Thread] = []
        self.num_files = len(asked.paths)
        self._asked = asked
        self._shape = shape
        self._turn = threading.Condition()
        self._next_index = 0
        self._num_allowed = self.num_files if asked.allowed is None else asked.allowed

    def start(self, workers: Sequence[DecodeWorker]) -> None:
        """Start a thread for each worker."""
        self.threads = [threading.Thread(target=self._run, args=(worker,), daemon=True) for worker in workers]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Stop starting files."""
        self.stopped.set()
        with self._turn:
            self._turn.notify_all()

    def allow(self, num_files: int) -> None:
        """Let files be started up to the given number, counted from the first."""
        with self._turn:
            self._num_allowed = num_files
            self._turn.notify_all()

    def _run(self, worker: DecodeWorker) -> None:
        together = 1 if self._asked.rows is None else _TOGETHER
        done: list[Decoded] = []
        try:
            while not self.stopped.is_set():
                is_full = self._fill(worker, done)
                if not worker.in_hand:
                    return
                done.append(self._decoded(*worker.answer()))
                if len(done) >= together or not is_full:
                    self._put(done)
        except Exception as error:  # noqa: BLE001  raised again where the results are read
            self._put(error)

    def _fill(self, worker: DecodeWorker, done: list[Decoded]) -> bool:
        """Submit files until the worker has enough; return whether there were enough. Deliver results before waiting."""
        while len(worker.in_hand) < _QUEUED:
            if not worker.in_hand:
                self._put(done)
            if (index := self._next(wait=not worker.in_hand)) is None:
                return False
            self._submit(worker, index)
        return True

    def _next(self, wait: bool) -> int | None:
        """Index of the next file to start; None if there is none, or, unless ``wait`` is true, none allowed yet."""
        with self._turn:
            while self._next_index < self.num_files and not self.stopped.is_set():
                if self._next_index < self._num_allowed:
                    self._next_index += 1
                    return self._next_index - 1
                if not wait:
                    return None
                self._turn.wait()
            return None

    def _submit(self, worker: DecodeWorker, index: int) -> None:
        asked = self._asked
        try:
            path = os.fsencode(asked.paths[index])
        except UnicodeEncodeError:
            path = b""  # no file can have such a name
        if not 0 < len(path) <= _MAX_PATH_BYTES:
            self._put([Decoded(index, reason="cannot be read: not a valid file name")])
            return
        digest = "" if asked.digests is None else asked.digests[index]
        view = 0 if asked.views is None else asked.views[index]
        worker.submit(Request(index, path, view, digest, None if asked.rows is None else asked.rows(index)))

    def _put(self, results: list[Decoded] | Exception) -> None:
        """Deliver results, or an exception, to the consumer; a list of results is then cleared."""
        while results and not self.stopped.is_set():
            with contextlib.suppress(queue.Full):
                self.results.put(results if isinstance(results, Exception) else results.copy(), timeout=0.1)
                break
        if not isinstance(results, Exception):
            results.clear()

    def _decoded(self, request: Request, facts: dict[str, Any], body: Array | None) -> Decoded:
        index, digest = request.number, request.digest
        if digest and facts.get("digest", digest) != digest:
            known = {"digest": facts["digest"], "seconds": facts["seconds"]}
            return Decoded(index, reason="the file changed after it was first read", **known)
        if body is None:
            return Decoded(index, **facts)
        if request.row is not None:
            return Decoded(index, body.reshape(self._shape), **facts)
        thumbnail = body[-(THUMBNAIL**2) :].reshape(THUMBNAIL, THUMBNAIL).copy()  # so that it does not keep the pixels alive
        return Decoded(index, body[: -(THUMBNAIL**2)].reshape(self._shape), thumbnail=thumbnail, **facts)
