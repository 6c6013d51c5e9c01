"""``Decoder``: decodes one image file to a square of pixels or a random view of it."""

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
from headstart.data.images import preprocess
from headstart.data.images.image_cache import Squares

__all__ = ["FACTS", "LOOK", "MAX_FILE_BYTES", "THUMBNAIL", "Decoder", "read_file", "thumbnail"]

MAX_FILE_BYTES = 512 << 20
THUMBNAIL = 16  # side in pixels
LOOK = (1 << 32) - 1  # the view without pixels: only the size and value range of the file are read

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

FACTS = preprocess.Prepared._fields[1:]
_SHAPE = ("size", "crop", "filter")


class Decoder:
    """Decodes image files to squares in a worker process.

    Args:
        geometry: Fields of ``preprocess.Settings``.
        augmentation: Settings of views 1, 2, …. Defaults to None: every view is the image itself.
        seed: Seed of the views, which also depend on the file's content and the view's number. Defaults to 0.
        squares: Cache of unchanged squares; views are then made from squares, cached or not. Defaults to None: no cache.
    """

    def __init__(
        self,
        geometry: dict[str, Any],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        squares: Squares | None = None,
    ) -> None:
        self._settings = preprocess.Settings(**geometry)
        self._shape = {name: geometry[name] for name in _SHAPE}
        self._augmentation = augmentation if augmentation is not None and augmentation.changes_images else None
        self._seed = seed
        self._squares = squares

    def decode(self, path: bytes, view: int, digest: str, facts: dict[str, Any]) -> Pixels | None:
        """Decode a file to pixels; None for the view ``LOOK``.

        Args:
            path: Path of the file.
            view: 0 for the image itself, ``LOOK`` for the fields of ``preprocess.Seen`` only.
            digest: Expected digest of the content, by which a cached square is found, or "".
            facts: Receives ``digest`` and the fields of ``preprocess.Prepared``, as far as they were found before an error;
                only ``digest`` if the square was cached.

        Raises:
            OSError: The file cannot be read.
            ValueError: The content is not an image, damaged or too large; the text gives the reason.
        """
        if view == LOOK:
            with _opened(path) as file:
                facts |= preprocess.see(file)._asdict()
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
                square, *known = preprocess.prepare(data, self._settings, draw, needed)
                facts |= zip(FACTS, known, strict=True)
                return square
            square, *known = preprocess.prepare(data, self._settings)
            facts |= zip(FACTS, known, strict=True)
            if self._squares is not None:
                self._squares.write(facts["digest"], square)
        if self._augmentation is None or not view:
            return square
        random = random_for(self._seed, facts["digest"], view)
        return augment_square(square, self._augmentation, random, self._settings.filter)


def thumbnail(square: Pixels) -> Pixels:
    """Reduce a square to 16 x 16 grey levels, for the detection of near duplicates."""
    grey = Image.fromarray(square).convert("L")
    return np.array(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def read_file(path: bytes) -> bytes:
    """Read a file of at most ``MAX_FILE_BYTES``.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is too large.
    """
    with _opened(path) as file:
        return file.read(os.fstat(file.fileno()).st_size + 1)  # a special file may never end


@contextmanager
def _opened(path: bytes) -> Iterator[BinaryIO]:
    with io.BufferedReader(io.FileIO(path)) as file:  # bytes can hold any file name
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise ValueError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        yield file
