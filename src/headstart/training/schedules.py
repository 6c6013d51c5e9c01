"""Part B: how the learning rate goes: over time by a schedule, and lower for the backbone's own layers than for the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from headstart.foundation.errors import TrainingError
from headstart.training.recipe import Recipe

if TYPE_CHECKING:
    import keras

__all__ = ["SCHEDULES", "default_schedule", "slow_down"]


def _until_it_stops(recipe: Recipe) -> keras.callbacks.Callback:
    import keras

    return keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience)


def _plateau(recipe: Recipe, _rate: float, _steps: int) -> list[keras.callbacks.Callback]:
    import keras

    lower = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=max(1, recipe.patience // 2))
    return [_until_it_stops(recipe), lower]


def _constant(recipe: Recipe, _rate: float, _steps: int) -> list[keras.callbacks.Callback]:
    return [_until_it_stops(recipe)]


def _step(recipe: Recipe, rate: float, steps: int) -> list[keras.callbacks.Callback]:
    from headstart.training.callbacks import StepDecay

    return [_until_it_stops(recipe), StepDecay(rate, every_epochs=2 * recipe.patience, steps_per_epoch=steps)]


def _cosine(_recipe: Recipe, rate: float, _steps: int) -> list[keras.callbacks.Callback]:
    from headstart.training.callbacks import CosineWithWarmUp

    return [CosineWithWarmUp(rate)]


def _one_cycle(_recipe: Recipe, rate: float, _steps: int) -> list[keras.callbacks.Callback]:
    from headstart.training.callbacks import OneCycle

    return [OneCycle(rate)]


# A schedule's name to its callbacks, given the recipe, the rate to begin with or to peak at, and the steps of an epoch.
# Those whose end is fixed are never stopped early: their last epochs, at the lowest rates, are the best ones.
SCHEDULES: dict[str, Callable[[Recipe, float, int], list[keras.callbacks.Callback]]] = {
    "plateau": _plateau,
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


def default_schedule(*, is_inner: bool) -> str:
    """What suits a head, which trains until nothing improves, and what suits feature maps or pixels: a fixed end."""
    return "cosine" if is_inner else "plateau"


def slow_down(optimizer: keras.optimizers.Optimizer, layers: Sequence[keras.layers.Layer], share: float) -> None:
    """Let an optimizer change the weights of some layers at a share of its learning rate, on every backend.

    The optimizer's class and settings stay as they are, and so does what is saved of it.

    Args:
        optimizer: Before its first step.
        layers: The layers that were trained before, and need only be adapted.
        share: Of the learning rate.

    Raises:
        TrainingError: The optimizer counts its updates in a way that forbids two groups (H307).
    """
    import keras

    if isinstance(optimizer, keras.optimizers.Nadam):
        raise TrainingError(
            "H307",
            "the optimizer cannot train two parts at two rates",
            received="nadam behind an inner cut",
            expected="any other optimizer of Keras",
            advice="use adam or adamw, or cut behind the pooling",
        )
    update = optimizer._backend_update_step  # what each backend overrides; every step passes through it once
    slow = {id(variable) for layer in layers for variable in layer.trainable_variables}

    def update_in_groups(gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any) -> None:
        pairs = list(zip(gradients, variables, strict=True))
        for is_slow, factor in ((False, 1.0), (True, share)):
            chosen = [(g, v) for g, v in pairs if (id(v) in slow) is is_slow]
            if chosen:
                update([g for g, _ in chosen], [v for _, v in chosen], learning_rate * factor)

    optimizer._backend_update_step = update_in_groups
