"""PartA: one or several backbones and their cut, which is after the pooling, at an inner stage, or at the pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.data.images.geometry import Geometry
from headstart.data.images.rendering import Rendering
from headstart.features.backbones.backbones import PIXELS, TABLE, Backbone, find_backbone
from headstart.features.backbones.stages import crossings
from headstart.foundation.errors import BackboneError
from headstart.foundation.privacy import import_openvino_silently
from headstart.foundation.text import with_suggestion

if TYPE_CHECKING:
    import keras
    import openvino

__all__ = ["PIXELS", "POOLINGS", "TABLE", "PartA", "Pooling", "Tensors", "unknown_stage"]

_PIXELS_SIDE = 64  # default side of an image for a network without a backbone


class Pooling(NamedTuple):
    """From the last feature map to a row, as Keras layers, and as OpenVINO operations on channels-first feature maps."""

    layers: Callable[[keras.KerasTensor], keras.KerasTensor]
    graph: Callable[[openvino.Node], openvino.Node]


class Tensors(NamedTuple):
    """Tensors of a Keras network: the image ``(batch, side, side, 3)``, the row at the cut, and the input of the head.

    If the cut is after the pooling, ``row`` and ``pooled`` are the same tensor.
    """

    image: keras.KerasTensor
    row: keras.KerasTensor
    pooled: keras.KerasTensor


def _avg_layers(x: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    return layers.GlobalAveragePooling2D(name="avg")(x)


def _avg_max_layers(x: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    both = [layers.GlobalAveragePooling2D(name="avg")(x), layers.GlobalMaxPooling2D(name="max")(x)]
    return layers.Concatenate(name="avg_max")(both)


def _grid2_layers(x: keras.KerasTensor) -> keras.KerasTensor:
    from keras import layers

    window, step = _halves(x.shape[1:3])
    return layers.Flatten(name="grid2")(layers.AveragePooling2D(window, step, padding="valid", name="halves")(x))


def _avg_graph(x: openvino.Node) -> openvino.Node:
    from openvino import opset13 as ops

    return ops.reduce_mean(x, np.array([2, 3]))


def _avg_max_graph(x: openvino.Node) -> openvino.Node:
    from openvino import opset13 as ops

    return ops.concat([ops.reduce_mean(x, np.array([2, 3])), ops.reduce_max(x, np.array([2, 3]))], 1)


def _grid2_graph(x: openvino.Node) -> openvino.Node:
    from openvino import opset13 as ops

    window, step = _halves(x.shape[2:4])
    pooled = ops.avg_pool(x, list(step), [0, 0], [0, 0], list(window), True, "floor")
    last = ops.transpose(pooled, np.array([0, 2, 3, 1]))  # channels last, as Keras flattens
    return ops.reshape(last, np.array([0, -1]), True)


def _halves(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Window and step for halving a feature map. Halves of an odd side share its middle line; a side of 1 stays whole."""
    return tuple((n + 1) // 2 for n in shape), tuple(max(1, n // 2) for n in shape)


POOLINGS: dict[str, Pooling] = {
    "grid2": Pooling(_grid2_layers, _grid2_graph),
    "avg": Pooling(_avg_layers, _avg_graph),
    "avg_max": Pooling(_avg_max_layers, _avg_max_graph),
}


@dataclass(frozen=True)
class PartA:
    """One or several backbones and their cut.

    Args:
        backbone: A key of ``BACKBONES``; several keys joined by ``+``, which see the same image and whose rows are
            concatenated; ``pixels`` for the image itself, without a backbone; or ``table`` for the encoder of a table.
        pooling: A key of ``POOLINGS``, applied to the last feature map. Defaults to ``"grid2"``.
        weights: Local weights file for a backbone of ``keras.applications``. Defaults to None: the published weights.
        stage: Stage at which the backbone is cut, or ``pixels``. Later layers belong to Part B. Defaults to ``""``: the cut
            is after the pooling.
        side: Side of the input image in pixels. Defaults to 0: the size that the backbone was made for.
        rendering: How pictures are prepared, as decided from the training pictures.
    """

    backbone: str
    pooling: str = "grid2"
    weights: Path | None = None
    stage: str = ""
    side: int = 0
    rendering: Rendering = field(default_factory=Rendering)

    @property
    def name(self) -> str:
        """Backbone and cut, as written in names of trials and folders."""
        middle = [self.stage, self.pooling] if self.cards else []
        size = f"{self.side}px" if self.side else ""
        return "-".join(part for part in (self.backbone, *middle, size) if part)

    @property
    def cards(self) -> list[Backbone]:
        """Cards of the backbones; empty for ``pixels`` and ``table``."""
        return [] if self.backbone in (PIXELS, TABLE) else [find_backbone(name) for name in self.backbone.split("+")]

    @property
    def is_inner(self) -> bool:
        """Whether the cut is before the pooling, so that rows are feature maps or pixels."""
        return bool(self.stage) or self.backbone == PIXELS

    @property
    def is_table(self) -> bool:
        """Whether Part A encodes rows of a table."""
        return self.backbone == TABLE

    @property
    def is_pixels(self) -> bool:
        """Whether rows are the pixels themselves."""
        return PIXELS in (self.stage, self.backbone)

    @property
    def geometry(self) -> Geometry:
        """How an image becomes the network's input."""
        cards = self.cards
        if not cards:
            return Geometry(self.side or _PIXELS_SIDE, 1.0, "bicubic", *self.rendering)
        return Geometry(self.side or max(card.size for card in cards), cards[0].crop, cards[0].filter, *self.rendering)

    def weights_digest(self) -> str:
        """Identify the backbones' weights; empty if there is no backbone."""
        return "+".join(card.weights_digest(self.weights) for card in self.cards)

    def settings(self) -> dict[str, object]:
        """Return everything that determines the rows except the engine: weights, cut and geometry."""
        if self.is_table:
            return {"backbone": TABLE}
        if self.is_pixels:
            return {"backbone": PIXELS, **self.geometry.as_dict()}
        cut = {"stage": self.stage} if self.stage else {"pooling": self.pooling}
        return {"backbone": self.backbone, "weights": self.weights_digest(), **cut, **self.geometry.as_dict()}

    def origins(self) -> dict[str, object]:
        """Describe Part A for the signature of a saved model: its cut, and the origin and licence of its weights."""
        if self.is_table:
            return {"backbone": TABLE, "weights": "", "origin": "none: learned from the training rows", "licence": "none"}
        return {
            "backbone": self.backbone,
            "pooling": self.pooling,
            "stage": self.stage,
            "side": self.side,
            "weights": self.weights_digest(),
            **self.geometry.as_dict(),
            "origin": "; ".join(dict.fromkeys(card.origin for card in self.cards)) or "none: trained from scratch",
            "licence": "; ".join(dict.fromkeys(card.licence for card in self.cards)) or "none",
        }

    def tensors(self, *, load: bool = True) -> Tensors:
        """Build the network in Keras, with its weights if ``load``, and return its image, row and pooled features.

        Raises:
            BackboneError: The backbone has no such stage (H206), or its weights are not available (H202, H204).
        """
        import keras

        size = self.geometry.size
        image = keras.Input((size, size, 3), name="image")
        if not self.cards:
            return Tensors(image, image, image)
        if len(self.cards) > 1:
            # Networks of one family have the same layer names, so each network is nested as a layer.
            rows = keras.layers.Concatenate(name="side_by_side")([self._nested(card, load)(image) for card in self.cards])
            return Tensors(image, rows, rows)
        (card,) = self.cards
        features = card.network(image, self.weights, load)
        pooled = POOLINGS[self.pooling].layers(features)
        if not self.stage:
            return Tensors(image, pooled, pooled)
        stages = {PIXELS: image} if self.is_pixels else crossings(image, features)
        if self.stage not in stages:
            raise unknown_stage(card.name, self.stage, list(stages))
        return Tensors(image, stages[self.stage], pooled)

    def _nested(self, card: Backbone, load: bool) -> keras.Model:
        import keras

        image = keras.Input((self.geometry.size, self.geometry.size, 3))
        return keras.Model(image, POOLINGS[self.pooling].layers(card.network(image, self.weights, load)), name=card.name)

    def graph(self) -> openvino.Model | None:
        """Build Part A from OpenVINO operations, from one uint8 image to its row; None if only Keras can build it."""
        cards = self.cards
        if any(card.graph is None for card in cards):
            return None
        import_openvino_silently()
        import openvino
        from openvino import opset13 as ops

        size = self.geometry.size
        image = ops.parameter([1, size, size, 3], np.uint8, name="image")
        pixels = ops.convert(image, "f32")
        maps = [card.graph(pixels, self.stage or card.stages[-1]) for card in cards if card.graph is not None]
        if self.stage:
            rows = ops.transpose(maps[0], np.array([0, 2, 3, 1]))  # channels last, as in Keras
        else:
            pooled = [POOLINGS[self.pooling].graph(x) for x in maps]
            rows = ops.concat(pooled, 1) if len(pooled) > 1 else pooled[0]
        return openvino.Model([rows], [image], self.name)


def unknown_stage(backbone: str, stage: str, stages: Sequence[str]) -> BackboneError:
    """Return the error for a stage that a backbone does not have (H206)."""
    return BackboneError(
        "H206",
        "the backbone has no such stage",
        received=f"{with_suggestion(stage, [PIXELS, *stages, *POOLINGS])} (in {backbone})",
        expected=f"{PIXELS}, or one of {', '.join(stages)}; a pooling is {', '.join(POOLINGS)}",
        advice=f"for example {backbone}-{stages[-2] if len(stages) > 1 else PIXELS}-linear",
    )
