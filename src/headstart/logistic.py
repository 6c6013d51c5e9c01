"""Part B: the linear head by a solver. Multinomial logistic regression, its L2 penalty chosen on validation.

The rows are many numbers long and often few, so the problem is solved in the span of the rows: with K = X Xᵀ = L Lᵀ, the
weights W = Xᵀ L⁻ᵀ B have the squared norm of B, and X W = L B. L-BFGS on B (Liu and Nocedal, 1989) then finds exactly what
it would find on W. Each penalty starts where the stronger one before it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["PENALTIES", "Solution", "Step", "solve"]

Array = np.ndarray[Any, Any]

PENALTIES = tuple(10.0 ** (-exponent / 2) for exponent in range(3, 12))
_STOP = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-9}
_PATIENCE = 2  # weaker penalties tried after the best one
_JITTER = 1e-5  # of a row's mean squared norm: centring and copies of a picture make K singular; beyond float32's rounding


class Step(NamedTuple):
    """One penalty: how well it fitted."""

    penalty: float
    loss: float
    val_loss: float
    val_accuracy: float
    seconds: float


class Solution(NamedTuple):
    """The best penalty's weights: ``probabilities = softmax(rows @ kernel + bias)``."""

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
    *,
    on_step: Callable[[Step], bool] = lambda _: True,
) -> Solution:
    """Fit a softmax layer for each penalty, strongest first, and keep the one with the least validation loss.

    Args:
        rows: Training rows, ``(n, features)``.
        labels: Label numbers, ``(n,)``.
        val_rows: Validation rows, ``(m, features)``.
        val_labels: Label numbers, ``(m,)``.
        num_classes: Classes.
        on_step: Told after each penalty; False stops the search there.

    Returns:
        The weights for the rows as they are: centring and scaling are folded in.
    """
    from threadpoolctl import threadpool_limits

    # These products are too small to share: two threads that wait for one another were up to thirty times slower.
    with threadpool_limits(1, user_api="blas"):
        return _solve(rows, labels, val_rows, val_labels, num_classes, on_step)


def _solve(
    rows: Array, labels: Array, val_rows: Array, val_labels: Array, num_classes: int, on_step: Callable[[Step], bool]
) -> Solution:
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = rows - mean
    scale = float(np.sqrt(np.mean(np.square(centred, dtype=np.float32), dtype=np.float64)) * np.sqrt(rows.shape[1])) or 1.0
    centred /= scale
    coordinates, basis = _span(centred)
    val_coordinates = (val_rows - mean) / scale
    if basis is not None:
        val_coordinates = val_coordinates @ basis
    problem = _Problem(coordinates.astype(np.float32, copy=False), np.eye(num_classes)[labels])
    weights = np.zeros((coordinates.shape[1] + 1, num_classes))
    weights[-1] = np.log(np.bincount(labels, minlength=num_classes).clip(1) / len(labels))
    steps: list[Step] = []
    best_weights, best = weights, 0
    for penalty in PENALTIES:
        start = time.perf_counter()
        weights, loss = problem.minimise(weights, penalty)
        probabilities = _softmax(val_coordinates @ weights[:-1] + weights[-1])
        true = probabilities[np.arange(len(val_labels)), val_labels]
        step = Step(
            penalty=penalty,
            loss=loss,
            val_loss=float(-np.log(np.clip(true, 1e-7, 1)).mean()),
            val_accuracy=float((probabilities.argmax(axis=1) == val_labels).mean()),
            seconds=time.perf_counter() - start,
        )
        steps.append(step)
        if step.val_loss <= steps[best].val_loss:
            best_weights, best = weights, len(steps) - 1
        if not on_step(step) or len(steps) - 1 - best >= _PATIENCE:
            break
    kernel = (best_weights[:-1] if basis is None else basis @ best_weights[:-1]) / scale
    bias = best_weights[-1] - mean @ kernel
    return Solution(kernel.astype(np.float32), bias.astype(np.float32), steps, best)


def _span(rows: Array) -> tuple[Array, Array | None]:
    """The rows in an orthonormal basis of what they span, and the basis, ``(features, size)``; None where it is larger."""
    num_rows, num_features = rows.shape
    if num_rows >= num_features:
        return rows, None
    from scipy.linalg import cholesky, solve_triangular

    gram = (rows @ rows.T).astype(np.float64)
    gram[np.diag_indices(num_rows)] += _JITTER * max(np.trace(gram) / num_rows, 1.0)
    lower = cholesky(gram, lower=True, overwrite_a=True)
    return lower, solve_triangular(lower, rows.astype(np.float64), lower=True).T


class _Problem:
    """Mean cross-entropy plus half the penalty times the squared weights, bias apart."""

    def __init__(self, coordinates: Array, targets: Array) -> None:
        self._coordinates = coordinates
        self._targets = targets

    def minimise(self, start: Array, penalty: float) -> tuple[Array, float]:
        from scipy.optimize import minimize

        def objective(flat: Array) -> tuple[float, Array]:
            weights = flat.reshape(start.shape)
            # The products are most of the work: float32 halves them, and sums stay in float64.
            logits = self._coordinates @ weights[:-1].astype(np.float32) + weights[-1]
            probabilities = _softmax(logits)
            true = (probabilities * self._targets).sum(axis=1)
            loss = -np.log(np.clip(true, 1e-12, 1)).mean() + penalty / 2 * np.square(weights[:-1]).sum()
            error = (probabilities - self._targets) / len(self._targets)
            slope = self._coordinates.T @ error.astype(np.float32) + penalty * weights[:-1]
            gradient = np.vstack([slope, error.sum(axis=0, keepdims=True)])
            return float(loss), gradient.ravel()

        found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=_STOP)
        weights = found.x.reshape(start.shape)
        return weights, float(found.fun - penalty / 2 * np.square(weights[:-1]).sum())


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=1, keepdims=True)
    return result
