"""Part A over a data set: nothing is computed twice, nothing is lost, and no row is ever another sample's."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data.dataset import Dataset
from headstart.data.images.decode_pool import decode_array
from headstart.data.readers.arrays import read_arrays
from headstart.data.readers.folders.folder import read_folder
from headstart.features import extraction
from headstart.features.engines import make_engine
from headstart.features.extraction import extract, stored_share
from headstart.features.feature_store import Record, Store
from headstart.features.features import Extraction, Features
from headstart.features.part_a import PartA
from headstart.foundation.errors import StackError

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1 (only where a GPU makes Keras the engine).
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

PART = PartA("efficientnet_lite0", "avg")
PhotoMaker = Callable[..., Path]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, make_photos: PhotoMaker) -> Path:
    """Twelve photographs of three classes, never changed."""
    return make_photos(tmp_path_factory.mktemp("source") / "photos", per_class=4)


@pytest.fixture(scope="module")
def computed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Features]:
    """A store in which the twelve are, and what was told when they were computed; copied where a test changes it."""
    folder = tmp_path_factory.mktemp("computed") / "store"
    return folder, extract(read_folder(source), PART, Store(folder))


@pytest.fixture
def photos_folder(source: Path, tmp_path: Path) -> Path:
    """A copy of the photographs that a test may change."""
    return Path(shutil.copytree(source, tmp_path / "photos"))


@pytest.fixture
def store(computed: tuple[Path, Features], tmp_path: Path) -> Store:
    """A store of the test's own that holds the twelve."""
    (tmp_path / "store").mkdir()
    shutil.copy(computed[0] / "data.mdb", tmp_path / "store")
    return Store(tmp_path / "store")


def refuse(*_: object, **__: object) -> None:
    """Stands where nothing should be called."""
    raise AssertionError("this was not to be called")


