"""Lists of labels in the cells of a column: their separator or brackets, and the labels of a cell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from headstart.data.tables.name_hints import words_of
from headstart.data.tables.number_formats import is_number

__all__ = ["SEPARATORS", "ListForm", "asked_form", "find_form", "is_no_label", "known_form", "may_be_lists"]

SEPARATORS = ";|"  # between labels, and alone for none; lists with commas or blanks have to be told from names

_LIST_NAMES = {"labels", "tags", "classes", "categories", "genres", "keywords", "topics", "attributes", "kinds", "objects"}
_MIN_ALONE = 2 / 3  # share of the labels in lists with commas or blanks that occur without others
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")


class ListForm(NamedTuple):
    """How the labels of a cell are written.

    Attributes:
        separator: Text between two labels; "" for a list in brackets.
    """

    separator: str

    def parts(self, text: str) -> list[str]:
        """Split the text of a cell into its labels; a cell of separators or brackets only has none.

        Example:
            >>> ListForm(";").parts("sea; sun"), ListForm("").parts("['sea', 'sun']"), ListForm("").parts('["sea"]')
            (['sea', 'sun'], ['sea', 'sun'], ['sea'])
        """
        if not self.separator:
            return _in_brackets(text) if _is_bracketed(text) else [text]
        return [] if is_no_label(text) else [part.strip() for part in text.split(self.separator) if part.strip()]

    @property
    def words(self) -> str:
        """Description of the form, for messages."""
        return {"": "lists in brackets", ",": "lists with commas", " ": "lists with blanks"}.get(self.separator, "lists")


_FORMS = tuple(map(ListForm, ("", ";", "|", ",", " ")))


def find_form(name: str, counts: Mapping[str, int], *, are_numbers: bool = False) -> ListForm | None:
    """Find the form of the lists in a column; None if its cells are not lists of labels.

    Cells with a semicolon or a vertical bar are lists if their parts recur, also within other cells; or if all cells are
    either words or only a separator. Commas and blanks may also be part of a name, as in "Paris, France" and "red oak". So
    the parts have to occur alone too, and to be combined in many ways: with commas there are twice as many different cells
    as parts, and with blanks three times as many; once and twice if the column is called labels, tags or the like. Cells in
    brackets, as (low) and [0, 10], are lists if one has several labels or none, and they are not all pairs of numbers.

    Args:
        name: Name of the column.
        counts: Number of rows of each different cell that is not missing.
        are_numbers: Whether the cells are numbers. Defaults to False.
    """
    has_list_name = bool(_LIST_NAMES & {*words_of(name)})
    if _are_in_brackets(counts, has_list_name=has_list_name):
        return ListForm("")
    for form in map(ListForm, SEPARATORS):
        parts, num_in_cells, num_in_rows = _sizes(form, counts)
        are_there = any(form.separator in text for text in counts)
        if are_there and num_in_cells > len(parts) > 1 and num_in_rows >= 2 * len(parts):
            return ListForm(max(SEPARATORS, key=lambda mark: sum(mark in text and not is_no_label(text) for text in counts)))
    empty = [text for text in counts if is_no_label(text)]
    words = [text for text in counts if any(map(str.isalnum, text)) and not set(text) & set(SEPARATORS)]
    if empty and words and len(empty) + len(words) == len(counts):
        return ListForm(empty[0][0])
    if are_numbers:
        return None
    least = {",": 2 - has_list_name, " ": 3 - has_list_name}
    return next((form for form in map(ListForm, least) if _are_combined(form, counts, least[form.separator])), None)


def may_be_lists(counts: Mapping[str, int]) -> bool:
    """Whether cells with commas or blanks could be lists of labels, though there are too few to be certain."""
    return any(_are_combined(form, counts, 1) for form in map(ListForm, ", "))


def asked_form(counts: Mapping[str, int]) -> ListForm:
    """Form of the lists in a column that is to be read as lists: the first whose parts recur within other cells."""
    if counts and all(map(_is_bracketed, counts)):
        return ListForm("")
    for form in _FORMS[1:]:
        parts, num_in_cells, _ = _sizes(form, counts)
        is_used = any(form.separator in text and not is_no_label(text) for text in counts)
        if is_used and (num_in_cells > len(parts) or form.separator in SEPARATORS):
            return form
    return ListForm(";")


def known_form(texts: Iterable[str], labels: Sequence[str]) -> ListForm:
    """Form in which the most cells consist of known labels."""
    cells = [text for text in texts if text]
    return max(_FORMS, key=lambda form: sum(set(form.parts(text)) <= {*labels} for text in cells))


def is_no_label(text: str) -> bool:
    """Whether a cell consists of separators or empty brackets only, which means that no label applies."""
    return bool(text) and (not text.strip(SEPARATORS + " ") or (_is_bracketed(text) and not text[1:-1].strip()))


def _sizes(form: ListForm, counts: Mapping[str, int]) -> tuple[set[str], int, int]:
    """Different parts of all cells, and how many parts all different cells and all rows have."""
    lists = {text: form.parts(text) for text in counts}
    parts = {part for each in lists.values() for part in each}
    return parts, sum(map(len, lists.values())), sum(len(each) * counts[text] for text, each in lists.items())


def _are_combined(form: ListForm, counts: Mapping[str, int], least: int) -> bool:
    """Whether cells combine few parts in many ways, most of which occur alone as well."""
    cells = {frozenset(form.parts(text)) for text in counts} - {frozenset()}
    parts = frozenset().union(*cells)
    alone = {part for cell in cells if len(cell) == 1 for part in cell}
    together = {part for cell in cells if len(cell) > 1 for part in cell}
    if not alone & together or len(cells) < least * len(parts) or len(cells) <= len(parts):
        return False
    return len(alone) >= _MIN_ALONE * len(parts) and sum(counts.values()) >= 2 * len(parts)


def _are_in_brackets(texts: Iterable[str], *, has_list_name: bool) -> bool:
    """Whether all cells are lists in brackets, and not such as ``(low)``, or ``[0, 10]``, which is an interval."""
    texts = list(texts)
    if not texts or not all(map(_is_bracketed, texts)):
        return False
    if any(text[0] == "(" and "," not in text and not is_no_label(text) for text in texts):
        return False
    lists = list(map(_in_brackets, texts))
    are_intervals = all(len(labels) == 2 and all(map(is_number, labels)) for labels in lists)
    return has_list_name or (any(len(labels) != 1 for labels in lists) and not are_intervals)


def _is_bracketed(text: str) -> bool:
    return len(text) >= 2 and _BRACKETS.get(text[0]) == text[-1]


def _in_brackets(text: str) -> list[str]:
    """Labels of a list as JSON, Python, NumPy or a database writes it."""
    inner = text[1:-1].strip()
    found = _as_json(inner)
    if found is not None and not any(isinstance(label, list | dict) for label in found):
        return [str(label).strip() for label in found]
    if quoted := [re.sub(r"\\(.)", r"\1", one or two).strip() for one, two in _QUOTED.findall(inner)]:
        return quoted
    return [part.strip() for part in re.split(r"[,;|]" if re.search(r"[,;|]", inner) else r"\s+", inner) if part.strip()]


def _as_json(inner: str) -> list[Any] | None:
    """Items of a JSON list without its brackets; None if it is not JSON."""
    try:
        items: list[Any] = json.loads(f"[{inner}]")
    except (ValueError, RecursionError):
        return None
    return items
