"""Part A: the encoder of a table, learned from the training rows, and every row as it encodes it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.data.tables.preprocess import code_sizes, encode_typed, read_cells, typed
from headstart.data.tables.table import Table
from headstart.features.part_a import PartA
from headstart.features.tables.column import Note
from headstart.features.tables.table_encoder import learn_encoding
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import bytes_digest

__all__ = ["TableFeatures", "cells_to_read", "encode_table", "row_contents", "training_cells"]


@dataclass
class TableFeatures:
    """Rows of features that the encoder made of a table, in memory; see ``FeatureRows``. Every row can be encoded.

    Attributes:
        part: The Part A of tables.
        encoding: What was learned, as ``encoding.encode`` reads it.
        notes: What was left out or looks suspicious.
        encoded: The rows, ``(n, width)`` float32.
        seconds: What learning and encoding took.
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
        """How many codes each of the last columns has."""
        return code_sizes(self.encoding)

    def rows(self, indices: Sequence[int] | Array) -> Array:
        """Encoded rows, ``(n, width)`` float32."""
        rows: Array = self.encoded[np.asarray(indices, np.int64)]
        return rows

    def take(self, indices: Sequence[int]) -> TableFeatures:
        """Those of these samples only, in this order."""
        return replace(self, encoded=self.rows(indices))

    def plus(self, other: TableFeatures) -> TableFeatures:
        """Those of both, these first; made by one encoder."""
        return replace(self, encoded=np.concatenate([self.encoded, other.encoded]), seconds=self.seconds + other.seconds)

    def encode(self, dataset: Dataset) -> TableFeatures:
        """Other samples by the same encoder.

        Raises:
            DatasetError: A column that it reads is not there (H115).
        """
        start = time.perf_counter()
        encoded = encode_typed(cells_to_read(_table(dataset), self.encoding), self.encoding)
        return replace(self, encoded=encoded, seconds=time.perf_counter() - start)

    def learned_on(self, dataset: Dataset) -> TableFeatures:
        """The samples by an encoder that is learned anew, on the training split that they have now."""
        return encode_table(dataset, self.part)

    def skipped(self, dataset: Dataset) -> tuple[list[Skipped], list[int]]:  # noqa: ARG002 - see FeatureRows
        """Nothing: every row can be encoded."""
        return [], []


def encode_table(dataset: Dataset, part: PartA) -> TableFeatures:
    """Learn the encoder from the training split, and encode every row.

    Raises:
        DatasetError: No column tells anything (H114).
    """
    start = time.perf_counter()
    table, training = _table(dataset), dataset.indices("train")
    encoding, notes = learn_encoding(table.take(training), dataset.labels[training], dataset.task)
    encoded = np.empty((len(table), encoding["width"]), np.float32)
    encoded[training] = encode_typed(training_cells(table.take(training), encoding), encoding)
    others = np.setdiff1d(np.arange(len(table)), training)
    cells, told = _read(table.take(others), encoding)
    encoded[others] = encode_typed(cells, encoding)
    return TableFeatures(part, encoding, notes + [Note("D214", line) for line in told], encoded, time.perf_counter() - start)


def cells_to_read(table: Table, encoding: Mapping[str, Any]) -> dict[str, Array]:
    """The columns that a model reads, as its graph takes them (``encoding.typed``).

    A ``UserWarning`` tells of cells that hold something and count as missing all the same.

    Raises:
        DatasetError: A column is not there (H115).
    """
    wanted = [spec["name"] for spec in encoding["columns"]]
    if missing := [name for name in wanted if name not in table.names]:
        raise DatasetError(
            "H115",
            "the table lacks columns that the model reads",
            received=f"no {', '.join(missing[:5])} among {', '.join(table.names[:12])}",
            expected=", ".join(wanted[:12]) + (" …" if len(wanted) > 12 else ""),
            advice="name the columns as they were named for fit; a missing value is an empty cell",
        )
    return typed(_columns(table), encoding, table.separator, table.decimal)


def training_cells(table: Table, encoding: Mapping[str, Any]) -> dict[str, Array]:
    """The columns that a model reads, of rows that it was fitted on: findings tell of their cells, and no warning does."""
    return _read(table, encoding)[0]


def row_contents(table: Table, encoding: Mapping[str, Any]) -> list[str]:
    """SHA-256 of what a model reads of each row, as its graph takes it, however the table was written."""
    cells = [column.tolist() for column in training_cells(table, encoding).values()]
    return [bytes_digest(repr(row).encode("utf-8", "backslashreplace")) for row in zip(*cells, strict=True)]


def _read(table: Table, encoding: Mapping[str, Any]) -> tuple[dict[str, Array], list[str]]:
    return read_cells(_columns(table), encoding, table.separator, table.decimal)


def _table(dataset: Dataset) -> Table:
    if dataset.table is None:
        raise ValueError("a table is encoded, and these samples are images")
    return dataset.table


def _columns(table: Table) -> dict[str, Array]:
    return dict(zip(table.names, table.columns, strict=True))
