"""Trial: one model to try, its name, and checks that its parts fit together."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.tasks import check_loss
from headstart.features.backbones.backbones import find_backbone
from headstart.features.part_a import PIXELS, POOLINGS, TABLE, PartA, unknown_stage
from headstart.foundation.errors import UsageError
from headstart.foundation.text import nearest
from headstart.training.classical.baselines import BASELINES
from headstart.training.networks.networks import NETWORKS, find_network
from headstart.training.recipe import Recipe
from headstart.training.schedules import SCHEDULES, default_schedule
from headstart.training.trained import is_solved

__all__ = ["Trial", "check_kind", "check_task", "check_trial", "parse_trial", "trial_of"]

_BACKBONE = "efficientnet_lite0"
_POOLING = "grid2"  # on photographs it was better than plain averaging, at no cost
_MIN_SIDE, _MAX_SIDE = 8, 2048
_ONE_RATE_ONLY = frozenset({"nadam"})  # optimizers that ``schedules.slow_down`` cannot run at two learning rates


@dataclass(frozen=True)
class Trial:
    """One model to try: Part A and the recipe for Part B.

    Args:
        part: Part A.
        recipe: How Part B is trained.
        title: Name to use instead of the one made of its parts. Defaults to ``""``.
        gain: Expected gain in quality, relative to the other trials of its plan. Defaults to 1.0.
    """

    part: PartA
    recipe: Recipe
    title: str = ""
    gain: float = 1.0

    @property
    def name(self) -> str:
        """Name ``backbone[-stage]-pooling[-SIDEpx][-Nviews]-network``, which is also the name of the trial's folder."""
        views = f"{self.recipe.views}views" if self.recipe.views > 1 else ""
        return self.title or "-".join(part for part in (self.part.name, views, self.recipe.network) if part)

    @property
    def is_solved(self) -> bool:
        """Whether Part B is trained by the solver, without Keras."""
        return is_solved(self.recipe, is_inner=self.part.is_inner)

    @property
    def is_baseline(self) -> bool:
        """Whether the trial is a baseline that networks are compared with."""
        return self.recipe.network in BASELINES

    @property
    def has_tail(self) -> bool:
        """Whether layers of the backbone are trained; there are none after its last stage."""
        return bool(self.part.stage) and any(card.stages[-1:] != (self.part.stage,) for card in self.part.cards)

    @property
    def schedule(self) -> str:
        """Name of the learning-rate schedule: the recipe's, or the default if the recipe has none."""
        if _brings_schedule(self.recipe.optimizer):
            return "constant"
        return self.recipe.schedule or default_schedule(is_inner=self.part.is_inner)


def trial_of(
    backbone: str,
    network: str,
    *,
    pooling: str = _POOLING,
    stage: str = "",
    side: int = 0,
    weights: str | os.PathLike[str] | None = None,
) -> Trial:
    """Create a trial from its parts. The arguments are those of ``Model``.

    Raises:
        UsageError: A part is unknown (H002), or the parts do not fit together (H008).
        BackboneError: The backbone is unknown (H201), or has no such stage (H206).
    """
    pooled = [] if backbone in (PIXELS, TABLE) else [pooling]
    words = [backbone, stage, *pooled, f"{side}px" if side else "", network]
    return parse_trial("-".join(word for word in words if word), weights=Path(weights) if weights else None)


