"""Archives of images: unpacked into the cache once, checked whenever they are used, and read like folders."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from headstart.data.dataset import Dataset
from headstart.data.readers.folders.archive_members import (
    ARCHIVES,
    bare_stem,
    bomb,
    entries_of,
    holds_images,
    reading_archive,
    total_bytes,
)
from headstart.data.readers.listing import entries_in
from headstart.data.skipped import Skipped
from headstart.foundation.cache.cache_folder import disk_refused
from headstart.foundation.cache.picture_folders import picture_folder
from headstart.foundation.errors import HeadstartError
from headstart.foundation.fingerprint import file_digest, file_digests

__all__ = ["archive_of", "read_unpacked"]

_FILES, _CONTENTS = "files", "contents.json"
_BLOCK_BYTES = 1 << 20
_RESERVE_BYTES = 512 << 20  # of the disk, which other programs may need
_NAME_ERRORS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)
_REPLACED = "a later file of the archive has the same name"


def archive_of(path: Path) -> Path | None:
    """The file itself if it is an archive of images, or the only file of a folder; None for other files and folders."""
    if path.is_dir():
        entries = entries_in(path, most=20)  # hidden files among them
        path = entries[0] if len(entries) == 1 else path
    is_archive = path.name.lower().endswith(ARCHIVES) and path.is_file() and holds_images(path)
    return path if is_archive else None


def read_unpacked(archive: Path, read: Callable[[Path], Dataset]) -> Dataset:
    """Read an archive of images by a function that reads folders.

    Paths of samples, of skipped files and in errors are those in the archive, so that they do not depend on the cache.

    Args:
        archive: Path of a zip or tar archive.
        read: Function from the folder of the unpacked files to a data set.

    Raises:
        DatasetError: The archive is damaged or encrypted (H135), has unsafe paths (H136), or unpacks to too much (H123).
        StackError: The disk is full, or the cache cannot be written (H601).
    """
    folder, left_out = _unpacked(archive)
    inside = os.path.join(folder, "")  # noqa: PTH118 - with a separator at the end

    def renamed(text: str) -> str:
        return text.replace(inside, f"{archive}/").replace(str(folder), str(archive))

    def name_of(path: str) -> str:
        return path.removeprefix(inside) if path.startswith(inside) else os.path.abspath(path)  # noqa: PTH100 - as text

    try:
        dataset = read(folder)
    except HeadstartError as error:
        texts = {name: renamed(getattr(error, name)) for name in ("received", "expected", "advice")}
        raise type(error)(error.code, error.title, **texts, exit_code=error.exit_code) from error
    skipped = [Skipped(path.removeprefix(inside), renamed(reason)) for path, reason in dataset.skipped]
    dataset = replace(
        dataset,
        name=bare_stem(archive),
        task_reason=renamed(dataset.task_reason),
        skipped=(*left_out, *skipped),
    )
    if dataset.table is not None or dataset.arrays is not None:
        return dataset
    return replace(dataset, paths=tuple(map(name_of, dataset.paths)), root=str(folder))


def _unpacked(archive: Path) -> tuple[Path, list[Skipped]]:
    """Folder of the unpacked files, and the files of the archive that are left out."""
    place = picture_folder(file_digest(archive)[:32])
    target = place / "unpacked"
    if (left_out := _left_out(target)) is None:
        left_out = _unpack(archive, place, target)
    return target / _FILES, left_out


def _left_out(target: Path) -> list[Skipped] | None:
    """Files that were left out when a folder was unpacked; None unless all others are there with the same contents."""
    try:
        contents: dict[str, Any] = json.loads((target / _CONTENTS).read_bytes())
    except (OSError, ValueError):
        return None
    files: dict[str, str] = contents["files"]
    num_found = sum(len(names) for _, _, names in os.walk(target / _FILES))
    if num_found != len(files) or file_digests(target / _FILES / name for name in files) != [*files.values()]:
        return None
    return [Skipped(*each) for each in contents["skipped"]]


def _unpack(archive: Path, place: Path, target: Path) -> list[Skipped]:
    """Unpack an archive beside ``target``, and move it there in one step."""
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=place))
    except OSError as error:
        raise disk_refused(place, error.strerror or str(error)) from error
    try:
        made = scratch / target.name
        _make_folder(made)
        files, left_out = _write_all(archive, made / _FILES)
        contents = {"files": files, "skipped": left_out}
        (made / _CONTENTS).write_text(json.dumps(contents), "ascii")
        if target.exists() and _left_out(target) is None:  # damaged, else another process has just unpacked the archive
            target.rename(scratch / "previous")
        if not target.exists():
            made.rename(target)
    except OSError as error:
        raise disk_refused(place, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return left_out


def _write_all(archive: Path, folder: Path) -> tuple[dict[str, str], list[Skipped]]:
    """Write the files of an archive below a folder; return the digest of each by its name, and those left out."""
    files, left_out = dict[str, str](), list[Skipped]()
    most, total = total_bytes(archive), 0
    free = shutil.disk_usage(folder.parent).free - _RESERVE_BYTES
    _make_folder(folder)
    for entry in entries_of(archive):
        if entry.reason:
            left_out.append(Skipped(entry.name, entry.reason))
            continue
        total += entry.num_bytes
        if total > most:
            raise bomb(archive, total)
        if total > free:
            reason = f"{max(free, 0):,} bytes are free for files of {archive.name}, which take {total:,} or more"
            raise disk_refused(folder, reason)
        if entry.name in files:
            left_out.append(Skipped(entry.name, _REPLACED))
        try:
            file = _created(folder / entry.name)
        except _NameError as error:
            left_out.append(Skipped(entry.name, f"cannot be unpacked: {error}"))
            continue
        with file:
            with reading_archive(archive):
                content = entry.open()
            files[entry.name] = _write(content, file, archive)
    return files, left_out


class _NameError(Exception):
    """No file can have this name here."""


def _created(path: Path) -> IO[bytes]:
    """Create a file that only its owner can read.

    Raises:
        _NameError: The name is too long or has a zero byte, or that of a file is that of a folder too.
        OSError: The disk does not take it.
    """
    try:
        _make_folder(path.parent)
        return open(path, "wb", opener=partial(os.open, mode=0o600))
    except ValueError as error:
        raise _NameError(str(error)) from error
    except OSError as error:
        if error.errno not in _NAME_ERRORS:
            raise
        raise _NameError((error.strerror or "a name that no file can have").lower()) from error


def _make_folder(folder: Path) -> None:
    """Make a folder, with those around it, that only its owner can read."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700)


def _write(content: IO[bytes], file: IO[bytes], archive: Path) -> str:
    """Write the content of a file in blocks; return its digest."""
    digest = hashlib.sha256()
    with content:
        while block := _read(content, archive):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _read(content: IO[bytes], archive: Path) -> bytes:
    with reading_archive(archive):
        return content.read(_BLOCK_BYTES)
