"""Coordinates in which a linear head is fitted: the features, or the span of few, long rows.

Rows are treated as centred and scaled to a mean squared norm of one, without making a copy, because they may be mapped from
a file. If there are fewer rows than features, the problem is solved in the span of the rows: with K = X Xᵀ = L Lᵀ, the
weights W = Xᵀ L⁻ᵀ B have the same squared norm as B, and X W = L B, so that the best B gives the best W.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["Space", "make_space"]

_MAX_IN_SPAN = 2560  # rows: the memory of the span grows with the square of their number
_BLOCK = 4096  # rows multiplied at a time
_COLUMNS = 1024  # columns centred at a time
_JITTER = 1e-5  # share of a row's mean squared norm, above float32's rounding: centring and duplicates make K singular
_ALIKE = 1e-5  # rows that differ by less, relative to their own length, differ by rounding only


def make_space(parts: list[Array]) -> Space:
    """Coordinates for rows in several parts: their span if they are few and long, else their features."""
    num_rows = sum(map(len, parts))
    mean = (sum(part.sum(axis=0, dtype=np.float64) for part in parts) / num_rows).astype(np.float32)
    is_short = num_rows < parts[0].shape[1] and num_rows <= _MAX_IN_SPAN
    return _Span(np.concatenate(parts) if len(parts) > 1 else parts[0], mean) if is_short else _Features(parts, mean)


class Space(Protocol):
    """Coordinates in which the problem is solved. Weights are ``(size + 1, classes)``, with the bias in the last row."""

    size: int
    blocks: list[slice]

    def logits(self, weights: Array, number: int) -> Array:
        """Compute the logits of a block of rows."""
        ...

    def slope(self, error: Array, number: int) -> Array:
        """Compute the gradient of the weights (without the bias) from a block of rows."""
        ...

    def to_layer(self, weights: Array) -> tuple[Array, Array]:
        """Convert weights to kernel and bias for the original rows."""
        ...


class _Features:
    """The features themselves. Mean and scale are applied to the products, which are smaller than the rows."""

    def __init__(self, parts: Sequence[Array], mean: Array) -> None:
        self.size = parts[0].shape[1]
        self._blocks = [part[start : start + _BLOCK] for part in parts for start in range(0, len(part), _BLOCK)]
        ends = np.cumsum([0, *map(len, self._blocks)])
        self.blocks = [slice(int(start), int(end)) for start, end in pairwise(ends)]
        self._mean = mean
        squares = sum(float(np.square(block - mean, dtype=np.float64).sum()) for block in self._blocks)
        self._scale = _scale(np.sqrt(squares / ends[-1]), mean)

    def logits(self, weights: Array, number: int) -> Array:
        kernel, bias = self.to_layer(weights)
        result: Array = self._blocks[number] @ kernel + bias
        return result

    def slope(self, error: Array, number: int) -> Array:
        total = error.sum(axis=0)
        result: Array = (self._blocks[number].T @ error.astype(np.float32) - np.outer(self._mean, total)) / self._scale
        return result

    def to_layer(self, weights: Array) -> tuple[Array, Array]:
        kernel = (weights[:-1] / self._scale).astype(np.float32)
        return kernel, (weights[-1] - self._mean @ kernel).astype(np.float32)


class _Span:
    """An orthonormal basis of the span of few, long rows, whose coordinates in it are the Cholesky factor."""

    def __init__(self, rows: Array, mean: Array) -> None:
        self.size, self.blocks = len(rows), [slice(0, len(rows))]
        self._rows, self._mean = rows, mean
        # Centre before multiplying: the difference of large products would be mostly rounding error.
        parts = [slice(start, start + _COLUMNS) for start in range(0, rows.shape[1], _COLUMNS)]
        largest = max((float(np.abs(rows[:, part] - mean[part]).max()) for part in parts), default=0.0) or 1.0
        gram = np.zeros((self.size, self.size))
        for part in parts:
            centred = (rows[:, part] - mean[part]) / np.float32(largest)
            gram += centred @ centred.T
        length = float(np.sqrt(np.trace(gram) / self.size))
        self._scale = _scale(length * largest, mean)
        self._lower = _cholesky(gram * (largest / self._scale) ** 2)
        self._coordinates = self._lower.astype(np.float32)  # products dominate the time, and float32 halves it

    def logits(self, weights: Array, number: int) -> Array:
        result: Array = self._coordinates[self.blocks[number]] @ weights[:-1].astype(np.float32) + weights[-1]
        return result

    def slope(self, error: Array, number: int) -> Array:
        result: Array = self._coordinates[self.blocks[number]].T @ error.astype(np.float32)
        return result

    def to_layer(self, weights: Array) -> tuple[Array, Array]:
        from scipy.linalg import solve_triangular

        shares = solve_triangular(self._lower, weights[:-1], lower=True, trans="T").astype(np.float32)
        kernel = (self._rows.T @ shares - np.outer(self._mean, shares.sum(axis=0))) / self._scale / self._scale
        return kernel.astype(np.float32), (weights[-1] - self._mean @ kernel).astype(np.float32)


def _scale(spread: float, mean: Array) -> float:
    """Root mean squared norm of the centred rows; if that is only rounding error, the norm of the mean, or 1."""
    length = float(np.linalg.norm(mean.astype(np.float64)))
    return float(spread) if spread > _ALIKE * length else length or 1.0


def _cholesky(gram: Array) -> Array:
    """Lower Cholesky factor of a matrix that may be singular, after adding just enough to its diagonal."""
    from scipy.linalg import LinAlgError, cholesky

    jitter = _JITTER
    while True:
        try:
            lower: Array = cholesky(gram + jitter * np.eye(len(gram)), lower=True, overwrite_a=True)
            return lower
        except LinAlgError:
            jitter *= 10
