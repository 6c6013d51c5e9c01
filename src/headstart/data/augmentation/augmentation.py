"""``Augmentation``: the settings of random views of an image, their validation and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

from headstart.data.augmentation.resampling import EDGES
from headstart.foundation.arguments import is_number
from headstart.foundation.errors import UsageError
from headstart.foundation.text import with_suggestion

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
_RANGES = ("zoom", "brightness", "contrast", "saturation")  # factors: 0.1 means 0.9 to 1.1


@dataclass(frozen=True)
class Augmentation:
    """Settings of random image augmentation. Everything is off by default.

    Pass one to ``ImageGenerator`` or to a recipe when the presets of ``AUGMENTATIONS`` do not fit your images.

    Attributes:
        horizontal_flip: Share of views that are mirrored left to right; True means 0.5. Defaults to 0.
        vertical_flip: Share of views that are mirrored top to bottom; True means 0.5. Defaults to 0.
        rotation: Largest rotation in degrees, in either direction. Defaults to 0.
        shift_width: Largest horizontal shift, as a share of the width, in either direction. Defaults to 0.
        shift_height: Largest vertical shift, as a share of the height, in either direction. Defaults to 0.
        shear: Largest shear in degrees, in either direction. Defaults to 0.
        zoom: Range of the visible part's side relative to the image; below 1 zooms in. 0.1 means 0.9 to 1.1. Defaults to 1.
        zoom_each_axis: Whether width and height are zoomed independently. Defaults to False.
        crop: Largest share of the side that is lost when a random part is cut out and enlarged. Defaults to 0.
        brightness: Range of brightness factors; 0.2 means 0.8 to 1.2. Defaults to 1.
        contrast: Range of contrast factors around the view's mean grey; 0.2 means 0.8 to 1.2. Defaults to 1.
        saturation: Range of saturation factors, where 0 is grey; 0.2 means 0.8 to 1.2. Defaults to 1.
        channel_shift: Largest number of grey levels (of 255) added to or subtracted from all channels. Defaults to 0.
        erasing: Largest share of the area covered by noise, in half of the views (Zhong 2020). Defaults to 0.
        mixup: Alpha of the Beta distribution from which ``mix`` draws blending shares of two images of a batch (Zhang 2018).
            Defaults to 0: off.
        cutmix: Alpha of the Beta distribution from which ``mix`` draws the area of a rectangle that is replaced by a part of
            another image of the batch (Yun 2019). Defaults to 0: off.
        edges: How the area beyond the image is filled: one of ``resampling.EDGES``. Defaults to ``reflect``.
        edge_level: Grey level of ``constant`` edges, 0 to 255. Defaults to 0.
        strength: Factor of all amounts: 0 turns everything off, 2 doubles them. Defaults to 1.

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
                pair = ", or a pair of such numbers, the smaller first" if name in _RANGES else ""
                raise _invalid(f"{name} {value!r}", f"a number from {low:g} to {high:g}{pair}")
            object.__setattr__(self, name, usual)
        if self.edges not in EDGES:
            raise _invalid(f"edges {self.edges!r}", f"one of {', '.join(EDGES)}")
        if not isinstance(self.edge_level, int) or not 0 <= self.edge_level <= 255:
            raise _invalid(f"edge_level {self.edge_level!r}", "a whole number from 0 to 255")
        if not isinstance(self.zoom_each_axis, bool):
            raise _invalid(f"zoom_each_axis {self.zoom_each_axis!r}", "True or False")

    @cached_property
    def scaled(self) -> Augmentation:
        """Equivalent augmentation with a strength of 1: the amounts that are applied."""
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
        """Whether views can differ from the image; mixup and cutmix are not considered."""
        off = Augmentation()
        ignored = ("mixup", "cutmix", "strength", "zoom_each_axis", "edges", "edge_level")
        return any(getattr(self.scaled, f.name) != getattr(off, f.name) for f in fields(self) if f.name not in ignored)

    @property
    def mixes(self) -> bool:
        """Whether mixup or cutmix combines images of a batch."""
        return self.scaled.mixup > 0 or self.scaled.cutmix > 0

    @property
    def least_share(self) -> float:
        """Smallest share of the side that a view can show enlarged; it decides how large an image must be decoded."""
        least: float = self.scaled.zoom[0] * (1 - self.scaled.crop)  # type: ignore[index]
        return least

    def to_json(self) -> dict[str, Any]:
        """All settings by name, as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Augmentation:
        """Create an augmentation from settings by name; settings that are left out keep their defaults.

        Raises:
            UsageError: A setting is unknown (H012) or out of range (H010).
        """
        known = [f.name for f in fields(cls)]
        if unknown := [str(name) for name in settings if name not in known]:
            raise UsageError(
                "H012",
                "unknown augmentation setting",
                received=with_suggestion(unknown, known),
                expected=", ".join(known),
                advice="for example {'rotation': 10, 'horizontal_flip': true}",
            )
        return cls(**settings)


def _usual(name: str, value: object) -> Any:
    """Normalise a value to a float, or to a pair of floats for a range; None if it is not a number."""
    if name in _RANGES and isinstance(value, list | tuple) and len(value) == 2:
        pair = tuple(_usual("", number) for number in value)
        return None if None in pair else pair
    if not is_number(value) and not (isinstance(value, bool) and "flip" in name):
        return None
    number = 0.5 if value is True else float(value)  # type: ignore[arg-type]
    return (1 - number, 1 + number) if name in _RANGES else number


def _invalid(received: str, expected: str) -> UsageError:
    return UsageError(
        "H010",
        "invalid augmentation setting",
        received=received,
        expected=expected,
        advice="correct the value, or use a preset, for example 'light'",
    )
