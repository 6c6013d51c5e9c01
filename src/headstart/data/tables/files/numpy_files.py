"""Tables in NumPy's files: the arrays X and y of an ``.npz`` file, with or without splits."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from headstart.data.skipped import Skipped
from headstart.data.tables.files.archives import check_zip
from headstart.data.tables.table import Table, table_of_frame
from headstart.foundation.arrays import Array
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import listed, printable

__all__ = ["PARTS", "left_out", "loaded", "table_of_arrays"]

_FEATURES = ("x", "data", "features", "inputs")
_TARGETS = ("y", "labels", "label", "target", "targets")
_NAMES = ("feature_names", "columns", "names")
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def loaded(content: bytes, name: str) -> Array | dict[str, Array]:
    """Load the array of an ``.npy`` file, or the arrays of an ``.npz`` file by lower-case name.

    Raises:
        DatasetError: An ``.npz`` file unpacks to too much (H123).
        ValueError: The file is damaged, or holds Python objects, which are not loaded.
    """
    if content.startswith(b"PK"):
        check_zip(content, name)
    try:
        file = np.load(io.BytesIO(content), allow_pickle=False)
        return file if isinstance(file, np.ndarray) else {name.lower(): file[name] for name in file.files}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(str(error)) from error


def table_of_arrays(arrays: Mapping[str, Array]) -> tuple[Table, list[Skipped]]:
    """Convert the arrays X and y, or x_train and y_train with those of other splits, to a table with the target ``y``.

    Rows of features without targets, and the reverse, are returned as skipped.

    Args:
        arrays: Features ``(n, columns)`` and targets ``(n,)``, one-hot ``(n, classes)`` or ``(n, targets)``, by lower-case
            name.

    Raises:
        DatasetError: There are no such arrays, or their shapes do not match (H107).
    """
    import pandas as pd

    pairs = {name: _pair(arrays, name) for name in ("", *PARTS)}
    parts = [({"": "", **PARTS}[name], arrays[x], arrays[y]) for name, (x, y) in pairs.items() if x and y]
    fits = all(
        x.ndim == 2
        and x.shape[1:] == parts[0][1].shape[1:]
        and y.shape[:1] == x.shape[:1]
        and math.prod(y.shape[1:]) == math.prod(parts[0][2].shape[1:])
        for _, x, y in parts
    )
    if not parts or not fits:
        raise _no_table(arrays)
    features = np.concatenate([x for _, x, _ in parts])
    targets = np.concatenate([y.reshape(len(y), math.prod(y.shape[1:])) for _, _, y in parts])
    names = next((arrays[name] for name in _NAMES if name in arrays and arrays[name].shape == features.shape[1:]), None)
    columns = [f"x{i}" for i in range(features.shape[1])] if names is None else [*map(str, names)]
    if targets.shape[1] > 1 and np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all():
        targets = targets.argmax(axis=1)[:, None]
    target_names = ["y"] if targets.shape[1] == 1 else [f"y{i}" for i in range(targets.shape[1])]
    frame = pd.concat([pd.DataFrame(features, columns=columns), pd.DataFrame(targets, columns=target_names)], axis=1)
    splits = np.concatenate([np.full(len(x), split, object) for split, x, _ in parts])
    alone = {x: f"the file has no targets for {printable(x)}" for x, y in pairs.values() if x and not y}
    alone |= {y: f"the file has no features for {printable(y)}" for x, y in pairs.values() if y and not x}
    note, skipped = left_out(arrays, alone)
    table = replace(table_of_frame(frame), targets=tuple(target_names), splits=splits if any(splits) else None)
    return replace(table, notes=(note,) if note else ()), skipped


def left_out(arrays: Mapping[str, Array], reasons: Mapping[str, str]) -> tuple[str, list[Skipped]]:
    """List the samples in arrays that are not used.

    Args:
        arrays: All arrays by name.
        reasons: Why arrays are not used, by name.

    Returns:
        A note that names these arrays, "" if there are none, and their samples as skipped.
    """
    skipped = [
        Skipped(f"{name}[{i}]", reason) for name, reason in reasons.items() for i in range(len(np.atleast_1d(arrays[name])))
    ]
    return f"not used: {listed([*map(printable, reasons)])}" if reasons else "", skipped


def _pair(arrays: Mapping[str, Array], part: str) -> tuple[str, str]:
    """Names of the features and of the targets of a split, or of all rows for part ""; "" for what is not there."""
    forms = ("{0}_{1}", "{1}_{0}", "{0}{1}", "{1}{0}") if part else ("{0}",)
    features, targets = (
        next((name for form in forms for kind in kinds if (name := form.format(kind, part)) in arrays), "")
        for kinds in (_FEATURES, _TARGETS)
    )
    return features, targets


def _no_table(arrays: Mapping[str, Array]) -> DatasetError:
    shapes = [f"{name} {array.shape}" for name, array in arrays.items()]
    images = any(array.ndim in (3, 4) for array in arrays.values())
    return DatasetError(
        "H107",
        "the table cannot be read",
        received=f"arrays {listed(shapes)}" if arrays else "no arrays",
        expected="X (rows, columns) and y (rows,), or x_train, y_train and the same for val and test",
        advice="read images in Python: hs.fit(hs.read_arrays(f['X'], f['y'])), with f = numpy.load(FILE)"
        if images
        else "save them under these names: numpy.savez(FILE, X=features, y=labels)",
    )
