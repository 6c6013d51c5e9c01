"""The target column, the task and the label of each row are found, and the reason is reported."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.readers.labels.target_advice import about_texts
from headstart.data.readers.labels.targets import Target, find_target
from headstart.data.skipped import Skipped
from headstart.data.tables.files.read_cells import read_cells
from headstart.data.tables.table import Table, table_of_frame
from headstart.foundation.errors import DatasetError

TASKS = ("binary", "multiclass", "multilabel", "regression")


def table(**columns: Sequence[object]) -> Table:
    """A table as a CSV file gives it: text alone."""
    return Table(tuple(columns), tuple(np.array([str(cell) for cell in cells], object) for cells in columns.values()))


def last(*cells: object, **settings: Any) -> Target:
    """The target of a table whose last column holds these cells."""
    return find_target(table(x=range(len(cells)), t=cells), None, **settings)


def words(found: Target) -> list[str]:
    """The kept labels by name."""
    return [found.classes[label] for label in found.labels]


# Which column


@pytest.mark.parametrize("name", ["label", "Labels", "CLASS", "target", "category", "species", "y"])
def test_a_column_that_is_called_like_a_target_is_it(name: str) -> None:
    """Wherever it stands and whatever the case."""
    found = find_target(table(**{"a": [1, 2, 3], name: ["u", "v", "u"], "z": ["p", "q", "q"]}), None)
    assert found.names == (name,)
    assert found.reason == f"the target is {name}, found by its name; text column with 2 values → binary"


def test_two_such_names_tell_nothing_and_the_last_column_is_taken() -> None:
    """It says so."""
    found = find_target(table(label=["a", "b", "a"], y=["c", "d", "c"], z=["u", "v", "w"] * 1, kind=["p", "q", "q"]), None)
    assert (found.names, found.reason) == (
        ("kind",),
        "the target is kind, the last column; text column with 2 values → binary",
    )


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["a", "b", "c"], "a different text in each row"),
        (["a", "a", "a"], "two different"),
        (["", "?", ""], "two different"),
    ],
    ids=["unique", "constant", "missing"],
)
def test_a_last_column_that_cannot_be_it_is_an_error(cells: list[str], fault: str) -> None:
    """Names of rows, a constant, nothing at all."""
    with pytest.raises(DatasetError, match="H108") as caught:
        find_target(table(a=[1, 2, 3], b=cells), None)
    assert fault in caught.value.received
    assert "--target" in caught.value.advice


@pytest.mark.parametrize("target", ["b", "1", "-2"])
def test_a_target_is_named_or_counted(target: str) -> None:
    """0 is the first column, -1 the last."""
    found = find_target(table(a=[1, 2, 3], b=["u", "v", "u"], c=["p", "q", "q"]), target)
    assert (found.names, words(found)) == (("b",), ["u", "v", "u"])
    assert found.reason == f"--target {target}: text column with 2 values → binary"


def test_a_name_goes_before_a_position_and_before_a_list_of_names() -> None:
    """Names may be numbers and hold commas."""
    odd = table(**{"1": ["u", "v", "u"], "a": [0, 1, 1], "b": [1, 0, 0], "a,b": ["p", "q", "q"]})
    assert find_target(odd, "1").names == ("1",)
    assert find_target(odd, "a,b").names == ("a,b",)
    assert find_target(odd, "b, a").names == ("b", "a")


@pytest.mark.parametrize("target", ["d", "3", "-4", "a,d", ""])
def test_a_column_that_is_not_there_is_an_error(target: str) -> None:
    """Which is missing and which there are."""
    with pytest.raises(DatasetError, match="H108") as caught:
        find_target(table(a=[1], b=[2], c=[3]), target)
    assert "a, b, c" in caught.value.received


def test_columns_left_out_are_no_targets() -> None:
    """Those of images and splits; all others of 0 and 1 are labels."""
    images = table(file=["1.jpg", "2.jpg", "3.jpg"], sea=[1, 0, 1], trees=[0, 1, 1], split=["train", "test", "train"])
    found = find_target(images, None, leave_out=("file", "split"))
    assert (found.task, found.classes) == ("multilabel", ("sea", "trees"))
    assert found.reason == "2 columns of 0 and 1 → multilabel"
    assert found.labels.tolist() == [[1, 0], [0, 1], [1, 1]]
    one = find_target(images.select(["file", "sea"]).take([0, 1, 2] * 2), None, leave_out=("file",))
    assert (one.task, one.reason) == ("binary", "the target is sea, the last column; integer column with 2 values → binary")
    with pytest.raises(DatasetError, match="H108"):
        find_target(images.select(["file"]), None, leave_out=("file",))


# Which task


@pytest.mark.parametrize(
    ("cells", "task", "reason"),
    [
        (["a", "b"] * 3, "binary", "text column with 2 values → binary"),
        (["True", "False"] * 3, "binary", "text column with 2 values → binary"),
        (["a", "b", "c"] * 3, "multiclass", "text column with 3 values → multiclass"),
        ([0, 1] * 3, "binary", "integer column with 2 values → binary"),
        ([3, 4, 8] * 3, "multiclass", "integer column with 3 values → multiclass"),
        (["1.0", "2.0", "3"] * 3, "multiclass", "integer column with 3 values → multiclass"),
        ([3, 4, 8] * 2, "regression", "integer column with 3 values → regression"),
        ([3 * i for i in range(21)] * 9, "regression", "integer column with 21 values → regression"),
        ([0.5, 1.5] * 9, "regression", "numeric column with 2 values → regression"),
        (["1e3", "-2", "7.25"], "regression", "numeric column with 3 values → regression"),
        (["a;b", "a", "b;c", "c", "a;b"], "multilabel", "lists such as a;b → multilabel"),
        (["sea|sun", "sea", "sun"] * 2, "multilabel", "lists such as sea|sun → multilabel"),
        (["Sedan|4dr", "Coupe|2dr"] * 3, "binary", "text column with 2 values → binary"),
        ([f"row {i // 2}" for i in range(60)], "multiclass", "text column with 30 values → multiclass"),
    ],
)
def test_the_values_decide_the_task(cells: list[object], task: str, reason: str) -> None:
    """Text is classes, fractions are amounts, few integers that recur are classes; lists are labels."""
    found = last(*cells)
    assert (found.task, found.reason) == (task, f"the target is t, the last column; {reason}")


SIGNS = [label for label in range(25) if label != 9] * 8
CONSECUTIVE = "consecutive numbers that recur; --task regression if they are amounts"


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("label", SIGNS, "integer column with 24 values → multiclass (the column is called label; --task regression"),
        ("ClassId", list(range(43)) * 5, "integer column with 43 values → multiclass (the column is called ClassId; "),
        (
            "class",
            [7 * i for i in range(300)] * 4,
            "integer column with 300 values → multiclass (the column is called class",
        ),
        ("species", [i // 3 for i in range(99)] + [99], "integer column with 34 values → multiclass (the column is called"),
        ("target", [i % 61 + 40 for i in range(400)], f"integer column with 61 values → multiclass ({CONSECUTIVE})"),
        ("sign", SIGNS, f"integer column with 24 values → multiclass ({CONSECUTIVE})"),
        ("letter", [i % 62 for i in range(900)], f"integer column with 62 values → multiclass ({CONSECUTIVE})"),
        ("sign", [1 + i * i % 43 * (i % 5 > 0) for i in range(3000)], "integer column with 22 values → regression"),
        ("age", [i % 60 + 1 for i in range(900)], "integer column with 60 values → regression"),
        ("num_visits", [i % 60 for i in range(900)], "integer column with 60 values → regression"),
        ("sold", np.random.default_rng(0).poisson(30, 900).tolist(), "→ regression"),
        ("rent", [i % 60 + 300 for i in range(900)], "integer column with 60 values → regression"),
        ("label", [i % 500 for i in range(900)], "integer column with 500 values → regression"),
        ("target", np.random.default_rng(0).integers(25, 347, 442).tolist(), "→ regression"),
    ],
)
def test_whole_numbers_are_classes_or_amounts(name: str, cells: list[int], reason: str) -> None:
    """Classes if the column is called so and they recur, or if they are consecutive and recur; --task has the last word."""
    found = find_target(table(x=range(len(cells)), **{name: cells}), name)
    assert reason in found.reason
    for task in ("multiclass", "regression"):
        asked = find_target(table(x=range(len(cells)), **{name: cells}), name, task=task)
        assert (asked.task, asked.reason) == (task, f"--target {name}: {task}, as requested")


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (("x", "y", "z", "kind"), "kind"),
        (("X", "Y", "month", "area"), "area"),
        (("kind", "x", "z", "y", "last"), "last"),
        (("x", "y"), "y"),
        (("x1", "x2", "y", "last"), "y"),
        (("y", "x", "w"), "y"),
        (("x", "y", "label", "last"), "label"),
        (("ClassId", "size", "last"), "ClassId"),
        (("class_id", "class", "last"), "class"),
    ],
)
def test_a_coordinate_called_y_is_not_the_target(names: tuple[str, ...], target: str) -> None:
    """Beside x and z, or between x and other columns, y is a coordinate; else it is the target."""
    cells = np.random.default_rng(0).integers(0, 3, (30, len(names)))
    assert find_target(table(**dict(zip(names, cells.T, strict=True))), None).names == (target,)


def test_numbers_of_a_frame_decide_alike() -> None:
    """Floats that are whole are integers, and a missing one changes nothing."""
    numbers = np.array([0.0, 1.0, np.nan, 1.0, 0.0, 2.0, 2.0, 0.0, 1.0, 2.0])
    found = find_target(Table(("x", "t"), (np.arange(10.0), numbers)), None)
    assert (found.task, found.classes, found.kept.tolist()) == ("multiclass", ("0", "1", "2"), [0, 1, 3, 4, 5, 6, 7, 8, 9])


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["007", "7", "08", "8"], ("007", "7", "08", "8")),
        (["1e2", "100", "1.0", "1"], ("1", "100", "1e2")),
        (["007", "7", "A"], ("007", "7", "A")),
        (["+1", "-1.0", "-1"], ("-1", "+1")),
    ],
)
def test_names_that_are_equal_numbers_are_different_classes(cells: list[str], classes: tuple[str, ...]) -> None:
    """Codes begin with zeros; only a decimal point with nothing but zeros behind it says nothing."""
    found = last(*cells * 4)
    assert set(found.classes) == set(classes)
    assert f" {len(classes)} values" in found.reason


@pytest.mark.parametrize("kind", ["int64", "Int64", "uint64", "object", "text"])
def test_large_integers_are_told_apart(kind: str) -> None:
    """Ids beyond what float64 can hold, of a frame or of a file, as targets and as features."""
    ids = [2**62, 2**62 + 1, 2**62 + 2] * 3
    cells = [str(number) for number in ids] if kind == "text" else ids
    frame = pd.DataFrame({"x": range(9), "t": pd.Series(cells, dtype="object" if kind == "text" else kind)})
    found = find_target(table_of_frame(frame), None)
    assert words(found) == [str(number) for number in ids]
    assert found.reason == "the target is t, the last column; integer column with 3 values → multiclass"


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["10", "9", "1"] * 3, ("1", "9", "10")),
        (["-1", "1"] * 3, ("-1", "1")),
        (["yes", "no"] * 3, ("no", "yes")),
        (["img10", "img2", "IMG1"] * 2, ("IMG1", "img2", "img10")),
    ],
)
def test_classes_are_in_natural_order(names: list[str], classes: tuple[str, ...]) -> None:
    """Numbers by size; of two, the second is the positive one."""
    assert last(*names, task="multiclass").classes == classes


def test_text_that_seldom_recurs_cannot_be_told_apart() -> None:
    """Names of cars, say; where it is asked for it is classes nevertheless."""
    cars = [f"car {i}" for i in range(30)] + ["car 0"] * 5
    with pytest.raises(DatasetError, match="H113") as caught:
        last(*cars)
    assert caught.value.received == "t: 30 different texts in 35 rows, such as car 0"
    assert last(*cars, task="multiclass").reason == "the target is t, the last column; multiclass, as requested"


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["a", "b"] * 3, "multiclass"),
        ([1, 2, 3] * 3, "regression"),
        ([0, 1] * 3, "multilabel"),
        (["a", "b"] * 3, "multilabel"),
        ([0.5, 1.5] * 3, "binary"),
        (range(30), "multiclass"),
    ],
)
def test_a_task_that_is_asked_for_is_done_where_it_fits(cells: Sequence[object], task: str) -> None:
    """Against what the values say."""
    found = last(*cells, task=task)
    assert (found.task, found.reason) == (task, f"the target is t, the last column; {task}, as requested")
    assert len(found.labels) == len(cells)


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["a", "b"] * 3, "regression"),
        (["a", "b", "c"] * 3, "binary"),
        ([1, 2, 3] * 3, "multilabel"),
    ],
)
def test_a_task_that_does_not_fit_is_an_error(cells: list[object], task: str) -> None:
    """What the column holds, and what would fit."""
    with pytest.raises(DatasetError, match="H102") as caught:
        last(*cells, task=task)
    assert f"{task} with t (" in caught.value.received


@pytest.mark.parametrize(
    ("cells", "settings"),
    [
        (["a", "a", ""], {}),
        ([5, 5, 5], {}),
        ([0.5, 0.5], {}),
        (["", "?"], {}),
        ([], {}),
        ([7, 7], {"task": "regression"}),
        (["a;b", "a;b"], {"task": "multilabel"}),
    ],
)
def test_values_that_are_all_alike_are_an_error(cells: list[object], settings: dict[str, Any]) -> None:
    """A constant, or nothing."""
    with pytest.raises(DatasetError, match="H101"):
        find_target(table(t=cells), "t", **settings)


# Several columns


def test_several_columns_of_numbers_are_a_regression() -> None:
    """A row needs a number in each; what lacks one is listed with the first column at fault."""
    two = table(x=[1, 2, 3, 4, 5], a=[1.5, "", 2.5, 3, "?"], b=[10, 20, "inf", 40, 50])
    found = find_target(two, "b,a")
    assert (found.task, found.classes, found.reason) == (
        "regression",
        ("b", "a"),
        "--target b,a: 2 numeric columns → regression",
    )
    assert found.labels.tolist() == [[10, 1.5], [40, 3]]
    assert found.labels.dtype == np.float64
    assert found.kept.tolist() == [0, 3]
    assert found.skipped == [
        Skipped("row 2", "no value in the target column 'a'"),
        Skipped("row 3", "inf in the target column 'b' is not a finite number"),
        Skipped("row 5", "no value (?) in the target column 'a'"),
    ]
    with pytest.raises(DatasetError, match="H101"):
        find_target(table(a=[1, 2], b=[3, 3]), "a,b", task="regression")


def test_several_columns_of_0_and_1_are_labels() -> None:
    """A row without any label is one; a row with a gap is not."""
    found = find_target(table(x=[1, 2, 3, 4], a=["0", "1.0", "False", ""], b=[0, "true", 1, 1]), "a,b")
    assert (found.task, found.reason) == ("multilabel", "--target a,b: 2 columns of 0 and 1 → multilabel")
    assert found.labels.tolist() == [[0, 0], [1, 1], [0, 1]]
    assert found.skipped == [Skipped("row 4", "no value in the target column 'a'")]


@pytest.mark.parametrize("task", [None, "binary", "multiclass", "multilabel"])
def test_several_columns_of_text_are_an_error(task: str | None) -> None:
    """Nothing is learned from two columns of classes at once."""
    with pytest.raises(DatasetError, match="H102"):
        find_target(table(a=["u", "v"], b=["p", "q"]), "a,b", task=task)


ONE_HOT = {"x": range(6), "cat": [1, 0, 0] * 2, "dog": [0, 1, 0] * 2, "cow": [0, 0, 1] * 2}


@pytest.mark.parametrize(
    ("target", "task", "reason"),
    [
        ("cat,dog,cow", None, "--target cat,dog,cow: 3 columns of 0 and 1, one of them 1 in each row → multiclass"),
        ("cat,dog,cow", "multiclass", "--target cat,dog,cow: multiclass, as requested"),
        (("cat", "dog", "cow"), "multiclass", "multiclass, as requested"),
    ],
)
def test_columns_of_which_one_is_1_are_classes(target: str, task: str | None, reason: str) -> None:
    """The class is the name of that column, in the order of the columns."""
    found = find_target(table(**ONE_HOT), target, task=task)
    assert (found.task, found.classes, found.names) == ("multiclass", ("cat", "dog", "cow"), ("cat", "dog", "cow"))
    assert found.labels.tolist() == [0, 1, 2] * 2
    assert found.reason == reason


def test_two_columns_of_which_one_is_1_are_labels_unless_asked() -> None:
    """As binary, the second is the positive one; three such columns are no binary task."""
    two = {"x": range(4), "no": [1, 0, 1, 0], "yes": [0, 1, 0, 1]}
    assert find_target(table(**two), "no,yes").task == "multilabel"
    found = find_target(table(**two), "no,yes", task="binary")
    assert (found.classes, found.labels.tolist()) == (("no", "yes"), [0, 1, 0, 1])
    with pytest.raises(DatasetError, match="H102"):
        find_target(table(**ONE_HOT), "cat,dog,cow", task="binary")


def test_rows_of_no_class_or_of_several_are_listed() -> None:
    """And a column that is 1 in no row is no class, which is told."""
    columns = table(cat=[1, 0, 1, 0, ""], dog=[0, 1, 1, 0, 1], eel=[0] * 5)
    found = find_target(columns, "cat,dog,eel", task="multiclass")
    assert (found.classes, found.labels.tolist(), found.kept.tolist()) == (("cat", "dog"), [0, 1], [0, 1])
    assert found.reason.endswith("as requested; left out because they are 1 in no row: eel")
    assert found.skipped == [
        Skipped("row 3", "2 of 3 target columns are 1; exactly one must be"),
        Skipped("row 4", "0 of 3 target columns are 1; exactly one must be"),
        Skipped("row 5", "no value in the target column 'cat'"),
    ]


@pytest.mark.parametrize("target", [("cat", "dog", "eel"), "cat,dog,eel"])
def test_a_model_finds_its_classes_among_columns(target: Any) -> None:
    """In its order, though its classes are not all there; a class that it has not learned is named."""
    columns = table(cat=[1, 0, 0], dog=[0, 1, 0], eel=[0, 0, 1])
    found = find_target(columns, target, classes=["dog", "cat"], task="multiclass")
    assert (found.classes, found.labels.tolist()) == (("dog", "cat"), [1, 0])
    assert found.skipped == [Skipped("row 3", "its class eel is not one of the model's classes")]
    with pytest.raises(DatasetError, match="H108"):
        find_target(columns, target, classes=["dog", "cow"], task="multiclass")


# The label of each row


def test_lists_become_columns_of_0_and_1() -> None:
    """Blanks around a label, a label twice and a separator too many do no harm; a separator alone says that none applies."""
    found = last("b; a", "a", "c;;a;", "", "b;b", ";")
    assert (found.task, found.classes) == ("multilabel", ("a", "b", "c"))
    assert found.labels.tolist() == [[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert found.skipped == [Skipped("row 4", "no value in the target column 't'; write a single ; if no label applies")]


def test_a_separator_alone_is_no_label_whatever_parts_the_others() -> None:
    """Bars beside it, single labels, labels of a model; where the other cells are marks too, it is a class."""
    bars = last("a|b", "a", ";", "b|a", "b", "|")
    assert (bars.classes, bars.labels.sum(axis=1).tolist()) == (("a", "b"), [2, 1, 0, 2, 1, 0])
    single = last("sea", ";", "sun", ";")
    assert (single.task, single.labels.tolist()) == ("multilabel", [[1, 0], [0, 0], [0, 1], [0, 0]])
    assert single.reason.endswith("lists such as ; → multilabel")
    again = last("sea", ";", "snow", classes=["sea", "sun"], task="multilabel")
    assert (again.labels.tolist(), again.skipped) == (
        [[1, 0], [0, 0]],
        [Skipped("row 3", "its class snow is not one of the model's classes")],
    )
    assert set(last(",", ";", "!", ";").classes) == {",", "!", ";"}


def test_lists_in_cells_of_a_frame_keep_their_negatives() -> None:
    """An empty list is a row without labels, and not a gap."""
    frame = pd.DataFrame({"x": range(9), "t": [["a", "b"], ["a"], []] * 3})
    found = find_target(table_of_frame(frame), None)
    assert (found.task, found.classes, found.skipped) == ("multilabel", ("a", "b"), [])
    assert found.labels.tolist() == [[1, 1], [1, 0], [0, 0]] * 3


def test_rows_without_a_target_are_listed_by_their_number_in_the_file() -> None:
    """Every row is kept or listed, and rows that the reader left out keep theirs."""
    read = table(x=[1, 2, 3, 4], y=["a", "?", "b", "N/A"])
    found = find_target(Table(read.names, read.columns, np.array([1, 3, 4, 9])), None)
    assert found.kept.tolist() == [0, 2]
    assert [row.path for row in found.skipped] == ["row 3", "row 9"]


@pytest.mark.parametrize("cells", [["+", "-", "+", "-"], ["none", "mild", "none", "severe"]])
def test_a_marker_among_words_is_a_class(cells: list[str]) -> None:
    """Plus and minus, none and some; among numbers the same marker is a gap."""
    assert set(words(last(*cells))) == set(cells)
    assert last("1.5", "2.5", cells[1 if "-" in cells else 0]).skipped != []


@pytest.mark.parametrize("number", [3, 20])
def test_a_dash_is_a_class_if_it_is_frequent(number: int) -> None:
    """A few among yes and no are gaps, and listed."""
    found = last(*["yes", "no"] * 20, *["-"] * number)
    assert (len(found.classes), len(found.skipped)) == ((3, 0) if number == 20 else (2, 3))
    assert f"- counts as {'a class' if number == 20 else 'no label'} ({number} rows)" in found.reason


def test_a_word_among_amounts_is_listed() -> None:
    """A few are faults of their rows; where the numbers are classes it is one more of them."""
    found = last(*[i / 7 for i in range(40)], "broken")
    assert (found.task, len(found.labels)) == ("regression", 40)
    assert found.skipped == [Skipped("row 41", "broken in the target column 't' is not a finite number")]
    assert last(*[1, 2] * 20, "unknown").classes == ("1", "2", "unknown")


def test_what_a_cell_holds_cannot_harm_a_message() -> None:
    """Braces, control characters and length."""
    found = find_target(table(**{"{x}": [*(i / 7 for i in range(40)), "\x1b[31m{y}" + "z" * 99]}), "{x}")
    assert found.skipped[0].reason.startswith("\\x1b[31m{y}z")
    assert found.skipped[0].reason.endswith("in the target column '{x}' is not a finite number")
    assert len(found.skipped[0].reason) < 120


# A trained model's classes


def test_rows_of_other_classes_are_skipped() -> None:
    """In the model's order, though only one of its classes is there."""
    found = last("dog", "cow", "dog", "", classes=["dog", "cat"], task="binary")
    assert (found.classes, found.labels.tolist()) == (("dog", "cat"), [0, 0])
    assert found.skipped == [
        Skipped("row 2", "its class cow is not one of the model's classes"),
        Skipped("row 4", "no value in the target column 't'"),
    ]


