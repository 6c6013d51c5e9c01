"""Measured speeds: fixed and proportional seconds apart, by machine and backend, and stored in the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.foundation.cache.cache_folder import private_folder
from headstart.search.planning import speeds
from headstart.search.planning.cost_model import Cost
from headstart.search.planning.speeds import Speeds


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache: nothing has run on this machine yet."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    return tmp_path


def test_speeds_predict_the_reference_until_something_was_measured() -> None:
    """The pace is 1, and a cost is its own prediction."""
    assert Speeds().pace == pytest.approx(1.0)
    assert Speeds().predict("trees", Cost(3.0, 4.0)) == pytest.approx(Cost(3.0, 4.0))


def test_speeds_of_a_tiny_fit_say_nothing_about_a_large_one() -> None:
    """A start-up that took ten times as long changes the fixed seconds only; the seconds of the rows stay at the pace."""
    Speeds().note("head", Cost(4.0, 0.1), 40.0)
    predicted = Speeds().predict("head", Cost(4.0, 100.0))
    assert predicted.fixed == pytest.approx(40.0, rel=0.1)
    assert predicted.sized < 200.0


def test_speeds_of_a_large_fit_are_those_of_its_rows() -> None:
    """What exceeds the fixed seconds is in proportion to the size; the next process knows it."""
    Speeds().note("head", Cost(1.0, 20.0), 41.0)
    assert Speeds().predict("head", Cost(1.0, 200.0)).sized == pytest.approx(400.0, rel=0.1)


def test_speeds_of_equal_parts_share_what_was_measured() -> None:
    """Twice the seconds of two equal parts make both slower, and neither of them extreme."""
    Speeds().note("head", Cost(2.0, 2.0), 8.0)
    assert Speeds().predict("head", Cost(1.0, 1.0)) == pytest.approx(Cost(2**0.5, 2**0.5))


def test_speeds_are_smoothed() -> None:
    """After measurements of once and four times the reference, twice the reference is predicted."""
    for seconds in (10.0, 40.0):
        Speeds().note("head", Cost(10.0, 0.0), seconds)
    assert Speeds().predict("head", Cost(10.0, 0.0)).fixed == pytest.approx(20.0)


@pytest.mark.parametrize("seconds", [1e-6, 1e6])
def test_speeds_are_bounded(seconds: float) -> None:
    """One measurement changes a prediction by a factor of ten at most."""
    Speeds().note("head", Cost(10.0, 0.0), seconds)
    assert 1.0 <= Speeds().predict("head", Cost(10.0, 0.0)).fixed <= 100.0


def test_speeds_ignore_work_that_is_too_short_to_measure(cache: Path) -> None:
    """A tenth of a second says nothing, and nothing is stored."""
    Speeds().note("baseline", Cost(0.1, 0.0), 0.4)
    assert not (cache / "notes" / "speeds.json").exists()


def test_pace_follows_what_was_measured() -> None:
    """Kinds that never ran are predicted to be slower if the others were, but not for a single outlier."""
    Speeds().note("a", Cost(10.0, 0.0), 100.0)
    assert Speeds().pace < 2.0
    for kind in "bcdef":
        Speeds().note(kind, Cost(10.0, 0.0), 40.0)
    assert 2.0 < Speeds().predict("g", Cost(1.0, 0.0)).fixed < 5.0


def test_kinds_of_a_family_run_alike() -> None:
    """A Part A that never ran is predicted by those that did, rather than by trees; part by part."""
    Speeds().note("part_a lite0", Cost(0.0, 10.0), 5.0)
    for kind in "abcdef":
        Speeds().note(f"part_b {kind}", Cost(10.0, 10.0), 40.0)
    predicted = Speeds().predict("part_a lite1", Cost(10.0, 10.0))
    assert predicted.sized == pytest.approx(10.0 * 0.5**0.5)
    assert predicted.fixed > 10.0  # no Part A has told its fixed seconds, so that the pace counts


def test_speeds_are_those_of_the_machine_and_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another backend or another machine with the same home measured is not used, and is kept."""
    Speeds().note("head", Cost(10.0, 0.0), 40.0)
    with monkeypatch.context() as patch:
        patch.setattr(speeds, "backend_name", lambda: "another")
        assert Speeds().predict("head", Cost(10.0, 0.0)).fixed == pytest.approx(10.0)
        Speeds().note("head", Cost(10.0, 0.0), 20.0)
    monkeypatch.setattr(speeds, "machine", lambda: {"processor": "another"})
    assert Speeds().pace == pytest.approx(1.0)
    monkeypatch.undo()


def test_speeds_of_another_backend_are_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note of one backend does not remove that of the other."""
    Speeds().note("head", Cost(10.0, 0.0), 40.0)
    with monkeypatch.context() as patch:
        patch.setattr(speeds, "backend_name", lambda: "another")
        Speeds().note("head", Cost(10.0, 0.0), 20.0)
    assert Speeds().predict("head", Cost(10.0, 0.0)).fixed == pytest.approx(40.0)


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "3", '{"PLACE": 3}', '{"PLACE": {"head": [1]}}', '{"PLACE": {"head": ["x", -1]}}']
)
def test_speeds_ignore_a_damaged_note(note: str) -> None:
    """A damaged note is treated like a missing one."""
    place = Speeds()._place
    (private_folder("notes") / "speeds.json").write_text(note.replace("PLACE", place))
    assert Speeds().predict("head", Cost(10.0, 1.0)) == pytest.approx(Cost(10.0, 1.0))
