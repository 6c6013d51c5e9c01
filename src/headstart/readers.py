"""Data: a folder of images, a table of image paths, or arrays, to a Dataset. Nothing found is lost: used or listed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.dataset import Dataset, Skipped
from headstart.errors import DatasetError, printable
from headstart.fingerprint import array_digest, bytes_digest, file_digests
from headstart.tasks import infer_task, integer_labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read", "read_arrays", "read_folder", "read_table", "unlabelled"]

SPLIT_FOLDERS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "icon\r"}
_TABLES = {".csv", ".tsv", ".txt", ".parquet", ".pq"}
_TARGET_NAMES = ("label", "labels", "class", "target", "category", "y")


def read(
    data: str | os.PathLike[str],
    *,
    target: str | None = None,
    image: str | None = None,
    task: str | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Read whatever ``data`` names: a folder of class folders, or a table of image paths.

    With ``classes``, those are the classes, and samples of any other are listed as skipped.

    Raises:
        DatasetError: There is nothing there, or it is neither (H106).
    """
    path = Path(data)
    if path.is_dir():
        return read_folder(path, task=task, classes=classes)
    if path.is_file() and path.suffix.lower() in _TABLES:
        return read_table(path, target=target, image=image, task=task, classes=classes)
    raise DatasetError(
        "H106",
        "there is no data here",
        received=f"{data}" + (" (a file)" if path.is_file() else " (nothing there)" if not path.exists() else ""),
        expected="a folder with one folder per class, or a CSV or Parquet file with a column of image paths",
        advice="check the path; `headstart demo` shows a working example",
    )


def read_folder(
    folder: str | os.PathLike[str], *, task: str | None = None, classes: Sequence[str] | None = None
) -> Dataset:
    """Read ``folder/<class>/*`` or ``folder/{train,val,valid,validation,test}/<class>/*``.

    Folders nested inside a class belong to it; class names sort naturally (``img2`` before ``img10``); links are followed
    and loops end. Hidden and system files are listed as skipped. Whether a file is an image is decided later, by content.

    Raises:
        DatasetError: No such folder (H106), or fewer than two classes in it (H101).
    """
    root = Path(folder)
    if not root.is_dir():
        return read(root)
    found: list[tuple[str, str, str]] = []  # path, class, split
    skipped: list[Skipped] = []
    has_splits = (root / "train").is_dir() and any(p.is_dir() for p in (root / "train").iterdir())
    tops = _visible(root, skipped)
    for top in tops:
        split = SPLIT_FOLDERS.get(top.name.lower(), "") if has_splits else ""
        if not top.is_dir() or (has_splits and not split):
            where = "train, validation or test" if has_splits else "a class folder"
            skipped += [Skipped(str(p), f"not inside {where}") for p in ([top] if not top.is_dir() else _files(top, []))]
            continue
        for class_folder in _visible(top, skipped) if split else [top]:
            if class_folder.is_dir():
                found += [(str(p), class_folder.name, split) for p in _files(class_folder, skipped)]
            else:
                skipped.append(Skipped(str(class_folder), "not inside a class folder"))
    return _from_files(root.resolve().name, found, skipped, task, classes)


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
            found.append((str(file), _label_text(label), SPLIT_FOLDERS.get(given, "")))
    return _from_files(path.stem, found, skipped, task, classes)


def read_arrays(
    images: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any] | Sequence[object],
    *,
    classes: Sequence[str] | None = None,
    split: Sequence[str] | None = None,
    task: str | None = None,
) -> Dataset:
    """Wrap images in memory.

    Args:
        images: ``(n, height, width)`` or ``(n, height, width, channels)`` with 1, 3 or 4 channels; uint8, or float in
            0..1 or 0..255.
        labels: Integers or strings ``(n,)``, or one-hot ``(n, classes)``.
        classes: Names of the classes in the order of the label numbers.
        split: ``train``, ``validation``, ``test`` or ``""`` for each sample; made later if None.
        task: A key of ``TASKS`` to overrule what the labels say.

    Raises:
        DatasetError: Shapes do not fit one another (H109) or labels are not labels (H103).
    """
    images = np.asarray(images)
    numbers, names = integer_labels(np.asarray(labels))
    if images.ndim not in (3, 4) or len(images) != len(numbers) or (classes is not None and len(classes) != len(names)):
        raise DatasetError(
            "H109",
            "images and labels do not fit together",
            received=f"images of shape {images.shape}, {len(numbers)} labels of {len(names)} classes"
            + (f", {len(classes)} class names" if classes is not None else ""),
            expected="images (n, height, width[, channels]), n labels, and one name per class",
            advice="check the first axis of both arrays",
        )
    class_names = tuple(classes or names)
    inferred, reason = infer_task(class_names, task)
    return Dataset(
        name="arrays",
        task=inferred,
        task_reason=reason,
        classes=class_names,
        paths=tuple(f"[{i}]" for i in range(len(images))),
        labels=numbers,
        digests=tuple(array_digest(image) for image in images),
        split=tuple(split) if split is not None else ("",) * len(images),
        arrays=images,
    )


