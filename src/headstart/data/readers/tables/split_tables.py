"""Tables of which each holds a split, such as ``train.csv`` and ``test.csv`` in one folder, as one table."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.data.dataset import SPLITS
from headstart.data.readers.split_names import split_named
from headstart.data.skipped import Skipped
from headstart.data.tables.files.archives import bare_name
from headstart.data.tables.files.read_cells import is_table_name, read_cells
from headstart.data.tables.table import Table, as_texts
from headstart.foundation.arrays import Array
from headstart.foundation.text import listed, printable

__all__ = ["files_in", "read_splits", "split_tables"]

_SHARD = re.compile(r"-\d+-of-\d+$")  # as in train-00000-of-00002.parquet
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def split_tables(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Find the tables that hold a split each: a training table, and others that are called like it but for the split.

    Returns:
        Files by split, ``train`` first; empty if there are no such tables, or several sets of them.

    Example:
        >>> split_tables([Path("adult_test.csv"), Path("adult_train.csv"), Path("names.txt")])
        {'train': [PosixPath('adult_train.csv')], 'test': [PosixPath('adult_test.csv')]}
    """
    sets: dict[tuple[str, ...], dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted(files):
        if is_table_name(file.name):
            words = _WORD.findall(_SHARD.sub("", bare_name(file.name).rpartition(".")[0]))
            for place, word in enumerate(words):
                if split := split_named(word):
                    sets[(*words[:place], "", *words[place + 1 :])][split].append(file)
    whole = [found for found in sets.values() if "train" in found and len(found) > 1]
    return {split: whole[0][split] for split in SPLITS if split in whole[0]} if len(whole) == 1 else {}


def files_in(folder: Path) -> list[Path]:
    """Visible files of a folder; none if it cannot be listed, which whoever reads its images reports."""
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file()]
    except OSError:
        return []


def read_splits(found: dict[str, list[Path]]) -> tuple[Table, list[Skipped]]:
    """Read tables of one split each as one table, whose rows are numbered on from file to file.

    Columns are those of the first table, and others after them; a column that a file lacks is missing in its rows. If the
    training tables have exactly one column that another table lacks, it is the target.

    Args:
        found: Files by split, as from ``split_tables``.

    Raises:
        DatasetError: A file cannot be read (H107, H122, H123).
    """
    parts: list[tuple[str, Path, Table]] = []
    skipped: list[Skipped] = []
    notes, last = [], 0
    for split, files in found.items():
        for file in files:
            names = parts[0][2].names if parts else ()
            table, left_out = read_cells(file, names=names)
            table = replace(table, names=names) if _is_nameless(table, names) else table
            skipped += [Skipped(f"{file.name}, {row.path}", row.reason) for row in left_out]
            parts.append((split, file, table))
            notes.append(f"{printable(file.name)} is {split} (rows {last + 1} to {last + len(table)})")
            last += len(table)
    tables = [table for _, _, table in parts]
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    targets, absent = _target(parts)
    joined = replace(
        tables[0],
        names=names,
        columns=tuple(_joined([_column(table, name) for table in tables]) for name in names),
        numbering=np.arange(1, last + 1),
        splits=np.concatenate([np.full(len(table), split, object) for split, _, table in parts]),
        targets=targets,
        notes=(*dict.fromkeys(note for table in tables for note in table.notes), "; ".join([*notes, *absent])),
    )
    return joined, skipped


def _is_nameless(table: Table, names: Sequence[str]) -> bool:
    return len(table.names) == len(names) and table.names == tuple(f"c{i}" for i in range(len(names)))


def _target(parts: Sequence[tuple[str, Path, Table]]) -> tuple[tuple[str, ...], list[str]]:
    """The target that another table than the training table lacks, and what that means; empty if there is none."""
    training = parts[0][2].names
    absent = {file.name: [name for name in training if name not in table.names] for _, file, table in parts}
    lacking = {file: names for file, names in absent.items() if names}
    if not lacking or any(len(names) != 1 for names in lacking.values()) or len({*map(tuple, lacking.values())}) > 1:
        return (), []
    name = next(iter(lacking.values()))[0]
    note = f"the target is {printable(name)}, which {listed([*map(printable, lacking)])} lacks: its rows have no label"
    return (name,), [note]


def _column(table: Table, name: str) -> Array:
    return table.column(name) if name in table.names else np.full(len(table), "", object)


def _joined(columns: Sequence[Array]) -> Array:
    """Cells of several tables; numbers and dates are kept if all cells that are there are of one kind."""
    kinds = {column.dtype.kind for column in columns if column.dtype.kind != "O" or any(column)}
    if len(kinds) == 1 and (kind := kinds.pop()) in "fM":
        empty = np.nan if kind == "f" else np.datetime64("NaT", "s")
        return np.concatenate([c if c.dtype.kind == kind else np.full(len(c), empty) for c in columns])
    return np.concatenate([as_texts(column) for column in columns])
