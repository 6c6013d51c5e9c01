"""extract(): run Part A on every sample of a data set: decode, compute, store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from headstart.data.augmentation import augmentation, resampling, views
from headstart.data.dataset import Dataset
from headstart.data.images import preprocess
from headstart.data.images.decode_pool import DecodePool, decode_array
from headstart.data.images.decode_queue import Decoded
from headstart.features.engines import Engine, engine_key, make_engine
from headstart.features.feature_store import Record, Store
from headstart.features.features import SHAPE, SIDE, Extraction, Features, Views
from headstart.features.part_a import PartA
from headstart.foundation.arrays import Array
from headstart.foundation.fingerprint import file_digest, settings_digest

__all__ = ["extract", "stored_share"]

_COMMIT_BYTES = 8 << 20  # bytes of rows per transaction, the most that a kill loses
_FEW = 50  # rows that are looked up to estimate how many are stored
_VIEW_CODE = (augmentation, views, resampling)  # modules that decide how an augmented copy looks


def extract(
    dataset: Dataset,
    part: PartA,
    store: Store,
    *,
    views: Views | None = None,
    progress: Callable[[Extraction], None] = lambda _: None,
    deadline: float = float("inf"),
    engine_of: Callable[[PartA], Engine] = make_engine,
) -> Features:
    """Compute the row of every sample, except for rows that are already in the store.

    ``Model.fit`` and ``fit`` call it for you. Call it yourself to use the features with other software.

    Args:
        dataset: The samples.
        part: Part A: the backbone and its cut.
        store: The store that rows are read from and written to.
        views: View of each sample. Defaults to None: the image itself.
        progress: Called after every row. Defaults to no progress.
        deadline: ``time.perf_counter()`` value after which no further sample is started. Defaults to none.
        engine_of: Function that makes the engine if any row has to be computed. Defaults to ``make_engine``.

    Returns:
        The features. Files that could not be read are listed in their ``failures``.

    Example::

        from headstart.features.part_a import PartA
        from headstart.models.fitting import open_store

        dataset = hs.read_folder("flowers/")
        features = hs.extract(dataset, PartA("efficientnet_lite0"), open_store())
        x = features.rows(range(len(dataset)))
    """
    key, decoding = engine_key(part), _decoding()
    views = views or Views((0,) * len(dataset))
    space_of = {view: _space(part, key | decoding, views, view) for view in set(views.numbers)}
    facts_space = settings_digest(kind="facts", **part.geometry.as_dict(), **decoding)
    features = Features(part, tuple(space_of[view] for view in views.numbers), tuple(dataset.digests), store)
    features.thumbnails = np.zeros((len(dataset), 16, 16), np.uint8)
    damaged_before = store.num_damaged
    stored_seconds = _stored_seconds(features)
    features.num_damaged = store.num_damaged - damaged_before
    missing = []
    counted: set[tuple[str, str]] = set()
    for i, known in enumerate(store.read(facts_space, dataset.digests)):
        if known is not None:
            _remember(features, i, known.value)
        if i in features.failures:
            continue
        if i not in stored_seconds or known is None:
            missing.append(i)
        else:
            identity = features.spaces[i], dataset.digests[i]
            features.num_cached += 1
            features.seconds += stored_seconds[i] * (identity not in counted)  # a duplicate costs nothing
            counted.add(identity)
    progress(Extraction(len(dataset) - len(missing), len(dataset), 0, 0.0))
    if missing:
        engine = engine_of(part)
        if engine_key(part) != key:  # OpenVINO turned out not to support this network: rows come from Keras
            return extract(dataset, part, store, views=views, progress=progress, deadline=deadline, engine_of=engine_of)
        features.engine = engine.name, engine.reason
        _compute(_Job(dataset, features, facts_space, views, missing, progress, deadline), engine)
    return features


def stored_share(dataset: Dataset, part: PartA, store: Store) -> float:
    """Estimate the share of the images whose rows are in the store, from a few of them spread over the data set."""
    digests = dataset.digests[:: max(1, len(dataset) // _FEW)]
    found: list[int] = []
    space = _space(part, engine_key(part) | _decoding(), Views((0,)), 0)
    store.visit(space, digests, lambda position, *_: found.append(position))
    return len(found) / max(1, len(digests))


def _decoding() -> dict[str, object]:
    """Code and packages that decide what is decoded."""
    return {"pixels": _decoder_digest(), "pillow": version("pillow"), "numpy": version("numpy")}


def _space(part: PartA, key: dict[str, object], views: Views, view: int) -> str:
    settings: dict[str, object] = {}
    if view and views.augmentation is not None:
        code = [file_digest(str(module.__file__)) for module in _VIEW_CODE]
        settings = {"view": view, "seed": views.seed, "augmentation": views.augmentation.to_json(), "code": code}
    return settings_digest(kind="rows", **part.settings(), **key, **settings)


def _stored_seconds(features: Features) -> dict[int, float]:
    """Seconds that each stored row took to compute, by position. Missing and damaged rows are left out."""
    seconds: dict[int, float] = {}
    for space, positions in features._by_space(np.arange(len(features))).items():

        def note(n: int, _value: memoryview, cost: float, at: list[int] = positions) -> None:
            seconds[at[n]] = cost

        features.store.visit(space, [features.digests[p] for p in positions], note)
    return seconds


@lru_cache
def _decoder_digest() -> str:
    """Digest of the code that turns bytes into pixels: if it changes, so do the rows."""
    return file_digest(preprocess.__file__)


class _Job(NamedTuple):
    dataset: Dataset
    features: Features
    facts_space: str
    views: Views
    missing: list[int]
    progress: Callable[[Extraction], None]
    deadline: float


def _compute(job: _Job, engine: Engine) -> None:
    """Decode in worker processes, run the engine at the same time, and commit rows as they are finished."""
    features, digests = job.features, job.dataset.digests
    first_of = {_identity(job, i): i for i in reversed(job.missing)}  # duplicates are computed once
    todo = sorted(first_of.values())
    # In a seeded random order, so that the rows computed before a deadline are a fair sample.
    todo = [todo[i] for i in np.random.default_rng(len(todo)).permutation(len(todo))]
    start = committed = time.perf_counter()
    facts: dict[int, bytes] = {}
    rows: list[tuple[int, bytes]] = []
    num_bytes = 0
    known_before = len(job.dataset) - len(job.missing)

    def commit() -> None:
        nonlocal committed, num_bytes
        now = time.perf_counter()
        share = (now - committed) / max(1, len(rows))
        for space, positions in features._by_space(np.array([i for i, _ in rows], np.int64)).items():
            features.store.write(space, [(digests[rows[p][0]], Record(rows[p][1], share)) for p in positions])
        features.store.write(job.facts_space, [(digests[i], Record(value, 0.0)) for i, value in facts.items()])
        features.num_computed += len(rows)
        features.seconds += now - committed
        committed, num_bytes = now, 0
        rows.clear()
        facts.clear()

    for i, row in engine.run(_pixels(job, todo, facts)):
        rows.append((i, _pack_row(row)))
        num_bytes += len(rows[-1][1])
        if num_bytes >= _COMMIT_BYTES:
            commit()
        computed = features.num_computed + len(rows)
        job.progress(Extraction(known_before + computed, len(job.dataset), computed, time.perf_counter() - start))
    commit()
    _copy_to_duplicates(job, first_of)


def _pixels(job: _Job, todo: list[int], facts: dict[int, bytes]) -> Iterator[tuple[int, Array]]:
    """Yield decoded squares as the workers finish them, recording failures and facts."""
    features = job.features
    for decoded in _decoded(job, todo):
        i = todo[decoded.index]
        if decoded.pixels is None and not decoded.lasting:
            features.failures[i] = decoded.reason
            continue
        if job.views.numbers[i]:  # facts about the file were recorded with the image itself
            if decoded.pixels is not None:
                yield i, decoded.pixels
            continue
        value = _pack(decoded)
        facts[i] = value
        _remember(features, i, value)
        if decoded.pixels is not None:
            yield i, decoded.pixels


def _decoded(job: _Job, todo: list[int]) -> Iterator[Decoded]:
    """Decode files in worker processes, arrays in this process. No decoding starts after the deadline."""
    dataset, geometry, views = job.dataset, job.features.part.geometry, job.views
    making: dict[str, Any] = {"augmentation": views.augmentation, "seed": views.seed}
    if dataset.arrays is not None:
        decoder: Iterator[Decoded] = (
            decode_array(n, dataset.arrays[i], geometry, view=views.numbers[i], digest=dataset.digests[i], **making)
            for n, i in enumerate(todo)
        )
        yield from _until_deadline(job, todo, decoder)
        return
    with DecodePool(geometry, **making) as pool:
        files, digests = [str(dataset.file(i)) for i in todo], [dataset.digests[i] for i in todo]
        yield from _until_deadline(job, todo, pool.decode(files, digests, [views.numbers[i] for i in todo]))


def _until_deadline(job: _Job, todo: list[int], decoder: Iterator[Decoded]) -> Iterator[Decoded]:
    """Yield what is decoded before the deadline, and record the rest as unreached."""
    reached = set()
    for decoded in decoder:
        yield decoded
        reached.add(_identity(job, todo[decoded.index]))
        if time.perf_counter() > job.deadline:
            break
    job.features.unreached = tuple(i for i in job.missing if _identity(job, i) not in reached)


def _copy_to_duplicates(job: _Job, first_of: dict[tuple[str, str], int]) -> None:
    """Copy what was found out about a file to all files with the same content."""
    features = job.features
    for i in job.missing:
        first = first_of[_identity(job, i)]
        if first in features.failures:
            features.failures[i] = features.failures[first]
        if first in features.facts:
            features.facts[i] = features.facts[first]
            features.thumbnails[i] = features.thumbnails[first]


def _identity(job: _Job, i: int) -> tuple[str, str]:
    """Key of a row: its space, which includes the view, and the content of the sample."""
    return job.features.spaces[i], job.dataset.digests[i]


def _pack_row(row: Array) -> bytes:
    """Serialise a row, with its type and shape first. Feature maps are stored in half precision, enough for training."""
    if row.ndim > 1 and row.dtype == np.float32 and np.abs(row).max(initial=0.0) < np.finfo(np.float16).max:
        row = row.astype(np.float16)
    sides = b"".join(SIDE.pack(side) for side in row.shape)
    return SHAPE.pack(row.dtype.char.encode("ascii"), row.ndim) + sides + row.tobytes()


def _pack(decoded: Decoded) -> bytes:
    facts = {"width": decoded.width, "height": decoded.height, "format": decoded.format, "mode": decoded.mode}
    facts |= {
        "animated": decoded.animated,
        "reason": decoded.reason,
        "profile": decoded.profile,
        "blank": _is_blank(decoded),
    }
    thumbnail = b"" if decoded.thumbnail is None else decoded.thumbnail.tobytes()
    return thumbnail.ljust(256, b"\0") + json.dumps(facts).encode()


def _is_blank(decoded: Decoded) -> bool:
    """Whether the square has a single colour. Its thumbnail, which is faster to check, is tested first."""
    if decoded.pixels is None or (decoded.thumbnail is not None and np.ptp(decoded.thumbnail) > 1):
        return False
    return bool((decoded.pixels == decoded.pixels[0, 0]).all())


def _remember(features: Features, i: int, value: bytes) -> None:
    facts = json.loads(value[256:])
    if facts["reason"]:
        features.failures[i] = facts["reason"]
    else:
        features.facts[i] = facts
        features.thumbnails[i] = np.frombuffer(value[:256], np.uint8).reshape(16, 16)
