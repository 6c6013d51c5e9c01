"""Run one trial, from its features to its row in the leaderboard."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.folds import folds_to_select_on, num_folds_to_select_on
from headstart.data.tasks import TASKS
from headstart.evaluation.leaderboard import Row
from headstart.export.converter import Child
from headstart.features.extraction import stored_share
from headstart.features.features import FeatureRows, Features
from headstart.features.tables.table_features import TableFeatures
from headstart.foundation.errors import HeadstartError, OutOfMemoryError
from headstart.foundation.runs.files import read_json, write_csv, write_json
from headstart.models.cross_validation import FoldScores, cross_validate, scores_of
from headstart.models.fitting import open_store, uses_every_label
from headstart.models.model import Model
from headstart.search.format_probe import FormatProbe
from headstart.search.planning.cost_model import Cost, kind_of, part_a_cost, part_a_kind, part_b_cost
from headstart.search.planning.plans import FOLDS, SMALL_TABLE, SMALL_TABLE_FOLDS
from headstart.search.shared_features import features_of, views_of
from headstart.search.state import SearchState
from headstart.search.trial_answers import keep_answers
from headstart.training.examples import HeldOut
from headstart.training.framework_state import be_deterministic, clear_session, is_keras_imported
from headstart.training.keras_training import MIN_BATCH
from headstart.training.networks.networks import NETWORKS, is_own
from headstart.training.part_b import PartB
from headstart.training.trained import Trained
from headstart.training.trials.trial import Trial
from headstart.training.trials.unused_settings import unused

__all__ = ["attempt", "num_fits", "predicted_cost", "recall", "unfinished"]

_PROBE_SECONDS = 60.0  # time to wait for the format probe of a network that was trained faster than it was converted
_MEASURED_ROWS = 64  # samples to measure milliseconds per sample on; more would only take longer


def attempt(job: SearchState, trial: Trial) -> None:
    """Run a trial, add its row to the search, and keep its model in memory if it is the best so far.

    Raises:
        HeadstartError: The trial cannot be run, or its training failed.
    """
    if idle := unused(trial, job.request.settings):
        keys, reason = [key for key in job.request.settings if key in idle], next(iter(idle.values()))
        job.progress.say(f"{trial.name}: {', '.join(keys)} not used {reason}")
    features = features_of(job, trial.part)
    if isinstance(features, Features) and trial.recipe.views > 1:
        features = features.plus(views_of(job, trial))
    is_telling = is_keras_imported()  # otherwise the seconds contain the wait for the import
    start = time.perf_counter()
    with _probe(job, trial, features) if is_own(trial.recipe.network) else nullcontext():
        model, trained = _train(job, trial, features)
    job.interrupted = trained.interrupted
    if trained.weights_of_classes:
        counts = np.bincount(job.learning.labels[job.learning.indices("train")])
        job.progress.say(
            f"{trial.name}: trained with class weights, because the largest class is {counts.max() / counts.min():.0f} "
            "times as large as the smallest; the probabilities are corrected for them"
        )
        path = job.folder.trial(trial.name) / "recipe.json"
        weights = dict(zip(job.learning.classes, trained.weights_of_classes, strict=True))
        write_json(path, read_json(path) | {"class_weights": weights})
    job.progress.begin(f"measuring {trial.name}", 0)
    with job.watch.stage("measure the head"):
        row = _measure(job, trial, model, trained, features)
        keep_answers(job.folder, trial.name, model.held_out(features))
    if is_telling and not (trained.interrupted or trained.cut_short):
        job.speeds.note(kind_of(trial), _part_b_cost(job, trial), time.perf_counter() - start)
    num_folds = _num_folds(job, trial)
    if num_folds and not (trained.interrupted or trained.cut_short):
        row = _folds(job, replace(trial, recipe=model.recipe, title=trial.name), row, num_folds, model.held_out(features))
    folder = job.folder.trial(trial.name)
    model.part_b.save(folder)
    write_json(folder / "timings.json", {name: value for name, value in row.to_json().items() if name.endswith("seconds")})
    job.rows.append(row)
    if job.converter is None:  # start early, so that the converter imports TensorFlow while other trials run
        job.converter = Child("convert_process.py")
    if job.best is row:
        job.model = trial.name, model
    if (best := job.best) is not None:
        job.progress.best(f"{best.trial}, {best.measured}")
    job.progress.say(f"{row.trial}: val_loss {row.val_loss:.4f}, {row.measured}, {row.total_seconds:.1f} s")


def _probe(job: SearchState, trial: Trial, features: FeatureRows) -> FormatProbe:
    """While a user's own network is trained, find out and report which formats it cannot be exported to."""
    be_deterministic(job.state["threads"])  # before TensorFlow starts its threads for this network
    train = job.learning.indices("train")
    shape = features.rows(train[:1]).shape[1:]
    network, _ = PartB(trial.part, trial.recipe, job.learning, shape, len(train), features.code_sizes).build()
    patience_seconds = max(0.0, min(_PROBE_SECONDS, job.budget.spare()))
    return FormatProbe(network, lambda text: job.progress.say(f"{trial.name} {text}"), patience_seconds)


