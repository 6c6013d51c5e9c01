"""Budgets are parsed, kept, and rejected with a budget that suffices. The clock is a number set by the test."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.foundation.errors import TrainingError, UsageError
from headstart.search.planning import budget
from headstart.search.planning.budget import Budget, parse_seconds
from headstart.search.planning.cost_model import IMPORT_SECONDS, Cost
from headstart.search.planning.speeds import Speeds


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache: no run has ended on this machine yet."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def clock(cache: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that shows 1000 until the test sets ``now``."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(budget, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture(autouse=True)
def _imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras has been imported, so that no time is reserved for it."""
    monkeypatch.setattr(budget, "is_keras_imported", lambda: True)


def budget_of(seconds: float | None, *, num_samples: int = 100, is_table: bool = False) -> Budget:
    """A budget of a process that began at 1000, with the speeds stored in the cache."""
    return Budget(seconds, started=1000.0, speeds=Speeds(), num_samples=num_samples, is_table=is_table)


# Reading


@given(st.integers(1, 10**6), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("", 1), (" S", 1), ("H ", 3600)]))
def test_parse_seconds_reads_units(number: int, unit: tuple[str, int]) -> None:
    """Seconds, minutes and hours are read, seconds by default; case and spaces do not matter."""
    assert parse_seconds(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize(("text", "seconds"), [("1.5m", 90.0), ("0.5h", 1800.0), ("2.25", 2.25)])
def test_parse_seconds_reads_decimals(text: str, seconds: float) -> None:
    """Decimal fractions of a unit are read."""
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "0", "0s", "0.0h", "-5m", "+5", "5x", "m", "1m30s", "1e3", "inf", "nan", ".5m", "5,5", "five\n"]
)
def test_parse_seconds_rejects_anything_else(text: str) -> None:
    """H003 shows the text and how a duration is written."""
    with pytest.raises(UsageError) as caught:
        parse_seconds(text)
    assert caught.value.code == "H003"
    assert caught.value.received == text


# Keeping


def test_budget_none_has_no_deadline(clock: SimpleNamespace) -> None:
    """Without a budget there is no deadline, and nothing is rejected."""
    free = budget_of(None)
    assert free.training_deadline == free.extraction_deadline == free.left() == math.inf
    assert free.has_time_for(Cost(1e9, 1e9))
    free.require(1e9)


def test_budget_counts_from_the_start_of_the_process(clock: SimpleNamespace) -> None:
    """Imports before the budget was created are included."""
    clock.now = 1012.0
    assert budget_of(100.0).elapsed() == 12.0


def test_budget_reserves_time_to_finish(clock: SimpleNamespace) -> None:
    """Time to finish the run, and before it to train a head, is reserved; a trial fits with a margin."""
    kept = budget_of(100.0)
    assert 1000.0 < kept.extraction_deadline < kept.training_deadline < 1100.0
    clock.now = kept.training_deadline - 20.0
    assert kept.has_time_for(Cost(15.0, 0.0))
    assert not kept.has_time_for(Cost(19.0, 0.0))


def test_budget_has_time_for_half_of_a_training(clock: SimpleNamespace) -> None:
    """A training that the deadline ends keeps its best weights; what comes before it has to fit as a whole."""
    kept = budget_of(100.0)
    clock.now = kept.training_deadline - 20.0
    assert kept.has_time_for(Cost(0.0, 30.0))
    assert kept.has_time_for(Cost(5.0, 20.0))
    assert not kept.has_time_for(Cost(0.0, 38.0))
    assert not kept.has_time_for(Cost(10.0, 20.0))


def test_budget_reserves_more_for_several_backbones(clock: SimpleNamespace) -> None:
    """Each backbone is built, converted and checked."""
    kept = budget_of(100.0)
    spare = [kept.spare(part) for part in ("a-grid2", "a+b-grid2", "a+b+c-grid2")]
    assert spare[0] - 5 > spare[1]
    assert spare[1] - 5 > spare[2] > 0


def test_budget_reserves_less_for_a_small_table_and_more_for_a_large_one(clock: SimpleNamespace) -> None:
    """A table has no network to convert, but each row is written and digested."""
    small, large = (budget_of(100.0, num_samples=number, is_table=True).reserved for number in (100, 300_000))
    assert small < budget_of(100.0).reserved
    assert small < large


