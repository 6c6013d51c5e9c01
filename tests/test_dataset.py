"""Data: a Dataset keeps everything that belongs to a sample together, and the original as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.dataset import Dataset, Skipped


def make() -> Dataset:
    """Five samples of two classes, each with all that a sample can have."""
    return Dataset(
        name="pets",
        task="binary",
        task_reason="2 classes",
        classes=("cat", "dog"),
        paths=("a", "b", "c", "d", "e"),
        labels=np.array([0, 1, 0, 1, 0]),
        digests=("A", "B", "C", "D", "E"),
        split=("train", "train", "validation", "test", ""),
        skipped=(Skipped("x", "no image"),),
        arrays=np.arange(5 * 4).reshape(5, 2, 2, 1),
        groups=(0, 1, 2, 3, 4),
    )


@given(st.lists(st.integers(0, 4), max_size=8))
def test_taken_samples_keep_all_that_is_theirs(indices: list[int]) -> None:
    """Path, label, digest, split, array and group move together, in the order asked for."""
    whole = make()
    taken = whole.take(indices)
    assert len(taken) == len(indices)
    for position, i in enumerate(indices):
        assert taken.paths[position] == whole.paths[i]
        assert taken.digests[position] == whole.digests[i]
        assert taken.split[position] == whole.split[i]
        assert taken.groups[position] == whole.groups[i]
        assert taken.labels[position] == whole.labels[i]
        assert taken.arrays is not None
        assert whole.arrays is not None
        np.testing.assert_array_equal(taken.arrays[position], whole.arrays[i])
    assert (taken.classes, taken.skipped) == (whole.classes, whole.skipped)


def test_indices_and_counts_follow_the_split() -> None:
    """Positions are ascending, over one split or several; counts name every class, empty ones too."""
    dataset = make()
    assert dataset.indices("train").tolist() == [0, 1]
    assert dataset.indices("test", "validation").tolist() == [2, 3]
    assert dataset.indices("").tolist() == [4]
    assert dataset.counts("train") == {"cat": 1, "dog": 1}
    assert dataset.counts("test") == {"cat": 0, "dog": 1}


def test_samples_that_leave_are_listed() -> None:
    """Found is used plus skipped, still, after a file turned out to be unreadable."""
    before = make()
    after = before.without([Skipped("b", "damaged")], [1])
    assert after.paths == ("a", "c", "d", "e")
    assert after.skipped == (Skipped("x", "no image"), Skipped("b", "damaged"))
    assert len(after) + len(after.skipped) == len(before) + len(before.skipped)
    assert before.paths == ("a", "b", "c", "d", "e")


def test_two_parts_make_one_set() -> None:
    """Samples come in order, a file that both left out is listed once, and groups are forgotten."""
    whole = make()
    joined = whole.take([0, 1]).plus(whole.take([2, 3, 4]))
    assert joined.paths == whole.paths
    assert joined.labels.tolist() == whole.labels.tolist()
    assert joined.split == whole.split
    assert joined.skipped == whole.skipped
    assert joined.groups == ()
    assert joined.arrays is not None
    np.testing.assert_array_equal(joined.arrays, whole.arrays)


def test_a_sample_is_a_file() -> None:
    """``file`` gives the path as it was written."""
    assert make().file(1) == Path("b")
