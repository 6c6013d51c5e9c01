"""Part B: the linear head by a solver: softmax, sigmoids or plain values, its L2 penalty chosen on validation.

Rows are centred and scaled to a mean squared norm of one, on paper only: they may be mapped from a file, and no copy is
made. Where they are few and long, the problem is solved in their span: with K = X Xᵀ = L Lᵀ, the weights W = Xᵀ L⁻ᵀ B
have the squared norm of B, and X W = L B. L-BFGS on B (Liu and Nocedal, 1989) then finds exactly what it would find on W.
Each penalty starts where the stronger one before it ended.
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
_MAX_IN_SPAN = 2048  # rows: the span takes memory by the square of their number
_BLOCK = 4096  # rows multiplied at a time
_COLUMNS = 1024  # centred at a time
_JITTER = 1e-5  # of a row's mean squared norm: centring and copies of a picture make K singular; beyond float32's rounding
_ALIKE = 1e-5  # rows that differ by less, relative to their own length, are equal but for rounding


class Step(NamedTuple):
    """One penalty: how well it fitted."""

    penalty: float
    loss: float
    val_loss: float
    val_metric: float
    seconds: float


class Solution(NamedTuple):
    """The best penalty's weights: ``answers = link(rows @ kernel + bias)``."""

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
    """Fit a linear layer for each penalty, strongest first, and keep the one with the least validation loss.

    Args:
        rows: Training rows, ``(n, features)``.
        labels: As the task has them.
        val_rows: Validation rows, ``(m, features)``.
        val_labels: As ``labels``.
        num_classes: Classes, labels or targets.
        task: What decides the family and the score. Two classes are a softmax of two here.
        on_step: Told after each penalty; False stops the search there.

    Returns:
        The weights for the rows as they are: centring and scaling are folded in.
    """
    from threadpoolctl import threadpool_limits

    problem = _Problem(FAMILIES[task.name], _truth(labels, num_classes, task))
    # These products are too small to share: two threads that wait for one another were up to thirty times slower.
    with threadpool_limits(1, user_api="blas"):
        return _solve(rows, problem, val_rows, val_labels, task, on_step)


def _truth(labels: Array, num_classes: int, task: Task) -> Array:
    return np.eye(num_classes)[labels] if task.has_classes else np.asarray(labels, np.float64)


class _Problem(NamedTuple):
    """What is to be fitted."""

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
        answers = output if task.name == "binary" else task.to_answers(output)  # of two classes it has both columns here
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
    """Coordinates in which the problem is solved; weights are ``(size + 1, classes)``, the bias last."""

    size: int

    def logits(self, weights: Array, block: slice) -> Array:
        """Logits of some of the rows."""
        ...

    def slope(self, error: Array, block: slice) -> Array:
        """What these rows add to the gradient of the weights, bias apart."""
        ...

    def to_layer(self, weights: Array) -> tuple[Array, Array]:
        """Kernel and bias for the rows as they are."""
        ...


class _Features:
    """The features themselves. Mean and scale are applied to products, which are small."""

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
    """An orthonormal basis of what few, long rows span; their coordinates in it are the Cholesky factor."""

    def __init__(self, rows: Array, mean: Array) -> None:
        self.size = len(rows)
        self._rows, self._mean = rows, mean
        # Centred before they are multiplied: the difference of large products would be rounding and little else.
        parts = [slice(start, start + _COLUMNS) for start in range(0, rows.shape[1], _COLUMNS)]
        largest = max((float(np.abs(rows[:, part] - mean[part]).max()) for part in parts), default=0.0) or 1.0
        gram = np.zeros((self.size, self.size))
        for part in parts:
            centred = (rows[:, part] - mean[part]) / np.float32(largest)
            gram += centred @ centred.T
        length = float(np.sqrt(np.trace(gram) / self.size))
        self._scale = _scale(length * largest, mean)
        self._lower = _cholesky(gram * (largest / self._scale) ** 2)
        self._coordinates = self._lower.astype(np.float32)  # products are most of the work, and float32 halves them

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
    """Root of the mean squared norm of centred rows; where that is rounding alone, something of the size of the rows."""
    length = float(np.linalg.norm(mean.astype(np.float64)))
    return float(spread) if spread > _ALIKE * length else length or 1.0


def _cholesky(gram: Array) -> Array:
    """The lower factor of a matrix that may be singular: with a small number on its diagonal, as large as rounding needs."""
    from scipy.linalg import LinAlgError, cholesky

    jitter = _JITTER
    while True:
        try:
            lower: Array = cholesky(gram + jitter * np.eye(len(gram)), lower=True, overwrite_a=True)
            return lower
        except LinAlgError:
            jitter *= 10


def _minimise(space: _Space, problem: _Problem, start: Array, penalty: float) -> tuple[Array, float]:
    """Weights of the least mean loss plus half the penalty times their square, and that loss."""
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
