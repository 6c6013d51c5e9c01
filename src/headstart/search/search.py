"""Run a search: train the trials of a plan within a budget, select the best model and finish the run; resume a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.images.survey import Survey, survey
from headstart.data.rare_classes import without_rare_classes
from headstart.data.readers.read import read
from headstart.data.tasks import TASKS
from headstart.evaluation.leaderboard import Row
from headstart.export.converter import Child
from headstart.foundation.errors import BackboneError, HeadstartError, OutOfTimeError, TrainingError, UsageError
from headstart.foundation.progress import Progress, Silent
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.stopwatch import Stopwatch
from headstart.models.ensemble import FOLDS_NAME, NAME
from headstart.search.ensembling import attempt_ensemble, attempt_fold_ensemble
from headstart.search.finalize import Outcome, ship
from headstart.search.planning.budget import Budget
from headstart.search.planning.cost_model import Speeds, pick
from headstart.search.planning.plans import ENSEMBLED, make_trials
from headstart.search.request import Request
from headstart.search.run import Run
from headstart.search.shared_features import features_of
from headstart.search.state import SearchState, check_same_data, first_state
from headstart.search.trial_answers import read_answers
from headstart.search.trial_runner import attempt, predict_seconds, recall, unfinished
from headstart.training.trials.trial import Trial, check_kind, check_task

__all__ = ["resume", "search"]


_ENSEMBLE_SECONDS = 60.0  # to weight the models of an ensemble, and to join, convert and check them at the end


def search(request: Request, progress: Progress | None = None) -> Run:
    """Train and compare the trials of a plan, and write a run folder with the best model, its report and its scores.

    Ctrl-C drops the remaining trials and finishes the run with the best model so far.

    Args:
        request: The data, the plan and the budget.
        progress: Receives the progress of the run. Defaults to None, which is silent.

    Raises:
        HeadstartError: The request, the data or the budget does not allow a single trial.
        KeyboardInterrupt: Ctrl-C was pressed before there was a model.
    """
    request.check()
    return _search(request, None, progress or Silent())


def resume(path: Path, progress: Progress | None = None, *, started: float | None = None) -> Run:
    """Resume a run that was killed. Trials that have ended are not run again, and stored features are read.

    On a CPU, the result is equal to the bit to that of a run that was never killed, except for fields that hold seconds. A
    complete run is left unchanged.

    Args:
        path: The run folder.
        progress: Receives the progress of the run. Defaults to None, which is silent.
        started: ``time.perf_counter()`` value from which the budget is counted anew. Defaults to the time of the call.

    Raises:
        RunError: The folder is not a run (H503), the run is complete but damaged (H506), or it cannot be resumed (H511,
            H512, H513, H515).
    """
    folder = RunFolder.open(path)
    progress = progress or Silent()
    if folder.is_sealed:
        folder.check()
        progress.say("the run is complete: there is nothing to resume")
        return Run(path)
    request = replace(Request.from_run(folder), started=started)
    request.check()
    return _search(request, folder, progress)


def _search(request: Request, folder: RunFolder | None, progress: Progress) -> Run:
    speeds = Speeds()
    budget = Budget(request.budget_seconds, started=request.started or time.perf_counter(), speeds=speeds)
    asked = partial(make_trials, request.plan, request.trials, weights=request.weights, seed=request.seed)
    _check_names(asked)
    watch = Stopwatch()
    earlier: dict[str, Any] = folder.state if folder is not None else {}
    with watch.stage("scan"):
        dataset = _read(request)
        if earlier:
            check_same_data(earlier, dataset)
        is_table = dataset.table is not None
        learning, held_out = (dataset.take(dataset.indices(*names)) for names in (("", "train", "validation"), ("test",)))
        surveyed = None if is_table else _surveyed(request, learning, earlier)
        trials = _trials(asked, dataset, surveyed)
    for trial in trials:
        check_kind(trial.part, dataset, trial.name)
        check_task(trial, dataset)
    folder = folder or RunFolder.create(request.out, dataset.name)
    job = SearchState(request, folder, progress, budget, speeds, watch, learning, held_out)
    if earlier:
        folder.sweep()
        job.restore(earlier)
    pictures = None if surveyed is None else surveyed.to_json()
    job.save(**({"status": "running"} if earlier else first_state(job, dataset) | {"pictures": pictures}))
    job.progress.say(f"{len(dataset)} {dataset.sample_noun}s, {dataset.task_reason}")
    for reason in surveyed.reasons if surveyed else ():
        job.progress.say(reason)
    if dataset.groups:
        num_alone = dataset.groups.count("")
        alone = f"; {num_alone} {dataset.sample_noun}s have no group" if num_alone else ""
        num_groups = len({*dataset.groups} - {""})
        job.progress.say(f"{num_groups} groups, each kept on one side of every split that Headstart makes{alone}")
    try:
        if earlier:
            _split_again(job, trials)
        _run_trials(job, trials)
        is_time = budget.has_time_for(0.0 if is_table else _ENSEMBLE_SECONDS)
        if (is_table or request.plan in ENSEMBLED) and is_time and not request.trials and not job.interrupted:
            _guarded(job, partial(attempt_ensemble, job, trials), partial(_no_ensemble, job, NAME), is_last=True)
        if request.folds and not job.interrupted:
            folds_of_best = partial(attempt_fold_ensemble, job, trials, request.folds)
            _guarded(job, folds_of_best, partial(_no_ensemble, job, FOLDS_NAME), is_last=True)
        _finish(job, trials)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        job.save(status=status, error=str(error) or type(error).__name__, wall_seconds=budget.elapsed())
        raise
    finally:
        job.progress.end()
        if job.converter is not None:
            job.converter.close()
    return Run(folder.path)


def _check_names(asked: Callable[..., list[Trial]]) -> None:
    """Reject a plan or trials that are valid neither for images nor for tables, before any data are read."""
    errors = []
    for is_table in (False, True):
        try:
            asked(is_table=is_table)
        except UsageError as error:
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]


def _read(request: Request) -> Dataset:
    data = request.data
    if not isinstance(data, Dataset):
        data = read(data, target=request.target, image=request.image, group=request.group, task=request.task)
    if any(data.split):  # the user made a split: samples that it does not assign are for training
        data = replace(data, split=tuple(name or "train" for name in data.split))
    return without_rare_classes(data, request.task)


def _surveyed(request: Request, learning: Dataset, earlier: dict[str, Any]) -> Survey:
    """Survey the training pictures; a resumed run uses the survey of the run's first process."""
    if earlier.get("pictures"):
        return Survey.from_json(earlier["pictures"])
    return survey(learning, validation=request.validation, seed=request.seed)


