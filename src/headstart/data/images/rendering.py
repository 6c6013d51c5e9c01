"""Data: how the pictures of a data set are shown to a network, decided by what its training pictures are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from headstart.data.images.preprocess import Seen, natural_range

__all__ = ["Range", "Rendering", "is_long", "render"]

Range = tuple[float, float]

_LONG = 2.0  # times the shorter side: the centred square then shows less than half of a picture
_MAX_LONG = 0.05  # share of long training pictures above which all pictures are squeezed
_MAX_APART = 0.01  # share of training pictures that may lie beyond the common range on either side


class Rendering(NamedTuple):
    """How pictures are shown to a network, beyond what its backbone asks for; see ``pixels.Settings``.

    Attributes:
        frame: ``crop`` or ``squeeze``.
        integer_range: Black and white of pictures of wide whole numbers; None where training holds none.
        float_range: Black and white of pictures of floats; None where training holds none.
    """

    frame: str = "crop"
    integer_range: Range | None = None
    float_range: Range | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Rendering:
        """The rendering among the values of a signature, or of a run's state."""
        ranges = (values[name] for name in ("integer_range", "float_range"))
        return cls(values["frame"], *(None if given is None else (float(given[0]), float(given[1])) for given in ranges))


def is_long(width: int, height: int) -> bool:
    """Whether a picture is longer than 2:1, either way."""
    return max(width, height) > _LONG * min(width, height)


def render(seen: Sequence[Seen]) -> Rendering:
    """Decide how pictures are shown.

    Where more than one in twenty training pictures is longer than 2:1, all are squeezed into the square, since the centre
    of a long picture says too little. Wide whole numbers and floats get one range for all pictures, that which their
    values use, so that a dark picture stays dark beside a bright one.

    Args:
        seen: Training pictures.
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
