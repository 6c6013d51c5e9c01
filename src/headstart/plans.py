"""The whole: trials, and plans, which are named and ordered lists of trials."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headstart.augmentation import AUGMENTATIONS, find_augmentation
from headstart.backbones import find_backbone
from headstart.errors import UsageError
from headstart.extractor import PIXELS, POOLINGS, PartA, unknown_stage
from headstart.networks import NETWORKS, find_network
from headstart.planfile import Entry, check_names, check_used, in_plan, is_plan_file, read_plan
from headstart.rates import SCHEDULES
from headstart.recipe import Recipe
from headstart.trainer import is_solved

__all__ = ["ENSEMBLED", "PLANS", "Entry", "Trial", "check_trial", "make_trial", "make_trials", "parse_trial", "sized"]

_BACKBONE = "efficientnet_lite0"
_POOLING = "grid2"  # on photographs it beat plain averaging at no cost
_SMALLEST_SIDE, _LARGEST_SIDE = 8, 2048
_LEAST_OWN_SIDE, _OWN_SIDE = 20, 64  # of images for a network from scratch: larger ones cost more than they tell it

_ALL_LITES = "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2-grid2"

# On photographs of hand signs these did better than Adam on a plateau. No flips: a mirrored letter is another one.
_FROM_SCRATCH = {
    "optimizer": "adamw",
    "learning_rate": 1e-2,
    "schedule": "one_cycle",
    "epochs": 30,
    "augmentation": {"shift_width": 0.1, "shift_height": 0.1, "rotation": 15, "zoom": 0.15},
}

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
}


# Plans that end with the weighted mean of those of their models that see the same image as the best one.
ENSEMBLED = frozenset({"best"})


@dataclass(frozen=True)
class Trial:
    """One model to try: Part A and the recipe for Part B.

    Args:
        part: Part A.
        recipe: How Part B is trained.
        title: Its name, where the parts do not tell it from another.
        gain: What it may be expected to gain, beside the other trials of its plan.
    """

    part: PartA
    recipe: Recipe
    title: str = ""
    gain: float = 1.0

    @property
    def name(self) -> str:
        """``backbone[-stage]-pooling[-SIDEpx][-Nviews]-network``, also the name of its folder."""
        views = f"{self.recipe.views}views" if self.recipe.views > 1 else ""
        return self.title or "-".join(part for part in (self.part.name, views, self.recipe.network) if part)

    @property
    def is_solved(self) -> bool:
        """Whether the solver trains it, without Keras."""
        return is_solved(self.recipe, is_inner=self.part.is_inner)


def parse_trial(name: str, *, weights: Path | None = None, seed: int = 0) -> Trial:
    """Read ``[backbone[+backbone]][-stage][-pooling][-SIDEpx][-Nviews]-network``; Lite0 and ``grid2`` if left out.

    Raises:
        UsageError: A part of the name is not known (H002), or the parts do not fit one another (H008).
        BackboneError: The backbone is not known (H201), or has no such stage (H206).

    Example:
        >>> parse_trial("MobileNetV2-linear").name
        'MobileNetV2-grid2-linear'
        >>> parse_trial("efficientnet_lite0-stage6_block3-4views-linear").name
        'efficientnet_lite0-stage6_block3-grid2-4views-linear'
    """
    *words, network = name.split("-")
    found: dict[str, str] = {}
    for position, word in enumerate(words):
        kind = _kind(word, is_first=position == 0)
        if kind in found or not word:
            raise _unreadable(name)
        found[kind] = word
    if network not in NETWORKS:
        raise _unreadable(name)
    backbone = found.get("backbone") or (PIXELS if NETWORKS[network].takes_images else _BACKBONE)
    side, views = int(found.get("px", "0px")[:-2]), int(found.get("views", "1views")[:-5])
    if backbone != PIXELS:
        backbone = "+".join(find_backbone(word).name for word in backbone.split("+"))
    part = PartA(backbone, found.get("pooling", _POOLING), weights, found.get("stage", ""), side)
    augmentation = AUGMENTATIONS["light"] if views > 1 else None
    trial = Trial(part, Recipe(network, views=views, augmentation=augmentation, seed=seed))
    return check_trial(trial, name)


def _kind(word: str, *, is_first: bool) -> str:
    """Which part of a trial's name a word is."""
    if word in POOLINGS:
        return "pooling"
    if number := re.fullmatch(r"\d{1,5}(px|views)", word):
        return number[1]
    return "backbone" if is_first and word not in find_backbone(_BACKBONE).stages else "stage"