def _trials(asked: Callable[..., list[Trial]], dataset: Dataset, surveyed: Survey | None) -> list[Trial]:
    if surveyed is None:
        return asked(is_table=True)
    trials = asked(side=surveyed.side, is_of_values=dataset.task == "regression")
    return [replace(trial, part=replace(trial.part, rendering=surveyed.rendering)) for trial in trials]


def _run_trials(job: SearchState, trials: list[Trial]) -> None:
    ended = {row.trial for row in job.rows}
    left = [trial for trial in trials if trial.name not in ended]
    while left and not job.interrupted:
        trial = _next(job, left)
        left.remove(trial)
        if reason := _why_too_late(job, trial):
            job.rows.append(unfinished(job, trial, "skipped", reason))
        else:
            _guarded(job, partial(attempt, job, trial), partial(unfinished, job, trial), is_last=not left)
        job.save()
    if job.interrupted:
        job.progress.say("interrupted: finishing the run with the best model so far")
        job.rows += [unfinished(job, trial, "skipped", "stopped by Ctrl-C before it started") for trial in left]
        job.save()


def _no_ensemble(job: SearchState, name: str, status: str, reason: str) -> Row:
    return Row(name, status, "", "", metric=TASKS[job.learning.task].metric, reason=reason)


def _guarded(job: SearchState, run: Callable[[], None], row: Callable[[str, str], Row], *, is_last: bool) -> None:
    """Run a trial and record its failure in its row; raise the error only if the run would end without a model.

    Args:
        job: The search.
        run: Runs the trial.
        row: Makes the row of a failed trial from a status and a reason.
        is_last: Whether no other trial follows.
    """
    try:
        run()
        return
    except KeyboardInterrupt:
        job.interrupted = True
        job.rows.append(row("interrupted", "stopped by Ctrl-C"))
        if not job.has_model:
            raise
        return
    except (HeadstartError, MemoryError) as error:
        if not job.is_prepared and not isinstance(error, BackboneError):  # the data are at fault, not the trial
            raise
        reason = error.title if isinstance(error, HeadstartError) else "out of memory"
        ended = row("skipped" if isinstance(error, OutOfTimeError) else "failed", reason)
        if not job.has_model and is_last:
            job.rows.append(ended)
            raise
    except Exception as error:  # noqa: BLE001 - a network, a backend or a user's function may raise anything
        message = str(error).strip().splitlines() or ["no message"]
        ended = row("failed", f"{type(error).__name__}: {message[0]}"[:300])
    if ended.trial not in {row.trial for row in job.rows}:  # otherwise the trial succeeded, and a later step failed
        job.rows.append(ended)
    job.progress.say(f"{ended.trial} {ended.status}: {ended.reason}")


