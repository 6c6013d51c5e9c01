"""``AUGMENTATIONS``: presets by name.

View 0 is always the unchanged image. Any other view depends on ``(seed, digest, view)`` only, not on the order of the files,
the number of processes or earlier random draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.data.augmentation.augmentation import Augmentation
from headstart.foundation.errors import UsageError

__all__ = ["AUGMENTATIONS", "find_augmentation"]

AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": Augmentation(horizontal_flip=True),
    "light": Augmentation(horizontal_flip=True, crop=0.15, rotation=5, brightness=0.1, contrast=0.1),
    "strong": Augmentation(
        horizontal_flip=True, crop=0.4, rotation=15, shear=8, brightness=0.3, contrast=0.3, saturation=0.3, erasing=0.2
    ),
    # The usual settings in notebooks that use Keras's ImageDataGenerator, with its edges and its zoom.
    "notebook": Augmentation(
        horizontal_flip=True,
        rotation=10,
        shift_width=0.1,
        shift_height=0.1,
        zoom=0.1,
        zoom_each_axis=True,
        edges="nearest",
    ),
}


def find_augmentation(wanted: str | Augmentation | Mapping[str, Any] | None) -> Augmentation | None:
    """Resolve an augmentation given as a preset's name, as settings by name or as an ``Augmentation``; None stays None.

    Raises:
        UsageError: The name is unknown (H011), or a setting is unknown (H012) or out of range (H010).
    """
    if wanted is None or isinstance(wanted, Augmentation):
        return wanted
    if isinstance(wanted, Mapping):
        return Augmentation.from_json(wanted)
    if not isinstance(wanted, str) or wanted not in AUGMENTATIONS:
        raise UsageError(
            "H011",
            "unknown augmentation",
            received=str(wanted),
            expected=f"one of {', '.join(AUGMENTATIONS)}, or settings by name",
            advice="for example 'light', or {'rotation': 10, 'horizontal_flip': true}",
        )
    return AUGMENTATIONS[wanted]
