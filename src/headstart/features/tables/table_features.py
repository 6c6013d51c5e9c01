"""TableFeatures: all rows of a table, encoded by an encoding that is learned from the training rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.data.tables.preprocess import code_sizes, dense_width, encode_typed, read_cells, typed
from headstart.data.tables.table import Table
from headstart.features.part_a import PartA
from headstart.features.tables.column import Note
from headstart.features.tables.table_encoder import learn_encoding
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import bytes_digest
from headstart.foundation.text import nearest, printable

__all__ = ["TableFeatures", "cells_to_read", "encode_table", "one_hot_columns", "row_contents", "training_cells"]


@dataclass
class TableFeatures:
    """Encoded rows of a table, in memory: the ``FeatureRows`` of tables. Every row can be encoded.

    Attributes:
        part: Part A of a table.
        encoding: The learned encoding, as ``preprocess.encode`` takes it.
        notes: Notes on columns that were dropped or are suspicious.
        encoded: The rows, float32 ``(n, width)``.
        seconds: Seconds that learning and encoding took.
    """

    part: PartA
    encoding: dict[str, Any] = field(repr=False)
    notes: list[Note]
    encoded: Array = field(repr=False)
    seconds: float
    failures: Mapping[int, str] = field(default_factory=dict)
    unreached: Sequence[int] = ()
    facts: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    thumbnails: Array | None = None

    def __len__(self) -> int:
        return len(self.encoded)

    @property
    def code_sizes(self) -> list[int]:
        """Number of codes of each of the last columns, which hold codes of categories."""
        return code_sizes(self.encoding)

    def rows(self, indices: Sequence[int] | Array) -> Array:
        """Return the encoded rows at ``indices``, float32 ``(n, width)``."""
        rows: Array = self.encoded[np.asarray(indices, np.int64)]
        return rows

    def take(self, indices: Sequence[int]) -> TableFeatures:
        """Return the features of the samples at ``indices`` only, in this order."""
        return replace(self, encoded=self.rows(indices))

    def plus(self, other: TableFeatures) -> TableFeatures:
        """Return these features followed by ``other``, which must have the same encoding."""
        return replace(self, encoded=np.concatenate([self.encoded, other.encoded]), seconds=self.seconds + other.seconds)

    def encode(self, dataset: Dataset) -> TableFeatures:
        """Encode other samples with the same encoding.

        Raises:
            DatasetError: A column of the encoding is missing (H115).
        """
        start = time.perf_counter()
        encoded = encode_typed(cells_to_read(_table(dataset), self.encoding), self.encoding)
        return replace(self, encoded=encoded, seconds=time.perf_counter() - start)

    def learned_on(self, dataset: Dataset) -> TableFeatures:
        """Learn the encoding anew on the training split of ``dataset``, and encode its samples."""
        return encode_table(dataset, self.part)

    def skipped(self, dataset: Dataset) -> tuple[list[Skipped], list[int]]:  # noqa: ARG002 - see FeatureRows
        """Return empty lists, because every row can be encoded."""
        return [], []


def encode_table(dataset: Dataset, part: PartA) -> TableFeatures:
    """Learn the encoding from the training split, and encode every row.

    Raises:
        DatasetError: No column is left to learn from (H114).
    """
    start = time.perf_counter()
    table, training = _table(dataset), dataset.indices("train")
    encoding, notes = learn_encoding(table.take(training), dataset.labels[training], dataset.task)
    encoded = np.empty((len(table), encoding["width"]), np.float32)
    encoded[training] = encode_typed(training_cells(table.take(training), encoding), encoding)
    others = np.setdiff1d(np.arange(len(table)), training)
    cells, odd = _read(table.take(others), encoding)
    encoded[others] = encode_typed(cells, encoding)
    return TableFeatures(part, encoding, notes + [Note("D214", line) for line in odd], encoded, time.perf_counter() - start)


def one_hot_columns(encoding: Mapping[str, Any]) -> list[range]:
    """Range of the one-hot columns of each category in an encoded row: levels, most frequent first, then other values."""
    specs = encoding["columns"]
    ends = np.cumsum([dense_width(spec) for spec in specs]).tolist()
    blocks = [(spec, range(end - dense_width(spec), end)) for spec, end in zip(specs, ends, strict=True)]
    return [block for spec, block in blocks if spec["kind"] == "category" and not spec["two_way"]]


def cells_to_read(table: Table, encoding: Mapping[str, Any]) -> dict[str, Array]:
    """Return the columns that a model reads, in the types that its graph takes (see ``preprocess.typed``).

    A ``UserWarning`` reports cells that are not empty but are treated as missing.

    Raises:
        DatasetError: A column is missing (H115).
    """
    wanted = [spec["name"] for spec in encoding["columns"]]
    if missing := [name for name in wanted if name not in table.names]:
        others = [name for name in table.names if name not in wanted]
        close = {name: nearest(name, others) for name in missing[:5]}
        renamed = ", ".join(f"{printable(given)} to {printable(name)}" for name, given in close.items() if given)
        raise DatasetError(
            "H115",
            "the table lacks columns that the model reads",
            received=f"no {', '.join(missing[:5])} among {', '.join(table.names[:12])}",
            expected=", ".join(wanted[:12]) + (" …" if len(wanted) > 12 else ""),
            advice="name the columns as they were named for fit"
            + (f": rename {renamed}" if renamed else "")
            + "; a missing value is an empty cell",
        )
    return typed(_columns(table), encoding, table.separator, table.decimal)


def training_cells(table: Table, encoding: Mapping[str, Any]) -> dict[str, Array]:
    """Return the columns that a model reads, for rows it was fitted on, without warnings: findings report their cells."""
    return _read(table, encoding)[0]


def row_contents(table: Table, encoding: Mapping[str, Any]) -> list[str]:
    """Digest the cells of each row that a model reads (SHA-256), in the graph's types, whatever the format of the file."""
    cells = [_fixed_bytes(column) for column in training_cells(table, encoding).values()]
    rows = np.ascontiguousarray(np.hstack(cells))
    return [bytes_digest(row.tobytes()) for row in rows]


def _fixed_bytes(column: Array) -> Array:
    """Cells as bytes of one length, uint8 ``(n, length)``: numbers as float64, texts as the start of their digest."""
    if column.dtype.kind == "f":
        numbers = (column + 0.0).astype("<f8")  # -0.0 becomes 0.0
        numbers[np.isnan(numbers)] = np.nan  # one of the many NaN
        return numbers.view(np.uint8).reshape(len(numbers), 8)
    distinct, places = np.unique(column, return_inverse=True)
    digests = [bytes.fromhex(bytes_digest(text.encode("utf-8", "backslashreplace"))[:32]) for text in distinct.tolist()]
    fixed: Array = np.array([list(digest) for digest in digests], np.uint8)[places]
    return fixed


def _read(table: Table, encoding: Mapping[str, Any]) -> tuple[dict[str, Array], list[str]]:
    return read_cells(_columns(table), encoding, table.separator, table.decimal)


def _table(dataset: Dataset) -> Table:
    if dataset.table is None:
        raise ValueError("the samples are images, not rows of a table")
    return dataset.table


def _columns(table: Table) -> dict[str, Array]:
    return dict(zip(table.names, table.columns, strict=True))
