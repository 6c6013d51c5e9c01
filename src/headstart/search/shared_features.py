"""The whole: the rows that a run's trials stand on, made once, and what their making tells of the machine."""

from __future__ import annotations

import importlib
import threading
import time
from dataclasses import replace

from headstart.data.folds import make_folds
from headstart.data.groups import group_duplicates
from headstart.data.splits import make_split
from headstart.doctor.column_checks import check_columns
from headstart.features.extraction import extract
from headstart.features.features import Extraction, FeatureRows, Features
from headstart.features.part_a import PartA
from headstart.features.tables.table_features import TableFeatures, encode_table
from headstart.foundation.errors import OutOfTimeError, TrainingError
from headstart.models.fitting import open_store, prepare
from headstart.models.model import Model
from headstart.search.state import SearchState
from headstart.training.framework_state import be_deterministic
from headstart.training.trials.trial import Trial

__all__ = ["features_of", "views_of"]

_PROBE_SECONDS = 1.0
_PROBE_ROWS = 16  # a busy machine starts slowly, and the first few rows say more of that than of its speed
_PROBE_MOST_SECONDS = 4.0
_TELLING_ROWS = 50  # fewer say more of the start than of the speed


def features_of(job: SearchState, part: PartA) -> FeatureRows:
    """Part A's rows for everything that may be looked at; the first time, this also decides the split."""
    if part.name in job.features:
        return job.features[part.name]
    if part.is_table:
        return _encode(job, part)
    if any(card.graph is None for card in part.cards):
        be_deterministic(job.state["threads"])
    with job.watch.stage("Part A"):
        job.progress.begin(f"Part A: {part.name}", len(job.learning))
        # The probe always gets its time: without it, nobody could say how large the budget would have to be.
        deadline = max(job.budget.extraction_deadline, time.perf_counter() + 2 * _PROBE_MOST_SECONDS)
        features = extract(job.learning, part, open_store(), progress=_Watch(job, part.name, part), deadline=deadline)
    _start_importing_keras()
    if not job.is_prepared:
        features = _prepare(job, features)
    elif features.failures:
        raise TrainingError(
            "H304",
            f"{len(features.failures)} images gave no row",
            received=part.name,
            expected="a row for every image that the trial before could read",
            advice="fit again with more memory",
            exit_code=1,
        )
    elif features.unreached:
        raise OutOfTimeError(
            "H308",
            "the budget ended Part A before every image had a row",
            received=f"{part.name}: {len(features.unreached)} images left",
            expected="a row for every image that the trial before had",
            advice="fit again with more time: the rows that are there are read from the store",
            exit_code=1,
        )
    job.features[part.name] = features
    if features.num_computed >= _TELLING_ROWS:
        job.speeds.note_part_a(part, features.seconds / len(features))
    _tell(job, features)
    return features


def _encode(job: SearchState, part: PartA) -> TableFeatures:
    """Decide the split of a table, and learn its encoder from the training rows."""
    with job.watch.stage("Part A"):
        job.progress.begin("Part A: the encoder", len(job.learning))
        job.learning = make_split(group_duplicates(job.learning), validation=job.request.validation, seed=job.request.seed)
        _refuse_folds(job)
        features = encode_table(job.learning, part)
    job.budget.expect(part.name)
    if not job.has_model:
        job.budget.require(0.0)
    job.is_prepared = True
    job.save(split_part=part.name)
    job.features[part.name] = features
    _start_importing_keras()
    for finding in check_columns(features.notes):
        job.progress.say(f"{finding.title}: {finding.measured}")
    return features


def views_of(job: SearchState, trial: Trial) -> Features:
    """The augmented copies that a trial asks for; those that a deadline leaves out are not trained on, now or resumed."""
    with job.watch.stage("Part A"):
        job.progress.begin(f"views: {trial.name}", len(job.learning.indices("train")) * (trial.recipe.views - 1))
        watch, deadline = _Watch(job, trial.name, trial.part), job.budget.extraction_deadline
        views = Model.from_trial(trial).views(job.learning, progress=watch, deadline=deadline)
    left_out = job.state["views_left_out"]
    if trial.name not in left_out:  # else it was decided by the process before
        left_out[trial.name] = sorted({*views.unreached, *views.failures})
        job.save()
    if left_out[trial.name]:
        job.progress.say(f"{len(left_out[trial.name])} augmented copies are left out: not reached in time or not readable")
    return replace(views, unreached=tuple(left_out[trial.name]))


def _prepare(job: SearchState, features: Features) -> Features:
    request = job.request
    if features.unreached:
        job.progress.say(f"the budget leaves out {len(features.unreached)} images that were not reached in time")
    skipped, _ = features.skipped(job.learning)
    job.learning, features = prepare(job.learning, features, validation=request.validation, seed=request.seed)
    _refuse_folds(job)
    job.is_prepared = True
    left_out = [*job.state["left_out"], *([file.path, file.reason] for file in skipped)]
    job.save(left_out=left_out, split_part=features.part.name)  # what copies look like depends on the size and the crop
    return features


def _refuse_folds(job: SearchState) -> None:
    """Refuse early what cannot be dealt out."""
    if job.request.folds:
        make_folds(job.learning, job.request.folds, seed=job.request.seed)


def _tell(job: SearchState, features: Features) -> None:
    if features.num_damaged:
        job.progress.say(f"{features.num_damaged} stored rows failed their checksum and were computed again")
    name, reason = features.engine
    if name:
        job.state["engine"] = {"name": name, "reason": reason}
        job.progress.say(f"Part A ran on {name}: {reason}")
    job.progress.say(f"{features.num_computed} rows computed, {features.num_cached} read from the store")


class _Watch:
    """Notes whether rows had to be paid for, shows progress, and refuses a budget that a probe shows to be too small."""

    def __init__(self, job: SearchState, name: str, part: PartA) -> None:
        self._job = job
        self._name = name
        self._part = part
        self._is_probed = False
        self._first: tuple[float, int] | None = None  # when rows began to come, and how many there were

    def __call__(self, state: Extraction) -> None:
        job, left = self._job, state.total - state.done
        if self._name not in job.state["paid"]:  # in a resumed run, what the first process paid was paid for this run
            job.state["paid"][self._name] = left > 0
            job.save()
        rate = self._rate(state)
        job.progress.advance(state.done, f"{rate:.0f} images/s, {left / rate:.0f} s left" if rate else "")
        if self._is_probed or (left and not rate):
            return
        self._is_probed = True
        if left and not job.is_prepared:
            job.progress.say(f"Part A will take about {left / rate:.0f} s more ({rate:.0f} images a second)")
            job.speeds.note_part_a(self._part, 1 / rate)
        if rate:
            job.budget.expect(self._part.name, len(job.held_out) / rate)
        if not job.has_model:
            job.budget.require(left / rate if rate else 0.0)

    def _rate(self, state: Extraction) -> float:
        """Images a second since the first came out, the start of processes and graphs apart; 0 until that says something."""
        if self._first is None or not state.num_computed:
            self._first = (state.seconds, state.num_computed) if state.num_computed else None
            return 0.0
        seconds, number = state.seconds - self._first[0], state.num_computed - self._first[1]
        is_telling = seconds > _PROBE_SECONDS and (number >= _PROBE_ROWS or seconds > _PROBE_MOST_SECONDS)
        return number / seconds if is_telling else 0.0


def _start_importing_keras() -> None:
    """Import Keras beside the solver, which spends its time outside the interpreter."""
    threading.Thread(target=importlib.import_module, args=("keras",), daemon=True).start()