def test_a_model_knows_its_task_better_than_three_rows_do() -> None:
    """Integers that would be amounts, lists without a separator, labels and amounts by the names of their columns."""
    assert last(3, 1, 2, classes=["1", "2", "3"]).labels.tolist() == [2, 0, 1]
    assert last("b", "a;z", classes=["a", "b"], task="multilabel").labels.tolist() == [[0, 1]]
    columns = table(b=[1, 0, 7], a=[0, 0, 1], x=[1, 2, 3])
    found = find_target(columns, None, classes=["a", "b"], task="multilabel")
    assert (found.names, found.labels.tolist()) == (("a", "b"), [[0, 1], [0, 0]])
    assert found.skipped == [Skipped("row 3", "7 in the target column 'b' is neither 0 nor 1")]
    assert find_target(columns, None, classes=["b"], task="regression").labels.tolist() == [[1], [0], [7]]
    assert find_target(columns, "x", classes=["price"], task="regression").classes == ("price",)


def test_labels_that_the_table_lacks_are_an_error() -> None:
    """The model's, and those that were named."""
    with pytest.raises(DatasetError, match="H108") as caught:
        find_target(table(a=[0, 1], b=[1, 1]), "a,b", classes=["a", "c"], task="multilabel")
    assert caught.value.received == "the model predicts c; the target columns are a, b"


