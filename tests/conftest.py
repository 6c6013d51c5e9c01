"""Fixtures that every test may ask for: pictures and tables to learn from, and a cache that is ours alone."""

from __future__ import annotations

import colorsys
import csv
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw

import forked

# A cache of the session's own, child processes included: nobody's cache is read or written. It has to be known before
# the package is imported, which tells Keras and matplotlib to keep their folders there.
_CACHE = tempfile.TemporaryDirectory(prefix="headstart-cache-")
os.environ["HEADSTART_CACHE"] = _CACHE.name
# What is written to a terminal depends on these: every shell, and none, gives the same.
for _name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)
os.environ["TERM"] = "xterm-256color"
# Tests import OpenVINO themselves; without this package it reports nothing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

# The same examples in every run: a change is what turns a test red, never the day.
settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.load_profile("steady")

CLASSES = ("circle", "square", "triangle")
COLOURS = ("red", "green", "blue")


def pytest_collection_finish() -> None:
    """Leave what imports have made out of every later garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def pytest_unconfigure() -> None:
    """Take the session's cache away."""
    _CACHE.cleanup()


@pytest.fixture(scope="session", autouse=True)
def _less_for_small_tables() -> Iterator[None]:
    """What small tables get unasked is less here: two folds in place of five, and trees of one shape in place of three."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.search.trial_runner.SMALL_TABLE_FOLDS", 2)
        patch.setattr("headstart.training.classical.boosted_trees._SMALL", 0)
        patch.setattr("headstart.training.classical.boosted_trees._TUNED", 0)
        yield


@pytest.fixture(scope="session", autouse=True)
def _forked() -> Iterator[None]:
    """Models are converted and verified in processes that need not import TensorFlow first."""
    with pytest.MonkeyPatch.context() as patch:
        if forked.IS_SAFE:
            patch.setattr("headstart.export.converter.subprocess", forked)
        yield


class _NoConverter:
    """In place of the process that converts a model, which takes as long as a small fit."""

    was_stopped = False

    def __init__(self, *_: object) -> None:
        pass

    def ask(self, *_: object) -> tuple[dict[str, float], str]:
        """Say that nothing was converted; Keras predicts then."""
        return {}, "not converted in this test"

    def close(self) -> None:
        """End nothing."""

    stop = close


@pytest.fixture
def no_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits end without a graph: for tests of what a search does before."""
    monkeypatch.setattr("headstart.search.trial_runner.Child", _NoConverter)
    monkeypatch.setattr("headstart.search.search.Child", _NoConverter)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: its exit status, stdout and stderr."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # else fit would redirect this process's own file descriptors

    from headstart.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def networks() -> Iterator[None]:
    """The table of networks is left as it was found."""
    from headstart.training.networks.networks import NETWORKS

    before = dict(NETWORKS)
    yield
    NETWORKS.clear()
    NETWORKS.update(before)


