"""Lists of labels are told from names that contain commas and blanks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from headstart.data.readers.labels.label_lists import ListForm, find_form
from headstart.data.readers.labels.targets import Target, find_target
from headstart.data.tables.table import Table

LABELS = ("dots", "rings", "stripes")


def found_in(cells: list[str], name: str = "tags", task: str | None = None, classes: list[str] | None = None) -> Target:
    """The target of a table of one column."""
    return find_target(Table((name,), (np.array(cells, object),)), name, task=task, classes=classes)


def combined(labels: tuple[str, ...], largest: int) -> list[list[str]]:
    """Every combination of up to ``largest`` labels, four times each."""
    return [list(group) for size in range(1, largest + 1) for group in combinations(labels, size)] * 4


@pytest.mark.parametrize(
    "write",
    [
        ";".join,
        "; ".join,
        "|".join,
        ",".join,
        ", ".join,
        " ".join,
        str,
        json.dumps,
        lambda labels: str(np.array(labels)),
        lambda labels: "{" + ",".join(labels) + "}",
        lambda labels: "[" + ", ".join(labels) + "]",
        lambda labels: str(tuple(labels)),
    ],
    ids=[
        "semicolons",
        "with blanks",
        "bars",
        "commas",
        "commas and blanks",
        "blanks",
        "Python",
        "JSON",
        "NumPy",
        "set",
        "bare",
        "tuple",
    ],
)
def test_lists_are_found_by_their_separator_or_brackets(write: Callable[[list[str]], str]) -> None:
    """However they are written, the labels are the same; so are those of a few cells for a trained model."""
    lists = combined(LABELS, 2)
    found = found_in([write(labels) for labels in lists])
    assert (found.task, found.classes) == ("multilabel", LABELS)
    assert found.labels.tolist() == [[int(label in labels) for label in LABELS] for labels in lists]
    again = found_in([write(["rings", "stripes"])], task="multilabel", classes=list(LABELS))
    assert again.labels.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("empty", ["[]", "[ ]"])
def test_empty_brackets_are_no_label(empty: str) -> None:
    """A row without labels is one, as in ``;``."""
    found = found_in(["['sea']", "['sea', 'sun']", empty, "['sun']"] * 2)
    assert found.labels.tolist() == [[1, 0], [1, 1], [0, 0], [0, 1]] * 2
    assert not found.skipped


@pytest.mark.parametrize(
    "cells",
    [
        ["Paris, France", "Lyon, France", "Bonn, Germany", "Berlin, Germany", "Rome, Italy"],
        ["dog, small", "dog, large", "cat, small", "cat, large"],
        ["bird", "bird, small", "bird, large", "cat", "cat, small", "cat, large"],
        ["red oak", "white oak", "oak", "maple", "red maple"],
        ["north", "east", "south", "west", "north east", "north west", "south east", "south west"],
        ["hot dog", "not hot dog"],
        ["Smith, John", "Smith, Mary", "Jones, John"],
        ["tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, white shark"],
        ["very good", "good", "bad", "very bad"],
    ],
    ids=["towns", "pairs", "kinds and sizes", "trees", "directions", "hot dogs", "names", "synsets", "grades"],
)
def test_names_with_commas_and_blanks_are_classes(cells: list[str]) -> None:
    """A column of one class per row stays one, however many rows it has."""
    found = found_in(cells * 10, name="what")
    assert found.task in ("binary", "multiclass")
    assert set(found.classes) == set(cells)


@pytest.mark.parametrize(
    "cells",
    [
        ["(low)", "(high)", "(mid)"],
        ["(0-10)", "(10-20)", "(20-30)"],
        ["(very low)", "(high)"],
        ["[low]", "[high]"],
        ["{A}", "{B}", "{C}"],
        ["(0, 10)", "(10, 20)"],
        ["[0, 10]", "[10, 20]"],
    ],
)
def test_classes_in_brackets_are_classes(cells: list[str]) -> None:
    """A bracket alone makes no list: a cell needs several labels or none, and intervals are no lists."""
    found = found_in(cells * 10, name="grade")
    assert found.task in ("binary", "multiclass")
    assert set(found.classes) == set(cells)


@pytest.mark.parametrize("cells", [["['sea']", "['sun']"], ["[3, 7]", "[7, 9]"], ["{sea}", "{sun}"]])
def test_lists_in_brackets_are_lists_in_a_column_called_like_lists(cells: list[str]) -> None:
    """Each may hold one label, or two numbers."""
    assert found_in(cells * 10).task == "multilabel"


def test_lists_that_could_be_names_say_how_to_read_them() -> None:
    """Four labels with blanks, in a column whose name does not suggest lists."""
    cells = [" ".join(labels) for labels in combined(("dots", "rings", "stripes", "waves"), 2)]
    found = found_in(cells, name="what")
    assert (found.task, len(found.classes)) == ("multiclass", 10)
    assert found.reason.endswith("→ multiclass (--task multilabel if its cells list several labels)")
    assert len(found_in(cells, name="what", task="multilabel").classes) == 4


@pytest.mark.parametrize("separator", [", ", " "])
def test_no_label_is_a_list_if_several_labels_were_asked_for(separator: str) -> None:
    """Also where the cells are too few to be certain."""
    found = found_in(
        [separator.join(labels) for labels in (["a", "b"], ["b", "c"], ["a"], ["c", "a"])], "what", "multilabel"
    )
    assert found.classes == ("a", "b", "c")


def test_asked_for_labels_may_contain_blanks() -> None:
    """The semicolon separates; where a column has one label a row, there is nothing to separate."""
    assert found_in(["red oak;elm", "elm", "red oak"], task="multilabel").classes == ("elm", "red oak")
    assert found_in(["red oak", "elm", "hot dog"], task="multilabel").classes == ("elm", "hot dog", "red oak")


def test_brackets_hold_labels_with_separators_and_quotes() -> None:
    """JSON and Python quote them; numbers become text."""
    brackets = ListForm("")
    assert brackets.parts('["salt, pepper", "it\'s"]') == ["salt, pepper", "it's"]
    assert brackets.parts("['salt, pepper', \"it's\"]") == ["salt, pepper", "it's"]
    assert brackets.parts("[3, 10]") == ["3", "10"]
    assert brackets.parts("[1 2]") == ["1", "2"]
    assert brackets.parts("plain") == ["plain"]


def test_numbers_with_decimal_commas_are_no_lists() -> None:
    """1,5 and 2,5 are amounts."""
    counts = Counter({f"{a},{b}": 3 for a in range(3) for b in range(3)} | {str(a): 3 for a in range(3)})
    assert find_form("labels", counts, are_numbers=True) is None


def test_labels_of_a_list_in_a_list_are_kept() -> None:
    """A nested list holds labels like any other; none of them disappears."""
    assert ListForm("").parts('[["sea", "sun"], "sand"]') == ["sea", "sun", "sand"]
