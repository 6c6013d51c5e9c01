"""Part A: a backbone, and where it is cut: the poolings that turn its last feature map into a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.backbones import Backbone, find_backbone
from headstart.images import Geometry

if TYPE_CHECKING:
    import keras
    import openvino

__all__ = ["POOLINGS", "PartA", "Pooling"]


class Pooling(NamedTuple):
    """How the last feature map becomes a row: in Keras layers, and in OpenVINO operations on channels-first maps."""

    layers: Callable[[keras.KerasTensor], keras.KerasTensor]
    graph: Callable[[openvino.Node], openvino.Node]


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
    last = ops.transpose(pooled, np.array([0, 2, 3, 1]))  # rows are flattened as Keras does, channels last
    return ops.reshape(last, np.array([0, -1]), True)


def _halves(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Window and step that halve a map; the halves of an odd side share its middle line, a side of 1 stays whole."""
    return tuple((n + 1) // 2 for n in shape), tuple(max(1, n // 2) for n in shape)


POOLINGS: dict[str, Pooling] = {
    "grid2": Pooling(_grid2_layers, _grid2_graph),
    "avg": Pooling(_avg_layers, _avg_graph),
    "avg_max": Pooling(_avg_max_layers, _avg_max_graph),
}


@dataclass(frozen=True)
class PartA:
    """A backbone and where it is cut.

    Args:
        backbone: A key of ``BACKBONES``.
        pooling: A key of ``POOLINGS``.
        weights: Local weights file for a network of keras.applications.
    """

    backbone: str
    pooling: str = "grid2"
    weights: Path | None = None

    @property
    def name(self) -> str:
        """Backbone and cut, as trials and folders spell it."""
        return f"{self.backbone}-{self.pooling}"

    @property
    def card(self) -> Backbone:
        """The backbone's card."""
        return find_backbone(self.backbone)

    @property
    def geometry(self) -> Geometry:
        """How an image becomes the network's input."""
        return Geometry(self.card.size, self.card.crop, self.card.filter)

    def settings(self) -> dict[str, object]:
        """Everything that makes the rows but for the engine: weights, cut and geometry."""
        digest = self.card.weights_digest(self.weights)
        return {"backbone": self.card.name, "pooling": self.pooling, "weights": digest, **self.geometry.as_dict()}

    def tensors(self, *, load: bool = True) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Part A in Keras: the image tensor and the row tensor ``(batch, features)``, with its weights if ``load``."""
        import keras

        image = keras.Input((self.card.size, self.card.size, 3), name="image")
        return image, POOLINGS[self.pooling].layers(self.card.network(image, self.weights, load))

    def graph(self) -> openvino.Model | None:
        """Part A in OpenVINO's operations, one uint8 image in and its row out; None where only Keras can build it."""
        if self.card.graph is None:
            return None
        import openvino
        from openvino import opset13 as ops

        image = ops.parameter([1, self.card.size, self.card.size, 3], np.uint8, name="image")
        rows = POOLINGS[self.pooling].graph(self.card.graph(ops.convert(image, "f32")))
        return openvino.Model([rows], [image], self.name)
