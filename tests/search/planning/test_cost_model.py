"""Reference costs of the steps of a run, and the choice of the next trial."""

from __future__ import annotations

import pytest

from headstart.features.part_a import PartA
from headstart.search.planning.cost_model import finish_cost, kind_of, part_a_cost, part_b_cost, pick, work_of
from headstart.search.planning.plan_file import Entry
from headstart.search.planning.plans import PLANS, TABLE_PLANS, make_trial
from headstart.training.trials.trial import Trial

ENTRIES = [entry for plans in (PLANS, TABLE_PLANS) for plan in plans.values() for entry in plan]


def trial_of(name: str, gain: float = 1.0) -> Trial:
    """A trial by its name."""
    return make_trial(Entry(name, gain), weights=None, seed=0)


def test_work_grows_with_backbones_and_image_area() -> None:
    """Work adds up over backbones and grows with the area of the image."""
    one, two = PartA("efficientnet_lite0"), PartA("efficientnet_lite0+efficientnet_lite1", side=240)
    assert work_of(PartA("efficientnet_lite0", side=448)) == pytest.approx(4 * work_of(one))
    assert work_of(two) > work_of(PartA("efficientnet_lite1")) + work_of(one)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name or entry.trial)
def test_costs_of_every_trial_are_fixed_and_proportional(entry: Entry) -> None:
    """The fixed part does not depend on the number of samples; the other grows with it."""
    trial = make_trial(entry, weights=None, seed=0)
    few, many = (part_b_cost(trial, number, 10, 2) for number in (100, 10_000))
    assert few.fixed == many.fixed > 0
    assert many.sized > few.sized > 0
    first, second = (part_a_cost(trial.part, number, 10) for number in (100, 200))
    assert second.fixed == first.fixed
    assert second.sized == pytest.approx(2 * first.sized)


@pytest.mark.parametrize("network", ["trees", "linear"])
def test_cost_on_a_table_grows_with_rows_columns_and_outputs(network: str) -> None:
    """Each column and each class has its share."""
    trial = trial_of(f"table-{network}")
    base = part_b_cost(trial, 1000, 10, 2).sized
    assert part_b_cost(trial, 1000, 30, 2).sized == pytest.approx(3 * base)
    assert part_b_cost(trial, 1000, 10, 6).sized == pytest.approx(3 * base)


def test_cost_of_an_inner_cut_exceeds_that_of_a_head() -> None:
    """Training blocks of the backbone takes longer than training a head."""
    linear, inner = trial_of("linear"), trial_of("efficientnet_lite0-stage6_block3-linear")
    assert part_b_cost(inner, 1000, 1, 2).seconds > part_b_cost(linear, 1000, 1, 2).seconds


def test_finish_cost_grows_with_backbones_and_rows() -> None:
    """Each backbone is converted; each row is written."""
    assert finish_cost("a+b", 100, is_table=False).fixed > finish_cost("a", 100, is_table=False).fixed
    assert finish_cost("table", 1000, is_table=True).sized == pytest.approx(
        10 * finish_cost("table", 100, is_table=True).sized
    )


def test_kinds_tell_trainings_of_different_speed_apart() -> None:
    """Another network, pooling, cut or number of backbones is another kind; another backbone of one size is not."""
    names = ("linear", "mlp", "avg-linear", "efficientnet_lite0-stage6_block3-linear", "table-linear", "table-trees")
    names += ("efficientnet_lite0+efficientnet_lite1-grid2-linear",)
    assert len({kind_of(trial_of(name)) for name in names}) == len(names)
    assert kind_of(trial_of("efficientnet_lite1-grid2-mlp")) == kind_of(trial_of("mlp"))


def test_pick_returns_the_highest_gain_per_second() -> None:
    """A small gain that is nearly free comes before a larger one that takes long; ties keep their order."""
    dear, cheap, same = trial_of("efficientnet_lite2-linear"), trial_of("linear", 0.3), trial_of("avg-linear", 0.3)
    assert pick([dear, cheap, same], [100.0, 5.0, 5.0]) is cheap
    assert pick([dear, cheap], [10.0, 5.0]) is dear
