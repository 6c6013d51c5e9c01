"""Images inside Parquet files are written to the cache, and are samples like any file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headstart.data.images.decode_pool import DecodePool
from headstart.data.images.geometry import Geometry
from headstart.data.readers.images import parquet_images
from headstart.data.readers.read import read
from headstart.foundation.errors import DatasetError
from headstart.foundation.fingerprint import bytes_digest


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))


def encoded(level: int) -> bytes:
    """A picture of one grey level."""
    stream = io.BytesIO()
    Image.fromarray(np.full((9, 9), level, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write(path: Path, columns: dict[str, list[Any]], features: dict[str, Any] | None = None) -> Path:
    """A Parquet file, with the notes of Hugging Face's library if it has features."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("form", ["struct", "bytes"])
def test_images_are_samples(tmp_path: Path, form: str) -> None:
    """As a structure of bytes and path, or as bytes alone; the workers decode them, and a second reading is equal."""
    contents = [encoded(level) for level in (0, 80, 160, 240)]
    cells = [
        {"bytes": content, "path": f"../a b/{i}.png"} if form == "struct" else content for i, content in enumerate(contents)
    ]
    path = write(tmp_path / "t.parquet", {"picture": cells, "size": [1.5, 2, 3, 4], "label": ["cat", "dog"] * 2})
    dataset = read(path)
    assert (dataset.classes, dataset.labels.tolist(), dataset.table) == (("cat", "dog"), [0, 1, 0, 1], None)
    assert dataset.digests == tuple(map(bytes_digest, contents))
    assert all(Path(each).is_relative_to(tmp_path / "cache" / "pictures") for each in dataset.paths)
    with DecodePool(Geometry(8), workers=1) as pool:
        levels = {
            found.index: int(found.pixels[0, 0, 0]) for found in pool.decode(dataset.paths) if found.pixels is not None
        }
    assert levels == {0: 0, 1: 80, 2: 160, 3: 240}
    assert read(path).paths == dataset.paths
    Path(dataset.paths[0]).write_bytes(b"changed")
    assert read(path).digests == dataset.digests


def test_class_numbers_get_their_names(tmp_path: Path) -> None:
    """Of a column of classes, and of a column of lists; -1 is no label."""
    cells = [{"bytes": encoded(level), "path": None} for level in range(5)]
    names = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    path = write(tmp_path / "t.parquet", {"image": cells, "label": [0, 1, 0, 1, -1]}, {"label": names})
    dataset = read(path)
    assert (dataset.label_texts(), len(dataset.skipped)) == (["cat", "dog", "cat", "dog"], 1)
    lists = {"feature": names, "_type": "Sequence"}
    path = write(tmp_path / "l.parquet", {"image": cells, "labels": [[0], [0, 1], [1], [], [1, 0]]}, {"labels": lists})
    dataset = read(path)
    assert (dataset.task, dataset.label_texts()) == ("multilabel", ["cat", "cat;dog", "dog", "", "cat;dog"])


def test_row_without_image_is_listed(tmp_path: Path) -> None:
    """Every row is a sample or skipped."""
    cells: list[Any] = [{"bytes": encoded(level), "path": None} for level in range(3)]
    path = write(tmp_path / "t.parquet", {"image": [*cells, None], "label": ["a", "b", "a", "b"]})
    dataset = read(path)
    assert (len(dataset), [reason for _, reason in dataset.skipped]) == (3, ["row 4: no such file"])


def test_first_column_of_images_is_used(tmp_path: Path) -> None:
    """A mask in a second column is neither the picture nor the label."""
    cells = [[{"bytes": encoded(level + more), "path": None} for level in range(4)] for more in (0, 100)]
    path = write(tmp_path / "t.parquet", {"image": cells[0], "mask": cells[1], "kind": ["a", "b"] * 2})
    assert read(path).digests[0] == bytes_digest(encoded(0))
    assert read(path, image="mask").digests[0] == bytes_digest(encoded(100))


def test_images_that_unpack_to_too_much_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H123, before they fill the disk."""
    monkeypatch.setattr(parquet_images, "_ALWAYS_BYTES", 1000)
    path = write(tmp_path / "t.parquet", {"image": [b"\x89PNG" + bytes(100_000)] * 50, "label": ["a", "b"] * 25})
    with pytest.raises(DatasetError, match="H123"):
        read(path)


def test_damaged_and_other_files_are_tables(tmp_path: Path) -> None:
    """A file without images is a table of features; one that cannot be read is H107."""
    table = write(
        tmp_path / "t.parquet", {"size": [1.0, 2, 3, 4], "code": [b"a", b"b", b"c", b"d"], "label": ["a", "b"] * 2}
    )
    assert read(table).table is not None
    (tmp_path / "d.parquet").write_bytes(table.read_bytes()[:50])
    with pytest.raises(DatasetError, match="H107"):
        read(tmp_path / "d.parquet")


def test_column_of_images_is_named_by_name_or_position(tmp_path: Path) -> None:
    """Other columns are errors, in any of several files."""
    pictures, labels = [encoded(level) for level in (0, 80, 160, 240)], ["a", "b", "a", "b"]
    path = write(tmp_path / "p.parquet", {"name": [*"wxyz"], "image": pictures, "label": labels})
    assert len(read(path, image="1")) == len(read(path, image="image")) == 4
    for image, code in (("0", "H117"), ("name", "H117"), ("typo", "H108"), ("7", "H108")):
        with pytest.raises(DatasetError) as caught:
            read(path, image=image)
        assert caught.value.code == code
    write(tmp_path / "d" / "train.parquet", {"image": pictures, "label": labels})
    for other, code in ({"picture": pictures}, "H108"), ({"image": [*"wxyz"]}, "H117"):
        write(tmp_path / "d" / "validation.parquet", {**other, "label": labels})
        with pytest.raises(DatasetError) as caught:
            read(tmp_path / "d")
        assert caught.value.code == code
