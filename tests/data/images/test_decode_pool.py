"""The decode pool survives hangs, crashes and invalid files, and yields every file exactly once."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data.augmentation.augmentation import Augmentation
from headstart.data.images import preprocess as pixels
from headstart.data.images.decode_pool import DecodePool, decode_array
from headstart.data.images.decode_queue import Decoded
from headstart.data.images.decode_worker import DecodeWorker, Request
from headstart.data.images.decoder import LOOK
from headstart.data.images.geometry import Geometry
from headstart.foundation.errors import DatasetError
from headstart.foundation.machine import usable_cores

GEOMETRY = Geometry(16)
NOISY = Augmentation(rotation=20, brightness=0.4, erasing=0.3)
needs_posix = pytest.mark.skipif(os.name != "posix", reason="named pipes and signals")


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    """Two workers."""
    with DecodePool(GEOMETRY, workers=2) as pool:
        yield pool


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """A dozen small pictures, all different."""
    names = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (20 + number, 30), (number * 20, 5, 250 - number * 20)).save(path)
        names.append(str(path))
    return names


def by_index(results: Iterator[Decoded]) -> dict[int, Decoded]:
    """Results by position; no position may come twice."""
    known: dict[int, Decoded] = {}
    for decoded in results:
        assert decoded.index not in known
        known[decoded.index] = decoded
    return known


def process_ids(pool: DecodePool) -> list[int]:
    """The processes of a pool that have been started."""
    return [worker._process.pid for worker in pool._workers if worker._process is not None]


def is_alive(process_id: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_file_comes_out_once_and_as_in_this_process(pool: DecodePool, paths: list[str]) -> None:
    """Order aside, the pool gives what pixels.load gives, with the facts of each file."""
    known = by_index(pool.decode(paths))
    assert sorted(known) == list(range(12))
    for index, decoded in known.items():
        assert decoded.reason == ""
        assert np.array_equal(decoded.pixels, pixels.load(paths[index], 16))
        assert decoded.digest == hashlib.sha256(Path(paths[index]).read_bytes()).hexdigest()
        facts = (decoded.width, decoded.height, decoded.format, decoded.mode, decoded.animated, decoded.lasting)
        assert facts == (20 + index, 30, "PNG", "RGB", False, False)
        assert decoded.seconds > 0.0


def test_a_thumbnail_is_the_square_in_grey(pool: DecodePool, paths: list[str]) -> None:
    """The thumbnail has 16 x 16 grey levels: here, those of one colour."""
    decoded = next(iter(pool.decode(paths[:1])))
    assert decoded.thumbnail is not None
    assert decoded.thumbnail.shape == (16, 16)
    assert (decoded.thumbnail == Image.new("RGB", (1, 1), (0, 5, 250)).convert("L").getpixel((0, 0))).all()


def test_the_order_of_the_files_does_not_matter(paths: list[str]) -> None:
    """Forwards with one worker or backwards with three: the same pixels for each file."""
    with DecodePool(GEOMETRY, workers=1) as one, DecodePool(GEOMETRY, workers=3) as three:
        forwards, backwards = by_index(one.decode(paths)), by_index(three.decode(paths[::-1]))
    for index in range(12):
        assert np.array_equal(forwards[index].pixels, backwards[11 - index].pixels)


def test_bad_files_have_lasting_reasons_and_unreadable_ones_do_not(
    pool: DecodePool, paths: list[str], tmp_path: Path
) -> None:
    """Content that is wrong stays wrong; a folder or a missing file may be mended."""
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("I am no image")
    (tmp_path / "cut.png").write_bytes(Path(paths[0]).read_bytes()[:60])
    names = ["empty.png", "text.png", "cut.png", "missing.png", "."]
    known = by_index(pool.decode([str(tmp_path / name) for name in names] + paths))
    assert [(known[i].reason, known[i].lasting) for i in range(5)] == [
        ("the file is empty", True),
        ("not an image in a supported format", True),
        ("the image is truncated", True),
        ("cannot be read: no such file or directory", False),
        ("cannot be read: is a directory", False),
    ]
    assert all(known[i].pixels is None and known[i].thumbnail is None for i in range(5))
    assert not any(known[i].reason for i in range(5, 17))


def test_names_may_hold_anything(pool: DecodePool, paths: list[str], tmp_path: Path) -> None:
    """Newlines and bytes that are no UTF-8 are read; names that no file can have are a reason, not an error."""
    data = Path(paths[0]).read_bytes()
    names = [tmp_path / "a\nb <script>.png", tmp_path / os.fsdecode(b"\xff\xfe.png")]
    good = []
    for path in names:
        try:
            path.write_bytes(data)
        except OSError:  # this file system wants UTF-8
            continue
        good.append(str(path))
    impossible = ["x" * 100_000, "\ud800", "a\0b", ""]
    known = by_index(pool.decode(good + impossible))
    assert [known[i].reason for i in range(len(good))] == [""] * len(good)
    assert all(known[i].reason for i in range(len(good), len(known)))
    assert len(known) == len(good) + 4


def test_a_changed_file_is_told_by_its_digest(pool: DecodePool, paths: list[str]) -> None:
    """A file that is not the one that was announced comes out as a failure, with the digest it has now."""
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    Path(paths[3]).write_bytes(Path(paths[4]).read_bytes())
    known = by_index(pool.decode(paths, digests))
    changed = known.pop(3)
    assert (changed.reason, changed.lasting, changed.pixels) == ("the file changed after it was first read", False, None)
    assert changed.digest == digests[4]
    assert not any(decoded.reason for decoded in known.values())


@needs_posix
def test_a_hanging_decoder_is_killed_and_replaced(paths: list[str], tmp_path: Path) -> None:
    """A file whose opening blocks for ever costs its own time alone; all others come out."""
    os.mkfifo(tmp_path / "fifo.png")
    with DecodePool(GEOMETRY, workers=1, timeout_seconds=1.5) as pool:
        known = by_index(pool.decode([paths[0], str(tmp_path / "fifo.png"), *paths[1:]]))
    hung = known.pop(1)
    assert (hung.reason, hung.lasting, hung.pixels) == ("took longer than 1.5 s to decode", False, None)
    assert len(known) == 12
    assert not any(decoded.reason for decoded in known.values())


@needs_posix
def test_a_killed_worker_costs_one_file(paths: list[str], tmp_path: Path) -> None:
    """A worker that dies at a file is replaced; that file is a failure that may not last, and the others come out."""
    os.mkfifo(tmp_path / "fifo.png")
    with DecodePool(GEOMETRY, workers=1) as pool:
        results = pool.decode([paths[0], str(tmp_path / "fifo.png"), *paths[1:]])
        known = {0: next(results)}
        os.kill(process_ids(pool)[0], signal.SIGKILL)
        known |= by_index(results)
    crashed = known.pop(1)
    assert (crashed.reason, crashed.lasting) == ("the decoder crashed", False)
    assert len(known) == 12
    assert not any(decoded.reason for decoded in known.values())


@needs_posix
def test_an_idle_worker_that_died_is_replaced(pool: DecodePool, paths: list[str]) -> None:
    """Workers killed between two calls cost nothing but a start."""
    by_index(pool.decode(paths))
    for worker in pool._workers:
        worker.kill()
        assert worker._process is not None
        worker._process.wait()
    known = by_index(pool.decode(paths))
    assert len(known) == 12
    assert not any(decoded.reason for decoded in known.values())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the bound on memory holds on Linux")
def test_a_file_that_needs_too_much_memory_is_left_out(paths: list[str], tmp_path: Path) -> None:
    """A large picture in a small memory is a failure that may not last, and the worker goes on."""
    Image.new("RGB", (5000, 5000)).save(tmp_path / "large.png")
    with DecodePool(GEOMETRY, workers=1, memory_bytes=64 << 20) as pool:
        known = by_index(pool.decode([str(tmp_path / "large.png"), *paths]))
    assert (known[0].reason, known[0].lasting) == ("needs more than 0.0625 GiB to decode", False)
    assert not any(known[i].reason for i in range(1, 13))


@needs_posix
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_no_process_outlives_the_context(error: type[BaseException], paths: list[str], tmp_path: Path) -> None:
    """An error of the consumer, or Ctrl-C, ends workers and threads, a hanging one too, and leaves no zombie."""
    os.mkfifo(tmp_path / "fifo.png")
    num_threads = threading.active_count()
    ids: list[int] = []
    with pytest.raises(error), DecodePool(GEOMETRY, workers=2, timeout_seconds=600.0) as pool:  # noqa: PT012
        for _ in pool.decode([*paths, str(tmp_path / "fifo.png"), *paths * 50]):
            ids = process_ids(pool)
            raise error
    assert ids
    assert not any(is_alive(process_id) for process_id in ids)
    assert threading.active_count() == num_threads


def test_what_is_left_of_a_call_is_given_up_by_the_next(pool: DecodePool, paths: list[str]) -> None:
    """A second call is answered in full, whatever the first had in hand; the first says that it was cut off."""
    first = pool.decode(paths * 40)
    next(first)
    second = by_index(pool.decode(paths))
    assert len(second) == 12
    for index, decoded in second.items():
        assert np.array_equal(decoded.pixels, pixels.load(paths[index], 16))
    with pytest.raises(RuntimeError, match="before all results were read"):
        next(first)


def test_results_wait_within_bounds_for_a_slow_consumer(paths: list[str]) -> None:
    """However many files there are, only so many decoded images are held."""
    with DecodePool(Geometry(1024), workers=1) as pool:
        results = pool.decode(paths * 3)
        next(results)
        assert pool._batch is not None
        assert 0 < pool._batch.results.maxsize <= 21
        assert len(by_index(results)) == 35


def test_nothing_to_do_starts_nothing(pool: DecodePool) -> None:
    """No files, no results, no processes."""
    assert list(pool.decode([])) == []
    assert process_ids(pool) == []


def test_workers_that_cannot_start_are_an_error(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python itself is gone the user is told, instead of every file being called broken."""
    monkeypatch.setattr(sys, "executable", str(Path(paths[0]).parent / "no-python"))
    with DecodePool(GEOMETRY, workers=2) as pool, pytest.raises(DatasetError, match="H121"):
        list(pool.decode(paths))


