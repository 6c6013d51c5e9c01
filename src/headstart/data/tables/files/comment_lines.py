"""Lines above a table that are no rows: comments, and ``sep=;`` as Excel writes it."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Comments", "split_comments"]

_MARKS = ("#", "%", "//", "!")
_SEPARATOR = re.compile(rb'"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)


class Comments(NamedTuple):
    """Comment lines above a table.

    Attributes:
        lines: The lines, without line ends.
        mark: How each of them begins.
        rest: The file after them.
        whole: The file with them, but without a line that names the separator.
        separator: Separator that the first line of the file names; "" if it names none.
    """

    lines: list[str]
    mark: str
    rest: bytes
    whole: bytes
    separator: str

    def bare(self, line: str) -> str:
        """A comment line without its mark."""
        return line.removeprefix(self.mark).lstrip(self.mark[0]).strip()

    def notes(self, number: int) -> tuple[str, ...]:
        """Sentence about the first lines, as many as ``number``; none without such lines."""
        return (f"{number} comment line{'s' * (number != 1)} above the table left out",) if number else ()


def split_comments(content: bytes) -> Comments:
    """Split a file in UTF-8 into the comment lines at its start and the rest; there are none if they are all there is."""
    named = _SEPARATOR.match(content)
    separator = named[1].decode("latin-1") if named else ""
    whole = content[named.end() :] if named else content
    mark = next((mark for mark in _MARKS if whole.startswith(mark.encode())), "")
    lines, place = [], 0
    while mark and whole.startswith(mark.encode(), place) and (end := whole.find(b"\n", place)) >= 0:
        lines.append(whole[place:end].decode("utf-8", "replace").strip())
        place = end + 1
        while whole.startswith((b"\n", b"\r\n"), place):  # blank lines
            place = whole.index(b"\n", place) + 1
    rest = whole[place:] if place else whole  # a copy of a large file only if there are comments
    is_all = bool(lines) and (rest.startswith(mark.encode()) or not re.search(rb"\S", rest))
    return Comments([], "", whole, whole, separator) if is_all else Comments(lines, mark, rest, whole, separator)
