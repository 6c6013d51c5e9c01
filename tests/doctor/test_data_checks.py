"""Each check of the data gives a finding where it should, and only there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.data.tables.table import Table
from headstart.doctor.data_checks import CHECKS, check_data
from headstart.doctor.findings import Finding

JPEG = {"width": 9, "height": 9, "format": "JPEG", "mode": "RGB", "animated": False}
COUNTS = {"train": 40, "validation": 10, "test": 600}


def make(**changes: Any) -> Dataset:
    """A data set without findings, with ``changes`` applied."""
    split = tuple(name for name, count in COUNTS.items() for _ in range(2 * count))
    n = len(split)
    healthy = Dataset(
        name="pets",
        task="binary",
        task_reason="",
        classes=("cat", "dog"),
        paths=tuple(f"{i}.jpg" for i in range(n)),
        labels=np.arange(n) % 2,
        digests=tuple(str(i) for i in range(n)),
        split=split,
        made_splits=("train", "test", "validation"),
        duplicate_groups=tuple(range(n)),
    )
    return replace(healthy, **changes)


def facts(dataset: Dataset, *odd: str) -> dict[int, dict[str, Any]]:
    """Facts of the decoder: JPEG for all files except the first ones, which have the ``odd`` formats."""
    seen = {i: dict(JPEG) for i in range(len(dataset))}
    return seen | {i: {**JPEG, "format": kind} for i, kind in enumerate(odd)}


def found(dataset: Dataset, *odd: str) -> dict[str, Finding]:
    """Findings by their code."""
    return {finding.code: finding for finding in check_data(dataset, facts(dataset, *odd))}


def first(dataset: Dataset, position: int, value: object, field: str) -> Dataset:
    """Return the data set with one value of one sample changed."""
    values = list(getattr(dataset, field))
    values[position] = value
    return replace(dataset, **{field: tuple(values)})


def test_healthy_data_has_no_finding() -> None:
    """No check fires on data without a problem."""
    assert found(make()) == {}


def test_skipped_files_are_counted_by_reason() -> None:
    """D101 counts skipped files and their reasons, the most frequent first."""
    skipped = [Skipped(f"{i}", "cannot be read: permission denied") for i in range(3)]
    finding = found(make(skipped=(Skipped("x", "the file is empty"), *skipped)))["D101"]
    assert finding.title.startswith("4 ")
    assert finding.measured.index("3 × permission denied") < finding.measured.index("1 × the file is empty")


def test_hidden_files_are_no_finding() -> None:
    """Hidden files are listed in skipped.csv and give no finding."""
    assert found(make(skipped=(Skipped(".DS_Store", "hidden or a system file"),))) == {}


def test_file_of_an_unusual_format_is_named() -> None:
    """D102 names the file and its format."""
    finding = found(make(), "GIF")["D102"]
    assert "0.jpg (GIF)" in finding.measured
    assert finding.severity == "info"


def test_mixed_formats_are_no_finding() -> None:
    """A tenth of PNG files among JPEG files is usual and gives no D102."""
    assert found(make(), *["PNG"] * 130) == {}


def test_duplicates_on_one_side_are_counted() -> None:
    """D103 counts exact and near duplicates separately in a split that Headstart made."""
    dataset = first(first(first(make(), 2, "0", "digests"), 2, 0, "duplicate_groups"), 4, 0, "duplicate_groups")
    finding = found(dataset)["D103"]
    assert "1 exact and 1 near" in finding.measured
    assert "D104" not in found(dataset)


def test_duplicates_within_a_split_of_the_user_are_no_finding() -> None:
    """D103 says that Headstart kept duplicates together, so it does not apply to splits of the user."""
    dataset = first(first(make(made_splits=()), 2, "0", "digests"), 2, 0, "duplicate_groups")
    assert found(dataset) == {}


def test_picture_on_both_sides_of_a_split_is_named() -> None:
    """D104 counts pictures, not files, and names one; here a test sample is put into the group of a training sample."""
    dataset = first(make(made_splits=()), len(make()) - 2, 0, "duplicate_groups")
    finding = found(dataset)["D104"]
    assert finding.title.startswith("1 ")
    assert "2 images" in finding.measured
    assert "0.jpg" in finding.measured
    assert finding.severity == "warning"


def test_pictures_that_look_alike_without_being_copies_are_counted() -> None:
    """D118 says how to keep the frames of a video together; a table has no pictures."""
    dataset = replace(make(), num_in_scenes=40)
    assert "40 of" in found(dataset)["D118"].measured
    assert found(dataset)["D118"].severity == "info"
    finding = found(replace(dataset, num_indistinct=30))["D118"]
    assert (finding.severity, "30 of them may be copies" in finding.measured) == ("warning", True)
    assert "D118" not in found(make())
    assert "D118" not in found(as_table(dataset))


def test_picture_with_two_labels_is_named() -> None:
    """D105 fires if equal content has two classes; equal content in one class is no conflict."""
    dataset = first(first(make(), 1, "0", "digests"), 1, 0, "duplicate_groups")
    assert "0.jpg" in found(dataset)["D105"].measured
    same = first(first(make(), 2, "0", "digests"), 2, 0, "duplicate_groups")
    assert "D105" not in found(same)


def as_table(dataset: Dataset) -> Dataset:
    """Turn the samples into rows of a table."""
    return replace(dataset, table=Table(("a",), (np.array(dataset.digests, object),)))


def test_equal_rows_are_reported_by_split_and_label() -> None:
    """D110 if equal rows are on one side of the split, D111 if not, D112 if their labels differ."""
    together = found(as_table(first(first(make(), 2, "0", "digests"), 2, 0, "duplicate_groups")))
    assert set(together) == {"D110"}
    assert together["D110"].measured.startswith("1 of 1300 rows duplicate another row")
    across = found(as_table(first(make(), 1298, "0", "digests")))
    assert set(across) == {"D111"}
    assert (across["D111"].title[:6], across["D111"].severity) == ("2 rows", "warning")
    assert across["D111"].measured.endswith("for example row 0.jpg (cat)")
    differing = found(as_table(first(first(make(), 1, "0", "digests"), 1, 0, "duplicate_groups")))
    assert set(differing) == {"D110", "D112"}
    assert (differing["D112"].title[:6], differing["D112"].severity) == ("2 rows", "info")


def test_recurring_rows_give_only_the_label_conflict() -> None:
    """If most rows recur because the columns have few values, equal rows are not copies, and only D112 fires."""
    dataset = make()
    few = replace(dataset, digests=tuple(str(i % 7) for i in range(len(dataset))))
    assert set(found(as_table(few))) == {"D112"}


@pytest.mark.parametrize(("number", "fires"), [(499, True), (500, False)])
def test_small_test_split_is_reported_with_its_interval(number: int, fires: bool) -> None:
    """D106 fires below 500 samples and states the half width of the interval at 50%: 1.96 · sqrt(0.25 / n)."""
    dataset = make()
    keep = [*dataset.indices("train", "validation"), *dataset.indices("test")[:number]]
    findings = found(dataset.take(keep))
    assert ("D106" in findings) == fires
    if fires:
        assert "499 samples" in findings["D106"].measured
        assert "±4.4 points" in findings["D106"].measured


def test_small_validation_split_is_reported_without_a_test_split() -> None:
    """D106 is about the split that the score is measured on, and D109 reports that there is no test split."""
    dataset = make()
    findings = found(dataset.take(dataset.indices("train", "validation")))
    assert set(findings) == {"D106", "D109"}
    assert "validation" in findings["D106"].title
    assert "20 validation samples" in findings["D109"].measured


@pytest.mark.parametrize(("cats", "fires"), [(199, False), (200, True)])
def test_imbalanced_classes_are_reported(cats: int, fires: bool) -> None:
    """D107 fires from a ratio of 5:1 in the training split."""
    dataset = make()
    extra = make(split=("train",) * len(dataset)).take(range(0, 2 * (cats - 40), 2))
    joined = dataset.plus(extra)
    distinct = replace(joined, digests=tuple(map(str, range(len(joined)))), duplicate_groups=tuple(range(len(joined))))
    findings = found(distinct)
    assert ("D107" in findings) == fires
    if fires:
        assert findings["D107"].measured == "200 training samples of cat, 40 of dog"


@pytest.mark.parametrize(("dogs", "fires"), [(20, False), (19, True)])
def test_small_class_is_reported_with_its_size(dogs: int, fires: bool) -> None:
    """D108 fires below 20 training samples and states the class and its number of samples."""
    dataset = make()
    gone = [i for i in dataset.indices("train") if dataset.labels[i] == 1][dogs:]
    findings = found(dataset.without([], gone))
    assert ("D108" in findings) == fires
    if fires:
        assert findings["D108"].measured == "dog 19"


def test_group_on_both_sides_of_a_split_is_named() -> None:
    """D113 names the group; samples without a group are ignored."""
    dataset = make()
    train, test = dataset.indices("train")[0], dataset.indices("test")[0]
    together = [f"p{i}" if i % 2 else "" for i in range(len(dataset))]
    assert "D113" not in found(replace(dataset, groups=tuple(together)))
    together[train] = together[test] = "Ada"
    finding = found(replace(dataset, groups=tuple(together)))["D113"]
    assert (finding.title, finding.severity) == ("1 group is on both sides of your split", "warning")
    assert "Ada" in finding.measured


def test_every_check_gives_a_complete_finding() -> None:
    """Each check has a code of its own, a known severity, every field filled in, and values that JSON can hold."""
    sick = make(skipped=(Skipped("x", "damaged"),))
    sick = first(first(first(sick, 1, "0", "digests"), 1, 0, "duplicate_groups"), len(sick) - 1, 0, "duplicate_groups")
    sick = sick.take([0, 1, 2, 4, 6, 8, 10, 12, len(sick) - 1])
    without_test = sick.take(range(8))
    findings = [check(data, facts(data)) for check in CHECKS for data in (sick, without_test)]
    findings += check_data(replace(make(), num_in_scenes=40), facts(make(), "GIF"))
    rows = as_table(first(first(make(), 1, "0", "digests"), 1298, "2", "digests"))
    findings += check_data(replace(rows, groups=("a patient",) * len(rows)), {})
    codes = {finding.code for finding in findings if finding is not None}
    assert len(codes) == len(CHECKS)
    for finding in findings:
        if finding is not None:
            assert finding.severity in ("info", "warning", "error")
            values = finding.to_json()
            assert set(values) == {"code", "title", "severity", "measured", "why", "advice"}
            assert all(values.values())
            assert json.loads(json.dumps(values)) == values


def test_classes_without_test_samples_are_named() -> None:
    """D119: the scores say nothing about them; without a test split D109 says so."""
    dataset = make()
    of_first = np.flatnonzero((np.array(dataset.split) == "test") & (dataset.labels == 0))
    moved = replace(dataset, split=tuple("train" if i in of_first else split for i, split in enumerate(dataset.split)))
    assert found(moved)["D119"].measured.startswith(dataset.classes[0])
    assert "D119" not in found(dataset)
    assert "D119" not in found(replace(dataset, split=tuple("train" if s == "test" else s for s in dataset.split)))