def test_a_worker_ends_when_its_input_does(paths: list[str]) -> None:
    """A process whose parent is gone ends by itself."""
    worker = DecodeWorker({"geometry": GEOMETRY.as_dict(), "memory_bytes": 1 << 30, "alarm_seconds": 60.0}, 30.0)
    worker.submit(Request(5, os.fsencode(paths[0])))
    request, facts, body = worker.answer()
    assert (request.number, facts["reason"], None if body is None else body.shape) == (5, "", (16 * 16 * 3 + 256,))
    process = worker._process
    assert process is not None
    process.communicate()
    assert process.returncode == 0
    worker.bury()


def test_views_follow_from_seed_content_and_number(paths: list[str]) -> None:
    """The same views come out of any number of workers and any order; another seed or number gives others."""
    views = [0, 1, 2] * 4
    with DecodePool(GEOMETRY, workers=1, augmentation=NOISY, seed=3) as one:
        known = by_index(one.decode(paths, views=views))
        others = by_index(one.decode(paths, views=[5] * 12))
    with DecodePool(GEOMETRY, workers=3, augmentation=NOISY, seed=3) as three:
        backwards = by_index(three.decode(paths[::-1], views=views[::-1]))
    with DecodePool(GEOMETRY, workers=1, augmentation=NOISY, seed=4) as reseeded:
        again = by_index(reseeded.decode(paths, views=views))
    for index in range(12):
        assert np.array_equal(known[index].pixels, backwards[11 - index].pixels)
        is_plain = np.array_equal(known[index].pixels, pixels.load(paths[index], 16))
        assert is_plain == (views[index] == 0)
    assert not np.array_equal(known[1].pixels, others[1].pixels)
    assert not np.array_equal(known[1].pixels, again[1].pixels)


