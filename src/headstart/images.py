"""Data: many image files at once, decoded in worker processes that are bounded in time and memory and can be killed."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart import pixels
from headstart.decode_worker import THUMBNAIL, DecodeWorker, thumbnail
from headstart.errors import DatasetError

__all__ = ["DecodePool", "Decoded", "Geometry", "decode_array", "usable_cores"]

Array = np.ndarray[Any, np.dtype[np.uint8]]

_QUEUED = 3  # files a worker has in hand, so that it never waits for us
_MAX_PATH_BYTES = 4096  # so that they fit into its pipe and a write never blocks
_WAITING_BYTES = 64 << 20  # decoded images that may wait for the consumer


@dataclass(frozen=True)
class Geometry:
    """Which square of an image is taken, and how it is resized.

    Attributes:
        size: Side of the square, in pixels.
        crop: Share of the shorter side that the centred square takes.
        filter: A key of ``pixels.FILTERS``.

    Raises:
        DatasetError: A value is out of range (H120).
    """

    size: int
    crop: float = 0.95
    filter: str = "bicubic"

    def __post_init__(self) -> None:
        if self.size < 1 or not 0.0 < self.crop <= 1.0 or self.filter not in pixels.FILTERS:
            raise DatasetError(
                "H120",
                "images cannot be prepared like this",
                received=f"size {self.size}, crop {self.crop}, filter {self.filter}",
                expected=f"size of at least 1, crop above 0 and up to 1, filter one of {', '.join(pixels.FILTERS)}",
                advice="use Geometry(224), or the geometry of the backbone's card",
            )

    def as_dict(self) -> dict[str, Any]:
        """The three values by name, as JSON and as arguments of ``pixels.load``."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What became of one file.

    Attributes:
        index: Its position in the sequence that was asked for.
        pixels: uint8, ``(size, size, 3)``; None if it failed.
        reason: Why it failed, in plain words; empty if it did not.
        lasting: It would fail again: the content is to blame, not time, memory, the disk or a crash.
        width, height, format, mode: As stored in the file; 0 and "" if it failed.
        animated: It holds more than the one frame that was taken.
        thumbnail: The square in 16 x 16 grey levels, uint8.
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
    thumbnail: Array | None = None
    digest: str = ""
    seconds: float = 0.0


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its container where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return cores


def decode_array(index: int, array: np.ndarray[Any, Any], geometry: Geometry) -> Decoded:
    """An image in memory, prepared like a file; see ``pixels.from_array`` for the shapes and values it may have."""
    start = time.perf_counter()
    try:
        square = pixels.from_array(array, **geometry.as_dict())
    except ValueError as error:
        return Decoded(index, reason=str(error), lasting=True)
    height, width = array.shape[:2]
    mode = {3: "RGB", 4: "RGBA"}.get(array.shape[2], "L") if array.ndim == 3 else "L"
    facts: dict[str, Any] = {"width": width, "height": height, "format": "array", "mode": mode}
    return Decoded(index, square, thumbnail=thumbnail(square), seconds=time.perf_counter() - start, **facts)


