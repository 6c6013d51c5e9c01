"""The whole: cross-validation. A trial is trained anew for each fold, on rows that are there, and judged on the fold."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.dataset import Dataset
from headstart.features import Features
from headstart.model import Model
from headstart.progress import Progress
from headstart.session import clear_session
from headstart.splits import carve_validation, make_folds
from headstart.tasks import TASKS
from headstart.trials import Trial

__all__ = ["FoldScores", "cross_validate"]


class FoldScores(NamedTuple):
    """Score and accuracy on each held-out fold."""

    losses: list[float]
    accuracies: list[float]

    def summary(self) -> dict[str, float]:
        """Means and standard deviations, under the names of ``leaderboard.Row``."""
        return {
            "fold_loss": float(np.mean(self.losses)),
            "fold_loss_deviation": float(np.std(self.losses, ddof=1)),
            "fold_accuracy": float(np.mean(self.accuracies)),
            "fold_accuracy_deviation": float(np.std(self.accuracies, ddof=1)),
        }


def cross_validate(
    dataset: Dataset,
    features: Features,
    trial: Trial,
    num_folds: int,
    progress: Progress,
    *,
    deadline: float = float("inf"),
) -> FoldScores | None:
    """Train and judge a trial once for each fold of the training and validation samples; the test split is left out.

    What a fold is judged on has not been seen in any way: early stopping and the penalty of a linear head look at a
    validation split that is carved out of the other folds.

    Args:
        dataset: Samples whose split is decided.
        features: A row for each of them.
        trial: What to train.
        num_folds: How many folds, at least 2.
        progress: Told after each fold.
        deadline: ``time.perf_counter()`` value by which all folds have to be done.

    Returns:
        The scores; None where the deadline passed before the last fold.

    Raises:
        DatasetError: A class is too small for so many folds (H112).
        KeyboardInterrupt: Ctrl-C, while a fold was trained.
    """
    folds = make_folds(dataset, num_folds, seed=trial.recipe.seed)
    task = TASKS[dataset.task]
    scores = FoldScores([], [])
    for fold in range(num_folds):
        held_out = np.flatnonzero(folds == fold)
        split = ["test" if number in (fold, -1) else "train" for number in folds]
        others = carve_validation(replace(dataset, split=tuple(split)), share=1 / num_folds, seed=trial.recipe.seed)
        model = Model.of(trial)
        if not trial.is_solved:
            clear_session()
        with tempfile.TemporaryDirectory() as folder:
            rows = features.plus(model.views(others, deadline=deadline)) if trial.recipe.views > 1 else features
            trained = model.train(others, rows, Path(folder), deadline=deadline)
        if trained.interrupted:
            raise KeyboardInterrupt
        if time.perf_counter() > deadline:
            return None
        probabilities = model.probabilities(features, held_out)
        labels = dataset.labels[held_out]
        scores.losses.append(task.score(labels, probabilities))
        scores.accuracies.append(float((probabilities.argmax(axis=1) == labels).mean()))
        progress.advance(fold + 1, f"fold accuracy {scores.accuracies[-1]:.1%}")
    return scores
