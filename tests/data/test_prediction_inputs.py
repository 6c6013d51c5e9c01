"""Samples to predict are taken in every form that people have them in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from headstart.data.prediction_inputs import index_of, rows_of, to_images
from headstart.foundation.errors import UsageError

PIXELS = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Three image files in a folder, and a hidden one."""
    names = [tmp_path / "new" / name for name in ("a1.png", "a2.png", "a10.png", ".hidden.png")]
    (tmp_path / "new").mkdir()
    for name in names:
        Image.fromarray(PIXELS).save(name)
    return [str(name) for name in names[:3]]


FORMS: dict[str, Callable[[list[str]], Any]] = {
    "a list": list,
    "a tuple": tuple,
    "a generator": iter,
    "paths": lambda paths: [Path(path) for path in paths],
    "a folder": lambda paths: str(Path(paths[0]).parent),
    "a list with a folder": lambda paths: [Path(paths[0]).parent],
    "an array": np.array,
    "a series": pd.Series,
    "a frame of one column": lambda paths: pd.DataFrame({"anything": paths}),
    "a frame of several columns": lambda paths: pd.DataFrame({"id": range(3), "text": list("uvw"), "file": paths}),
}


@pytest.mark.parametrize("form", FORMS)
def test_files_keep_their_names_and_their_order(form: str, paths: list[str]) -> None:
    """A folder stands for its files in natural order, hidden ones aside."""
    with to_images(FORMS[form](paths)) as images:
        assert images.names == images.files == paths


def test_frame_of_relative_paths_is_found_below_the_current_folder(
    paths: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A known column is read by its name, and a file that is missing keeps its row."""
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"file": ["a1.png", "a2.png", "gone.png"], "other": paths})
    with to_images(frame, "file") as images:
        assert [Path(file).name for file in images.files] == ["a1.png", "a2.png", "gone.png"]
        assert [Path(file).is_file() for file in images.files] == [True, True, False]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I;16", "YCbCr"])
def test_picture_in_memory_is_a_file_while_it_is_predicted(mode: str) -> None:
    """Any mode of Pillow is written in a format that keeps it, and the file is gone afterwards."""
    deep = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 200)
    picture = deep if mode == "I;16" else Image.fromarray(PIXELS).convert(mode)
    with to_images(picture) as images:
        assert images.names == ["[0]"]
        with Image.open(images.files[0]) as again:
            assert again.mode == mode
            assert list(again.get_flattened_data()) == list(picture.get_flattened_data())
    assert not Path(images.files[0]).exists()


def test_picture_is_turned_as_its_file_would_be() -> None:
    """A photograph that a camera took upright stands upright, however it is given."""
    picture = Image.fromarray(PIXELS)
    picture.getexif()[0x0112] = 6
    with to_images([picture]) as images, Image.open(images.files[0]) as again:
        assert again.size == (8, 6)


def test_bytes_are_decoded_like_a_file(paths: list[str]) -> None:
    """Bytes are not decoded here, but written as they are."""
    with to_images(Path(paths[0]).read_bytes()) as images:
        assert images.names == ["[0]"]
        assert Path(images.files[0]).read_bytes() == Path(paths[0]).read_bytes()


@pytest.mark.parametrize(
    ("samples", "shape"),
    [
        (PIXELS, (1, 8, 6, 3)),
        (PIXELS[..., 0], (1, 8, 6)),
        (PIXELS[..., :1], (1, 8, 6, 1)),
        (np.stack([PIXELS, PIXELS]), (2, 8, 6, 3)),
        ([PIXELS, PIXELS], (2, 8, 6, 3)),
        (PIXELS / 255.0, (1, 8, 6, 3)),
        (pd.Series([PIXELS, PIXELS]), (2, 8, 6, 3)),
    ],
    ids=str,
)
def test_arrays_of_one_size_stay_arrays(samples: Any, shape: tuple[int, ...]) -> None:
    """They become uint8 ``(n, height, width[, channels])``."""
    with to_images(samples) as images:
        assert images.arrays is not None
        assert images.arrays.dtype == np.uint8
        assert images.arrays.shape == shape
        assert np.array_equal(images.arrays[0].reshape(8, 6, -1)[..., 0], PIXELS[..., 0])
        assert images.names == [f"[{i}]" for i in range(shape[0])]


def test_forms_may_be_mixed(paths: list[str]) -> None:
    """Each sample is named by its path, or by its position."""
    with to_images([paths[0], Image.fromarray(PIXELS), PIXELS[:4], Path(paths[1]).read_bytes()]) as images:
        assert images.names == [paths[0], "[1]", "[2]", "[3]"]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, "", " "], ids=str)
@pytest.mark.parametrize("form", ["frame", "columns", "series", "list", "pictures"])
def test_missing_path_keeps_its_place(paths: list[str], form: str, missing: Any) -> None:
    """It is a file that does not exist, so that prediction gives an error for it alone."""
    cells = [paths[0], missing, paths[1]]
    samples = {
        "frame": pd.DataFrame({"path": cells}, index=[*"abc"]),
        "columns": pd.DataFrame({"id": range(3), "path": cells}, index=[*"abc"]),
        "series": pd.Series(cells, index=[*"abc"]),
        "list": cells,
        "pictures": [PIXELS, missing, PIXELS],
    }[form]
    with to_images(samples) as images:
        assert images.names[1] == "[1]"
        assert [Path(file).is_file() for file in images.files] == [True, False, True]
        assert images.index is None or [*images.index] == [*"abc"]


def test_frame_of_nothing_but_missing_paths_has_an_error_in_each_row() -> None:
    """As a service gets it that predicts row by row."""
    with to_images(pd.DataFrame({"path": [None]})) as images:
        assert [Path(file).exists() for file in images.files] == [False]


@pytest.mark.parametrize("samples", [3, [3], [None], pd.DataFrame({"a": [1], "b": ["no file"]})], ids=str)
def test_other_objects_raise_h045(samples: Any) -> None:
    """The error names the type."""
    with pytest.raises(UsageError) as caught, to_images(samples):
        pass
    assert caught.value.code == "H045"


def test_empty_folder_raises_h006(tmp_path: Path) -> None:
    """An empty folder is an error rather than an empty result."""
    with pytest.raises(UsageError) as caught, to_images(tmp_path):
        pass
    assert caught.value.code == "H006"


ROW = {"a": 1.5, "b": "x"}


@pytest.mark.parametrize(
    "samples", [ROW, [ROW], (ROW,), pd.Series(ROW), [pd.Series(ROW)], pd.DataFrame([ROW])], ids=lambda s: type(s).__name__
)
def test_rows_in_every_form_become_a_frame(samples: Any) -> None:
    """One row needs no list around it."""
    frame = rows_of(samples)
    assert list(frame.columns) == ["a", "b"]
    assert frame.iloc[0].to_dict() == ROW


def test_numbers_become_an_array_of_rows_and_paths_stay() -> None:
    """A single row of numbers is one row."""
    assert rows_of([1.0, 2.0]).shape == (1, 2)
    assert rows_of([[1.0, 2.0], [3.0, 4.0]]).shape == (2, 2)
    assert rows_of("new.csv") == "new.csv"
    assert index_of("new.csv") is None
