"""The whole: which trial becomes the model: the one with the lowest val_loss, or a network within noise of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.comparison import Difference, paired_difference
from headstart.evaluation.leaderboard import Row
from headstart.foundation.arrays import Array
from headstart.training.classical.baselines import BASELINES

__all__ = ["Choice", "choose", "lowest"]


@dataclass(frozen=True)
class Choice:
    """The trial to ship, and how it compares with the others on the validation split.

    Attributes:
        shipped: Its row.
        best: The row with the lowest ``val_loss``, which may be the same.
        differences: For each other row with a ``val_loss``, by name: its losses less those of ``best``.
    """

    shipped: Row
    best: Row
    differences: dict[str, Difference]

    @property
    def reason(self) -> str:
        """Why this trial is shipped, in words and numbers."""
        if self.shipped is not self.best:
            return (
                f"{self.shipped.trial} (val_loss {self.shipped.val_loss:.4f}), a network, which exports to every format, "
                f"within one standard error of {self.best.trial} (lowest val_loss, {self.best.val_loss:.4f}): "
                f"they differ by {self.differences[self.shipped.trial]}"
            )
        reason = f"{self.shipped.trial} (lowest val_loss, {self.shipped.val_loss:.4f})"
        second = min(self.differences, key=lambda name: self.differences[name].mean, default=None)
        if second is None:
            return reason
        found = self.differences[second]
        return f"{reason}, " + (
            f"within one standard error of {second}: they differ by {found}"
            if found.is_noise
            else f"ahead of {second} by {found}"
        )

    def to_json(self) -> dict[str, object]:
        """Plain values for run.json."""
        return {
            "shipped": self.shipped.trial,
            "best": self.best.trial,
            "reason": self.reason,
            "differences": {
                name: {"mean": found.mean, "standard_error": found.standard_error, "is_noise": found.is_noise}
                for name, found in self.differences.items()
                if np.isfinite([found.mean, found.standard_error]).all()
            },
        }


def choose(rows: Iterable[Row], losses: Callable[[str], Array], groups: Array | None) -> Choice | None:
    """Choose the trial to ship.

    The lowest ``val_loss`` wins, whatever kind of model has it. A baseline ships in fewer formats than a network, so
    where the best network is within one standard error of it, in a comparison of paired losses, that network is chosen
    instead: the one-standard-error rule of L. Breiman, J. Friedman, R. Olshen and C. Stone (1984), "Classification and
    regression trees".

    Args:
        rows: Rows of the leaderboard; those without a ``val_loss`` are passed over.
        losses: From a trial's name to its losses on the validation samples, ``(n,)``.
        groups: Group number of each of these samples; None where they are independent.

    Returns:
        The choice; None where no row has a ``val_loss``.
    """
    scored = [row for row in rows if row.val_loss is not None]
    best = lowest(scored)
    if best is None:
        return None
    reference = losses(best.trial)
    others = [row for row in scored if row is not best]
    differences = {row.trial: paired_difference(losses(row.trial), reference, groups) for row in others}
    if best.part_b not in BASELINES:
        return Choice(best, best, differences)
    network = lowest(row for row in others if row.part_b not in BASELINES)
    is_near = network is not None and differences[network.trial].is_noise
    return Choice(network if network is not None and is_near else best, best, differences)


def lowest(rows: Iterable[Row]) -> Row | None:
    """The row with the lowest ``val_loss``, of equal ones the first by name; None where no row has one."""
    scored = [row for row in rows if row.val_loss is not None]
    return min(scored, key=lambda row: (row.val_loss or 0.0, row.trial), default=None)