class DecodePool:
    """Worker processes that decode files; a context manager, and all of them end with it.

    Args:
        geometry: What each image becomes.
        workers: How many processes; one a usable core if left out. They start when there is something to do.
        timeout_seconds: A worker that takes longer for one file is killed and replaced.
        memory_bytes: What a worker may take for a file beyond its own needs (Linux).

    Example::

        with DecodePool(Geometry(224)) as pool:
            for decoded in pool.decode(paths):
                print(paths[decoded.index], decoded.reason or decoded.format)
    """

    def __init__(
        self,
        geometry: Geometry,
        workers: int | None = None,
        timeout_seconds: float = 20.0,
        memory_bytes: int = 1 << 30,
    ) -> None:
        self.geometry = geometry
        self.timeout_seconds = timeout_seconds
        settings = {"geometry": geometry.as_dict(), "memory_bytes": memory_bytes, "alarm_seconds": 2 * timeout_seconds}
        self._workers = [DecodeWorker(settings, timeout_seconds) for _ in range(workers or usable_cores())]
        self._batch: _Batch | None = None

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self._abandon()
        for worker in self._workers:
            worker.bury()

    def decode(self, paths: Sequence[str], digests: Sequence[str] | None = None) -> Iterator[Decoded]:
        """Decode files; each comes out once, as soon as it is done, in any order. The work begins with this call.

        Another call, or the end of the context, gives up what is left of this one.

        Args:
            paths: The files; names with undecodable bytes are fine.
            digests: What the SHA-256 of each should be; a file that differs comes out as a failure.

        Raises:
            DatasetError: The workers cannot start (H121); from the iterator.
        """
        self._abandon()
        waiting = max(8, min(256, _WAITING_BYTES // (3 * self.geometry.size**2)))
        self._batch = _Batch(paths, digests, self.geometry.size, waiting)
        self._batch.start(self._workers[: len(paths)])
        return self._results(self._batch)

    def _results(self, batch: _Batch) -> Iterator[Decoded]:
        tick_seconds = min(0.25, self.timeout_seconds / 4)
        watched, num_left = time.monotonic(), len(batch.paths)
        while num_left:
            if batch.stopped.is_set():
                raise RuntimeError("the pool was closed, or asked for something else, before all files were taken")
            if time.monotonic() - watched > tick_seconds:
                watched = time.monotonic()
                for worker in self._workers:
                    worker.end_if_overdue()
            with contextlib.suppress(queue.Empty):
                result = batch.results.get(timeout=tick_seconds)
                if isinstance(result, Exception):
                    raise result
                num_left -= 1
                yield result

    def _abandon(self) -> None:
        """End a batch where it stands; workers with files in hand are killed, as nobody will take their answers."""
        if self._batch is None:
            return
        self._batch.stopped.set()
        while any(thread.is_alive() for thread in self._batch.threads):
            for worker in self._workers:
                if worker.in_hand:
                    worker.kill()  # again and again, as it may be starting just now
            self._batch.threads[0].join(0.01)
        for worker in self._workers:
            if worker.in_hand:
                worker.in_hand.clear()
                worker.bury()
        self._batch = None


class _Batch:
    """One call of ``decode``: the files left to do, a thread for each worker, and the results that wait."""

    def __init__(self, paths: Sequence[str], digests: Sequence[str] | None, size: int, waiting: int) -> None:
        self.paths = paths
        self.results: queue.Queue[Decoded | Exception] = queue.Queue(waiting)
        self.stopped = threading.Event()
        self.threads: list[threading.Thread] = []
        self._digests = digests
        self._shape = (size, size, 3)
        self._left = iter(range(len(paths)))
        self._turn = threading.Lock()

    def start(self, workers: Sequence[DecodeWorker]) -> None:
        """Set the workers to work."""
        self.threads = [threading.Thread(target=self._run, args=(worker,), daemon=True) for worker in workers]
        for thread in self.threads:
            thread.start()

    def _run(self, worker: DecodeWorker) -> None:
        try:
            while not self.stopped.is_set():
                while len(worker.in_hand) < _QUEUED and (index := self._next()) is not None:
                    self._submit(worker, index)
                if not worker.in_hand:
                    return
                self._put(self._decoded(*worker.answer()))
        except Exception as error:  # noqa: BLE001  raised again where the results are taken
            self._put(error)

    def _submit(self, worker: DecodeWorker, index: int) -> None:
        try:
            path = os.fsencode(self.paths[index])
        except UnicodeEncodeError:
            path = b""  # no file can have such a name
        if 0 < len(path) <= _MAX_PATH_BYTES:
            worker.submit(index, path)
        else:
            self._put(Decoded(index, reason="cannot be read: no file has such a name"))

    def _next(self) -> int | None:
        with self._turn:
            return next(self._left, None)

    def _put(self, result: Decoded | Exception) -> None:
        while not self.stopped.is_set():
            with contextlib.suppress(queue.Full):
                self.results.put(result, timeout=0.1)
                return

    def _decoded(self, index: int, facts: dict[str, Any], body: Array | None) -> Decoded:
        if self._digests is not None and facts.get("digest", self._digests[index]) != self._digests[index]:
            known = {"digest": facts["digest"], "seconds": facts["seconds"]}
            return Decoded(index, reason="the file changed while it was read", **known)
        if body is None:
            return Decoded(index, **facts)
        thumbnail = body[-(THUMBNAIL**2) :].reshape(THUMBNAIL, THUMBNAIL).copy()  # it may outlive the pixels
        return Decoded(index, body[: -(THUMBNAIL**2)].reshape(self._shape), thumbnail=thumbnail, **facts)
