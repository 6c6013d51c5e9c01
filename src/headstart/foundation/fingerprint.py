"""Stable SHA-256 digests of files, arrays and settings, which serve as keys of all caches."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["array_digest", "bytes_digest", "file_digest", "file_digests", "settings_digest"]

_CHUNK_BYTES = 1 << 20


def bytes_digest(data: bytes) -> str:
    """SHA-256 of a byte string, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, in hexadecimal; the file is read in chunks of 1 MiB.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def file_digests(paths: Iterable[str | os.PathLike[str]]) -> list[str | OSError]:
    """Digests of many files, in the order given; an unreadable file yields its error instead of a digest."""

    def digest(path: str | os.PathLike[str]) -> str | OSError:
        try:
            return file_digest(path)
        except OSError as error:
            return error

    with ThreadPoolExecutor(max_workers=4) as pool:  # hashing and reading both release the interpreter lock
        return list(pool.map(digest, paths))


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """SHA-256 of an array's dtype, shape and values.

    Raises:
        TypeError: The array holds Python objects: their bytes are memory addresses, not content.
    """
    if array.dtype.hasobject:
        raise TypeError(f"cannot compute a digest of an array of dtype {array.dtype}")
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def settings_digest(**settings: object) -> str:
    """SHA-256 of named settings, independent of their order.

    Raises:
        TypeError: A value is not JSON-serialisable, so that nothing can safely be cached under it.

    Example:
        >>> settings_digest(size=224, pooling="avg") == settings_digest(pooling="avg", size=224)
        True
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return bytes_digest(text.encode("ascii"))
