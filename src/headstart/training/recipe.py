"""Recipe: how Part B is trained, in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.augmentation.presets import AUGMENTATIONS

if TYPE_CHECKING:
    import keras

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Settings for training Part B. ``Model.compile`` sets its fields, and a plan gives one per trial.

    Attributes:
        network: A key of ``NETWORKS``.
        options: Options of that network by name. Defaults to none.
        optimizer: Keras name of an optimizer, or an optimizer object. Defaults to None: the solver for the linear head on
            pooled features, Adam for all other networks.
        learning_rate: Learning rate of the head. Defaults to None: a finder chooses it, unless ``optimizer`` is an object.
        schedule: A key of ``SCHEDULES``. Defaults to None: reduced on a plateau for a head on pooled features, and a cosine
            with warm-up for training on feature maps or pixels.
        tail_rate: Learning rate of the backbone's own layers after an inner cut, as a share of the head's. Defaults to 0.1.
        loss: Keras name of a loss. Defaults to None: the task's loss.
        epochs: Maximum number of passes over the training split. Defaults to None: 60 for a head on pooled features, fewer
            after an inner cut, 60 from scratch, and 10 to 100 for the small networks of tables, by the number of rows.
        batch_size: Samples per step, a power of two. Defaults to None: chosen for the data.
        patience: Epochs without a better ``val_loss`` before training stops; the rate is halved after half as many.
            Defaults to 5.
        views: Versions of each training image: the image itself and ``views - 1`` augmented copies. Defaults to 1.
        augmentation: How the copies are augmented; at the pixels, how each image is augmented anew in every epoch.
            Defaults to None: ``light`` if there are several views, and no augmentation at the pixels.
        seed: Seed of initial weights, shuffling, dropout and augmentation. Defaults to 0.

    Example:
        >>> recipe = Recipe("mlp", options={"units": 128}, optimizer="adamw", epochs=20)
        >>> recipe.learning_rate is None, recipe.patience
        (True, 5)
    """

    network: str
    options: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str | keras.optimizers.Optimizer | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    tail_rate: float = 0.1
    loss: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    patience: int = 5
    views: int = 1
    augmentation: Augmentation | None = None
    seed: int = 0

    @property
    def views_augmentation(self) -> Augmentation | None:
        """The augmentation of the copies: ``light`` if there are several views and none was given."""
        return self.augmentation or (AUGMENTATIONS["light"] if self.views > 1 else None)

    def to_json(self) -> dict[str, object]:
        """Return the recipe as plain values; an optimizer object is serialised by Keras."""
        settings = {item.name: getattr(self, item.name) for item in fields(self)}
        settings["options"] = dict(self.options)
        augmentation = self.views_augmentation
        settings["augmentation"] = None if augmentation is None else augmentation.to_json()
        if self.optimizer is not None and not isinstance(self.optimizer, str):
            import keras

            settings["optimizer"] = keras.optimizers.serialize(self.optimizer)
        return settings
