"""A table with the pixels of a picture in a cell is a data set of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headstart.data.readers.read import read, read_table
from headstart.data.readers.tables.pixel_table import pixel_column
from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table

PICTURES = np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)


def write(path: Path, rows: list[str]) -> Path:
    """A table of emotions and pixels, as FER2013 has them."""
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return path


def row(number: int, pixels: str | None = None) -> str:
    """A row of such a table."""
    usage = ("Training", "Training", "PublicTest", "PrivateTest")[number % 4]
    return f"{number // 4 % 2},{pixels or ' '.join(map(str, PICTURES[number].ravel()))},{usage}"


def test_pixels_in_a_cell_are_pictures(tmp_path: Path) -> None:
    """The target is another column, Usage decides the splits, and a row with other pixels is listed."""
    dataset = read(write(tmp_path / "faces.csv", [*map(row, range(23)), row(23, "1 2 3")]))
    assert dataset.arrays is not None
    np.testing.assert_array_equal(dataset.arrays, PICTURES[:23])
    assert (dataset.target_columns, dataset.classes, dataset.table) == (("emotion",), ("0", "1"), None)
    assert dataset.split[:4] == ("train", "train", "validation", "test")
    assert dataset.skipped == (Skipped("row 24", "not 64 pixels in 'pixels'"),)
    assert "pictures of 8 x 8 pixels in the column pixels" in dataset.task_reason
    assert len(dataset.paths) == len({*dataset.paths}) == 23


def test_colour_pixels_are_pictures_of_three_channels() -> None:
    """192 numbers are 8 x 8 pixels of three levels; lists in brackets are read too."""
    cells = np.array([str(np.full(192, i).tolist()) for i in range(9)], object)
    assert pixel_column(Table(("label", "pixels"), (np.arange(9.0), cells))) == "pixels"
    dataset = read_table(pd.DataFrame({"pixels": cells, "label": ["a", "b", "a"] * 3}))
    assert dataset.arrays is not None
    assert dataset.arrays.shape == (9, 8, 8, 3)


@pytest.mark.parametrize(
    "cells",
    [
        ["1 2 3"] * 9,
        ["300 " * 63 + "1"] * 9,
        [" ".join("1" * 63)] * 9,
        ["a b"] * 9,
        [" ".join("1" * number) for number in range(60, 69)],
    ],
)
def test_other_lists_of_numbers_are_no_pixels(cells: list[str]) -> None:
    """Too few, too large, not a square, or not equally many."""
    assert pixel_column(Table(("c",), (np.array(cells, object),))) == ""
