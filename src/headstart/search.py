"""The whole: fit(). From data and a budget to trials, a best model, and a run folder that shows it all."""

from __future__ import annotations

import importlib
import threading
import time
from dataclasses import replace

from headstart.budget import Budget
from headstart.conversion import Child
from headstart.dataset import Dataset
from headstart.errors import BackboneError, HeadstartError, TrainingError, UsageError
from headstart.extractor import PartA
from headstart.features import Extraction, Features, extract
from headstart.job import Job, Request, first_state
from headstart.leaderboard import Row, ranked
from headstart.model import Model, num_parameters, open_store, prepare
from headstart.plans import Trial, make_trials
from headstart.progress import Progress, Silent
from headstart.readers import read
from headstart.run import Run
from headstart.runfolder import RunFolder, replacing, write_json
from headstart.ship import Cargo, ship
from headstart.splits import check_share
from headstart.stopwatch import Stopwatch
from headstart.trainer import Trained

__all__ = ["Request", "search"]

_PROBE_SECONDS = 1.0
_KERAS_TRIAL_SECONDS = 5.0  # the least that a trial by Keras's fit is worth starting for
_PART_SECONDS = 15.0  # the least that another backbone is worth converting and probing for


def search(request: Request, progress: Progress | None = None) -> Run:
    """Train and compare the trials of a plan; leave a run folder with the best model, its report and its numbers.

    Ctrl-C keeps the best so far: the trials that are left are dropped, and the run is finished with what there is.

    Raises:
        HeadstartError: The request, the data or the budget does not allow a single trial.
        KeyboardInterrupt: There was nothing to keep yet.
    """
    budget = Budget(request.budget_seconds, started=request.started or time.perf_counter())
    _check(request)
    trials = make_trials(request.plan, request.trials, weights=request.weights, seed=request.seed)
    watch = Stopwatch()
    with watch.stage("scan"):
        data = request.data
        dataset = (
            data if isinstance(data, Dataset) else read(data, target=request.target, image=request.image, task=request.task)
        )
    if any(dataset.split):  # the user made a split: what it says nothing of is for training
        dataset = replace(dataset, split=tuple(name or "train" for name in dataset.split))
    folder = RunFolder.create(request.out, dataset.name)
    learning, held_out = (dataset.take(dataset.indices(*names)) for names in (("", "train", "validation"), ("test",)))
    job = Job(request, folder, progress or Silent(), budget, watch, learning, held_out)
    job.save(**first_state(job, dataset))
    job.progress.say(f"{len(dataset)} images, {dataset.task_reason}")
    try:
        _run_trials(job, trials)
        _finish(job)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        job.save(status=status, error=str(error) or type(error).__name__, wall_seconds=budget.elapsed())
        raise
    finally:
        job.progress.end()
        if job.converter is not None:
            job.converter.close()
    return Run(folder.path)


def _check(request: Request) -> None:
    """Refuse early what would only fail after Part A."""
    check_share(request.validation)
    if not 0 <= request.seed < 2**32:
        raise UsageError(
            "H007",
            "the seed is out of range",
            received=f"--seed {request.seed}",
            expected="a whole number from 0 to 4294967295",
            advice="--seed 0",
        )


def _run_trials(job: Job, trials: list[Trial]) -> None:
    for trial in trials:
        try:
            _run_trial(job, trial)
        except KeyboardInterrupt:
            job.interrupted = True
            job.rows.append(_unfinished(trial, "interrupted", "stopped by Ctrl-C"))
            if job.best is None:
                raise
        except (HeadstartError, MemoryError) as error:
            if not job.is_prepared and not isinstance(error, BackboneError):  # not the trial is at fault
                raise
            reason = error.title if isinstance(error, HeadstartError) else "out of memory"
            job.rows.append(_unfinished(trial, "failed", reason))
            job.progress.say(f"{trial.name} failed: {reason}")
            if job.best is None and trial == trials[-1]:
                raise
        job.save()
        if job.interrupted:
            job.progress.say("stopping here, with the best so far")
            return


def _run_trial(job: Job, trial: Trial) -> None:
    is_new_part = job.best is not None and trial.part.name not in job.features
    least = _PART_SECONDS * is_new_part + _KERAS_TRIAL_SECONDS * (trial.recipe.network != "linear")
    if job.best is not None and not job.budget.has_time_for(least):
        job.rows.append(_unfinished(trial, "skipped", "no time left in the budget"))
        return
    features = _features(job, trial.part)
    model = Model.of(trial)
    folder = job.folder.trial(trial.name)
    write_json(folder / "recipe.json", {"trial": trial.name, "part_a": trial.part.settings(), **trial.recipe.to_json()})
    job.progress.begin(trial.name, 0)
    with job.watch.stage("Part B"):
        trained = model.train(
            job.learning,
            features,
            folder,
            deadline=job.budget.training_deadline,
            on_epoch=lambda epoch, val_loss: job.progress.advance(epoch + 1, f"val_loss {val_loss:.4f}"),
        )
    job.interrupted = trained.interrupted
    with job.watch.stage("measure the head"):
        row = _measure(job, model, trained, features)
    if not (folder / "model.keras").exists():  # the solver leaves none
        with replacing(folder / "model.keras") as temporary:
            model.head().save(temporary)
    write_json(folder / "timings.json", {name: value for name, value in row.to_json().items() if name.endswith("seconds")})
    job.rows.append(row)
    if job.converter is None:  # there will be something to convert: TensorFlow may be imported for it meanwhile
        job.converter = Child("convert.py")
    if job.best is None or trained.val_loss < job.best[0].val_loss:
        job.best = model, row
    job.progress.say(f"{row.trial}: val_loss {row.val_loss:.4f}, accuracy {row.val_accuracy:.1%}, {row.total_seconds:.1f} s")


