"""Plans and names of trials: every name is parsed, or rejected with an error of three lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.augmentation.presets import AUGMENTATIONS
from headstart.features.backbones.backbones import BACKBONES
from headstart.features.part_a import POOLINGS
from headstart.foundation.errors import BackboneError, HeadstartError, TrainingError, UsageError
from headstart.search.planning.plan_file import Entry
from headstart.search.planning.plans import PLANS, TABLE_PLANS, VALUE_PLANS, make_trial, make_trials
from headstart.training.networks.networks import NETWORKS
from headstart.training.recipe import Recipe
from headstart.training.schedules import SCHEDULES, slow_down
from headstart.training.trials.setting_checks import OPTIMIZERS
from headstart.training.trials.trial import parse_trial
from headstart.training.trials.unused_settings import unused, with_used

HEADS = [name for name, network in NETWORKS.items() if not network.takes_images]


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("network", HEADS)
def test_every_full_name_is_parsed_back(backbone: str, pooling: str, network: str) -> None:
    """For all backbones, poolings and networks, parsing the name of a trial gives that trial."""
    trial = parse_trial(f"{backbone}-{pooling}-{network}")
    assert (trial.part.backbone, trial.part.pooling, trial.recipe.network) == (backbone, pooling, network)
    assert trial.name == f"{backbone}-{pooling}-{network}"


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("linear", "efficientnet_lite0-grid2-linear"),
        ("avg-mlp", "efficientnet_lite0-avg-mlp"),
        ("avg_max-linear", "efficientnet_lite0-avg_max-linear"),
        ("MobileNetV2-linear", "MobileNetV2-grid2-linear"),
        ("mobilenetv2-avg-linear", "MobileNetV2-avg-linear"),
        ("EFFICIENTNET_LITE2-mlp", "efficientnet_lite2-grid2-mlp"),
        ("stage6_block3-linear", "efficientnet_lite0-stage6_block3-grid2-linear"),
        ("MobileNetV2-block_12_add-avg-4views-mlp", "MobileNetV2-block_12_add-avg-4views-mlp"),
        ("4views-240px-linear", "efficientnet_lite0-grid2-240px-4views-linear"),
        ("efficientnet_lite0+EfficientNet_Lite1-linear", "efficientnet_lite0+efficientnet_lite1-grid2-linear"),
        ("efficientnet_lite0-pixels-linear", "efficientnet_lite0-pixels-grid2-linear"),
        ("cnn", "pixels-cnn"),
        ("48px-cnn", "pixels-48px-cnn"),
    ],
)
def test_missing_parts_of_a_name_have_defaults(short: str, full: str) -> None:
    """Lite0 and ``grid2`` are the defaults; the case of a backbone does not matter."""
    assert parse_trial(short).name == full


@pytest.mark.parametrize(
    "name",
    ["", "-", "forest", "grid2", "avg-grid2", "efficientnet_lite0", "linear-", "avg-grid2-linear", "2views-3views-mlp"],
)
def test_unknown_trial_raises_h002(name: str) -> None:
    """H002 shows the name and how a trial is named."""
    with pytest.raises(UsageError) as caught:
        parse_trial(name)
    assert caught.value.code == "H002"
    assert caught.value.received == name
    assert all(network in caught.value.expected for network in NETWORKS)


@pytest.mark.parametrize(
    "name", ["resnet-linear", "efficientnet_lite9-grid2-mlp", "grid3-linear", "a+b-linear", "a-b-linear"]
)
def test_unknown_backbone_raises_h201(name: str) -> None:
    """An unknown backbone raises H201."""
    with pytest.raises(BackboneError) as caught:
        parse_trial(name)
    assert caught.value.code == "H201"


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_lite0-cnn",
        "pixels-linear",
        "pixels-2views-cnn",
        "efficientnet_lite0-pixels-2views-linear",
        "efficientnet_lite0+efficientnet_lite1-stage6_block3-linear",
        "4px-linear",
        "0views-linear",
    ],
)
def test_parts_that_do_not_fit_raise_h008(name: str) -> None:
    """H008 names the parts, before anything is computed."""
    with pytest.raises(UsageError) as caught:
        parse_trial(name)
    assert caught.value.code == "H008"
    assert name in caught.value.received


def test_unknown_stage_raises_h206() -> None:
    """H206 lists the stages of the backbone."""
    with pytest.raises(BackboneError) as caught:
        parse_trial("efficientnet_lite0-stage9_block1-linear")
    assert caught.value.code == "H206"
    assert "stage6_block3" in caught.value.expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("table-liner", "table-linear"),
        ("table-tree", "table-trees"),
        ("efficientnet_lite0-avg-mpl", "efficientnet_lite0-avg-mlp"),
        ("efficientnet_lite0-grid3-linear", "grid2"),
        ("efficientnet_lite0-stage6_blok3-linear", "stage6_block3"),
        ("tabel-linear", "table"),
        ("pixel-cnn", "pixels"),
    ],
)
def test_misspelled_trial_raises_an_error_with_the_name_that_was_meant(name: str, meant: str) -> None:
    """Whichever part is misspelled: network, pooling, stage, or what stands for a backbone."""
    with pytest.raises(HeadstartError) as caught:
        parse_trial(name)
    assert f"did you mean {meant}?" in caught.value.received


@given(
    st.lists(st.sampled_from([*BACKBONES, *POOLINGS, *NETWORKS, "x", "", "pixels", "64px", "3views"]), max_size=4).map(
        "-".join
    )
    | st.text()
)
def test_any_name_is_parsed_or_rejected(name: str) -> None:
    """No name gives a traceback, and the full name of a parsed trial gives the same trial."""
    try:
        trial = parse_trial(name)
    except HeadstartError as error:
        assert error.code in ("H002", "H008", "H201", "H206")  # noqa: PT017  the alternative is a trial, checked below
        return
    assert parse_trial(trial.name) == trial


def test_weights_and_seed_reach_the_trial() -> None:
    """Weights and seed are passed to the parts that use them."""
    trial = parse_trial("MobileNetV2-linear", weights=Path("mine.weights.h5"), seed=7)
    assert trial.part.weights == Path("mine.weights.h5")
    assert trial.recipe.seed == 7


KINDS: dict[str, tuple[dict[str, tuple[Entry, ...]], dict[str, bool]]] = {
    "images": (PLANS, {}),
    "values": (VALUE_PLANS, {"is_of_values": True}),
    "table": (TABLE_PLANS, {"is_table": True}),
}


@pytest.mark.parametrize(("kind", "plan"), [(kind, plan) for kind, (plans, _) in KINDS.items() for plan in plans])
def test_plans_name_each_trial_once(kind: str, plan: str) -> None:
    """Each entry has the full name of an existing trial, none occurs twice, and the order is that of the plan."""
    plans, options = KINDS[kind]
    trials = make_trials(plan, (), weights=None, seed=0, **options)
    assert [trial.name for trial in trials] == [entry.name or entry.trial for entry in plans[plan]]
    assert len({trial.name for trial in trials}) == len(trials) > 0
    assert all(trial.part.is_table == (kind == "table") for trial in trials)


@pytest.mark.parametrize("plan", TABLE_PLANS)
def test_table_plans_begin_with_a_linear_model_and_baselines(plan: str) -> None:
    """A linear model comes first, so that any budget gives a model; then the baselines and a network."""
    trials = make_trials(plan, (), weights=None, seed=0, is_table=True)
    assert [trial.is_baseline for trial in trials] == [False, True, True] + [False] * (len(trials) - 3)
    assert trials[0].is_solved
    assert {"table-baseline", "table-trees", "table-linear", "table-dnn"} <= {trial.name for trial in trials}


@pytest.mark.parametrize("kind", KINDS)
def test_plan_for_other_data_raises_h001(kind: str) -> None:
    """H001 lists the plans that apply to these data, all of which have the name of a plan for images."""
    plans, options = KINDS[kind]
    assert set(plans) <= set(PLANS)
    for plan in set(PLANS) - set(plans):
        with pytest.raises(UsageError) as caught:
            make_trials(plan, (), weights=None, seed=0, **options)
        assert caught.value.code == "H001"
        assert plan in caught.value.received
        assert all(known in caught.value.expected for known in plans)


def test_named_trials_replace_those_of_the_plan() -> None:
    """Named trials run in the given order."""
    trials = make_trials("quick", ("mlp", "avg-linear"), weights=None, seed=3)
    assert [trial.name for trial in trials] == ["efficientnet_lite0-grid2-mlp", "efficientnet_lite0-avg-linear"]
    assert {trial.recipe.seed for trial in trials} == {3}


@pytest.mark.parametrize("again", ["linear", "grid2-linear", "Efficientnet_Lite0-grid2-linear"])
def test_trial_runs_once_however_it_is_spelled(again: str) -> None:
    """Two spellings of one trial would write to the same folder."""
    trials = make_trials("quick", ("linear", again), weights=None, seed=0)
    assert [trial.name for trial in trials] == ["efficientnet_lite0-grid2-linear"]


@pytest.mark.parametrize("plan", ["fastest", "", "missing.toml", "quick.TOML", "."])
def test_unknown_plan_raises_h001(plan: str) -> None:
    """H001 lists the plans, also if trials are named; a plan file must exist."""
    for names in ((), ("linear",)):
        with pytest.raises(UsageError) as caught:
            make_trials(plan, names, weights=None, seed=0)
        assert (caught.value.code, caught.value.received) == ("H001", plan)
        assert all(known in caught.value.expected for known in (*PLANS, "TOML"))


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"network": "forest"}, "H023"), ({"options": {"depth": 3}}, "H028"), ({"augmentation": "sunny"}, "H011")],
)
def test_unknown_settings_are_rejected(settings: dict[str, object], code: str) -> None:
    """An unknown network, option or augmentation is rejected when the trial is made, not when it is trained."""
    with pytest.raises(UsageError) as caught:
        make_trial(Entry("mlp", settings=settings), weights=None, seed=0)
    assert caught.value.code == code


def _refusal(trial: str, **settings: object) -> HeadstartError | None:
    """Return the error that a trial with these settings raises, if any."""
    try:
        make_trial(Entry(trial, settings=settings), weights=None, seed=0)
    except HeadstartError as error:
        return error
    return None


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_patience_needs_a_schedule_with_early_stopping(schedule: str) -> None:
    """H035 is raised exactly for schedules whose callbacks do not stop a training."""
    stops = [callback for callback in SCHEDULES[schedule](Recipe("mlp"), 0.1, 4) if hasattr(callback, "patience")]
    error = _refusal("mlp", schedule=schedule, patience=5)
    assert (error is None) == bool(stops)
    assert error is None or (error.code, error.received.split()[0]) == ("H035", "patience")


@pytest.mark.parametrize(
    ("trial", "settings", "unused"),
    [
        ("mlp", {"patience": 3}, ""),
        ("stage6_block3-mlp", {"patience": 3}, "patience"),
        ("pixels-cnn", {"patience": 3}, "patience"),
        ("pixels-cnn", {"patience": 3, "schedule": "plateau"}, ""),
        ("mlp", {"tail_rate": 0.5}, "tail_rate"),
        ("pixels-cnn", {"tail_rate": 0.5}, "tail_rate"),
        ("head-mlp", {"tail_rate": 0.5}, "tail_rate"),
        ("stage6_block3-mlp", {"tail_rate": 0.5}, ""),
        ("efficientnet_lite0-pixels-linear", {"tail_rate": 0.5}, ""),
        ("linear", {"tail_rate": 0.5, "patience": 3}, "tail_rate, patience"),
        ("linear", {"tail_rate": 0.5, "optimizer": "sgd"}, "tail_rate"),
    ],
)
def test_unused_setting_raises_h035(trial: str, settings: dict[str, object], unused: str) -> None:
    """H035 depends on the default schedule and on whether layers of a backbone are trained."""
    error = _refusal(trial, **settings)
    assert (error.code if error else "") == ("H035" if unused else "")
    assert error is None or error.received.startswith(f"{unused} ")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_inner_cut_rejects_optimizers_whose_rate_cannot_be_divided(optimizer: str) -> None:
    """H041 is raised before anything is computed for exactly the optimizers that the trainer cannot slow down."""
    import keras

    try:
        slow_down(keras.optimizers.get(optimizer), [], 0.1)
        expected = ""
    except TrainingError:
        expected = "H041"
    for spelt in (optimizer, optimizer.title()):
        for trial in ("stage6_block3-mlp", "efficientnet_lite0-pixels-linear"):
            error = _refusal(trial, optimizer=spelt)
            assert (error.code if error else "") == expected
    assert _refusal("mlp", optimizer=optimizer) is None
    assert _refusal("pixels-cnn", optimizer=optimizer) is None


@pytest.mark.parametrize("name", ["pixels-64px-cnn", "pixels-cnn", "cnn", "64px-cnn"])
def test_trial_of_a_plan_may_be_named_as_in_the_leaderboard(name: str) -> None:
    """With or without the image size in its name, the trial is that of the plan, with its settings."""
    (planned,) = make_trials("scratch", (), weights=None, seed=0, side=64)
    assert (planned.name, planned.recipe.optimizer, planned.recipe.schedule) == ("pixels-64px-cnn", "adamw", "one_cycle")
    assert make_trials("scratch", (name,), weights=None, seed=0, side=64) == [planned]
    assert make_trials("scratch", (name, "cnn"), weights=None, seed=0, side=64) == [planned]
    (other,) = make_trials("scratch", ("pixels-48px-cnn",), weights=None, seed=0, side=64)
    assert (other.name, other.recipe.optimizer) == ("pixels-48px-cnn", None)


@pytest.mark.parametrize(("side", "name"), [(0, "pixels-cnn"), (9, "pixels-20px-cnn"), (500, "pixels-64px-cnn")])
def test_images_decide_the_size_of_a_network_from_scratch(side: int, name: str) -> None:
    """The size is bounded, and taken from the images only if the trial leaves it open and a typical side is known."""
    trials = make_trials("scratch", ("cnn", "48px-cnn", "linear"), weights=None, seed=0, side=side)
    assert [trial.name for trial in trials] == [name, "pixels-48px-cnn", "efficientnet_lite0-grid2-linear"]


def test_two_trials_of_one_name_in_a_built_in_plan_raise_h034(monkeypatch: pytest.MonkeyPatch) -> None:
    """H034 is raised for built-in plans, too, so that no trial is dropped silently."""
    monkeypatch.setitem(PLANS, "twice", (Entry("mlp"), Entry("mlp", settings={"epochs": 3})))
    with pytest.raises(UsageError) as caught:
        make_trials("twice", (), weights=None, seed=0)
    assert (caught.value.code, caught.value.received.split(",")[0]) == ("H034", "twice")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"views": 4}, AUGMENTATIONS["light"]),
        ({"views": 4, "augmentation": None}, AUGMENTATIONS["light"]),
        ({"views": 4, "augmentation": "strong"}, AUGMENTATIONS["strong"]),
        ({}, None),
    ],
)
def test_several_views_use_light_augmentation_by_default(settings: dict[str, object], expected: object) -> None:
    """``light`` is the default for several views, also in the saved recipe."""
    recipe = make_trial(Entry("mlp", settings=settings), weights=None, seed=0).recipe
    assert recipe.views_augmentation == expected
    assert recipe.to_json()["augmentation"] == (None if expected is None else expected.to_json())


def test_views_in_a_name_are_augmented() -> None:
    """Views in the name of a trial are augmented like those of a setting."""
    assert parse_trial("4views-mlp").recipe.views_augmentation == AUGMENTATIONS["light"]


@pytest.mark.parametrize("name", ["linear", "mlp", "pixels-cnn", "table-trees", "table-mlp", "stage6_block3-linear"])
def test_settings_for_all_trials_are_applied_where_they_have_an_effect(name: str) -> None:
    """Each setting is either in the recipe or named with a reason, and the trial is valid as in a plan file."""
    settings = {"epochs": 3, "learning_rate": 0.01, "batch_size": 32}
    trial = parse_trial(name)
    idle, made = unused(trial, settings), with_used(trial, settings)
    kept = {key: value for key, value in settings.items() if key not in idle}
    assert {key: getattr(made.recipe, key) for key in settings} == {key: kept.get(key) for key in settings}
    assert bool(idle) == (trial.is_solved or trial.is_baseline)
    assert all(idle.values())
    assert _refusal(name, **kept) is None
