"""How a picture becomes a square: its size, the share of it that is kept, the filter and the range of its values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from headstart.data.images import preprocess as pixels
from headstart.data.images.rendering import Range
from headstart.foundation.arguments import is_number, is_whole
from headstart.foundation.errors import DatasetError

__all__ = ["Geometry"]


@dataclass(frozen=True)
class Geometry:
    """How an image becomes a square of pixels; ``pixels.Settings`` says what each field does.

    Attributes:
        size: Side of the square, in pixels.
        crop: Share of the square's side that is shown, about the centre. Defaults to 0.95.
        filter: A key of ``pixels.FILTERS``. Defaults to ``bicubic``.
        frame: One of ``pixels.FRAMES``. Defaults to ``crop``.
        integer_range: Black and white of images of wide whole numbers; None for a range by each image.
        float_range: Black and white of images of floats; None for a range by each image.

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
        are_names = self.filter in [*pixels.FILTERS] and self.frame in [*pixels.FRAMES]
        ranges = (self.integer_range, self.float_range)
        if not is_whole(self.size, 1) or not is_share or not are_names or not all(map(_is_range, ranges)):
            raise DatasetError(
                "H120",
                "images cannot be prepared like this",
                received=f"size {self.size!r}, crop {self.crop!r}, filter {self.filter!r}, frame {self.frame!r}, "
                f"ranges {self.integer_range!r} and {self.float_range!r}",
                expected=f"a whole size of at least 1, crop above 0 and up to 1, filter one of {', '.join(pixels.FILTERS)}, "
                f"frame {' or '.join(pixels.FRAMES)}, ranges of two numbers, the lesser first",
                advice="use Geometry(224), or the geometry of the backbone's card",
            )
        object.__setattr__(self, "size", int(self.size))  # as plain numbers they can go into JSON
        object.__setattr__(self, "crop", float(self.crop))
        for name, given in zip(("integer_range", "float_range"), ranges, strict=True):
            object.__setattr__(self, name, given and (float(given[0]), float(given[1])))

    @classmethod
    def from_json(cls, signature: dict[str, Any]) -> Geometry:
        """The geometry that a model's signature states.

        Raises:
            DatasetError: A value is out of range (H120).
            KeyError: A value is missing.
        """
        return cls(**{name: signature[name] for name in pixels.Settings._fields})

    @property
    def settings(self) -> pixels.Settings:
        """The values as ``pixels.prepare`` takes them."""
        return pixels.Settings(**self.as_dict())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image's pixels: ``(size, size, 3)``."""
        return self.size, self.size, 3

    def as_dict(self) -> dict[str, Any]:
        """The values by name, as JSON and as arguments of ``pixels.load``."""
        return asdict(self)


def _is_range(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(map(is_number, value)):
        return False
    return bool(value[0] < value[1])