# Whatever the table

cells = st.one_of(
    st.sampled_from(
        ["", "?", "none", "-", "0", "1", "2", "1.5", "inf", "-1e400", "yes", "a;b", "a|b", "a", "True", ";", "{", "٣"]
    ),
    st.text(max_size=4),
)


@given(
    rows=st.lists(st.tuples(cells, cells, cells), max_size=12),
    target=st.sampled_from([None, "a", "2", "a,b", "a,b,y"]),
    task=st.sampled_from([None, *TASKS]),
    classes=st.sampled_from([None, ["0", "1"], ["a", "b"], ["y"], ["1", "2", "yes"]]),
    names=st.sampled_from([("a", "b", "y"), ("a", "b", "c")]),
)
def test_every_row_is_kept_or_listed(
    rows: list[tuple[str, str, str]], target: str | None, task: str | None, classes: list[str] | None, names: tuple[str, ...]
) -> None:
    """Or there is an error of three lines; labels have the shape and the type of their task and hold no gap."""
    columns = [np.array([row[i].strip() for row in rows], object) for i in range(3)]
    try:
        found = find_target(Table(names, tuple(columns)), target, task=task, classes=classes)
    except DatasetError:
        return
    listed = [int(row.path.removeprefix("row ")) - 1 for row in found.skipped]
    assert sorted([*found.kept, *listed]) == list(range(len(rows)))
    assert all(row.reason for row in found.skipped)
    assert found.task in TASKS
    if found.task in ("binary", "multiclass"):
        assert found.labels.shape == (len(found.kept),)
        assert set(found.labels) <= set(range(len(found.classes)))
    else:
        assert found.labels.shape == (len(found.kept), len(found.classes))
        assert np.isfinite(found.labels).all()
        assert found.labels.dtype == (np.float64 if found.task == "regression" else np.int64)
    if found.task == "multilabel":
        assert set(found.labels.ravel()) <= {0, 1}
    if classes is None and found.task != "regression":
        assert len(np.unique(found.labels.reshape(len(found.labels), -1), axis=0)) > 1


