"""The whole: fit(). From data and a budget to trials, a best model and a run folder that shows it all; and resume()."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.images.survey import Survey, survey
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


_ENSEMBLE_SECONDS = 60.0  # to weigh models, and to join, convert and check several of them in the end


def search(request: Request, progress: Progress | None = None) -> Run:
    """Train and compare the trials of a plan; leave a run folder with the best model, its report and its numbers.

    Ctrl-C keeps the best so far: the trials that are left are dropped, and the run is finished with what there is.

    Raises:
        HeadstartError: The request, the data or the budget does not allow a single trial.
        KeyboardInterrupt: There was nothing to keep yet.
    """
    request.check()
    return _search(request, None, progress or Silent())


def resume(path: Path, progress: Progress | None = None, *, started: float | None = None) -> Run:
    """Go on with a run that was killed, from where it stood: trials that had ended are not run again, rows are read.

    On a CPU it ends with the same bits as if it had never been killed, but for the fields that hold seconds. A run that
    is complete is left as it is.

    Args:
        path: The run folder.
        progress: Told how far the run is; silent if None.
        started: ``time.perf_counter()`` value from which a budget counts, anew; the call itself if None.

    Raises:
        RunError: It is no run (H503), is complete but damaged (H506), or cannot be resumed (H511, H512, H513).
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
        job.take_up(earlier)
    pictures = None if surveyed is None else surveyed.to_json()
    job.save(**({"status": "running"} if earlier else first_state(job, dataset) | {"pictures": pictures}))
    job.progress.say(f"{len(dataset)} {dataset.sample_noun}s, {dataset.task_reason}")
    for reason in surveyed.reasons if surveyed else ():
        job.progress.say(reason)
    if dataset.groups:
        num_alone = dataset.groups.count("")
        alone = f"; {num_alone} {dataset.sample_noun}s belong to none" if num_alone else ""
        num_groups = len({*dataset.groups} - {""})
        job.progress.say(f"{num_groups} groups, each on one side of every split that is made here{alone}")
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
    """Tell before any data is read what is wrong with the plan or its trials, whether they are for images or for tables."""
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
    if any(data.split):  # the user made a split: what it says nothing of is for training
        data = replace(data, split=tuple(name or "train" for name in data.split))
    return data


def _surveyed(request: Request, learning: Dataset, earlier: dict[str, Any]) -> Survey:
    """What training pictures are like; in a resumed run, what they were like when it began."""
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
        job.progress.say("stopping here, with the best so far")
        job.rows += [unfinished(job, trial, "skipped", "stopped by Ctrl-C before it began") for trial in left]
        job.save()


def _no_ensemble(job: SearchState, name: str, status: str, reason: str) -> Row:
    return Row(name, status, "", "", metric=TASKS[job.learning.task].metric, reason=reason)


def _guarded(job: SearchState, run: Callable[[], None], row: Callable[[str, str], Row], *, is_last: bool) -> None:
    """Run a trial. What goes wrong in it is told in its row, and is raised only where no model is left to end with.

    Args:
        job: The job.
        run: The trial.
        row: From a status and a reason to the row of a trial that did not end well.
        is_last: No other trial follows.
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
        if not job.is_prepared and not isinstance(error, BackboneError):  # not the trial is at fault
            raise
        reason = error.title if isinstance(error, HeadstartError) else "out of memory"
        ended = row("skipped" if isinstance(error, OutOfTimeError) else "failed", reason)
        if not job.has_model and is_last:
            job.rows.append(ended)
            raise
    except Exception as error:  # noqa: BLE001 - whatever a network, a backend or a user's function raises is this trial's
        told = str(error).strip().splitlines() or ["no message"]
        ended = row("failed", f"{type(error).__name__}: {told[0]}"[:300])
    if ended.trial not in {row.trial for row in job.rows}:  # else it had ended well, and what came after did not
        job.rows.append(ended)
    job.progress.say(f"{ended.trial} {ended.status}: {ended.reason}")


def _split_again(job: SearchState, trials: list[Trial]) -> None:
    """Decide the split of a resumed run by the rows that decided it at first, whichever trial is next."""
    for trial in trials:
        if trial.part.name == job.state["split_part"]:
            features_of(job, trial.part)
            return


def _next(job: SearchState, left: list[Trial]) -> Trial:
    """The first of a plan first, then the one with the most expected gain a second; what was chosen once is chosen again."""
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
    """Why the budget does not hold this trial; empty where it does, and time for the end of a run with it is then kept."""
    part, held_out = trial.part, len(job.held_out)
    end_seconds = job.speeds.part_a_seconds(part, held_out) if held_out else 0.0
    seconds = predict_seconds(job, trial)
    is_needed = job.best_network is None and not trial.is_baseline  # a constant answer is no model to end with
    if not is_needed and not job.budget.has_time_for(seconds, part.name, end_seconds):
        spare = max(0.0, job.budget.spare(part.name, end_seconds))
        return f"no time in the budget: it may take {seconds:.0f} s, and {spare:.0f} s are left before the end of the run"
    job.budget.expect(part.name, end_seconds)
    return ""


def _finish(job: SearchState, trials: list[Trial]) -> None:
    """Turn the best trial into the run's model, and write everything that the run shows."""
    choice = job.choice
    if choice is None:
        raise TrainingError(
            "H305",
            "no trial ended well",
            received="; ".join(f"{row.trial}: {row.reason}" for row in job.rows),
            expected="at least one trained model",
            advice="see leaderboard.csv in the run for each trial's reason",
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
    cargo = Outcome(job.folder, model, choice, validation, job.learning, job.held_out, features, converter, left)
    status = "interrupted" if job.interrupted else "done"

    def save(**facts: object) -> None:
        job.save(status=status, wall_seconds=job.budget.elapsed(), **facts)

    ship(cargo, job.progress, job.watch, save)
    job.budget.end_finish(best.part_a, job.watch.seconds["evaluate"])
