"""The whole: trials, and plans, which are named and ordered lists of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.backbones import find_backbone
from headstart.errors import UsageError
from headstart.extractor import POOLINGS, PartA
from headstart.networks import NETWORKS
from headstart.trainer import Recipe

__all__ = ["PLANS", "Trial", "make_trials", "parse_trial"]

_BACKBONE = "efficientnet_lite0"
_POOLING = "grid2"  # on photographs it beat plain averaging at no cost

PLANS: dict[str, tuple[str, ...]] = {"quick": ("efficientnet_lite0-grid2-linear", "efficientnet_lite0-grid2-mlp")}


@dataclass(frozen=True)
class Trial:
    """One model to try: Part A and the recipe for Part B."""

    part: PartA
    recipe: Recipe

    @property
    def name(self) -> str:
        """``backbone-pooling-network``, also the name of its folder."""
        return f"{self.part.name}-{self.recipe.network}"


def parse_trial(name: str, *, weights: Path | None = None, seed: int = 0) -> Trial:
    """Read ``[backbone-][pooling-]network``; Lite0 and ``grid2`` if left out.

    Raises:
        UsageError: A part of the name is not known (H002).
        BackboneError: The backbone is not known (H201).

    Example:
        >>> parse_trial("MobileNetV2-linear").name
        'MobileNetV2-grid2-linear'
    """
    *front, network = name.split("-")
    pooling = front.pop() if front and front[-1] in POOLINGS else _POOLING
    if network not in NETWORKS or len(front) > 1:
        raise UsageError(
            "H002",
            "unknown trial",
            received=name,
            expected=f"[backbone-][pooling-]network: pooling is {', '.join(POOLINGS)}; network is {', '.join(NETWORKS)}",
            advice="for example --trial efficientnet_lite2-grid2-linear",
        )
    backbone = find_backbone(front[0] if front else _BACKBONE).name
    return Trial(PartA(backbone, pooling, weights), Recipe(network, seed=seed))


def make_trials(plan: str, names: Sequence[str], *, weights: Path | None, seed: int) -> list[Trial]:
    """The trials of a plan, or the ones named, each once.

    Raises:
        UsageError: No such plan (H001), or no such trial (H002).
    """
    if plan not in PLANS:
        raise UsageError(
            "H001",
            "unknown plan",
            received=plan,
            expected=", ".join(PLANS),
            advice="--plan quick, or name trials with --trial",
        )
    trials = [parse_trial(name, weights=weights, seed=seed) for name in names or PLANS[plan]]
    return list({trial.name: trial for trial in trials}.values())  # one name may be spelt in several ways