def test_a_view_of_an_array_is_that_of_its_file(tmp_path: Path) -> None:
    """An image in memory and its file, under one digest, give the same view."""
    values = np.random.default_rng(3).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    with DecodePool(GEOMETRY, workers=1, augmentation=NOISY, seed=3) as pool:
        file = next(iter(pool.decode([str(tmp_path / "a.png")], views=[2])))
    assert np.array_equal(decode_array(0, values, GEOMETRY, NOISY, 3, 2, file.digest).pixels, file.pixels)
    plain = decode_array(0, values, GEOMETRY, NOISY, 3, 0, file.digest)
    assert np.array_equal(plain.pixels, pixels.from_array(values, pixels.Settings(16)))


def test_pixels_go_where_they_are_wanted(pool: DecodePool, paths: list[str], tmp_path: Path) -> None:
    """With rows given, each file's pixels are in its row, a failure has none, and nothing else changes."""
    (tmp_path / "text.png").write_text("I am no image")
    rows = np.zeros((13, 16 * 16 * 3), np.uint8)
    known = by_index(pool.decode([*paths, str(tmp_path / "text.png")], rows=lambda index: rows[index]))
    for index, path in enumerate(paths):
        assert np.array_equal(rows[index].reshape(16, 16, 3), pixels.load(path, 16))
        assert np.array_equal(known[index].pixels, rows[index].reshape(16, 16, 3))
        assert known[index].thumbnail is None
    assert known[12].pixels is None
    assert known[12].reason == "not an image in a supported format"


