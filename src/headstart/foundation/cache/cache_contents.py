"""Ground: what the cache holds: its size and age, what is removed to keep it within its bound, and clearing by name."""

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
from headstart.foundation.cache.row_database import USES, drop_spaces, exclusive, space_sizes
from headstart.foundation.errors import StackError

__all__ = ["BOUND_VARIABLE", "KINDS", "Kind", "Part", "bound_bytes", "clear", "parts", "prune", "prune_at_first_use"]

BOUND_VARIABLE = "HEADSTART_CACHE_GB"
_BOUND_GB = 20.0
_PRUNED_TO = 0.9  # of the bound, so that the next run does not begin by pruning again
_GONE = ".gone-"
_DAY_SECONDS = 86400.0


class Kind(NamedTuple):
    """A kind of content of the cache.

    Attributes:
        folder: Name of its folder in the cache.
        meaning: What it is, for a person.
        is_pruned: Whether it counts towards the bound and is removed by last use.
    """

    folder: str
    meaning: str
    is_pruned: bool = False


KINDS: dict[str, Kind] = {
    "rows": Kind("features", "rows of Part A, and what was seen of each image", is_pruned=True),
    "squares": Kind("squares", "decoded images of ImageGenerator", is_pruned=True),
    "graphs": Kind("graphs", "networks converted for OpenVINO", is_pruned=True),
    "keras": Kind("keras", "settings of Keras and the weights it downloaded"),
    "matplotlib": Kind("matplotlib", "matplotlib's list of fonts"),
    "notes": Kind("notes", "how fast this machine is"),
    "scratch": Kind("scratch", "rows in use by running processes"),
}


class Part(NamedTuple):
    """One kind of content as it is on disk.

    Attributes:
        kind: A key of ``KINDS``.
        num_bytes: Its size.
        num_files: How many files it is.
        first_used: When that which was not used for the longest time was last used, in seconds since 1970.
        last_used: When anything of it was last used.
    """

    kind: str
    num_bytes: int
    num_files: int
    first_used: float
    last_used: float


class _Item(NamedTuple):
    """Something that can be removed by itself: when it was last used, its size, and how it is removed."""

    used: float
    num_bytes: int
    remove: Callable[[], None]


def bound_bytes() -> int:
    """The size that rows, squares and graphs are kept within: ``HEADSTART_CACHE_GB`` times 10^9, 20 GB if it is not set.

    Raises:
        StackError: The variable is no number of 0 or more (H604).
    """
    text = os.environ.get(BOUND_VARIABLE) or str(_BOUND_GB)
    try:
        bound = float(text)
        if not 0 <= bound < float("inf"):
            raise ValueError
    except ValueError as error:
        raise StackError(
            "H604",
            "the bound of the cache cannot be read",
            received=f"{BOUND_VARIABLE}={text}",
            expected="a number of gigabytes, 0 or more",
            advice=f"{BOUND_VARIABLE}={_BOUND_GB:g}, which is what holds without it",
        ) from error
    return int(bound * 1e9)


def parts() -> list[Part]:
    """Size and age of each kind of content that is there, in the order of ``KINDS``."""
    found = []
    for kind, row in KINDS.items():
        entries = list(_files(cache_folder() / row.folder))
        if entries:
            marks = [info.st_mtime for path, info in entries if path.parent.name == USES]
            used = marks or [info.st_mtime for _, info in entries]
            found.append(Part(kind, sum(info.st_size for _, info in entries), len(entries), min(used), max(used)))
    return found


@cache
def prune_at_first_use(_root: Path) -> None:
    """Prune the cache once in the life of this process; see ``prune``."""
    prune()


def prune() -> int:
    """Remove what was least recently used until rows, squares and graphs are within their bound; warn if anything was.

    Rows are removed only while no other process uses them, so that a run never loses those it is learning from; on Windows
    they are not pruned at all.

    Returns:
        How many bytes were removed.

    Raises:
        StackError: The bound cannot be read (H604), the cache is not private (H603) or the disk refuses (H601).
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
            f"{removed / 1e6:,.0f} MB of the cache were removed, the least recently used first, to keep it within "
            f"{bound / 1e9:g} GB ({BOUND_VARIABLE})",
            stacklevel=2,
        )
    return removed


def clear(kinds: Sequence[str]) -> int:
    """Remove kinds of content as a whole, in one step each; running processes go on with what they have open.

    Args:
        kinds: Keys of ``KINDS``, or ``all``.

    Returns:
        How many bytes were removed.

    Raises:
        StackError: There is no such kind (H605), the cache is not private (H603) or the disk refuses (H601).
    """
    unknown = [kind for kind in kinds if kind not in (*KINDS, "all")]
    if unknown:
        raise StackError(
            "H605",
            "the cache has no such content",
            received=", ".join(unknown),
            expected=f"{', '.join(KINDS)} or all",
            advice="see what is there: headstart cache",
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
    """Remove what killed processes left behind, in a cache that is the user's alone."""
    if (root := cache_folder()).exists():
        check_private(root)
        for leftover in (*root.glob(f"{_GONE}*"), *filter(_is_of_yesterday, root.glob("*/.writing-*"))):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_of_yesterday(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - _DAY_SECONDS
    except FileNotFoundError:  # whoever was writing it is done
        return False


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below a folder; those that another process removes meanwhile are left out."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(FileNotFoundError):
                yield path, path.lstat()


def _pruned_bytes() -> int:
    return sum(part.num_bytes for part in parts() if KINDS[part.kind].is_pruned)


def _items(rows: Path | None, chosen: list[str]) -> Iterable[_Item]:
    """What can be removed: squares, graphs with all their files, and spaces of rows, which are noted in ``chosen``.

    A database that was set aside because it could not be read is removed like a square.
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
    if rows is not None:
        for space, num_bytes in space_sizes(rows).items():
            mark = rows / USES / space
            yield _Item(mark.stat().st_mtime if mark.exists() else 0.0, num_bytes, partial(chosen.append, space))


def _unlink(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
