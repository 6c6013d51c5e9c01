"""Solver for the linear head (softmax, sigmoids or plain values), with the L2 penalty chosen on rows it was not fitted to.

L-BFGS (Liu and Nocedal, 1989) finds the weights in the coordinates of ``linear_spaces``. Each penalty starts from the
solution of the stronger penalty before it. Folds share the coordinates; the rows that a fold holds out count for nothing in
its loss.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from headstart.data.tasks import Task
from headstart.foundation.arrays import Array
from headstart.training.classical.linear_families import FAMILIES, Family
from headstart.training.classical.linear_spaces import Space, make_space
from headstart.training.examples import Examples, HeldOut

__all__ = ["PENALTIES", "Solution", "Step", "solve"]

PENALTIES = tuple(10.0 ** (-exponent / 2) for exponent in range(3, 12))
_STOP = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-9}
_PATIENCE = 2  # weaker penalties tried after the best one


class Step(NamedTuple):
    """Result for one penalty.

    Attributes:
        penalty: The L2 penalty.
        loss: Loss on the rows that were fitted; the mean over the folds.
        val_loss: Loss on the validation rows.
        val_metric: The task's metric on the validation rows.
        held_out_loss: Loss on all rows that are held out in some fold; without folds, ``val_loss``.
        seconds: Seconds for this penalty.
    """

    penalty: float
    loss: float
    val_loss: float
    val_metric: float
    held_out_loss: float
    seconds: float


class Solution(NamedTuple):
    """Weights for the best penalty: predictions are ``link(rows @ kernel + bias)``.

    Attributes:
        kernel: Weights for the original rows, float32 ``(features, outputs)``.
        bias: Bias, float32 ``(outputs,)``.
        steps: A result for each penalty that was tried.
        best: Position of the best one.
        held_out: Predictions by weights that were not fitted to the row, of the rows of all folds but augmented copies;
            positions count training rows, then validation rows.
    """

    kernel: Array
    bias: Array
    steps: list[Step]
    best: int
    held_out: HeldOut


def solve(examples: Examples, *, on_step: Callable[[Step], bool] = lambda _: True) -> Solution:
    """Fit a linear layer for each penalty, strongest first, and select the one with the lowest loss on held-out rows.

    Without folds, the penalty is selected on the validation rows, and the weights are fitted to the training rows. With
    folds, it is selected on the rows of all folds, each predicted by weights fitted to the other rows, and the weights are
    fitted to all rows; if the search was stopped, they are the mean of those of the folds.

    Args:
        examples: Training and validation rows ``(n, features)``. Two classes are fitted as a softmax of two.
        on_step: Called after each penalty; the search stops if it returns False. Defaults to no callback.

    Returns:
        Weights for the original rows; centring and scaling are folded into them.
    """
    from threadpoolctl import threadpool_limits

    rows, val_rows, task = examples.rows, examples.val_rows, examples.task
    is_refitted = examples.folds is not None
    samples = _Samples(examples)
    num_fitted = len(samples.labels) if is_refitted else len(rows)
    problem = _Problem(FAMILIES[task.name], _truth(samples.labels[:num_fitted], examples.num_classes, task))
    # These products are too small for several threads: two threads, waiting for each other, were up to 30 times slower.
    with threadpool_limits(1, user_api="blas"):
        space = make_space([rows, val_rows] if is_refitted else [rows])
        path = _Path(space, problem, samples, task)
        is_stopped = False
        while not is_stopped and len(path.steps) < len(PENALTIES) and len(path.steps) - path.best <= _PATIENCE:
            path.advance()
            is_stopped = not on_step(path.steps[-1])
        weights = np.mean(path.best_weights, axis=0)
        if is_refitted and not is_stopped:
            weights, _ = _minimise(space, problem, weights, path.steps[path.best].penalty, _shares(np.ones(num_fitted)))
        return Solution(*space.to_layer(weights), path.steps, path.best, HeldOut(samples.scored, path.best_answers))


def _truth(labels: Array, num_classes: int, task: Task) -> Array:
    truth: Array = np.eye(num_classes)[labels] if task.has_classes else np.asarray(labels, np.float64)
    return truth


class _Problem(NamedTuple):
    """The fitting problem."""

    family: Family
    truth: Array  # (n, outputs)


class _Samples:
    """Training rows followed by validation rows: their labels, the fold of each, and which of them are scored."""

    def __init__(self, examples: Examples) -> None:
        self._rows, self._val_rows, self.num_rows = examples.rows, examples.val_rows, len(examples.rows)
        self.labels = np.concatenate([examples.labels, examples.val_labels])
        self.folds, self.numbers = examples.fold_of_rows, examples.fold_numbers
        is_scored = self.folds >= 0
        is_scored[self.num_rows - examples.num_views : self.num_rows] = False
        self.scored = np.flatnonzero(is_scored)

    def held_out(self, fold: int) -> Array:
        """Positions of the rows that a fold holds out and that are scored, ascending."""
        chosen: Array = self.scored[self.folds[self.scored] == fold]
        return chosen

    def at(self, positions: Array) -> Array:
        """Rows at ascending positions; the validation rows are not copied if they are asked for alone."""
        start = int(np.searchsorted(positions, self.num_rows))
        chosen = positions[start:] - self.num_rows
        later = self._val_rows if len(chosen) == len(self._val_rows) else self._val_rows[chosen]
        found: Array = np.concatenate([self._rows[positions[:start]], later]) if start else later
        return found


class _Path:
    """Solutions of every fold for weaker and weaker penalties, and the best of them."""

    def __init__(self, space: Space, problem: _Problem, samples: _Samples, task: Task) -> None:
        self._space, self._problem, self._samples, self._task = space, problem, samples, task
        self.steps: list[Step] = []
        self.best = 0
        num_rows, num_outputs = problem.truth.shape
        numbers = samples.folds[:num_rows]
        self._shares = [_shares(numbers != fold) for fold in samples.numbers]
        self._weights = []
        for shares in self._shares:
            weights = np.zeros((space.size + 1, num_outputs))
            weights[-1] = problem.family.start(shares @ problem.truth)
            self._weights.append(weights)
        self.best_weights = self._weights
        self.best_answers = np.zeros((len(samples.scored), num_outputs))

    def advance(self) -> None:
        """Fit every fold with the next penalty, and score the rows that it holds out."""
        start, task, samples = time.perf_counter(), self._task, self._samples
        penalty = PENALTIES[len(self.steps)]
        found = [
            _minimise(self._space, self._problem, weights, penalty, shares)
            for weights, shares in zip(self._weights, self._shares, strict=True)
        ]
        self._weights = [weights for weights, _ in found]
        answers = np.empty_like(self.best_answers)
        for fold, weights in zip(samples.numbers, self._weights, strict=True):
            kernel, bias = self._space.to_layer(weights)
            output = self._problem.family.link(samples.at(held_out := samples.held_out(fold)) @ kernel + bias)
            places = np.searchsorted(samples.scored, held_out)
            answers[places] = output if task.name == "binary" else task.to_answers(output)  # has both columns here
        labels = samples.labels[samples.scored]
        is_validation = samples.scored >= samples.num_rows
        val_labels, val_answers = labels[is_validation], answers[is_validation]
        step = Step(
            penalty=penalty,
            loss=float(np.mean([loss for _, loss in found])),
            val_loss=task.score(val_labels, val_answers),
            val_metric=task.measure(val_labels, val_answers),
            held_out_loss=task.score(labels, answers),
            seconds=time.perf_counter() - start,
        )
        self.steps.append(step)
        if step.held_out_loss <= self.steps[self.best].held_out_loss:
            self.best, self.best_weights, self.best_answers = len(self.steps) - 1, self._weights, answers


def _shares(is_fitted: Array) -> Array:
    """Share of each row in the mean loss."""
    shares: Array = is_fitted / is_fitted.sum()
    return shares


def _minimise(space: Space, problem: _Problem, start: Array, penalty: float, shares: Array) -> tuple[Array, float]:
    """Find the weights that minimise the loss, of which each row has a share, + penalty / 2 * squared norm.

    Returns:
        The weights, and their loss without the penalty.
    """
    from scipy.optimize import minimize

    family, truth = problem.family, problem.truth
    blocks = [(number, block) for number, block in enumerate(space.blocks) if shares[block].any()]

    def objective(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(start.shape)
        loss = penalty / 2 * float(np.square(weights[:-1]).sum())
        gradient = np.vstack([penalty * weights[:-1], np.zeros((1, start.shape[1]))])
        for number, block in blocks:
            answers = family.link(space.logits(weights, number))
            loss += float(shares[block] @ family.loss(truth[block], answers).sum(axis=1))
            error = (answers - truth[block]) * shares[block, None]
            gradient[:-1] += space.slope(error, number)
            gradient[-1] += error.sum(axis=0)
        return loss, gradient.ravel()

    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=_STOP)
    weights = found.x.reshape(start.shape)
    return weights, float(found.fun - penalty / 2 * np.square(weights[:-1]).sum())
