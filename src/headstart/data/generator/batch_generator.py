"""Data: batches for any Keras ``fit``, ``evaluate`` and ``predict``, and what becomes of files that cannot be read.

What a batch holds is a pure function of ``(seed, epoch, index)``. Keras's ``fit`` asks for the batches of an epoch in a
shuffled order of its own, drawn from the program's global randomness; inside its passes they come in the generator's order
instead, so that a training can be repeated and resumed, and the next batches are always under way.
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

_TRIES = 2  # for a file that failed for a reason that may pass
_VERBS = ("fit", "evaluate", "predict")
_LEARNING = ("fit", "evaluate")
_EPOCH = {"epoch": Rule("a whole number of at least 0", lambda value: is_whole(value, 0))}


class Targets(NamedTuple):
    """What batches hold beside the images.

    Attributes:
        values: A row for each sample, or a list of such arrays, which come as tuples; None for images alone.
        weights: A weight for each sample; batches are then triples.
        are_images: The images themselves are the targets.
    """

    values: Array | list[Array] | None = None
    weights: Array | None = None
    are_images: bool = False

    @property
    def are_none(self) -> bool:
        """Whether batches are images alone."""
        return self.values is None and not self.are_images


class BatchGenerator(keras.utils.PyDataset):
    """Batches of images and targets from a source of decoded pixels.

    A file that cannot be read is listed in ``skipped`` and a warning names it. In ``predict``, and wherever rows belong to
    files by their place (without shuffling, or without targets), its row is NaN: no file gets the prediction of another.
    Keras's ``fit`` and ``evaluate`` get such a batch without that row. Where samples are shuffled with their targets, its
    place is taken by the next good sample of the same batch, or of the batch after it: no shape changes. A file whose
    content is to blame is not tried again, any other once more.

    Args:
        source: Gives decoded pixels; it is closed with the generator.
        schedule: The order of the samples.
        finish: From pixels, ``(n, height, width, channels)``, to float images.
        paths: A name for each sample.
        targets: What comes with the images.

    Attributes:
        skipped: Every file that was left out, replaced or answered with NaN, with the reason.
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
        self._pass = (0, "")  # the thread that began Keras's last pass, and its verb
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
        # Keras's threads, where there are several, wait for the batch of their own number.
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
        """Batches an epoch. Keras reads it whenever it begins to go through them."""
        self._passes.start_over()
        self._note_verb()
        return len(self)

    @property
    def epoch(self) -> int:
        """The epoch of the next batches. It counts by itself; set it where a training goes on.

        Where an epoch has one or two batches, Keras's first look at the data may count as one: set it there.
        """
        return self._passes.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        check({"epoch": epoch}, _EPOCH, unfit)
        self._passes.epoch = int(epoch)

    def on_epoch_begin(self) -> None:
        """Keras goes through the batches from now on."""
        self._passes.begin()
        self._note_verb()

    def on_epoch_end(self) -> None:
        """Go on to the next epoch, if the whole of this one has been asked for."""
        self._passes.end()

    def reset(self) -> None:
        """Begin this epoch again, wherever a training that was interrupted or ``next`` had come to."""
        self._passes.epoch = self.epoch

    def close(self) -> None:
        """End the worker processes; they also end with the generator, and start again when a batch is asked for."""
        with self._lock:
            self._source.close()

    def _batch(self, epoch: int, index: int, verb: str = "") -> Any:
        """A batch, for one of Keras's verbs or none: for ``fit`` and ``evaluate`` it has no rows of NaN."""
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
        """Pixels and targets as they are; where pictures of a batch are mixed, that happens here."""
        del epoch, index
        return pixels, targets

    def _finished(self, pixels: Array, unread: list[int]) -> Array:
        """Float images, with rows of NaN where files were not read."""
        if not unread:
            return self._finish(pixels)
        pixels = pixels.copy()
        pixels[unread] = 0
        images = self._finish(pixels)
        images[unread] = np.nan
        return images

    def _filled(self, epoch: int, index: int, verb: str) -> tuple[Array, Array, list[int]]:
        """A batch's pixels and samples, and the places whose files were not read."""
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
        """A batch with good samples in the places of those that could not be decoded."""
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
            told = f"{files} cannot be read ({outcome}): {new[0].path}: {new[0].reason}; the generator's skipped lists all"
            warnings.warn(told, stacklevel=5)

    def _note_verb(self) -> None:
        """Note what Keras wants the next batches for, where this is not a thread of TensorFlow's."""
        if verb := _verb_on_stack():
            self._pass = (threading.get_ident(), verb)

    def _verb(self) -> str:
        """What Keras wants the batch for: ``fit``, ``evaluate``, ``predict``, or "" outside of Keras's passes."""
        thread, verb = self._pass
        return _verb_on_stack() if thread == threading.get_ident() else verb


def _verb_on_stack() -> str:
    """The innermost of Keras's verbs that this thread is inside of, or ""."""
    frame = sys._getframe(1)  # Keras tells a PyDataset nothing of what its batches are for
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name in _VERBS and isinstance(frame.f_locals.get("self"), keras.Model):
            return frame.f_code.co_name
    return ""


def unfit(name: str, received: str, rule: Rule) -> UsageError:
    """The error for an argument that a generator cannot take (H018)."""
    return UsageError(
        "H018",
        "the generator cannot be made like this",
        received=f"{name}={received}",
        expected=rule.expected,
        advice=f"{rule.advice}; help(headstart.ImageGenerator) tells what each argument takes",
    )


def _in_another_process() -> UsageError:
    return UsageError(
        "H019",
        "a generator belongs to the process that made it",
        received="a batch asked for in another process",
        expected="use_multiprocessing=False: the generator has processes of its own",
        advice="give it the number of processes: ImageGenerator(..., workers=8)",
    )


def _nothing_to_read(num_samples: int, skipped: list[Skipped]) -> UsageError:
    return UsageError(
        "H014",
        "no image can be read",
        received=f"{num_samples} files, the last of them: {skipped[-1].path}: {skipped[-1].reason}",
        expected="at least one image that can be decoded",
        advice="see the generator's skipped for each file's reason",
    )