def test_a_name_that_several_columns_have_is_no_target(tmp_path: Path) -> None:
    """Their positions are told, and one of them can be named."""
    (tmp_path / "t.csv").write_text("y,x,y\n" + "".join(f"{i % 3},{i},{'ab'[i % 2]}\n" for i in range(9)))
    table, _ = read_cells(tmp_path / "t.csv")
    with pytest.raises(DatasetError, match="H108") as caught:
        find_target(table, "y")
    assert caught.value.received == "--target y: columns 0, 2 have that name"
    assert find_target(table, "2").classes == ("a", "b")
    with pytest.raises(DatasetError, match="H108"):
        find_target(table.select(["y", "x"]), None)  # by its name
    assert find_target(table.take(range(8)), "0").names == ("y",)


def test_a_word_for_a_missing_value_is_told_as_it_stands() -> None:
    """So that it is seen where it was a class, as NA of Namibia is."""
    found = last("DE", "NA", "FR", "DE", "FR", "")
    assert [row.reason for row in found.skipped] == [
        "no value (NA) in the target column 't'",
        "no value in the target column 't'",
    ]


def test_a_task_that_there_is_not_is_told() -> None:
    """The four that there are."""
    with pytest.raises(DatasetError, match="H102") as caught:
        last("a", "b", "a", task="regresion")
    assert caught.value.expected == "regression, multilabel, binary, multiclass"


