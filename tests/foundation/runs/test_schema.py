"""Shapes of files: which values have them, which do not, and how a violation is described."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.tasks import TASKS
from headstart.foundation.runs.schema import LOADABLE, RESUMABLE, SHAPES, By, Maybe, fault

SHAPE = {
    "name": str,
    "count?": int,
    "share?": Maybe(float),
    "kind": frozenset(("a", "b")),
    "pair?": (float, str),
    "rows?": [{"x": int | None}],
    "by?": By("task", {"one": {"n": int}, "two": {}}),
    "*": bool,
}
GOOD = {"name": "x", "kind": "a", "share": None, "pair": [1, "y"], "rows": [{"x": None}], "by": {"task": "two"}, "z": True}


def test_a_value_of_the_shape_has_no_fault() -> None:
    """A whole number is a number, a key with a question mark may be missing, and without ``*`` there may be more keys."""
    assert fault(GOOD, SHAPE) == ""
    assert fault({"x": 1, "y": [[]]}, {"x": float}) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": None}, "name is null, not text"),
        ({"count": True}, "count is True, not a whole number"),
        ({"count": 1.5}, "count is the number 1.5, not a whole number"),
        ({"count": 2**80}, "count is the number 1208925819614629174706176, not a whole number"),
        ({"share": "much"}, "share is 'much', not a number"),
        ({"share": float("nan")}, "share is the number nan, not a number"),
        ({"kind": "c"}, "kind is 'c', not one of a, b"),
        ({"kind": []}, "kind is a list, not one of a, b"),
        ({"pair": [1]}, "pair has 1 items, not 2"),
        ({"rows": {}}, "rows is an object, not a list"),
        ({"rows": [{"x": 1}, {}]}, "rows[1].x is missing"),
        ({"rows": [5]}, "rows[0] is the number 5, not an object"),
        ({"by": {"task": "three"}}, "by.task is 'three', not one of one, two"),
        ({"by": {"task": "one"}}, "by.n is missing"),
        ({"by": 5}, "by is the number 5, not an object"),
        ({"z": 1}, "['z'] is the number 1, not true or false"),
    ],
)
def test_a_fault_says_where_and_what(change: dict[str, Any], told: str) -> None:
    """The place in the file, what stands there, and what should."""
    assert fault(GOOD | change, SHAPE) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(sorted(GOOD)), inner),
    max_leaves=10,
)


@given(value=JSON, name=st.sampled_from(sorted(SHAPES)))
def test_no_value_makes_a_shape_raise(value: Any, name: str) -> None:
    """Whatever JSON holds, there is an answer in words."""
    for shape in (SHAPES[name], SHAPE, RESUMABLE, LOADABLE):
        assert isinstance(fault(value, shape), str)


def test_the_tasks_of_the_shapes_are_those_of_the_package() -> None:
    """The table of shapes lies below the table of tasks, and names them on its own."""
    for name in TASKS:
        assert "task is" not in fault({"task": name}, SHAPES["signature.json"])
        assert "task is" not in fault({"task": name}, SHAPES["evaluation.json"])
    assert "task is" in fault(json.loads('{"task": "one_vs_rest"}'), SHAPES["evaluation.json"])
