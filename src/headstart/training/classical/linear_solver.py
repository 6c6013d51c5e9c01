"""Solver for the linear head (softmax, sigmoids or plain values), with the L2 penalty chosen on the validation split.

Rows are treated as centred and scaled to a mean squared norm of one, without making a copy, because they may be mapped from
a file. If there are fewer rows than features, the problem is solved in the span of the rows: with K = X Xᵀ = L Lᵀ, the
weights W = Xᵀ L⁻ᵀ B have the same squared norm as B, and X W = L B, so L-BFGS (Liu and Nocedal, 1989) on B finds the same
solution as on W. Each penalty starts from the solution of the stronger penalty before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from headstart.data.tasks import Task
from headstart.foundation.arrays import Array
from headstart.training.classical.linear_families import FAMILIES, Family

__all__ = ["PENALTIES", "Solution", "Step", "solve"]

PENALTIES = tuple(10.0 ** (-exponent / 2) for exponent in range(3, 12))
_STOP = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-9}
_PATIENCE = 2  # weaker penalties tried after the best one
_MAX_IN_SPAN = 2048  # rows: the memory of the span grows with the square of their number
_BLOCK = 4096  # rows multiplied at a time
_COLUMNS = 1024  # columns centred at a time
_JITTER = 1e-5  # share of a row's mean squared norm, above float32's rounding: centring and duplicates make K singular
_ALIKE = 1e-5  # rows that differ by less, relative to their own length, differ by rounding only


class Step(NamedTuple):
    """Result for one penalty."""

    penalty: float
    loss: float
    val_loss: float
    val_metric: float
    seconds: float


class Solution(NamedTuple):
    """Weights for the best penalty: predictions are ``link(rows @ kernel + bias)``."""

    kernel: Array
    bias: Array
    steps: list[Step]
    best: int


def solve(
    rows: Array,
    labels: Array,
    val_rows: Array,
    val_labels: Array,
    num_classes: int,
    task: Task,
    *,
    on_step: Callable[[Step], bool] = lambda _: True,
) -> Solution:
    """Fit a linear layer for each penalty, strongest first, and select the one with the lowest validation loss.

    Args:
        rows: Training rows, ``(n, features)``.
        labels: Training labels in the form of the task.
        val_rows: Validation rows, ``(m, features)``.
        val_labels: Validation labels in the form of the task.
        num_classes: Number of classes, labels or targets.
        task: The task, which defines family and loss. Two classes are fitted as a softmax of two.
        on_step: Called after each penalty; the search stops if it returns False. Defaults to no callback.

    Returns:
        Weights for the original rows; centring and scaling are folded into them.
    """
    from threadpoolctl import threadpool_limits

    problem = _Problem(FAMILIES[task.name], _truth(labels, num_classes, task))
    # These products are too small for several threads: two threads, waiting for each other, were up to 30 times slower.
    with threadpool_limits(1, user_api="blas"):
        return _solve(rows, problem, val_rows, val_labels, task, on_step)


def _truth(labels: Array, num_classes: int, task: Task) -> Array:
    return np.eye(num_classes)[labels] if task.has_classes else np.asarray(labels, np.float64)


class _Problem(NamedTuple):
    """The fitting problem."""

    family: Family
    truth: Array  # (n, outputs)


def _solve(
    rows: Array,
    problem: _Problem,
    val_rows: Array,
    val_labels: Array,
    task: Task,
    on_step: Callable[[Step], bool],
) -> Solution:
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    is_short = len(rows) < rows.shape[1] and len(rows) <= _MAX_IN_SPAN
    space: _Space = _Span(rows, mean) if is_short else _Features(rows, mean)
    weights = np.zeros((space.size + 1, problem.truth.shape[1]))
    weights[-1] = problem.family.start(problem.truth.mean(axis=0))
    steps: list[Step] = []
    best_weights, best = weights, 0
    for penalty in PENALTIES:
        start = time.perf_counter()
        weights, loss = _minimise(space, problem, weights, penalty)
        kernel, bias = space.to_layer(weights)
        output = problem.family.link(val_rows @ kernel + bias)
        answers = output if task.name == "binary" else task.to_answers(output)  # has both columns here
        step = Step(
            penalty=penalty,
            loss=loss,
            val_loss=task.score(val_labels, answers),
            val_metric=task.measure(val_labels, answers),
            seconds=time.perf_counter() - start,
        )
        steps.append(step)
        if step.val_loss <= steps[best].val_loss:
            best_weights, best = weights, len(steps) - 1
        if not on_step(step) or len(steps) - 1 - best >= _PATIENCE:
            break
    return Solution(*space.to_layer(best_weights), steps, best)


class _Space(Protocol):
    """Coordinates in which the problem is solved. Weights are ``(size + 1, classes)``, with the bias in the last row."""

    size: int

    def logits(self, weights: Array, block: slice) -> Array:
        """Compute the logits of a block of rows."""
        ...

    def slope(self, error: Array, block: slice) -> Array:
        """Compute the gradient of the weights (without the bias) from a block of rows."""
        ...

    def to_layer(self, weights: Array) -> tuple[Array, Array]:
        """Convert weights to kernel and bias for the original rows."""
        ...


class _Features:
    """The features themselves. Mean and scale are applied to the products, which are smaller than the rows."""

    def __init__(self, rows: Array, mean: Array) -> None:
        self.size = rows.shape[1]
        self._rows, self._mean = rows, mean
        squares = sum(float(np.square(rows[block] - mean, dtype=np.float64).sum()) for block in _blocks(len(rows)))
        self._scale = _scale(np.sqrt(squares / len(rows)), mean)

    def logits(self, weights: Array, block: slice) -> Array:
        kernel, bias = self.to_layer(weights)
        result: Array = self._rows[block] @ kernel + bias
        return result

    def slope(self, error: Array, block: slice) -> Array:
        total = error.sum(axis=0)
        result: Array = (self._rows[block].T @ error.astype(np.float32) - np.outer(self._mean, total)) / self._scale
        return result

    def to_layer(self, weights: Array) -> tuple[Array, Array]:
        kernel = (weights[:-1] / self._scale).astype(np.float32)
        return kernel, (weights[-1] - self._mean @ kernel).astype(np.float32)


class _Span:
    """An orthonormal basis of the span of few, long rows, whose coordinates in it are the Cholesky factor."""

    def __init__(self, rows: Array, mean: Array) -> None:
        self.size = len(rows)
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

    def logits(self, weights: Array, block: slice) -> Array:
        result: Array = self._coordinates[block] @ weights[:-1].astype(np.float32) + weights[-1]
        return result

    def slope(self, error: Array, block: slice) -> Array:
        result: Array = self._coordinates[block].T @ error.astype(np.float32)
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


def _minimise(space: _Space, problem: _Problem, start: Array, penalty: float) -> tuple[Array, float]:
    """Find the weights that minimise mean loss + penalty / 2 * squared norm. Returns them and their mean loss."""
    from scipy.optimize import minimize

    family, truth, num_rows = problem.family, problem.truth, len(problem.truth)

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(start.shape)
        loss = penalty / 2 * float(np.square(weights[:-1]).sum())
        gradient = np.vstack([penalty * weights[:-1], np.zeros((1, start.shape[1]))])
        for block in _blocks(num_rows):
            answers = family.link(space.logits(weights, block))
            loss += float(family.loss(truth[block], answers).sum()) / num_rows
            error = (answers - truth[block]) / num_rows
            gradient[:-1] += space.slope(error, block)
            gradient[-1] += error.sum(axis=0)
        return loss, gradient.ravel()

    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=_STOP)
    weights = found.x.reshape(start.shape)
    return weights, float(found.fun - penalty / 2 * np.square(weights[:-1]).sum())


def _blocks(num_rows: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, num_rows, _BLOCK)]
