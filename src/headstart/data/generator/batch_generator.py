"""``BatchGenerator``: the base of all generators, with the order of batches and the handling of unreadable files.

The contents of a batch are a pure function of ``(seed, epoch, index)``. Keras's ``fit`` requests the batches of an epoch in
an order of its own, shuffled with the program's global random state. While Keras iterates, batches are returned in the
generator's order instead, so that training can be repeated and resumed, and the next batches can be decoded ahead.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from headstart.data.generator.batch_order import BatchOrder, Schedule
from headstart.data.generator.batch_sources import Batch, BatchSource
from headstart.data.skipped import Skipped
from headstart.foundation.arguments import Rule, check, is_whole
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

__all__ = ["BatchGenerator", "Targets", "unfit"]

_TRIES = 2  # epochs in which a file is tried if it failed for a temporary reason
_VERBS = ("fit", "evaluate", "predict")
_LEARNING = ("fit", "evaluate")
_EPOCH = {"epoch": Rule("a whole number of at least 0", lambda value: is_whole(value, 0))}


class Targets(NamedTuple):
    """Targets and weights that batches contain in addition to the images.

    Attributes:
        values: Array with a row per sample, or a list of such arrays, which batches hold as a tuple. Defaults to None: no
            targets.
        weights: Weight of each sample; batches are then triples. Defaults to None.
        are_images: Whether the images themselves are the targets. Defaults to False.
    """

    values: Array | list[Array] | None = None
    weights: Array | None = None
    are_images: bool = False

    @property
    def are_none(self) -> bool:
        """Whether batches contain images only."""
        return self.values is None and not self.are_images


class BatchGenerator(keras.utils.PyDataset):
    """Batches of images and targets from a source of decoded pixels.

    A file that cannot be read is listed in ``skipped``, with a warning. In ``predict``, and wherever rows are matched with
    files by position (without shuffling, or without targets), its row is NaN, so that no file gets the prediction of
    another. In Keras's ``fit`` and ``evaluate``, such a batch lacks that row. If samples are shuffled with their targets,
    the unreadable sample is replaced by the next readable one of its batch or of the following batch, so that no shape
    changes. A file with invalid content is not tried again; any other file is tried once more.

    Args:
        source: Source of decoded pixels; it is closed with the generator.
        schedule: Order of the samples.
        finish: Function from pixels, ``(n, height, width, channels)``, to float images.
        paths: Name of each sample.
        targets: Targets and weights of all samples.

    Attributes:
        skipped: Files that were left out, replaced, or returned as NaN, with the reason.
    """

    def __init__(
        self,
        source: BatchSource,
        schedule: Schedule,
        finish: Callable[[Array], Array],
        paths: Sequence[str],
        targets: Targets,
    ) -> None:
        super().__init__()
        self.skipped: list[Skipped] = []
        self.shuffle, self.batch_size, self.seed = schedule.is_shuffled, schedule.batch_size, schedule.seed
        self.samples = self.n = schedule.num_samples
        self._source, self._schedule, self._finish = source, schedule, finish
        self._paths, self._targets = paths, targets
        self._keeps_places = targets.are_none or not schedule.is_shuffled
        self._pass = (0, "")  # the thread that started Keras's last pass, and the method: fit, evaluate or predict
        self._lock = threading.RLock()
        self._process_id = os.getpid()
        self._failures: defaultdict[int, set[int]] = defaultdict(set)
        self._passes = BatchOrder(schedule.num_batches)
        weakref.finalize(self, source.close)

    def __enter__(self) -> BatchGenerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._schedule.num_batches

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        # If Keras uses several threads, each waits for the batch with its own number.
        place = self._passes.asked(index % len(self), is_ordered=self.workers <= 1)
        return self._batch(*place, self._verb())

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch
        for index in range(len(self)):
            yield self._batch(epoch, index)
        self.epoch = epoch + 1

    def __next__(self) -> Any:
        return self._batch(*self._passes.following())

    @property
    def num_batches(self) -> int:
        """Number of batches per epoch. Keras reads it whenever it starts to iterate."""
        self._passes.start_over()
        self._note_verb()
        return len(self)

    @property
    def epoch(self) -> int:
        """Epoch of the next batches. It is counted automatically; set it to resume a training.

        If an epoch has only one or two batches, Keras's inspection of the first batches may count as an epoch; then set it
        before training, too.
        """
        return self._passes.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        check({"epoch": epoch}, _EPOCH, unfit)
        self._passes.epoch = int(epoch)

    def on_epoch_begin(self) -> None:
        """Start a pass of Keras over the batches."""
        self._passes.begin()
        self._note_verb()

    def on_epoch_end(self) -> None:
        """Advance to the next epoch if all batches of this one were requested."""
        self._passes.end()

    def reset(self) -> None:
        """Restart the current epoch, for example after an interrupted training or some calls of ``next``."""
        self._passes.epoch = self.epoch

    def close(self) -> None:
        """End the worker processes; they also end with the generator, and restart when a batch is requested."""
        with self._lock:
            self._source.close()

    def _batch(self, epoch: int, index: int, verb: str = "") -> Any:
        """Make a batch for one of Keras's methods, or for none (""); for ``fit`` and ``evaluate`` it has no rows of NaN."""
        if os.getpid() != self._process_id:
            raise _in_another_process()
        with self._lock:
            pixels, samples, unread = self._filled(epoch, index, verb)
        values = self._targets.values
        targets: Any = tuple(rows[samples] for rows in values) if isinstance(values, list) else values
        targets = targets[samples] if isinstance(targets, np.ndarray) else targets
        pixels, targets = self._mixed(pixels, targets, epoch, index)
        images = self._finished(pixels, unread)
        targets = images if self._targets.are_images else targets
        if targets is None:
            return images
        return (images, targets) if self._targets.weights is None else (images, targets, self._targets.weights[samples])

    def _mixed(self, pixels: Array, targets: Any, epoch: int, index: int) -> tuple[Array, Any]:
        """Hook for combining the images of a batch; returns pixels and targets unchanged."""
        del epoch, index
        return pixels, targets

    def _finished(self, pixels: Array, unread: list[int]) -> Array:
        """Convert pixels to float images, with rows of NaN for unreadable files."""
        if not unread:
            return self._finish(pixels)
        pixels = pixels.copy()
        pixels[unread] = 0
        images = self._finish(pixels)
        images[unread] = np.nan
        return images

    def _filled(self, epoch: int, index: int, verb: str) -> tuple[Array, Array, list[int]]:
        """Pixels and sample numbers of a batch, and the positions whose files could not be read."""
        batch = self._source.get(epoch, index)
        if not batch.failures:
            return batch.pixels, batch.samples, []
        in_place = verb == "predict" or (self._keeps_places and verb not in _LEARNING)
        self._note(batch, epoch, "rows of NaN" if in_place else "left out")
        if in_place:
            return batch.pixels, batch.samples, [*batch.failures]
        good = [place for place in range(len(batch.samples)) if place not in batch.failures]
        if good and self._keeps_places:
            return batch.pixels[good], batch.samples[good], []
        return *self._replaced(batch, epoch, index), []

    def _replaced(self, batch: Batch, epoch: int, index: int) -> tuple[Array, Array]:
        """Replace the samples of a batch that could not be decoded by readable ones."""
        donor = batch
        for step in range(1, len(self)):
            if len(donor.failures) < len(donor.samples):
                break
            donor = self._source.get(epoch, (index + step) % len(self))
            self._note(donor, epoch, "left out")
        good = [place for place in range(len(donor.samples)) if place not in donor.failures]
        if not good:
            raise _nothing_to_read(self.samples, self.skipped)
        pixels, samples = batch.pixels.copy(), batch.samples.copy()
        for place in batch.failures:
            other = next((p for p in good if p >= place), good[0])
            pixels[place], samples[place] = donor.pixels[other], donor.samples[other]
        return pixels, samples

    def _note(self, batch: Batch, epoch: int, outcome: str) -> None:
        new = []
        for place, decoded in batch.failures.items():
            sample = int(batch.samples[place])
            if sample not in self._source.hopeless:
                entry = Skipped(self._paths[sample], decoded.reason)
                new += [] if entry in self.skipped else [entry]
                self._failures[sample].add(epoch)
                if decoded.lasting or len(self._failures[sample]) >= _TRIES:
                    self._source.hopeless.add(sample)
        self.skipped += new
        if new:
            files = f"{len(new)} files of a batch" if len(new) > 1 else "1 file"
            first = f"{new[0].path}: {new[0].reason}"
            warnings.warn(f"{files} cannot be read ({outcome}): {first}; see generator.skipped for all", stacklevel=5)

    def _note_verb(self) -> None:
        """Record the Keras method that requests the next batches, unless this thread belongs to TensorFlow."""
        if verb := _verb_on_stack():
            self._pass = (threading.get_ident(), verb)

    def _verb(self) -> str:
        """Keras method that requests the batch: ``fit``, ``evaluate``, ``predict``, or "" outside of Keras's passes."""
        thread, verb = self._pass
        return _verb_on_stack() if thread == threading.get_ident() else verb