def _split_again(job: SearchState, trials: list[Trial]) -> None:
    """Make the split of a resumed run from the features that it was first made from, whichever trial is next."""
    for trial in trials:
        if trial.part.name == job.state["split_part"]:
            features_of(job, trial.part)
            return


def _next(job: SearchState, left: list[Trial]) -> Trial:
    """The next trial: first the plan's first, then by expected gain per second; a resumed run repeats its recorded order."""
    names = {trial.name: trial for trial in left}
    chosen = [name for name in job.state["order"] if name in names]
    if chosen:
        return names[chosen[0]]
    trial = (
        left[0] if job.best_network is None or job.request.trials else pick(left, [predict_seconds(job, t) for t in left])
    )
    job.save(order=[*job.state["order"], trial.name])
    return trial


def _why_too_late(job: SearchState, trial: Trial) -> str:
    """Reason why a trial does not fit into the budget; empty if it does, and then time to finish the run is reserved."""
    part, held_out = trial.part, len(job.held_out)
    end_seconds = job.speeds.part_a_seconds(part, held_out) if held_out else 0.0
    seconds = predict_seconds(job, trial)
    is_needed = job.best_network is None and not trial.is_baseline  # a run should not end with a baseline alone
    if not is_needed and not job.budget.has_time_for(seconds, part.name, end_seconds):
        spare = max(0.0, job.budget.spare(part.name, end_seconds))
        return f"not enough time in the budget: it may take {seconds:.0f} s, and {spare:.0f} s are left for trials"
    job.budget.expect(part.name, end_seconds)
    return ""


def _finish(job: SearchState, trials: list[Trial]) -> None:
    """Turn the selected trial into the run's model, and write the evaluation and the report."""
    choice = job.choice
    if choice is None:
        raise TrainingError(
            "H305",
            "all trials failed",
            received="; ".join(f"{row.trial}: {row.reason}" for row in job.rows),
            expected="at least one trained model",
            advice="see leaderboard.csv in the run folder for the reason of each trial",
            exit_code=1,
        )
    job.budget.begin_finish()
    for state in job.folder.path.glob("trials/*/state.npz"):
        state.unlink()
    best = choice.shipped
    keys = ("trial", "val_loss", f"val_{best.metric}", "total_seconds")
    job.save(best={key: best.to_json()[key] for key in keys}, choice=choice.to_json())
    named = {trial.name: trial for trial in trials}
    kept = job.model if job.model is not None and job.model[0] == best.trial else None
    model = kept[1] if kept else recall(job, named[best.trial])
    converter = job.converter = job.converter or Child("convert_process.py")
    features, left = [job.features[part.name] for part in model.parts], job.budget.left()
    validation = read_answers(job.folder, best.trial, len(job.learning.indices("validation")))
    outcome = Outcome(job.folder, model, choice, validation, job.learning, job.held_out, features, converter, left)
    status = "interrupted" if job.interrupted else "done"

    def save(**facts: object) -> None:
        job.save(status=status, wall_seconds=job.budget.elapsed(), **facts)

    ship(outcome, job.progress, job.watch, save)
    job.budget.end_finish(best.part_a, job.watch.seconds["evaluate"])
