"""Part A: run once over every sample. What the store holds is read; the rest is decoded and computed side by side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from headstart import pixels
from headstart.dataset import Dataset, Skipped
from headstart.engines import Engine, engine_key, make_engine
from headstart.errors import StackError
from headstart.extractor import PartA
from headstart.fingerprint import file_digest, settings_digest
from headstart.images import Decoded, DecodePool, decode_array
from headstart.store import Record, Store

__all__ = ["Extraction", "Features", "extract"]

Array = np.ndarray[Any, Any]

_COMMIT_ROWS = 256  # rows a transaction: a kill costs at most these


class Extraction(NamedTuple):
    """How far an extraction is."""

    done: int
    total: int
    num_computed: int
    seconds: float


@dataclass
class Features:
    """What Part A made of a data set: a row for every sample, read from the store in batches.

    Attributes:
        part: The Part A that made them.
        space: The store's space that holds them.
        num_cached: Rows that were in the store before.
        num_computed: Rows computed now.
        seconds: What all the rows cost when they were computed.
        failures: Reason by sample position, where a file gave no row.
        thumbnails: ``(n, 16, 16)`` uint8 grey, zeros where a file gave none.
        facts: What the decoder saw of each file: width, height, format, mode, animated.
        unreached: Positions that the deadline left out.
        engine: Name and reason of the engine that computed rows now; empty where none was needed.
        num_damaged: Stored rows that failed their checksum and were computed again.
    """

    part: PartA
    space: str
    digests: tuple[str, ...]
    store: Store = field(repr=False)
    num_cached: int = 0
    num_computed: int = 0
    seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)
    facts: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)
    thumbnails: Array = field(default_factory=lambda: np.zeros((0, 16, 16), np.uint8), repr=False)
    unreached: tuple[int, ...] = ()
    engine: tuple[str, str] = ("", "")
    num_damaged: int = 0

    def rows(self, indices: Sequence[int] | Array) -> Array:
        """Rows of the samples at ``indices``, ``(len(indices), features)`` float32."""
        records = self.store.read(self.space, [self.digests[int(i)] for i in indices])
        found = [np.frombuffer(record.value, np.float32) for record in records if record is not None]
        if len(found) < len(records):
            raise StackError(
                "H602",
                "rows are missing from the feature store",
                received=f"{len(records) - len(found)} of {len(records)} rows, lost or damaged since they were computed",
                expected="a store that nobody empties while it is in use",
                advice="run the command again: lost rows are computed anew",
                exit_code=1,
            )
        return np.stack(found)

    def take(self, indices: Sequence[int]) -> Features:
        """The features of these samples only, in this order."""
        position = {int(i): n for n, i in enumerate(indices)}
        return replace(
            self,
            digests=tuple(self.digests[i] for i in indices),
            thumbnails=self.thumbnails[list(indices)],
            facts={position[i]: facts for i, facts in self.facts.items() if i in position},
            failures={position[i]: reason for i, reason in self.failures.items() if i in position},
            unreached=tuple(position[i] for i in self.unreached if i in position),
        )

    def plus(self, other: Features) -> Features:
        """The features of both, these first; made by the same Part A."""
        n = len(self.digests)
        return replace(
            self,
            digests=self.digests + other.digests,
            thumbnails=np.concatenate([self.thumbnails, other.thumbnails]),
            facts=self.facts | {n + i: facts for i, facts in other.facts.items()},
            failures=self.failures | {n + i: reason for i, reason in other.failures.items()},
            num_cached=self.num_cached + other.num_cached,
            num_computed=self.num_computed + other.num_computed,
            seconds=self.seconds + other.seconds,
        )

    def skipped(self, dataset: Dataset) -> tuple[list[Skipped], list[int]]:
        """What to list as skipped, and the positions to drop, for files that gave no row."""
        reasons = self.failures | dict.fromkeys(self.unreached, "not reached within the budget")
        return [Skipped(dataset.paths[i], reason) for i, reason in sorted(reasons.items())], sorted(reasons)


def extract(
    dataset: Dataset,
    part: PartA,
    store: Store,
    *,
    progress: Callable[[Extraction], None] = lambda _: None,
    deadline: float = float("inf"),
) -> Features:
    """Make a row of every sample, computing only those that the store does not hold.

    Args:
        dataset: The samples.
        part: The backbone and its cut.
        store: Where rows are kept.
        progress: Told after every row.
        deadline: ``time.perf_counter()`` value after which no further sample is begun.

    Returns:
        The features; files that could not be read are among their ``failures``.
    """
    key = engine_key(part)
    decoding = {"pixels": _decoder_digest(), "pillow": version("pillow"), "numpy": version("numpy")}
    space = settings_digest(kind="rows", **part.settings(), **key, **decoding)
    facts_space = settings_digest(kind="facts", **part.geometry.as_dict(), **decoding)
    features = Features(part, space, dataset.digests, store)
    features.thumbnails = np.zeros((len(dataset), 16, 16), np.uint8)
    damaged_before = store.num_damaged
    rows = store.read(space, dataset.digests)
    features.num_damaged = store.num_damaged - damaged_before
    missing = []
    counted: set[str] = set()
    for i, (row, known) in enumerate(zip(rows, store.read(facts_space, dataset.digests), strict=True)):
        if known is not None:
            _remember(features, i, known.value)
        if i in features.failures:
            continue
        if row is None or known is None:
            missing.append(i)
        else:
            features.num_cached += 1
            features.seconds += row.seconds * (dataset.digests[i] not in counted)  # a copy cost nothing
            counted.add(dataset.digests[i])
    progress(Extraction(len(dataset) - len(missing), len(dataset), 0, 0.0))
    if missing:
        engine = make_engine(part)
        if engine_key(part) != key:  # it turned out that OpenVINO cannot run this network: its rows are Keras's
            return extract(dataset, part, store, progress=progress, deadline=deadline)
        features.engine = engine.name, engine.reason
        _compute(_Job(dataset, features, facts_space, missing, progress, deadline), engine)
    return features


@lru_cache
def _decoder_digest() -> str:
    """What turns bytes into pixels: a change there makes other rows."""
    return file_digest(pixels.__file__)


class _Job(NamedTuple):
    dataset: Dataset
    features: Features
    facts_space: str
    missing: list[int]
    progress: Callable[[Extraction], None]
    deadline: float


def _compute(job: _Job, engine: Engine) -> None:
    """Decode in worker processes, run the engine beside them, commit rows as they come."""
    features, digests = job.features, job.dataset.digests
    first_of = {digests[i]: i for i in reversed(job.missing)}  # copies of a picture are computed once
    todo = sorted(first_of.values())
    # A seeded order, so that what a deadline leaves is a fair sample.
    todo = [todo[i] for i in np.random.default_rng(len(todo)).permutation(len(todo))]
    start = committed = time.perf_counter()
    facts: dict[int, bytes] = {}
    rows: list[tuple[int, Array]] = []
    known_before = len(job.dataset) - len(job.missing)

    def commit() -> None:
        nonlocal committed
        now = time.perf_counter()
        share = (now - committed) / max(1, len(rows))
        features.store.write(features.space, [(digests[i], Record(row.tobytes(), share)) for i, row in rows])
        features.store.write(job.facts_space, [(digests[i], Record(value, 0.0)) for i, value in facts.items()])
        features.num_computed += len(rows)
        features.seconds += now - committed
        committed = now
        rows.clear()
        facts.clear()

    for i, row in engine.run(_pixels(job, todo, facts)):
        rows.append((i, row))
        if len(rows) >= _COMMIT_ROWS:
            commit()
        computed = features.num_computed + len(rows)
        job.progress(Extraction(known_before + computed, len(job.dataset), computed, time.perf_counter() - start))
    commit()
    _share_with_copies(job, first_of)


def _pixels(job: _Job, todo: list[int], facts: dict[int, bytes]) -> Iterator[tuple[int, Array]]:
    """Decoded squares as they come out of the workers; failures and facts are noted on the way."""
    features = job.features
    for decoded in _decoded(job, todo):
        i = todo[decoded.index]
        if decoded.pixels is None and not decoded.lasting:
            features.failures[i] = decoded.reason
            continue
        value = _pack(decoded)
        facts[i] = value
        _remember(features, i, value)
        if decoded.pixels is not None:
            yield i, decoded.pixels


def _decoded(job: _Job, todo: list[int]) -> Iterator[Decoded]:
    """Decode files in killable workers, arrays here; begin no new ones after the deadline."""
    dataset, geometry = job.dataset, job.features.part.geometry
    if dataset.arrays is not None:
        decoder: Iterator[Decoded] = (decode_array(n, dataset.arrays[i], geometry) for n, i in enumerate(todo))
        yield from _until_deadline(job, todo, decoder)
        return
    with DecodePool(geometry) as pool:
        files, digests = [dataset.paths[i] for i in todo], [dataset.digests[i] for i in todo]
        yield from _until_deadline(job, todo, pool.decode(files, digests))


def _until_deadline(job: _Job, todo: list[int], decoder: Iterator[Decoded]) -> Iterator[Decoded]:
    """What was decoded until the deadline; the rest is noted as not reached."""
    dataset, reached = job.dataset, set()
    for decoded in decoder:
        yield decoded
        reached.add(dataset.digests[todo[decoded.index]])
        if time.perf_counter() > job.deadline:
            break
    job.features.unreached = tuple(i for i in job.missing if dataset.digests[i] not in reached)


def _share_with_copies(job: _Job, first_of: dict[str, int]) -> None:
    """Files with the same content share what was found out about the first of them."""
    features = job.features
    for i in job.missing:
        first = first_of[job.dataset.digests[i]]
        if first in features.failures:
            features.failures[i] = features.failures[first]
        if first in features.facts:
            features.facts[i] = features.facts[first]
            features.thumbnails[i] = features.thumbnails[first]


def _pack(decoded: Decoded) -> bytes:
    facts = {"width": decoded.width, "height": decoded.height, "format": decoded.format, "mode": decoded.mode}
    facts |= {"animated": decoded.animated, "reason": decoded.reason}
    thumbnail = b"" if decoded.thumbnail is None else decoded.thumbnail.tobytes()
    return thumbnail.ljust(256, b"\0") + json.dumps(facts).encode()


def _remember(features: Features, i: int, value: bytes) -> None:
    facts = json.loads(value[256:])
    if facts["reason"]:
        features.failures[i] = facts["reason"]
    else:
        features.facts[i] = facts
        features.thumbnails[i] = np.frombuffer(value[:256], np.uint8).reshape(16, 16)
