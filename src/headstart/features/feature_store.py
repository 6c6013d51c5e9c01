"""Feature store: rows on disk, keyed by fingerprint, verified by checksum, crash-safe and shared by processes.

It is built on LMDB: if a writer is killed, the last complete transaction remains; readers never wait; and many processes
may write.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headstart.foundation.cache.cache_folder import disk_refused, private_folder
from headstart.foundation.cache.row_database import mark_used, shared_database

__all__ = ["Record", "Store", "mapped_array"]

_HEADER = struct.Struct("<If")  # checksum of everything after it, seconds


class Record(NamedTuple):
    """A value of the store, and the seconds that computing it took."""

    value: bytes
    seconds: float


class Store:
    """Values by space and digest. The space is the digest of everything that determines a value except the sample.

    Args:
        folder: Folder of the database. Objects with the same folder share one handle per process.

    Attributes:
        num_damaged: Number of values that failed their checksum, which are treated as missing, since creation.
        num_read: Number of values read since creation of this object.
        num_written: Number of values written since creation of this object.

    Example:
        >>> import tempfile
        >>> store = Store(Path(tempfile.mkdtemp()))
        >>> store.write("aa", [("bb", Record(b"row", 0.5))])
        >>> store.read("aa", ["bb", "cc"])
        [Record(value=b'row', seconds=0.5), None]
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num_damaged = 0
        self.num_read = 0
        self.num_written = 0
        self._used: set[str] = set()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = shared_database(os.path.realpath(folder))
        except OSError as error:
            raise disk_refused(folder, str(error)) from error

    def read(self, space: str, digests: Sequence[str]) -> list[Record | None]:
        """Return records in the order of ``digests``; None for a missing record or a wrong checksum."""
        records: list[Record | None] = [None] * len(digests)

        def keep(position: int, value: memoryview, seconds: float) -> None:
            records[position] = Record(bytes(value), seconds)

        self.visit(space, digests, keep)
        return records

    def visit(self, space: str, digests: Sequence[str], visitor: Callable[[int, memoryview, float], None]) -> None:
        """Call ``visitor`` with position, value and seconds of each record, without copying the value.

        The value is valid only until the visitor returns. Missing records and records with a wrong checksum are left out.
        """
        import lmdb

        self._mark_used(space)
        prefix = bytes.fromhex(space)
        try:
            with self._database.begin(buffers=True) as transaction:
                for position, digest in enumerate(digests):
                    entry = transaction.get(prefix + bytes.fromhex(digest))
                    if entry is not None and self._is_whole(entry):
                        self.num_read += 1
                        visitor(position, entry[_HEADER.size :], _HEADER.unpack_from(entry)[1])
        except lmdb.Error as error:
            raise disk_refused(self.folder, str(error)) from error

    def write(self, space: str, records: Iterable[tuple[str, Record]]) -> None:
        """Store all records in one transaction, so that either all are stored or none.

        Raises:
            StackError: The records cannot be written (H601).
        """
        import lmdb

        self._mark_used(space)
        prefix = bytes.fromhex(space)
        count = 0
        try:
            with self._database.begin(write=True) as transaction:
                for digest, record in records:
                    body = struct.pack("<f", record.seconds) + record.value
                    transaction.put(prefix + bytes.fromhex(digest), struct.pack("<I", zlib.crc32(body)) + body)
                    count += 1
        except lmdb.Error as error:
            raise disk_refused(self.folder, str(error)) from error
        self.num_written += count

    def _mark_used(self, space: str) -> None:
        if space not in self._used:
            self._used.add(space)
            mark_used(self.folder, space)

    def _is_whole(self, entry: memoryview) -> bool:
        if len(entry) < _HEADER.size or zlib.crc32(entry[4:]) != int.from_bytes(entry[:4], "little"):
            self.num_damaged += 1
            return False
        return True


def mapped_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Create an empty array that is mapped from a file in the cache folder. The file is deleted with the array.

    Raises:
        StackError: The file cannot be written (H601).
    """
    folder = private_folder("scratch")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:  # the mapping keeps it open
            if 0 in shape:
                return np.zeros(shape, dtype)
            if hasattr(os, "posix_fallocate"):  # otherwise, a full disk would kill the process when a page is written
                os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)) * dtype.itemsize)
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        raise disk_refused(folder, str(error)) from error
