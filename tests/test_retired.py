"""The retired generator's arguments: an old program changes one import; what cannot be honoured is said in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from headstart import pixels
from headstart.augmentation import AUGMENTATIONS, Augmentation
from headstart.errors import UsageError
from headstart.retired import ImageDataGenerator

FLOW: dict[str, Any] = {"target_size": (16, 16), "batch_size": 5, "workers": 1}


def frame_of(folder: Path) -> pd.DataFrame:
    """The files of a folder of class folders as a table."""
    paths = sorted(folder.rglob("*.jpg"))
    return pd.DataFrame({"filename": [str(p) for p in paths], "class": [p.parent.name for p in paths]})


def test_the_usual_arguments_are_the_named_augmentation() -> None:
    """The set that most notebooks use is the row of the table that is named after them."""
    old = ImageDataGenerator(
        rotation_range=10, width_shift_range=0.1, height_shift_range=0.1, zoom_range=0.1, horizontal_flip=True
    )
    generator = old.flow(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4))
    assert generator.augmentation == AUGMENTATIONS["notebook"]


def test_an_old_program_trains(photos: Callable[..., Path]) -> None:
    """Two generators on one folder, a fit with validation, a prediction and the names: as it always was written."""
    folder = photos(per_class=6)
    train_datagen = ImageDataGenerator(rescale=1.0 / 255, shear_range=0.2, zoom_range=0.2, validation_split=0.34)
    train = train_datagen.flow_from_directory(str(folder), class_mode="categorical", subset="training", **FLOW)
    check = train_datagen.flow_from_directory(
        str(folder), class_mode="categorical", subset="validation", shuffle=False, **FLOW
    )
    layers = [keras.layers.Flatten(), keras.layers.Dense(train.num_classes, activation="softmax")]
    model = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    model.compile("sgd", "categorical_crossentropy", jit_compile=False)
    with train, check:
        model.fit(train, validation_data=check, epochs=1, verbose=0)
        assert model.predict(check, verbose=0).shape == (check.samples, 3)
        images, labels = next(train)
    assert float(images.max()) <= 1.0
    assert labels.shape[1] == 3
    assert set(train.filepaths) | set(check.filepaths) == {str(p) for p in folder.rglob("*.jpg")}
    assert not set(train.filepaths) & set(check.filepaths)
    assert {str(Path(name).parent) for name in check.filenames} == {"circle", "square", "triangle"}


def test_classes_are_numbered_in_plain_order(tmp_path: Path) -> None:
    """'10' comes before '2', as it always did; and classes that are named come in their own order, others are listed."""
    for number, name in enumerate(("2", "10", "b")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20, 20), (number * 80, 0, 0)).save(tmp_path / name / "a.png")
    make = ImageDataGenerator().flow_from_directory
    assert make(tmp_path, **FLOW).class_indices == {"10": 0, "2": 1, "b": 2}
    chosen = make(tmp_path, classes=["b", "2"], **FLOW)
    assert chosen.class_indices == {"b": 0, "2": 1}
    assert [entry.path for entry in chosen.skipped] == [str(tmp_path / "10" / "a.png")]


def test_a_folder_of_pictures_to_predict_has_one_class(photos: Callable[..., Path]) -> None:
    """One class folder and no labels: images alone, in the order of their names."""
    folder = photos(classes=("unknown",), per_class=3)
    with ImageDataGenerator().flow_from_directory(folder, class_mode=None, shuffle=False, **FLOW) as generator:
        images = generator[0]
    assert generator.class_indices == {"unknown": 0}
    expected = [pixels.load(path, 16, crop=1.0) for path in sorted(folder.rglob("*.jpg"))]
    assert np.array_equal(images, expected)


def test_a_data_frame_gives_paths_labels_and_weights(photos: Callable[..., Path]) -> None:
    """Rows keep their labels and weights; missing files and rows without a label are listed."""
    frame = frame_of(photos(per_class=3))
    frame["weight"] = np.arange(9) + 1.0
    frame.loc[1, "filename"] = "nowhere.jpg"
    frame.loc[2, "class"] = None
    make, settings = ImageDataGenerator().flow_from_dataframe, {"class_mode": "sparse", "shuffle": False, **FLOW}
    with pytest.warns(UserWarning, match=r"1 of 9 rows name no file.*nowhere\.jpg"):
        generator = make(frame, weight_col="weight", **settings)
    with generator:
        batches = list(generator)
    assert np.concatenate([labels for _, labels, _ in batches]).tolist() == [0, 1, 1, 1, 2, 2, 2]
    assert np.concatenate([weights for _, _, weights in batches]).tolist() == [1, 4, 5, 6, 7, 8, 9]
    assert [entry.reason for entry in generator.skipped] == ["no such file", "no label"]


def test_a_data_frame_without_suffixes_is_told(photos: Callable[..., Path]) -> None:
    """The names are at fault, and not the labels."""
    frame = frame_of(photos(per_class=3))
    frame["filename"] = [name.removesuffix(".jpg") for name in frame["filename"]]
    with pytest.raises(UsageError, match=r"x_col[^\0]*9 names, and none is that of a file[^\0]*suffix"):
        ImageDataGenerator().flow_from_dataframe(frame, **FLOW)


def test_rows_that_repeat_a_picture_show_other_views_of_it(photos: Callable[..., Path]) -> None:
    """A rare class that is weighed more by repeating it is not the same picture over and over."""
    frame = frame_of(photos(per_class=2)).iloc[[0, 0, 0, 3]]
    turning = ImageDataGenerator(rotation_range=90, brightness_range=(0.5, 1.5))
    with turning.flow_from_dataframe(frame, shuffle=False, **FLOW | {"batch_size": 4}) as generator:
        (first, _), (second, _) = generator[0], next(iter(generator))
        again = np.concatenate([images for _ in range(2) for images, _ in generator])
    assert len(np.unique(first[:3], axis=0)) == 3
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(again[[0, 1, 2, 4, 5, 6]], axis=0)) == 6


def test_a_data_frame_gives_numbers_to_predict(photos: Callable[..., Path]) -> None:
    """``raw`` targets come out as they are, one column or several, relative paths below the folder."""
    folder = photos(per_class=2)
    frame = frame_of(folder)
    frame["filename"] = [str(Path(name).relative_to(folder)) for name in frame["filename"]]
    frame["a"], frame["b"] = np.arange(6) / 2, np.arange(6) * 3.0
    make = ImageDataGenerator().flow_from_dataframe
    settings: dict[str, Any] = {"class_mode": "raw", "shuffle": False, **FLOW}
    with make(frame, folder, y_col=["a", "b"], **settings) as generator:
        images, targets = generator[0]
    assert np.array_equal(targets, frame[["a", "b"]].to_numpy()[:5])
    assert np.array_equal(images[1], pixels.load(folder / "circle" / "001.jpg", 16, crop=1.0))


@pytest.mark.parametrize("kind", ["levels", "unit"])
def test_images_in_memory_keep_their_range(kind: str) -> None:
    """Levels come out as levels and floats of 0 to 1 as such; one channel stays one; targets follow their images."""
    levels = np.random.default_rng(0).integers(0, 256, (7, 12, 12, 1), dtype=np.uint8)
    given = levels if kind == "levels" else levels / 255.0
    generator = ImageDataGenerator(preprocessing_function=lambda image: image * 2).flow(given, np.eye(7), batch_size=4)
    for images, targets in generator:
        assert images.shape[1:] == (12, 12, 1)
        assert np.allclose(images, 2.0 * given[targets.argmax(axis=1)], atol=0.01 if kind == "levels" else 1e-4)


def test_parts_of_a_folder_are_the_same_for_every_generator(photos: Callable[..., Path]) -> None:
    """Whatever the seeds and the augmentation, training and validation never share a picture, nor a copy of one."""
    folder = photos(per_class=8)
    (folder / "circle" / "copy.jpg").write_bytes((folder / "circle" / "000.jpg").read_bytes())
    train, check = (
        ImageDataGenerator(rotation_range=rotation, validation_split=0.3).flow_from_directory(
            folder, subset=subset, seed=rotation, **FLOW
        )
        for subset, rotation in (("training", 20), ("validation", 0))
    )
    assert len(check) > 0
    assert not set(train.dataset.digests) & set(check.dataset.digests)
    assert train.samples + check.samples == 25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("featurewise_center", True),
        ("featurewise_std_normalization", True),
        ("samplewise_center", True),
        ("samplewise_std_normalization", True),
        ("zca_whitening", True),
        ("data_format", "channels_first"),
        ("interpolation_order", 3),
        ("dtype", "float64"),
        ("width_shift_range", [1, 2]),
        ("height_shift_range", -0.1),
        ("rotation_range", "a"),
        ("rotation_range", (0, 10)),
        ("brightness_range", 0.2),
        ("brightness_range", "ab"),
        ("brightness_range", (1, (1, 2))),
        ("shear_range", None),
        ("zoom_range", (1, 1, 1)),
        ("channel_shift_range", "a"),
        ("fill_mode", ["nearest"]),
        ("cval", "black"),
        ("horizontal_flip", "no"),
        ("vertical_flip", "no"),
        ("rescale", "a"),
        ("rescale", np.ones(2)),
        ("preprocessing_function", "resnet"),
        ("validation_split", "a"),
        ("validation_split", 1.5),
    ],
)
def test_an_argument_that_cannot_be_honoured_is_refused(name: str, value: object) -> None:
    """The error names it, as the program does, and says what to do."""
    with pytest.raises(UsageError, match=rf"H017.*\n  received   {name}: .*\n  expected   \S.*\n  do this    \S"):
        ImageDataGenerator(**{name: value})  # type: ignore[arg-type]


def test_what_the_old_generator_took_is_taken() -> None:
    """None, 0 and 1 for a switch, pairs of any kind, a turn of more than half, and numbers of NumPy."""
    old = ImageDataGenerator(
        rotation_range=360,
        width_shift_range=np.float32(0.25),
        brightness_range=np.array([0.5, 1.5]),  # type: ignore[arg-type]
        zoom_range=[0.5, 1.5],  # type: ignore[arg-type]
        cval=300,
        horizontal_flip=1,  # type: ignore[arg-type]
        vertical_flip=None,  # type: ignore[arg-type]
        rescale=0,
        validation_split=None,  # type: ignore[arg-type]
    )
    generator = old.flow(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2))
    settings = {"horizontal_flip": True, "rotation": 180, "brightness": (0.5, 1.5), "zoom": (0.5, 1.5), "edge_level": 255}
    assert generator.augmentation == Augmentation(**settings, shift_width=0.25, zoom_each_axis=True, edges="nearest")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("directory", None),
        ("target_size", (16, 20)),
        ("target_size", 32),
        ("target_size", (16.5, 16.5)),
        ("target_size", (0, 0)),
        ("interpolation", "sharp"),
        ("classes", "circle"),
        ("classes", [0, 1]),
        ("color_mode", "rgba"),
        ("class_mode", "other"),
        ("class_mode", ["sparse"]),
        ("save_to_dir", "/nowhere"),
        ("follow_links", False),
        ("keep_aspect_ratio", False),
        ("subset", "training"),
        ("subset", ["training"]),
    ],
)
def test_an_argument_of_flow_that_cannot_be_honoured_is_refused(
    name: str, value: object, photos: Callable[..., Path]
) -> None:
    """So it is where batches are asked for; a subset without a share is among them."""
    with pytest.raises(UsageError, match=f"H017.*\n  received   {name}: "):
        ImageDataGenerator().flow_from_directory(**({"directory": photos(per_class=2)} | FLOW | {name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataframe", {"filename": []}),
        ("directory", 5),
        ("x_col", "path"),
        ("y_col", "label"),
        ("y_col", ["class"]),
        ("weight_col", "weight"),
        ("weight_col", "class"),
        ("class_mode", ["raw"]),
        ("classes", "circle"),
        ("target_size", 32),
        ("validate_filenames", False),
    ],
)
def test_an_argument_of_a_data_frame_that_cannot_be_honoured_is_refused(
    name: str, value: object, photos: Callable[..., Path]
) -> None:
    """A column that is not there, or holds no numbers where there must be some, is named like any other argument."""
    frame = frame_of(photos(per_class=2))
    with pytest.raises(UsageError, match=f"H017.*\n  received   {name}: "):
        ImageDataGenerator().flow_from_dataframe(**({"dataframe": frame} | FLOW | {name: value}))


def test_raw_targets_that_are_no_numbers_are_refused(photos: Callable[..., Path]) -> None:
    """Texts are named as such, and a column that is missing among several by its own name."""
    frame = frame_of(photos(per_class=2))
    for columns, received in (("class", "class: could not convert"), (["class", "b"], "'b'")):
        with pytest.raises(UsageError, match=f"H017.*\n  received   y_col: {received}"):
            ImageDataGenerator().flow_from_dataframe(frame, y_col=columns, class_mode="raw", **FLOW)


@pytest.mark.parametrize(
    ("images", "targets"),
    [
        ([np.zeros((8, 8, 3)), np.zeros((9, 9, 3))], None),
        (None, None),
        (np.zeros((2, 8, 8, 3)), 5),
        (np.zeros((2, 8, 8, 3)), [[1], [1, 2]]),
    ],
    ids=["of-two-sizes", "none", "one-target", "ragged-targets"],
)
def test_arrays_that_are_none_are_refused(images: Any, targets: Any) -> None:
    """Images of several sizes, and targets that are not one a picture."""
    with pytest.raises(UsageError, match=r"H017.*\n  received   x: "):
        ImageDataGenerator().flow(images, targets)


def test_a_folder_of_splits_is_refused(photos: Callable[..., Path]) -> None:
    """Its folders are no classes, which the old generator did not notice."""
    with pytest.raises(UsageError, match=r"H017[^\0]*name the split"):
        ImageDataGenerator().flow_from_directory(photos(splits={"train": 2, "test": 2}), **FLOW)


def test_pixels_of_a_shift_become_a_share() -> None:
    """From 1 on a shift is in pixels of the target."""
    generator = ImageDataGenerator(width_shift_range=4).flow(np.zeros((2, 16, 16, 3), np.uint8), np.arange(2))
    assert generator.augmentation is not None
    assert generator.augmentation.shift_width == 0.25