def parse_trial(name: str, *, weights: Path | None = None, seed: int = 0, is_table: bool = False) -> Trial:
    """Parse a trial name, ``[backbone[+backbone]][-stage][-pooling][-SIDEpx][-Nviews]-network``.

    Defaults to Lite0 and ``grid2``. ``table-network`` is a trial on a table, as is a network alone if ``is_table``.

    Raises:
        UsageError: A part of the name is unknown (H002), or the parts do not fit together (H008).
        BackboneError: The backbone is unknown (H201), or has no such stage (H206).

    Example:
        >>> parse_trial("MobileNetV2-linear").name
        'MobileNetV2-grid2-linear'
        >>> parse_trial("efficientnet_lite0-stage6_block3-4views-linear").name
        'efficientnet_lite0-stage6_block3-grid2-4views-linear'
    """
    *words, network = name.split("-")
    parts: dict[str, str] = {}
    for position, word in enumerate(words):
        kind = _kind(word, is_first=position == 0)
        if kind in parts or not word:
            raise _unreadable(name)
        parts[kind] = word
    default = TABLE if is_table else _BACKBONE
    if network in BASELINES and parts.get("backbone", default) == TABLE and len(parts) <= 1:
        return Trial(PartA(TABLE), Recipe(network, seed=seed))
    if network not in NETWORKS:
        raise _unreadable(name, "-".join([*words, close]) if (close := nearest(network, (*NETWORKS, *BASELINES))) else "")
    backbone = parts.get("backbone") or (PIXELS if NETWORKS[network].takes_images else default)
    if backbone == TABLE and "pooling" in parts:
        raise _unfit(name, "rows of a table cannot be pooled")
    side, views = int(parts.get("px", "0px")[:-2]), int(parts.get("views", "1views")[:-5])
    if backbone not in (PIXELS, TABLE):
        backbone = "+".join(find_backbone(word).name for word in backbone.split("+"))
    part = PartA(backbone, parts.get("pooling", _POOLING), weights, parts.get("stage", ""), side)
    return check_trial(Trial(part, Recipe(network, views=views, seed=seed)), name)


def _kind(word: str, *, is_first: bool) -> str:
    """Return which part of a trial's name a word is: pooling, px, views, backbone or stage."""
    if word in POOLINGS:
        return "pooling"
    if number := re.fullmatch(r"\d{1,5}(px|views)", word):
        return number[1]
    return "backbone" if is_first and word not in find_backbone(_BACKBONE).stages else "stage"


def check_trial(trial: Trial, name: str) -> Trial:
    """Reject a trial whose parts do not fit together, before anything is computed.

    Args:
        trial: The trial.
        name: Name of the trial as the user wrote it, for messages.

    Raises:
        UsageError: The parts do not fit together (H008), or the optimizer does not fit the trial (H041).
        BackboneError: The backbone has no such stage (H206).
    """
    part, recipe = trial.part, trial.recipe
    if trial.is_baseline:
        return trial
    network = find_network(recipe.network, recipe.options)
    stages = [stage for card in part.cards for stage in card.stages]
    wrong = ""
    if part.stage and len(part.cards) != 1:
        wrong = "a cut at a stage needs exactly one backbone"
    elif network.takes_images and part.cards:
        wrong = f"{recipe.network} takes pixels and cannot follow a backbone"
    elif part.is_table and (network.takes_images or part.stage or part.side or recipe.views > 1 or recipe.augmentation):
        wrong = "rows of a table have no pixels, stages, sizes, views or augmentation"
    elif not (part.cards or part.is_table or network.takes_images):
        wrong = f"{recipe.network} needs a backbone"
    elif part.side and not _MIN_SIDE <= part.side <= _MAX_SIDE:
        wrong = f"the image has a side of {part.side} pixels; {_MIN_SIDE} to {_MAX_SIDE} are allowed"
    elif recipe.views < 1 or (recipe.views > 1 and part.is_pixels):
        wrong = "several views are stored copies; at the pixels, images are augmented anew in each epoch instead"
    elif recipe.augmentation is not None and recipe.views == 1 and not part.is_pixels:
        wrong = "augmentation needs several views or a cut at the pixels, because stored rows do not change"
    elif recipe.augmentation is not None and recipe.augmentation.mixes and not part.is_pixels:
        wrong = "mixup and cutmix mix the images of a batch, and need a cut at the pixels"
    elif recipe.schedule not in (None, *SCHEDULES):
        wrong = f"unknown schedule {recipe.schedule}; choose one of {', '.join(SCHEDULES)}"
    if wrong:
        raise _unfit(name, wrong)
    if part.stage and part.stage != PIXELS and stages and part.stage not in stages:
        raise unknown_stage(part.backbone, part.stage, stages)
    _check_optimizer(trial, name)
    return trial