def test_a_label_with_a_semicolon_is_refused() -> None:
    """In an answer it would look like two."""
    columns = (np.array([0.0, 1, 0, 1]), np.array([0.0, 0, 1, 1]))
    with pytest.raises(DatasetError, match="H116") as caught:
        find_target(Table(("sea", "sun; sand"), columns), "0,1")
    assert caught.value.received == "sun; sand"
    assert last("a|b;c", "a", "b;c", "a").classes == ("a", "a|b", "b", "c")


def test_a_label_that_no_row_has_is_left_out() -> None:
    """Of 0/1 columns, one that is the same in every row is named and left out; two such are nothing to tell apart."""
    columns = (np.array([0.0, 1, 0, 1]), np.array([0.0, 0, 1, 1]), np.zeros(4))
    found = find_target(Table(("sea", "sun", "snow"), columns), "sea,sun,snow")
    assert (found.classes, found.labels.tolist()) == (("sea", "sun"), [[0, 0], [1, 0], [0, 1], [1, 1]])
    assert found.reason.endswith("left out because they are the same in every row: snow")
    assert found.names == ("sea", "sun", "snow")  # none of them is a feature


def test_words_for_missing_values_are_classes_where_they_look_like_one() -> None:
    """None is a class; NA is one if it is frequent and in no other column; both are said, with the way to change it."""
    other = ["x", "y"] * 10
    cases = {
        "None": (["None", "mild"] * 10, other, ("None", "mild"), "leave these cells blank"),
        "NA": (["NA", "EU"] * 10, other, ("EU", "NA"), "leave these cells blank"),
        "n/a": (["n/a", "EU"] * 10, other, ("EU", "n/a"), "leave these cells blank"),
        "NA elsewhere too": (["NA", "EU", "JP", "EU"] * 5, ["NA", "y"] * 10, ("EU", "JP"), "write another word"),
        "rare NA": (["NA"] + ["EU", "JP"] * 9 + ["EU"], other, ("EU", "JP"), "write another word"),
        "null": (["null", "EU", "JP", "EU"] * 5, other, ("EU", "JP"), "write another word"),
    }
    for kind, (target, column, classes, told) in cases.items():
        found = find_target(table(x=column, t=target), None)
        assert (sorted(found.classes), told in found.reason) == (sorted(classes), True), kind
        assert len(found.kept) + len(found.skipped) == 20
    found = find_target(table(x=other, t=["yes", ""] * 9 + ["no", "no"]), None)
    assert "counts as" not in found.reason


