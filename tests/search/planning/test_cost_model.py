"""The time of a trial is predicted from its work, then from measurements, and decides which trial is next."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.features.part_a import PartA
from headstart.foundation.cache.cache_folder import private_folder
from headstart.search.planning.cost_model import Speeds, pick, work_of
from headstart.search.planning.plan_file import Entry
from headstart.search.planning.plans import make_trial


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache: nothing has run on this machine yet."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    return tmp_path


def test_work_grows_with_backbones_and_image_area() -> None:
    """Work adds up over backbones and grows with the area of the image."""
    one, two = PartA("efficientnet_lite0"), PartA("efficientnet_lite0+efficientnet_lite1", side=240)
    assert work_of(PartA("efficientnet_lite0", side=448)) == pytest.approx(4 * work_of(one))
    assert work_of(two) > work_of(PartA("efficientnet_lite1")) + work_of(one)


def test_measured_part_a_is_predicted_from_its_own_seconds(cache: Path) -> None:
    """A measured Part A is predicted from its seconds, another one from its work, also in the next process."""
    part, heavier = PartA("efficientnet_lite0"), PartA("efficientnet_lite2")
    before = Speeds().part_a_seconds(heavier, 1000)
    Speeds().note_part_a(part, 0.02)
    after = Speeds()
    assert after.part_a_seconds(part, 1000) - after.part_a_seconds(part, 0) == pytest.approx(20)
    assert after.part_a_seconds(heavier, 1000) > 1.5 * before


@pytest.mark.parametrize("seconds", [1e-6, 60.0])
def test_pace_is_bounded(cache: Path, seconds: float) -> None:
    """A GPU does not make reports faster, and a huge network does not make imports slower, without limit."""
    Speeds().note_part_a(PartA("efficientnet_lite0"), seconds)
    assert 0.2 < Speeds().pace < 5


def test_pace_applies_to_trainings_that_never_ran(cache: Path) -> None:
    """Once Part A has been measured, other trainings are predicted to be slower or faster by the same factor."""
    part = PartA("efficientnet_lite0")
    inner = make_trial(Entry("efficientnet_lite1-stage6_block5-260px-2views-linear"), weights=None, seed=0)
    usual, image = Speeds(), Speeds().part_a_seconds(part, 1) - Speeds().part_a_seconds(part, 0)
    assert usual.pace == 1.0
    Speeds().note_part_a(part, 0.4 * image)
    assert Speeds().pace == pytest.approx(0.4)
    for seconds in (Speeds.part_a_seconds, Speeds.part_b_seconds):
        given = inner.part if seconds is Speeds.part_a_seconds else inner
        assert seconds(Speeds(), given, 500) == pytest.approx(0.4 * seconds(usual, given, 500))  # type: ignore[arg-type]


def test_part_b_is_predicted_by_kind(cache: Path) -> None:
    """Heads of one kind take the same time per row; an inner cut takes longer than a head."""
    linear, inner = (
        make_trial(Entry(name), weights=None, seed=0) for name in ("linear", "efficientnet_lite0-stage6_block3-linear")
    )
    assert Speeds().part_b_seconds(inner, 1000) > Speeds().part_b_seconds(linear, 1000)
    Speeds().note_part_b(linear, 50.0, 100)
    assert Speeds().part_b_seconds(linear, 200) == pytest.approx(100)


@pytest.mark.parametrize("note", ["", "{", "[]", '{"part_a": 3, "part_b": {}}', '{"part_a": {"x": ["a"]}, "part_b": {}}'])
def test_speeds_ignore_a_damaged_note(cache: Path, note: str) -> None:
    """A damaged note is treated like a missing one."""
    without = Speeds().part_a_seconds(PartA("efficientnet_lite0"), 100)
    (private_folder("notes") / "speeds.json").write_text(note)
    assert Speeds().part_a_seconds(PartA("efficientnet_lite0"), 100) == without


def test_pick_returns_the_highest_gain_per_second() -> None:
    """A small gain that is nearly free comes before a larger one that takes long; ties keep their order."""
    dear, cheap, same = (
        make_trial(Entry(name, gain), weights=None, seed=0)
        for name, gain in (("efficientnet_lite2-linear", 1.0), ("linear", 0.3), ("avg-linear", 0.3))
    )
    assert pick([dear, cheap, same], [100.0, 5.0, 5.0]) is cheap
    assert pick([dear, cheap], [10.0, 5.0]) is dear
