"""Build ensembles: the weighted mean of a plan's models, and the mean of the models of all folds."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np

from headstart.data.folds import make_folds
from headstart.data.splits import carve_validation
from headstart.evaluation.leaderboard import Row
from headstart.features.part_a import PartA
from headstart.models.ensemble import FOLDS_NAME, NAME, Ensemble, mixing_weights
from headstart.models.model import Model
from headstart.search.planning.cost_model import Cost
from headstart.search.planning.plans import ENSEMBLED
from headstart.search.state import SearchState
from headstart.search.trial_answers import keep_answers, read_answers
from headstart.search.trial_runner import num_fits, recall
from headstart.training.classical.baselines import CONSTANT
from headstart.training.examples import HeldOut
from headstart.training.framework_state import clear_session
from headstart.training.trials.trial import Trial

__all__ = ["attempt_ensemble", "attempt_fold_ensemble"]

_MAX_TREE_WEIGHTS = 5_000_000  # of trees as a network, 20 MB
_ENSEMBLE_SECONDS = 60.0  # to weight models with several backbones, and to join, convert and check them at the end


def attempt_ensemble(job: SearchState, trials: list[Trial]) -> None:
    """Add the mean of several models as a trial of its own.

    In a table, its members are all trials but the constant prediction, with weights that suit the samples that each of them
    predicted without having been fitted to them. On images, they are the heads on the best network's Part A, with equal
    weights: tuning them on the few validation samples, on which a network's epoch was selected too, gave a higher loss on
    test splits. In a plan of ``ENSEMBLED``, they are all networks with that network's input, with weights that suit the
    validation split, and the mean is added only if it is better than the best network there.
    """
    best = job.best_network
    named = {trial.name: trial for trial in trials}
    if best is None or best.trial not in named:
        return
    part = named[best.trial].part
    is_of_heads = not part.is_table and job.request.plan not in ENSEMBLED
    rows = _candidates(job, named, part, is_of_heads=is_of_heads)
    if len(rows) < 2:
        return
    if not job.budget.has_time_for(Cost(0.0 if part.is_table or is_of_heads else _ENSEMBLE_SECONDS, 0.0)):
        job.progress.say("ensemble skipped: not enough time in the budget")
        return
    job.progress.begin("weighting an ensemble", 0)
    rows.sort(key=lambda row: list(named).index(row.trial))  # a resumed run has them in another order
    held_out = [read_answers(job.folder, row.trial, job.learning) for row in rows]
    validation = job.learning.indices("validation")
    samples = reduce(np.intersect1d, (one.samples for one in held_out)) if part.is_table else validation
    answers, labels, task = [one.at(samples) for one in held_out], job.learning.targets[samples], job.learning.scored_task
    weights = np.full(len(rows), 1 / len(rows)) if is_of_heads else mixing_weights(task.name, answers, labels)
    chosen = np.flatnonzero(weights)
    if len(chosen) < 2:
        job.progress.say("ensemble skipped: combining models did not improve on the best one")
        return
    members = [rows[i] for i in chosen]
    mean = np.sum([weights[i] * answers[i] for i in chosen], axis=0)
    if not (is_of_heads or part.is_table) and task.score(labels, mean) >= (best.val_loss or 0.0):
        job.progress.say("ensemble skipped: the weighted mean is not better than the best network")
        return
    models = [recall(job, named[row.trial]) for row in members]
    ensemble = Ensemble(models, [float(weights[i]) for i in chosen], job.learning)
    seconds = sum(row.part_b_seconds or 0.0 for row in members)
    part_b = " ".join(f"{weight:.2f}×{row.part_b}" for weight, row in zip(weights[chosen], members, strict=True))
    _enter(job, ensemble, NAME, part_b, members, HeldOut(samples, mean), seconds)


def _candidates(job: SearchState, named: Mapping[str, Trial], part: PartA, *, is_of_heads: bool) -> list[Row]:
    """Rows of the trials that may be members of a mean with a model on this Part A."""
    rows = [row for row in job.rows if row.val_loss is not None and row.part_b != CONSTANT]
    rows = [row for row in rows if named[row.trial].part.geometry == part.geometry]
    if is_of_heads:
        return [row for row in rows if named[row.trial].part == part and not part.is_inner]
    trees = [row for row in rows if named[row.trial].is_baseline]
    is_large = {row.trial for row in trees if recall(job, named[row.trial]).part_b.num_weights() > _MAX_TREE_WEIGHTS}
    if is_large:
        job.progress.say(f"{', '.join(sorted(is_large))}: too large a network to be part of an ensemble")
    return [row for row in rows if row.trial not in is_large]


def attempt_fold_ensemble(job: SearchState, trials: list[Trial], num_folds: int) -> None:
    """Train the best network on each fold, and add the mean of these models as a trial of its own.

    Each validation sample is predicted by the model of its fold, which was not trained on it, so that the score can be
    compared with that of the other trials. The test split is in no fold.
    """
    named = {trial.name: trial for trial in trials}
    rows = [row for row in job.rows if row.trial in named and not named[row.trial].is_baseline]
    best = min((row for row in rows if row.val_loss is not None), key=lambda row: row.val_loss or 0.0, default=None)
    if job.learning.times:
        job.progress.say("fold ensemble skipped: folds that go forward in time do not predict each validation sample")
        return
    if best is None or named[best.trial].part.is_inner or named[best.trial].recipe.views > 1:
        job.progress.say("fold ensemble skipped: it needs a head that is trained on one view of each sample")
        return
    fit_seconds = (best.part_b_seconds or 0.0) / num_fits(job.learning, named[best.trial])
    if not job.budget.has_time_for(Cost(num_folds * fit_seconds, 0.0)):
        job.progress.say("fold ensemble skipped: not enough time in the budget")
        return
    trial, dataset = named[best.trial], job.learning
    features, validation = job.features[trial.part.name], dataset.indices("validation")
    folds = make_folds(dataset, num_folds, seed=trial.recipe.seed)
    models: list[Model] = []
    answers: dict[int, object] = {}
    job.progress.begin(f"training {trial.name}, one model per fold", num_folds)
    for fold in range(num_folds):
        split = tuple("test" if number in (fold, -1) else "train" for number in folds)
        others = carve_validation(
            replace(dataset, split=split, made_splits=(), refits=False), share=1 / num_folds, seed=trial.recipe.seed
        )
        others = replace(others, scaling=dataset.scaling)  # the mean needs one target scale for all models
        model = Model.from_trial(trial)
        if not trial.is_solved:
            clear_session()
        with tempfile.TemporaryDirectory() as folder:
            trained = model.train(others, features, Path(folder), deadline=job.budget.training_deadline)
        if trained.interrupted:
            raise KeyboardInterrupt
        if trained.cut_short:
            job.progress.say("fold ensemble skipped: not enough time in the budget")
            return
        own = [int(i) for i in validation if folds[i] == fold]
        answers |= dict(zip(own, model.scaled_answers(features, np.array(own, np.int64)), strict=True)) if own else {}
        models.append(model)
        job.progress.advance(fold + 1)
    held_out = np.stack([np.asarray(answers[int(i)]) for i in validation])
    ensemble = Ensemble(models, [1 / num_folds] * num_folds, dataset)
    seconds = sum(model.trained.seconds for model in models if model.trained is not None)
    part_b = f"{num_folds}×{trial.recipe.network}"
    _enter(job, ensemble, FOLDS_NAME, part_b, [best], HeldOut(validation, held_out), seconds)


def _enter(
    job: SearchState, ensemble: Ensemble, name: str, part_b: str, members: Sequence[Row], held_out: HeldOut, seconds: float
) -> None:
    """Add an ensemble to the leaderboard, with its held-out predictions, those of the validation samples among them."""
    task, validation = job.learning.scored_task, job.learning.indices("validation")
    labels, mean = job.learning.targets[validation], held_out.at(validation)
    part_a = {row.part_a: row.part_a_seconds or 0.0 for row in members}
    ms_of_part_a = {name: 1000 * job.features[name].seconds / len(job.features[name]) for name in part_a}
    of_heads = [(row.ms_per_sample or 0.0) - ms_of_part_a[row.part_a] for row in members]
    num_params = ensemble.num_params()
    row = Row(
        trial=name,
        status="done",
        part_a=" ".join(part_a),
        part_b=part_b,
        metric=task.metric,
        val_loss=task.score(labels, mean),
        val_metric=task.measure(labels, mean),
        part_a_seconds=sum(part_a.values()),
        part_a_cached=all(row.part_a_cached for row in members),
        part_b_seconds=seconds,
        total_seconds=sum(part_a.values()) + seconds,
        num_params=num_params,
        ms_per_sample=sum(ms_of_part_a.values()) + sum(of_heads),
        file_mb=num_params * 4 / 1e6,
    )
    keep_answers(job.folder, name, held_out)
    job.rows.append(row)
    job.progress.say(f"{name} of {len(ensemble.parts)}: val_loss {row.val_loss:.4f}, {row.measured}")
    if job.best is row:
        job.progress.best(f"{name}, {row.measured}")
        job.model = name, ensemble