def test_a_marker_that_a_model_knows_as_a_class_is_one() -> None:
    """However rare it is in the new table."""
    found = find_target(table(x=[1, 2, 3], t=["NA", "EU", "EU"]), ["t"], task="binary", classes=("EU", "NA"))
    assert found.labels.tolist() == [1, 0, 0]


def test_blank_cells_of_columns_of_ticks_are_0() -> None:
    """If all columns hold ticks or bits; a blank beside a 0 is missing."""
    for tick in ("1", "x", "yes", "TRUE", "✓"):
        found = find_target(table(a=[1.5, 2, 3, 4], red=[tick, "", tick, ""], blue=["", "", tick, tick]), "red,blue")
        assert (found.task, found.labels.tolist()) == ("multilabel", [[1, 0], [0, 0], [1, 1], [0, 1]])
        assert "blank cells count as 0 in red, blue" in found.reason
    found = find_target(table(red=["1", "", "1", ""], blue=["0", "", "1", "1"]), "red,blue")
    assert (found.labels.tolist(), len(found.skipped)) == ([[1, 0], [1, 1], [0, 1]], 1)
    found = find_target(
        table(red=["", "", ""], blue=["1", "", "1"]), ["red", "blue"], task="multilabel", classes=("red", "blue")
    )
    assert found.labels.tolist() == [[0, 1], [0, 0], [0, 1]]


