"""Samples to predict, in every form that people have them in: paths, folders, bytes, pictures, arrays, data frames."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headstart.data.readers.arrays import as_levels
from headstart.data.readers.tables.image_paths import find_rule, is_file, places_to_look
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.foundation.text import listed, natural_key

__all__ = ["Images", "expand", "index_of", "rows_of", "to_images"]

_PNG_MODES = (
    "1",
    "L",
    "LA",
    "P",
    "RGB",
    "RGBA",
    "I;16",
)  # which PNG keeps as they are; TIFF keeps the others


class Images(NamedTuple):
    """Images to predict.

    Attributes:
        names: Path of each image, or ``[i]`` for one in memory.
        files: Files to decode: those of the user, and temporary ones for images in memory. Empty if there are ``arrays``.
        arrays: The images, uint8 ``(n, height, width[, channels])``, if all were given as arrays of one size.
        index: Index of the data frame or series that the images were given in.
    """

    names: list[str]
    files: list[str]
    arrays: Array | None = None
    index: Any = None


@contextmanager
def to_images(samples: Any, column: str | None = None) -> Iterator[Images]:
    """Find the images that a caller wants predicted; temporary files exist as long as the context.

    A missing path or image, such as None or NaN beside others, becomes the path of a file that does not exist.

    Args:
        samples: A path, a folder, bytes of an image file, a Pillow image, an array ``(height, width[, channels])`` or
            ``(n, height, width[, channels])``; a sequence or a series of any of these; or a data frame with a column of
            paths.
        column: Name of the column of paths, if it is known. Defaults to None: found.

    Raises:
        UsageError: There is nothing to predict (H006), or an object of another type (H045).
        DatasetError: The values of an array are in no known range (H111).
    """
    index = index_of(samples)
    items = _cells(samples, column) if hasattr(samples, "columns") else samples
    if isinstance(stack := _stacked(items), np.ndarray):
        yield Images([f"[{i}]" for i in range(len(stack))], [], as_levels(stack), index)
        return
    single = isinstance(items, str | bytes | os.PathLike) or not isinstance(items, Iterable) or _is_picture(items)
    with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
        names: list[str] = []
        files: list[str] = []
        items = [items] if single else [*items]
        are_missing = [_is_missing(item) for item in items]
        may_be_missing = index is not None or not all(are_missing)
        for i, (item, is_missing) in enumerate(zip(items, are_missing, strict=True)):
            if is_missing and may_be_missing:
                names.append(f"[{i}]")
                files.append(str(Path(folder) / str(i)))  # which does not exist
            elif isinstance(item, str | os.PathLike):
                found = expand([os.fspath(item)])
                names += found
                files += found
            else:
                names.append(f"[{i}]")
                files.append(_written(item, Path(folder) / str(i)))
        yield Images(names, files, None, index)


def expand(paths: Sequence[str]) -> list[str]:
    """Replace each folder by the files below it, in natural order and without hidden ones; keep files as they are.

    Raises:
        UsageError: There is no file (H006).
    """
    files: list[str] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = (
                p for p in path.rglob("*") if p.is_file() and not any(q.startswith(".") for q in p.relative_to(path).parts)
            )
            files += sorted(map(str, inside), key=natural_key)
        else:
            files.append(name)
    if not files:
        raise UsageError(
            "H006",
            "nothing to predict",
            received=f"{' '.join(paths)}, which contains no files",
            expected="image files or folders of images; tables if the run was fitted on a table",
            advice="pass at least one file",
        )
    return files


def rows_of(samples: Any) -> Any:
    """Turn rows of a table into what the readers take: one row or several as mappings, series or arrays become a table."""
    import pandas as pd

    if isinstance(samples, Mapping):
        return pd.DataFrame([samples])
    if isinstance(samples, pd.Series):
        return samples.to_frame().T
    if isinstance(samples, list | tuple) and samples and all(isinstance(row, Mapping | pd.Series) for row in samples):
        return pd.DataFrame(list(samples))
    if isinstance(samples, list | tuple) or (not hasattr(samples, "columns") and hasattr(samples, "__array__")):
        array = np.asarray(samples)
        return array[None] if array.ndim == 1 else array
    return samples


def index_of(samples: Any) -> Any:
    """Index of a data frame or of a series of samples; None for anything else."""
    import pandas as pd

    return samples.index if isinstance(samples, pd.DataFrame | pd.Series) else None


def _cells(frame: Any, column: str | None) -> list[Any]:
    """Cells of the column of a data frame that holds images, as paths of existing files where they can be found.

    Raises:
        UsageError: No column holds images (H045).
    """
    names = [column] if column in frame.columns else list(frame.columns)
    places = places_to_look(Path())
    for name in names:
        cells = list(frame[name])
        texts = [os.fspath(cell) for cell in cells if isinstance(cell, str | os.PathLike) and not _is_missing(cell)]
        if len(names) == 1 and not texts:
            return cells
        rule = find_rule(texts[:100], places, column=partial(iter, texts)) if texts else None
        if len(names) == 1 or rule is not None:
            return [_found(cell, rule) for cell in cells]
    raise UsageError(
        "H045",
        "unsupported data type",
        received=f"a data frame with the columns {listed([str(name) for name in names])}, none of which names image files",
        expected="a data frame with a column of paths of images",
        advice="pass the column: predict(frame['path'])",
    )


def _found(cell: Any, rule: Any) -> Any:
    is_path = isinstance(cell, str | os.PathLike) and not _is_missing(cell)
    return rule.path(os.fspath(cell)) if rule is not None and is_path and not is_file(os.fspath(cell)) else cell


def _stacked(items: Any) -> Array | None:
    """Images in memory of one size as one array ``(n, height, width[, channels])``; None for anything else."""
    if isinstance(items, list | tuple) or (hasattr(items, "to_numpy") and getattr(items, "ndim", 0) == 1):
        arrays = [np.asarray(item) for item in items if _is_array(item)]
        same = len(arrays) == len(items) > 0 and len({array.shape for array in arrays}) == 1 and arrays[0].ndim in (2, 3)
        return np.stack(arrays) if same else None
    if not _is_array(items):
        return None
    array = np.asarray(items)
    if array.dtype.kind in "OUS":  # of paths
        return None
    is_one = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    return array[None] if is_one else array


def _is_array(item: Any) -> bool:
    return hasattr(item, "__array__") and not _is_picture(item)


def _is_picture(item: Any) -> bool:
    """Whether it is an image of Pillow, which is not imported to find out."""
    return isinstance(item, getattr(sys.modules.get("PIL.Image"), "Image", ()))


def _is_missing(item: Any) -> bool:
    """Whether an item is None, NaN or blank: a cell without a path."""
    import pandas as pd

    return not item.strip() if isinstance(item, str) else bool(pd.api.types.is_scalar(item) and pd.isna(item))


def _written(item: Any, path: Path) -> str:
    """Write an image in memory to a file, which is decoded like any other, and return its path.

    Raises:
        UsageError: It is no image (H045).
    """
    from PIL import Image, ImageOps

    if isinstance(item, bytes | bytearray | memoryview):
        path.write_bytes(item)
        return str(path)
    if _is_array(item) and np.asarray(item).ndim in (2, 3):
        levels = as_levels(np.asarray(item))
        item = Image.fromarray(levels[..., 0] if levels.shape[2:] == (1,) else levels)
    if isinstance(item, Image.Image):
        picture = ImageOps.exif_transpose(item)  # as the file that it was opened from would be turned
        picture.save(path, "PNG" if picture.mode in _PNG_MODES else "TIFF")
        return str(path)
    raise UsageError(
        "H045",
        "unsupported data type",
        received=f"an object of type {type(item).__name__}",
        expected="paths, folders, bytes of image files, Pillow images, or arrays (height, width[, channels])",
        advice="open it with Pillow: predict(PIL.Image.open(FILE))",
    )