def test_no_file_is_begun_before_it_is_allowed(paths: list[str]) -> None:
    """Of many files the workers begin those that are allowed, and the others once they are."""
    with DecodePool(GEOMETRY, workers=2) as pool:
        results = pool.decode(paths * 4, allowed=6)
        first = [next(results).index for _ in range(6)]
        assert sorted(first) == list(range(6))
        assert pool._batch is not None
        assert pool._batch._next_index == 6
        pool.allow(48)
        assert sorted(decoded.index for decoded in results) == list(range(6, 48))


def test_a_worker_killed_as_it_answers_costs_no_file(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is given up while its last answer arrives; the next call does not hand a file to the dying process."""
    kill = DecodeWorker.kill

    def kill_late(worker: DecodeWorker) -> None:
        while worker.in_hand:
            time.sleep(0.0001)
        kill(worker)

    with DecodePool(GEOMETRY, workers=1) as pool:
        (worker,) = pool._workers
        assert next(pool.decode(paths[:1])).reason == ""
        for _ in range(20):
            with monkeypatch.context() as patch:
                patch.setattr(DecodeWorker, "kill", kill_late)
                results = pool.decode(paths[:1])
                assert pool._batch is not None
                while not worker.in_hand and pool._batch.threads[0].is_alive():
                    pass
                pool.give_up()
            del results
            assert next(pool.decode(paths[:1])).reason == ""


def test_kept_squares_are_not_decoded_again(paths: list[str], tmp_path: Path) -> None:
    """A square is found by its digest though the file is gone; a damaged one is decoded again; views start from it."""
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    expected = [pixels.load(path, 16) for path in paths]
    with DecodePool(GEOMETRY, workers=1, augmentation=NOISY, squares=tmp_path / "squares") as pool:
        first = by_index(pool.decode(paths, digests, views=[1] * 12))
        kept = sorted((tmp_path / "squares").rglob("*" + digests[0]))
        assert len(kept) == 1
        kept[0].write_bytes(b"\0" + kept[0].read_bytes()[1:])
        for path in paths[1:]:
            Path(path).unlink()
        second = by_index(pool.decode(paths, digests, views=[1] * 12))
        plain = by_index(pool.decode(paths, digests))
    for index in range(12):
        assert np.array_equal(first[index].pixels, second[index].pixels)
        assert np.array_equal(plain[index].pixels, expected[index])
    other = DecodePool(Geometry(16, 0.5), workers=1, squares=tmp_path / "squares")
    with other as pool:
        assert [decoded.reason for decoded in pool.decode(paths[1:], digests[1:])] == [
            "cannot be read: no such file or directory"
        ] * 11


def test_arrays_are_prepared_like_files() -> None:
    """An image in memory gives the same pixels and thumbnail as its file; one of a wrong range gives a reason."""
    values = np.random.default_rng(3).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    decoded = decode_array(4, values, GEOMETRY)
    assert np.array_equal(decoded.pixels, pixels.load(file.getvalue(), 16))
    assert (decoded.index, decoded.width, decoded.height, decoded.mode, decoded.format) == (4, 30, 40, "RGB", "array")
    assert decoded.thumbnail is not None
    wrong = decode_array(4, values - 300.0, GEOMETRY)
    assert wrong.pixels is None
    assert wrong.lasting
    assert "expected 0..1 or 0..255" in wrong.reason


@pytest.mark.parametrize(
    "arguments",
    [
        (0,),
        ("8",),
        (8.5,),
        (None,),
        (True,),
        (8, 0.0),
        (8, 1.5),
        (8, "all"),
        (8, None),
        (8, 0.9, "sharp"),
        (8, 0.9, ["box"]),
        (8, 0.9, "box", "stretch"),
        (8, 0.9, "box", "crop", (5, 5)),
        (8, 0.9, "box", "crop", (0, "9")),
        (8, 0.9, "box", "crop", None, 255),
        (8, 0.9, "box", "crop", None, (0, float("nan"))),
    ],
)
def test_a_wrong_geometry_is_an_error(arguments: tuple[object, ...]) -> None:
    """Size, crop and filter are checked where they are given."""
    with pytest.raises(DatasetError, match="H120"):
        Geometry(*arguments)  # type: ignore[arg-type]


def test_a_geometry_is_its_values() -> None:
    """As JSON it is what pixels.load takes, whatever kind of numbers they were, and it is made of that again."""
    expected = {
        "size": 8,
        "crop": 0.5,
        "filter": "bicubic",
        "frame": "crop",
        "integer_range": [0, 4095],
        "float_range": None,
    }
    for size, crop, span in ((8, 0.5, (0, 4095)), (np.int64(8), np.float32(0.5), [np.int32(0), 4095.0])):
        geometry = Geometry(size, crop, integer_range=span)
        values = json.loads(json.dumps(geometry.as_dict()))
        assert values == expected
        assert Geometry.from_json(values | {"labels": []}) == geometry


def test_a_look_at_files_gives_sizes_and_ranges_without_pixels(pool: DecodePool, tmp_path: Path) -> None:
    """Of a plain file the head is enough; wide values are measured; a bad file has a reason, and pixels come after it."""
    Image.new("RGB", (30, 20)).save(tmp_path / "plain.jpg")
    Image.fromarray(np.array([[3, 900]], np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    names = [str(tmp_path / name) for name in ("plain.jpg", "deep.png", "bad.png")]
    known = by_index(pool.decode(names, views=[LOOK] * 3))
    assert [(d.width, d.height, d.kind, d.low, d.high) for d in (known[0], known[1])] == [
        (30, 20, "", 0.0, 0.0),
        (2, 1, "integer", 3.0, 900.0),
    ]
    assert [known[i].reason for i in range(3)] == ["", "", "not an image in a supported format"]
    assert all(known[i].pixels is None for i in range(3))
    assert next(iter(pool.decode(names[:1]))).pixels is not None


def test_there_is_a_core_to_use() -> None:
    """At least one, and no more than the machine has."""
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
