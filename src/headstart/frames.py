"""Data: a CSV or Parquet file with a column of image paths and a column of labels to a Dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.dataset import SPLIT_NAMES, Dataset, Skipped, dataset_of_files
from headstart.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

_TARGET_NAMES = ("label", "labels", "class", "target", "category", "y")


def read_table(
    table: str | os.PathLike[str],
    *,
    target: str | None = None,
    image: str | None = None,
    task: str | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Read a CSV or Parquet file with a column of image paths and a column of labels.

    Paths are relative to the table's folder, or to the one folder beside it that holds them. A column called ``split``
    with train, validation (val, valid) and test is honoured.

    Args:
        table: The file.
        target: Name or position of the label column; found by its name, or the only one left, if None.
        image: Name or position of the column of paths; the one whose cells are files if None.
        task: A key of ``TASKS`` to overrule what the labels say.
        classes: The classes and their order, where a model has them already.

    Raises:
        DatasetError: The file cannot be read (H107), or a column cannot be found (H108).
    """
    path = Path(table)
    frame = _frame(path)
    image_column = _column(frame, image, "--image") if image else _image_column(frame, path.parent)
    folder = _image_folder(frame[image_column], path.parent)
    rest = [c for c in frame.columns if c != image_column and str(c).lower() != "split"]
    target_column = _column(frame, target, "--target") if target else _target_column(rest)
    split_column = next((c for c in frame.columns if str(c).lower() == "split"), None)
    found: list[tuple[str, str, str]] = []
    skipped: list[Skipped] = []
    for row, (name, label) in enumerate(zip(frame[image_column], frame[target_column], strict=True)):
        file = folder / str(name)
        given = "" if split_column is None else str(frame[split_column].iloc[row]).strip().lower()
        if reason := _row_fault(file, label, given):
            skipped.append(Skipped(str(file), f"row {row + 1}: {reason}"))
        else:
            found.append((str(file), _label_text(label), SPLIT_NAMES.get(given, "")))
    return dataset_of_files(path.stem, found, skipped, task, classes)


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        frame = _text_frame(path, header=0)
        is_header = all(_found_in(path.parent, str(column)) is None for column in frame.columns)
        return frame if is_header else _text_frame(path, header=None)
    except (OSError, ValueError, ImportError, pd.errors.ParserError) as error:
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected="a CSV with a header, in UTF-8, or a Parquet file",
            advice="open it in a spreadsheet and save it again as CSV (UTF-8)",
        ) from error


def _text_frame(path: Path, header: int | None) -> pd.DataFrame:
    import pandas as pd

    form: dict[str, Any] = {"sep": _separator(path), "encoding": "utf-8-sig", "dtype": str, "keep_default_na": False}
    frame: pd.DataFrame = pd.read_csv(path, header=header, **form)
    return frame


def _separator(path: Path) -> str:
    """The one of comma, semicolon, tab and bar that the first line holds most of outside quotes; else a space."""
    with path.open(encoding="utf-8-sig") as file:
        header = re.sub(r'"[^"]*"', "", file.readline()).strip()
    likeliest = max(",;\t|", key=header.count)
    return likeliest if likeliest in header or " " not in header else " "


def _column(frame: pd.DataFrame, wanted: str, option: str) -> Any:
    if wanted in frame.columns:
        return wanted
    if re.fullmatch(r"-?\d+", wanted) and -len(frame.columns) <= int(wanted) < len(frame.columns):
        return frame.columns[int(wanted)]
    raise _no_column(f"{option} {wanted}; the columns are {', '.join(map(str, frame.columns))}", option)


def _image_column(frame: pd.DataFrame, folder: Path) -> Any:
    for column in frame.columns:
        cells = [str(cell) for cell in frame[column].head(20)]
        if any(cells) and sum(_found_in(folder, cell) is not None for cell in cells) * 2 > len(cells):
            return column
    raise _no_column(f"no column of {', '.join(map(str, frame.columns))} holds paths of files", "--image")


def _target_column(rest: Sequence[Any]) -> Any:
    for name in _TARGET_NAMES:
        for column in rest:
            if str(column).lower() == name:
                return column
    if len(rest) == 1:
        return rest[0]
    raise _no_column(f"{len(rest)} columns that may be the label: {', '.join(map(str, rest))}", "--target")


def _no_column(received: str, option: str) -> DatasetError:
    return DatasetError(
        "H108",
        "a column cannot be found",
        received=received,
        expected="the name of a column, or its position (0 is the first, -1 the last)",
        advice=f"name it: {option} COLUMN",
    )


def _found_in(folder: Path, name: str) -> Path | None:
    """The folder that ``name`` is relative to: the table's own, or one beside it."""
    try:
        if name and (folder / name).is_file():
            return folder
        return next((p for p in sorted(folder.iterdir()) if name and p.is_dir() and (p / name).is_file()), None)
    except (OSError, ValueError):
        return None


def _image_folder(cells: pd.Series[Any], folder: Path) -> Path:
    return next((place for cell in cells.head(20) if (place := _found_in(folder, str(cell)))), folder)


def _label_text(label: object) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label).strip()


def _row_fault(file: Path, label: object, split: str) -> str:
    import pandas as pd

    if np.all(pd.isna(label)) or not str(label).strip():  # type: ignore[call-overload]
        return "no label"
    if split and split not in SPLIT_NAMES:
        return f"unknown split {split!r}"
    try:
        return "" if file.is_file() else "no such file"
    except OSError:  # a name longer than any file's
        return "no such file"
