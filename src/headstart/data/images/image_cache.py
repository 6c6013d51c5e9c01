"""Cache of decoded squares on disk: one small file per image, verified by checksum and shared by processes.

A file holds the bytes of the square and their CRC-32. Only its owner can read it, and its modification time is the day of
its last use. Its name is the digest of the image's content. The name of its folder is a digest of everything else that
affects the pixels: geometry, decoding code, and the versions of Pillow and NumPy.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.images import preprocess
from headstart.foundation.fingerprint import file_digest, settings_digest

__all__ = ["Squares"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_CHECKSUM_BYTES = 4
_DAY_SECONDS = 86400.0


class Squares:
    """Cached squares of one geometry.

    Args:
        folder: Parent folder of the folders of all geometries.
        geometry: Fields of ``preprocess.Settings``.
    """

    def __init__(self, folder: str | os.PathLike[str], geometry: dict[str, Any]) -> None:
        from importlib.metadata import version  # slow to import, and most workers use no cache

        made_by = {"pixels": file_digest(preprocess.__file__), "pillow": version("pillow"), "numpy": version("numpy")}
        self.folder = Path(folder) / settings_digest(kind="squares", **geometry, **made_by)[:32]
        self._shape = (geometry["size"], geometry["size"], 3)

    def read(self, digest: str) -> Pixels | None:
        """Read the square of an image; None if it is not cached or is damaged."""
        try:
            path = self._path(digest)
            data = path.read_bytes()
            if time.time() - path.stat().st_mtime > _DAY_SECONDS:
                os.utime(path)
        except OSError:
            return None
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if len(body) != np.prod(self._shape) or zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little") != checksum:
            return None
        return np.frombuffer(body, np.uint8).reshape(self._shape)

    def write(self, digest: str, square: Pixels) -> None:
        """Store a square. Errors of the disk are ignored: they only mean that the image is decoded again."""
        path = self._path(digest)
        body = square.tobytes()
        temporary = path.with_name(f".{digest}-{os.getpid()}")
        try:
            for folder in (self.folder, path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
                file.write(body + zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little"))
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest
