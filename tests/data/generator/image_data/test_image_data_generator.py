"""ImageDataGenerator: an old program changes one import, and unsupported arguments raise an error that explains them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from headstart.data.generator.image_data.image_data_generator import ImageDataGenerator
from headstart.foundation.errors import UsageError

legacy = pytest.importorskip("keras.src.legacy.preprocessing.image")

FLOW: dict[str, Any] = {"target_size": (16, 16), "batch_size": 5, "workers": 1}


def of_keras(folder: Path, **settings: Any) -> Any:
    """Keras's own generator on a folder."""
    own = {name: settings.pop(name) for name in ("validation_split",) if name in settings}
    flow = {name: value for name, value in (FLOW | settings).items() if name != "workers"}
    return legacy.ImageDataGenerator(**own).flow_from_directory(str(folder), **flow)


def frame_of(folder: Path) -> pd.DataFrame:
    """The files of a folder of class folders as a table."""
    paths = sorted(folder.rglob("*.jpg"))
    return pd.DataFrame({"filename": [str(p) for p in paths], "class": [p.parent.name for p in paths]})


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
    model.compile("sgd", "categorical_crossentropy", run_eagerly=True)
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


def test_a_data_frame_gives_paths_labels_and_weights(photos: Callable[..., Path]) -> None:
    """Rows keep their labels and weights; missing files and rows without a label are listed."""
    frame = frame_of(photos(per_class=3))
    frame["weight"] = np.arange(9) + 1.0
    frame.loc[1, "filename"] = "nowhere.jpg"
    frame.loc[2, "class"] = None
    make, settings = ImageDataGenerator().flow_from_dataframe, {"class_mode": "sparse", "shuffle": False, **FLOW}
    with pytest.warns(UserWarning, match=r"1 of 9 rows are left out.*nowhere\.jpg"):
        generator = make(frame, weight_col="weight", **settings)
    with generator:
        batches = [generator[i] for i in range(len(generator))]
    assert np.concatenate([labels for _, labels, _ in batches]).tolist() == [0, 1, 1, 1, 2, 2, 2]
    assert np.concatenate([weights for _, _, weights in batches]).tolist() == [1, 4, 5, 6, 7, 8, 9]
    assert [entry.reason for entry in generator.skipped] == ["no such file", "no label"]


def test_a_data_frame_without_suffixes_is_told(photos: Callable[..., Path]) -> None:
    """The names are at fault, and not the labels."""
    frame = frame_of(photos(per_class=3))
    frame["filename"] = [name.removesuffix(".jpg") for name in frame["filename"]]
    with pytest.raises(UsageError, match=r"x_col[^\0]*none of 9 names is an existing file[^\0]*suffix"):
        ImageDataGenerator().flow_from_dataframe(frame, **FLOW)


def test_rows_that_repeat_a_picture_show_other_views_of_it(photos: Callable[..., Path]) -> None:
    """A rare class that is weighed more by repeating it is not the same picture over and over."""
    frame = frame_of(photos(per_class=2)).iloc[[0, 0, 0, 3]]
    turning = ImageDataGenerator(rotation_range=90, brightness_range=(0.5, 1.5))
    with turning.flow_from_dataframe(frame, shuffle=False, **FLOW | {"batch_size": 4}) as generator:
        (first, _), (second, _) = generator[0], next(iter(generator))
        again = np.concatenate([next(generator)[0] for _ in range(2)])
    assert len(np.unique(first[:3], axis=0)) == 3
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(again[[0, 1, 2, 4, 5, 6]], axis=0)) == 6
    assert not np.array_equal(again[3], again[7])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data_format", "channels_middle"),
        ("interpolation_order", 3),
        ("dtype", "uint8"),
        ("samplewise_center", "yes"),
        ("height_shift_range", [[0.1]]),
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("directory", None),
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
        ("subset", "training"),
        ("subset", ["training"]),
        ("batch_size", 0),
        ("seed", -1),
        ("save_format", "exe"),
        ("save_prefix", "../a"),
        ("classes", ["circle", "sqare"]),
        ("class_mode", "binary"),
        ("drop_duplicates", True),
        ("colour_mode", "rgb"),
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
        ("class_mode", "other"),
        ("class_mode", "binary"),
        ("has_ext", True),
        ("classes", "circle"),
        ("target_size", 32),
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
        ((np.zeros((2, 8, 8, 3)), np.zeros((2, 4))), None),
        (None, None),
        (np.zeros((2, 8, 8, 3)), 5),
        (np.zeros((2, 8, 8, 3)), [[1], [1, 2]]),
    ],
    ids=["of-two-sizes", "two-inputs", "none", "one-target", "ragged-targets"],
)
def test_arrays_that_are_none_are_refused(images: Any, targets: Any) -> None:
    """Images of several sizes, and targets that are not one a picture."""
    with pytest.raises(UsageError, match=r"H017.*\n  received   x: "):
        ImageDataGenerator().flow(images, targets)


