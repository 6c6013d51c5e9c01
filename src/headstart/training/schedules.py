"""SCHEDULES, the table of learning-rate schedules, and a lower learning rate for the backbone's layers than for the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from headstart.foundation.errors import TrainingError
from headstart.training.recipe import Recipe

if TYPE_CHECKING:
    import keras

__all__ = ["FIXED_LENGTH", "SCHEDULES", "default_schedule", "slow_down"]


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


# Schedules by name: functions that return callbacks, given the recipe, the initial or peak rate, and the steps per epoch.
# Schedules with a fixed length are never stopped early: their last epochs, at the lowest rates, are the best ones.
SCHEDULES: dict[str, Callable[[Recipe, float, int], list[keras.callbacks.Callback]]] = {
    "plateau": _plateau,
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}

FIXED_LENGTH = frozenset({"cosine", "one_cycle"})


def default_schedule(*, is_inner: bool) -> str:
    """Return ``cosine`` (fixed length) for feature maps or pixels, ``plateau`` (until nothing improves) for a head."""
    return "cosine" if is_inner else "plateau"


def slow_down(optimizer: keras.optimizers.Optimizer, layers: Sequence[keras.layers.Layer], share: float) -> None:
    """Make an optimizer update some layers at a share of its learning rate, on every backend.

    The optimizer's class, its settings and its saved form do not change.

    Args:
        optimizer: An optimizer that has made no step yet.
        layers: Pretrained layers, which only need to be adapted.
        share: Share of the learning rate for these layers.

    Raises:
        TrainingError: The optimizer counts its updates in a way that does not allow two groups (H307).
    """
    import keras

    if isinstance(optimizer, keras.optimizers.Nadam):
        raise TrainingError(
            "H307",
            "the optimizer does not support two learning rates",
            received="nadam after an inner cut",
            expected="any other Keras optimizer",
            advice="use adam or adamw, or cut after the pooling",
        )
    update = optimizer._backend_update_step  # overridden by each backend, and called once per step
    slow = {id(variable) for layer in layers for variable in layer.trainable_variables}

    def update_in_groups(gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any) -> None:
        pairs = list(zip(gradients, variables, strict=True))
        for is_slow, factor in ((False, 1.0), (True, share)):
            chosen = [(g, v) for g, v in pairs if (id(v) in slow) is is_slow]
            if chosen:
                update([g for g, _ in chosen], [v for _, v in chosen], learning_rate * factor)

    optimizer._backend_update_step = update_in_groups
