"""Data: many image files at once, decoded in worker processes that are bounded in time and memory and can be killed."""

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
from headstart.data.images import preprocess as pixels
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
    """An image in memory, prepared like a file; see ``pixels.plain_array`` for the shapes and values it may have.

    ``augmentation``, ``seed`` and ``view`` are those of ``DecodePool``; ``digest`` is the image's own.
    """
    start = time.perf_counter()
    draw = None
    if augmentation is not None and view and augmentation.changes_images:
        shape = geometry.size, geometry.crop, geometry.filter
        draw = view_drawer(augmentation, random_for(seed, digest, view), *shape)
    try:
        square = pixels.from_array(array, geometry.settings, draw)
    except ValueError as error:
        return Decoded(index, reason=str(error), lasting=True)
    height, width = array.shape[:2]
    mode = {3: "RGB", 4: "RGBA"}.get(array.shape[2], "L") if array.ndim == 3 else "L"
    facts: dict[str, Any] = {"width": width, "height": height, "format": "array", "mode": mode}
    return Decoded(index, square, thumbnail=thumbnail(square), seconds=time.perf_counter() - start, **facts)


class DecodePool:
    """Worker processes that decode files; a context manager, and all of them end with it.

    Args:
        geometry: What each image becomes: a Geometry, or a Frame with Ranges for its views.
        workers: How many processes; one a usable core if left out. They start when there is something to do.
        timeout_seconds: A worker that takes longer for one file is killed and replaced.
        memory_bytes: What a worker may take for a file beyond its own needs (Linux).
        augmentation: What views 1, 2, … of a file show; view 0 is always the image itself.
        seed: Decides, with a file's content and the view's number, what the view shows.
        squares: A folder to keep plain squares in. What is there is not decoded again, where ``decode`` is given digests;
            views are then made from the squares, whether they were there before or not.

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
        """Decode files; each comes out once, as soon as it is done, in any order. The work begins with this call.

        Another call, or the end of the context, gives up what is left of this one.

        Args:
            paths: The files; names with undecodable bytes are fine. Like the other two it is asked for one entry at a
                time, by several threads, and may be longer than a memory holds.
            digests: What the SHA-256 of each should be; a file that differs comes out as a failure.
            views: The view to make of each; 0 where left out. ``LOOK`` for its size and range alone, without pixels.
            rows: Gives the place for the pixels of a position: contiguous uint8, flat. Thumbnails are then
                not made.
            allowed: So many files may be begun, from the first on, until ``allow`` is called; all where left out.

        Raises:
            DatasetError: The workers cannot start (H121); from the iterator.
        """
        self.give_up()
        waiting = max(8, min(256, _WAITING_BYTES // math.prod(self.geometry.shape)))
        self._batch = DecodeQueue(Asked(paths, digests, views, rows, allowed), self.geometry.shape, waiting)
        self._batch.start(self._workers[: len(paths)])
        return self._results(self._batch)

    def allow(self, num_files: int) -> None:
        """So many files of the call under way may be begun, from the first on."""
        if self._batch is not None:
            self._batch.allow(num_files)

    def give_up(self) -> None:
        """End a call where it stands; workers with files in hand are killed, as nobody will take their answers."""
        if self._batch is None:
            return
        self._batch.stop()
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

    def _results(self, batch: DecodeQueue) -> Iterator[Decoded]:
        tick_seconds = min(0.25, self.timeout_seconds / 4)
        watched, num_left = time.monotonic(), batch.num_files
        while num_left:
            if batch.stopped.is_set():
                raise RuntimeError("the pool was closed, or asked for something else, before all files were taken")
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
