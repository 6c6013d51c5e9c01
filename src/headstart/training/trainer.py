"""Part B: train(build, examples, recipe) -> Trained: by the solver, as a baseline, and all else by Keras's fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from headstart.foundation.runs.files import append_json_line
from headstart.training.classical.baselines import BASELINES
from headstart.training.classical.linear_solver import Step, solve
from headstart.training.examples import Examples, Trained, is_solved
from headstart.training.framework_state import gradients_released
from headstart.training.keras_training import Built, KerasTraining, OnEpoch
from headstart.training.recipe import Recipe

__all__ = ["train"]


def train(
    examples: Examples,
    recipe: Recipe,
    folder: Path,
    *,
    build: Callable[[], Built],
    deadline: float = float("inf"),
    on_epoch: OnEpoch = lambda _epoch, _val_loss: None,
) -> Trained:
    """Train Part B on stored rows.

    Args:
        examples: Training and validation rows.
        recipe: How to train.
        folder: Takes history.jsonl, a line an epoch, the best weights as they improve, and the state to go on from. Where
            a state lies already, training goes on from it.
        build: Makes a fresh network, and names those of its layers that come from the backbone. The solver does not ask.
        deadline: ``time.perf_counter()`` value at which training ends with the best so far.
        on_epoch: Told the epoch and its ``val_loss``.

    Raises:
        TrainingError: The loss is not a number from the first epoch on (H301), or the memory does not suffice (H306).
    """
    if recipe.network in BASELINES:
        return _by_baseline(examples, recipe, deadline)
    if is_solved(recipe, is_inner=examples.rows.ndim > 2):
        return _by_solver(examples, recipe, folder, deadline, on_epoch)
    with gradients_released():
        return KerasTraining(examples, recipe, folder, build, deadline, on_epoch).run()


def _by_solver(examples: Examples, recipe: Recipe, folder: Path, deadline: float, on_epoch: OnEpoch) -> Trained:
    # Imports count in the wall clock, not in training.
    import scipy.linalg
    import scipy.optimize
    import scipy.special  # noqa: F401
    import threadpoolctl  # noqa: F401

    start = time.perf_counter()
    count = 0
    (folder / "history.jsonl").unlink(missing_ok=True)  # of an attempt that was broken off
    task = examples.task

    def record(step: Step) -> bool:
        nonlocal count
        append_json_line(
            folder / "history.jsonl",
            {
                "epoch": count,
                "l2": step.penalty,
                "loss": step.loss,
                "val_loss": step.val_loss,
                f"val_{task.metric}": step.val_metric,
                "seconds": time.perf_counter() - start,
            },
        )
        on_epoch(count, step.val_loss)
        count += 1
        return time.perf_counter() < deadline

    rows, num_classes = (examples.rows, examples.labels, examples.val_rows, examples.val_labels), examples.num_classes
    solution = solve(*rows, num_classes, task, on_step=record)
    kernel, bias = solution.kernel, solution.bias
    if task.name == "binary":  # a softmax over two is a sigmoid of the difference
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    weights = [kernel, bias]
    if task.name == "one_vs_rest":  # a layer for each class, and a calibration that changes nothing yet
        ones, zeros = np.ones(num_classes, np.float32), np.zeros(num_classes, np.float32)
        models = [part for k in range(num_classes) for part in (kernel[:, [k]], bias[[k]])]
        weights = [*models, ones, zeros, zeros, ones]
    seconds = time.perf_counter() - start
    best = solution.steps[solution.best]
    cut_short = time.perf_counter() >= deadline
    return Trained(recipe, weights, best.val_loss, best.val_metric, count, seconds, cut_short=cut_short)


def _by_baseline(examples: Examples, recipe: Recipe, deadline: float) -> Trained:
    import sklearn.ensemble  # noqa: F401 - imports count in the wall clock, not in training

    fit, task, start = BASELINES[recipe.network], examples.task, time.perf_counter()
    rows = examples.rows, examples.labels, examples.val_rows, examples.val_labels
    trees = fit(*rows, task.name, examples.num_classes, seed=recipe.seed, deadline=deadline)
    seconds = time.perf_counter() - start
    answers = task.to_answers(trees.predict(examples.val_rows))
    score, metric = task.score(examples.val_labels, answers), task.measure(examples.val_labels, answers)
    return Trained(recipe, trees.weights(), score, metric, 0, seconds, cut_short=time.perf_counter() >= deadline)
