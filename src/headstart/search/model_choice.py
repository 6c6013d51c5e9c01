"""Select the trial that becomes the model: the lowest ``val_loss``, or a network or a mean of networks within its noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from headstart.evaluation.comparison import Difference, paired_difference
from headstart.evaluation.leaderboard import Row
from headstart.foundation.arrays import Array
from headstart.models.ensemble import NAME
from headstart.training.classical.baselines import BASELINES

__all__ = ["Choice", "choose", "lowest"]


@dataclass(frozen=True)
class Choice:
    """The selected trial, and how it compares with the others on the validation split.

    Attributes:
        shipped: Row of the selected trial.
        best: Row with the lowest ``val_loss``, usually the same.
        differences: For each other row with a ``val_loss``, by name, the paired difference of its losses from those of
            ``best``.
    """

    shipped: Row
    best: Row
    differences: dict[str, Difference]

    @property
    def reason(self) -> str:
        """Why this trial was selected, as text."""
        if self.shipped is not self.best:
            merit = "a network, which exports to every format" if self.best.part_b in BASELINES else "the mean of networks"
            return (
                f"{self.shipped.trial} (val_loss {self.shipped.val_loss:.4f}), {merit}, "
                f"within one standard error of {self.best.trial} (lowest val_loss, {self.best.val_loss:.4f}): "
                f"they differ by {self.differences[self.shipped.trial]}"
            )
        reason = f"{self.shipped.trial} (lowest val_loss, {self.shipped.val_loss:.4f})"
        second = min(self.differences, key=lambda name: self.differences[name].mean, default=None)
        if second is None:
            return reason
        difference = self.differences[second]
        return f"{reason}, " + (
            f"within one standard error of {second}: they differ by {difference}"
            if difference.is_noise
            else f"ahead of {second} by {difference}"
        )

    def to_json(self) -> dict[str, object]:
        """Return plain values for ``run.json``."""
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
    """Select the trial that becomes the model of the run.

    The trial with the lowest ``val_loss`` is selected, with two exceptions, by the one-standard-error rule of L. Breiman,
    J. Friedman, R. Olshen and C. Stone (1984), "Classification and regression trees", for paired losses. A baseline can be
    exported to fewer formats than a network, so the best network is selected instead if it is within one standard error of
    a baseline. A network was stopped at its best epoch on the validation samples, so that its ``val_loss`` is lower than
    its loss on others; the mean of several networks depends less on that, and is selected instead if it is within one
    standard error of the best of them. (Its loss is at most the mean of theirs, because these losses are convex.)

    Args:
        rows: Rows of the leaderboard; rows without a ``val_loss`` are ignored.
        losses: Returns the losses of a trial, by its name, on the validation samples, ``(n,)``.
        groups: Group number of each validation sample; None if samples are independent.

    Returns:
        The choice; None if no row has a ``val_loss``.
    """
    scored = [row for row in rows if row.val_loss is not None]
    best = lowest(scored)
    if best is None:
        return None
    reference = losses(best.trial)
    others = [row for row in scored if row is not best]
    differences = {row.trial: paired_difference(losses(row.trial), reference, groups) for row in others}
    if best.part_b in BASELINES:
        preferred = lowest(row for row in others if row.part_b not in BASELINES)
    else:
        preferred = next((row for row in others if row.trial == NAME), None)
    is_near = preferred is not None and differences[preferred.trial].is_noise
    return Choice(preferred if preferred is not None and is_near else best, best, differences)


def lowest(rows: Iterable[Row]) -> Row | None:
    """Row with the lowest ``val_loss``; ties are broken by name. None if no row has a ``val_loss``."""
    scored = [row for row in rows if row.val_loss is not None]
    return min(scored, key=lambda row: (row.val_loss or 0.0, row.trial), default=None)
