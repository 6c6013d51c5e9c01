"""The whole: plans, which are named and ordered lists of trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from headstart.data.augmentation.presets import find_augmentation
from headstart.foundation.errors import UsageError
from headstart.search.planning.plan_file import Entry, check_names, in_plan, is_plan_file, read_plan
from headstart.training.trials.trial import Trial, check_trial, parse_trial
from headstart.training.trials.unused_settings import check_used

__all__ = [
    "ENSEMBLED",
    "FOLDS",
    "PLANS",
    "SMALL_TABLE",
    "SMALL_TABLE_FOLDS",
    "TABLE_PLANS",
    "VALUE_PLANS",
    "make_trial",
    "make_trials",
]

_MIN_OWN_SIDE, _OWN_SIDE = 20, 64  # of images for a network from scratch: larger ones cost more than they tell it

_ALL_LITES = "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2-grid2"

# On photographs of hand signs these did better than Adam on a plateau. No flips: a mirrored letter is another one.
_FROM_SCRATCH = {
    "optimizer": "adamw",
    "learning_rate": 1e-2,
    "schedule": "one_cycle",
    "epochs": 30,
    "augmentation": {"shift_width": 0.1, "shift_height": 0.1, "rotation": 15, "zoom": 0.15},
}

_FROZEN = ("quick", "balanced", "best")  # plans that look at an image by way of a trained backbone

# The first runs first, so that there is a model; of the others, the one with the most expected gain a second is next.
PLANS: dict[str, tuple[Entry, ...]] = {
    "quick": (Entry("efficientnet_lite0-grid2-linear"), Entry("efficientnet_lite0-grid2-mlp", 0.3)),
    "balanced": (
        Entry("efficientnet_lite0-grid2-linear"),
        Entry(f"{_ALL_LITES}-260px-linear", 0.8),
        Entry(f"{_ALL_LITES}-260px-mlp", 0.2),
        Entry("efficientnet_lite1-stage6_block5-grid2-260px-2views-linear", 0.3),
    ),
    "best": (
        Entry("efficientnet_lite0-grid2-linear"),
        Entry(f"{_ALL_LITES}-260px-linear", 0.8),
        Entry(f"{_ALL_LITES}-300px-2views-linear", 0.9),
        Entry(f"{_ALL_LITES}-300px-2views-mlp", 0.2),
        Entry("efficientnet_lite1-stage6_block5-grid2-260px-4views-linear", 0.4),
        Entry("efficientnet_lite2-stage6_block3-grid2-300px-4views-linear", 0.5),
    ),
    "scratch": (Entry("pixels-cnn", settings=_FROM_SCRATCH),),
    "one_vs_rest": (
        Entry("efficientnet_lite0-grid2-linear"),
        Entry("efficientnet_lite0-grid2-ovr_linear"),
        Entry("efficientnet_lite0-grid2-ovr_mlp", 0.2),
    ),
}

# What the same plans try on a table of features. The linear model comes first: it takes a moment, and there is a model.
_YARDSTICKS = (Entry("table-baseline"), Entry("table-trees"))
# On a dozen small tables, five folds each: without batch normalisation, which small batches disturb, and along a cosine,
# which no patience has to end, networks of these sizes were better than those sized and stopped as heads on images are.
_DNN = {"optimizer": "adamw", "learning_rate": 3e-3, "schedule": "cosine"}
_SIZES: dict[str, dict[str, Any]] = {
    "dnn": {"units": [128, 64], "dropout": 0.2},
    "dnn_small": {"units": [64], "dropout": 0.1},
    "dnn_wide": {"units": [256, 128], "dropout": 0.4},
    "dnn_deep": {"units": [128, 128, 64], "dropout": 0.2},
}


def _dnn(size: str, gain: float) -> Entry:
    options = {"activation": "silu", "normalise": False, **_SIZES[size]}
    return Entry("table-dnn", gain, {**_DNN, "options": options}, f"table-{size}")


TABLE_PLANS: dict[str, tuple[Entry, ...]] = {
    "quick": (Entry("table-linear"), *_YARDSTICKS, _dnn("dnn", 0.5)),
    "balanced": (Entry("table-linear"), *_YARDSTICKS, *(_dnn(size, 0.5) for size in _SIZES)),
}
TABLE_PLANS["best"] = TABLE_PLANS["balanced"]
TABLE_PLANS["one_vs_rest"] = (*TABLE_PLANS["quick"], Entry("table-ovr_linear"), Entry("table-ovr_mlp", 0.2))


# A network that was made to tell objects apart has learned to overlook how bright or how turned they are, so for a number
# the pixels are tried as well. What augmentation changes may be that very number: there is none.
_OF_VALUES = {key: value for key, value in _FROM_SCRATCH.items() if key != "augmentation"}
VALUE_PLANS: dict[str, tuple[Entry, ...]] = {
    **{name: (*entries, Entry("pixels-cnn", 0.5, _OF_VALUES)) for name, entries in PLANS.items() if name in _FROZEN},
    "scratch": (Entry("pixels-cnn", settings=_OF_VALUES),),
}

# Plans that end with the weighted mean of those of their models that see the same image as the best one; on a table all do.
ENSEMBLED = frozenset({"best"})
# Folds that the heads of a plan are cross-validated in unasked: on rows that are there it takes little.
FOLDS = {"best": 5}
# Below so many rows a validation split tells little, and folds of a table cost little.
SMALL_TABLE, SMALL_TABLE_FOLDS = 500, 5


def make_trial(entry: Entry, *, weights: Path | None, seed: int) -> Trial:
    """The trial of an entry.

    Raises:
        UsageError: Its name or its settings are wrong (H002, H008, H011, H023, H028, H041), or it has no use for one (H035).
        BackboneError: Its backbone or stage is not known (H201, H206).
    """
    trial = parse_trial(entry.trial, weights=weights, seed=seed)
    settings = dict(entry.settings)
    if "augmentation" in settings:
        settings["augmentation"] = find_augmentation(settings["augmentation"])
    made = replace(trial, recipe=replace(trial.recipe, **settings), title=entry.name, gain=entry.gain)
    check_used(check_trial(made, entry.name or entry.trial), entry.settings)
    return made


def _sized(trial: Trial, side: int) -> Trial:
    """The trial for images of a typical side, where it begins at the pixels and leaves the size to the data."""
    part = trial.part
    if not side or part.cards or part.side or part.is_table:
        return trial
    return replace(trial, part=replace(part, side=min(max(side, _MIN_OWN_SIDE), _OWN_SIDE)))


def make_trials(
    plan: str,
    names: Sequence[str],
    *,
    weights: Path | None,
    seed: int,
    side: int = 0,
    is_table: bool = False,
    is_of_values: bool = False,
) -> list[Trial]:
    """The trials of a plan, or the ones named, each once.

    Args:
        plan: A key of ``PLANS``, or the path of a TOML file as ``docs/plans.md`` has it.
        names: Those to run: names of the plan's trials, with what the plan says of them, or of any others.
        weights: Local weights file for a network of keras.applications.
        seed: Seed of every recipe.
        side: Typical side of the images, which is part of some names; 0 while nobody knows it.
        is_table: The samples are rows of features.
        is_of_values: They are images, and a number is asked for.

    Raises:
        UsageError: No such plan (H001), no such trial (H002), parts of one that do not fit one another (H008), settings
            that one would not use (H035), two of one name (H034), or something wrong in a plan file (H030 to H035).
        BackboneError: A backbone or a stage of one is not known (H201, H206).
    """
    plans = TABLE_PLANS if is_table else VALUE_PLANS if is_of_values else PLANS
    if plan in plans:
        trials = [make_trial(entry, weights=weights, seed=seed) for entry in plans[plan]]
    elif plan in PLANS:
        raise _unknown_plan(f"{plan}, which is for other data", plans)
    else:
        trials = _trials_of_file(plan, weights=weights, seed=seed)
    trials = [_sized(trial, side) for trial in trials]
    check_names(plan, [trial.name for trial in trials])
    if not names:
        return trials
    own = {trial.name: trial for trial in trials}
    read = partial(parse_trial, weights=weights, seed=seed, is_table=is_table)
    named = [own.get(name) or _sized(read(name), side) for name in names]
    return list({trial.name: own.get(trial.name, trial) for trial in named}.values())  # one may be spelt in several ways


def _trials_of_file(plan: str, *, weights: Path | None, seed: int) -> list[Trial]:
    path = Path(plan).expanduser()
    if not is_plan_file(plan) or not path.is_file():
        raise _unknown_plan(plan, PLANS)
    trials = []
    for number, entry in enumerate(read_plan(path), 1):
        with in_plan(path, number, entry.name or entry.trial):
            trials.append(make_trial(entry, weights=weights, seed=seed))
    return trials


def _unknown_plan(plan: str, plans: Iterable[str]) -> UsageError:
    return UsageError(
        "H001",
        "unknown plan",
        received=plan,
        expected=f"{', '.join(plans)}, or a TOML file that is there",
        advice="--plan quick, or name trials with --trial",
    )
