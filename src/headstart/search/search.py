"""Run a search: train the trials of a plan within a budget, select the best model and finish the run; resume a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from headstart.data.dataset import Dataset
from headstart.data.images.survey import Survey, survey
from headstart.data.rare_classes import without_rare_classes
from headstart.data.readers.read import read
from headstart.export.converter import Child
from headstart.foundation.errors import HeadstartError, TrainingError, UsageError
from headstart.foundation.progress import Progress, Silent
from headstart.foundation.runs.digests import COUNTER
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.run_lock import run_lock
from headstart.foundation.stopwatch import Stopwatch
from headstart.search.extension import extended
from headstart.search.finalize import Outcome, ship
from headstart.search.planning.budget import Budget
from headstart.search.planning.plans import make_trials
from headstart.search.planning.speeds import Speeds
from headstart.search.request import Request
from headstart.search.run import Run
from headstart.search.shared_features import features_of
from headstart.search.state import SearchState, check_same_data, first_state
from headstart.search.trial_answers import read_answers
from headstart.search.trial_loop import run_trials
from headstart.search.trial_runner import recall
from headstart.training.trials.trial import Trial, check_kind, check_task
from headstart.training.trials.unused_settings import with_used

__all__ = ["resume", "search"]


_REPORT_SECONDS = 3.0  # to write the report and to exit, which the conversion for predict leaves
_REFUSED = 2  # exit status of an error in what the user asked for


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
    """Resume a run that was killed or ended by Ctrl-C.

    Trials that have ended are not run again, and stored features are read. On a CPU, the result is equal to the bit to that
    of a run that was never killed, except for fields that hold seconds. A complete run is left unchanged.

    Args:
        path: The run folder.
        progress: Receives the progress of the run. Defaults to None, which is silent.
        started: ``time.perf_counter()`` value from which the budget is counted anew. Defaults to the time of the call.

    Raises:
        RunError: The folder is not a run (H503), another process is writing to it (H516), it was changed after it was
            written (H506), or it cannot be resumed (H511, H512, H513, H515).
    """
    folder = RunFolder.open(path)
    progress = progress or Silent()
    if folder.is_complete:
        folder.check()
        progress.say("the run is complete: there is nothing to resume")
        return Run(path)
    request = replace(Request.from_run(folder), started=started)
    request.check()
    with run_lock(path):
        return _search(request, folder, progress)


def _search(request: Request, folder: RunFolder | None, progress: Progress) -> Run:
    """Prepare the data and the trials, and run the search in a new run folder, or in ``folder`` to resume it."""
    started = request.started or time.perf_counter()
    asked = partial(make_trials, request.plan, request.trials, weights=request.weights, seed=request.seed)
    _check_names(asked)
    watch = Stopwatch()
    earlier: dict[str, Any] = folder.state if folder is not None else {}
    with watch.stage("scan"):
        dataset = _read(request, progress)
        if earlier:
            check_same_data(earlier, dataset)
        is_table = dataset.table is not None
        made_test = ("test",) if "test" in dataset.made_splits else ()  # of a run that is extended
        learning = dataset.take(dataset.indices("", "train", "validation", *made_test))
        unseen = dataset.take([] if made_test else dataset.indices("test"))
        surveyed = None if is_table else _surveyed(request, learning, earlier)
        trials = [with_used(trial, request.settings) for trial in _trials(asked, dataset, surveyed)]
    for trial in trials:
        check_kind(trial.part, dataset, trial.name)
        check_task(trial, dataset)
    if request.unknown:
        _check_unknown(trials)
    is_new = folder is None
    folder = folder or RunFolder.create(request.out, dataset.name)
    speeds = Speeds()
    budget = Budget(request.budget_seconds, started=started, speeds=speeds, num_samples=len(dataset), is_table=is_table)
    job = SearchState(request, folder, progress, budget, speeds, watch, learning, unseen)
    with run_lock(folder.path) if is_new else nullcontext():
        if earlier:
            if folder.is_sealed:
                folder.unseal()
                earlier["looks_before"] = earlier["test_looks"]
            folder.sweep()
            job.restore(earlier)
        pictures = None if surveyed is None else surveyed.to_json()
        looks = 0 if request.extends is None else int(RunFolder.open(Path(request.extends)).state.get(COUNTER, 0))
        first = {} if earlier else first_state(job, dataset) | {"pictures": pictures, "looks_before": looks}
        job.save(**{"status": "running"} | first)
        _describe(job, dataset, surveyed)
        try:
            _run(job, trials, is_resumed=bool(earlier))
        except HeadstartError as error:
            if is_new and error.exit_code == _REFUSED and len(job.rows) <= 1:  # more rows have more reasons
                folder.remove()
            raise
    return Run(folder.path)


def _run(job: SearchState, trials: list[Trial], *, is_resumed: bool) -> None:
    """Run the trials and finish the run; after an error, save the status of the run before the error is raised."""
    try:
        if len(trials) == 1:  # its training is too short for the converter to import TensorFlow meanwhile
            job.converter = Child("convert_process.py")
        if is_resumed:
            _split_again(job, trials)
        run_trials(job, trials)
        _finish(job, trials)
    except KeyboardInterrupt as error:
        text = f"{'the run is not complete' if job.has_model else 'there is no model yet'}; {_how_to_continue(job)}"
        job.save(status="interrupted", error=text, wall_seconds=job.budget.elapsed())
        raise KeyboardInterrupt(text) from error
    except BaseException as error:
        job.save(status="failed", error=str(error) or type(error).__name__, wall_seconds=job.budget.elapsed())
        raise
    finally:
        job.progress.end()
        if job.converter is not None:
            job.converter.close()


def _how_to_continue(job: SearchState) -> str:
    if job.request.to_json() is None:
        return "fit again, because the data exist in this process only"
    return f"to continue: headstart resume {job.folder.path}"


def _describe(job: SearchState, dataset: Dataset, surveyed: Survey | None) -> None:
    """Report what was read, and the decisions made so far."""
    job.progress.say(f"{len(dataset)} {dataset.sample_noun}s, {dataset.task_reason}")
    for reason in surveyed.reasons if surveyed else ():
        job.progress.say(reason)
    if dataset.groups:
        num_alone = dataset.groups.count("")
        alone = f"; {num_alone} {dataset.sample_noun}s have no group" if num_alone else ""
        num_groups = len({*dataset.groups} - {""})
        job.progress.say(f"{num_groups} groups, each kept on one side of every split that Headstart makes{alone}")


def _split_again(job: SearchState, trials: list[Trial]) -> None:
    """Make the split of a resumed run from the features that it was first made from, whichever trial is next."""
    for trial in trials:
        if trial.part.name == job.state["split_part"]:
            features_of(job, trial.part)
            return


def _check_unknown(trials: list[Trial]) -> None:
    """Reject ``--unknown`` where no trial has a backbone, whose features tell unknown images (H051)."""
    if not any(trial.part.cards for trial in trials):
        raise UsageError(
            "H051",
            "--unknown needs images and a trial with a backbone",
            received=f"--unknown with {', '.join(trial.name for trial in trials)}",
            expected="images, and a trial with a backbone",
            advice="leave out --unknown, or choose --plan quick for images",
        )


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


def _read(request: Request, progress: Progress) -> Dataset:
    progress.begin(f"reading {request.data_name}", 0)
    data = request.data
    if request.extends:
        both = extended(request, partial(_read, progress=progress), progress.say)
        return replace(both, refits=request.refit)
    if not isinstance(data, Dataset):
        columns = {name: getattr(request, name) for name in ("target", "image", "group", "time")}
        data = read(data, **columns, task=request.task)
    if any(data.split):  # the user made a split: samples that it does not assign are for training
        data = replace(data, split=tuple(name or "train" for name in data.split))
    data = replace(data, duplicates=request.duplicates or data.duplicates, refits=request.refit or data.refits)
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
    features, left = [job.features[part.name] for part in model.parts], job.budget.left() - _REPORT_SECONDS
    held_out = read_answers(job.folder, best.trial, job.learning)
    outcome = Outcome(
        job.folder, model, choice, held_out, job.learning, job.unseen, features, converter, left, job.request.unknown
    )
    status = "interrupted" if job.interrupted else "done"

    def save(**facts: Any) -> None:
        if COUNTER in facts:
            facts[COUNTER] += job.state["looks_before"]
        job.save(status=status, wall_seconds=job.budget.elapsed(), **facts)

    ship(outcome, job.progress, job.watch, save)
    job.budget.end_finish(best.part_a, job.watch.seconds["test split"])