def test_amounts_with_units_are_amounts_even_if_few_differ() -> None:
    """Twelve prices are a regression, in thousands or millions too; five ratings may be classes, and that is said."""
    prices = [f"${1000 * (i % 12)}" for i in range(60)]
    money = [f"\u20ac{i % 30 + 0.5}M" if i % 2 else f"\u20ac{500 + i}K" for i in range(60)]
    for cells, first in ((prices, [0.0, 1000.0]), (money, [500_000.0, 1_500_000.0])):
        found = find_target(table(x=list(range(60)), price=cells), "price")
        assert (found.task, found.labels[:2, 0].tolist()) == ("regression", first)
    found = find_target(table(x=list(range(60)), rating=[f"{i % 5 + 1} stars" for i in range(60)]), "rating")
    assert (found.task, "--task regression if they are amounts" in found.reason) == ("multiclass", True)


@pytest.mark.parametrize(
    ("cells", "received", "advice"),
    [
        ([f"{i * 7} {'kg' if i % 2 else 'g'}" for i in range(40)], "amounts with the units g, kg", "in one unit"),
        ([f"~{i * 7}" for i in range(40)], "numbers with other signs", "plain numbers"),
        ([f"2024-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(40)], "dates", "to_datetime"),
        ([f"p{i}@x.org" for i in range(40)], "such as p0@x.org", "--target town"),
    ],
)
def test_a_target_of_different_texts_gets_advice_by_what_they_are(cells: list[str], received: str, advice: str) -> None:
    """H113 says what the cells are, and what to type."""
    with pytest.raises(DatasetError, match="H113") as caught:
        find_target(table(x=list(range(40)), town=["Ulm", "Graz"] * 20, label=cells), None)
    assert received in caught.value.received
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2:44:30", "2:11", "0:07", "100:00:00", "90:15.5"], [9870, 131, 7, 360_000, 5415.5]),
        (["1:45 PM", "11:00:30 AM", "12:05 AM"], [49_500, 39_630, 300]),
        (["2000-01-02", "2000-01-31T12:00"], [1, 30.5]),
        (["31.01.2000", "02.01.2000 12:00"], [30, 1.5]),
        (["1/31/2000", "2/1/2000"], [30, 31]),
        (["31-Jan-2000", "2-Jan-2000"], [30, 1]),
    ],
)
@pytest.mark.parametrize("header", ["town;it's time\n", ""])
def test_the_advice_about_texts_runs_as_it_is_written(
    tmp_path: Path, cells: list[str], expected: list[float], header: str
) -> None:
    """The command reads the user's file and writes numbers beside it."""
    several = [cells[i % len(cells)] for i in range(40)]
    file = tmp_path / "a race.csv"
    file.write_text(header + "".join(f"Ulm;{cell}\n" for cell in several))
    found, _ = read_cells(file)
    _, advice = about_texts(found, found.names[1], several)
    written = run_advice(advice)
    assert written[: len(cells)] == pytest.approx(expected)


def run_advice(advice: str) -> list[Any]:
    """Run the program in an advice; the last column of the file that it writes."""
    program = shlex.split(advice[advice.index("python -c") :].partition("; else ")[0])[2]
    subprocess.run([sys.executable, "-c", program], check=True)
    (file,) = [
        text for text in re.findall(r'"([^"]*)"', program) if text.endswith(("-seconds.csv", "-days.csv", "-filled.csv"))
    ]
    return pd.read_csv(file).iloc[:, -1].tolist()


def test_durations_in_the_last_column_get_advice_whether_they_recur_or_not() -> None:
    """H108, as the column was not asked for; H113 if some recur."""
    for cells, code in (([f"{i}:0{i % 7}" for i in range(40)], "H108"), ([f"{i // 1.2:.0f}:01" for i in range(40)], "H113")):
        with pytest.raises(DatasetError, match=code) as caught:
            last(*cells)
        assert "total_seconds" in caught.value.advice


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_advice_about_blank_cells_runs_as_it_is_written(tmp_path: Path, suffix: str) -> None:
    """Whatever pandas calls the type of the column."""
    for cells, expected in ((["yes", None], ["yes", "no"]), ([1.0, None], [1, 0])):
        file = tmp_path / f"ticks{suffix}"
        frame = pd.DataFrame({"town": ["Ulm", "Graz"] * 10, "label": cells * 10})
        frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
        with pytest.raises(DatasetError, match="H101") as caught:
            find_target(read_cells(file)[0], "label")
        assert run_advice(caught.value.advice)[:2] == expected


def test_a_target_with_one_value_gets_advice_about_its_blank_cells() -> None:
    """H101 and H108: blank may stand for the opposite; else another column is named, if there is one."""
    columns = {"town": ["Ulm", "Graz"] * 10, "label": ["yes", ""] * 10}
    with pytest.raises(DatasetError, match="H101") as caught:
        find_target(table(**columns), None)
    assert "10 cells without a value" in caught.value.received
    assert caught.value.advice.startswith("if blank means no, write it: python -c ")
    with pytest.raises(DatasetError, match="H108") as caught:
        find_target(table(town=columns["town"], churn=columns["label"]), None)
    assert caught.value.advice.startswith("if blank means no, write it: python -c ")
    with pytest.raises(DatasetError, match="H101") as caught:
        find_target(table(town=columns["town"], label=["a"] * 20), None)
    assert caught.value.advice == "choose another column, for example --target town"
    with pytest.raises(DatasetError, match="H101") as caught:
        find_target(table(label=["a"] * 20), None)
    assert caught.value.advice == "add a column with the label of each row"


