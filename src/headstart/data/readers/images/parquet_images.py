"""Parquet files that hold encoded images, as public data sets are published: the cache gets them, to be read as files."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headstart.data.dataset import Dataset
from headstart.data.readers.labels.column_names import place_of
from headstart.data.readers.split_names import split_in
from headstart.data.readers.tables.table import dataset_of_table
from headstart.data.tables.files.archives import too_large
from headstart.data.tables.table import Table
from headstart.foundation.cache.cache_folder import disk_refused
from headstart.foundation.cache.picture_folders import picture_folder
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import file_digest
from headstart.foundation.text import listed, printable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["dataset_of_parquet", "image_columns", "parquet_files"]

_SUFFIXES = (".parquet", ".pq")
_BATCH = 256  # rows in memory at once
_MAX_RATIO, _ALWAYS_BYTES = 20, 256 << 20  # bytes of images over those of the file, from _ALWAYS_BYTES on
_BY_HAND = "if you trust it, write its images to files yourself, in a folder per class"
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")


class _Columns(NamedTuple):
    """Columns of a file.

    Attributes:
        images: Columns of images, the first of which is used.
        names: Names of the classes of each column of class numbers.
    """

    images: tuple[str, ...]
    names: Mapping[str, Sequence[str]]


def parquet_files(folder: Path) -> list[Path]:
    """Parquet files of a folder, or of ``data`` inside it, if the first of them holds images; [] if there are none."""
    for place in (folder, folder / "data"):
        try:
            files = sorted(path for path in place.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
        except OSError:
            continue
        if files:
            return files if image_columns(files[0]) else []
    return []


def image_columns(path: Path) -> tuple[str, ...]:
    """Names of the columns of a Parquet file that hold encoded images; none if it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return _columns(file).images
    except (OSError, pa.ArrowException, NotImplementedError):  # whoever reads it as a table reports it
        return ()


def dataset_of_parquet(paths: Sequence[Path], name: str, settings: Mapping[str, Any]) -> Dataset:
    """Write the images of Parquet files to the cache, and build their data set.

    The first column of images is used. Class numbers are replaced by the names that the file has for them. Of several
    files, those with the name of a split, such as ``train-00000-of-00002.parquet``, are that split.

    Args:
        paths: The files, all with the same columns.
        name: Name of the data set.
        settings: Other arguments of ``dataset_of_table``.

    Raises:
        DatasetError: A file is damaged (H107), it lacks the column (H108) or has no images there (H117), its images take
            more than 20 times its size (H123), or the labels are unsuitable, as in ``read_table``.
        StackError: The cache cannot be written (H601, H603).
    """
    import pandas as pd

    frames = []
    image = _image_column(paths[0], settings.get("image") or image_columns(paths[0])[0])
    for path in paths:
        _image_column(path, image)
        frame = _frame(path, image)
        frames.append(frame.assign(split=split_in(path.stem)) if len(paths) > 1 else frame)
    dataset = dataset_of_table(pd.concat(frames, ignore_index=True), **{**settings, "image": image})
    reason = f"images of the column {printable(image)} of {listed([path.name for path in paths])}; {dataset.task_reason}"
    return replace(dataset, name=name, task_reason=reason)


