"""Part A: where a network can be cut: the tensors that every path from its input to its output crosses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

__all__ = ["crossings"]

# Keras numbers layers that were given no name, and starts where the last network ended: no name to rely on.
_NUMBERED = re.compile(
    r"(activation|add|average_pooling2d|batch_normalization|concatenate|conv2d|depthwise_conv2d|dropout|lambda|"
    r"layer_normalization|max_pooling2d|multiply|re_lu|rescaling|separable_conv2d|zero_padding2d)(_\d+)?"
)


def crossings(image: keras.KerasTensor, features: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """The stages of a network by the names of the layers that give them, in order, the last one's output included.

    A stage is a tensor that every path from ``image`` to ``features`` crosses and that a convolution, a dense layer or
    a branching reads, so that a cut falls between blocks and not between a convolution and its normalisation.

    Args:
        image: The network's input.
        features: Its last feature map, ``(batch, height, width, channels)``.
    """
    import keras

    operations = keras.Model(image, features).operations  # inputs first, each after what it reads
    reader_of: dict[int, list[int]] = {}
    for position, operation in enumerate(operations[1:], start=1):
        for tensor in keras.tree.flatten(operation.input):
            reader_of.setdefault(id(tensor), []).append(position)
    found: dict[str, keras.KerasTensor] = {}
    last_read = 0  # of all that was computed so far
    for position, operation in enumerate(operations):
        readers = reader_of.get(id(operation.output), [])
        is_crossed = last_read <= position
        last_read = max([last_read, *readers])
        if position and is_crossed and _opens_a_block([operations[r] for r in readers]) and _has_name(operation.name):
            found[operation.name] = operation.output
    found[operations[-1].name] = operations[-1].output
    return found


def _opens_a_block(readers: list[Any]) -> bool:
    """Whether what reads the tensor is a branching, or a layer that has a kernel."""
    return len(readers) > 1 or any(getattr(reader, "kernel_size", getattr(reader, "units", None)) for reader in readers)


def _has_name(name: str) -> bool:
    return _NUMBERED.fullmatch(name) is None
