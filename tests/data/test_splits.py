"""Splits are stratified and seeded, keep copies together, and do not change the user's own split."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from headstart.data.dataset import SPLITS, Dataset
from headstart.data.folds import make_folds
from headstart.data.groups import duplicate_groups, group_duplicates
from headstart.data.images import preprocess as pixels
from headstart.data.images.decoder import thumbnail
from headstart.data.readers.folders.folder import read_folder
from headstart.data.splits import carve_validation, make_split, strata
from headstart.data.tables.table import Table
from headstart.data.target_scaling import fit_scaling
from headstart.foundation.errors import DatasetError

Array = np.ndarray[Any, Any]


def make(
    labels: Sequence[int], *, split: Sequence[str] = (), groups: Sequence[int] = (), digests: Sequence[str] = ()
) -> Dataset:
    """A data set of samples that nobody reads: only labels, splits and groups count."""
    names = tuple(f"{i:04d}" for i in range(len(labels)))
    num_classes = max([1, *labels]) + 1
    return Dataset(
        name="made",
        task="multiclass",
        task_reason="",
        classes=tuple(f"class {i}" for i in range(num_classes)),
        paths=names,
        labels=np.array(labels, np.int64),
        digests=tuple(digests) or names,
        split=tuple(split) or ("",) * len(labels),
        duplicate_groups=tuple(groups),
    )


def make_values(values: Array, **settings: Any) -> Dataset:
    """The same of a regression, ``(n, targets)``."""
    names = tuple(f"target {i}" for i in range(values.shape[1]))
    return replace(make([0] * len(values), **settings), task="regression", classes=names, labels=values)


def make_labels(labels: Array, **settings: Any) -> Dataset:
    """The same of several labels a sample, ``(n, labels)``."""
    names = tuple(f"label {i}" for i in range(labels.shape[1]))
    return replace(make([0] * len(labels), **settings), task="multilabel", classes=names, labels=labels)


def thumbnails_of(images: Sequence[Image.Image | bytes]) -> Array:
    """Thumbnails as the decoder makes them, of pictures in memory or of files' bytes."""
    squares = (
        pixels.load(image, 64) if isinstance(image, bytes) else pixels.from_array(np.asarray(image), pixels.Settings(64))
        for image in images
    )
    return np.stack([thumbnail(square) for square in squares])


def groups_of(images: Sequence[Image.Image | bytes]) -> tuple[int, ...]:
    """Groups of pictures that all differ in their bytes."""
    return group_duplicates(make([0] * len(images)), thumbnails_of(images)).duplicate_groups


# Shares


