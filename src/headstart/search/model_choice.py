"""Select the trial that becomes the model: the lowest ``val_loss``, or a mean of models or a network within its noise."""

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
        best: Row with the lowest loss on the held-out samples, usually the same.
        differences: For each other row with a ``val_loss``, by name, the paired difference of its losses from those of
            ``best``.
        has_lowest_val_loss: Whether ``best`` is also the best on the validation samples alone. Defaults to True.
        num_samples: Number of held-out samples that the losses were compared on. Defaults to 0: not known.
    """

    shipped: Row
    best: Row
    differences: dict[str, Difference]
    has_lowest_val_loss: bool = True
    num_samples: int = 0

    @property
    def _rank(self) -> str:
        if self.has_lowest_val_loss:
            return f"lowest val_loss, {self.best.val_loss:.4f}"
        return f"val_loss {self.best.val_loss:.4f}, lowest loss on {self.num_samples} held-out samples"

    @property
    def reason(self) -> str:
        """Why this trial was selected, as text."""
        if self.shipped is not self.best:
            is_mean = self.shipped.trial == NAME
            merit = "the mean of several models" if is_mean else "a network, which exports to every format"
            return (
                f"{self.shipped.trial} (val_loss {self.shipped.val_loss:.4f}), {merit}, "
                f"within one standard error of {self.best.trial} ({self._rank}): "
                f"they differ by {self.differences[self.shipped.trial]}"
            )
        reason = f"{self.shipped.trial} ({self._rank})"
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

    The trial with the lowest mean loss is selected, with two exceptions, by the one-standard-error rule of L. Breiman,
    J. Friedman, R. Olshen and C. Stone (1984), "Classification and regression trees", for paired losses. The mean of several
    models is selected instead if it is within one standard error of the best trial: the lowest of many losses is partly
    luck, as is that of a network which was stopped at its best epoch on the validation samples, and a mean depends less on
    either. (Its loss is at most the mean of its members', because these losses are convex.) A baseline can be exported to
    fewer formats than a network, so the best network is selected instead if it is within one standard error of a baseline.

    Args:
        rows: Rows of the leaderboard; rows without a ``val_loss`` are ignored.
        losses: Returns the losses of a trial, by its name, on samples that no trial was fitted to, ``(n,)``: the validation
            samples, or all that are held out in a fold.
        groups: Group number of each of these samples; None if samples are independent.

    Returns:
        The choice; None if no row has a ``val_loss``.
    """
    scored = [row for row in rows if row.val_loss is not None]
    if not scored:
        return None
    means = {row.trial: float(losses(row.trial).mean()) for row in scored}
    in_order = sorted(scored, key=lambda row: (means[row.trial], row.trial))
    best, reference = in_order[0], losses(in_order[0].trial)
    others = [row for row in scored if row is not best]
    differences = {row.trial: paired_difference(losses(row.trial), reference, groups) for row in others}
    preferred = [row for row in others if row.trial == NAME]
    if best.part_b in BASELINES:
        preferred += [row for row in in_order if row.part_b not in BASELINES][:1]
    shipped = next((row for row in preferred if differences[row.trial].is_noise), best)
    return Choice(shipped, best, differences, lowest(scored) is best, len(reference))


def lowest(rows: Iterable[Row]) -> Row | None:
    """Row with the lowest ``val_loss``; ties are broken by name. None if no row has a ``val_loss``."""
    scored = [row for row in rows if row.val_loss is not None]
    return min(scored, key=lambda row: (row.val_loss or 0.0, row.trial), default=None)
