"""``Rendering``: how the images of a data set are presented to a network, decided from its training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from headstart.data.images.preprocess import Seen, natural_range

__all__ = ["Range", "Rendering", "is_long", "render"]

Range = tuple[float, float]

_LONG = 2.0  # ratio of the sides above which the centred square shows less than half of an image
_MAX_LONG = 0.05  # share of long training images above which all images are squeezed
_MAX_APART = 0.01  # share of training images that may be beyond the common range, at either end


class Rendering(NamedTuple):
    """How images are presented to a network, apart from the backbone's own settings; see ``preprocess.Settings``.

    Attributes:
        frame: ``crop`` or ``squeeze``. Defaults to ``crop``.
        integer_range: Values shown as black and white in images with more than 8 bits. Defaults to None: training has none.
        float_range: Values shown as black and white in images of floats. Defaults to None: training has none.
    """

    frame: str = "crop"
    integer_range: Range | None = None
    float_range: Range | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Rendering:
        """Create the rendering stored in a model's signature or in a run's state."""
        ranges = (values[name] for name in ("integer_range", "float_range"))
        return cls(values["frame"], *(None if given is None else (float(given[0]), float(given[1])) for given in ranges))


def is_long(width: int, height: int) -> bool:
    """Whether an image is longer than 2:1, in either direction."""
    return max(width, height) > _LONG * min(width, height)


def render(seen: Sequence[Seen]) -> Rendering:
    """Decide how images are presented to a network.

    If more than 5% of the training images are longer than 2:1, all images are squeezed into the square, because the centre
    of a long image shows too little. Images with more than 8 bits, and images of floats, get one value range for all of
    them, so that a dark image stays darker than a bright one.

    Args:
        seen: Properties of the training images.
    """
    num_long = sum(is_long(picture.width, picture.height) for picture in seen)
    frame = "squeeze" if num_long > _MAX_LONG * len(seen) else "crop"
    return Rendering(frame, _common_range("integer", seen), _common_range("float", seen))


def _common_range(kind: str, seen: Sequence[Seen]) -> Range | None:
    of_kind = [picture for picture in seen if picture.kind == kind]
    if not of_kind:
        return None
    apart = int(_MAX_APART * len(of_kind))
    low, high = sorted(picture.low for picture in of_kind)[apart], sorted(picture.high for picture in of_kind)[-1 - apart]
    black, white = natural_range(kind, low, high)
    return (black, white) if black < white else None
