"""Input and result of a training: ``Examples`` and ``Trained``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headstart.data.tasks import Task
from headstart.foundation.arrays import Array
from headstart.training.recipe import Recipe

__all__ = ["Examples", "Trained", "is_solved"]


class Examples(NamedTuple):
    """Rows and labels to train and validate on.

    Attributes:
        rows: Training rows, ``(n, …)``, in memory or mapped from a file.
        labels: ``Dataset.targets`` of the training rows.
        val_rows: Validation rows.
        val_labels: ``Dataset.targets`` of the validation rows.
        task: The task, which defines targets, loss and metric.
        num_classes: Number of classes, labels or targets.
        one_hot: For each category of a table, the range of its one-hot columns. Defaults to none.
    """

    rows: Array
    labels: Array
    val_rows: Array
    val_labels: Array
    task: Task
    num_classes: int
    one_hot: Sequence[range] = ()

    def dense(self, num_codes: int, recipe: Recipe) -> Examples:
        """Drop the codes of large categories, the last columns of a table's rows, if the solver trains on the rows."""
        if not num_codes or not is_solved(recipe, is_inner=False):
            return self
        return self._replace(rows=self.rows[:, :-num_codes], val_rows=self.val_rows[:, :-num_codes])


@dataclass
class Trained:
    """A trained Part B.

    Attributes:
        recipe: The recipe it was trained with.
        weights: Weights of the network, in Keras's order.
        val_loss: Loss on the validation split.
        val_metric: The task's metric on the validation split.
        num_epochs: Number of epochs, or of penalties that the solver tried.
        seconds: Seconds of training, without building and saving.
        interrupted: Whether Ctrl-C ended training early.
        cut_short: Whether the deadline ended training early.
        weights_of_classes: Class weights used in training; empty if there were none.
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
    """Whether the solver can train it: a linear head on pooled features or a table, with no optimizer or loss set."""
    return recipe.network in ("linear", "ovr_linear") and not is_inner and recipe.optimizer is None and recipe.loss is None
