"""A tree of plain values and arrays in one file, written atomically and verified by its digest."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from headstart.foundation.arrays import Array
from headstart.foundation.runs.file_reading import reading
from headstart.foundation.runs.files import replacing

__all__ = ["read_tree", "write_tree"]

_ARRAY = "array:"  # marks a leaf that is stored as an array of the archive
_DIGEST_CHARS = 64
_CHUNK_BYTES = 1 << 20


def write_tree(path: Path, tree: object) -> None:
    """Write dictionaries, lists, plain values and arrays as an ``.npz`` archive, atomically and without pickle.

    Numbers are restored with the same type and the same bits; tuples are restored as lists. The digest is stored as the
    comment of the archive, so that NumPy alone can open the file.

    Args:
        path: Path of the file.
        tree: The values. Keys are text that does not start with ``array:``.

    Raises:
        StackError: The file cannot be written (H601).
        TypeError: A value has a type that cannot be stored.
    """
    arrays: dict[str, Array] = {}
    text = json.dumps(_pack(tree, arrays), ensure_ascii=True)
    members: dict[str, Any] = {"tree": np.frombuffer(text.encode("ascii"), np.uint8), **arrays}
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, **members)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.comment = bytes(_DIGEST_CHARS)  # room at the end of the file
        digest = _digest(temporary)
        with temporary.open("rb+") as file:
            file.seek(-_DIGEST_CHARS, 2)
            file.write(digest)


def read_tree(path: Path) -> Any:
    """Read a file that ``write_tree`` wrote.

    Raises:
        RunError: The file is missing, damaged, or was not written by ``write_tree`` (H502).
    """
    with reading(path):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _DIGEST_CHARS))
            written = file.read()
        if _digest(path) != written:
            raise ValueError("its content does not match its digest")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _unpack(json.loads(arrays.pop("tree").tobytes()), arrays)


def _digest(path: Path) -> bytes:
    """SHA-256 of a file without its last characters, which contain the digest."""
    digest, left = hashlib.sha256(), max(0, path.stat().st_size - _DIGEST_CHARS)
    with path.open("rb") as file:
        while chunk := file.read(min(left, _CHUNK_BYTES)):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest().encode("ascii")


def _pack(value: object, arrays: dict[str, Array]) -> object:
    """Replace each array of a tree with a key, and collect the arrays by key."""
    if isinstance(value, dict):
        return {name: _pack(child, arrays) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(child, arrays) for child in value]
    if not isinstance(value, np.ndarray | np.generic):
        return value
    array, key = np.asarray(value), f"a{len(arrays)}"
    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype} cannot be written without pickle")
    kind = array.dtype.name
    if array.dtype.kind == "V":  # NumPy's format has no bfloat16 and the like: store bytes and type name
        array = array.view(f"u{array.dtype.itemsize}")
    arrays[key] = array
    return {f"{_ARRAY}{kind}": key, "is_scalar": isinstance(value, np.generic)}


def _unpack(value: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(value, list):
        return [_unpack(child, arrays) for child in value]
    if not isinstance(value, dict):
        return value
    mark = next((name for name in value if name.startswith(_ARRAY)), None)
    if mark is None:
        return {name: _unpack(child, arrays) for name, child in value.items()}
    array = arrays[value[mark]]
    kind = mark.removeprefix(_ARRAY)
    if array.dtype.name != kind:
        array = array.view(kind)
    return array[()] if value["is_scalar"] else array
