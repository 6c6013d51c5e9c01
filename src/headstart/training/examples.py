"""Part B: what training may see, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from headstart.data.tasks import Task
from headstart.foundation.arrays import Array
from headstart.training.recipe import Recipe

__all__ = ["Examples", "Trained", "is_solved"]


class Examples(NamedTuple):
    """What training may see.

    Attributes:
        rows: ``(n, …)``, in memory or mapped from a file.
        labels: ``Dataset.targets`` of them.
        val_rows, val_labels: The same of the validation split.
        task: What decides targets, score and metric.
        num_classes: Classes, labels or targets.
    """

    rows: Array
    labels: Array
    val_rows: Array
    val_labels: Array
    task: Task
    num_classes: int

    def dense(self, num_codes: int, recipe: Recipe) -> Examples:
        """For the solver: without the codes of large categories, which stand at the end of a table's rows."""
        if not num_codes or not is_solved(recipe, is_inner=False):
            return self
        return self._replace(rows=self.rows[:, :-num_codes], val_rows=self.val_rows[:, :-num_codes])


@dataclass
class Trained:
    """A Part B that was trained.

    Attributes:
        weights: As the network that was built takes them.
        val_loss: The task's score on the validation split.
        val_metric: The task's metric there.
        num_epochs: Epochs, or penalties tried by the solver.
        seconds: Training alone, building and saving apart.
        interrupted: Whether Ctrl-C ended it early.
        cut_short: Whether the deadline did.
        weights_of_classes: With which it was trained; empty where all counted alike.
    """

    recipe: Recipe
    weights: list[Array] = field(repr=False)
    val_loss: float
    val_metric: float
    num_epochs: int
    seconds: float
    interrupted: bool = False
    cut_short: bool = False
    weights_of_classes: tuple[float, ...] = ()


def is_solved(recipe: Recipe, *, is_inner: bool) -> bool:
    """Whether the solver trains it: a linear head on features, with nothing asked that is Keras's alone."""
    return recipe.network in ("linear", "ovr_linear") and not is_inner and recipe.optimizer is None and recipe.loss is None
