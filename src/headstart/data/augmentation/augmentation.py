"""Data: how far a view may be from its picture: the settings of an augmentation, checked, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

from headstart.data.augmentation.resampling import EDGES
from headstart.foundation.arguments import is_number
from headstart.foundation.errors import UsageError

__all__ = ["Augmentation", "Range"]

Range = float | tuple[float, float]

_BOUNDS = {
    "horizontal_flip": (0.0, 1.0),
    "vertical_flip": (0.0, 1.0),
    "rotation": (0.0, 180.0),
    "shift_width": (0.0, 1.0),
    "shift_height": (0.0, 1.0),
    "shear": (0.0, 60.0),
    "zoom": (0.1, 4.0),
    "crop": (0.0, 0.9),
    "brightness": (0.0, 4.0),
    "contrast": (0.0, 4.0),
    "saturation": (0.0, 4.0),
    "channel_shift": (0.0, 255.0),
    "erasing": (0.0, 0.9),
    "mixup": (0.0, 10.0),
    "cutmix": (0.0, 10.0),
    "strength": (0.0, 2.0),
}
_RANGES = ("zoom", "brightness", "contrast", "saturation")  # factors: 0.1 stands for 0.9 to 1.1


@dataclass(frozen=True)
class Augmentation:
    """How far a view may be from the picture. Everything is off until it is given a value.

    Attributes:
        horizontal_flip: Share of the views that are mirrored left to right; True stands for 0.5.
        vertical_flip: The same, top to bottom.
        rotation: Degrees, to either side.
        shift_width: Share of the square's width, to either side.
        shift_height: Share of its height, up or down.
        shear: Degrees, to either side.
        zoom: Side of the part that is seen, as a range of shares: below 1 is nearer. 0.1 stands for 0.9 to 1.1.
        zoom_each_axis: Width and height are zoomed apart from one another.
        crop: A part is cut out somewhere in the square and enlarged: the largest share of the side that is lost.
        brightness: Range of factors; 0.2 stands for 0.8 to 1.2.
        contrast: The same, about the mean grey of the view.
        saturation: The same, from grey (0) to lurid.
        channel_shift: Grey levels of 255 that all channels are raised or lowered by.
        erasing: The largest share of the area that noise covers, in half of the views (Zhong 2020).
        mixup: Alpha of the Beta distribution of two pictures' shares (Zhang 2018), batch by batch: see ``mix``.
        cutmix: The same for a rectangle out of another picture (Yun 2019).
        edges: What is seen beyond the picture: one of ``warp.EDGES``.
        edge_level: Grey level of ``constant`` edges.
        strength: A dial over all amounts: 0 is nothing, 1 is as given, 2 is twice as far.

    Raises:
        UsageError: A value is out of range (H010).

    Example:
        >>> Augmentation(rotation=10, zoom=0.1, strength=0.5).scaled.zoom
        (0.95, 1.05)
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    rotation: float = 0.0
    shift_width: float = 0.0
    shift_height: float = 0.0
    shear: float = 0.0
    zoom: Range = (1.0, 1.0)
    zoom_each_axis: bool = False
    crop: float = 0.0
    brightness: Range = (1.0, 1.0)
    contrast: Range = (1.0, 1.0)
    saturation: Range = (1.0, 1.0)
    channel_shift: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    edges: str = "reflect"
    edge_level: int = 0
    strength: float = 1.0

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            usual = _usual(name, value)
            numbers = usual if isinstance(usual, tuple) else (usual,)
            if usual is None or not all(low <= number <= high for number in numbers) or list(numbers) != sorted(numbers):
                pair = ", or a pair of such numbers, the least first" if name in _RANGES else ""
                raise _refused(f"{name} {value!r}", f"a number from {low:g} to {high:g}{pair}")
            object.__setattr__(self, name, usual)
        if self.edges not in EDGES:
            raise _refused(f"edges {self.edges!r}", f"one of {', '.join(EDGES)}")
        if not isinstance(self.edge_level, int) or not 0 <= self.edge_level <= 255:
            raise _refused(f"edge_level {self.edge_level!r}", "a whole number from 0 to 255")
        if not isinstance(self.zoom_each_axis, bool):
            raise _refused(f"zoom_each_axis {self.zoom_each_axis!r}", "True or False")

    @cached_property
    def scaled(self) -> Augmentation:
        """The same with the dial at 1: what is applied."""
        amounts: dict[str, Any] = {"strength": 1.0}
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if name in _RANGES:
                amounts[name] = tuple(min(max(low, 1 + (v - 1) * self.strength), high) for v in value)
            elif name != "strength":
                amounts[name] = min(value * self.strength, high)
        return replace(self, **amounts)

    @property
    def changes_images(self) -> bool:
        """Whether a view differs from the picture; mixing is another matter."""
        off = Augmentation()
        ignored = ("mixup", "cutmix", "strength", "zoom_each_axis", "edges", "edge_level")
        return any(getattr(self.scaled, f.name) != getattr(off, f.name) for f in fields(self) if f.name not in ignored)

    @property
    def mixes(self) -> bool:
        """Whether pictures of a batch are mixed with one another."""
        return self.scaled.mixup > 0 or self.scaled.cutmix > 0

    @property
    def least_share(self) -> float:
        """The smallest share of the square's side that a view enlarges to the whole."""
        least: float = self.scaled.zoom[0] * (1 - self.scaled.crop)  # type: ignore[index]
        return least

    def to_json(self) -> dict[str, Any]:
        """All settings by name, as JSON holds them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Augmentation:
        """The augmentation with these settings; those left out are off.

        Raises:
            UsageError: A setting is unknown (H012) or out of range (H010).
        """
        known = [f.name for f in fields(cls)]
        if unknown := [str(name) for name in settings if name not in known]:
            raise UsageError(
                "H012",
                "unknown setting of an augmentation",
                received=", ".join(unknown),
                expected=", ".join(known),
                advice="for example {'rotation': 10, 'horizontal_flip': true}",
            )
        return cls(**settings)


def _usual(name: str, value: object) -> Any:
    """A value in its usual form: a float, or a pair of floats for a range; None if it is no number."""
    if name in _RANGES and isinstance(value, list | tuple) and len(value) == 2:
        pair = tuple(_usual("", number) for number in value)
        return None if None in pair else pair
    if not is_number(value) and not (isinstance(value, bool) and "flip" in name):
        return None
    number = 0.5 if value is True else float(value)  # type: ignore[arg-type]
    return (1 - number, 1 + number) if name in _RANGES else number


def _refused(received: str, expected: str) -> UsageError:
    return UsageError(
        "H010",
        "the augmentation cannot be used",
        received=received,
        expected=expected,
        advice="take one by name, for example 'light'",
    )