def _num_folds(job: SearchState, trial: Trial) -> int:
    """Number of folds: as requested, or by default five for small tables and the plan's number for heads."""
    if job.request.folds is not None or trial.part.is_inner:
        return job.request.folds or 0
    if trial.part.is_table and len(job.learning) + len(job.unseen) < SMALL_TABLE:
        return SMALL_TABLE_FOLDS
    return FOLDS.get(job.request.plan, 0)


def _folds(job: SearchState, trial: Trial, row: Row, num_folds: int, held_out: HeldOut) -> Row:
    """Cross-validate a trial on its computed features; if it fails or there is no time, only add the reason to the row.

    If the user did not ask for folds, the predictions of a model that was selected on folds are scored instead.
    """
    folds = folds_to_select_on(job.learning, seed=trial.recipe.seed)
    if job.request.folds is None and len(held_out.samples) == (folds >= 0).sum() and folds.max() > 0:
        return _with_scores(job, trial.name, row, scores_of(job.learning, held_out, folds))
    features, deadline, name = job.features[trial.part.name], job.budget.training_deadline, trial.name
    fit_seconds = (row.part_b_seconds or 0.0) / num_fits(job.learning, trial)
    seconds, spare = num_folds * fit_seconds, max(0.0, job.budget.spare())
    reason = f"not enough time in the budget for the folds: they may take {seconds:.0f} s, and {spare:.0f} s are left"
    scores = None
    if job.budget.has_time_for(Cost(seconds, 0.0)):
        job.progress.begin(f"cross-validating {name} in {num_folds} folds", num_folds)
        try:
            with job.watch.stage("folds"):
                scores = cross_validate(job.learning, features, trial, num_folds, job.progress, deadline=deadline)
        except KeyboardInterrupt:
            job.interrupted, reason = True, "stopped by Ctrl-C during cross-validation"
        except Exception as error:  # noqa: BLE001 - whatever stops the folds, the trial itself has succeeded
            cause = error.title if isinstance(error, HeadstartError) else f"{type(error).__name__}: {error}"
            reason = f"cross-validation failed: {cause}"[:300]
    if scores is None:
        job.progress.say(f"{name}: {reason}")
        return replace(row, reason=reason)
    return _with_scores(job, name, row, scores)


def _with_scores(job: SearchState, name: str, row: Row, scores: FoldScores) -> Row:
    """Write the evaluation and the predictions of all folds, and add their scores to the row."""
    row = replace(row, **scores.summary())  # type: ignore[arg-type]
    folder = job.folder.trial(name)
    write_json(folder / "folds.json", scores.evaluation(job.learning).to_json())
    write_csv(folder / "folds.csv", *scores.predictions(job.learning))
    spread = f"{row.metric} {row.fold_metric:.3f} ± {row.fold_metric_deviation:.3f}"
    job.progress.say(f"{name}: {len(scores.losses)} folds, {spread}")
    return row


def predicted_cost(job: SearchState, trial: Trial) -> Cost:
    """Predicted seconds of a trial, without a margin.

    Features and views that are still to be computed and the start of a training are fixed: without them there is no result.
    """
    num_train = len(job.learning.indices("train")) or len(job.learning)
    num_samples = num_train * (trial.recipe.views - 1)
    if trial.part.name not in job.features:
        share = 0.0 if trial.part.is_table else stored_share(job.learning, trial.part, open_store())
        num_samples += round(len(job.learning) * (1 - share))
    part_a = (
        job.speeds.predict(part_a_kind(trial.part), part_a_cost(trial.part, num_samples)).seconds if num_samples else 0.0
    )
    part_b = job.speeds.predict(kind_of(trial), _part_b_cost(job, trial))
    return Cost(part_a + part_b.fixed, part_b.sized)


def _part_b_cost(job: SearchState, trial: Trial) -> Cost:
    """Reference cost of training a trial on the samples of the run."""
    num_rows = (len(job.learning.indices("train")) or len(job.learning)) * trial.recipe.views
    features, width = job.features.get(trial.part.name), 1
    if isinstance(features, TableFeatures):
        width = len(features.encoding["columns"]) if trial.is_baseline else features.encoded.shape[1]  # trees read codes
    cost = part_b_cost(trial, num_rows, width, 1 if job.learning.task == "binary" else job.learning.num_classes)
    return Cost(cost.fixed, num_fits(job.learning, trial) * cost.sized)