def _features(job: Job, part: PartA) -> Features:
    """Part A's rows for everything that may be looked at; the first time, this also decides the split."""
    if part.name in job.features:
        return job.features[part.name]
    with job.watch.stage("Part A"):
        job.progress.begin(f"Part A: {part.name}", len(job.learning))
        # The probe always gets its time: without it, nobody could say how large the budget would have to be.
        deadline = max(job.budget.extraction_deadline, time.perf_counter() + 2 * _PROBE_SECONDS)
        features = extract(job.learning, part, open_store(), progress=_Watch(job), deadline=deadline)
    _start_importing_keras()
    if not job.is_prepared:
        request = job.request
        if features.unreached:
            job.progress.say(f"the budget leaves out {len(features.unreached)} images that were not reached in time")
        job.learning, features = prepare(job.learning, features, validation=request.validation, seed=request.seed)
        job.is_prepared = True
    elif features.failures or features.unreached:
        raise TrainingError(
            "H304",
            f"{len(features.failures) + len(features.unreached)} images gave no row",
            received=part.name,
            expected="a row for every image that the trial before could read",
            advice="fit again with more time or memory",
            exit_code=1,
        )
    job.features[part.name] = features
    if features.num_damaged:
        job.progress.say(f"{features.num_damaged} stored rows failed their checksum and were computed again")
    name, reason = features.engine
    if name:
        job.state["engine"] = {"name": name, "reason": reason}
        job.progress.say(f"Part A ran on {name}: {reason}")
    job.progress.say(f"{features.num_computed} rows computed, {features.num_cached} read from the store")
    return features


class _Watch:
    """Shows progress with an estimate, and refuses a budget that a short probe shows to be too small."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._is_probed = False

    def __call__(self, state: Extraction) -> None:
        left = state.total - state.done
        rate = state.num_computed / state.seconds if state.seconds else 0.0
        self._job.progress.advance(state.done, f"{rate:.0f} images/s, {left / rate:.0f} s left" if rate else "")
        if self._is_probed or (left and state.seconds < _PROBE_SECONDS):
            return
        self._is_probed = True
        if left and not self._job.is_prepared:
            self._job.progress.say(f"Part A will take about {left / rate:.0f} s more ({rate:.0f} images a second)")
        if rate:
            self._job.budget.held_out_seconds = len(self._job.held_out) / rate
        if self._job.best is None:
            self._job.budget.require(left / rate if rate else 0.0)


def _measure(job: Job, model: Model, trained: Trained, features: Features) -> Row:
    validation = job.learning.indices("validation")
    head = model.head()
    rows = features.rows(validation)
    head.predict(rows, batch_size=1024, verbose=0)  # compiled apart from the measurement
    start = time.perf_counter()
    head.predict(rows, batch_size=1024, verbose=0)
    part_b_ms = 1000 * (time.perf_counter() - start) / len(validation)
    num_params = num_parameters(model.part) + head.count_params()
    return Row(
        trial=f"{model.part.name}-{model.recipe.network}",
        status="interrupted" if trained.interrupted else "done",
        part_a=model.part.name,
        part_b=model.recipe.network,
        val_loss=trained.val_loss,
        val_accuracy=trained.val_accuracy,
        part_a_seconds=features.seconds,
        part_a_cached=features.num_computed == 0,
        part_b_seconds=trained.seconds,
        total_seconds=features.seconds + trained.seconds,
        num_params=num_params,
        ms_per_sample=1000 * features.seconds / len(job.learning) + part_b_ms,
        file_mb=num_params * 4 / 1e6,
    )


def _unfinished(trial: Trial, status: str, reason: str) -> Row:
    return Row(trial.name, status, trial.part.name, trial.recipe.network, reason=reason)


def _finish(job: Job) -> None:
    """Turn the best trial into the run's model, and write everything that the run shows."""
    if job.best is None or job.converter is None:
        raise TrainingError(
            "H305",
            "no trial ended well",
            received="; ".join(f"{row.trial}: {row.reason}" for row in job.rows),
            expected="at least one trained model",
            advice="see leaderboard.csv in the run for each trial's reason",
            exit_code=1,
        )
    job.budget.begin_finish()
    model, row = job.best
    keys = ("trial", "val_loss", "val_accuracy", "total_seconds")
    job.save(best={key: getattr(row, key) for key in keys})
    features, left = job.features[model.part.name], job.budget.left()
    cargo = Cargo(job.folder, model, job.learning, job.held_out, features, job.converter, left)
    status = "interrupted" if job.interrupted else "done"

    def save(**facts: object) -> None:
        job.save(status=status, wall_seconds=job.budget.elapsed(), trials=[r.to_json() for r in ranked(job.rows)], **facts)

    ship(cargo, job.progress, job.watch, save)
    job.budget.end_finish(job.watch.seconds["evaluate"])


def _start_importing_keras() -> None:
    """Import Keras beside the solver, which spends its time outside the interpreter."""
    threading.Thread(target=importlib.import_module, args=("keras",), daemon=True).start()
