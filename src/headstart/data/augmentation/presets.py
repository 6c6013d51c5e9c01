"""Data: augmentation. The table of named ones, and all that there is to do with one, from a picture to a batch.

View 0 is always the picture as it is. What any other shows follows from ``(seed, digest, view)`` and from nothing else: not
from the order of the files, the number of processes, or what was drawn before.
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
    # What most notebooks on Keras's retired generator ask for, with its edges and its zoom.
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
    """The augmentation by name, by its settings, or itself; None stays None.

    Raises:
        UsageError: There is none of that name (H011), or its settings are wrong (H010, H012).
    """
    if wanted is None or isinstance(wanted, Augmentation):
        return wanted
    if isinstance(wanted, Mapping):
        return Augmentation.from_json(wanted)
    if not isinstance(wanted, str) or wanted not in AUGMENTATIONS:
        raise UsageError(
            "H011",
            "no such augmentation",
            received=str(wanted),
            expected=f"one of {', '.join(AUGMENTATIONS)}, or settings by name",
            advice="for example 'light', or {'rotation': 10, 'horizontal_flip': true}",
        )
    return AUGMENTATIONS[wanted]
