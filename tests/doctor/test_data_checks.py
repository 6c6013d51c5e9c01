"""Artefacts: each check of the data speaks where it should, and only there."""

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
    """A data set that no check has anything to say about, with these changes."""
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
    """What the decoder saw: JPEG everywhere but for the first files."""
    seen = {i: dict(JPEG) for i in range(len(dataset))}
    return seen | {i: {**JPEG, "format": kind} for i, kind in enumerate(odd)}


def found(dataset: Dataset, *odd: str) -> dict[str, Finding]:
    """Findings by their code."""
    return {finding.code: finding for finding in check_data(dataset, facts(dataset, *odd))}


def first(dataset: Dataset, position: int, value: object, field: str) -> Dataset:
    """The data set with one value of one sample changed."""
    values = list(getattr(dataset, field))
    values[position] = value
    return replace(dataset, **{field: tuple(values)})


def test_healthy_data_has_no_finding() -> None:
    """Nothing is said where nothing is wrong."""
    assert found(make()) == {}


def test_files_left_out() -> None:
    """D101 counts them and their reasons, most frequent first."""
    skipped = [Skipped(f"{i}", "cannot be read: permission denied") for i in range(3)]
    finding = found(make(skipped=(Skipped("x", "the file is empty"), *skipped)))["D101"]
    assert finding.title.startswith("4 ")
    assert finding.measured.index("3 × permission denied") < finding.measured.index("1 × the file is empty")


def test_hidden_files_are_no_finding() -> None:
    """They are listed in skipped.csv, which is enough."""
    assert found(make(skipped=(Skipped(".DS_Store", "hidden or a system file"),))) == {}


def test_a_file_of_an_unusual_format() -> None:
    """D102 names the file and its format."""
    finding = found(make(), "GIF")["D102"]
    assert "0.jpg (GIF)" in finding.measured
    assert finding.severity == "info"


def test_a_mix_of_formats_is_no_finding() -> None:
    """A tenth of PNG among JPEG is how people collect pictures."""
    assert found(make(), *["PNG"] * 130) == {}


def test_copies_on_one_side() -> None:
    """D103 tells exact copies from near ones, where Headstart made the split."""
    dataset = first(first(first(make(), 2, "0", "digests"), 2, 0, "duplicate_groups"), 4, 0, "duplicate_groups")
    finding = found(dataset)["D103"]
    assert "1 exact and 1 near" in finding.measured
    assert "D104" not in found(dataset)


def test_copies_within_the_user_s_split_are_no_finding() -> None:
    """Nothing was kept together by us there, so nothing is claimed."""
    dataset = first(first(make(made_splits=()), 2, "0", "digests"), 2, 0, "duplicate_groups")
    assert found(dataset) == {}


def test_a_picture_on_both_sides() -> None:
    """D104 counts pictures, not files, and names one of them; the position of a test sample joins a training group."""
    dataset = first(make(made_splits=()), len(make()) - 2, 0, "duplicate_groups")
    finding = found(dataset)["D104"]
    assert finding.title.startswith("1 ")
    assert "2 images" in finding.measured
    assert "0.jpg" in finding.measured
    assert finding.severity == "warning"


def test_a_picture_with_two_labels() -> None:
    """D105 where equal content is in two classes; equal content in one class is no conflict."""
    dataset = first(first(make(), 1, "0", "digests"), 1, 0, "duplicate_groups")
    assert "0.jpg" in found(dataset)["D105"].measured
    same = first(first(make(), 2, "0", "digests"), 2, 0, "duplicate_groups")
    assert "D105" not in found(same)


def as_table(dataset: Dataset) -> Dataset:
    """The same samples as rows of a table."""
    return replace(dataset, table=Table(("a",), (np.array(dataset.digests, object),)))


def test_rows_that_are_alike_are_not_called_copies() -> None:
    """D110 where they are on one side, D111 where not, D112 where their labels differ; no label is called wrong."""
    together = found(as_table(first(first(make(), 2, "0", "digests"), 2, 0, "duplicate_groups")))
    assert set(together) == {"D110"}
    assert together["D110"].measured.startswith("1 of 1300 rows are like another")
    across = found(as_table(first(make(), 1298, "0", "digests")))
    assert set(across) == {"D111"}
    assert (across["D111"].title[:6], across["D111"].severity) == ("2 rows", "warning")
    assert across["D111"].measured.endswith("for example row 0.jpg (cat)")
    differing = found(as_table(first(first(make(), 1, "0", "digests"), 1, 0, "duplicate_groups")))
    assert set(differing) == {"D110", "D112"}
    assert (differing["D112"].title[:6], differing["D112"].severity) == ("2 rows", "info")


