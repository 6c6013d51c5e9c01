"""Contents of the cache: size and age, pruning to the size limit, and clearing by kind."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from headstart.foundation.cache.cache_folder import cache_folder, check_private, disk_refused
from headstart.foundation.cache.picture_folders import PICTURES, USED, remove_unused, unused_folders
from headstart.foundation.cache.row_database import USES, drop_spaces, exclusive, space_sizes
from headstart.foundation.errors import StackError

__all__ = ["BOUND_VARIABLE", "KINDS", "Kind", "Part", "bound_bytes", "clear", "parts", "prune", "prune_at_first_use"]

BOUND_VARIABLE = "HEADSTART_CACHE_GB"
_BOUND_GB = 20.0
_PRUNED_TO = 0.9  # of the limit, so that the next run does not start by pruning again
_GONE = ".gone-"
_DAY_SECONDS = 86400.0


class Kind(NamedTuple):
    """A kind of cache content.

    Attributes:
        folder: Name of its folder in the cache.
        meaning: Short description for the user.
        is_pruned: Whether it counts towards the size limit and is removed when least recently used. Defaults to False.
    """

    folder: str
    meaning: str
    is_pruned: bool = False


KINDS: dict[str, Kind] = {
    "rows": Kind("features", "rows of Part A, with facts about each image", is_pruned=True),
    "squares": Kind("squares", "decoded images of ImageGenerator", is_pruned=True),
    "graphs": Kind("graphs", "networks converted for OpenVINO", is_pruned=True),
    "pictures": Kind(PICTURES, "images from archives and Parquet files", is_pruned=True),
    "keras": Kind("keras", "Keras settings and downloaded weights"),
    "matplotlib": Kind("matplotlib", "matplotlib's font list"),
    "notes": Kind("notes", "measured speed of this machine"),
    "scratch": Kind("scratch", "rows in use by running processes"),
}


class Part(NamedTuple):
    """Size and age of one kind of content on disk.

    Attributes:
        kind: A key of ``KINDS``.
        num_bytes: Total size.
        num_files: Number of files.
        first_used: Last use of the least recently used item, in seconds since 1970.
        last_used: Last use of the most recently used item, in seconds since 1970.
    """

    kind: str
    num_bytes: int
    num_files: int
    first_used: float
    last_used: float


class _Item(NamedTuple):
    """An item that can be removed on its own: time of last use, size, and the function that removes it."""

    used: float
    num_bytes: int
    remove: Callable[[], None]


def bound_bytes() -> int:
    """Size limit in bytes for rows, squares, graphs and pictures: ``HEADSTART_CACHE_GB`` times 10^9. Defaults to 20 GB.

    Raises:
        StackError: The variable is not a finite number of at least 0 (H604).
    """
    text = os.environ.get(BOUND_VARIABLE) or str(_BOUND_GB)
    try:
        bound = float(text)
        if not 0 <= bound < float("inf"):
            raise ValueError
    except ValueError as error:
        raise StackError(
            "H604",
            "invalid cache size limit",
            received=f"{BOUND_VARIABLE}={text}",
            expected="a number of gigabytes, 0 or more",
            advice=f"{BOUND_VARIABLE}={_BOUND_GB:g}, which is the default",
        ) from error
    return int(bound * 1e9)


def parts() -> list[Part]:
    """Size and age of each kind of content that is present, in the order of ``KINDS``."""
    present = []
    for kind, row in KINDS.items():
        entries = list(_files(cache_folder() / row.folder))
        if entries:
            marks = [info.st_mtime for path, info in entries if path.parent.name == USES or path.name == USED]
            used = marks or [info.st_mtime for _, info in entries]
            present.append(Part(kind, sum(info.st_size for _, info in entries), len(entries), min(used), max(used)))
    return present


@cache
def prune_at_first_use(_root: Path) -> None:
    """Call ``prune`` once per process and cache folder."""
    prune()


def prune() -> int:
    """Remove the least recently used rows, squares, graphs and pictures until they fit the size limit, with a warning.

    Rows and pictures are removed only while no other process uses them, so that a run never loses what it is training on.
    On Windows they are not pruned.

    Returns:
        Number of bytes removed.

    Raises:
        StackError: The size limit is invalid (H604), the cache is not private (H603), or writing to disk failed (H601).
    """
    bound = bound_bytes()
    _sweep()
    before = _pruned_bytes()
    if before <= bound:
        return 0
    rows = cache_folder() / KINDS["rows"].folder
    chosen: list[str] = []
    with exclusive(rows) if rows.is_dir() else contextlib.nullcontext(False) as is_unused:
        excess = before - int(_PRUNED_TO * bound)
        for item in sorted(_items(rows if is_unused else None, chosen), key=lambda item: item.used):
            if excess <= 0:
                break
            item.remove()
            excess -= item.num_bytes
        if is_unused:
            drop_spaces(rows, chosen)
    removed = before - _pruned_bytes()
    if removed > 0:
        warnings.warn(
            f"removed {removed / 1e6:,.0f} MB from the cache, least recently used first, to keep it within "
            f"{bound / 1e9:g} GB ({BOUND_VARIABLE})",
            stacklevel=2,
        )
    return removed


def clear(kinds: Sequence[str]) -> int:
    """Remove whole kinds of content, each in one step; running processes keep the files that they have open.

    Args:
        kinds: Keys of ``KINDS``, or ``all``.

    Returns:
        Number of bytes removed.

    Raises:
        StackError: A kind is unknown (H605), the cache is not private (H603), or writing to disk failed (H601).
    """
    unknown = [kind for kind in kinds if kind not in (*KINDS, "all")]
    if unknown:
        raise StackError(
            "H605",
            "unknown kind of cache content",
            received=", ".join(unknown),
            expected=f"{', '.join(KINDS)} or all",
            advice="list the contents: headstart cache",
        )
    _sweep()
    chosen = KINDS if "all" in kinds else dict.fromkeys(kinds)
    removed = sum(part.num_bytes for part in parts() if part.kind in chosen)
    for kind in chosen:
        folder = cache_folder() / KINDS[kind].folder
        try:
            folder.rename(folder.with_name(f"{_GONE}{kind}-{os.getpid()}-{time.time_ns()}"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise disk_refused(folder, error.strerror or str(error)) from error
    _sweep()
    return removed


def _sweep() -> None:
    """Remove leftovers of killed processes, after checking that the cache is private."""
    if (root := cache_folder()).exists():
        check_private(root)
        for leftover in (*root.glob(f"{_GONE}*"), *root.glob(f"*/{_GONE}*"), *_unfinished(root)):
            shutil.rmtree(leftover, ignore_errors=True)


def _unfinished(root: Path) -> Iterator[Path]:
    return filter(_is_of_yesterday, (*root.glob("*/.writing-*"), *root.glob(f"{PICTURES}/*/.writing-*")))


def _is_of_yesterday(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - _DAY_SECONDS
    except FileNotFoundError:  # the process that was writing it has finished
        return False


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every file below a folder, except files that another process removes meanwhile."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(FileNotFoundError):
                yield path, path.lstat()


def _pruned_bytes() -> int:
    return sum(part.num_bytes for part in parts() if KINDS[part.kind].is_pruned)


def _items(rows: Path | None, chosen: list[str]) -> Iterable[_Item]:
    """Yield what can be removed: squares, graphs with all their files, folders of pictures, and spaces of rows.

    Removing a space only adds its name to ``chosen``. An unreadable database that was set aside is removed like a square.
    """
    set_aside = (
        found for found in _files(cache_folder() / KINDS["rows"].folder) if found[0].name.startswith("data.damaged-")
    )
    for path, info in (*_files(cache_folder() / KINDS["squares"].folder), *set_aside):
        yield _Item(info.st_mtime, info.st_size, partial(path.unlink, missing_ok=True))
    graphs: dict[str, list[tuple[Path, os.stat_result]]] = {}
    for path, info in _files(cache_folder() / KINDS["graphs"].folder):
        graphs.setdefault(path.stem, []).append((path, info))
    for files in graphs.values():
        used, num_bytes = max(info.st_mtime for _, info in files), sum(info.st_size for _, info in files)
        yield _Item(used, num_bytes, partial(_unlink, [path for path, _ in files]))
    for folder, used, num_bytes in unused_folders(cache_folder() / PICTURES):
        yield _Item(used, num_bytes, partial(remove_unused, folder))
    if rows is not None:
        for space, num_bytes in space_sizes(rows).items():
            mark = rows / USES / space
            yield _Item(mark.stat().st_mtime if mark.exists() else 0.0, num_bytes, partial(chosen.append, space))


def _unlink(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