def num_fits(learning: Dataset, trial: Trial) -> int:
    """How often a trial is fitted: once, or in each fold, and a head then to all samples; members are fitted together."""
    has_members = not trial.is_baseline and NETWORKS[trial.recipe.network].has_members
    if has_members or not uses_every_label(learning, trial.part, trial.recipe):
        return 1
    return num_folds_to_select_on(learning) + trial.is_solved


def recall(job: SearchState, trial: Trial) -> Model:
    """Return the model of a finished trial: from memory, or restored from the run folder."""
    if job.model is not None and job.model[0] == trial.name:
        return cast("Model", job.model[1])
    features = features_of(job, trial.part)
    return Model.from_trial(trial).restore(job.learning, features, job.folder.trial(trial.name))


def unfinished(job: SearchState, trial: Trial, status: str, reason: str) -> Row:
    """Make the leaderboard row of a trial that has no result."""
    metric = TASKS[job.learning.task].metric
    return Row(trial.name, status, trial.part.name, trial.recipe.network, metric=metric, reason=reason)


def _train(job: SearchState, trial: Trial, features: FeatureRows) -> tuple[Model, Trained]:
    """Train Part B; if memory runs out, train again with half the batch size."""
    folder = job.folder.trial(trial.name)
    size = job.state["batch_sizes"].get(trial.name) or trial.recipe.batch_size
    while True:
        if not (folder / "state.npz").exists():  # no state to resume from: any files are left over from a killed attempt
            _forget(folder)
        model = Model.from_trial(trial)
        model.recipe = replace(trial.recipe, batch_size=size)
        recipe = {"trial": trial.name, "part_a": trial.part.settings(), **model.recipe.to_json()}
        write_json(folder / "recipe.json", recipe)
        job.progress.begin(f"Part B, training {trial.name}", 0)
        if not (trial.is_solved or trial.is_baseline):
            job.progress.advance(0, f"starting Keras on {job.state['backend']}")
            be_deterministic(job.state["threads"])
            clear_session()
            rate = "" if model.recipe.learning_rate else ", looking for a learning rate"
            job.progress.advance(0, f"compiling the network{rate}")
        try:
            with job.watch.stage("Part B"):
                trained = model.train(
                    job.learning,
                    features,
                    folder,
                    deadline=job.budget.training_deadline,
                    on_epoch=partial(_report_epoch, job, "step" if trial.is_solved else "epoch"),
                )
        except OutOfMemoryError as error:
            if error.batch_size <= MIN_BATCH:
                raise
            size = error.batch_size // 2
            _forget(folder)
            job.progress.say(f"{trial.name}: out of memory; training again with batch size {size}")
            job.state["batch_sizes"][trial.name] = size
            job.save()
        else:
            return model, trained


def _report_epoch(job: SearchState, unit: str, epoch: int, val_loss: float) -> None:
    job.progress.advance(epoch + 1, f"{unit} {epoch + 1}, val_loss {val_loss:.4f}")


def _forget(folder: Path) -> None:
    """Remove the files of a training that will be started anew."""
    for name in ("history.jsonl", "model.keras", "model.npz", "state.npz"):
        (folder / name).unlink(missing_ok=True)


def _measure(job: SearchState, trial: Trial, model: Model, trained: Trained, features: FeatureRows) -> Row:
    be_deterministic(job.state["threads"])  # takes effect only before Keras's first computation
    measured = job.learning.indices("validation")[:_MEASURED_ROWS]
    model.scaled_answers(features, measured)  # warm-up, so that compilation is not measured
    start = time.perf_counter()
    model.scaled_answers(features, measured)
    part_b_ms = 1000 * (time.perf_counter() - start) / len(measured)
    num_params = model.num_params()
    names = [trial.part.name, *([trial.name] if trial.recipe.views > 1 else [])]
    return Row(
        trial=trial.name,
        status="interrupted" if trained.interrupted else "done",
        part_a=trial.part.name,
        part_b=trial.recipe.network,
        metric=TASKS[job.learning.task].metric,
        val_loss=trained.val_loss,
        val_metric=trained.val_metric,
        part_a_seconds=features.seconds,
        part_a_cached=not (trial.part.is_table or any(job.state["paid"][name] for name in names)),
        part_b_seconds=trained.seconds,
        total_seconds=features.seconds + trained.seconds,
        num_params=num_params,
        ms_per_sample=1000 * features.seconds / len(features) + part_b_ms,
        file_mb=num_params * 4 / 1e6,
        reason="training was stopped by the budget" if trained.cut_short else "",
    )
