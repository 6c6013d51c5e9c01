"""Files in zip and tar archives, one after another, within bounds and without what could leave the folder they go to."""

from __future__ import annotations

import io
import lzma
import re
import shlex
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from headstart.data.readers.listing import HIDDEN, is_hidden, is_image_name
from headstart.data.tables.files.archives import COMPRESSED, MAGIC, limit_bytes, too_large
from headstart.foundation.errors import DatasetError
from headstart.foundation.text import printable

__all__ = ["ARCHIVES", "Entry", "bare_stem", "bomb", "entries_of", "holds_images", "reading_archive", "total_bytes"]

ARCHIVES = (".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz")
_NESTED = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|7z|rar)$|\.tar\.\w+$", re.IGNORECASE)
_MAX_MEMBERS = 5_000_000
_MAX_HEADER_BYTES = 1 << 24  # of what is read at once, which are headers: contents are read in blocks
_MAX_RATIO, _ALWAYS_BYTES = 50, 1 << 30  # unpacked over packed size of an archive, from _ALWAYS_BYTES on
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
)
_DRIVE = re.compile(r"[A-Za-z]:")


class Entry(NamedTuple):
    """A file in an archive.

    Attributes:
        name: Its path in the archive, with ``/`` between folders.
        num_bytes: Its size, unpacked.
        reason: Why it is left out; "" if it is not.
        open: Function that opens it; to be called before the next entry is asked for.
    """

    name: str
    num_bytes: int
    reason: str
    open: Callable[[], IO[bytes]]


def holds_images(path: Path) -> bool:
    """Whether a file is an archive with images: of a zip archive with tables, images have to be a third of the files."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/") and not _is_hidden(name)]
            return 0 < len(names) <= 3 * sum(map(is_image_name, names))
        return any(is_image_name(entry.name) and not _is_hidden(entry.name) for entry in _of_tar(path))
    except (DatasetError, *_DAMAGE):  # whoever reads it as a table reports it
        return False


def entries_of(path: Path) -> Iterator[Entry]:
    """Yield the files in an archive in their order.

    Links, devices, hidden files and archives within the archive have a reason why they are left out.

    Raises:
        DatasetError: A name leads out of the folder that the archive is unpacked into (H136), the archive is damaged or
            encrypted (H135), or it has too many files, or unpacks to too much (H123).
    """
    with reading_archive(path):
        for number, entry in enumerate(_of_zip(path) if zipfile.is_zipfile(path) else _of_tar(path), 1):
            if number > _MAX_MEMBERS:
                raise too_large(
                    f"{path}: more than {_MAX_MEMBERS:,} files", f"at most {_MAX_MEMBERS:,} files", _by_hand(path)
                )
            yield _checked(entry, path)


@contextmanager
def reading_archive(path: Path) -> Iterator[None]:
    """Turn errors of the libraries that read archives into errors for the user.

    Raises:
        DatasetError: The archive is damaged or encrypted (H135).
    """
    try:
        yield
    except _DAMAGE as error:
        raise _unreadable(path, (str(error).splitlines() or [type(error).__name__])[0]) from error


def total_bytes(path: Path) -> int:
    """Most bytes that an archive may unpack to."""
    return max(_ALWAYS_BYTES, _MAX_RATIO * path.stat().st_size)


def bare_stem(path: Path) -> str:
    """Name of an archive without its suffixes."""
    return re.sub(r"(\.tar)?\.\w+$", "", path.name, flags=re.IGNORECASE) or "images"


def _by_hand(path: Path) -> str:
    """Advice to unpack an archive without Headstart: a command that does it in a new folder, and fits that folder."""
    archive, folder = shlex.quote(str(path)), shlex.quote(bare_stem(path))
    unpack = f"unzip {archive} -d {folder}" if zipfile.is_zipfile(path) else f"tar -xf {archive} -C {folder}"
    return f"if you trust the archive, unpack it: mkdir {folder} && {unpack} && headstart fit {folder}"


def _of_zip(path: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            name = info.filename.replace("\\", "/")  # as some programs on Windows write
            if info.flag_bits & 1:
                raise _unreadable(path, f"{printable(name)} is encrypted")
            if info.file_size > limit_bytes(info.compress_size):
                received = f"{path}: {printable(name)}, {info.compress_size:,} bytes that unpack to {info.file_size:,}"
                raise too_large(received, "files of at most 200 times their packed size", _by_hand(path))
            is_link = info.external_attr >> 28 == 0xA  # the file type in the mode that Unix programs store
            yield Entry(name, info.file_size, "a link in the archive" if is_link else "", partial(archive.open, info))


def _of_tar(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        magic = file.read(6)
        suffix = next((suffix for start, suffix in MAGIC.items() if magic.startswith(start)), "")
        file.seek(0)
        content = COMPRESSED[suffix](file) if suffix else file
        limit = total_bytes(path) if suffix else sys.maxsize
        with tarfile.open(fileobj=_Bounded(content, limit, path), mode="r:") as archive:
            for member in archive:
                if not member.isdir():
                    reason = "" if member.isreg() else "a link or a device in the archive"
                    yield Entry(member.name, member.size, reason, partial(_opened, archive, member))


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise ValueError(f"{member.name} is not a file")
    return content


class _Bounded(io.RawIOBase):
    """The uncompressed bytes of a tar archive, up to a limit of all bytes and of those read at once."""

    def __init__(self, content: Any, limit: int, path: Path) -> None:
        super().__init__()
        self._content, self._limit, self._path = content, limit, path

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise ValueError(f"a header of {size:,} bytes")
        found: bytes = self._content.read(size)
        self._check()
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and offset > self._limit:
            self._content.seek(self._limit + 1)
            self._check()
        return int(self._content.seek(offset, whence))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._content.tell())

    def _check(self) -> None:
        if self._content.tell() > self._limit:
            raise bomb(self._path, self._limit)


def bomb(path: Path, num_bytes: int) -> DatasetError:
    """Create the error for an archive that unpacks to ``num_bytes`` or more (H123)."""
    received = f"{path}: {path.stat().st_size:,} bytes that unpack to {num_bytes:,} or more"
    return too_large(received, f"at most {_MAX_RATIO} times the packed size", _by_hand(path))


def _checked(entry: Entry, path: Path) -> Entry:
    """Normalize the name of an entry, and give the reason why it is left out."""
    parts = [part for part in entry.name.split("/") if part not in ("", ".")]
    if entry.name.startswith("/") or ".." in parts or not parts or _DRIVE.match(parts[0]):
        raise DatasetError(
            "H136",
            "unsafe path in the archive",
            received=f"{path}: {printable(entry.name)}",
            expected="paths below the folder that the archive is unpacked into: neither absolute nor with ..",
            advice=_by_hand(path),
        )
    reason = "an archive in the archive" if _NESTED.search(parts[-1]) else entry.reason
    return entry._replace(name="/".join(parts), reason=HIDDEN if any(map(is_hidden, parts)) else reason)


def _is_hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/") if part != ".")


def _unreadable(path: Path, why: str) -> DatasetError:
    return DatasetError(
        "H135",
        "the archive cannot be read",
        received=f"{path}: {printable(why)}",
        expected="a complete zip or tar archive without a password",
        advice=f"download it again, or {_by_hand(path)}",
    )