def test_a_folder_of_splits_is_refused(photos: Callable[..., Path]) -> None:
    """Its folders are no classes, which the old generator did not notice."""
    with pytest.raises(UsageError, match=r"H017[^\0]*give the folder of a split"):
        ImageDataGenerator().flow_from_directory(photos(splits={"train": 2, "test": 2}), **FLOW)


def test_predicting_a_broken_file_gives_nan_under_its_own_name(photos: Callable[..., Path]) -> None:
    """Rows of predict line up with filenames and labels, whatever is broken when; the file is listed and warned about."""
    folder = photos(per_class=4)
    bad = folder / "circle" / "002.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    mean = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])
    for class_mode in (None, "categorical"):
        with ImageDataGenerator(rescale=1 / 255).flow_from_directory(
            folder, class_mode=class_mode, shuffle=False, **FLOW
        ) as flow:
            later = Path(flow.filepaths[7])
            content = later.read_bytes()
            later.unlink()
            with pytest.warns(UserWarning, match="1 file cannot be read .rows of NaN"):
                answers = mean.predict(flow, verbose=0)
            images = [flow[i] if class_mode is None else flow[i][0] for i in range(3)]
        later.write_bytes(content)
        assert answers.shape == (12, 3)
        assert (len(flow.filenames), len(flow.classes), flow.samples, flow.n, len(flow)) == (12, 12, 12, 12, 3)
        assert np.flatnonzero(np.isnan(answers).any(axis=1)).tolist() == [2, 7]
        assert [entry.path for entry in flow.skipped] == [str(bad), str(later)]
        good = [i for i in range(12) if i not in (2, 7)]
        assert np.allclose(answers[good], np.concatenate(images)[good].mean(axis=(1, 2)), atol=1e-5)


def test_training_and_evaluation_leave_a_broken_file_out(photos: Callable[..., Path]) -> None:
    """No loss is NaN, and labels stay with their pictures."""
    folder = photos(per_class=4)
    for name in ("circle/001.jpg", "triangle/003.jpg"):
        (folder / name).write_text("no image")
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    make = ImageDataGenerator(rescale=1 / 255).flow_from_directory
    with (
        make(folder, class_mode="sparse", **FLOW) as train,
        make(folder, class_mode="sparse", shuffle=False, **FLOW) as check,
    ):
        with pytest.warns(UserWarning, match="left out"):
            history = model.fit(train, validation_data=check, epochs=2, verbose=0).history
        assert np.isfinite([history["loss"], history["val_loss"]]).all()
        batches = [check[i] for i in range(len(check))]
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        is_read = ~np.isnan(images).any(axis=(1, 2, 3))
        assert np.flatnonzero(~is_read).tolist() == [1, 11]
        answers = model.predict_on_batch(images[is_read])
        accuracy = np.mean(answers.argmax(axis=1) == labels[is_read])
        assert model.evaluate(check, verbose=0)[1] == pytest.approx(accuracy)
        for _ in range(6):
            images, labels = next(train)
            assert not np.isnan(images).any()
            for image, label in zip(images, labels, strict=True):
                same = [
                    i for i in range(12) if is_read[i] and np.allclose(np.concatenate([b for b, _ in batches])[i], image)
                ]
                assert [check.classes[i] for i in same] == [label]


