"""Golden samples: a few inputs of a model with its predictions, used to check every export."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from headstart.data.dataset import Dataset
from headstart.data.images.decode_pool import DecodePool, decode_array
from headstart.data.images.preprocess import plain_array
from headstart.data.splits import strata
from headstart.data.tables.preprocess import encode_typed
from headstart.data.tasks import TASKS
from headstart.evaluation.uncertainty.conformal import Conformal
from headstart.evaluation.uncertainty.novelty import Novelty
from headstart.features.part_a import PartA
from headstart.features.tables.table_features import training_cells
from headstart.foundation.arrays import Array
from headstart.foundation.errors import TrainingError
from headstart.foundation.machine import usable_cores

__all__ = ["Signed", "golden_images", "golden_rows"]

_NUM_GOLDEN = 8


class Signed(NamedTuple):
    """A model as its signature describes it.

    Attributes:
        dataset: The data that it was fitted on, from which the golden samples are taken.
        part: Part A.
        part_b: How Part B is built: the network, its options, and the number of samples that it was sized for.
        output: Function from pixels ``(n, side, side, 3)`` or encoded rows ``(n, width)`` to outputs ``(n, units)``, with
            the score of unknown images as one more column if there is one.
        thresholds: Probability at or above which a label, or the second of two classes, is predicted; else empty.
        encoding: Encoding of the table; None for images.
        conformal: Limits of sets and intervals. Defaults to none.
        novelty: How the score of unknown images was fitted. Defaults to None: there is no score.
    """

    dataset: Dataset
    part: PartA
    part_b: dict[str, object]
    output: Callable[[Array], Array]
    thresholds: Sequence[float] = ()
    encoding: dict[str, Any] | None = None
    conformal: Conformal = Conformal()
    novelty: Novelty | None = None


def golden_images(signed: Signed) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    """Make golden images: arrays of pixels, predictions and file contents, and their entries in the signature."""
    dataset = signed.dataset
    chosen = _chosen(dataset, lambda i: _num_bytes(dataset, i))
    decoded = _golden_squares(signed, chosen)
    if not decoded:
        raise TrainingError(
            "H311",
            "the images have changed since the fit began",
            received=f"{len(chosen)} of {len(chosen)} sampled files are missing or have changed",
            expected="files that do not change during a fit",
            advice="fit again",
            exit_code=1,
        )
    chosen = [i for i in chosen if i in decoded]
    contents = [_content(dataset, i) for i in chosen]
    squares = np.stack([decoded[i] for i in chosen])
    outputs = signed.output(squares)
    answers = outputs[:, : TASKS[dataset.task].units(dataset.num_classes)]
    unknown = {} if signed.novelty is None else {"unknown": outputs[:, answers.shape[1] :]}
    listed: list[dict[str, Any]] = [
        {"file": Path(dataset.paths[i]).name, "digest": dataset.digests[i], "answers": [float(p) for p in row]}
        for i, row in zip(chosen, answers, strict=True)
    ]
    files = np.frombuffer(b"".join(contents), np.uint8)
    offsets = np.cumsum([0, *map(len, contents)]).astype(np.int64)
    return {"inputs": squares, "answers": answers, **unknown, "files": files, "offsets": offsets}, listed


def _golden_squares(signed: Signed, chosen: Sequence[int]) -> dict[int, Array]:
    """Decode the chosen samples, leaving out files that have changed or disappeared since training."""
    dataset, geometry = signed.dataset, signed.part.geometry
    if dataset.arrays is not None:
        found = [decode_array(n, dataset.arrays[i], geometry) for n, i in enumerate(chosen)]
    else:
        with DecodePool(geometry, min(usable_cores(), len(chosen))) as pool:
            found = list(pool.decode([str(dataset.file(i)) for i in chosen], [dataset.digests[i] for i in chosen]))
    return {chosen[one.index]: one.pixels for one in found if one.pixels is not None}


def golden_rows(signed: Signed) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    """Make golden rows: encoded rows, predictions and, as ``column_<number>``, the columns that graphs take; and entries."""
    dataset, spec = signed.dataset, signed.encoding
    if dataset.table is None or spec is None:
        raise ValueError("golden rows need a table and its encoding")
    chosen = _chosen(dataset, lambda i: i)
    table = dataset.table.take(chosen)
    columns = training_cells(table, spec)
    rows = encode_typed(columns, spec)
    answers = signed.output(rows)
    listed: list[dict[str, Any]] = [
        {"row": dataset.paths[i], "digest": dataset.digests[i], "answers": [float(p) for p in row]}
        for i, row in zip(chosen, answers, strict=True)
    ]
    named = {f"column_{number}": columns[each["name"]] for number, each in enumerate(spec["columns"])}
    return {"inputs": rows, "answers": answers, **named}, listed


def _num_bytes(dataset: Dataset, index: int) -> int:
    return dataset.arrays[index].nbytes if dataset.arrays is not None else dataset.file(index).stat().st_size


def _content(dataset: Dataset, index: int) -> bytes:
    """The bytes of a sample's file; an array is written as PNG, which is lossless."""
    if dataset.arrays is None:
        return dataset.file(index).read_bytes()
    buffer = io.BytesIO()
    Image.fromarray(plain_array(dataset.arrays[index])).save(buffer, "PNG")
    return buffer.getvalue()


def _chosen(dataset: Dataset, size_of: Callable[[int], int]) -> list[int]:
    """Choose a few samples, spread over the classes, of the least seen split: test, validation or train."""
    split = next(name for name in ("test", "validation", "train") if name in dataset.split)
    by_size = sorted((int(i) for i in dataset.indices(split)), key=size_of)
    layers = strata(dataset)
    rank: Counter[int] = Counter()  # the smallest files of each class first, because they are copied into every export
    order = []
    for i in by_size:
        layer = int(layers[i])
        order.append((rank[layer], layer, i))
        rank[layer] += 1
    return [i for _, _, i in sorted(order)[:_NUM_GOLDEN]]
