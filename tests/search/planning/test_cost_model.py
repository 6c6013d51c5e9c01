"""What a trial will cost: judged from its work, then from what was measured; and the order that follows."""

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


def test_more_backbones_and_larger_images_are_more_work() -> None:
    """Work adds up over backbones and grows with the area of the image."""
    one, two = PartA("efficientnet_lite0"), PartA("efficientnet_lite0+efficientnet_lite1", side=240)
    assert work_of(PartA("efficientnet_lite0", side=448)) == pytest.approx(4 * work_of(one))
    assert work_of(two) > work_of(PartA("efficientnet_lite1")) + work_of(one)


def test_what_was_measured_is_believed(cache: Path) -> None:
    """A part that ran is predicted from its own seconds, another from its work, also by the next process."""
    part, heavier = PartA("efficientnet_lite0"), PartA("efficientnet_lite2")
    before = Speeds().part_a_seconds(heavier, 1000)
    Speeds().note_part_a(part, 0.02)
    after = Speeds()
    assert after.part_a_seconds(part, 1000) - after.part_a_seconds(part, 0) == pytest.approx(20)
    assert after.part_a_seconds(heavier, 1000) > 1.5 * before


@pytest.mark.parametrize("seconds", [1e-6, 60.0])
def test_an_engine_is_not_the_whole_machine(cache: Path, seconds: float) -> None:
    """A GPU does not make reports quicker, nor a giant of a network imports slower, beyond all measure."""
    Speeds().note_part_a(PartA("efficientnet_lite0"), seconds)
    assert 0.2 < Speeds().pace < 5


def test_a_slow_machine_is_slow_at_everything(cache: Path) -> None:
    """Once Part A has run, trainings that never did are expected to be as much slower or faster as it was."""
    part = PartA("efficientnet_lite0")
    inner = make_trial(Entry("efficientnet_lite1-stage6_block5-260px-2views-linear"), weights=None, seed=0)
    usual, image = Speeds(), Speeds().part_a_seconds(part, 1) - Speeds().part_a_seconds(part, 0)
    assert usual.pace == 1.0
    Speeds().note_part_a(part, 0.4 * image)
    assert Speeds().pace == pytest.approx(0.4)
    for seconds in (Speeds.part_a_seconds, Speeds.part_b_seconds):
        given = inner.part if seconds is Speeds.part_a_seconds else inner
        assert seconds(Speeds(), given, 500) == pytest.approx(0.4 * seconds(usual, given, 500))  # type: ignore[arg-type]


def test_training_is_predicted_by_kind(cache: Path) -> None:
    """What one linear head took a row, another is expected to take; an inner cut is dearer than a head."""
    linear, inner = (
        make_trial(Entry(name), weights=None, seed=0) for name in ("linear", "efficientnet_lite0-stage6_block3-linear")
    )
    assert Speeds().part_b_seconds(inner, 1000) > Speeds().part_b_seconds(linear, 1000)
    Speeds().note_part_b(linear, 50.0, 100)
    assert Speeds().part_b_seconds(linear, 200) == pytest.approx(100)


@pytest.mark.parametrize("note", ["", "{", "[]", '{"part_a": 3, "part_b": {}}', '{"part_a": {"x": ["a"]}, "part_b": {}}'])
def test_a_note_that_cannot_be_read_is_as_good_as_none(cache: Path, note: str) -> None:
    """A damaged note costs no run."""
    without = Speeds().part_a_seconds(PartA("efficientnet_lite0"), 100)
    (private_folder("notes") / "speeds.json").write_text(note)
    assert Speeds().part_a_seconds(PartA("efficientnet_lite0"), 100) == without


def test_the_most_gain_a_second_is_next() -> None:
    """A smaller gain that costs next to nothing comes before a larger one that takes long; equals keep their order."""
    dear, cheap, same = (
        make_trial(Entry(name, gain), weights=None, seed=0)
        for name, gain in (("efficientnet_lite2-linear", 1.0), ("linear", 0.3), ("avg-linear", 0.3))
    )
    assert pick([dear, cheap, same], [100.0, 5.0, 5.0]) is cheap
    assert pick([dear, cheap], [10.0, 5.0]) is dear
