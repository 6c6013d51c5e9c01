"""Train Part B on stored rows: with the solver, as a baseline, or with Keras's ``fit``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from headstart.export.graphs.tree_arrays import Trees
from headstart.foundation.runs.files import append_json_line
from headstart.training.classical.baselines import BASELINES
from headstart.training.classical.boosted_trees import Fold
from headstart.training.classical.linear_solver import Step, solve
from headstart.training.examples import Examples, HeldOut
from headstart.training.framework_state import gradients_released
from headstart.training.keras_training import Built, KerasTraining, OnEpoch
from headstart.training.member_training import MemberTraining
from headstart.training.networks.networks import NETWORKS
from headstart.training.recipe import Recipe
from headstart.training.trained import Trained, is_solved

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
        folder: Folder for history.jsonl (one line per epoch), the best weights so far, and the state for resuming. Training
            resumes if the folder already contains a state.
        build: Function that returns a new network and those of its layers that belong to the backbone. The solver and
            baselines do not call it.
        deadline: ``time.perf_counter()`` value at which training ends, with the best weights so far. Defaults to none.
        on_epoch: Called after each epoch with the epoch and its ``val_loss``.

    Raises:
        TrainingError: The loss is not finite from the first epoch on (H301), or the memory is too small (H306).
    """
    if recipe.network in BASELINES:
        return _by_baseline(examples, recipe, deadline)
    if is_solved(recipe, is_inner=examples.rows.ndim > 2):
        return _by_solver(examples, recipe, folder, deadline, on_epoch)
    network = NETWORKS.get(recipe.network)  # none if ``build`` is all that there is
    training = MemberTraining if network is not None and network.has_members else KerasTraining
    with gradients_released():
        return training(examples, recipe, folder, build, deadline, on_epoch).run()


def _by_solver(examples: Examples, recipe: Recipe, folder: Path, deadline: float, on_epoch: OnEpoch) -> Trained:
    # Import before the clock starts: importing is not part of the training time.
    import scipy.linalg
    import scipy.optimize
    import scipy.special  # noqa: F401
    import threadpoolctl  # noqa: F401

    start = time.perf_counter()
    count = 0
    (folder / "history.jsonl").unlink(missing_ok=True)  # left by an interrupted attempt
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
                "held_out_loss": step.held_out_loss,
                "seconds": time.perf_counter() - start,
            },
        )
        on_epoch(count, step.val_loss)
        count += 1
        return time.perf_counter() < deadline

    num_classes = examples.num_classes
    solution = solve(examples, on_step=record)
    kernel, bias = solution.kernel, solution.bias
    if task.name == "binary":  # a softmax over two classes is a sigmoid of the difference
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    weights = [kernel, bias]
    if task.name == "one_vs_rest":  # one layer per class, and an identity calibration
        ones, zeros = np.ones(num_classes, np.float32), np.zeros(num_classes, np.float32)
        models = [part for k in range(num_classes) for part in (kernel[:, [k]], bias[[k]])]
        weights = [*models, ones, zeros, zeros, ones]
    seconds = time.perf_counter() - start
    best = solution.steps[solution.best]
    cut_short = time.perf_counter() >= deadline
    return Trained(
        recipe, weights, best.val_loss, best.val_metric, count, seconds, cut_short=cut_short, held_out=solution.held_out
    )


def _by_baseline(examples: Examples, recipe: Recipe, deadline: float) -> Trained:
    """Fit a baseline; with folds, the mean of one per fold, which is stopped by the rows that the fold holds out."""
    import sklearn.ensemble  # noqa: F401 - importing is not part of the training time

    fit, task, start = BASELINES[recipe.network], examples.task, time.perf_counter()
    places, parts = zip(*examples.in_folds(), strict=True)
    one_hot = examples.one_hot if len(parts) == 1 else ()  # each fold would order the levels of a category differently
    folds = [Fold(part.rows, part.labels, part.val_rows, part.val_labels) for part in parts]
    trees = fit(folds, task.name, examples.num_classes, seed=recipe.seed, one_hot=one_hot, deadline=deadline)
    answers = [task.to_answers(one.predict(fold.val_rows)) for one, fold in zip(trees, folds, strict=True)]
    seconds = time.perf_counter() - start
    found = HeldOut(np.concatenate(places), np.concatenate(answers))
    val_answers = found.at(np.arange(len(examples.rows), len(examples.rows) + len(examples.val_rows)))
    return Trained(
        recipe,
        Trees.mean(trees).weights(),
        task.score(examples.val_labels, val_answers),
        task.measure(examples.val_labels, val_answers),
        0,
        seconds,
        cut_short=time.perf_counter() >= deadline,
        held_out=found,
    )
