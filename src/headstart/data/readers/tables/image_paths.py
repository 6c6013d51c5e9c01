"""Find the files that the cells of a column name: relative to which folder, with which suffix, from whose machine."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from headstart.data.readers.listing import folders_in
from headstart.data.readers.split_names import split_named

__all__ = ["PathRule", "confused", "find_rule", "is_file", "places_to_look"]

_MOST_PLACES = 200
_DEPTH = 3  # levels of folders below the table's
_TRIED = 5  # cells without a file after which a rule is given up
_IMAGES = re.compile(r"images|imgs|photos|pictures", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_UPLOADED = re.compile(r"(^|/)[0-9a-f]{8}-(?=[^/]+$)")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class PathRule(NamedTuple):
    """How the cells of a column become paths.

    Attributes:
        place: Folder that the paths are relative to.
        num_parts: How many of the last parts of a path are kept, for paths of another machine. Defaults to 0: all.
        suffix: What is appended, for ids. Defaults to none.
    """

    place: Path
    num_parts: int = 0
    suffix: str = ""

    def path(self, cell: str) -> str:
        """Path of the file that a cell names, in either Unicode form; if there is none, of where it should be."""
        paths = self._paths(cell)
        return next(filter(is_file, paths), paths[0])

    def finds(self, cell: str) -> bool:
        """Whether the file that a cell names exists."""
        return bool(cell) and any(map(is_file, self._paths(cell)))

    def _paths(self, cell: str) -> list[str]:
        text = "/".join(_parts(cell)[-self.num_parts :]) if self.num_parts else _without_address(cell)
        return [str(self.place / (form + self.suffix)) for form in dict.fromkeys((text, *_forms(text)))]


def find_rule(
    cells: Sequence[str],
    places: Sequence[Path],
    name: str = "",
    *,
    are_ids: bool = False,
    column: Callable[[], Iterable[str]] | None = None,
) -> PathRule | None:
    """Find the rule by which most cells name existing files; None if it is fewer than half of them, or not every id.

    If several folders have equally many of the files, the one named like the table is chosen, and otherwise the first. Of
    another machine's paths, as many parts are kept as are needed to tell the files apart.

    Args:
        cells: Some cells of a column.
        places: Folders that paths may be relative to, the most likely first.
        name: Name of the table, such as ``train`` for train.csv. Defaults to none.
        are_ids: Whether the cells are taken for ids, which lack the suffix of their files. Defaults to False: for paths.
        column: Function that returns all cells of the column, if ``cells`` are only some. Defaults to None.
    """
    best, most = None, len(cells) - 1 if are_ids else (len(cells) - 1) // 2
    for num_parts, suffix in _changes(cells, are_ids=are_ids):
        found = {rule: _num_found(rule, cells) for rule in (PathRule(place, num_parts, suffix) for place in places)}
        rule = max(found, key=lambda rule: (found[rule], _is_like(rule.place, name)))
        if found[rule] > most and not (num_parts and confused(cells if column is None else column(), rule)):
            best, most = rule, found[rule]
        if most == len(cells):
            break
    return best


def confused(cells: Iterable[str], rule: PathRule) -> tuple[str, str] | None:
    """First two cells with different paths that a rule takes for one file; None if there are none."""
    paths: dict[str, tuple[str, str]] = {}
    for cell in dict.fromkeys(cells):
        whole = "/".join(_parts(cell))
        first, earlier = paths.setdefault(rule.path(cell), (cell, whole))
        if earlier != whole and rule.finds(cell):
            return first, cell
    return None


def places_to_look(folder: Path) -> list[Path]:
    """Folders that the paths of a table may be relative to.

    They are its own folder and those below, the current one, its parent, and folders beside it that are called images,
    photos or like a split.
    """
    beside = [place for place in folders_in(folder.parent) if _IMAGES.search(place.name) or split_named(place.name)]
    places = [folder, *_below(folder, _DEPTH), Path(), folder.parent, *beside[:_MOST_PLACES]]
    different: dict[str, Path] = {}
    for place in places:
        different.setdefault(os.path.realpath(place), place)
    return [*different.values()]


def _changes(cells: Sequence[str], *, are_ids: bool) -> list[tuple[int, str]]:
    """Parts to keep and suffix to append: for ids each suffix; for paths none, all parts first, then ever fewer."""
    if are_ids:
        return [(0, suffix) for suffix in _SUFFIXES if not any("." in cell for cell in cells)]  # decimals are no ids
    depth = max((len(_parts(cell)) for cell in cells), default=1)
    return [(num_parts, "") for num_parts in (0, *range(depth - 1, 0, -1))]


def _num_found(rule: PathRule, cells: Sequence[str]) -> int:
    num_found = 0
    for number, cell in enumerate(cells):
        if not num_found and number >= (1 if rule.suffix else _TRIED):  # all ids have to be files
            return 0
        num_found += rule.finds(cell)
    return num_found


def _is_like(place: Path, name: str) -> bool:
    return bool(name) and name.casefold() in place.name.casefold()


def _below(folder: Path, depth: int) -> list[Path]:
    """At most 200 folders below, level by level."""
    found, level = list[Path](), [folder]
    for _ in range(depth):
        level = [inside for place in level for inside in folders_in(place)]
        found += level
        if len(found) >= _MOST_PLACES:
            break
    return found[:_MOST_PLACES]


def _without_address(cell: str) -> str:
    """Path in a web address, or in one of Label Studio's local addresses, ``/data/local-files/?d=photos/1.jpg``."""
    if "?d=" in cell:
        return unquote(cell.split("?d=", 1)[1])
    return unquote(urlsplit(cell).path) if _ADDRESS.match(cell) else cell


def _parts(cell: str) -> list[str]:
    return re.split(r"[\\/]+", _without_address(cell))


def _forms(text: str) -> tuple[str, ...]:
    """Other spellings of a path: both Unicode forms, and without the prefix that Label Studio gives to uploaded files."""
    forms = () if text.isascii() else (unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
    bare = _UPLOADED.sub(r"\1", text)
    return forms if bare == text else (*forms, bare)


def is_file(path: str) -> bool:
    """Whether a file exists; a name that no file can have is that of none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False
