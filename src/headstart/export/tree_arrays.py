"""Part B: trees of decisions as plain arrays, and what they answer, with NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from headstart.foundation.arrays import Array
from headstart.foundation.runs.file_reading import reading

__all__ = ["LINKS", "Trees", "softmax"]

LINKS = ("sigmoid", "softmax", "identity")

_BLOCK = 1 << 20  # positions in trees that are followed at a time


@dataclass(frozen=True)
class Trees:
    """Trees that answer what a network of the task would; a leaf is a node that leads to itself.

    Attributes:
        features: Column that a node compares, int32 ``(nodes,)``.
        thresholds: Up to which it goes left, float32; what is above goes right.
        left: Next node, int32.
        right: Next node, int32.
        missing_left: Whether NaN goes left.
        values: What a leaf adds, float64; 0 elsewhere.
        roots: First node of each tree, int32 ``(trees,)``.
        outputs: Output that the tree adds to, int32.
        base: What each output starts from, float64 ``(units,)``.
        link: A key of ``LINKS``: from sums to answers.
    """

    features: Array
    thresholds: Array
    left: Array
    right: Array
    missing_left: Array
    values: Array
    roots: Array
    outputs: Array
    base: Array
    link: str

    def weights(self) -> list[Array]:
        """All of it as arrays, in the order of the attributes; the link as its place in ``LINKS``."""
        arrays = [getattr(self, field.name) for field in fields(self)[:-1]]
        return [*arrays, np.array([LINKS.index(self.link)], np.int32)]

    @classmethod
    def from_weights(cls, weights: Sequence[Array]) -> Trees:
        """The trees that gave these arrays.

        Raises:
            ValueError: They are no trees: their number or shapes are others, or a node does not lead on to a later one.
        """
        named = dict(zip((field.name for field in fields(cls)), weights, strict=True))
        link = LINKS[int(named.pop("link")[0])]
        trees = cls(**named, link=link)
        trees._check()
        return trees

    @classmethod
    def read(cls, path: Path, width: int) -> Trees:
        """The trees in an ``.npz`` file.

        Args:
            path: The file.
            width: Columns of the rows that they are to answer.

        Raises:
            RunError: The file cannot be read, or holds no trees for such rows (H502).
        """
        with reading(path), np.load(path, allow_pickle=False) as arrays:
            trees = cls.from_weights([arrays[name] for name in arrays.files])
            if trees.features.max() >= width:
                raise ValueError(f"a tree asks for column {trees.features.max()} of {width}")
        return trees

    def _check(self) -> None:
        """Make sure that ``predict`` ends: every way leads from a node to later ones, and so to a leaf."""
        of_nodes = (self.features, self.thresholds, self.left, self.right, self.missing_left, self.values)
        numbers = np.arange(self.left.size)
        are_leaves = (self.left == numbers) & (self.right == numbers)
        lead_on = (self.left > numbers) & (self.right > numbers)
        within = [(self.left, numbers.size), (self.right, numbers.size), (self.roots, numbers.size)]
        within += [(self.outputs, self.base.size), (self.features, np.iinfo(np.int32).max)]
        if (
            {array.shape for array in of_nodes} != {numbers.shape}
            or self.roots.shape != self.outputs.shape
            or not self.roots.size
            or not (are_leaves | lead_on).all()
            or not all(array.dtype.kind == "i" and array.min() >= 0 and array.max() < most for array, most in within)
        ):
            raise ValueError("these arrays are not boosted trees")

    @property
    def num_params(self) -> int:
        """Learned numbers: a column and a threshold a split, a value a leaf, a base an output."""
        num_leaves = int((self.left == np.arange(len(self.left))).sum())
        return 2 * (len(self.left) - num_leaves) + num_leaves + len(self.base)

    def predict(self, rows: Array) -> Array:
        """Answers, float32 ``(n, units)``: probabilities, or values where the link is the identity.

        Args:
            rows: ``(n, width)``, compared in float32.
        """
        answers: Array = _ANSWERS[self.link](self.sums(rows)).astype(np.float32)
        return answers

    def sums(self, rows: Array) -> Array:
        """What ``predict`` gives before the link, float64."""
        rows, block = np.asarray(rows, np.float32), max(1, _BLOCK // len(self.roots))
        to_output = np.equal.outer(self.outputs, np.arange(len(self.base))).astype(np.float64)
        sums = np.tile(self.base, (len(rows), 1))
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            sums[part] += self.values[self._leaves(rows[part])] @ to_output
        return sums

    def _leaves(self, rows: Array) -> Array:
        """The leaf that each row ends in, in each tree."""
        places = np.arange(len(rows))[:, None]
        nodes: Array = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        while True:
            values = rows[places, self.features[nodes]]
            goes_left = (values <= self.thresholds[nodes]) | (np.isnan(values) & self.missing_left[nodes])
            following = np.where(goes_left, self.left[nodes], self.right[nodes])
            if np.array_equal(following, nodes):
                return nodes
            nodes = following


def softmax(sums: Array) -> Array:
    """Probabilities of the classes, ``(n, classes)``."""
    shifted = np.exp(sums - sums.max(axis=1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def _sigmoid(sums: Array) -> Array:
    result: Array = np.exp(-np.logaddexp(0.0, -sums))
    return result


_ANSWERS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid,
    "softmax": softmax,
    "identity": lambda sums: sums,
}
