"""Tables of one split each are read as one table with splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headstart.data.readers.read import read
from headstart.data.readers.tables.split_tables import split_tables

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {"size": RNG.normal(size=60).round(3), "survived": RNG.integers(0, 2, 60), "age": RNG.integers(1, 90, 60)}
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("train.csv val.csv test.csv", {"train": 1, "validation": 1, "test": 1}),
        ("Training.parquet dev.parquet Testing.parquet", {"train": 1, "validation": 1, "test": 1}),
        ("adult_test.csv adult_train.csv names.txt", {"train": 1, "test": 1}),
        ("ECG200_TRAIN.txt ECG200_TEST.txt README.md", {"train": 1, "test": 1}),
        ("train-00000-of-00002.parquet train-00001-of-00002.parquet test-00000-of-00001.parquet", {"train": 2, "test": 1}),
        ("train.csv.gz valid.csv.gz", {"train": 1, "validation": 1}),
        ("train.csv test.csv sample_submission.csv", {"train": 1, "test": 1}),
        ("train.csv sample_submission.csv", {}),
        ("a_train.csv a_test.csv b_train.csv b_test.csv", {}),
        ("train.jpg test.jpg", {}),
        ("sales.csv stores.csv", {}),
    ],
)
def test_tables_of_splits_are_found_by_their_names(names: str, expected: dict[str, int]) -> None:
    """A training table and another one that is called like it but for the split; several such sets are ambiguous."""
    found = split_tables([Path(name) for name in names.split()])
    assert {split: len(files) for split, files in found.items()} == expected


def test_a_folder_of_tables_is_one_table_with_splits(tmp_path: Path) -> None:
    """Rows are numbered on from file to file, and the line that explains the task says which are whose."""
    for name, rows in (("train", FRAME[:40]), ("valid", FRAME[40:50]), ("test", FRAME[50:])):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    dataset = read(tmp_path, target="survived")
    assert dataset.split == ("train",) * 40 + ("validation",) * 10 + ("test",) * 10
    assert dataset.paths[-1] == "60"
    assert "valid.csv is validation (rows 41 to 50)" in dataset.task_reason


def test_a_test_table_without_the_target_names_the_target_and_its_rows_are_listed(tmp_path: Path) -> None:
    """A competition's folder: the rows have no label, the splits are left to fit, and no sample disappears."""
    FRAME[:40].to_csv(tmp_path / "train.csv", index=False)
    FRAME[40:].drop(columns="survived").to_csv(tmp_path / "test.csv", index=False)
    pd.DataFrame({"id": [1], "survived": [0]}).to_csv(tmp_path / "sample_submission.csv", index=False)
    dataset = read(tmp_path)
    assert (dataset.target_columns, len(dataset), {*dataset.split}) == (("survived",), 40, {""})
    assert len(dataset.skipped) == 20
    assert "the target is survived, which test.csv lacks" in dataset.task_reason


def test_columns_of_other_types_or_order_are_joined(tmp_path: Path) -> None:
    """A column that is numbers in one file and text in another is text; a file's own column is missing elsewhere."""
    FRAME[:40].to_parquet(tmp_path / "train.parquet")
    FRAME[40:].assign(age="old", extra=1.0)[["survived", "extra", "size", "age"]].to_parquet(tmp_path / "test.parquet")
    table = read(tmp_path, target="survived").table
    assert table is not None
    assert table.names == ("size", "age", "extra")
    assert [table.column(name).dtype.kind for name in table.names] == ["f", "O", "f"]
    assert table.column("age")[-1] == "old"
    assert np.isnan(table.column("extra")[0])
