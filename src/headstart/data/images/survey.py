"""Survey of some training images before any is decoded: their size, aspect ratio and value range."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.images.decode_pool import DecodePool
from headstart.data.images.decoder import LOOK
from headstart.data.images.geometry import Geometry
from headstart.data.images.preprocess import Seen
from headstart.data.images.rendering import Rendering, is_long, render
from headstart.data.splits import training_samples
from headstart.foundation.machine import usable_cores

__all__ = ["Survey", "survey"]

_NUM_PICTURES = 100
_UNKNOWN_SIDE = 64


class Survey(NamedTuple):
    """Properties of the training images, and the rendering chosen for them.

    Attributes:
        side: Median of the shorter sides, in pixels.
        rendering: How images are presented to a network.
        reasons: One line for each decision that differs from the default.
    """

    side: int
    rendering: Rendering
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Convert to the JSON object that run.json stores."""
        return {"side": self.side, **self.rendering._asdict(), "reasons": list(self.reasons)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Survey:
        """Restore a survey from the result of ``to_json``."""
        return cls(int(values["side"]), Rendering.from_json(values), tuple(values["reasons"]))


def survey(dataset: Dataset, *, validation: float, seed: int) -> Survey:
    """Read the size and value range of up to 100 training images, in worker processes, and decide the rendering.

    Args:
        dataset: Data set of images, whose split may be undecided.
        validation: Share of the samples for validation, if the split is made by Headstart.
        seed: Seed of that split.
    """
    seen = _look(dataset, training_samples(dataset, validation=validation, seed=seed))
    rendering = render(seen)
    side = int(statistics.median(min(picture.width, picture.height) for picture in seen)) if seen else _UNKNOWN_SIDE
    return Survey(side, rendering, tuple(_reasons(seen, rendering)))


def _look(dataset: Dataset, indices: Sequence[int] | np.ndarray[Any, Any]) -> list[Seen]:
    """Read some of the samples, evenly spaced. Unreadable files are left out here; the decoder reports them later."""
    if dataset.arrays is not None:
        height, width = dataset.arrays.shape[1:3]
        return [Seen(width, height)]
    places = np.unique(np.linspace(0, len(indices) - 1, min(len(indices), _NUM_PICTURES)).astype(int))
    paths = [str(dataset.file(indices[place])) for place in places]
    with DecodePool(Geometry(1), min(usable_cores(), len(paths))) as pool:
        found = [decoded for decoded in pool.decode(paths, views=[LOOK] * len(paths)) if not decoded.reason]
    return [Seen(one.width, one.height, one.kind, one.low, one.high) for one in found]


def _reasons(seen: Sequence[Seen], rendering: Rendering) -> list[str]:
    reasons = []
    if rendering.frame == "squeeze":
        num_long = sum(is_long(picture.width, picture.height) for picture in seen)
        reasons.append(
            f"images are squeezed into the square: {num_long} of {len(seen)} sampled training images are longer than 2:1"
        )
    ranges = {"integer": ("integer", rendering.integer_range), "float": ("float", rendering.float_range)}
    for kind, (name, given) in ranges.items():
        if given is not None:
            number = sum(picture.kind == kind for picture in seen)
            reasons.append(
                f"{name} images show {given[0]:g} as black and {given[1]:g} as white, the range used by {number} of "
                f"{len(seen)} sampled training images"
            )
    return reasons