def test_a_picture_and_its_mask_undergo_the_same(tmp_path: Path) -> None:
    """Zipped generators with equal seeds stay paired over epochs; masks keep their values, and a bad file is NaN."""
    random = np.random.default_rng(0)
    for kind in ("pictures", "masks"):
        (tmp_path / kind / "all").mkdir(parents=True)
    for i in range(7):
        mask = Image.new("L", (64, 48), 1)
        corner = random.integers(8, 20, 2).tolist()
        ImageDraw.Draw(mask).rectangle((*corner, corner[0] + 24, corner[1] + 18), fill=3)
        mask.save(tmp_path / "masks" / "all" / f"{i}.png")
        picture = Image.fromarray(np.where(np.asarray(mask) == 3, 250, 10).astype(np.uint8)).convert("RGB")
        picture.save(tmp_path / "pictures" / "all" / f"{i}.png")
    (tmp_path / "pictures" / "all" / "5.png").write_text("no picture")
    views = {
        "rotation_range": 40,
        "width_shift_range": 0.2,
        "shear_range": 10,
        "zoom_range": 0.3,
        "horizontal_flip": True,
        "vertical_flip": True,
    }
    common = {"target_size": (48, 64), "class_mode": None, "batch_size": 3, "seed": 4, "workers": 1}
    pictures = ImageDataGenerator(brightness_range=(0.8, 1.0), **views).flow_from_directory(tmp_path / "pictures", **common)
    masks = ImageDataGenerator(**views).flow_from_directory(
        tmp_path / "masks", color_mode="grayscale", interpolation="nearest", **common
    )
    seen, num_lost = [], 0
    with pictures, masks, pytest.warns(UserWarning, match=r"5\.png"):
        pairs = [pair for _, pair in zip(range(6), zip(pictures, masks, strict=True), strict=False)]
    for image, mask in pairs:
        assert set(np.unique(mask)) <= {1, 3}
        is_lost = np.isnan(image).any(axis=(1, 2, 3))
        num_lost += int(is_lost.sum())
        agree = (image[~is_lost][..., 0] > 100) == (mask[~is_lost][..., 0] == 3)
        assert agree.mean(axis=(1, 2)).min() > 0.97
        seen += [*mask]
    assert num_lost == 2
    assert len(np.unique(np.stack(seen), axis=0)) == 14


@pytest.mark.parametrize("order", [0, 1])
def test_masks_in_memory_are_seen_like_their_pictures(order: int) -> None:
    """The method takes any range and shape, and interpolation_order=0 makes no new values."""
    random = np.random.default_rng(0)
    masks = np.kron(random.integers(0, 5, (6, 5, 8, 1)), np.ones((1, 4, 4, 1))) * 300.0 - 600
    settings: dict[str, Any] = {"rotation_range": 90, "zoom_range": (0.5, 1.5), "fill_mode": "reflect"}
    one, other = (
        ImageDataGenerator(interpolation_order=order, **settings).flow(x, batch_size=4, seed=3) for x in (masks, 2 * masks)
    )
    for _ in range(4):
        first, second = next(one), next(other)
        assert first.shape[1:] == (20, 32, 1)
        assert np.allclose(2 * first, second, atol=1e-3)
        assert set(np.unique(first)) <= set(np.unique(masks)) or order == 1


def test_an_old_program_takes_as_many_pictures_as_it_likes(photos: Callable[..., Path], tmp_path: Path) -> None:
    """A loop goes on without end and views are saved as files, as in the tutorial that shows twenty views of one cat."""
    with Image.open(photos(per_class=1) / "circle" / "000.jpg") as picture:
        image = np.asarray(picture)[None]
    folder = tmp_path / "preview"
    folder.mkdir()
    maker = ImageDataGenerator(rotation_range=40, horizontal_flip=True)
    for _ in range(2):
        flow = maker.flow(image, batch_size=1, save_to_dir=str(folder), save_prefix="cat", save_format="png")
        batches = [batch for _, batch in zip(range(5), flow, strict=False)]
        assert len(np.unique(np.concatenate(batches), axis=0)) == 5
        assert (flow.total_batches_seen, flow.batch_index, flow.index_array.tolist()) == (5, 0, [0])
    files = sorted(folder.iterdir())
    assert len(files) == 10
    assert all(path.name.startswith("cat_") for path in files)
    with Image.open(files[0]) as picture:
        assert picture.size == (72, 64)


def test_files_come_in_the_order_and_the_subsets_of_keras(photos: Callable[..., Path]) -> None:
    """Names, classes and the files of both subsets are Keras's, nested folders and digits in names included."""
    folder = photos(per_class=7)
    (folder / "circle" / "a").mkdir()
    for name in ("circle/a/10.jpg", "circle/9.jpg", "circle/10.jpg", "square/Z.jpg"):
        Image.new("RGB", (20, 20), (len(name), 9, 9)).save(folder / name)
    (folder / "square" / "notes.txt").write_text("not an image")
    make = ImageDataGenerator(validation_split=0.3).flow_from_directory
    for subset in (None, "training", "validation"):
        ours = make(folder, subset=subset, shuffle=False, **FLOW)
        keras_s = of_keras(folder, subset=subset, validation_split=0.3, shuffle=False)
        assert ours.filenames == keras_s.filenames
        assert ours.filepaths == keras_s.filepaths
        assert ours.class_indices == keras_s.class_indices
        assert ours.classes.tolist() == keras_s.classes.tolist()
        assert (ours.samples, ours.n, len(ours)) == (keras_s.samples, keras_s.n, len(keras_s))
        assert ours.image_shape == keras_s.image_shape
    assert [Path(entry.path).name for entry in make(folder, **FLOW).skipped] == ["notes.txt"]


def test_copies_of_a_picture_stay_on_one_side(photos: Callable[..., Path]) -> None:
    """A copy in the training share joins the validation subset; without labels, rows stay paired with other folders'."""
    folder = photos(per_class=8)
    (folder / "circle" / "9.jpg").write_bytes((folder / "circle" / "000.jpg").read_bytes())
    make = ImageDataGenerator(rotation_range=20, validation_split=0.3).flow_from_directory
    train, check = (make(folder, subset=subset, seed=1, **FLOW) for subset in ("training", "validation"))
    assert "circle/9.jpg" in check.filenames
    assert train.samples + check.samples == 25
    assert not set(train.filenames) & set(check.filenames)
    assert "circle/9.jpg" in make(folder, subset="training", class_mode=None, **FLOW).filenames


def test_the_validation_subset_is_not_augmented(photos: Callable[..., Path]) -> None:
    """Its pictures are rescaled alone, and the same in each epoch; the help says so."""
    folder = photos(per_class=8)
    maker = ImageDataGenerator(rotation_range=45, brightness_range=(0.3, 1.7), rescale=0.5, validation_split=0.25)
    with maker.flow_from_directory(folder, subset="validation", shuffle=False, **FLOW | {"batch_size": 6}) as flow:
        first, second = next(flow)[0], next(flow)[0]
    plain = ImageDataGenerator(rescale=0.5).flow_from_directory(folder, shuffle=False, **FLOW | {"batch_size": 24})
    with plain:
        everything = next(plain)[0]
    assert np.array_equal(first, second)
    assert np.array_equal(first, everything[[0, 1, 8, 9, 16, 17]])
    for text in (ImageDataGenerator.__doc__, ImageDataGenerator.flow_from_directory.__doc__):
        assert text is not None
        assert "augmented" in text


def test_a_frame_sorted_by_class_has_all_classes_in_both_subsets(photos: Callable[..., Path]) -> None:
    """Keras's first rows are the subset where they hold every class; else it is the first share of each class."""
    frame = frame_of(photos(per_class=5))
    make = ImageDataGenerator(validation_split=0.4).flow_from_dataframe
    check = make(frame, subset="validation", **FLOW)
    assert np.bincount(check.classes).tolist() == [2, 2, 2]
    mixed = frame.iloc[[0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14]]
    assert make(mixed, subset="validation", **FLOW).filenames == mixed["filename"].tolist()[:6]
    x, y = np.arange(10 * 16).reshape(10, 4, 4, 1), np.repeat([0, 1], 5)
    flow = ImageDataGenerator(validation_split=0.2).flow
    assert next(flow(x, y, subset="validation", shuffle=False))[1].tolist() == [0, 1]
    assert next(flow(x, y, subset="validation", shuffle=False, ignore_class_split=True))[1].tolist() == [0, 0]


