"""Compute the features that trials share, once per run, and measure the speed of the machine while doing so."""

from __future__ import annotations

import time
from dataclasses import replace

from headstart.data.folds import make_folds
from headstart.data.groups import group_duplicates
from headstart.data.splits import make_split
from headstart.doctor.column_checks import check_columns
from headstart.features.engines import preparation
from headstart.features.extraction import extract
from headstart.features.features import Extraction, FeatureRows, Features
from headstart.features.part_a import PartA
from headstart.features.tables.table_features import TableFeatures, encode_table
from headstart.foundation.errors import OutOfTimeError, TrainingError
from headstart.models.fitting import open_store, prepare
from headstart.models.model import Model
from headstart.search.planning.cost_model import part_a_cost, part_a_kind
from headstart.search.state import SearchState
from headstart.training.framework_state import be_deterministic, start_importing_keras
from headstart.training.trials.trial import Trial

__all__ = ["features_of", "views_of"]

_PROBE_SECONDS = 1.0
_PROBE_ROWS = 16  # the first few rows of a busy machine reflect its slow start rather than its speed
_PROBE_MOST_SECONDS = 4.0
_TELLING_ROWS = 50  # the time of fewer rows reflects the start rather than the speed


def features_of(job: SearchState, part: PartA) -> FeatureRows:
    """Return Part A's rows of all samples except the user's test split; the first call also makes the split."""
    if part.name in job.features:
        return job.features[part.name]
    if part.is_table:
        return _encode(job, part)
    if any(card.graph is None for card in part.cards):
        be_deterministic(job.state["threads"])
    with job.watch.stage("Part A"):
        job.progress.begin(f"Part A, computing features: {part.name}", len(job.learning))
        # The probe always gets its time: without it, the required budget could not be estimated.
        deadline = max(job.budget.extraction_deadline, time.perf_counter() + 2 * _PROBE_MOST_SECONDS)
        features = extract(job.learning, part, open_store(), progress=_Watch(job, part.name, part), deadline=deadline)
    start_importing_keras()
    if not job.is_prepared:
        features = _prepare(job, features)
    elif features.failures:
        raise TrainingError(
            "H304",
            f"Part A failed for {len(features.failures)} images",
            received=part.name,
            expected="features of every image that an earlier trial could read",
            advice="fit again with more memory",
            exit_code=1,
        )
    elif features.unreached:
        raise OutOfTimeError(
            "H308",
            "the budget ended before Part A had processed every image",
            received=f"{part.name}: {len(features.unreached)} images left",
            expected="features of every image that an earlier trial used",
            advice="fit again with a larger budget: features that were computed are read from the store",
            exit_code=1,
        )
    job.features[part.name] = features
    if features.num_computed >= _TELLING_ROWS:
        job.speeds.note(part_a_kind(part), part_a_cost(part, features.num_computed), features.seconds)
    _report(job, features)
    return features


def _encode(job: SearchState, part: PartA) -> TableFeatures:
    """Split a table, and learn its encoder from the training rows."""
    with job.watch.stage("Part A"):
        job.progress.begin("Part A, learning the encoder of the columns", 0)
        job.learning = make_split(group_duplicates(job.learning), validation=job.request.validation, seed=job.request.seed)
        _check_folds(job)
        features = encode_table(job.learning, part)
    job.budget.expect(part.name)
    if not job.has_model:
        job.budget.require(0.0)
    job.is_prepared = True
    job.save(split_part=part.name)
    job.features[part.name] = features
    start_importing_keras()
    for finding in check_columns(features.notes):
        job.progress.say(f"{finding.title}: {finding.measured}")
    return features


def views_of(job: SearchState, trial: Trial) -> Features:
    """Return a trial's augmented copies; copies missed because of the deadline stay unused, also after a resume."""
    with job.watch.stage("Part A"):
        num_copies = len(job.learning.indices("train")) * (trial.recipe.views - 1)
        job.progress.begin(f"Part A, computing augmented copies: {trial.name}", num_copies)
        watch, deadline = _Watch(job, trial.name, trial.part), job.budget.extraction_deadline
        views = Model.from_trial(trial).views(job.learning, progress=watch, deadline=deadline)
    left_out = job.state["views_left_out"]
    if trial.name not in left_out:  # otherwise an earlier process has decided it
        left_out[trial.name] = sorted({*views.unreached, *views.failures})
        job.save()
    if left_out[trial.name]:
        job.progress.say(f"{len(left_out[trial.name])} augmented copies are not used: not computed in time, or unreadable")
    return replace(views, unreached=tuple(left_out[trial.name]))


def _prepare(job: SearchState, features: Features) -> Features:
    request = job.request
    job.progress.begin("looking for duplicates and splitting the data", 0)
    if features.unreached:
        job.progress.say(f"{len(features.unreached)} images are not used: the budget ended before they were processed")
    skipped, _ = features.skipped(job.learning)
    job.learning, features = prepare(job.learning, features, validation=request.validation, seed=request.seed)
    _check_folds(job)
    job.is_prepared = True
    left_out = [*job.state["left_out"], *([file.path, file.reason] for file in skipped)]
    job.save(left_out=left_out, split_part=features.part.name)  # which images are near duplicates depends on size and crop
    return features


def _check_folds(job: SearchState) -> None:
    """Reject a number of folds that samples cannot be assigned to, before training starts."""
    if job.request.folds:
        make_folds(job.learning, job.request.folds, seed=job.request.seed)


def _report(job: SearchState, features: Features) -> None:
    if features.num_damaged:
        job.progress.say(f"{features.num_damaged} stored rows failed their checksum and were computed again")
    name, reason = features.engine
    if name:
        job.state["engine"] = {"name": name, "reason": reason}
        job.progress.say(f"Part A ran on {name}: {reason}")
    job.progress.say(f"{features.num_computed} rows computed, {features.num_cached} read from the store")


class _Watch:
    """Progress of Part A: records whether rows are computed, shows an estimate, and rejects a budget that is too small."""

    def __init__(self, job: SearchState, name: str, part: PartA) -> None:
        self._job = job
        self._name = name
        self._part = part
        self._is_probed = False
        self._first: tuple[float, int] | None = None  # seconds and number of rows when the first rows were computed

    def __call__(self, state: Extraction) -> None:
        job, left = self._job, state.total - state.done
        if self._name not in job.state["paid"]:  # rows that the run's first process computed count as computed by this run
            job.state["paid"][self._name] = left > 0
            job.save()
        rate = self._rate(state)
        note = f"{rate:.0f} images/s, {left / rate:.0f} s left" if rate else ""
        job.progress.advance(state.done, note or ("" if state.num_computed or not left else preparation(self._part)))
        if self._is_probed or (left and not rate):
            return
        self._is_probed = True
        if left and not job.is_prepared:
            job.progress.say(f"Part A will take about {left / rate:.0f} s more ({rate:.0f} images per second)")
        if rate:
            job.budget.expect(self._part.name, len(job.unseen) / rate)
        if not job.has_model:
            job.budget.require(left / rate if rate else 0.0)

    def _rate(self, state: Extraction) -> float:
        """Images per second, without the start of processes and graphs; 0 until it has been measured long enough."""
        if self._first is None or not state.num_computed:
            self._first = (state.seconds, state.num_computed) if state.num_computed else None
            return 0.0
        seconds, number = state.seconds - self._first[0], state.num_computed - self._first[1]
        is_telling = seconds > _PROBE_SECONDS and (number >= _PROBE_ROWS or seconds > _PROBE_MOST_SECONDS)
        return number / seconds if is_telling else 0.0