@pytest.mark.parametrize("validation", [0.05, 0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("counts", [(100, 100), (400, 60, 40), (1000, 20)])
def test_every_class_gives_its_share(counts: tuple[int, ...], validation: float) -> None:
    """Without copies, test and validation each hold ``validation`` of every class, to one sample, and at least one."""
    labels = [c for c, count in enumerate(counts) for _ in range(count)]
    dataset = make_split(make(labels), validation=validation, seed=3)
    for number, (name, count) in enumerate(zip(dataset.classes, counts, strict=True)):
        shares = {split: dataset.counts(split)[name] for split in SPLITS}
        assert sum(shares.values()) == count, number
        for split in ("validation", "test"):
            assert shares[split] >= 1
            assert abs(shares[split] - validation * count) <= 1
    assert dataset.made_splits == ("train", "test", "validation")


def test_three_samples_a_class_are_enough() -> None:
    """One for each split; small classes are not refused."""
    dataset = make_split(make([0, 1, 0, 1, 0, 1]), validation=0.2)
    assert all(dataset.counts(split) == {"class 0": 1, "class 1": 1} for split in SPLITS)


def test_the_same_seed_gives_the_same_split() -> None:
    """A split is a function of the data and the seed; another seed gives another."""
    dataset = make([i % 3 for i in range(90)])
    assert make_split(dataset, seed=5).split == make_split(dataset, seed=5).split
    assert make_split(dataset, seed=5).split != make_split(dataset, seed=6).split


def test_samples_keep_their_place() -> None:
    """Only the split is decided: order, labels and paths are as they were, and so is the data set that was given."""
    before = make([i % 2 for i in range(20)])
    after = make_split(before)
    assert (after.paths, after.labels.tolist(), after.digests) == (before.paths, before.labels.tolist(), before.digests)
    assert set(before.split) == {""}
    assert set(after.split) == set(SPLITS)


# Labels and values


@pytest.mark.parametrize("seed", range(5))
def test_values_of_every_size_are_on_every_side(seed: int) -> None:
    """A regression is dealt out by tenths of its first target: the sides have nearly the same mean and spread."""
    values = np.random.default_rng(seed).lognormal(0, 1, (300, 2))
    dataset = make_split(make_values(values), validation=0.2, seed=seed)
    sides = [values[dataset.indices(split), 0] for split in SPLITS]
    assert [len(side) for side in sides] == [180, 60, 60]
    for quantile in (0.1, 0.5, 0.9):
        inside = [float((side <= np.quantile(values[:, 0], quantile)).mean()) for side in sides]
        np.testing.assert_allclose(inside, quantile, atol=1e-9)


def test_the_scale_of_targets_is_learned_on_the_training_split_alone() -> None:
    """Whatever validation and test hold, not a bit of it changes; the scale of a carved split is that of what is left."""
    values = np.random.default_rng(0).normal(size=(100, 1))
    dataset = make_split(make_values(values))
    assert dataset.scaling == fit_scaling(values[dataset.indices("train")])
    poisoned = values.copy()
    poisoned[dataset.indices("validation", "test")] = 1e9
    assert make_split(make_values(poisoned, split=dataset.split)).scaling == dataset.scaling
    carved = carve_validation(dataset, share=0.3, seed=1)
    assert carved.scaling == fit_scaling(values[carved.indices("train")])
    assert carved.scaling != dataset.scaling
    assert make_split(make([0, 1] * 10)).scaling is None


def test_a_rare_label_is_on_every_side() -> None:
    """Samples are dealt out by the rarest of their labels, so that one of fifty is not left to chance."""
    labels = np.zeros((500, 3), np.int64)
    labels[:, 0] = np.arange(500) % 2
    labels[::50, 1] = 1
    labels[7::125, 2] = 1
    for seed in range(10):
        dataset = make_split(make_labels(labels), seed=seed)
        assert all(dataset.counts(split)["label 1"] == count for split, count in zip(SPLITS, (6, 2, 2), strict=True))
        assert all(dataset.counts(split)["label 2"] >= 1 for split in SPLITS)
        sizes = [sum(name == split for name in dataset.split) for split in SPLITS]
        np.testing.assert_allclose(sizes, [300, 100, 100], atol=3)  # a stratum is rounded to whole samples


def test_a_label_that_training_lacks_is_told_and_one_that_validation_lacks_is_not() -> None:
    """Nobody can learn what is never there; what validation lacks costs that label its threshold alone."""
    labels = np.array([[1, 0], [0, 0], [1, 1], [0, 1]] * 5)
    split = ("train", "train", "validation", "validation") * 5
    with pytest.raises(DatasetError) as caught:
        make_split(make_labels(labels, split=split))
    assert (caught.value.code, caught.value.title) == ("H104", "1 of 2 classes has no training samples")
    assert "label 1" in caught.value.advice
    swapped = tuple("train" if name == "validation" else "validation" for name in split)
    assert make_split(make_labels(labels, split=swapped)).counts("validation") == {"label 0": 5, "label 1": 0}


def test_a_regression_needs_samples_on_both_sides() -> None:
    """Without a validation sample there is nothing to choose by."""
    with pytest.raises(DatasetError) as caught:
        make_split(make_values(np.array([[1.0], [2.0]]), split=("train", "test")))
    assert (caught.value.code, caught.value.title) == ("H104", "there are no validation samples")
    assert caught.value.expected == "at least one validation sample"


def test_data_of_a_test_split_alone_are_refused_with_what_names_the_splits() -> None:
    """Nothing is left to learn from; to add samples that differ would not help."""
    samples = make([0, 1] * 5, split=("test",) * 10)
    with pytest.raises(DatasetError) as caught:
        make_split(samples.take([]))
    assert caught.value.received == "no samples besides those of the test split"
    assert "training split" in caught.value.advice


def test_strata_by_hand() -> None:
    """Classes are their own; labels the rarest one, or none; values their tenth; equal values one stratum."""
    assert strata(make([2, 0, 1])).tolist() == [2, 0, 1]
    labels = np.array([[1, 1], [1, 0], [0, 0], [1, 0]])  # the second is rarer
    assert strata(make_labels(labels)).tolist() == [0, 1, 2, 1]
    assert strata(make_values(np.arange(50.0)[:, None])).tolist() == [i // 5 for i in range(50)]
    assert strata(make_values(np.arange(12.0)[:, None])).tolist() == [i // 6 for i in range(12)]  # five at least
    assert set(strata(make_values(np.full((7, 1), 3.0))).tolist()) in ({0}, {1})


# Groups


@given(
    members=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 14)), min_size=12, max_size=80),
    validation=st.floats(0.05, 0.45),
    seed=st.integers(0, 99),
)
def test_a_group_is_never_cut(members: list[tuple[int, int]], validation: float, seed: int) -> None:
    """For any groups, of one class or of several, all samples of a group have one split."""
    dataset = make([label for label, _ in members], groups=[group for _, group in members])
    try:
        result = make_split(dataset, validation=validation, seed=seed)
    except DatasetError as error:
        assert error.code == "H104"  # noqa: PT017  so few groups that a class cannot be everywhere
        assume(False)
    splits = defaultdict(set)
    for group, split in zip(result.duplicate_groups, result.split, strict=True):
        splits[group].add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert result.duplicate_groups == dataset.duplicate_groups
    assert set(result.split) <= set(SPLITS)


def test_exact_copies_stay_together_without_being_asked() -> None:
    """Where no groups are known, equal contents are one group."""
    digests = [f"{i // 2}" for i in range(80)]
    dataset = make_split(make([i // 2 % 2 for i in range(80)], digests=digests), seed=1)
    assert dataset.split[0::2] == dataset.split[1::2]
    assert dataset.counts("test") == {"class 0": 8, "class 1": 8}


def test_a_class_of_nothing_but_copies_is_refused() -> None:
    """Ten copies of one picture are one picture: it cannot be in training and in validation."""
    with pytest.raises(DatasetError) as caught:
        make_split(make([0] * 10 + [1] * 10, groups=[0] * 10 + list(range(1, 11))))
    assert caught.value.code == "H104"
    assert "class 0" in caught.value.advice


@pytest.mark.parametrize("contents", [["x"] * 5, ["x"] * 10 + ["y"] * 10], ids=["all alike", "two kinds"])
@pytest.mark.parametrize("others", ["", "x"], ids=["apart", "one like them"])
def test_of_a_table_a_class_of_rows_that_are_alike_is_parted(contents: list[str], others: str) -> None:
    """Rows may be alike and no copies: where a class has no others they are on both sides; other rows stay together."""
    digests = [f"{i // 2}" for i in range(100)] + contents
    digests[0] = others or digests[0]
    labels = [0] * 100 + [1] * len(contents)
    table = Table(("a",), (np.array(digests, object),))
    dataset = make_split(replace(make(labels, digests=digests), table=table), seed=3)
    assert all(dataset.counts(split)["class 1"] for split in SPLITS)
    assert dataset.split[2:100:2] == dataset.split[3:100:2]
    with pytest.raises(DatasetError, match="H104"):
        make_split(make(labels, digests=digests))
    with pytest.raises(DatasetError, match=r"H104: .* no validation") as caught:
        make_split(replace(make([*labels, 2], digests=[*digests, "z"]), table=table))
    assert f"{len(set(digests)) + 1} of them different" in caught.value.received


# The user's own splits


def test_a_whole_split_of_the_user_is_left_as_it_is() -> None:
    """Three splits given: nothing moves, not even a copy on the other side, and nothing is called ours."""
    split = ("train", "train", "validation", "validation", "test", "test") * 5
    dataset = make_split(make([0, 1] * 15, split=split, groups=[0, 1] * 15))
    assert dataset.split == split
    assert dataset.made_splits == ()


@pytest.mark.parametrize("given_splits", [("train", "test"), ("train",), ("test", "")])
def test_a_missing_validation_split_is_carved_out_of_training(given_splits: tuple[str, ...]) -> None:
    """The user's test samples stay; no test split is made where the user made any split."""
    split = tuple(given_splits[i // 2 % len(given_splits)] for i in range(120))
    dataset = make_split(make([i % 2 for i in range(120)], split=split), validation=0.25)
    trainable = [i for i in range(120) if split[i] != "test"]
    assert [name for name, was in zip(dataset.split, split, strict=True) if was == "test"] == ["test"] * split.count("test")
    assert {dataset.split[i] for i in trainable} == {"train", "validation"}
    assert dataset.split.count("validation") == pytest.approx(0.25 * len(trainable), abs=2)
    assert dataset.made_splits == ("validation",)


@pytest.mark.parametrize("given_splits", [("train", "validation"), ("validation", "")])
def test_no_test_split_is_made_beside_the_user_s(given_splits: tuple[str, ...]) -> None:
    """Where validation is given, the rest is training and nothing is carved."""
    split = tuple(given_splits[i // 2 % 2] for i in range(40))
    dataset = make_split(make([i % 2 for i in range(40)], split=split))
    assert dataset.split == tuple(name or "train" for name in split)
    assert dataset.made_splits == ()


def test_a_validation_split_of_the_user_may_lack_a_class() -> None:
    """It is theirs to judge; but training needs every class."""
    dataset = make_split(make([0, 1, 2, 0], split=("train", "train", "train", "validation")))
    assert dataset.counts("validation") == {"class 0": 1, "class 1": 0, "class 2": 0}
    with pytest.raises(DatasetError) as caught:
        make_split(make([0, 1, 2, 0], split=("train", "train", "validation", "validation")))
    assert caught.value.code == "H104"
    assert "class 2" in caught.value.advice
    assert "train" in caught.value.title


# Refusals


@pytest.mark.parametrize("counts", [(10, 2), (10, 1)])
def test_a_class_too_small_for_the_split_is_told(counts: tuple[int, ...]) -> None:
    """H104 counts the class, names it and says what to do."""
    labels = [c for c, count in enumerate(counts) for _ in range(count)]
    with pytest.raises(DatasetError) as caught:
        make_split(make(labels))
    assert caught.value.code == "H104"
    assert caught.value.title == "1 of 2 classes has no validation samples"  # training keeps what there is
    assert "class 1" in caught.value.advice


@pytest.mark.parametrize("validation", [0.0, -0.1, 0.5, 1.0, 20.0, float("nan"), float("inf")])
def test_a_share_out_of_range_is_told(validation: float) -> None:
    """H105, whatever it is."""
    with pytest.raises(DatasetError) as caught:
        make_split(make([0, 1] * 10), validation=validation)
    assert caught.value.code == "H105"


# Copies


def test_exact_copies_are_one_group() -> None:
    """Equal contents share a group; numbers count up in the order of first sight."""
    assert duplicate_groups(["a", "b", "a", "c", "b", "a"]) == (0, 1, 0, 2, 1, 0)
    assert duplicate_groups([]) == ()


def test_no_samples_have_no_groups() -> None:
    """Where not one file could be read, there is nothing to compare, which is no error of its own here."""
    assert group_duplicates(make([]), np.zeros((0, 16, 16), np.uint8)).duplicate_groups == ()


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Thirty pictures like photographs: soft shapes of high contrast, edges and grain; no two alike."""
    images = []
    for number in range(30):
        random = np.random.default_rng(number)
        soft = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(
            (160, 120), Image.Resampling.BICUBIC
        )
        soft.paste(tuple(random.integers(0, 256, 3).tolist()), (40, 30, 40 + int(random.integers(20, 60)), 80))
        grain = np.asarray(soft, np.float32) + random.normal(0, 5, (120, 160, 3))
        images.append(Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)))
    return images


def test_different_pictures_are_not_copies(pictures: list[Image.Image]) -> None:
    """Neither these, nor the same motif in another place."""
    assert groups_of(pictures) == tuple(range(30))
    scene = Image.new("RGB", (300, 300), (90, 120, 60))
    scene.paste(pictures[0], (10, 20))
    moved = Image.new("RGB", (300, 300), (90, 120, 60))
    moved.paste(pictures[0], (80, 100))
    assert groups_of([scene, moved]) == (0, 1)


def test_the_pictures_that_tests_train_on_are_not_copies(photos: Callable[..., Path]) -> None:
    """The promise of the ``photos`` fixture, on which every split of a test relies."""
    paths = read_folder(photos(per_class=20)).paths
    assert groups_of([Path(path).read_bytes() for path in paths]) == tuple(range(60))


@pytest.mark.parametrize("change", ["quality", "larger", "smaller", "format"])
def test_a_re_encoded_or_resized_copy_is_found(pictures: list[Image.Image], change: str) -> None:
    """A copy at another quality, size or in another format is one group with its original, and with nothing else."""
    scale = {"larger": 2.0, "smaller": 0.5}.get(change, 1.0)
    copies = []
    for image in pictures:
        copy = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        kind, options = ("PNG", {}) if change == "format" else ("JPEG", {"quality": 40 if change == "quality" else 90})
        copies.append(encoded(copy, kind, **options))
    assert groups_of([*pictures, *copies]) == tuple(range(30)) * 2


def test_flat_pictures_are_not_copies() -> None:
    """Plain colours, and plain colours with a little noise, tell too little to be called the same picture."""
    random = np.random.default_rng(0)
    flat = [np.full((64, 64, 3), level, np.uint8) for level in (0, 128, 129, 130, 255)]
    noisy = [np.clip(random.normal(128, 6, (64, 64, 3)), 0, 255).astype(np.uint8) for _ in range(5)]
    assert groups_of([Image.fromarray(array) for array in (*flat, *noisy)]) == tuple(range(10))


def test_plain_surfaces_in_the_same_light_are_not_copies() -> None:
    """A faint gradient is all that they show: fully correlated, but too little to know a picture by."""
    light = np.linspace(0, 8, 64)[None, :, None] * np.ones((64, 1, 3))
    assert groups_of([Image.fromarray((light + level).astype(np.uint8)) for level in (128, 129)]) == (0, 1)


def test_the_same_scene_with_one_thing_more_is_another_picture(pictures: list[Image.Image]) -> None:
    """A tripod's next shot is no copy, though most of the picture is equal."""
    scene, later = pictures[0].copy(), pictures[0].copy()
    patch = scene.crop((60, 60, 85, 85)).point(lambda value: (value + 90) % 256)
    later.paste(patch, (60, 60))
    assert groups_of([scene, later]) == (0, 1)


def test_a_darker_version_is_not_a_copy(pictures: list[Image.Image]) -> None:
    """The same shapes at other grey levels correlate fully; the levels tell them apart."""
    image = pictures[0]
    darker = image.point(lambda value: value * 0.6)
    assert groups_of([image, darker]) == (0, 1)


def test_copies_of_copies_are_one_group(pictures: list[Image.Image]) -> None:
    """Exact and near copies join: a file, its exact copy, and a re-encoded one, wherever they stand."""
    near = encoded(pictures[0], quality=60)
    thumbnails = thumbnails_of([near, pictures[1], pictures[0], pictures[0]])
    dataset = make([0] * 4, digests=["near", "other", "exact", "exact"])
    assert group_duplicates(dataset, thumbnails).duplicate_groups == (0, 1, 0, 0)


def fixed_camera(background: Image.Image, number: int, seed: int = 0) -> list[Image.Image]:
    """Pictures of one background in changing light, each with a small disc in its own place."""
    random, images = np.random.default_rng(seed), []
    y, x = np.mgrid[: background.height, : background.width]
    for _ in range(number):
        row, column = random.uniform(20, 100), random.uniform(40, 120)
        levels = np.asarray(background, np.float32) * random.uniform(0.97, 1.03) + random.normal(0, 2, (120, 160, 3))
        levels[np.hypot(y - row, x - column) < random.uniform(6, 10)] += random.choice([-70, 70])
        images.append(Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)))
    return images


@pytest.mark.parametrize("num_cameras", [1, 3])
def test_pictures_of_a_fixed_camera_are_not_copies(pictures: list[Image.Image], num_cameras: int) -> None:
    """Each shows its disc in another place; a re-encoded copy among them is found, and nothing else."""
    series = [fixed_camera(pictures[camera], 60, camera) for camera in range(num_cameras)]
    images = [image for each in series for image in each]
    copies = [encoded(image, quality=80) for image in images[:5]]
    dataset = group_duplicates(make([0] * (len(images) + 5)), thumbnails_of([*images, *copies]))
    assert len(set(dataset.duplicate_groups[: len(images)])) > 0.95 * len(images)
    assert dataset.duplicate_groups[-5:] == dataset.duplicate_groups[:5]


def test_pictures_that_differ_in_details_alone_are_not_copies() -> None:
    """Parts on a belt whose flaws are too small for a thumbnail: more than ten that look alike are no copies."""
    random = np.random.default_rng(0)
    part = np.kron(random.integers(40, 200, (6, 6)), np.ones((20, 20)))
    images = [part + random.normal(0, 1, part.shape) for _ in range(40)]
    thumbnails = thumbnails_of([Image.fromarray(image.astype(np.uint8)).convert("RGB") for image in images])
    dataset = group_duplicates(make([0] * 40), thumbnails)
    assert (len(set(dataset.duplicate_groups)), dataset.num_in_scenes, dataset.num_indistinct) == (40, 40, 40)


def test_pictures_of_one_scene_that_all_show_enough_to_be_compared_are_not_copies() -> None:
    """None is left to be compared by noise alone, which is no warning about an empty mean."""
    scene = np.linspace(0, 255, 256).reshape(16, 16)
    thumbnails = np.stack([scene] * 12)
    for i, shown in enumerate(thumbnails):
        part = shown[i // 4 * 4 :, i % 4 * 4 :][:2, :2]
        part += np.where(part < 128, 60, -60)
    dataset = group_duplicates(make([0] * 12), thumbnails.astype(np.uint8))
    assert dataset.duplicate_groups == tuple(range(12))


@pytest.mark.parametrize("number", [10, 11, 30])
def test_any_number_of_re_encoded_copies_is_one_group(pictures: list[Image.Image], number: int) -> None:
    """Pictures that show nothing more to compare than the noise of re-encoding are copies, also of a fixed camera."""
    qualities = np.linspace(60, 97, number).astype(int).tolist()
    for images in (pictures[:4], fixed_camera(pictures[0], 4)):
        copies = [encoded(image, quality=quality) for image in images for quality in qualities]
        dataset = group_duplicates(make([0] * len(copies)), thumbnails_of(copies))
        assert dataset.duplicate_groups == tuple(np.repeat(range(4), number))
        assert (dataset.num_in_scenes, dataset.num_indistinct) == (0, 0)


def test_versions_of_many_pictures_are_copies(pictures: list[Image.Image]) -> None:
    """Ten versions each, saved with little changes: each picture and its versions are one group."""
    versions = [image.point(lambda value, by=by: value + by) for image in pictures for by in range(-4, 6)]
    assert groups_of(versions) == tuple(np.repeat(range(30), 10))


@pytest.mark.parametrize(("duplicates", "number"), [("", 60), ("group", 1), ("keep", 60)])
def test_the_treatment_of_duplicates_can_be_chosen(pictures: list[Image.Image], duplicates: str, number: int) -> None:
    """``group`` keeps pictures that look alike together however many there are."""
    random = np.random.default_rng(0)
    parts = thumbnails_of(pictures[:1])[0].clip(20, 230) + random.normal(0, 1, (60, 16, 16))
    dataset = group_duplicates(replace(make([0] * 60), duplicates=duplicates), parts.astype(np.uint8))
    assert len(set(dataset.duplicate_groups)) == number


def test_identical_files_stay_together_however_duplicates_are_treated() -> None:
    """``keep`` is about pictures that look alike; of a table, it separates equal rows, and ``group`` never does."""
    digests = ["a", "b", "b", "c"]
    noise = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    images = replace(make([0] * 4, digests=digests), duplicates="keep")
    assert group_duplicates(images, noise).duplicate_groups == (0, 1, 1, 2)
    recurring = replace(make([0] * 4, digests=["a", "a", "a", "a"]), table=Table(("x",), (np.zeros(4),)))
    for duplicates, groups in (("", (0, 1, 2, 3)), ("keep", (0, 1, 2, 3)), ("group", (0, 0, 0, 0))):
        assert group_duplicates(replace(recurring, duplicates=duplicates)).duplicate_groups == groups


def test_a_class_whose_pictures_look_alike_says_how_to_separate_them() -> None:
    """H104 names the switch."""
    with pytest.raises(DatasetError) as caught:
        make_split(make([0] * 8 + [1] * 8, groups=[0] * 8 + [1] * 8))
    assert caught.value.code == "H104"
    assert "--duplicates keep" in caught.value.advice


def test_copies_are_found_beyond_one_block(monkeypatch: pytest.MonkeyPatch, pictures: list[Image.Image]) -> None:
    """Blocks bound memory and hide no pair."""
    monkeypatch.setattr("headstart.data.near_duplicates._BLOCK", 7)
    copies = [encoded(image, quality=60) for image in reversed(pictures)]
    assert groups_of([*pictures, *copies]) == (*range(30), *reversed(range(30)))


def test_a_data_set_learns_its_groups(pictures: list[Image.Image]) -> None:
    """``group_duplicates`` writes them into the data set, and the split then keeps copies together."""
    dataset = make([i % 3 for i in range(30)] * 2)
    grouped = group_duplicates(dataset, thumbnails_of([*pictures, *(encoded(p, quality=60) for p in pictures)]))
    assert grouped.duplicate_groups == tuple(range(30)) * 2
    split = make_split(grouped).split
    assert split[:30] == split[30:]


@given(seed=st.integers(0, 100), num_folds=st.integers(2, 5), counts=st.lists(st.integers(6, 20), min_size=2, max_size=4))
def test_folds_hold_each_class_alike(seed: int, num_folds: int, counts: list[int]) -> None:
    """Every sample but those of the test split is in one fold, and the folds differ by at most one sample of a class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    dataset = make([int(label) for label in labels], split=["train"] * len(labels))
    folds = make_folds(dataset, num_folds, seed=seed)
    np.testing.assert_array_equal(folds, make_folds(dataset, num_folds, seed=seed))
    for label in range(len(counts)):
        sizes = np.bincount(folds[labels == label], minlength=num_folds)
        assert sizes.max() - sizes.min() <= 1
    if counts[0] > num_folds + 1:
        held_out = replace(dataset, split=("test", *dataset.split[1:]))
        assert [i for i, fold in enumerate(make_folds(held_out, num_folds, seed=seed)) if fold < 0] == [0]


def test_copies_share_a_fold_and_too_many_folds_are_told() -> None:
    """A group is on one side; a class with no more groups than folds is H112."""
    groups = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    dataset = make([0] * 6 + [1] * 6, split=["train"] * 12, groups=groups)
    folds = make_folds(dataset, 2)
    assert all(folds[i] == folds[i + 1] for i in range(0, 12, 2))
    with pytest.raises(DatasetError) as caught:
        make_folds(dataset, 3)
    assert caught.value.code == "H112"


@pytest.mark.parametrize("kind", ["values", "labels"])
def test_folds_of_values_and_labels_hold_everything_once(kind: str) -> None:
    """No sample twice, none left out, whole groups; what is rare or extreme is dealt out evenly."""
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(size=(30, 1)), 2, axis=0)
    labels = (random.random((60, 3)) < [0.5, 0.3, 0.2]).astype(np.int64)
    groups = [i // 2 for i in range(60)]
    settings: Any = {"split": ["train"] * 57 + ["test"] * 3, "groups": groups}
    dataset = make_values(values, **settings) if kind == "values" else make_labels(labels, **settings)
    folds = make_folds(dataset, 5)
    assert (folds == -1).tolist() == [False] * 57 + [True] * 3
    assert np.bincount(folds[:57]).min() >= 9
    assert np.bincount(folds[:57]).max() <= 13
    assert all(len({folds[i] for i in range(57) if groups[i] == group}) <= 1 for group in groups)
    if kind == "values":
        means = [values[folds == fold].mean() for fold in range(5)]
        assert np.std(means) < 0.2 * values.std()  # by chance alone about 0.4


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(2, 4))
def test_what_belongs_together_is_never_cut(numbers: int, seed: int, num_folds: int) -> None:
    """Neither a patient, nor copies, nor what these join; patient 0 says that a sample belongs to no other."""
    random = np.random.default_rng(numbers)
    patients, labels, contents = (random.integers(0, most, 150).tolist() for most in (40, 2, 4000))
    dataset = make(labels, digests=[f"content {content}" for content in contents])
    found = make_split(replace(dataset, groups=tuple(f"patient {p}" if p else "" for p in patients)), seed=seed)
    folds = make_folds(found, num_folds, seed=seed)
    assert set(found.split) == set(SPLITS)
    assert set(folds) == {-1, *range(num_folds)}
    for sides in (found.split, folds):
        for names, alone in ((patients, 0), (contents, -1)):
            where = {(name, side) for name, side in zip(names, sides, strict=True) if name != alone}
            assert len(where) == len({name for name, _ in where})


def test_groups_of_the_user_are_dealt_out_evenly() -> None:
    """Thirty patients with up to forty samples each, of both classes: every side has about its share of both."""
    random = np.random.default_rng(0)
    sizes = random.integers(4, 40, 30)
    patients = np.repeat(np.arange(30), sizes)
    labels = (random.random(len(patients)) < np.repeat(random.uniform(0.2, 0.8, 30), sizes)).astype(int)
    dataset = replace(make(labels.tolist()), groups=tuple(map(str, patients)))
    found = make_split(dataset)
    counts = {side: found.counts(side) for side in SPLITS}
    for side, share in (("validation", 0.2), ("test", 0.2)):
        for name, number in counts[side].items():
            assert 0.1 < number / sum(of_side[name] for of_side in counts.values()) < 0.3, (side, share)
    folds = make_folds(found, 4)
    assert np.bincount(folds[folds >= 0]).min() > 0.7 * np.bincount(folds[folds >= 0]).max()


@pytest.mark.parametrize(("num_classes", "per_class"), [(10, 4), (3, 3), (2, 3), (5, 4), (3, 30)])
def test_few_groups_of_a_class_suffice(num_classes: int, per_class: int) -> None:
    """With three groups a class each side has one, whatever the seed and the share; with two, test goes without."""
    labels = np.repeat(np.arange(num_classes), 8 * per_class)
    patients = np.arange(len(labels)) // 8
    dataset = replace(make(labels.tolist()), groups=tuple(map(str, patients)))
    for seed in range(5):
        for validation in (0.1, 0.2, 0.3, 0.4, 0.49):
            found = make_split(dataset, validation=validation, seed=seed)
            assert all(min(found.counts(side).values()) > 0 for side in SPLITS)
            if per_class > 4 and validation < 0.45:
                assert len(found.indices("test")) / len(found) == pytest.approx(validation, abs=0.04)
                assert len(found.indices("validation")) / len(found) == pytest.approx(validation, abs=0.04)
    two = dataset.take(np.flatnonzero(patients % per_class < 2))
    found = make_split(two)
    assert all(min(found.counts(side).values()) > 0 for side in ("train", "validation"))
    with pytest.raises(DatasetError, match="H104") as caught:
        make_split(dataset.take(np.flatnonzero(patients % per_class < 1)))
    assert f"in {num_classes} groups" in caught.value.received


def test_each_fold_learns_every_class() -> None:
    """Of each class there is a group to train on and one to validate on outside each fold; else the folds are refused."""
    labels = np.repeat([0, 1, 2], [400, 400, 50])
    patients = np.arange(len(labels)) // 10
    dataset = replace(make(labels.tolist(), split=["train"] * len(labels)), groups=tuple(map(str, patients)))
    for seed in range(12):
        folds = make_folds(dataset, 3, seed=seed)
        for fold in range(3):
            others = replace(dataset, split=tuple("test" if number == fold else "train" for number in folds))
            carved = carve_validation(others, share=1 / 3, seed=seed)
            assert all(min(carved.counts(side).values()) > 0 for side in ("train", "validation"))
    few = dataset.take(np.flatnonzero((labels < 2) | (patients >= 83)))  # two groups of the last class
    with pytest.raises(DatasetError, match="H112") as caught:
        make_folds(few, 2)
    assert "too few groups of class 2" in caught.value.received


def test_more_folds_than_samples_are_told() -> None:
    """H112 for values too, with the number that was asked for."""
    with pytest.raises(DatasetError) as caught:
        make_folds(make_values(np.arange(4.0)[:, None], split=["train"] * 4), 4)
    assert caught.value.code == "H112"
    assert "--folds 4" in caught.value.received
