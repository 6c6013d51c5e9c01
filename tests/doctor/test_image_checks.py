"""Each check of pictures gives a finding where it should, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.images.rendering import Rendering
from headstart.doctor.findings import Finding
from headstart.doctor.image_checks import check_pictures

PLAIN = {"width": 9, "height": 9, "format": "PNG", "mode": "RGB", "animated": False, "profile": "", "blank": False}
DATASET = Dataset(
    name="pets",
    task="binary",
    task_reason="",
    classes=("cat", "dog"),
    paths=tuple(f"{i}.png" for i in range(40)),
    labels=np.arange(40) % 2,
    digests=tuple(map(str, range(40))),
    split=("train",) * 40,
)


def found(number: int, rendering: Rendering | None = None, **changes: Any) -> dict[str, Finding]:
    """Findings by their code; the first ``number`` pictures have the facts ``changes``."""
    facts = {i: PLAIN | (changes if i < number else {}) for i in range(40)}
    return {finding.code: finding for finding in check_pictures(DATASET, facts, rendering or Rendering())}


def test_plain_pictures_have_no_finding() -> None:
    """No check fires on plain pictures."""
    assert found(0) == {}


def test_blank_pictures_are_counted_and_named() -> None:
    """D114 names ten blank pictures and counts the rest."""
    assert found(1, blank=True)["D114"].title == "1 picture is blank"
    finding = found(12, blank=True)["D114"]
    assert (finding.title, finding.severity) == ("12 pictures are blank", "warning")
    assert "12 of 40 pictures" in finding.measured
    assert "0.png, 1.png, 2.png" in finding.measured
    assert finding.measured.endswith("9.png and 2 more")


def test_long_pictures_are_named_with_their_treatment() -> None:
    """D115 says whether all pictures are squeezed or the long ones are cropped."""
    assert "each is cropped to its centred square" in found(1, width=90)["D115"].measured
    assert "all pictures are squeezed into a square" in found(40, Rendering("squeeze"), height=90)["D115"].measured


def test_ranges_and_unusable_profiles_are_reported() -> None:
    """D116 states the range, D117 names the files."""
    assert found(0, Rendering("crop", (0, 4095)))["D116"].measured == "whole numbers from 0 (black) to 4095 (white)"
    assert "2 of 40 pictures: 0.png, 1.png" in found(2, profile="unusable")["D117"].measured
