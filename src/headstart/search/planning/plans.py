"""Plans: named, ordered lists of trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from headstart.data.augmentation.presets import find_augmentation
from headstart.foundation.errors import UsageError
from headstart.foundation.text import with_suggestion
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

_MIN_OWN_SIDE, _OWN_SIDE = 20, 64  # image sizes of networks from scratch: larger images cost more than they help

_ALL_LITES = "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2-grid2"

# On photographs of hand signs, these settings were better than Adam with ReduceLROnPlateau. There is no flip, because a
# mirrored letter is a different letter.
_FROM_SCRATCH = {
    "optimizer": "adamw",
    "learning_rate": 1e-2,
    "schedule": "one_cycle",
    "epochs": 30,
    "augmentation": {"shift_width": 0.1, "shift_height": 0.1, "rotation": 15, "zoom": 0.15},
}

_FROZEN = ("quick", "balanced", "best")  # plans that use pretrained backbones

# Built-in plans by name, for example PLANS["quick"]; TABLE_PLANS and VALUE_PLANS below are those for tables and regression.
# The first entry runs first, so that there is a model early; then the one with the highest expected gain per second is next.
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

# The same plans for tables of features. The linear model comes first, because it gives a model within a moment.
_YARDSTICKS = (Entry("table-baseline"), Entry("table-trees"))
# Chosen on a dozen small tables with five folds each. Networks of these sizes, without batch normalisation (which suffers
# from small batches) and with a cosine schedule (which needs no early stopping), were better than networks sized and stopped
# like heads on images.
_MLP = {"optimizer": "adamw", "learning_rate": 3e-3, "schedule": "cosine"}
_SIZES: dict[str, dict[str, Any]] = {
    "mlp": {"units": [128, 64], "dropout": 0.2},
    "mlp_small": {"units": [64], "dropout": 0.1},
    "mlp_wide": {"units": [256, 128], "dropout": 0.4},
    "mlp_deep": {"units": [128, 128, 64], "dropout": 0.2},
}


def _mlp(size: str, gain: float) -> Entry:
    options = {"activation": "silu", "normalise": False, **_SIZES[size]}
    return Entry("table-dnn", gain, {**_MLP, "options": options}, f"table-{size}")


_MEMBERS = Entry("table-tabm", 0.5, {"optimizer": "adamw", "learning_rate": 2e-3, "schedule": "cosine"}, "table-dnn")

TABLE_PLANS: dict[str, tuple[Entry, ...]] = {
    "quick": (Entry("table-linear"), *_YARDSTICKS, _MEMBERS),
    "balanced": (Entry("table-linear"), *_YARDSTICKS, _MEMBERS, *(_mlp(size, 0.5) for size in _SIZES)),
}
TABLE_PLANS["best"] = TABLE_PLANS["balanced"]
TABLE_PLANS["one_vs_rest"] = (*TABLE_PLANS["quick"], Entry("table-ovr_linear"), Entry("table-ovr_mlp", 0.2))


# A backbone trained to recognise objects has learned to ignore properties such as brightness and rotation, so regression
# plans also try a network on the pixels. It has no augmentation, which could change the very value to be predicted.
_OF_VALUES = {key: value for key, value in _FROM_SCRATCH.items() if key != "augmentation"}
VALUE_PLANS: dict[str, tuple[Entry, ...]] = {
    **{name: (*entries, Entry("pixels-cnn", 0.5, _OF_VALUES)) for name, entries in PLANS.items() if name in _FROZEN},
    "scratch": (Entry("pixels-cnn", settings=_OF_VALUES),),
}

# Plans that end with an ensemble of the models with the same input as the best one; on tables, every plan does.
ENSEMBLED = frozenset({"best"})
# Default number of folds for the heads of a plan; on features that are already computed, cross-validation is cheap.
FOLDS = {"best": 5}
# Tables with fewer rows are cross-validated by default: their validation split is too small, and folds take little time.
SMALL_TABLE, SMALL_TABLE_FOLDS = 500, 5


def make_trial(entry: Entry, *, weights: Path | None, seed: int) -> Trial:
    """Make the trial of a plan's entry.

    Args:
        entry: The entry.
        weights: Local weights file for a ``keras.applications`` backbone; None for the default weights.
        seed: Seed of the recipe.

    Raises:
        UsageError: The name or a setting is invalid (H002, H008, H011, H023, H028, H041), or the trial would not use a
            setting (H035).
        BackboneError: The backbone or its stage is unknown (H201, H206).
    """
    trial = parse_trial(entry.trial, weights=weights, seed=seed)
    settings = dict(entry.settings)
    if "augmentation" in settings:
        settings["augmentation"] = find_augmentation(settings["augmentation"])
    made = replace(trial, recipe=replace(trial.recipe, **settings), title=entry.name, gain=entry.gain)
    check_used(check_trial(made, entry.name or entry.trial), entry.settings)
    return made


def _sized(trial: Trial, side: int) -> Trial:
    """Set the image size of a trial from scratch that does not name one, from the typical side of the images."""
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
    """Make the trials of a plan, or those with given names, without duplicates.

    Args:
        plan: A key of ``PLANS``, or the path of a TOML file as described in ``docs/plans.md``.
        names: Names of the trials to run: of trials of the plan, which keep the plan's settings, or of any other trials.
            Empty for the whole plan.
        weights: Local weights file for a ``keras.applications`` backbone; None for the default weights.
        seed: Seed of every recipe.
        side: Typical side of the images in pixels, which is part of some names. Defaults to 0, for not known yet.
        is_table: Whether the samples are rows of table features. Defaults to False.
        is_of_values: Whether the task is regression on images. Defaults to False.

    Raises:
        UsageError: The plan (H001) or a trial (H002) is unknown, the parts of a trial do not fit (H008), a trial would not
            use a setting (H035), two trials have the same name (H034), or a plan file is invalid (H030 to H035).
        BackboneError: A backbone or its stage is unknown (H201, H206).
    """
    plans = TABLE_PLANS if is_table else VALUE_PLANS if is_of_values else PLANS
    if plan in plans:
        trials = [make_trial(entry, weights=weights, seed=seed) for entry in plans[plan]]
    elif plan in PLANS:
        raise _unknown_plan(f"{plan}, which does not apply to these data", plans)
    else:
        trials = _trials_of_file(plan, weights=weights, seed=seed)
    trials = [_sized(trial, side) for trial in trials]
    check_names(plan, [trial.name for trial in trials])
    if not names:
        return trials
    own = {trial.name: trial for trial in trials}
    read = partial(parse_trial, weights=weights, seed=seed, is_table=is_table)
    named = [own.get(name) or _sized(read(name), side) for name in names]
    return list({trial.name: own.get(trial.name, trial) for trial in named}.values())  # a trial may be named in several ways


def _trials_of_file(plan: str, *, weights: Path | None, seed: int) -> list[Trial]:
    path = Path(plan).expanduser()
    if not is_plan_file(plan) or not path.is_file():
        raise _unknown_plan(plan if is_plan_file(plan) else with_suggestion(plan, PLANS), PLANS)
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
        expected=f"{', '.join(plans)}, or the path of an existing TOML file",
        advice="use --plan quick, or name trials with --trial",
    )
