"""Ground: the database file that rows are stored in, its lock, and what of it may be removed.

Beside the database lie a lock that each process holds while it uses the file, and for each space an empty file that is as
old as its last use. A space is a set of rows that were made by the same means: it is how their keys begin.
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

if TYPE_CHECKING:
    import lmdb

__all__ = ["USES", "drop_spaces", "exclusive", "mark_used", "shared_database", "space_sizes"]

USES = "uses"
_LOCK = "in-use"
_COPY = ".copy-"
_SPACE_BYTES = 32  # of a key; the digest of the sample follows
# Address space that is reserved and not memory; the file grows as rows come. Windows would allocate it on disk.
_MAP_BYTES = (1 << 33) if sys.platform == "win32" else (1 << 38)


@cache  # LMDB forbids a second handle on one database in one process
def shared_database(folder: str) -> lmdb.Environment:
    """The database of a folder, which other processes use too; it stays open, and locked, until this process ends.

    Raises:
        StackError: The disk refuses (H601).
    """
    _lock(Path(folder), wait=True)
    return _open(folder)


def mark_used(folder: Path, space: str) -> None:
    """Note that a space is used now."""
    with contextlib.suppress(OSError):  # a space that cannot be marked is removed sooner, and nothing else
        (folder / USES).mkdir(mode=0o700, exist_ok=True)
        (folder / USES / space).touch(mode=0o600)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Whether no process uses the database in ``folder``; none can begin to until the context ends."""
    lock = _lock(folder, wait=False)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def space_sizes(rows: Path) -> dict[str, int]:
    """Bytes of each space of stored rows."""
    sizes: dict[str, int] = {}
    with contextlib.closing(_open(str(rows))) as database, database.begin(buffers=True) as transaction:
        for key, value in transaction.cursor():
            space = bytes(key[:_SPACE_BYTES]).hex()
            sizes[space] = sizes.get(space, 0) + len(key) + len(value)
    return sizes


def drop_spaces(rows: Path, spaces: Sequence[str]) -> None:
    """Delete these spaces, and give the room back by a compact copy that takes the database's place in one step."""
    import lmdb

    for leftover in rows.glob(f"{_COPY}*"):  # of a process that was killed here
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


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Take the lock of a database: shared, waiting for it, or alone, if nobody has it. None where it cannot be had.

    Windows has no such lock: nobody can tell there that a database is not in use.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, or a file system without locks
        os.close(lock)
        return None
    return lock


def _open(folder: str) -> lmdb.Environment:
    """Open the database of a store; one that cannot be read is set aside, and begun anew.

    Raises:
        StackError: The disk refuses (H601).
    """
    import lmdb

    settings: dict[str, Any] = {"map_size": _MAP_BYTES, "metasync": False, "max_readers": 512, "readahead": False}
    settings["mode"] = 0o600  # rows tell of private pictures
    try:
        return _whole(lmdb.open(folder, **settings))
    except lmdb.Error as error:
        unreadable = (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError)
        if not isinstance(error, unreadable) and type(error) is not lmdb.Error:  # a format of another age has no class
            raise disk_refused(Path(folder), str(error)) from error
        # A cache that cannot be read is worth nothing: it is set aside, never deleted, and begun anew.
        damaged = Path(folder) / "data.mdb"
        damaged.replace(damaged.with_name(f"data.damaged-{os.getpid()}.mdb"))
        return lmdb.open(folder, **settings)


def _whole(database: lmdb.Environment) -> lmdb.Environment:
    """Refuse a file that is shorter than it says: reading past its end would kill the process."""
    import lmdb

    needed = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
    file = Path(database.path()) / "data.mdb"
    if file.stat().st_size < needed:
        database.close()
        raise lmdb.CorruptedError(f"{file} is cut short")
    return database