def test_budget_reserves_time_to_import_keras(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit that has just started still has to import Keras, which the trials do not wait for."""
    imported = budget_of(100.0).reserved
    monkeypatch.setattr(budget, "is_keras_imported", lambda: False)
    assert budget_of(100.0).reserved == imported + IMPORT_SECONDS


@pytest.mark.parametrize(("pace", "fits"), [(1.0, True), (3.0, False)])
def test_budget_reserves_more_on_a_slow_machine(clock: SimpleNamespace, pace: float, fits: bool) -> None:
    """Finishing a run is predicted to be slower if other work was measured to be."""
    for kind in "abcdef":
        Speeds().note(kind, Cost(10.0, 0.0), pace * 10.0)
    assert budget_of(100.0).has_time_for(Cost(70.0, 0.0)) is fits


def test_longer_budget_has_a_later_deadline(clock: SimpleNamespace) -> None:
    """The reserved time does not depend on the budget."""
    short, long = budget_of(100.0), budget_of(500.0)
    assert long.training_deadline - short.training_deadline == 400.0


def test_budget_left_decreases_with_the_clock(clock: SimpleNamespace) -> None:
    """The time left decreases with the clock, also below zero."""
    kept = budget_of(100.0)
    clock.now = 1030.0
    assert kept.left() == 70.0
    clock.now = 1130.0
    assert kept.left() == -30.0


# What an end costs here


def test_budget_remembers_the_time_to_finish(clock: SimpleNamespace) -> None:
    """The next run reserves somewhat more than finishing the last one took, without its test split."""
    first = budget_of(1000.0)
    clock.now = 1500.0
    first.begin_finish()
    clock.now = 1545.0
    first.end_finish("lite", 5.0)
    later, other = budget_of(1000.0), budget_of(1000.0)
    later.expect("lite")
    assert 40.0 < later.reserved <= 60.0
    other.expect("another")
    assert other.reserved < later.reserved


def test_budget_does_not_remember_a_finish_that_imports_keras(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose trials did not need Keras imports it at the end, so that its seconds say nothing about another."""
    before = budget_of(1000.0).reserved
    monkeypatch.setattr(budget, "is_keras_imported", lambda: False)
    first = budget_of(1000.0)
    first.begin_finish()
    clock.now += 200.0
    monkeypatch.setattr(budget, "is_keras_imported", lambda: True)
    first.end_finish("", 0.0)
    assert budget_of(1000.0).reserved == before


def test_budget_always_reserves_some_time_to_finish(clock: SimpleNamespace) -> None:
    """However fast the last run finished, some seconds are reserved."""
    fast = budget_of(100.0)
    fast.begin_finish()
    fast.end_finish("lite", 0.0)
    kept = budget_of(100.0)
    kept.expect("lite")
    assert kept.reserved >= 3.0


# Refusing


def test_budget_accepts_enough_time(clock: SimpleNamespace) -> None:
    """100 s suffice for 50 s of Part A, a head and the end of the run."""
    budget_of(100.0).require(50.0)


def test_budget_rejects_too_little_time_at_once(clock: SimpleNamespace) -> None:
    """H303 is raised before any work is done, and shows the given budget."""
    with pytest.raises(TrainingError) as caught:
        budget_of(55.0).require(50.0)
    assert caught.value.code == "H303"
    assert "55s" in caught.value.received


@pytest.mark.parametrize("part_a_seconds", [0.0, 20.0, 333.3, 5000.0])
@pytest.mark.parametrize("elapsed", [0.5, 20.0])
def test_advised_budget_suffices(clock: SimpleNamespace, part_a_seconds: float, elapsed: float) -> None:
    """The advised budget is accepted for the same work on the same machine, even if it is a little slower."""
    clock.now = 1000.0 + elapsed
    with pytest.raises(TrainingError) as caught:
        budget_of(1.0).require(part_a_seconds)
    advised = parse_seconds(caught.value.advice.removeprefix("--budget ").split(",")[0])
    assert f"{advised:g} s" in caught.value.expected
    clock.now += 1.0
    budget_of(advised).require(part_a_seconds)