@pytest.mark.parametrize("name", ["fold", "kfold", "split", "Fold ID"])
@pytest.mark.parametrize("leave_out", [(), ("file",)])
def test_a_column_of_folds_is_not_the_target_by_its_position(name: str, leave_out: Sequence[str]) -> None:
    """Neither as the last column nor as one of several columns of 0 and 1; by its name it is."""
    columns = {"file": list("abcdef"), "kind": ["sea", "hill"] * 3, name: [0, 1, 2] * 2}
    found = find_target(table(**columns), None, leave_out=leave_out)
    assert (found.names, found.task) == (("kind",), "binary")
    assert found.reason.startswith(f"the target is kind, the last column besides {name}; ")
    assert find_target(table(**columns), name).names == (name,)
    bits = {"file": list("abcdef"), "sea": [0, 1, 1, 0, 1, 0], "hill": [1, 1, 0, 0, 1, 0], name: [0, 0, 0, 1, 1, 1]}
    assert find_target(table(**bits), None, leave_out=["file"]).names == ("sea", "hill")


@pytest.mark.parametrize(("on", "off"), [("yes", "no"), ("Y", "N"), ("True", "False"), ("t", "f"), ("1", "0")])
@pytest.mark.parametrize("task", [None, "multilabel"])
def test_several_columns_of_yes_and_no_are_labels(on: str, off: str, task: str | None) -> None:
    """In any case, and whatever stands for yes."""
    found = find_target(table(red=[on, off, on], blue=[on, on, off]), "red,blue", task=task)
    assert (found.task, found.labels.tolist()) == ("multilabel", [[1, 1], [0, 1], [1, 0]])


def test_columns_that_are_no_ticks_get_advice_to_write_ticks() -> None:
    """H102 names the columns that hold something else."""
    with pytest.raises(DatasetError, match="H102") as caught:
        find_target(table(red=["yes", "no"] * 3, blue=["some", "none", "all"] * 2), "red,blue")
    assert caught.value.advice == "if each column is a label, write 1 and 0 into blue; else choose one: --target blue"


@pytest.mark.parametrize(
    ("cells", "alike"),
    [
        (["Yes", "yes", "YES", "No", "no"], "No / no, YES / Yes / yes"),
        (["red oak", "red  oak", "Redoak", "ash"], "red  oak / red oak / Redoak"),
        (["a;b", "A;b", "b"], "A / a"),
        (["yes", "no"], ""),
    ],
)
def test_classes_that_differ_in_case_or_blanks_only_are_named(cells: list[str], alike: str) -> None:
    """They stay separate classes."""
    found = last(*cells * 4)
    _, _, about = found.reason.partition("; names that differ in case or blanks only are separate classes: ")
    assert about == (f"{alike} (write one name for each class)" if alike else "")
    assert {*alike.replace(", ", " / ").split(" / ")} <= {*found.classes, ""}


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("moonth", "--target month"),
        ("month,ages", "--target month,age"),
        ("my tow", "--target 'my town'"),
        ("zzz", "name it: --target COLUMN"),
    ],
)
def test_a_misspelled_column_is_put_right_in_the_advice(target: str, advice: str) -> None:
    """Also where several are named."""
    columns = {"month": [1, 2], "age": [3, 4], "my town": ["Ulm", "Graz"]}
    with pytest.raises(DatasetError, match="H108") as caught:
        find_target(table(**columns), target)
    assert caught.value.advice == advice


def test_blanks_around_a_name_do_not_matter() -> None:
    """As in a header with a blank behind each comma, which pandas keeps."""
    frame = pd.DataFrame({"age": range(4), " salary": [" low", " high"] * 2})
    found = find_target(table_of_frame(frame), " salary")
    assert (found.names, found.classes) == (("salary",), ("high", "low"))


@pytest.mark.parametrize(
    ("name", "ids"),
    [("id", range(40)), ("Record No", range(900, 860, -1)), ("uuid", [f"x{i:04x}" for i in range(0, 4000, 100)])],
)
def test_a_column_of_ids_is_not_the_target_by_its_position(name: str, ids: Sequence[object]) -> None:
    """It is if it is asked for, and numbers that are no count of the rows may be one whatever their name."""
    kinds = ["cat", "dog"] * 20
    cells = table(**{"size": [*range(40)], "kind": kinds, name: [*ids]})
    found = find_target(cells, None)
    assert found.names == ("kind",)
    assert found.reason.startswith(f"the target is kind, the last column besides {name}; ")
    assert find_target(table(kind=kinds, id=[*range(40)]), "id").names == ("id",)
    prices = np.random.default_rng(0).normal(100, 10, 40).round(1)
    assert find_target(table(kind=kinds, number=[*prices]), None).names == ("number",)
    assert find_target(table(kind=kinds, number=[1, 2, 3, 4] * 10), None).names == ("number",)