def test_targets_of_a_frame_have_the_form_asked_for(photos: Callable[..., Path]) -> None:
    """With raw, types and columns are kept, multi_output is a list, and several labels a row become 0 and 1."""
    folder = photos(per_class=2)
    frame = frame_of(folder)
    frame["filename"] = [str(Path(name).relative_to(folder)) for name in frame["filename"]]
    frame["a"], frame["b"] = 2**24 + np.arange(6), np.arange(6) * 3.0
    frame["several"] = [["x", "y"], ["y"], ("x",), "y", ["z", "x"], None]
    make = ImageDataGenerator().flow_from_dataframe
    settings: dict[str, Any] = {"shuffle": False, **FLOW}
    with make(frame, folder, y_col="a", class_mode="raw", **settings) as raw:
        assert raw[0][1].tolist() == frame["a"].tolist()[:5]
        assert raw.labels.tolist() == frame["a"].tolist()
        assert raw.filenames == frame["filename"].tolist()
    with make(frame, folder, y_col=["a", "b"], class_mode="raw", **settings) as raw:
        assert np.array_equal(raw[0][1], frame[["a", "b"]].to_numpy()[:5])
    with make(frame, folder, y_col=["a", "b"], class_mode="multi_output", **settings) as outputs:
        targets = outputs[0][1]
        assert [column.tolist() for column in targets] == [frame[name].tolist()[:5] for name in ("a", "b")]
        image = keras.Input((16, 16, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(image)
        model = keras.Model(image, [keras.layers.Dense(1, name=name)(pooled) for name in ("first", "second")])
        model.compile("sgd", ["mse", "mse"], run_eagerly=True)
        assert len(model.fit(outputs, verbose=0).history["first_loss"]) == 1  # Keras takes no lists from a PyDataset
    with make(frame, folder, y_col="several", **settings) as labels:
        assert labels[0][1].tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 0, 1]]
        assert labels.classes == [[0, 1], [1], [0], [1], [2, 0]]
    frame["number"] = [0, 2, 10, 0, 2, 10]
    assert make(frame, folder, y_col="number", class_mode="sparse", **settings).class_indices == {"0": 0, "2": 1, "10": 2}


def test_rows_without_a_file_keep_their_places_where_names_are_not_validated(photos: Callable[..., Path]) -> None:
    """validate_filenames=False: predictions line up with the frame."""
    frame = frame_of(photos(per_class=2))
    frame.loc[1, "filename"] = "nowhere.jpg"
    make = ImageDataGenerator().flow_from_dataframe
    with make(frame, class_mode=None, shuffle=False, validate_filenames=False, **FLOW) as flow:
        assert flow.filenames == frame["filename"].tolist()
        with pytest.warns(UserWarning, match=r"nowhere\.jpg"):
            images = flow[0]
    assert np.isnan(images).any(axis=(1, 2, 3)).tolist() == [False, True, False, False, False]