def _image_column(path: Path, wanted: str) -> str:
    """Name of the column of images with a given name or position.

    Raises:
        DatasetError: There is no such column (H108), or it holds no images (H117).
    """
    import pyarrow.parquet as pq

    with _reading(path), pq.ParquetFile(path) as file:
        names, images, has_rows = tuple(file.schema_arrow.names), _columns(file).images, file.metadata.num_rows > 0
    image: str = names[place_of(Table(names, ()), wanted, "--image")]
    if has_rows and image not in images:
        raise DatasetError(
            "H117",
            "the images of the table are not found",
            received=f"{path}: the column {printable(image)} holds no encoded images",
            expected=f"a column of images, such as {printable(images[0])}" if images else "a file with a column of images",
            advice=f"name it: --image {shlex.quote(images[0])}" if images else f"leave this file out: {path}",
        )
    return image


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn errors of the library that reads Parquet files into errors for the user.

    Raises:
        DatasetError: The file is damaged (H107).
    """
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException, NotImplementedError) as error:
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}",
            expected="a complete Parquet file",
            advice="download or write it again, then run the command again",
        ) from error


def _frame(path: Path, image: str) -> pd.DataFrame:
    """All columns of a file but those of other images; the column ``image`` holds the paths of the files in the cache."""
    import pandas as pd
    import pyarrow.parquet as pq

    folder = picture_folder(file_digest(path)[:32])
    with _reading(path), pq.ParquetFile(path) as file:
        columns = _columns(file)
        kept = [name for name in file.schema_arrow.names if name == image or name not in columns.images]
        limit, size, frames = max(_ALWAYS_BYTES, _MAX_RATIO * path.stat().st_size), 0, []
        for number, batch in enumerate(file.iter_batches(_BATCH, columns=kept)):
            frame = batch.drop_columns([image]).to_pandas()
            contents = [*_contents(batch.column(image))]
            size += sum(len(content) for content, _ in contents)
            if size > limit:
                received = f"{path}: {path.stat().st_size:,} bytes with images of {size:,} or more"
                raise too_large(received, f"images of at most {_MAX_RATIO} times the size of the file", _BY_HAND)
            first = number * _BATCH
            frame[image] = [_write(folder, first + i, *content) for i, content in enumerate(contents)]
            frames.append(frame)
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({name: [] for name in kept})
    for name, names in columns.names.items():
        if name in frame:
            frame[name] = frame[name].map(lambda cell, names=names: _named(cell, names))
    return frame


def _columns(file: Any) -> _Columns:
    """Columns of images and of classes, by the types of the columns and by the notes that Hugging Face's library writes."""
    import pyarrow as pa

    schema: pa.Schema = file.schema_arrow
    features: dict[str, Any] = {}
    with contextlib.suppress(ValueError, KeyError, TypeError):  # notes of another kind
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    names = {name: found for name, feature in features.items() if (found := _class_names(feature))}
    binary = [field.name for field in schema if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)]
    first = next(file.iter_batches(1, columns=binary), None) if binary else None
    are_images = {
        name
        for name in binary
        if first is not None and len(first) and (first.column(name)[0].as_py() or b"").startswith(_MAGIC)
    }
    are_images |= {
        field.name
        for field in schema
        if pa.types.is_struct(field.type) and "bytes" in {field.type.field(i).name for i in range(field.type.num_fields)}
    }
    return _Columns(tuple(name for name in schema.names if name in are_images), names)


def _class_names(feature: Any) -> list[str]:
    """Names of the classes of a feature, or of each item of a list."""
    while isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    if isinstance(feature, dict) and isinstance(feature.get("feature"), dict | list):
        return _class_names(feature["feature"])
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _named(cell: Any, names: Sequence[str]) -> Any:
    if hasattr(cell, "__len__") and not isinstance(cell, str):
        return [_named(each, names) for each in cell]
    is_number = isinstance(cell, int | float) or hasattr(cell, "__index__")
    if not is_number or cell != cell or not 0 <= int(cell) < len(names):  # noqa: PLR0124 - NaN; -1 is no label
        return None
    return names[int(cell)]


def _contents(column: pa.Array) -> Iterator[tuple[bytes, str]]:
    """Bytes of each image, and the path that the file has for it."""
    for cell in column.to_pylist():
        if isinstance(cell, dict):
            yield cell.get("bytes") or b"", str(cell.get("path") or "")
        else:
            yield cell or b"", ""


def _write(folder: Path, row: int, content: bytes, called: str) -> str:
    """Write an image to the cache, unless it is there; return its path, or for a row without bytes the path it has."""
    if not content:
        return called
    name = re.sub(r"[^\w.-]+", "_", Path(called.replace("\\", "/")).name, flags=re.ASCII)[-60:]
    path = folder / f"{row:06}{'-' if name else ''}{name}"
    try:
        if path.is_file() and path.read_bytes() == content:
            return str(path)
        temporary = folder / f".{path.name}-{os.getpid()}"
        with open(temporary, "wb", opener=partial(os.open, mode=0o600)) as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        raise disk_refused(folder, error.strerror or str(error)) from error
    return str(path)
