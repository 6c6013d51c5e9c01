"""``DecodePool``: worker processes that decode many image files, limited in time and memory."""

from __future__ import annotations

import contextlib
import math
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.transforms import Ranges
from headstart.data.augmentation.views import random_for, view_drawer
from headstart.data.images import preprocess
from headstart.data.images.decode_queue import Asked, Decoded, DecodeQueue
from headstart.data.images.decode_worker import DecodeWorker
from headstart.data.images.decoder import thumbnail
from headstart.data.images.frame_decoder import Frame
from headstart.data.images.geometry import Geometry
from headstart.foundation.machine import usable_cores

__all__ = ["DecodePool", "decode_array"]

Array = np.ndarray[Any, np.dtype[np.uint8]]

_WAITING_BYTES = 64 << 20  # decoded images that may wait for the consumer


def decode_array(
    index: int,
    array: np.ndarray[Any, Any],
    geometry: Geometry,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    view: int = 0,
    digest: str = "",
) -> Decoded:
    """Prepare an image in memory in the way in which ``DecodePool`` prepares a file.

    Args:
        index: Position of the image, which is returned in the result.
        array: The image, of a shape and type that ``preprocess.plain_array`` accepts.
        geometry: Size, crop, filter and value range of the square.
        augmentation: Settings of the views other than 0. Defaults to None: every view is the image itself.
        seed: Seed of the views. Defaults to 0.
        view: Number of the view; 0 is the image itself. Defaults to 0.
        digest: Digest of the image's content, on which its views depend. Defaults to "".
    """
    start = time.perf_counter()
    draw = None
    if augmentation is not None and view and augmentation.changes_images:
        shape = geometry.size, geometry.crop, geometry.filter
        draw = view_drawer(augmentation, random_for(seed, digest, view), *shape)
    try:
        square = preprocess.from_array(array, geometry.settings, draw)
    except ValueError as error:
        return Decoded(index, reason=str(error), lasting=True)
    height, width = array.shape[:2]
    mode = {3: "RGB", 4: "RGBA"}.get(array.shape[2], "L") if array.ndim == 3 else "L"
    facts: dict[str, Any] = {"width": width, "height": height, "format": "array", "mode": mode}
    return Decoded(index, square, thumbnail=thumbnail(square), seconds=time.perf_counter() - start, **facts)


class DecodePool:
    """Worker processes that decode files. It is a context manager; all processes end with the context.

    Args:
        geometry: Shape of the decoded images: a ``Geometry`` with an ``Augmentation``, or a ``Frame`` with ``Ranges``.
        workers: Number of processes, which start when they are needed. Defaults to None: one per usable core.
        timeout_seconds: Time limit per file; a worker that exceeds it is killed and replaced. Defaults to 20.
        memory_bytes: Memory limit per file, in addition to the worker's own memory (Linux only). Defaults to 1 GiB.
        augmentation: Settings of views 1, 2, …; view 0 is always the image itself. Defaults to None: all views are.
        seed: Seed of the views, which also depend on the file's content and the view's number. Defaults to 0.
        squares: Folder in which unchanged squares are cached. A cached square is not decoded again if ``decode`` is given
            digests. Views are then made from squares, cached or not. Defaults to None: no cache.

    Example::

        with DecodePool(Geometry(224)) as pool:
            for decoded in pool.decode(paths):
                print(paths[decoded.index], decoded.reason or decoded.format)
    """

    def __init__(
        self,
        geometry: Geometry | Frame,
        workers: int | None = None,
        timeout_seconds: float = 20.0,
        memory_bytes: int = 1 << 30,
        augmentation: Augmentation | Ranges | None = None,
        seed: int = 0,
        squares: Path | None = None,
    ) -> None:
        self.geometry = geometry
        self.timeout_seconds = timeout_seconds
        settings = {
            geometry.kind: geometry.as_dict(),
            "memory_bytes": memory_bytes,
            "alarm_seconds": 2 * timeout_seconds,
            "augmentation": augmentation and augmentation.to_json(),
            "seed": seed,
            "squares": squares and str(squares),
        }
        self._workers = [DecodeWorker(settings, timeout_seconds) for _ in range(workers or usable_cores())]
        self._batch: DecodeQueue | None = None

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_up()
        for worker in self._workers:
            worker.bury()

    def decode(
        self,
        paths: Sequence[str],
        digests: Sequence[str] | None = None,
        views: Sequence[int] | None = None,
        *,
        rows: Callable[[int], Array] | None = None,
        allowed: int | None = None,
    ) -> Iterator[Decoded]:
        """Decode files and yield each result as soon as it is ready, in any order. Work starts with the call.

        Another call, or the end of the context, cancels the remaining files.

        Args:
            paths: Paths of the files; names with undecodable bytes are allowed. ``paths``, ``digests`` and ``views`` are
                indexed one entry at a time, by several threads, so that they may be lazy sequences larger than memory.
            digests: Expected SHA-256 of each file; a file that differs fails. Defaults to None: not checked.
            views: View of each file; ``LOOK`` reads only its size and value range, without pixels. Defaults to None: 0.
            rows: Function from a position to the buffer for its pixels, contiguous flat uint8; thumbnails are then not
                made. Defaults to None: new arrays.
            allowed: Number of files, from the first on, that may be started before ``allow`` is called. Defaults to None:
                all.

        Raises:
            DatasetError: The workers cannot start (H121); from the iterator.
        """
        self.give_up()
        waiting = max(8, min(256, _WAITING_BYTES // math.prod(self.geometry.shape)))
        self._batch = DecodeQueue(Asked(paths, digests, views, rows, allowed), self.geometry.shape, waiting)
        self._batch.start(self._workers[: len(paths)])
        return self._results(self._batch)

    def allow(self, num_files: int) -> None:
        """Let the current ``decode`` start files up to the given number, counted from the first."""
        if self._batch is not None:
            self._batch.allow(num_files)

    def give_up(self) -> None:
        """Cancel the current ``decode``; workers with unfinished files are killed, because nobody reads their answers."""
        if self._batch is None:
            return
        self._batch.stop()
        while any(thread.is_alive() for thread in self._batch.threads):
            for worker in self._workers:
                if worker.in_hand:
                    worker.kill()  # repeatedly, because it may just be starting
            self._batch.threads[0].join(0.01)
        for worker in self._workers:
            if worker.in_hand:
                worker.in_hand.clear()
                worker.bury()
        self._batch = None

    def _results(self, batch: DecodeQueue) -> Iterator[Decoded]:
        tick_seconds = min(0.25, self.timeout_seconds / 4)
        watched, num_left = time.monotonic(), batch.num_files
        while num_left:
            if batch.stopped.is_set():
                raise RuntimeError("the pool was closed, or decode was called again, before all results were read")
            if time.monotonic() - watched > tick_seconds:
                watched = time.monotonic()
                for worker in self._workers:
                    worker.end_if_overdue()
            with contextlib.suppress(queue.Empty):
                results = batch.results.get(timeout=tick_seconds)
                if isinstance(results, Exception):
                    raise results
                num_left -= len(results)
                yield from results