def test_images_in_memory_keep_their_values() -> None:
    """Any range and any number of channels comes out unchanged, and targets follow their images."""
    images = np.random.default_rng(0).normal(0, 3, (7, 12, 10, 5))
    for x in (images, (images * 10).astype(np.int16)):
        flow = ImageDataGenerator(preprocessing_function=lambda image: image * 2).flow(x, np.eye(7), batch_size=4)
        for _ in range(4):
            batch, targets = next(flow)
            assert np.allclose(batch, 2 * x[targets.argmax(axis=1)], rtol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"samplewise_center": True},
        {"samplewise_std_normalization": True, "samplewise_center": True},
        {"featurewise_center": True},
        {"featurewise_std_normalization": True, "featurewise_center": True, "rescale": 1 / 255},
        {"zca_whitening": True, "featurewise_center": True, "rescale": 1 / 255},
        {"preprocessing_function": np.sqrt, "rescale": 0.1, "samplewise_center": True},
    ],
    ids="-".join,
)
def test_standardization_gives_the_numbers_of_keras(settings: dict[str, Any]) -> None:
    """After the same fit both classes give the same batches."""
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3)).astype(np.float32)
    ours, keras_s = ImageDataGenerator(**settings), legacy.ImageDataGenerator(**settings)
    ours.fit(images)
    keras_s.fit(images)
    batch, expected = next(ours.flow(images, shuffle=False)), next(keras_s.flow(images, shuffle=False))
    np.testing.assert_allclose(batch, expected, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(ours.standardize(images[0]), keras_s.standardize(images[0].copy()), rtol=2e-3, atol=2e-3)


def test_statistics_that_were_not_learned_are_an_error() -> None:
    """Keras warns at each image, and goes on without them."""
    flow = ImageDataGenerator(featurewise_center=True).flow(np.zeros((2, 4, 4, 3)))
    with pytest.raises(UsageError, match="H047"):
        next(flow)


def test_statistics_may_be_set() -> None:
    """Programs set the mean of a pretrained network's data."""
    maker = ImageDataGenerator(featurewise_center=True)
    maker.mean = np.array([1, 2, 3])
    assert next(maker.flow(np.full((1, 4, 4, 3), 3.0)))[0, 0, 0].tolist() == [2, 1, 0]
    assert maker.std is None
    assert maker.zca_whitening_matrix is None


VIEWS: dict[str, dict[str, Any]] = {
    "turned": {"theta": 30},
    "moved": {"tx": 3, "ty": -5.5},
    "sheared": {"shear": 12},
    "zoomed": {"zx": 0.7, "zy": 1.3},
    "mirrored": {"flip_horizontal": True, "flip_vertical": True, "tx": 2},
    "all": {"theta": -20, "tx": 2, "ty": 1, "shear": 5, "zx": 1.1, "zy": 0.9, "flip_horizontal": True},
}


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")  # Keras's, about its own import
@pytest.mark.parametrize("parameters", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect"])
def test_a_view_is_that_of_keras(parameters: dict[str, Any], fill_mode: str) -> None:
    """The same parameters give the same square picture, to a grey level in the mean."""
    rows, columns = np.mgrid[:40, :40]
    image = np.stack([128 + 100 * np.sin(rows / 5 + i) * np.cos(columns / 7) for i in range(3)], axis=-1).astype(np.float32)
    ours = ImageDataGenerator(fill_mode=fill_mode, cval=7).apply_transform(image, parameters)
    expected = legacy.ImageDataGenerator(fill_mode=fill_mode, cval=7).apply_transform(image, parameters)
    differences = np.abs(ours - expected)  # SciPy ends a constant edge a pixel earlier, without a transition
    assert np.quantile(differences, 0.8) < 1
    assert fill_mode == "constant" or differences.mean() < 1


def test_parameters_are_the_numbers_of_keras() -> None:
    """A seed gives the numbers that it gives there, but that tx, to the side, is drawn of the width shift."""
    settings: dict[str, Any] = {
        "rotation_range": 20,
        "width_shift_range": [-3, 4],
        "height_shift_range": 0.1,
        "shear_range": 5,
        "zoom_range": (0.8, 1.1),
        "horizontal_flip": True,
        "channel_shift_range": 9,
        "brightness_range": (0.5, 1.5),
    }
    for seed in range(5):
        ours = ImageDataGenerator(**settings).get_random_transform((30, 40, 3), seed)
        expected = legacy.ImageDataGenerator(**settings).get_random_transform((30, 40, 3), seed)
        expected["tx"], expected["ty"] = expected["ty"], expected["tx"]
        assert ours == pytest.approx(expected)
        assert np.array_equal(
            ImageDataGenerator(**settings).random_transform(np.ones((30, 40, 3)), seed=seed),
            ImageDataGenerator(**settings).apply_transform(np.ones((30, 40, 3)), ours),
        )


@pytest.mark.parametrize("unit", [1.0, 255.0])
def test_brightness_keeps_the_scale_of_floats(unit: float) -> None:
    """Keras's class turns floats of 0 to 1 black."""
    images = np.full((1, 4, 4, 3), 0.4 * unit)
    images[0, 0, 0] = unit
    batch = next(ImageDataGenerator(brightness_range=(2, 2), channel_shift_range=0).flow(images))
    assert batch[0, 1, 1].tolist() == pytest.approx([0.8 * unit] * 3)
    assert batch.max() == unit


def test_shifts_move_where_their_names_say() -> None:
    """width_shift_range moves to the side and height_shift_range up and down, by whole pixels for an int."""
    image = np.zeros((1, 9, 15, 1))
    image[0, 4, 7] = 1
    for name, axis in (("width_shift_range", 2), ("height_shift_range", 1)):
        flow = ImageDataGenerator(fill_mode="constant", **{name: 4}).flow(image)  # type: ignore[arg-type]
        places = np.array([np.argwhere(next(flow) > 0.5)[0] for _ in range(20)])
        assert len(set(places[:, axis].tolist())) > 3
        assert np.abs(places[:, axis] - (7 if axis == 2 else 4)).max() == 3
        assert len(set(places[:, 3 - axis].tolist())) == 1


@pytest.mark.parametrize("keep_aspect_ratio", [False, True])
def test_a_rectangle_shows_what_keras_shows(keep_aspect_ratio: bool, tmp_path: Path) -> None:
    """target_size is height and width; the whole picture is squeezed, or its centre cropped."""
    (tmp_path / "a").mkdir()
    rows, columns = np.mgrid[:60, :100]
    picture = np.stack([rows * 4, columns * 2, rows + columns], axis=-1).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a" / "0.png")
    common: dict[str, Any] = {"target_size": (20, 16), "interpolation": "bilinear", "keep_aspect_ratio": keep_aspect_ratio}
    with ImageDataGenerator().flow_from_directory(tmp_path, **FLOW | common) as flow:
        ours = next(flow)[0]
    expected = next(of_keras(tmp_path, **common))[0]
    assert flow.image_shape == (20, 16, 3)
    assert ours.shape == expected.shape == (1, 20, 16, 3)
    assert np.abs(ours - expected).max() <= 3


def test_channels_may_come_first(photos: Callable[..., Path]) -> None:
    """In batches of files and of arrays, in shapes and in fit."""
    folder = photos(per_class=2)
    with ImageDataGenerator().flow_from_directory(folder, shuffle=False, **FLOW) as last:
        expected = last[0][0]
    maker = ImageDataGenerator(data_format="channels_first", dtype="float16")
    with maker.flow_from_directory(folder, shuffle=False, **FLOW) as first:
        images = first[0][0]
    assert images.dtype == np.float16
    assert first.image_shape == (3, 16, 16)
    assert np.array_equal(np.moveaxis(images, 1, 3), expected)
    maker = ImageDataGenerator(data_format="channels_first", featurewise_center=True, rotation_range=5)
    maker.fit(np.moveaxis(expected, 3, 1), augment=True, rounds=2, seed=1)
    assert next(maker.flow(np.moveaxis(expected, 3, 1))).shape == (5, 3, 16, 16)
    assert maker.mean is not None
    assert maker.mean.shape == (1, 1, 3)


def test_grey_levels_are_pillows(photos: Callable[..., Path]) -> None:
    """color_mode="grayscale" is Pillow's own L, so that grey masks keep their values."""
    folder = photos(per_class=2)
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(folder / "circle" / "levels.png")
    with ImageDataGenerator(interpolation_order=0).flow_from_directory(
        folder, color_mode="grayscale", shuffle=False, **FLOW
    ) as flow:
        images = np.concatenate([flow[i][0] for i in range(len(flow))])
    expected = np.concatenate(
        [next(one)[0] for one in [of_keras(folder, color_mode="grayscale", shuffle=False)] for _ in range(2)]
    )
    assert np.array_equal(images[2].ravel(), np.arange(256))
    assert np.abs(images - expected).max() <= 2


def test_linked_folders_are_left_out_and_listed(photos: Callable[..., Path], tmp_path: Path) -> None:
    """As Keras leaves them out, unless follow_links is set; a class folder may itself be a link."""
    folder = photos(per_class=2)
    elsewhere = photos("elsewhere", classes=("more",), per_class=2, seed=5) / "more"
    (folder / "circle" / "linked").symlink_to(elsewhere)
    (folder / "other").symlink_to(elsewhere)
    make = ImageDataGenerator().flow_from_directory
    plain, followed = make(folder, **FLOW), make(folder, follow_links=True, **FLOW)
    assert plain.filenames == of_keras(folder).filenames
    assert (plain.samples, followed.samples) == (8, 10)
    assert [entry.reason for entry in plain.skipped] == ["in a linked folder (see follow_links)"] * 2


def test_label_maps_of_16_bits_keep_their_values(tmp_path: Path) -> None:
    """As far as they are no more than 255: they are no measurements, which would be scaled by each picture."""
    (tmp_path / "all").mkdir()
    for i, top in enumerate((7, 200)):
        labels = np.kron([[0, 3], [5, top]], np.ones((20, 20))).astype(np.uint16)
        Image.fromarray(labels).save(tmp_path / "all" / f"{i}.png")
    maker = ImageDataGenerator(rotation_range=30, interpolation_order=0)
    with maker.flow_from_directory(tmp_path, class_mode=None, color_mode="grayscale", shuffle=False, **FLOW) as flow:
        images = next(flow)
    assert [set(np.unique(image)) for image in images] == [{0, 3, 5, 7}, {0, 3, 5, 200}]