def check_kind(part: PartA, dataset: Dataset, name: str) -> None:
    """Reject an image trial for a table, and a table trial for images.

    Raises:
        UsageError: The trial is for the other kind of data (H042).
    """
    if part.is_table != (dataset.table is not None):
        given, fitting = ("images", "pixels-cnn") if dataset.table is None else ("rows of a table", f"{TABLE}-mlp")
        raise UsageError(
            "H042",
            "the trial is for another kind of data",
            received=f"{name} for {given}",
            expected=f"a trial on {given}",
            advice=f"for example {fitting}, or leave --trial out",
        )


def check_task(trial: Trial, dataset: Dataset) -> None:
    """Reject a trial that does not fit the data's task.

    Raises:
        UsageError: The loss belongs to another task (H040), or one-vs-rest is used for a task other than multiclass (H043).
    """
    check_loss(trial.recipe.loss, dataset.task, trial.name)
    is_one_vs_rest = not trial.is_baseline and NETWORKS[trial.recipe.network].is_one_vs_rest
    if is_one_vs_rest and dataset.task != "multiclass":
        raise UsageError(
            "H043",
            "one-vs-rest does not fit the task",
            received=f"{trial.name} for the task {dataset.task}",
            expected="multiclass, with three or more classes: other tasks have no use for one network per class",
            advice="--plan quick",
        )


def _check_optimizer(trial: Trial, name: str) -> None:
    recipe, optimizer = trial.recipe, trial.recipe.optimizer
    if trial.has_tail and _class_name(optimizer) in _ONE_RATE_ONLY:
        raise _unfit_optimizer(
            f"{name}: {_class_name(optimizer)} after an inner cut, where the backbone's layers need their own learning rate",
            "any other Keras optimizer",
            "use adam or adamw, or cut after the pooling",
        )
    if _brings_schedule(optimizer) and not (recipe.learning_rate is None and recipe.schedule is None):
        raise _unfit_optimizer(
            f"{name}: learning_rate or schedule, and an optimizer with its own schedule",
            "one or the other",
            "set both to None, or give the optimizer a number, as in keras.optimizers.Adam(1e-3)",
        )


def _unfit_optimizer(received: str, expected: str, advice: str) -> UsageError:
    return UsageError("H041", "the optimizer does not fit the trial", received=received, expected=expected, advice=advice)


def _class_name(optimizer: object) -> str:
    """The name of an optimizer's class in lower case, as Keras looks it up."""
    return (optimizer if isinstance(optimizer, str) else type(optimizer).__name__).casefold()


def _brings_schedule(optimizer: Any) -> bool:
    """Whether it is an optimizer object whose learning rate is a schedule."""
    return not isinstance(optimizer, str | None) and isinstance(optimizer.get_config().get("learning_rate"), dict)


def _unreadable(name: str, meant: str = "") -> UsageError:
    return UsageError(
        "H002",
        "unknown trial",
        received=f"{name}; did you mean {meant}?" if meant else name,
        expected="[backbone][-stage][-pooling][-SIDEpx][-Nviews]-network, or table-network: "
        f"pooling is {', '.join(POOLINGS)}; network is {', '.join(NETWORKS)}; for a table also {', '.join(BASELINES)}",
        advice="for example --trial efficientnet_lite2-grid2-linear",
    )


def _unfit(name: str, wrong: str) -> UsageError:
    return UsageError(
        "H008",
        "the parts of the trial do not fit together",
        received=f"{name}: {wrong}",
        expected="a cut, a network and an augmentation that fit together",
        advice="for example efficientnet_lite0-stage6_block3-4views-linear, or pixels-64px-cnn",
    )