def _verb_on_stack() -> str:
    """Innermost Keras method (``fit``, ``evaluate`` or ``predict``) on this thread's call stack, or ""."""
    frame = sys._getframe(1)  # Keras does not tell a PyDataset which method requests its batches
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name in _VERBS and isinstance(frame.f_locals.get("self"), keras.Model):
            return frame.f_code.co_name
    return ""


def unfit(name: str, received: str, rule: Rule) -> UsageError:
    """Create the error for an invalid argument of a generator (H018)."""
    return UsageError(
        "H018",
        "invalid argument of ImageGenerator",
        received=f"{name}={received}",
        expected=rule.expected,
        advice=f"{rule.advice}; see help(headstart.ImageGenerator) for all arguments",
    )


def _in_another_process() -> UsageError:
    return UsageError(
        "H019",
        "generator used in another process",
        received="a batch requested in a process that did not create the generator",
        expected="use_multiprocessing=False: the generator starts its own worker processes",
        advice="set the number of worker processes: ImageGenerator(..., workers=8)",
    )


def _nothing_to_read(num_samples: int, skipped: list[Skipped]) -> UsageError:
    return UsageError(
        "H014",
        "no image can be read",
        received=f"{num_samples} files; the last one: {skipped[-1].path}: {skipped[-1].reason}",
        expected="at least one image that can be decoded",
        advice="see generator.skipped for the reason of each file",
    )
