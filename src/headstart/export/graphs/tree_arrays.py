"""``Trees``: boosted decision trees as plain arrays, and their predictions with NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from headstart.foundation.arrays import Array
from headstart.foundation.runs.file_reading import reading

__all__ = ["LINKS", "Trees", "collapse", "projection", "softmax"]

LINKS = ("sigmoid", "softmax", "identity")

_BLOCK = 1 << 18  # tree positions (rows times trees) evaluated at a time, to limit memory


@dataclass(frozen=True)
class Trees:
    """Boosted trees whose predictions have the form of a network's output. A leaf is a node whose children are itself.

    Attributes:
        features: Column that each node compares, int32 ``(nodes,)``, counted after ``columns`` and ``factors`` are applied.
        thresholds: Threshold of each node, float32 ``(nodes,)``: values up to it go left, larger ones right.
        left: Left child of each node, int32 ``(nodes,)``.
        right: Right child of each node, int32 ``(nodes,)``.
        missing_left: Whether NaN goes left, ``(nodes,)``.
        values: Value of each leaf, float64 ``(nodes,)``; 0 for other nodes.
        roots: Root node of each tree, int32 ``(trees,)``.
        outputs: Output that each tree adds to, int32 ``(trees,)``.
        base: Initial value of each output, float64 ``(units,)``.
        columns: Column that each column of an encoded row is added to, int32 ``(width,)``, in ascending order.
        factors: Factor of each column of an encoded row, float32 ``(width,)``. The one-hot columns of a category have the
            rank of their level as factor and are added up to one column, so that a tree can compare many levels at once.
        link: One of ``LINKS``: the function from sums to predictions.
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
    columns: Array
    factors: Array
    link: str

    def weights(self) -> list[Array]:
        """All attributes as arrays, in their order; the link is its index in ``LINKS``."""
        arrays = [getattr(self, field.name) for field in fields(self)[:-1]]
        return [*arrays, np.array([LINKS.index(self.link)], np.int32)]

    @classmethod
    def from_weights(cls, weights: Sequence[Array]) -> Trees:
        """Restore trees from the arrays that ``weights`` returned.

        Raises:
            ValueError: The arrays are not trees: their number or shapes are wrong, or a child does not come after its node.
        """
        named = dict(zip((field.name for field in fields(cls)), weights, strict=True))
        link = LINKS[int(named.pop("link")[0])]
        trees = cls(**named, link=link)
        trees._check()
        return trees

    @classmethod
    def mean(cls, several: Sequence[Trees]) -> Trees:
        """Trees whose sums are the means of the sums of several trees, which read rows in the same way.

        Their predictions are means of values, or normalised geometric means of probabilities.

        Raises:
            ValueError: They add columns differently, or have different links.
        """
        first = several[0]
        if any(one.link != first.link or not np.array_equal(one.columns, first.columns) for one in several) or any(
            not np.array_equal(one.factors, first.factors) for one in several
        ):
            raise ValueError("trees that read rows differently have no mean")
        starts = np.cumsum([0, *(one.left.size for one in several[:-1])])

        def joined(name: str, *, are_nodes: bool = False) -> Array:
            parts = [getattr(one, name) + start * are_nodes for one, start in zip(several, starts, strict=True)]
            return np.concatenate(parts).astype(getattr(first, name).dtype)

        return cls(
            features=joined("features"),
            thresholds=joined("thresholds"),
            left=joined("left", are_nodes=True),
            right=joined("right", are_nodes=True),
            missing_left=joined("missing_left"),
            values=joined("values") / len(several),
            roots=joined("roots", are_nodes=True),
            outputs=joined("outputs"),
            base=np.mean([one.base for one in several], axis=0),
            columns=first.columns,
            factors=first.factors,
            link=first.link,
        )

    @classmethod
    def read(cls, path: Path, width: int) -> Trees:
        """Read trees from an ``.npz`` file.

        Args:
            path: Path of the file.
            width: Number of columns of the rows to predict.

        Raises:
            RunError: The file cannot be read, or does not contain trees for such rows (H502).
        """
        with reading(path), np.load(path, allow_pickle=False) as arrays:
            trees = cls.from_weights([arrays[name] for name in arrays.files])
            if trees.columns.size != width:
                raise ValueError(f"the trees read {trees.columns.size} columns, but there are {width} columns")
        return trees

    def _check(self) -> None:
        """Check that ``predict`` terminates: the children of a node come after it, so that every path ends at a leaf."""
        of_nodes = (self.features, self.thresholds, self.left, self.right, self.missing_left, self.values)
        numbers = np.arange(self.left.size)
        are_leaves = (self.left == numbers) & (self.right == numbers)
        lead_on = (self.left > numbers) & (self.right > numbers)
        within = [(self.left, numbers.size), (self.right, numbers.size), (self.roots, numbers.size)]
        within += [(self.outputs, self.base.size), (self.columns, self.columns.size)]
        within += [(self.features, int(self.columns[-1]) + 1 if self.columns.size else 0)]
        if (
            {array.shape for array in of_nodes} != {numbers.shape}
            or self.roots.shape != self.outputs.shape
            or not self.roots.size
            or self.columns.shape != self.factors.shape
            or not np.isin(np.diff(self.columns, prepend=-1), (0, 1)).all()
            or not (are_leaves | lead_on).all()
            or not all(array.dtype.kind == "i" and array.min() >= 0 and array.max() < most for array, most in within)
        ):
            raise ValueError("these arrays are not boosted trees")

    @property
    def num_params(self) -> int:
        """Number of parameters: column and threshold of each split, value of each leaf, base of each output."""
        num_leaves = int((self.left == np.arange(len(self.left))).sum())
        return 2 * (len(self.left) - num_leaves) + num_leaves + len(self.base)

    def predict(self, rows: Array) -> Array:
        """Predict float32 ``(n, units)``: probabilities, or values if the link is the identity.

        Args:
            rows: Encoded rows, ``(n, width)``, compared in float32.
        """
        answers: Array = _ANSWERS[self.link](self.sums(rows)).astype(np.float32)
        return answers

    def sums(self, rows: Array) -> Array:
        """Predictions before the link function, float64 ``(n, units)``."""
        rows = collapse(np.asarray(rows, np.float32), self.columns, self.factors)
        block = max(1, _BLOCK // len(self.roots))
        to_output = np.equal.outer(self.outputs, np.arange(len(self.base))).astype(np.float64)
        sums = np.tile(self.base, (len(rows), 1))
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            sums[part] += np.take(self.values, self._leaves(rows[part])) @ to_output
        return sums

    def _leaves(self, rows: Array) -> Array:
        """Leaf that each row reaches in each tree, ``(n, trees)``."""
        cells, starts = rows.ravel(), (np.arange(len(rows)) * rows.shape[1])[:, None]
        children = np.stack([self.right, self.left], axis=1).ravel().astype(np.intp)
        has_missing = bool(np.isnan(cells).any())
        nodes: Array = np.tile(self.roots.astype(np.intp), (len(rows), 1))
        while True:  # np.take, because indexing with arrays takes several times as long
            values = np.take(cells, starts + np.take(self.features, nodes))
            goes_left = values <= np.take(self.thresholds, nodes)
            if has_missing:
                goes_left |= np.isnan(values) & np.take(self.missing_left, nodes)
            following = np.take(children, 2 * nodes + goes_left)
            if np.array_equal(following, nodes):
                return nodes
            nodes = following


def collapse(rows: Array, columns: Array, factors: Array) -> Array:
    """Multiply the columns of rows by ``factors`` and add up those that share one of ``columns``; see ``Trees``."""
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    if len(starts) == len(columns):
        return rows
    collapsed: Array = np.add.reduceat(rows * factors, starts, axis=1)
    return collapsed


def projection(columns: Array, factors: Array) -> Array | None:
    """Matrix that ``collapse`` multiplies rows by, float32 ``(width, columns)``; None if it leaves them unchanged."""
    if columns[-1] == len(columns) - 1:
        return None
    matrix = np.zeros((len(columns), columns[-1] + 1), np.float32)
    matrix[np.arange(len(columns)), columns] = factors
    return matrix


def softmax(sums: Array) -> Array:
    """Class probabilities from sums, ``(n, classes)``."""
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