def check_trial(trial: Trial, name: str) -> Trial:
    """Refuse what does not fit together before anything is computed.

    Args:
        trial: The trial.
        name: What the user calls it.

    Raises:
        UsageError: Parts that do not fit one another (H008).
        BackboneError: A stage that the backbone does not have (H206).
    """
    part, recipe = trial.part, trial.recipe
    network = find_network(recipe.network, recipe.options)
    stages = [stage for card in part.cards for stage in card.stages]
    wrong = ""
    if part.stage and len(part.cards) != 1:
        wrong = "a stage belongs to one backbone"
    elif network.takes_images and part.cards:
        wrong = f"{recipe.network} begins at the pixels and takes no backbone"
    elif not part.cards and not network.takes_images:
        wrong = f"{recipe.network} stands behind a backbone"
    elif part.side and not _SMALLEST_SIDE <= part.side <= _LARGEST_SIDE:
        wrong = f"the image has a side of {part.side} pixels, and may have {_SMALLEST_SIDE} to {_LARGEST_SIDE}"
    elif recipe.views < 1 or (recipe.views > 1 and part.is_pixels):
        wrong = "several views are stored copies; at the pixels each epoch draws its own"
    elif recipe.augmentation is not None and recipe.views == 1 and not part.is_pixels:
        wrong = "augmentation needs several views, or a cut at the pixels: a stored row does not change"
    elif recipe.augmentation is not None and recipe.augmentation.mixes and not part.is_pixels:
        wrong = "mixup and cutmix mix the images of a batch, and need a cut at the pixels"
    elif recipe.schedule not in (None, *SCHEDULES):
        wrong = f"the schedule {recipe.schedule} is none of {', '.join(SCHEDULES)}"
    if wrong:
        raise UsageError(
            "H008",
            "the parts of the trial do not fit together",
            received=f"{name}: {wrong}",
            expected="a cut, a network and an augmentation that go together",
            advice="for example efficientnet_lite0-stage6_block3-4views-linear, or pixels-64px-cnn",
        )
    if part.stage and part.stage != PIXELS and stages and part.stage not in stages:
        raise unknown_stage(part.backbone, part.stage, stages)
    return trial


def make_trial(entry: Entry, *, weights: Path | None, seed: int) -> Trial:
    """The trial of an entry.

    Raises:
        UsageError: Its name or its settings are wrong (H002, H008, H011, H023, H028).
        BackboneError: Its backbone or stage is not known (H201, H206).
    """
    trial = parse_trial(entry.trial, weights=weights, seed=seed)
    settings = dict(entry.settings)
    if "augmentation" in settings:
        settings["augmentation"] = find_augmentation(settings["augmentation"])
    elif settings.get("views", 1) > 1:
        settings["augmentation"] = AUGMENTATIONS["light"]
    made = replace(trial, recipe=replace(trial.recipe, **settings), title=entry.name, gain=entry.gain)
    return check_trial(made, entry.name or entry.trial)


def sized(trial: Trial, side: int) -> Trial:
    """The trial for images of a typical side, where it begins at the pixels and leaves the size to the data."""
    part = trial.part
    if part.cards or part.side:
        return trial
    return replace(trial, part=replace(part, side=min(max(side, _LEAST_OWN_SIDE), _OWN_SIDE)))


def make_trials(plan: str, names: Sequence[str], *, weights: Path | None, seed: int) -> list[Trial]:
    """The trials of a plan, or the ones named, each once.

    Args:
        plan: A key of ``PLANS``, or the path of a TOML file as ``docs/plans.md`` has it.
        names: Those to run: names of the plan's trials, with what the plan says of them, or of any others.
        weights: Local weights file for a network of keras.applications.
        seed: Seed of every recipe.

    Raises:
        UsageError: No such plan (H001), no such trial (H002), parts of one that do not fit one another (H008), or something
            wrong in a plan file (H030 to H035).
        BackboneError: A backbone or a stage of one is not known (H201, H206).
    """
    if plan in PLANS:
        trials = [make_trial(entry, weights=weights, seed=seed) for entry in PLANS[plan]]
    else:
        trials = _trials_of_file(plan, weights=weights, seed=seed)
    if names:
        own = {trial.name: trial for trial in trials}
        named = [own.get(name) or parse_trial(name, weights=weights, seed=seed) for name in names]
        trials = [own.get(trial.name, trial) for trial in named]
    return list({trial.name: trial for trial in trials}.values())  # one name may be spelt in several ways


def _trials_of_file(plan: str, *, weights: Path | None, seed: int) -> list[Trial]:
    path = Path(plan).expanduser()
    if not is_plan_file(plan) or not path.is_file():
        raise UsageError(
            "H001",
            "unknown plan",
            received=plan,
            expected=f"{', '.join(PLANS)}, or a TOML file that is there",
            advice="--plan quick, or name trials with --trial",
        )
    trials = []
    for number, entry in enumerate(read_plan(path), 1):
        with in_plan(path, number, entry.name or entry.trial):
            trial = make_trial(entry, weights=weights, seed=seed)
            if trial.is_solved:
                check_used(entry.settings)
        trials.append(trial)
    check_names(path, [trial.name for trial in trials])
    return trials


def _unreadable(name: str) -> UsageError:
    return UsageError(
        "H002",
        "unknown trial",
        received=name,
        expected="[backbone][-stage][-pooling][-SIDEpx][-Nviews]-network: "
        f"pooling is {', '.join(POOLINGS)}; network is {', '.join(NETWORKS)}",
        advice="for example --trial efficientnet_lite2-grid2-linear",
    )
