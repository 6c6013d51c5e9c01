"""Stages of a network, where it can be cut: tensors that every path from input to output crosses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

__all__ = ["crossings"]

# Keras numbers unnamed layers, continuing from the previous network, so their names are not stable.
_NUMBERED = re.compile(
    r"(activation|add|average_pooling2d|batch_normalization|concatenate|conv2d|depthwise_conv2d|dropout|lambda|"
    r"layer_normalization|max_pooling2d|multiply|re_lu|rescaling|separable_conv2d|zero_padding2d)(_\d+)?"
)


def crossings(image: keras.KerasTensor, features: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """Find the stages of a network, in order, by the names of the layers that produce them. The last layer is included.

    A stage is a tensor that every path from ``image`` to ``features`` crosses and that is the input of a convolution, a
    dense layer or a branch, so that cuts are between blocks and not between a convolution and its normalisation.

    Args:
        image: Input of the network.
        features: Last feature map of the network, ``(batch, height, width, channels)``.
    """
    import keras

    operations = keras.Model(image, features).operations  # inputs first, each operation after those it depends on
    reader_of: dict[int, list[int]] = {}
    for position, operation in enumerate(operations[1:], start=1):
        for tensor in keras.tree.flatten(operation.input):
            reader_of.setdefault(id(tensor), []).append(position)
    stages: dict[str, keras.KerasTensor] = {}
    last_read = 0  # position of the last reader of any tensor computed so far
    for position, operation in enumerate(operations):
        readers = reader_of.get(id(operation.output), [])
        is_crossed = last_read <= position
        last_read = max([last_read, *readers])
        if position and is_crossed and _opens_a_block([operations[r] for r in readers]) and _has_name(operation.name):
            stages[operation.name] = operation.output
    stages[operations[-1].name] = operations[-1].output
    return stages


def _opens_a_block(readers: list[Any]) -> bool:
    """Whether a tensor with these readers branches, or is read by a layer with a kernel."""
    return len(readers) > 1 or any(getattr(reader, "kernel_size", getattr(reader, "units", None)) for reader in readers)


def _has_name(name: str) -> bool:
    return _NUMBERED.fullmatch(name) is None
