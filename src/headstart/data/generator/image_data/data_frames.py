"""Reading of a data frame of image paths for ``ImageDataGenerator.flow_from_dataframe``."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.generator.batch_generator import Targets
from headstart.data.generator.image_data.arguments import rejected
from headstart.data.generator.image_data.sources import CLASS_MODES, Numbers, Samples, Source, targets_of, without_strangers
from headstart.data.readers.read import unlabelled
from headstart.data.skipped import Skipped
from headstart.foundation.arrays import Array
from headstart.foundation.text import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_frame"]

_NOTHING = Dataset("images", "multiclass", "", ("all",), (), np.zeros(0, np.int64), (), ())
_FRAME_MODES = (*CLASS_MODES, "raw", "multi_output")


def from_frame(
    frame: pd.DataFrame,
    directory: str | os.PathLike[str],
    columns: tuple[str, str | list[str] | None, str | None],
    classes: tuple[str, ...],
    class_mode: str | None,
    validate: bool,
) -> Source:
    """Read the samples and targets of a data frame with a column of image paths.

    Args:
        frame: The data frame.
        directory: Folder that relative paths are relative to.
        columns: Names of the columns of paths, of labels (or of several targets) and of weights.
        classes: Classes in their order, or empty for all; rows of other classes are listed as skipped.
        class_mode: A key of ``CLASS_MODES``, ``raw`` for unchanged values, or ``multi_output`` for a list of columns.
        validate: Whether rows without an image file are listed as skipped; else they are kept, with NaN as pixels.

    Raises:
        UsageError: A column does not exist or does not fit ``class_mode``, or no path is a file (H017).
    """
    x_col, y_col, weight_col = columns
    if class_mode not in [*_FRAME_MODES]:
        modes = ", ".join(map(str, _FRAME_MODES))
        raise rejected("class_mode", repr(class_mode), modes, "class_mode='raw' for other targets")
    _check_columns(frame, columns, class_mode)
    names = [str(name) for name in frame[x_col]]
    paths = [os.path.join(directory, name) for name in names]  # noqa: PTH118  a name may hold any bytes
    rows, skipped = _rows_of_files(paths) if validate else (list(range(len(paths))), [])
    weights = None if weight_col is None else _values(frame, "weight_col", weight_col).astype(np.float32)
    numbers: Numbers = None
    indices: dict[str, int] = {}
    if class_mode in ("categorical", "binary", "sparse"):
        cells = [_labels(cell, class_mode) for cell in frame[y_col]]
        chosen = classes or _class_names(frame[y_col], cells)
        indices = {name: number for number, name in enumerate(chosen)}
        known = [[name for name in labels if name in indices] for labels in cells]
        skipped += [Skipped(paths[i], _not_requested(cells[i])) for i in rows if not known[i]]
        rows = [i for i in rows if known[i]]
        lists = [[indices[name] for name in known[i]] for i in rows]
        has_lists = any(isinstance(cell, list | tuple | set) for cell in frame[y_col])
        numbers = lists if has_lists else np.array([number for number, *_ in lists], np.int32)
    files = unlabelled([paths[i] for i in rows], _NOTHING)
    samples = Samples([names[i] for i in rows], files.paths, files.digests, numbers, indices, skipped)
    if class_mode == "raw":
        targets = Targets(_values(frame, "y_col", y_col)[rows])
    elif class_mode == "multi_output":
        targets = Targets([_values(frame, "y_col", column)[rows] for column in y_col or ()])
    else:
        targets = targets_of(class_mode, numbers, tuple(indices))
    source = Source(samples, targets._replace(weights=None if weights is None else weights[rows]))
    return without_strangers(source) if validate else source


def _rows_of_files(paths: list[str]) -> tuple[list[int], list[Skipped]]:
    """Positions of the paths that are files; other paths are skipped, with a warning.

    Raises:
        UsageError: No path is a file (H017).
    """
    rows = [i for i, path in enumerate(paths) if Path(path).is_file()]
    missing = [Skipped(path, "no such file") for path in sorted({*paths} - {paths[i] for i in rows}, key=paths.index)]
    if missing and not rows:
        received = f"none of {len(paths)} names is an existing file: {missing[0].path}"
        raise rejected("x_col", received, "names of files, with suffix", "give their folder with directory=")
    if missing:
        left_out = f"{len(paths) - len(rows)} of {len(paths)} rows are left out because their file does not exist"
        warnings.warn(f"{left_out}, such as {missing[0].path}; see skipped", stacklevel=4)
    return rows, missing


def _check_columns(
    frame: pd.DataFrame, columns: tuple[str, str | list[str] | None, str | None], class_mode: str | None
) -> None:
    """Reject required columns that the data frame does not have."""
    x_col, y_col, weight_col = columns
    if class_mode == "multi_output" and not isinstance(y_col, list):
        raise rejected("y_col", repr(y_col), "a list of columns for class_mode='multi_output'", "y_col=['a', 'b']")
    needed: list[tuple[str, object]] = [("x_col", x_col)]
    if weight_col is not None:
        needed += [("weight_col", weight_col)]
    if class_mode in ("raw", "multi_output") and isinstance(y_col, list):
        needed += [("y_col", name) for name in y_col]
    elif class_mode not in ("input", None):
        needed += [("y_col", y_col)]
    there = [*frame.columns]
    for name, column in needed:
        if column not in there:
            expected = f"a column of the data frame: {', '.join(map(str, there))}"
            raise rejected(name, repr(column), expected, "give the name of an existing column, or rename it")


def _values(frame: pd.DataFrame, name: str, columns: str | list[str] | None) -> Array:
    """Values of one or several columns: numbers keep their type, other cells are converted to float32."""
    values: Array = frame[columns].to_numpy()
    if values.dtype.kind in "biuf":
        return values
    try:
        return np.array(values.tolist(), np.float32)  # cells may be lists
    except (TypeError, ValueError) as error:
        advice = "turn the column into numbers first: frame[column].map(...)"
        raise rejected(name, f"{columns}: {error}", "numbers only", advice) from error


def _labels(cell: Any, class_mode: str) -> list[str]:
    """Class names in a cell."""
    if isinstance(cell, list | tuple | set):
        if class_mode != "categorical":
            raise rejected("y_col", cell, "one label per row", "class_mode='categorical' for several labels per row")
        return [label for part in cell for label in _labels(part, "")]
    if cell is None or cell != cell:  # noqa: PLR0124  only NaN differs from itself
        return []
    whole = isinstance(cell, float) and cell.is_integer()
    text = printable(str(int(cell) if whole else cell).strip())
    return [text] if text else []


def _class_names(column: Any, cells: list[list[str]]) -> tuple[str, ...]:
    """All classes: numbers sorted by value, others as text."""
    names = {name for labels in cells for name in labels}
    are_whole = getattr(column.dtype, "kind", "O") in "iuf" and all(name.lstrip("-").isdecimal() for name in names)
    return tuple(sorted(names, key=int if are_whole else None))


def _not_requested(labels: list[str]) -> str:
    return f"its class {', '.join(labels)} is not among the requested classes" if labels else "no label"
