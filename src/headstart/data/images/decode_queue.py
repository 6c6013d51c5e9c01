"""Data: the files of one call, handed out to decode workers one by one, and what became of each."""

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

_QUEUED = 3  # files a worker has in hand, so that it never waits for us
_TOGETHER = 8  # results handed over at once where each has its row: waking the consumer costs more than reading one
_MAX_PATH_BYTES = 4096  # so that they fit into its pipe and a write never blocks


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What became of one file.

    Attributes:
        index: Its position in the sequence that was asked for.
        pixels: uint8, ``(size, size, 3)``; None if it failed, or was only looked at.
        reason: Why it failed, in plain words; empty if it did not.
        lasting: It would fail again: the content is to blame, not time, memory, the disk or a crash.
        width, height, format, mode: As stored in the file; 0 and "" if it failed, or if the square was kept from before.
        animated: It holds more than the one frame that was taken.
        profile: ``unusable`` where its colour profile was ignored.
        kind, low, high: Of a file that was only looked at, as in ``pixels.Seen``.
        thumbnail: The square in 16 x 16 grey levels, uint8; None if it failed, or if the pixels went into a given row.
        digest: SHA-256 of the bytes that were decoded; "" if they could not be read.
        seconds: What it took, reading included.
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
    """The arguments of one ``DecodePool.decode``; see there."""

    paths: Sequence[str]
    digests: Sequence[str] | None
    views: Sequence[int] | None
    rows: Callable[[int], Array] | None
    allowed: int | None


class DecodeQueue:
    """What is left to do of one call, a thread for each worker, and the results that wait.

    Args:
        asked: What is asked for.
        shape: Of an image's pixels.
        waiting: How many results may wait.
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
        """Set the workers to work."""
        self.threads = [threading.Thread(target=self._run, args=(worker,), daemon=True) for worker in workers]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Begin no further file."""
        self.stopped.set()
        with self._turn:
            self._turn.notify_all()

    def allow(self, num_files: int) -> None:
        """So many of the files may be begun, from the first on."""
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
        except Exception as error:  # noqa: BLE001  raised again where the results are taken
            self._put(error)

    def _fill(self, worker: DecodeWorker, done: list[Decoded]) -> bool:
        """Give the worker as much as it may have in hand; whether there was enough. Nothing that is done waits for more."""
        while len(worker.in_hand) < _QUEUED:
            if not worker.in_hand:
                self._put(done)
            if (index := self._next(wait=not worker.in_hand)) is None:
                return False
            self._submit(worker, index)
        return True

    def _next(self, wait: bool) -> int | None:
        """The next file to begin; None if there is none, or none yet and the worker has others in hand."""
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
            self._put([Decoded(index, reason="cannot be read: no file has such a name")])
            return
        digest = "" if asked.digests is None else asked.digests[index]
        view = 0 if asked.views is None else asked.views[index]
        worker.submit(Request(index, path, view, digest, None if asked.rows is None else asked.rows(index)))

    def _put(self, results: list[Decoded] | Exception) -> None:
        """Hand over; a list is empty afterwards."""
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
            return Decoded(index, reason="the file changed while it was read", **known)
        if body is None:
            return Decoded(index, **facts)
        if request.row is not None:
            return Decoded(index, body.reshape(self._shape), **facts)
        thumbnail = body[-(THUMBNAIL**2) :].reshape(THUMBNAIL, THUMBNAIL).copy()  # it may outlive the pixels
        return Decoded(index, body[: -(THUMBNAIL**2)].reshape(self._shape), thumbnail=thumbnail, **facts)
