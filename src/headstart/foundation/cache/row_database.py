"""The LMDB database that stores rows, its lock file, and removal of rows from it.

A space is a set of rows that were computed in the same way; their keys share a prefix. Next to the database are a lock
file, which each process holds while it uses the database, and an empty file per space whose modification time is the
space's last use.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.foundation.cache.cache_folder import disk_refused
from headstart.foundation.cache.file_locks import lock_file

if TYPE_CHECKING:
    import lmdb

__all__ = ["USES", "drop_spaces", "exclusive", "mark_used", "shared_database", "space_sizes"]

USES = "uses"
_LOCK = "in-use"
_COPY = ".copy-"
_SPACE_BYTES = 32  # length of the key prefix; the digest of the sample follows
# Reserved address space, not memory: the file grows as rows are added. Windows would allocate all of it on disk.
_MAP_BYTES = (1 << 33) if sys.platform == "win32" else (1 << 38)


@cache  # LMDB forbids a second handle on one database in one process
def shared_database(folder: str) -> lmdb.Environment:
    """Open the database of a folder, shared with other processes; it stays open and locked until this process ends.

    Raises:
        StackError: The database cannot be opened or written (H601).
    """
    lock_file(Path(folder) / _LOCK, wait=True)
    return _open(folder)


def mark_used(folder: Path, space: str) -> None:
    """Record that a space is being used now."""
    with contextlib.suppress(OSError):  # the only consequence of a missing mark is that the space is pruned sooner
        (folder / USES).mkdir(mode=0o700, exist_ok=True)
        (folder / USES / space).touch(mode=0o600)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Try to lock the database in ``folder`` exclusively; yield whether that succeeded.

    If it did, no other process uses the database, and none can start to until the context ends.
    """
    lock = lock_file(Path(folder) / _LOCK, wait=False)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def space_sizes(rows: Path) -> dict[str, int]:
    """Total bytes of keys and rows in each space."""
    sizes: dict[str, int] = {}
    with contextlib.closing(_open(str(rows))) as database, database.begin(buffers=True) as transaction:
        for key, value in transaction.cursor():
            space = bytes(key[:_SPACE_BYTES]).hex()
            sizes[space] = sizes.get(space, 0) + len(key) + len(value)
    return sizes


def drop_spaces(rows: Path, spaces: Sequence[str]) -> None:
    """Delete spaces, then free their disk space by replacing the database with a compacted copy in one step."""
    import lmdb

    for leftover in rows.glob(f"{_COPY}*"):  # left by a process that was killed in this function
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=_COPY, dir=rows) as scratch:
            with contextlib.closing(_open(str(rows))) as database:
                for space in spaces:
                    _delete(database, bytes.fromhex(space))
                database.copy(scratch, compact=True)
            copy = Path(scratch) / "data.mdb"
            copy.chmod(0o600)
            copy.replace(rows / "data.mdb")
    except (OSError, lmdb.Error) as error:
        raise disk_refused(rows, str(error)) from error
    for space in spaces:
        (rows / USES / space).unlink(missing_ok=True)


def _delete(database: lmdb.Environment, space: bytes) -> None:
    with database.begin(write=True) as transaction:
        cursor = transaction.cursor()
        there = cursor.set_range(space)
        while there and cursor.key().startswith(space):
            there = cursor.delete()


def _open(folder: str) -> lmdb.Environment:
    """Open the database of a folder; an unreadable one is set aside and replaced by an empty one.

    Raises:
        StackError: The database cannot be opened or written (H601).
    """
    import lmdb

    settings: dict[str, Any] = {"map_size": _MAP_BYTES, "metasync": False, "max_readers": 512, "readahead": False}
    settings["mode"] = 0o600  # rows reveal private images
    try:
        return _whole(lmdb.open(folder, **settings))
    except lmdb.Error as error:
        unreadable = (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError)
        if not isinstance(error, unreadable) and type(error) is not lmdb.Error:  # an outdated format has no class of its own
            raise disk_refused(Path(folder), str(error)) from error
        # An unreadable cache is useless, but it is set aside rather than deleted.
        damaged = Path(folder) / "data.mdb"
        damaged.replace(damaged.with_name(f"data.damaged-{os.getpid()}.mdb"))
        return lmdb.open(folder, **settings)


def _whole(database: lmdb.Environment) -> lmdb.Environment:
    """Reject a truncated file: reading past its end would kill the process."""
    import lmdb

    needed = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
    file = Path(database.path()) / "data.mdb"
    if file.stat().st_size < needed:
        database.close()
        raise lmdb.CorruptedError(f"{file} is truncated")
    return database
