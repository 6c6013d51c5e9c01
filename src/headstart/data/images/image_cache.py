"""Data: decoded squares kept on disk, one small file a picture, checked by checksum, shared by processes.

A file holds the square's bytes and their CRC-32, is readable by its owner alone, and is as old as its last use, by the
day. Its name is the content digest of the picture; its folder is that of
everything else that made the pixels: geometry, the code that decodes, and the versions of Pillow and NumPy.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.images import preprocess as pixels
from headstart.foundation.fingerprint import file_digest, settings_digest

__all__ = ["Squares"]

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_CHECKSUM_BYTES = 4
_DAY_SECONDS = 86400.0


class Squares:
    """The squares of one geometry.

    Args:
        folder: Where the folders of all geometries lie.
        geometry: Fields of ``pixels.Settings``.
    """

    def __init__(self, folder: str | os.PathLike[str], geometry: dict[str, Any]) -> None:
        from importlib.metadata import version  # slow to import, and most workers keep no squares

        made_by = {"pixels": file_digest(pixels.__file__), "pillow": version("pillow"), "numpy": version("numpy")}
        self.folder = Path(folder) / settings_digest(kind="squares", **geometry, **made_by)[:32]
        self._shape = (geometry["size"], geometry["size"], 3)

    def read(self, digest: str) -> Pixels | None:
        """The square of a picture; None if it is not there, or is damaged."""
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
        """Keep a square. A disk that refuses costs time later and nothing else, so it is no error."""
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