def test_where_most_rows_recur_only_what_cannot_be_told_apart_is_a_finding() -> None:
    """Few discrete columns make rows that are alike on all sides."""
    dataset = make()
    few = replace(dataset, digests=tuple(str(i % 7) for i in range(len(dataset))))
    assert set(found(as_table(few))) == {"D112"}


@pytest.mark.parametrize(("number", "speaks"), [(499, True), (500, False)])
def test_a_small_test_split(number: int, speaks: bool) -> None:
    """D106 below 500 samples, with the width that they allow: 1.96 · sqrt(0.25 / n)."""
    dataset = make()
    keep = [*dataset.indices("train", "validation"), *dataset.indices("test")[:number]]
    findings = found(dataset.take(keep))
    assert ("D106" in findings) == speaks
    if speaks:
        assert "499 samples" in findings["D106"].measured
        assert "±4.4 points" in findings["D106"].measured


def test_a_small_validation_split_where_there_is_no_test_split() -> None:
    """D106 speaks of the split that the score is measured on, and D109 says that there is no other."""
    dataset = make()
    findings = found(dataset.take(dataset.indices("train", "validation")))
    assert set(findings) == {"D106", "D109"}
    assert "validation" in findings["D106"].title
    assert "20 validation samples" in findings["D109"].measured


@pytest.mark.parametrize(("cats", "speaks"), [(199, False), (200, True)])
def test_classes_of_very_different_size(cats: int, speaks: bool) -> None:
    """D107 from five to one, in the training split alone."""
    dataset = make()
    extra = make(split=("train",) * len(dataset)).take(range(0, 2 * (cats - 40), 2))
    joined = dataset.plus(extra)
    distinct = replace(joined, digests=tuple(map(str, range(len(joined)))), duplicate_groups=tuple(range(len(joined))))
    findings = found(distinct)
    assert ("D107" in findings) == speaks
    if speaks:
        assert findings["D107"].measured == "200 training samples of cat, 40 of dog"


@pytest.mark.parametrize(("dogs", "speaks"), [(20, False), (19, True)])
def test_a_class_of_few_samples(dogs: int, speaks: bool) -> None:
    """D108 below twenty training samples, with the class and its number."""
    dataset = make()
    gone = [i for i in dataset.indices("train") if dataset.labels[i] == 1][dogs:]
    findings = found(dataset.without([], gone))
    assert ("D108" in findings) == speaks
    if speaks:
        assert findings["D108"].measured == "dog 19"


def test_a_group_on_both_sides_of_a_split() -> None:
    """D113 names it; samples that belong to no other are no group."""
    dataset = make()
    train, test = dataset.indices("train")[0], dataset.indices("test")[0]
    together = [f"p{i}" if i % 2 else "" for i in range(len(dataset))]
    assert "D113" not in found(replace(dataset, groups=tuple(together)))
    together[train] = together[test] = "Ada"
    finding = found(replace(dataset, groups=tuple(together)))["D113"]
    assert (finding.title, finding.severity) == ("1 group is on both sides of your split", "warning")
    assert "Ada" in finding.measured


def test_every_check_of_the_table_speaks_in_full() -> None:
    """The contract of a row: its own code, a known severity, every field filled, plain JSON."""
    sick = make(skipped=(Skipped("x", "damaged"),))
    sick = first(first(first(sick, 1, "0", "digests"), 1, 0, "duplicate_groups"), len(sick) - 1, 0, "duplicate_groups")
    sick = sick.take([0, 1, 2, 4, 6, 8, 10, 12, len(sick) - 1])
    without_test = sick.take(range(8))
    findings = [check(data, facts(data)) for check in CHECKS for data in (sick, without_test)]
    findings += check_data(make(), facts(make(), "GIF"))
    rows = as_table(first(first(make(), 1, "0", "digests"), 1298, "2", "digests"))
    findings += check_data(replace(rows, groups=("a patient",) * len(rows)), {})
    codes = {finding.code for finding in findings if finding is not None}
    assert codes == {f"D{number}" for number in range(101, 101 + len(CHECKS))}
    for finding in findings:
        if finding is not None:
            assert finding.severity in ("info", "warning", "error")
            values = finding.to_json()
            assert set(values) == {"code", "title", "severity", "measured", "why", "advice"}
            assert all(values.values())
            assert json.loads(json.dumps(values)) == values
