"""Data: a look at some training pictures before any is decoded: how large, how long and how deep they are."""

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
    """What training pictures are like, and what follows from it.

    Attributes:
        side: Median of the shorter sides, in pixels.
        rendering: How pictures are shown to a network.
        reasons: A line for each decision that is not the usual one.
    """

    side: int
    rendering: Rendering
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain values, as run.json holds them."""
        return {"side": self.side, **self.rendering._asdict(), "reasons": list(self.reasons)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Survey:
        """What ``to_json`` gave."""
        return cls(int(values["side"]), Rendering.from_json(values), tuple(values["reasons"]))


def survey(dataset: Dataset, *, validation: float, seed: int) -> Survey:
    """Look at up to 100 training pictures, in bounded worker processes, and decide how pictures are shown.

    Args:
        dataset: Images, whose split may not be decided yet.
        validation: Share of the samples that a split made here takes for validation.
        seed: Decides that split.
    """
    seen = _look(dataset, training_samples(dataset, validation=validation, seed=seed))
    rendering = render(seen)
    side = int(statistics.median(min(picture.width, picture.height) for picture in seen)) if seen else _UNKNOWN_SIDE
    return Survey(side, rendering, tuple(_reasons(seen, rendering)))


def _look(dataset: Dataset, indices: Sequence[int] | np.ndarray[Any, Any]) -> list[Seen]:
    """Some of the samples, spread evenly. A file that cannot be looked at is left to the decoder, which reports it."""
    if dataset.arrays is not None:
        height, width = dataset.arrays.shape[1:3]
        return [Seen(width, height)]
    places = np.unique(np.linspace(0, len(indices) - 1, min(len(indices), _NUM_PICTURES)).astype(int))
    paths = [dataset.paths[indices[place]] for place in places]
    with DecodePool(Geometry(1), min(usable_cores(), len(paths))) as pool:
        found = [decoded for decoded in pool.decode(paths, views=[LOOK] * len(paths)) if not decoded.reason]
    return [Seen(one.width, one.height, one.kind, one.low, one.high) for one in found]


def _reasons(seen: Sequence[Seen], rendering: Rendering) -> list[str]:
    reasons = []
    if rendering.frame == "squeeze":
        num_long = sum(is_long(picture.width, picture.height) for picture in seen)
        reasons.append(
            f"pictures are squeezed whole into the square: {num_long} of the {len(seen)} training pictures looked at are "
            "longer than 2:1"
        )
    ranges = {"integer": ("whole numbers", rendering.integer_range), "float": ("floats", rendering.float_range)}
    for kind, (name, given) in ranges.items():
        if given is not None:
            number = sum(picture.kind == kind for picture in seen)
            reasons.append(
                f"pictures of {name} show {given[0]:g} as black and {given[1]:g} as white: the range that {number} of the "
                f"{len(seen)} training pictures looked at use"
            )
    return reasons
