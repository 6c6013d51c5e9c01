"""Run the trials of a search one after another, then the ensembles; record why a trial failed or was skipped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from headstart.data.tasks import TASKS
from headstart.evaluation.leaderboard import Row
from headstart.features.part_a import PartA
from headstart.foundation.errors import BackboneError, HeadstartError, OutOfTimeError
from headstart.models.ensemble import FOLDS_NAME, NAME
from headstart.search.ensembling import attempt_ensemble, attempt_fold_ensemble
from headstart.search.planning.cost_model import part_a_cost, part_a_kind, pick
from headstart.search.state import SearchState
from headstart.search.trial_runner import attempt, predicted_cost, unfinished
from headstart.training.trials.trial import Trial

__all__ = ["run_trials"]


def run_trials(job: SearchState, trials: list[Trial]) -> None:
    """Run the trials that have not ended yet, and then the ensembles of the plan; Ctrl-C ends the last of them early.

    Raises:
        HeadstartError: The run would end without a model, and this is the reason.
        KeyboardInterrupt: Ctrl-C was pressed before there was a model.
    """
    try:
        _run_each(job, trials)
        _run_ensembles(job, trials)
    except KeyboardInterrupt:  # between two trials
        if not job.has_model:
            raise
        job.interrupted = True
    if job.interrupted:
        job.progress.say("interrupted: finishing the run with the best model so far")
        left = _left(job, trials)
        job.rows += [unfinished(job, trial, "interrupted", "stopped by Ctrl-C before it started") for trial in left]
        job.save()


def _run_each(job: SearchState, trials: list[Trial]) -> None:
    left = _left(job, trials)
    while left and not job.interrupted:
        trial = _next(job, left)
        left.remove(trial)
        if reason := _why_too_late(job, trial):
            job.rows.append(unfinished(job, trial, "skipped", reason))
        else:
            _guarded(job, partial(attempt, job, trial), partial(unfinished, job, trial), is_last=not left)
        job.save()


def _run_ensembles(job: SearchState, trials: list[Trial]) -> None:
    request = job.request
    if not request.trials and not job.interrupted:
        _guarded(job, partial(attempt_ensemble, job, trials), partial(_no_ensemble, job, NAME), is_last=True)
    if request.folds and not job.interrupted:
        folds_of_best = partial(attempt_fold_ensemble, job, trials, request.folds)
        _guarded(job, folds_of_best, partial(_no_ensemble, job, FOLDS_NAME), is_last=True)


def _left(job: SearchState, trials: list[Trial]) -> list[Trial]:
    """Trials that have no row yet."""
    ended = {row.trial for row in job.rows}
    return [trial for trial in trials if trial.name not in ended]


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
        _enter(job, row("interrupted", "stopped by Ctrl-C"))
        if not job.has_model:
            raise
        return
    except (HeadstartError, MemoryError) as error:
        if not job.is_prepared and not isinstance(error, BackboneError):  # the data are at fault, not the trial
            raise
        reason = error.title if isinstance(error, HeadstartError) else "out of memory"
        ended = row("skipped" if isinstance(error, OutOfTimeError) else "failed", reason)
        if not job.has_model and is_last:
            _enter(job, ended)
            raise
    except Exception as error:  # noqa: BLE001 - a network, a backend or a user's function may raise anything
        message = str(error).strip().splitlines() or ["no message"]
        ended = row("failed", f"{type(error).__name__}: {message[0]}"[:300])
    _enter(job, ended)
    job.progress.say(f"{ended.trial} {ended.status}: {ended.reason}")


def _enter(job: SearchState, row: Row) -> None:
    """Add the row of a trial that ended early, unless it has one: then it succeeded, and a later step ended early."""
    if row.trial not in {other.trial for other in job.rows}:
        job.rows.append(row)


def _next(job: SearchState, left: list[Trial]) -> Trial:
    """The next trial: first the plan's first that fits, then by expected gain per second.

    A resumed run repeats its recorded order.
    """
    names = {trial.name: trial for trial in left}
    chosen = [name for name in job.state["order"] if name in names]
    if chosen:
        return names[chosen[0]]
    if job.request.trials:
        trial = left[0]
    elif job.best_network is None:
        trial = next((trial for trial in left if _has_time_for(job, trial)), None) or _fastest(job, left)
    else:
        trial = pick(left, [predicted_cost(job, trial).seconds for trial in left])
    job.save(order=[*job.state["order"], trial.name])
    return trial


def _fastest(job: SearchState, left: list[Trial]) -> Trial:
    """The fastest trial that is not a baseline, if there is one."""
    return min(left, key=lambda trial: (trial.is_baseline, predicted_cost(job, trial).seconds))


def _has_time_for(job: SearchState, trial: Trial) -> bool:
    return job.budget.has_time_for(predicted_cost(job, trial), trial.part.name, _unseen_seconds(job, trial.part))


def _unseen_seconds(job: SearchState, part: PartA) -> float:
    """Predicted seconds of Part A for the user's test split."""
    num_unseen = len(job.unseen)
    return job.speeds.predict(part_a_kind(part), part_a_cost(part, num_unseen)).seconds if num_unseen else 0.0


def _why_too_late(job: SearchState, trial: Trial) -> str:
    """Reason why a trial does not fit into the budget; empty if it does, and then time to finish the run is reserved."""
    part, unseen_seconds = trial.part.name, _unseen_seconds(job, trial.part)
    is_needed = job.best_network is None and not trial.is_baseline  # a run should not end with a baseline alone
    if not is_needed and not _has_time_for(job, trial):
        seconds, spare = predicted_cost(job, trial).seconds, max(0.0, job.budget.spare(part, unseen_seconds))
        return f"not enough time in the budget: it may take {seconds:.0f} s, and {spare:.0f} s are left for trials"
    job.budget.expect(part, unseen_seconds)
    if job.budget.seconds is not None and len(job.state["order"]) == 1:
        reserved = f"{job.budget.reserved:.0f} of {job.budget.seconds:g} s"
        job.progress.say(f"{reserved} are reserved to convert and evaluate the model and to write the report")
    return ""
