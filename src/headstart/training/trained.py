"""``Trained``: the weights of a trained network, solved head or baseline, with its scores on the validation split."""

from __future__ import annotations

from dataclasses import dataclass, field

from headstart.foundation.arrays import Array
from headstart.training.examples import HeldOut
from headstart.training.recipe import Recipe

__all__ = ["Trained", "is_solved"]


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
        held_out: Predictions of rows by weights that were not fitted to them; positions count training rows, then validation
            rows. Defaults to None: the network predicts the validation rows, to which it was not fitted.
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
    held_out: HeldOut | None = field(default=None, repr=False)


def is_solved(recipe: Recipe, *, is_inner: bool) -> bool:
    """Whether the solver can train it: a linear head on pooled features or a table, with no optimizer or loss set."""
    return recipe.network in ("linear", "ovr_linear") and not is_inner and recipe.optimizer is None and recipe.loss is None