def unlabelled(images: Sequence[str] | np.ndarray[Any, Any], like: Dataset) -> Dataset:
    """Samples to predict, files or arrays, as a data set without true labels and with the classes of ``like``."""
    is_array = isinstance(images, np.ndarray)
    digests = [array_digest(i) for i in images] if is_array else file_digests(images)
    return Dataset(
        name="unlabelled",
        task=like.task,
        task_reason=like.task_reason,
        classes=like.classes,
        paths=tuple(f"[{i}]" if is_array else str(path) for i, path in enumerate(images)),
        labels=np.zeros(len(images), np.int64),
        # A file that cannot be read has no content; the empty content stands in, and the decoder tells the reason.
        digests=tuple(d if isinstance(d, str) else bytes_digest(b"") for d in digests),
        split=("",) * len(images),
        arrays=images if is_array else None,
    )


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``img2`` comes before ``img10``, whatever the case."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts if p] or [(0, 0, "")]


def _from_files(
    name: str,
    found: list[tuple[str, str, str]],
    skipped: list[Skipped],
    task: str | None,
    classes: Sequence[str] | None,
) -> Dataset:
    rows: list[tuple[str, str, str, str]] = []  # path, class, split, digest
    for (path, label, split), digest in zip(found, file_digests(path for path, _, _ in found), strict=True):
        label = printable(label)
        if isinstance(digest, OSError):
            skipped.append(Skipped(path, f"cannot be read: {digest.strerror}"))
        elif classes is not None and label not in classes:
            skipped.append(Skipped(path, f"its class {label} is none of the model's"))
        else:
            rows.append((path, label, split, digest))
    names = tuple(classes or sorted({label for _, label, _, _ in rows}, key=lambda c: (natural_key(c), c)))
    inferred, reason = infer_task(names, task)
    numbers = {c: i for i, c in enumerate(names)}
    return Dataset(
        name=name,
        task=inferred,
        task_reason=reason,
        classes=names,
        paths=tuple(path for path, _, _, _ in rows),
        labels=np.array([numbers[label] for _, label, _, _ in rows], np.int64),
        digests=tuple(digest for _, _, _, digest in rows),
        split=tuple(split for _, _, split, _ in rows),
        skipped=tuple(skipped),
    )


def _visible(folder: Path, skipped: list[Skipped]) -> list[Path]:
    """Entries of a folder in natural order; hidden and system ones go to ``skipped``, with all that is in them."""
    visible = []
    for entry in sorted(folder.iterdir(), key=lambda p: (natural_key(p.name), p.name)):
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_FILES:
            inside = _files(entry, None) if entry.is_dir() else [entry]
            skipped += [Skipped(str(p), "hidden or a system file") for p in inside]
        else:
            visible.append(entry)
    return visible


def _files(folder: Path, skipped: list[Skipped] | None, seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Every file below a folder; a link back to a folder that we are inside of ends there."""
    real = os.path.realpath(folder)
    if real in seen:
        if skipped is not None:
            skipped.append(Skipped(str(folder), "a link back to a folder that it lies in"))
        return
    entries = sorted(folder.iterdir()) if skipped is None else _visible(folder, skipped)
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry, skipped, seen | {real})
        elif entry.is_file():
            yield entry
        elif skipped is not None:
            skipped.append(Skipped(str(entry), "not a regular file"))


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path)
        return pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    except (OSError, ValueError, ImportError, pd.errors.ParserError) as error:
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected="a CSV with a header, in UTF-8, or a Parquet file",
            advice="open it in a spreadsheet and save it again as CSV (UTF-8)",
        ) from error


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
    if label is None or label != label or not str(label).strip():  # noqa: PLR0124 - NaN is the one value unlike itself
        return "no label"
    if split and split not in SPLIT_FOLDERS:
        return f"unknown split {split!r}"
    if not file.is_file():
        return "no such file"
    return ""
