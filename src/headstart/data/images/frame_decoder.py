"""Data: one image file to a rectangle of pixels, and its views by number alone: what ``ImageDataGenerator`` asks for."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from headstart.data.augmentation.transforms import Ranges, random_parameters, transform_image, view_random
from headstart.data.images import preprocess as pixels
from headstart.data.images.decoder import FACTS, read_file

__all__ = ["Frame", "FrameDecoder"]

_LABELS = (0.0, 255.0)  # 16-bit label maps keep their values, as far as these fit into pixels

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Frame:
    """Which part of an image becomes a rectangle of pixels, and how it is resized.

    Attributes:
        height: In pixels.
        width: In pixels.
        keep_aspect_ratio: Take the largest centred part that has the rectangle's shape. Otherwise the whole image is
            squeezed into it.
        filter: A key of ``pixels.FILTERS``; ``nearest`` makes no new levels, in views neither.
    """

    height: int
    width: int
    keep_aspect_ratio: bool = False
    filter: str = "bicubic"

    kind: ClassVar[str] = "frame"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image's pixels: ``(height, width, 3)``."""
        return self.height, self.width, 3

    def as_dict(self) -> dict[str, Any]:
        """All values by name, as JSON."""
        return asdict(self)

    def box(self, image: Image.Image) -> tuple[float, float]:
        """Width and height of the centred part of an image that is shown."""
        if not self.keep_aspect_ratio:
            return image.size
        scale = min(image.width / self.width, image.height / self.height)
        return scale * self.width, scale * self.height


class FrameDecoder:
    """What a worker does for each file of an ``ImageDataGenerator``.

    Args:
        frame: What an image becomes.
        ranges: How far views 1, 2, ... may be from the picture; view 0 is the picture itself.
        seed: Decides, with a view's number and nothing else, what the view shows.
    """

    def __init__(self, frame: Frame, ranges: Ranges, seed: int) -> None:
        self._frame, self._ranges, self._seed = frame, ranges, seed
        self._filter = pixels.FILTERS[frame.filter]

    def decode(self, path: bytes, view: int, digest: str, facts: dict[str, Any]) -> Pixels:
        """The pixels of a file's view; see ``Decoder.decode`` for the arguments and errors. ``digest`` is not used."""
        del digest  # no square of any content is kept
        data = read_file(path)
        facts["digest"] = hashlib.sha256(data).hexdigest()
        side = max(self._frame.height, self._frame.width)
        are_labels = self._frame.filter == "nearest"  # to smooth by a reduction would make new ones
        needed = pixels.MAX_PIXELS if are_labels else self._needed(side)

        def draw(image: Image.Image) -> Pixels:
            return self._view(image, view)

        settings = pixels.Settings(side, 1.0, self._frame.filter, integer_range=_LABELS if are_labels else None)
        prepared = pixels.prepare(data, settings, draw, needed)
        facts |= zip(FACTS, prepared[1:], strict=True)
        return prepared.pixels

    def _needed(self, side: int) -> int:
        return math.ceil(side / min(1.0, max(0.05, self._ranges.zoom[0])))

    def _view(self, image: Image.Image, view: int) -> Pixels:
        frame = self._frame
        random = view_random(self._seed, view)
        parameters = random_parameters(self._ranges, frame.shape, random) if view else {}
        size = (frame.width, frame.height)
        return transform_image(image, frame.box(image), size, self._ranges, parameters, self._filter)
