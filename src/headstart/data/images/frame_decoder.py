"""``FrameDecoder``: decodes one image file to a rectangle or a random view of it, for ``ImageDataGenerator``."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from headstart.data.augmentation.transforms import Ranges, random_parameters, transform_image, view_random
from headstart.data.images import preprocess
from headstart.data.images.decoder import FACTS, read_file

__all__ = ["Frame", "FrameDecoder"]

_LABELS = (0.0, 255.0)  # 16-bit label maps keep their values up to 255

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Frame:
    """Which part of an image becomes a rectangle of pixels, and how it is resized.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.
        keep_aspect_ratio: Whether the largest centred part with the rectangle's aspect ratio is used. Defaults to False:
            the whole image is resized to the rectangle.
        filter: A key of ``preprocess.FILTERS``; with ``nearest``, neither images nor views contain new levels. Defaults to
            ``bicubic``.
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
        """All values by name, for JSON."""
        return asdict(self)

    def box(self, image: Image.Image) -> tuple[float, float]:
        """Width and height of the centred part of an image that is shown."""
        if not self.keep_aspect_ratio:
            return image.size
        scale = min(image.width / self.width, image.height / self.height)
        return scale * self.width, scale * self.height


class FrameDecoder:
    """Decodes image files to rectangles in a worker process of an ``ImageDataGenerator``.

    Args:
        frame: Size and resizing of the rectangle.
        ranges: Ranges of the transformations of views 1, 2, ...; view 0 is the image itself.
        seed: Seed of the views, which otherwise depend on the view's number only.
    """

    def __init__(self, frame: Frame, ranges: Ranges, seed: int) -> None:
        self._frame, self._ranges, self._seed = frame, ranges, seed
        self._filter = preprocess.FILTERS[frame.filter]

    def decode(self, path: bytes, view: int, digest: str, facts: dict[str, Any]) -> Pixels:
        """Decode a view of a file; arguments and errors are those of ``Decoder.decode``, but ``digest`` is unused."""
        del digest  # nothing is cached
        data = read_file(path)
        facts["digest"] = hashlib.sha256(data).hexdigest()
        side = max(self._frame.height, self._frame.width)
        are_labels = self._frame.filter == "nearest"  # a reduced decoding would smooth and create new labels
        needed = preprocess.MAX_PIXELS if are_labels else self._needed(side)

        def draw(image: Image.Image) -> Pixels:
            return self._view(image, view)

        settings = preprocess.Settings(side, 1.0, self._frame.filter, integer_range=_LABELS if are_labels else None)
        prepared = preprocess.prepare(data, settings, draw, needed)
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
