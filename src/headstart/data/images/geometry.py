"""``Geometry``: how an image becomes a square of pixels (size, crop, filter, frame and value range)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from headstart.data.images import preprocess
from headstart.data.images.rendering import Range
from headstart.foundation.arguments import is_number, is_whole
from headstart.foundation.errors import DatasetError

__all__ = ["Geometry"]


@dataclass(frozen=True)
class Geometry:
    """How an image becomes a square of pixels; ``preprocess.Settings`` documents the fields in detail.

    Attributes:
        size: Side of the square, in pixels.
        crop: Share of the side that is kept, around the centre. Defaults to 0.95.
        filter: A key of ``preprocess.FILTERS``. Defaults to ``bicubic``.
        frame: One of ``preprocess.FRAMES``. Defaults to ``crop``.
        integer_range: Values shown as black and white in images with more than 8 bits. Defaults to None: each image has its
            own range.
        float_range: Values shown as black and white in images of floats. Defaults to None: each image has its own range.

    Raises:
        DatasetError: A value is out of range (H120).
    """

    size: int
    crop: float = 0.95
    filter: str = "bicubic"
    frame: str = "crop"
    integer_range: Range | None = None
    float_range: Range | None = None

    kind: ClassVar[str] = "geometry"

    def __post_init__(self) -> None:
        is_share = is_number(self.crop) and 0.0 < self.crop <= 1.0
        are_names = self.filter in [*preprocess.FILTERS] and self.frame in [*preprocess.FRAMES]
        ranges = (self.integer_range, self.float_range)
        if not is_whole(self.size, 1) or not is_share or not are_names or not all(map(_is_range, ranges)):
            raise DatasetError(
                "H120",
                "invalid image geometry",
                received=f"size {self.size!r}, crop {self.crop!r}, filter {self.filter!r}, frame {self.frame!r}, "
                f"ranges {self.integer_range!r} and {self.float_range!r}",
                expected=f"a whole size of at least 1, crop above 0 and up to 1, filter {', '.join(preprocess.FILTERS)}, "
                f"frame {' or '.join(preprocess.FRAMES)}, ranges of two numbers, the smaller first",
                advice="use Geometry(224), or the geometry of the backbone's card",
            )
        object.__setattr__(self, "size", int(self.size))  # plain numbers can be written as JSON
        object.__setattr__(self, "crop", float(self.crop))
        for name, given in zip(("integer_range", "float_range"), ranges, strict=True):
            object.__setattr__(self, name, given and (float(given[0]), float(given[1])))

    @classmethod
    def from_json(cls, signature: dict[str, Any]) -> Geometry:
        """Create the geometry stored in a model's signature.

        Raises:
            DatasetError: A value is out of range (H120).
            KeyError: A value is missing.
        """
        return cls(**{name: signature[name] for name in preprocess.Settings._fields})

    @property
    def settings(self) -> preprocess.Settings:
        """Values as ``preprocess.prepare`` takes them."""
        return preprocess.Settings(**self.as_dict())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image's pixels: ``(size, size, 3)``."""
        return self.size, self.size, 3

    def as_dict(self) -> dict[str, Any]:
        """Values by name, for JSON and as arguments of ``preprocess.load``."""
        return asdict(self)


def _is_range(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(map(is_number, value)):
        return False
    return bool(value[0] < value[1])
