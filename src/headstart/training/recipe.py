"""Part B: the recipe: everything that ``compile`` and ``fit`` need, in plain values."""

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
    """How Part B is trained.

    Attributes:
        network: A key of ``NETWORKS``.
        options: Options of that network by name.
        optimizer: Keras's name of an optimizer, or an optimizer object. None: the solver for the linear head on pooled
            features, Adam for others.
        learning_rate: Of the head; None: a finder chooses it where the optimizer is a name.
        schedule: A key of ``SCHEDULES``: how the rate goes on from there. None: down on a plateau for a head on pooled
            features; up and down again, along a cosine, where feature maps or pixels are trained on.
        tail_rate: Rate of the backbone's own layers behind an inner cut, as a share of the head's.
        loss: Keras's name of a loss; None is the task's own.
        epochs: At most so many passes over the training split; None: 60 for a head on pooled features, fewer behind an
            inner cut, 60 from scratch, 10 to 100 for the small networks of tables, by the number of rows.
        batch_size: Samples a step, a power of two; None fits it to the data.
        patience: Epochs without a better ``val_loss`` before training stops; half of it before the rate is halved.
        views: Copies of each training image in the store: the image itself and ``views - 1`` augmented ones.
        augmentation: What makes them; at the pixels, what is drawn anew in every epoch. None: ``light`` where there are
            several views, and nothing at the pixels.
        seed: Seed of initial weights, shuffling, dropout and augmentation.
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
        """What makes the copies: ``light`` where there are some and nothing else was asked for."""
        return self.augmentation or (AUGMENTATIONS["light"] if self.views > 1 else None)

    def to_json(self) -> dict[str, object]:
        """The recipe as plain values; an optimizer object as Keras serialises it."""
        settings = {item.name: getattr(self, item.name) for item in fields(self)}
        settings["options"] = dict(self.options)
        augmentation = self.views_augmentation
        settings["augmentation"] = None if augmentation is None else augmentation.to_json()
        if self.optimizer is not None and not isinstance(self.optimizer, str):
            import keras

            settings["optimizer"] = keras.optimizers.serialize(self.optimizer)
        return settings