@pytest.fixture(scope="session")
def make_photos() -> Callable[..., Path]:
    """A function that writes labelled JPEG pictures into a folder; for fixtures that live longer than one test.

    ``make_photos(folder, classes=("circle", "square", "triangle"), per_class=12, splits=None, seed=0) -> folder``

    Without ``splits`` it writes ``folder/<class>/NNN.jpg``, ``per_class`` of each. With
    ``splits={"train": 8, "test": 4}`` it writes ``folder/<split>/<class>/NNN.jpg``, as many of each class as it
    says. The same arguments give the same bytes. A class has a colour and a shape of its own on a noisy grey ground, so
    that a linear head tells them apart; no two pictures are copies, not even nearly.
    """
    return _write_photos


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """The same function bound to ``tmp_path``: ``photos(name="photos", **settings)`` gives ``tmp_path/name``.

    ``settings`` are those of ``make_photos``: ``classes``, ``per_class``, ``splits``, ``seed``.
    """

    def make(name: str = "photos", **settings: object) -> Path:
        return _write_photos(tmp_path / name, **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def make_table() -> Callable[..., Path]:
    """A function that writes a table of features with the targets of a task; for fixtures that live longer than one test.

    ``make_table(path, task, rows=200, split=False, seed=0) -> path``

    The features are ``size`` (numbers, some of them ``?``), ``since`` (dates, some of them missing), ``colour`` (three
    words) and ``town`` (40 words, which are more than get a column each). The targets come last: ``grown`` for binary,
    ``kind`` for multiclass, ``wet`` and ``cold`` for multilabel, ``price`` (skewed) and ``heat`` for regression. A linear
    head does well on all of them and nothing does perfectly. With ``split`` there is a column that says train, validation
    or test.
    """
    return _write_table


def _write_table(path: Path, task: str, *, rows: int = 200, split: bool = False, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    size, colour, town = random.normal(10, 3, rows), random.integers(0, 3, rows), random.permutation(rows) % 40
    days = random.integers(0, 3000, rows)
    score = (size - 10) / 3 + (days - 1500) / 1500 + 0.3 * random.normal(size=rows)
    other = 1.5 * (colour - 1) + 0.5 * random.normal(size=rows)
    cells = {
        "size": [f"{value:.3f}" if random.random() > 0.05 else "?" for value in size],
        "since": [str(np.datetime64("2015-01-01") + int(day)) if random.random() > 0.05 else "" for day in days],
        "colour": [COLOURS[number] for number in colour],
        "town": [f"Town {number} <é>" for number in town],
    }
    if split:
        cells["split"] = [("train", "train", "train", "validation", "test")[i % 5] for i in range(rows)]
    cells |= {
        "binary": {"grown": np.where(score > 0, "yes", "no")},
        "multiclass": {"kind": np.array(["ash", "elm", "oak"])[np.digitize(score + other, [-0.7, 0.7])]},
        "multilabel": {"wet": (score > 0).astype(int), "cold": (other > 0.5).astype(int)},
        "regression": {"price": np.exp(8 + 1.5 * score).round(2), "heat": (20 + 5 * other).round(3)},
    }[task]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(cells)
        writer.writerows(zip(*cells.values(), strict=True))
    return path


def _write_photos(
    folder: Path,
    *,
    classes: Sequence[str] = CLASSES,
    per_class: int = 12,
    splits: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Path:
    parts = {"": per_class} if splits is None else splits
    for part_number, (part, count) in enumerate(parts.items()):
        for class_number, name in enumerate(classes):
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                random = np.random.default_rng([seed, part_number, class_number, number])
                _picture(class_number, len(classes), random).save(place / f"{number:03d}.jpg", quality=90)
    return folder


def _picture(class_number: int, num_classes: int, random: np.random.Generator) -> Image.Image:
    """One picture of 72 x 64 pixels: a fading grey ground, the class's shape, noise."""
    width, height = 72, 64
    corners = random.uniform(90, 230, (2, 2, 1))
    across, down = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
    top = corners[0, 0] * (1 - across) + corners[0, 1] * across
    bottom = corners[1, 0] * (1 - across) + corners[1, 1] * across
    ground = (top * (1 - down) + bottom * down) * np.ones(3)
    image = Image.fromarray(ground.astype(np.uint8))
    left, upper = (int(v) for v in random.integers(4, 28, 2))
    right, lower = left + int(random.integers(24, 40)), upper + int(random.integers(24, 34))
    hue = (class_number / num_classes + float(random.normal(0, 0.01))) % 1
    colour = tuple(int(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.9, 0.8))
    draw = ImageDraw.Draw(image)
    shape = class_number % 3
    if shape == 0:
        draw.ellipse((left, upper, right, lower), fill=colour)
    elif shape == 1:
        draw.rectangle((left, upper, right, lower), fill=colour)
    else:
        draw.polygon([(left, lower), (right, lower), ((left + right) // 2, upper)], fill=colour)
    noisy = np.asarray(image, np.float32) + random.normal(0, 8, (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
