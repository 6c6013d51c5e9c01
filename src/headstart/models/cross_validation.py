"""Cross-validation: train a trial once per fold on stored rows, and score it on the held-out fold."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.folds import learned_in_fold, make_folds
from headstart.data.splits import carve_validation
from headstart.data.tasks import TASKS
from headstart.evaluation.evaluate import evaluate_predictions
from headstart.evaluation.evaluation import Evaluation
from headstart.features.features import FeatureRows, Features
from headstart.foundation.arrays import Array
from headstart.foundation.progress import Progress
from headstart.models.model import Model
from headstart.models.predictions import beside_truth
from headstart.training.examples import HeldOut
from headstart.training.framework_state import clear_session
from headstart.training.trials.trial import Trial

__all__ = ["OUT_OF_FOLD", "FoldScores", "cross_validate", "scores_of"]

OUT_OF_FOLD = "out-of-fold"  # used where an evaluation names its split


class FoldScores(NamedTuple):
    """Loss, metric and predictions on each held-out fold.

    Attributes:
        metric: Name of the task's metric.
        losses: Loss on each fold.
        metrics: Metric on each fold.
        positions: Positions of the predicted samples, in the order of ``answers``.
        answers: Predictions of each fold, ``(n, columns)`` in the user's units, by the model that had not seen the samples.
    """

    metric: str
    losses: list[float]
    metrics: list[float]
    positions: list[int]
    answers: list[Array]

    def summary(self) -> dict[str, float]:
        """Return means and standard deviations over the folds, named as in ``leaderboard.Row``."""
        return {
            "fold_loss": float(np.mean(self.losses)),
            "fold_loss_deviation": float(np.std(self.losses, ddof=1)),
            "fold_metric": float(np.mean(self.metrics)),
            "fold_metric_deviation": float(np.std(self.metrics, ddof=1)),
        }

    def evaluation(self, dataset: Dataset) -> Evaluation:
        """Evaluate the out-of-fold predictions of all samples together."""
        labels = dataset.labels[self.positions]
        groups = dataset.group_numbers(np.array(self.positions))
        answers = np.concatenate(self.answers)
        return evaluate_predictions(dataset.task, dataset.classes, labels, answers, split=OUT_OF_FOLD, groups=groups)

    def predictions(self, dataset: Dataset) -> tuple[list[str], list[list[object]]]:
        """Return the predictions with true labels, in the order of the samples and the columns of ``predictions.csv``."""
        order = np.argsort(self.positions)
        return beside_truth(dataset, np.array(self.positions)[order], np.concatenate(self.answers)[order], ())


def cross_validate(
    dataset: Dataset,
    features: FeatureRows,
    trial: Trial,
    num_folds: int,
    progress: Progress,
    *,
    deadline: float = float("inf"),
) -> FoldScores | None:
    """Train and score a trial once per fold of the training and validation samples. The test split is left out.

    Nothing is learned from the held-out fold: early stopping and the penalty of a linear head use a validation split taken
    from the other folds, and a table's encoder and the scaling of targets are learned anew.

    Args:
        dataset: Samples that have a split.
        features: One row per sample.
        trial: The trial to train.
        num_folds: Number of folds, at least 2.
        progress: Updated after each fold.
        deadline: ``time.perf_counter()`` value by which all folds must be finished. Defaults to none.

    Returns:
        The scores, or None if the deadline passed before the last fold ended.

    Raises:
        DatasetError: A class has too few samples for that many folds (H112).
        KeyboardInterrupt: Ctrl-C was pressed while a fold was trained.
    """
    folds = make_folds(dataset, num_folds, seed=trial.recipe.seed)
    scores = FoldScores(TASKS[dataset.task].metric, [], [], [], [])
    for fold in range(num_folds):
        held_out = np.flatnonzero(folds == fold)
        split = np.where(learned_in_fold(dataset, folds, fold), "train", "test")
        others = replace(dataset, split=tuple(split.tolist()), made_splits=(), refits=False)  # no folds within
        others = carve_validation(others, share=1 / num_folds, seed=trial.recipe.seed)
        learned = features.learned_on(others)
        model = Model.from_trial(trial)
        if not (trial.is_solved or trial.is_baseline):
            clear_session()
        with tempfile.TemporaryDirectory() as folder:
            rows = learned
            if isinstance(learned, Features) and trial.recipe.views > 1:
                rows = learned.plus(model.views(others, deadline=deadline))
            trained = model.train(others, rows, Path(folder), deadline=deadline)
        if trained.interrupted:
            raise KeyboardInterrupt
        if trained.cut_short or time.perf_counter() > deadline:
            return None
        if others.scaling is not None:
            model.tune(model.held_out(learned))
        _judge(model, dataset, others, learned, held_out, scores)
        progress.advance(fold + 1, f"fold {scores.metric} {scores.metrics[-1]:.3f}")
    return scores


def scores_of(dataset: Dataset, held_out: HeldOut, folds: Array) -> FoldScores:
    """Score the held-out predictions of a model that was selected on folds, without training it again.

    Its settings were selected by these predictions, and the encoding of a table and the scaling of targets were learned from
    all training rows, so the scores are slightly better than those of ``cross_validate``.

    Args:
        dataset: Samples that have a split.
        held_out: Predictions of all samples in a fold, each by weights that were not fitted to it.
        folds: Fold of each sample, ``(n,)``; -1 for none.
    """
    task = TASKS[dataset.task]
    scores = FoldScores(task.metric, [], [], [], [])
    for fold in np.unique(folds[folds >= 0]):
        positions = np.flatnonzero(folds == fold)
        scaled = held_out.at(positions)
        answers = dataset.in_units(scaled)
        scores.losses.append(task.score(dataset.targets[positions], scaled))
        scores.metrics.append(task.measure(dataset.labels[positions], answers))
        scores.positions.extend(positions.tolist())
        scores.answers.append(answers)
    return scores


def _judge(
    model: Model, dataset: Dataset, others: Dataset, features: FeatureRows, held_out: Array, scores: FoldScores
) -> None:
    """Score a model on the fold it has not seen. Losses of all folds are computed in the scale of the whole data set.

    Args:
        model: Model trained on ``others``.
        dataset: All samples.
        others: All samples, with this fold as the test split; the model learned in the scale of its targets.
        features: Rows of the samples, as the model takes them.
        held_out: Positions of the fold.
        scores: Scores to which the fold is added.
    """
    task, scaled = TASKS[dataset.task], model.scaled_answers(features, held_out)
    answers = model.in_units(scaled)
    rescaled = scaled if dataset.scaling is None else dataset.scaling.apply(others.in_units(scaled))
    scores.losses.append(task.score(dataset.targets[held_out], rescaled))
    scores.metrics.append(task.measure(dataset.labels[held_out], answers))
    scores.positions.extend(int(i) for i in held_out)
    scores.answers.append(answers)
