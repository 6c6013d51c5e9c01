"""Boosted trees as a Keras network of built-in layers, so that they can be one model with networks, in every format.

A tree is written as matrix products: which splits a row passes, and which leaf these lead to (Nakandala et al., 2020, "A
tensor compiler for unified machine learning prediction serving", https://arxiv.org/abs/2010.04804).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.export.graphs.tree_arrays import LINKS, Trees
from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import keras

__all__ = ["num_weights", "tree_network"]

_STEEP = 1e30  # times the smallest difference of a value from a threshold it is more than 1, and no difference overflows
_ACTIVATIONS = dict(zip(LINKS, ("sigmoid", "softmax", "linear"), strict=True))


def num_weights(trees: Trees) -> int:
    """Number of weights of ``tree_network``, without building it."""
    num_splits, num_leaves = _most(trees)
    num_trees, width, units = len(trees.roots), len(trees.columns), len(trees.base)
    return num_trees * (num_splits * (width + 1) + num_leaves * (num_splits + 1 + units)) + units


def tree_network(trees: Trees) -> keras.Model:
    """Build the network that predicts what ``Trees.predict`` does, from rows without NaN ``(batch, width)``.

    Every tree is padded to as many splits and leaves as the largest one has, and all trees are computed at once.
    """
    import keras
    from keras import layers

    table = _tabulate(trees)
    num_trees, num_splits, num_leaves = table.follows.shape
    rows = keras.Input((len(trees.columns),), name="rows")
    x = layers.Dense(num_trees * num_splits, name="beyond_threshold")(rows)
    x = layers.Rescaling(_STEEP, name="steep")(x)
    x = layers.ReLU(max_value=1.0, name="goes_right")(x)
    x = layers.Reshape((num_trees, num_splits), name="trees")(x)
    x = layers.EinsumDense("bts,tsl->btl", (num_trees, num_leaves), bias_axes="tl", activation="relu", name="leaves")(x)
    x = layers.Flatten(name="all_leaves")(x)
    output = layers.Dense(len(trees.base), activation=_ACTIVATIONS[trees.link], name="sums")(x)
    network = keras.Model(rows, output, name="trees")
    set_weights(network, [*table.compares, table.follows, table.offsets, table.values, trees.base.astype(np.float32)])
    return network


class _Table(NamedTuple):
    """Weights of the layers.

    Attributes:
        compares: Kernel ``(width, trees * splits)`` that picks the column of each split, and the negative thresholds.
        follows: For each leaf, 1 for splits that lead to it on the right, -1 on the left, ``(trees, splits, leaves)``.
        offsets: 1 less the number of splits that lead to a leaf on the right, ``(trees, leaves)``. A leaf's sum is 1 for a
            row that reaches it, and 0 or less for all others.
        values: Value of each leaf, in the column of the output it adds to, ``(trees * leaves, units)``.
    """

    compares: tuple[Array, Array]
    follows: Array
    offsets: Array
    values: Array


def _most(trees: Trees) -> tuple[int, int]:
    """Splits and leaves of the largest tree; at least one and two, since LiteRT's converter fails on a single column."""
    counts = np.diff([*trees.roots, len(trees.left)])
    num_leaves = max(2, int((counts.max() + 1) // 2))
    return num_leaves - 1, num_leaves


def _tabulate(trees: Trees) -> _Table:
    num_splits, num_leaves = _most(trees)
    num_trees, units = len(trees.roots), len(trees.base)
    kernel = np.zeros((len(trees.columns), num_trees, num_splits), np.float32)
    bias = np.zeros((num_trees, num_splits), np.float32)
    follows = np.zeros((num_trees, num_splits, num_leaves), np.float32)
    offsets = np.zeros((num_trees, num_leaves), np.float32)
    values = np.zeros((num_trees, num_leaves, units), np.float32)
    for number, root in enumerate(trees.roots.tolist()):
        split = leaf = 0
        waiting: list[tuple[int, list[tuple[int, int]]]] = [(root, [])]
        while waiting:
            node, path = waiting.pop()
            if trees.left[node] == node:
                for passed, side in path:
                    follows[number, passed, leaf] = side
                offsets[number, leaf] = 1 - sum(side > 0 for _, side in path)
                values[number, leaf, trees.outputs[number]] = trees.values[node]
                leaf += 1
                continue
            read = trees.columns == trees.features[node]
            kernel[read, number, split] = trees.factors[read]
            bias[number, split] = -trees.thresholds[node]
            waiting += [(int(trees.left[node]), [*path, (split, -1)]), (int(trees.right[node]), [*path, (split, 1)])]
            split += 1
    offsets_of_padding = np.arange(num_leaves)[None] >= (np.diff([*trees.roots, len(trees.left)])[:, None] + 1) // 2
    offsets[offsets_of_padding] = -1.0
    return _Table((kernel.reshape(len(kernel), -1), bias.ravel()), follows, offsets, values.reshape(-1, units))
