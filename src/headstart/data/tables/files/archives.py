"""Unpacking of compressed files and archives in memory, bounded against files that were made to exhaust it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

from headstart.foundation.errors import DatasetError
from headstart.foundation.text import printable

__all__ = [
    "COMPRESSED",
    "MAGIC",
    "Member",
    "bare_name",
    "check_zip",
    "limit_bytes",
    "members",
    "too_large",
    "uncompressed",
]

_MAX_BYTES = 4 << 30  # of what is unpacked
_MAX_RATIO = 200  # unpacked over packed size, from _ALWAYS_BYTES on; tables of text are packed 3 to 30 times
_ALWAYS_BYTES = 64 << 20
_MAX_MEMBERS = 10_000
_BLOCK_BYTES = 1 << 20

COMPRESSED: dict[str, Callable[[IO[bytes]], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\0": ".xz"}  # first bytes of such files


class Member(NamedTuple):
    """A file in a zip archive.

    Attributes:
        name: Its path in the archive.
        read: Function that returns its bytes.
    """

    name: str
    read: Callable[[], bytes]


def bare_name(name: str) -> str:
    """Name of a file without the suffix of its compression.

    Example:
        >>> bare_name("pay.csv.gz"), bare_name("pay.csv")
        ('pay.csv', 'pay.csv')
    """
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in COMPRESSED else name


def uncompressed(content: bytes, suffix: str, name: str) -> bytes:
    """Uncompress the bytes of a file.

    Args:
        content: The compressed bytes.
        suffix: A key of ``COMPRESSED``.
        name: Name of the file in messages.

    Raises:
        DatasetError: The file is damaged (H107), or unpacks to too much (H123).
    """
    try:
        with COMPRESSED[suffix](io.BytesIO(content)) as file:
            return _bounded(file, len(content), name)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise _damaged(name, error) from error


def members(content: bytes, name: str) -> list[Member]:
    """List the files in a zip archive, without folders, hidden files and those that macOS adds; none is unpacked yet.

    Raises:
        DatasetError: The archive is damaged (H107), or has too many files (H123).
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(name, error) from error
    if len(entries) > _MAX_MEMBERS:
        raise too_large(f"{printable(name)}: {len(entries)} files", f"at most {_MAX_MEMBERS} files")
    return [
        Member(entry.filename, partial(_unpacked, archive, entry, name))
        for entry in entries
        if not entry.is_dir() and not any(part.startswith((".", "__MACOSX")) for part in entry.filename.split("/"))
    ]


def check_zip(content: bytes, name: str) -> None:
    """Reject a file that is a zip archive inside, such as a spreadsheet, if it unpacks to too much.

    Raises:
        DatasetError: The archive is damaged (H107), or unpacks to too much (H123).
    """
    try:
        size = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(content)).infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(name, error) from error
    if size > limit_bytes(len(content)):
        raise _bomb(name, len(content), size)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    inner = f"{name}/{entry.filename}"
    if entry.flag_bits & 1:
        raise DatasetError(
            "H107",
            "the table cannot be read",
            received=f"{printable(inner)}, which is encrypted",
            expected="an archive without a password",
            advice=f"unpack it, and give the path of the file: unzip {printable(PurePosixPath(name).name)}",
        )
    try:
        with archive.open(entry) as file:
            return _bounded(file, entry.compress_size, inner)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, NotImplementedError) as error:
        raise _damaged(inner, error) from error


def _bounded(file: IO[bytes], packed: int, name: str) -> bytes:
    limit, blocks, size = limit_bytes(packed), [], 0
    while block := file.read(_BLOCK_BYTES):
        blocks.append(block)
        size += len(block)
        if size > limit:
            blocks.clear()
            raise _bomb(name, packed, size)
    return b"".join(blocks)


def limit_bytes(packed: int) -> int:
    """Most bytes that ``packed`` bytes may unpack to."""
    return max(_ALWAYS_BYTES, min(_MAX_RATIO * packed, _MAX_BYTES))


def _bomb(name: str, packed: int, size: int) -> DatasetError:
    received = f"{printable(name)}: {packed:,} bytes that unpack to {size:,} or more"
    return too_large(received, f"at most {_MAX_RATIO} times the packed size, and {_MAX_BYTES >> 30} GiB")


def too_large(received: str, expected: str, advice: str = "") -> DatasetError:
    """Create the error for an archive that could fill memory or disk (H123).

    Args:
        received: The archive and its size.
        expected: The bound.
        advice: What to do. Defaults to unpacking it and giving the path of the table.
    """
    return DatasetError(
        "H123",
        "the archive unpacks to too much",
        received=received,
        expected=expected,
        advice=advice or "if you trust it, unpack it yourself, and give the path of the table inside",
    )


def _damaged(name: str, error: Exception) -> DatasetError:
    return DatasetError(
        "H107",
        "the table cannot be read",
        received=f"{printable(name)}: {(str(error).splitlines() or [type(error).__name__])[0]}",
        expected="a complete file",
        advice="download or pack it again, then run the command again",
    )
