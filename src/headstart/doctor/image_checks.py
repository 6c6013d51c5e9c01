"""Checks of the pictures: blank pictures, long pictures, value ranges and colour profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.images.rendering import Rendering, is_long
from headstart.doctor.findings import Finding
from headstart.foundation.text import printable

__all__ = ["CHECKS", "check_pictures"]

Facts = Mapping[int, Mapping[str, Any]]

_MAX_SHOWN = 10  # file names in one finding


def check_pictures(dataset: Dataset, facts: Facts, rendering: Rendering) -> list[Finding]:
    """Run all checks of the pictures on a data set that has been split.

    Args:
        dataset: The data.
        facts: What the decoder reported for each picture, by position: width, height, profile, blank.
        rendering: How the pictures are shown to the network.
    """
    results = (check(dataset, facts, rendering) for check in CHECKS)
    return [finding for finding in results if finding is not None]


def _blank(dataset: Dataset, facts: Facts, _: Rendering) -> Finding | None:
    blank = [i for i, fact in sorted(facts.items()) if fact["blank"]]
    if not blank:
        return None
    return Finding(
        "D114",
        f"{len(blank)} {'picture is' if len(blank) == 1 else 'pictures are'} blank",
        "warning",
        f"{len(blank)} of {len(facts)} pictures have a single colour in the part that the network sees: "
        f"{_names(dataset, blank)}",
        "A picture of a single colour shows nothing of its class. It is used nevertheless, and teaches the model a mistake.",
        "Look at these files: delete them, or save them again from their source.",
    )


def _long(dataset: Dataset, facts: Facts, rendering: Rendering) -> Finding | None:
    long = [i for i, fact in sorted(facts.items()) if is_long(fact["width"], fact["height"])]
    if not long:
        return None
    is_squeezed = rendering.frame == "squeeze"
    shown = "all pictures are squeezed into a square" if is_squeezed else "each is cropped to its centred square"
    return Finding(
        "D115",
        f"{len(long)} {'picture is' if len(long) == 1 else 'pictures are'} longer than 2:1",
        "info",
        f"{len(long)} of {len(facts)} pictures: {_names(dataset, long)}; {shown}",
        "A network sees a square, and the centred square of such a picture shows less than half of it. If more than one in "
        "twenty training pictures is that long, all are squeezed; if fewer are, they are cropped like the others.",
        "If the important part of the pictures is in one place, crop them to it.",
    )


def _ranges(_: Dataset, __: Facts, rendering: Rendering) -> Finding | None:
    given = {"whole numbers": rendering.integer_range, "floats": rendering.float_range}
    shown = [f"{name} from {span[0]:g} (black) to {span[1]:g} (white)" for name, span in given.items() if span is not None]
    if not shown:
        return None
    return Finding(
        "D116",
        "pixel values were scaled by a range learned from training pictures",
        "info",
        "; ".join(shown),
        "Files with 16 or 32 bits per channel do not state which range of values they use. One range, measured on training "
        "pictures, is used for all pictures, so that their brightness stays comparable; values outside it are clipped.",
        "Nothing if the range is that of your instrument. Otherwise convert the pictures to 8 bits yourself.",
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
        "An embedded profile defines which colours the pixel values stand for. A broken profile, or one for another kind of "
        "picture, is ignored, and the picture is treated as sRGB.",
        "Nothing if the colours of these files look right; otherwise save the pictures again in sRGB.",
    )


def _names(dataset: Dataset, positions: Iterable[int]) -> str:
    names = [printable(dataset.paths[i]) for i in positions]
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(names[:_MAX_SHOWN]) + more


CHECKS: tuple[Callable[[Dataset, Facts, Rendering], Finding | None], ...] = (_blank, _long, _ranges, _profiles)
