"""Artefacts: findings about pictures: blank ones, long ones, wide values, colour profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.images.rendering import Rendering, is_long
from headstart.doctor.findings import Finding
from headstart.foundation.text import printable

__all__ = ["CHECKS", "check_pictures"]

Facts = Mapping[int, Mapping[str, Any]]

_NAMES = 10  # in one finding


def check_pictures(dataset: Dataset, facts: Facts, rendering: Rendering) -> list[Finding]:
    """Every finding about the pictures of a data set whose split is decided.

    Args:
        dataset: The data.
        facts: What the decoder saw, by position: width, height, profile, blank.
        rendering: How the pictures were shown to the network.
    """
    found = (check(dataset, facts, rendering) for check in CHECKS)
    return [finding for finding in found if finding is not None]


def _blank(dataset: Dataset, facts: Facts, _: Rendering) -> Finding | None:
    blank = [i for i, fact in sorted(facts.items()) if fact["blank"]]
    if not blank:
        return None
    return Finding(
        "D114",
        f"{len(blank)} {'picture is' if len(blank) == 1 else 'pictures are'} blank",
        "warning",
        f"{len(blank)} of {len(facts)} pictures are of a single colour where the network looks: {_names(dataset, blank)}",
        "A picture of one colour shows nothing of its class. It is used all the same, and teaches the model a mistake.",
        "Look at these files: delete them, or save them again from their source.",
    )


def _long(dataset: Dataset, facts: Facts, rendering: Rendering) -> Finding | None:
    long = [i for i, fact in sorted(facts.items()) if is_long(fact["width"], fact["height"])]
    if not long:
        return None
    is_squeezed = rendering.frame == "squeeze"
    shown = "all pictures are squeezed whole into a square" if is_squeezed else "each is judged by its centred square"
    return Finding(
        "D115",
        f"{len(long)} {'picture is' if len(long) == 1 else 'pictures are'} longer than 2:1",
        "info",
        f"{len(long)} of {len(facts)} pictures: {_names(dataset, long)}; {shown}",
        "A network sees a square, and the centred square of such a picture shows less than half of it. Where more than one "
        "in twenty training pictures is that long, all are squeezed; where they are few, they are cropped like the others.",
        "Crop the pictures to the part that matters, if it lies at one place.",
    )


def _ranges(_: Dataset, __: Facts, rendering: Rendering) -> Finding | None:
    given = {"whole numbers": rendering.integer_range, "floats": rendering.float_range}
    shown = [f"{name} from {span[0]:g} (black) to {span[1]:g} (white)" for name, span in given.items() if span is not None]
    if not shown:
        return None
    return Finding(
        "D116",
        "the values of the pictures need a range",
        "info",
        "; ".join(shown),
        "Files of 16 or 32 bits do not say which of their values are used. The range is taken from training pictures and "
        "is one for all, so that brightness can be compared; values beyond it are clipped.",
        "Nothing, if the range is that of your instrument. Else scale the pictures to 8 bits yourself.",
    )


def _profiles(dataset: Dataset, facts: Facts, _: Rendering) -> Finding | None:
    unusable = [i for i, fact in sorted(facts.items()) if fact["profile"] == "unusable"]
    if not unusable:
        return None
    return Finding(
        "D117",
        f"{len(unusable)} {'colour profile is' if len(unusable) == 1 else 'colour profiles are'} unusable",
        "info",
        f"{len(unusable)} of {len(facts)} pictures: {_names(dataset, unusable)}",
        "An embedded profile says which colours the numbers stand for. A broken one, or one for another kind of picture, is "
        "ignored, and the colours are taken for sRGB.",
        "Nothing, if the colours look right in the report; else save the pictures again in sRGB.",
    )


def _names(dataset: Dataset, positions: Iterable[int]) -> str:
    names = [printable(dataset.paths[i]) for i in positions]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


CHECKS: tuple[Callable[[Dataset, Facts, Rendering], Finding | None], ...] = (_blank, _long, _ranges, _profiles)
