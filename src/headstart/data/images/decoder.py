"""Data: one image file to the pixels that were asked for: read, checked by content, decoded, seen as a view."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.views import augment_square, needed_side, random_for, view_drawer
from headstart.data.images import preprocess as pixels
from headstart.data.images.image_cache import Squares

__all__ = ["FACTS", "LOOK", "MAX_FILE_BYTES", "THUMBNAIL", "Decoder", "read_file", "thumbnail"]

MAX_FILE_BYTES = 512 << 20
THUMBNAIL = 16  # pixels a side
LOOK = (1 << 32) - 1  # the number of the view that has no pixels: only what the head of a file tells

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

FACTS = pixels.Prepared._fields[1:]
_SHAPE = ("size", "crop", "filter")


class Decoder:
    """What a worker does for each file.

    Args:
        geometry: Fields of ``pixels.Settings``.
        augmentation: How far views 1, 2, … may be from the picture; None where every view is the picture itself.
        seed: Decides, with the content and the view's number, what a view shows.
        squares: Where plain squares are kept. Views are then made from these, whether they were there before or not.
    """

    def __init__(
        self,
        geometry: dict[str, Any],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        squares: Squares | None = None,
    ) -> None:
        self._settings = pixels.Settings(**geometry)
        self._shape = {name: geometry[name] for name in _SHAPE}
        self._augmentation = augmentation if augmentation is not None and augmentation.changes_images else None
        self._seed = seed
        self._squares = squares

    def decode(self, path: bytes, view: int, digest: str, facts: dict[str, Any]) -> Pixels | None:
        """The pixels of a file, None for ``LOOK``; ``facts`` is told what there is to know, as far as it gets.

        Args:
            path: The file.
            view: 0 for the picture itself, ``LOOK`` for the fields of ``pixels.Seen`` alone.
            digest: What its content digest should be, or "": with it a square that is kept can be found.
            facts: Takes ``digest`` and the fields of ``pixels.Prepared``; only the first where the square was kept.

        Raises:
            OSError: The file cannot be read.
            ValueError: The content is no image, damaged or too large; the text is a plain reason.
        """
        if view == LOOK:
            with _opened(path) as file:
                facts |= pixels.see(file)._asdict()
            return None
        square = self._squares.read(digest) if self._squares is not None and digest else None
        if square is not None:
            facts["digest"] = digest
        else:
            data = read_file(path)
            facts["digest"] = hashlib.sha256(data).hexdigest()
            if self._augmentation is not None and self._squares is None and view:
                random = random_for(self._seed, facts["digest"], view)
                draw = view_drawer(self._augmentation, random, **self._shape)
                needed = needed_side(self._augmentation, **self._shape)
                square, *known = pixels.prepare(data, self._settings, draw, needed)
                facts |= zip(FACTS, known, strict=True)
                return square
            square, *known = pixels.prepare(data, self._settings)
            facts |= zip(FACTS, known, strict=True)
            if self._squares is not None:
                self._squares.write(facts["digest"], square)
        if self._augmentation is None or not view:
            return square
        random = random_for(self._seed, facts["digest"], view)
        return augment_square(square, self._augmentation, random, self._settings.filter)


def thumbnail(square: Pixels) -> Pixels:
    """The prepared square in 16 x 16 grey levels, for the search of near duplicates."""
    grey = Image.fromarray(square).convert("L")
    return np.array(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def read_file(path: bytes) -> bytes:
    """The content of a file, bounded in size."""
    with _opened(path) as file:
        return file.read(os.fstat(file.fileno()).st_size + 1)  # never without end, whatever kind of file it is


@contextmanager
def _opened(path: bytes) -> Iterator[BinaryIO]:
    with io.BufferedReader(io.FileIO(path)) as file:  # given bytes, any name there can be
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise ValueError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        yield file