def break_row(store: Store, features: Features, index: int) -> None:
    """Flip a byte in the middle of a stored row."""
    key = bytes.fromhex(features.spaces[index]) + bytes.fromhex(features.digests[index])
    with store._database.begin(write=True) as transaction:
        entry = bytearray(transaction.get(key))
        entry[len(entry) // 2] ^= 1
        transaction.put(key, bytes(entry))


def all_rows(features: Features) -> Array:
    """Every row."""
    return features.rows(range(len(features.digests)))


@pytest.mark.parametrize("largest", [(1.0, 70_000.0), (70_000.0, 1.0)])
def test_feature_map_beyond_half_precision_stays_in_float32(tmp_path: Path, largest: tuple[float, float]) -> None:
    """Wherever it is among others that fit."""
    store, space, digests = Store(tmp_path), "ab" * 32, ("01" * 32, "02" * 32)
    maps = [np.array([[1.0, value]], np.float32) for value in largest]
    packed = [Record(extraction._pack_row(values), 0.0) for values in maps]
    store.write(space, zip(digests, packed, strict=True))
    rows = Features(PART, (space, space), digests, store).rows([0, 1])
    np.testing.assert_array_equal(rows, maps)


def test_extract_returns_the_row_of_each_sample(source: Path, computed: tuple[Path, Features]) -> None:
    """Rows are the engine's output for the prepared picture of each sample, in the order of the data set."""
    dataset, features = read_folder(source), computed[1]
    assert (features.num_computed, features.num_cached, features.unreached) == (12, 0, ())
    assert features.engine[0]
    assert features.seconds > 0
    rows = all_rows(features)
    assert rows.shape == (12, 1280)
    assert rows.dtype == np.float32
    assert len(np.unique(rows, axis=0)) == 12
    engine = make_engine(PART)
    from headstart.data.images import preprocess as pixels

    for i in (0, 5, 11):
        square = pixels.load(dataset.file(i).read_bytes(), **PART.geometry.as_dict())
        ((_, expected),) = engine.run(iter([(0, square)]))
        np.testing.assert_allclose(rows[i], expected, rtol=1e-4, atol=1e-5)
        assert features.facts[i]["format"] == "JPEG"
        assert (features.facts[i]["width"], features.facts[i]["height"]) == (72, 64)
        assert features.thumbnails[i].any()


def test_second_extraction_computes_nothing(
    source: Path, computed: tuple[Path, Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are read, bit for bit, without engine or decoder, and the original seconds are reported again."""
    monkeypatch.setattr(extraction, "make_engine", refuse)
    monkeypatch.setattr(extraction, "DecodePool", refuse)
    first = computed[1]
    second = extract(read_folder(source), PART, Store(computed[0]))
    assert (second.num_computed, second.num_cached, second.engine) == (0, 12, ("", ""))
    np.testing.assert_array_equal(all_rows(second), all_rows(first))
    np.testing.assert_array_equal(second.thumbnails, first.thumbnails)
    assert second.facts == first.facts
    assert second.seconds == pytest.approx(first.seconds, rel=1e-3)


def test_extract_computes_only_new_images(photos_folder: Path, store: Store, make_photos: PhotoMaker) -> None:
    """After adding ten images, exactly ten rows are computed."""
    make_photos(photos_folder.parent / "more", classes=["circle", "square"], per_class=5, seed=9)
    for path in sorted((photos_folder.parent / "more").rglob("*.jpg")):
        path.rename(photos_folder / path.parent.name / f"new-{path.name}")
    features = extract(read_folder(photos_folder), PART, store)
    assert (features.num_computed, features.num_cached) == (10, 12)
    assert all_rows(features).shape == (22, 1280)


def test_stored_share_is_that_of_the_images_with_a_row(source: Path, store: Store, tmp_path: Path) -> None:
    """All of them after an extraction, none for another Part A or in an empty store, and half with as many new images."""
    dataset = read_folder(source)
    assert stored_share(dataset, PART, store) == 1.0
    assert stored_share(dataset, replace(PART, backbone="efficientnet_lite1"), store) == 0.0
    assert stored_share(dataset, PART, Store(tmp_path / "empty")) == 0.0
    unknown = replace(dataset, digests=[digest if i % 2 else f"{i:064x}" for i, digest in enumerate(dataset.digests)])
    assert stored_share(unknown, PART, store) == pytest.approx(0.5, abs=0.1)


def test_renamed_file_is_not_computed_again(photos_folder: Path, store: Store) -> None:
    """A sample is identified by content: another name, class or modification time computes nothing."""
    (photos_folder / "circle" / "000.jpg").rename(photos_folder / "square" / "Ünï code.JPG")
    (photos_folder / "circle" / "001.jpg").touch()
    features = extract(read_folder(photos_folder), PART, store)
    assert (features.num_computed, features.num_cached) == (0, 12)


def test_changed_file_is_computed_again(photos_folder: Path, store: Store, make_photos: PhotoMaker) -> None:
    """Other content under the same name, even of the same size, is another sample."""
    path = photos_folder / "circle" / "000.jpg"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    features = extract(read_folder(photos_folder), PART, store)
    assert (features.num_computed, features.num_cached) == (1, 11)


def test_each_cut_has_rows_of_its_own(source: Path, store: Store) -> None:
    """Rows of one pooling are never used for another."""
    features = extract(read_folder(source), PartA("efficientnet_lite0", "avg_max"), store)
    assert (features.num_computed, features.num_cached) == (12, 0)
    assert all_rows(features).shape == (12, 2560)


def test_unreadable_file_is_listed_and_remembered(
    photos_folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a reason and no row, other files have their rows, and the next time it is not even decoded."""
    (photos_folder / "circle" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    dataset = read_folder(photos_folder)
    features = extract(dataset, PART, store)
    (position,) = features.failures
    assert dataset.paths[position].endswith("broken.jpg")
    assert features.failures[position]
    assert features.num_cached == 12
    (skipped,), dropped = features.skipped(dataset)
    assert (skipped.path, skipped.reason, dropped) == (dataset.paths[position], features.failures[position], [position])
    assert not features.thumbnails[position].any()
    monkeypatch.setattr(extraction, "DecodePool", refuse)
    again = extract(dataset, PART, store)
    assert again.failures == features.failures
    assert (again.num_computed, again.num_cached) == (0, 12)


def test_duplicates_are_computed_once(photos_folder: Path, tmp_path: Path) -> None:
    """Files of equal content, readable or not, share the results of one of them."""
    for name in ("a", "b"):
        shutil.copy(photos_folder / "circle" / "000.jpg", photos_folder / "square" / f"{name}.jpg")
        (photos_folder / "square" / f"broken-{name}.png").write_bytes(b"no picture")
    dataset = read_folder(photos_folder)
    features = extract(dataset, PART, Store(tmp_path / "empty"))
    assert features.num_computed == 12
    copies = [i for i, digest in enumerate(dataset.digests) if digest == dataset.digests[0]]
    assert len(copies) == 3
    rows = features.rows(copies)
    np.testing.assert_array_equal(rows, rows[[0, 0, 0]])
    for i in copies:
        assert features.facts[i] == features.facts[copies[0]]
        np.testing.assert_array_equal(features.thumbnails[i], features.thumbnails[copies[0]])
    assert len(features.failures) == 2
    assert len(set(features.failures.values())) == 1


def test_extract_lists_files_after_the_deadline_as_unreached(source: Path, tmp_path: Path) -> None:
    """No file is started after the deadline, and the next run computes only the unreached ones."""
    dataset, store = read_folder(source), Store(tmp_path / "empty")
    features = extract(dataset, PART, store, deadline=0.0)
    assert 1 <= features.num_computed < 12
    assert len(features.unreached) == 12 - features.num_computed
    skipped, dropped = features.skipped(dataset)
    assert dropped == sorted(features.unreached)
    assert {entry.reason for entry in skipped} == {"not reached within the budget"}
    kept = [i for i in range(12) if i not in dropped]
    assert features.take(kept).rows(range(len(kept))).shape == (len(kept), 1280)
    later = extract(dataset, PART, store, deadline=time.perf_counter() + 3600)
    assert (later.num_computed, later.num_cached) == (len(features.unreached), len(kept))
    assert later.unreached == ()


def test_extract_computes_rows_of_arrays(tmp_path: Path) -> None:
    """Rows are those of the prepared arrays; the second time they are read from the store."""
    images = np.random.default_rng(0).integers(0, 256, (5, 40, 30, 3), dtype=np.uint8)
    dataset, store = read_arrays(images, [0, 1, 0, 1, 0]), Store(tmp_path)
    features = extract(dataset, PART, store)
    assert features.num_computed == 5
    square = decode_array(0, images[3], PART.geometry).pixels
    assert square is not None
    ((_, expected),) = make_engine(PART).run(iter([(0, square)]))
    np.testing.assert_allclose(features.rows([3])[0], expected, rtol=1e-4, atol=1e-5)
    assert extract(dataset, PART, store).num_computed == 0


def test_invalid_array_is_a_failure(tmp_path: Path) -> None:
    """A sample with values out of range is left out with its reason; the others have rows."""
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.float32)
    dataset = read_arrays(images, [0, 1, 0, 1])
    images[2, 0, 0, 0] = np.nan
    features = extract(replace(dataset, arrays=images), PART, Store(tmp_path))
    assert list(features.failures) == [2]
    assert features.num_computed == 3


def test_extract_lists_arrays_after_the_deadline_as_unreached(tmp_path: Path) -> None:
    """The deadline applies to arrays as to files."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    features = extract(read_arrays(images, [0, 1] * 20), PART, Store(tmp_path), deadline=0.0)
    assert features.num_computed < 40
    assert len(features.unreached) == 40 - features.num_computed


def test_damaged_row_is_computed_again(source: Path, computed: tuple[Path, Features], store: Store) -> None:
    """A flipped bit in the store is detected and counted, and the same row is stored again."""
    break_row(store, computed[1], 7)
    features = extract(read_folder(source), PART, store)
    assert (features.num_computed, features.num_cached, store.num_damaged) == (1, 11, 1)
    np.testing.assert_allclose(all_rows(features), all_rows(computed[1]), rtol=1e-4, atol=1e-5)
    assert extract(read_folder(source), PART, store).num_computed == 0


def test_row_damaged_after_extraction_is_an_error(source: Path, store: Store) -> None:
    """With fewer rows than requested, every later sample would get the label of another one."""
    features = extract(read_folder(source), PART, store)
    break_row(store, features, 3)
    with pytest.raises(StackError):
        features.rows([2, 3, 4])
    assert len(features.rows([2, 4])) == 2


def test_file_changed_during_extraction_is_not_stored(photos_folder: Path, tmp_path: Path, make_photos: PhotoMaker) -> None:
    """A file overwritten between digest and decoding fails now and is not remembered."""
    dataset, store = read_folder(photos_folder), Store(tmp_path / "empty")
    path, content = dataset.file(0), dataset.file(0).read_bytes()
    path.write_bytes(dataset.file(1).read_bytes())
    features = extract(dataset, PART, store)
    assert list(features.failures) == [0]
    path.write_bytes(content)
    again = extract(dataset, PART, store)
    assert (again.failures, again.num_computed) == ({}, 1)


def test_committed_rows_survive_an_interrupt(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the next run computes only rows that had not been committed."""
    monkeypatch.setattr(extraction, "_COMMIT_BYTES", 8000)
    dataset, store = read_folder(source), Store(tmp_path / "empty")

    def interrupt(progress: Extraction) -> None:
        if progress.num_computed == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(dataset, PART, store, progress=interrupt)
    assert extract(dataset, PART, store).num_computed == 12 - 6


def test_extract_reports_progress(photos_folder: Path, store: Store, make_photos: PhotoMaker) -> None:
    """Progress starts at the number of cached rows, advances by one per row, and ends at all samples."""
    make_photos(photos_folder, classes=["new"], per_class=3, seed=5)
    told: list[Extraction] = []
    extract(read_folder(photos_folder), PART, store, progress=told.append)
    assert [(step.done, step.total, step.num_computed) for step in told] == [(12 + i, 15, i) for i in range(4)]


def test_take_and_plus_move_everything_together(source: Path, computed: tuple[Path, Features]) -> None:
    """Rows, facts, thumbnails and failures stay together."""
    dataset: Dataset = read_folder(source)
    features = extract(dataset, PART, Store(computed[0]))
    features.failures[4] = "a reason"
    both = features.take([5, 4, 0]).plus(features.take([7]))
    np.testing.assert_array_equal(both.rows([0, 1, 2, 3]), features.rows([5, 4, 0, 7]))
    np.testing.assert_array_equal(both.rows([3, 0, 0]), features.rows([7, 5, 5]))
    np.testing.assert_array_equal(both.thumbnails, features.thumbnails[[5, 4, 0, 7]])
    assert both.failures == {1: "a reason"}
    assert both.facts == {n: features.facts[i] for n, i in enumerate([5, 4, 0, 7])}
