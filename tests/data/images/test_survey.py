"""The survey of training images: what it decides, from which split, and in which process."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data.images.rendering import Rendering
from headstart.data.images.survey import Survey, survey
from headstart.data.readers.arrays import read_arrays
from headstart.data.readers.folders.folder import read_folder


def write(folder: Path, split: str, size: tuple[int, int], *, top: int = 255, count: int = 8) -> None:
    """Pictures of two classes, different from one another, with values up to ``top`` in 16 bits."""
    random = np.random.default_rng(len(split))
    for number in range(count):
        path = folder / split / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = random.integers(0, top + 1, size[::-1]).astype(np.uint16 if top > 255 else np.uint8)
        values[0, 0] = top
        Image.fromarray(values).save(path)


def look(folder: Path) -> Survey:
    """The survey of a folder, as ``fit`` makes it."""
    dataset = read_folder(folder)
    return survey(dataset.take(dataset.indices("", "train", "validation")), validation=0.2, seed=0)


def test_only_the_training_split_decides(tmp_path: Path) -> None:
    """Long pictures and other bits in validation and test change nothing, and those in training do."""
    write(tmp_path, "train", (40, 30), top=4095)
    for split in ("validation", "test"):
        write(tmp_path, split, (90, 30), top=65_535)
    assert look(tmp_path)[:2] == (30, Rendering("crop", (0.0, 4095.0), None))
    write(tmp_path / "other", "train", (90, 30), top=65_535)
    for split in ("validation", "test"):
        write(tmp_path / "other", split, (40, 30), top=4095)
    found = look(tmp_path / "other")
    assert found.rendering == Rendering("squeeze", (0.0, 65535.0), None)
    assert found.reasons == (
        "images are squeezed into the square: 8 of 8 sampled training images are longer than 2:1",
        "integer images show 0 as black and 65535 as white, the range used by 8 of 8 sampled training images",
    )


def test_a_split_that_is_yet_to_be_made_is_looked_at_where_it_will_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a split of the user's, the samples are those that go to training by their contents."""
    write(tmp_path, "", (40, 30), count=40)
    dataset = read_folder(tmp_path)
    seen: list[int] = []
    monkeypatch.setattr("headstart.data.images.survey._look", lambda _, indices: seen.extend(indices) or [])
    survey(dataset, validation=0.2, seed=3)
    from headstart.data.splits import make_split

    assert seen == make_split(dataset, validation=0.2, seed=3).indices("train").tolist()


def test_files_that_cannot_be_looked_at_are_left_to_the_decoder(tmp_path: Path) -> None:
    """Bad files say nothing; where nothing says anything, the usual rendering holds."""
    write(tmp_path, "", (40, 30))
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(b"no image" + path.name.encode())
    assert look(tmp_path).side == 30
    for path in (tmp_path / "b").iterdir():
        path.write_bytes(b"no image" + path.name.encode())
    assert look(tmp_path) == Survey(64, Rendering())


def test_no_picture_at_all_leaves_the_usual_rendering(tmp_path: Path) -> None:
    """What is wrong with such data is told by whoever splits them."""
    write(tmp_path, "", (40, 30))
    assert survey(read_folder(tmp_path).take([]), validation=0.2, seed=0) == Survey(64, Rendering())


def test_arrays_are_as_long_as_they_are() -> None:
    """Images in memory have one shape."""
    images = np.zeros((8, 20, 90, 3), np.uint8)
    assert survey(read_arrays(images, [0, 1] * 4), validation=0.2, seed=0)[:2] == (20, Rendering("squeeze"))


def test_a_survey_survives_json() -> None:
    """As run.json holds it, for a run that is resumed."""
    found = Survey(30, Rendering("squeeze", None, (0.0, 1.0)), ("long",))
    assert Survey.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_no_picture_is_opened_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its head: workers do that, which are bounded."""
    write(tmp_path, "", (40, 30), top=4095)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture of the user was opened in the parent")

    monkeypatch.setattr(Image, "open", refuse)
    assert look(tmp_path).rendering.integer_range == (0.0, 4095.0)


LOOK = """
import resource, sys
from headstart.data.readers.folders.folder import read_folder
from headstart.data.images.survey import survey
dataset = read_folder(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
survey(dataset, validation=0.2, seed=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sparse files, and memory in KiB")
def test_a_sparse_file_costs_the_parent_no_memory(tmp_path: Path, make_photos: Callable[..., Path]) -> None:
    """A PNG with hundreds of megabytes before its pixels is looked at by a worker; the parent stays as small as it is."""
    folder = make_photos(tmp_path / "photos", classes=("a", "b"), per_class=2)
    num_bytes = 300 << 20
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    with (folder / "a" / "sparse.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(head)) + b"IHDR" + head)
        file.write(struct.pack(">I", zlib.crc32(b"IHDR" + head)) + struct.pack(">I", num_bytes) + b"tEXt")
        file.truncate(file.tell() + num_bytes)
    done = subprocess.run([sys.executable, "-c", LOOK, str(folder)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60 << 10
