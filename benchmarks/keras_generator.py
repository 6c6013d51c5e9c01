"""Benchmarks: Headstart's ``ImageDataGenerator`` beside Keras's retired class, argument by argument, on the same files.

Usage: python benchmarks/keras_generator.py [FOLDER] [--out GUIDE]

FOLDER has a folder per class; left out, the photographs that ship with Headstart are used. Both classes run on the same
copies of a few of its files, with some broken and odd ones among them, and a row of the table is printed for each behaviour:
what either gave, and the verdict. "same" is never claimed: it is printed where both results agree. With ``--out`` the table
replaces the one in a guide. Exit 1 where a row that is documented as the same is not.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator
from PIL import Image

from headstart import ImageDataGenerator, demo
from headstart.foundation.errors import HeadstartError

SIZE = 32
PER_CLASS = 6
_CLOSE = "to 1% of the largest value, in the mean"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
VERDICTS = ("same", "better", "different", "rejected")

Maker = Callable[..., Any]


class Data(NamedTuple):
    """Inputs that both classes are run on."""

    folder: Path  # two classes of photographs
    broken: Path  # the same with a file that is cut short
    odd: Path  # the same with notes, a hidden file, a GIF, a PNG of no suffix, and a linked folder
    masks: Path  # label maps, and their photographs beside them
    turned: Path  # one photograph that is stored on its side
    frame: pd.DataFrame
    images: np.ndarray
    scratch: Path


class Row(NamedTuple):
    """One row: what is looked at, by a function of the class and the data, and what the table says about it."""

    title: str
    look: Callable[[Maker, Data], Any]
    verdict: str
    why: str


ROWS: list[Row] = []


def row(title: str, verdict: str, why: str) -> Callable[[Callable[[Maker, Data], Any]], Callable[[Maker, Data], Any]]:
    """Add a function as a row of the table."""

    def add(look: Callable[[Maker, Data], Any]) -> Callable[[Maker, Data], Any]:
        ROWS.append(Row(title, look, verdict, why))
        return look

    return add


def flow(maker: Any, folder: Path, **settings: Any) -> Any:
    """Batches of a folder, in order unless asked otherwise."""
    return maker.flow_from_directory(
        str(folder), **{"target_size": (SIZE, SIZE), "shuffle": False, "batch_size": 4} | settings
    )


def arrays(maker: Any, images: np.ndarray, y: Any = None, **settings: Any) -> Any:
    """Batches of images in memory, in order unless asked otherwise."""
    return maker.flow(images, y, **{"shuffle": False, "batch_size": 4} | settings)


def parameter(name: str, **settings: Any) -> Callable[[Maker, Data], Any]:
    """A parameter of random views, by five seeds."""
    return lambda make, _: [round(float(make(**settings).get_random_transform((40, 40, 3), s)[name]), 3) for s in range(5)]


def view(settings: dict[str, Any], **parameters: Any) -> Callable[[Maker, Data], Any]:
    """A photograph under given parameters."""
    return lambda make, data: make(**settings).apply_transform(data.images[0].astype("float32"), parameters)


def axis_of(name: str) -> Callable[[Maker, Data], str]:
    """Whether a shift moves along the columns or the rows."""

    def look(make: Maker, _: Data) -> str:
        image = np.zeros((21, 21, 1), "float32")
        image[10, 10] = 1
        places = [
            np.argwhere(make(fill_mode="constant", **{name: [3]}).random_transform(image, seed=s))[0] for s in range(5)
        ]
        return "to the side" if all(place[0] == 10 for place in places) else "up and down"

    return look


for _name, _settings, _parameter in (
    ("rotation_range=30", {"rotation_range": 30}, "theta"),
    ("shear_range=10", {"shear_range": 10}, "shear"),
    ("zoom_range=0.2", {"zoom_range": 0.2}, "zx"),
    ("zoom_range=[0.5, 1.0]", {"zoom_range": [0.5, 1.0]}, "zy"),
    ("channel_shift_range=20", {"channel_shift_range": 20.0}, "channel_shift_intensity"),
    ("brightness_range=(0.5, 1.5)", {"brightness_range": (0.5, 1.5)}, "brightness"),
    ("horizontal_flip=True", {"horizontal_flip": True}, "flip_horizontal"),
    ("vertical_flip=True", {"vertical_flip": True}, "flip_vertical"),
):
    row(f"`{_name}`: numbers drawn by seeds 0 to 4", "same", "the numbers come in the same order from the same generator")(
        parameter(_parameter, **_settings)
    )
row("`width_shift_range` moves", "better", "Keras 3 has the two exchanged: findings/keras-retired-shift-axes.sh")(
    axis_of("width_shift_range")
)
row("`height_shift_range` moves", "better", "see above")(axis_of("height_shift_range"))


@row("`width_shift_range=4`: pixels moved", "same", "an int n stands for whole pixels below n")
def _(make: Maker, _data: Data) -> Any:
    found = [make(width_shift_range=4).get_random_transform((40, 40, 3), s) for s in range(40)]
    return sorted({int(abs(one["tx"] or one["ty"])) for one in found})


@row("`width_shift_range=[-8, 5]`: pixels moved", "same", "one of the list, to either side")
def _(make: Maker, _data: Data) -> Any:
    found = [make(width_shift_range=[-8, 5]).get_random_transform((40, 40, 3), s) for s in range(40)]
    return sorted({int(one["tx"] or one["ty"]) for one in found})


for _name, _parameters in (
    ("turned by 25 degrees", {"theta": 25}),
    ("sheared by 12 degrees", {"shear": 12}),
    ("zoomed to 0.7 x 1.2", {"zx": 0.7, "zy": 1.2}),
    ("mirrored both ways", {"flip_horizontal": True, "flip_vertical": True}),
    ("with its channels shifted by 30", {"channel_shift_intensity": 30}),
    ("brightened by 1.4", {"brightness": 1.4}),
):
    row(f"`apply_transform`: a photograph {_name}", "same", _CLOSE)(view({}, **_parameters))
for _mode in ("nearest", "reflect", "constant", "wrap"):
    _wraps = _mode == "wrap"
    row(
        f"`fill_mode='{_mode}'`, `cval=9`, moved by 8",
        "different" if _wraps else "same",
        "SciPy's `wrap` drops one row of each turn; ours continues the picture whole" if _wraps else _CLOSE,
    )(view({"fill_mode": _mode, "cval": 9}, tx=8, ty=8))


@row("a picture of 21 x 41 turned by 180 degrees: its middle", "better", "Keras turns about a point that is not the centre")
def _(make: Maker, _data: Data) -> Any:
    image = np.zeros((21, 41, 1), "float32")
    image[10, 20] = 1
    turned = make(fill_mode="constant").apply_transform(image, {"theta": 180})
    return [tuple(map(int, place[:2])) for place in np.argwhere(turned > 0.5)] or "is gone"


@row("`brightness_range=(1, 1)` on floats of 0 to 1: largest value", "better", "Keras's come out black")
def _(make: Maker, data: Data) -> Any:
    return round(float(next(arrays(make(brightness_range=(1, 1)), data.images / 256)).max()), 2)


@row("`rescale` and `preprocessing_function`: which is first", "same", "the function sees levels of 0 to 255")
def _(make: Maker, _data: Data) -> Any:
    maker = make(rescale=0.5, preprocessing_function=lambda image: image + 2)
    return round(float(next(arrays(maker, np.full((1, 4, 4, 3), 10)))[0, 0, 0, 0]), 3)


for _settings in (
    {"samplewise_center": True},
    {"samplewise_center": True, "samplewise_std_normalization": True},
    {"featurewise_center": True, "rescale": 1 / 255},
    {"featurewise_center": True, "featurewise_std_normalization": True},
    {"featurewise_center": True, "zca_whitening": True, "rescale": 1 / 255},
):

    def _standardized(make: Maker, data: Data, settings: dict[str, Any] = _settings) -> Any:
        small = data.images[:, ::8, ::8].astype("float32")
        maker = make(**settings)
        maker.fit(small)
        return next(arrays(maker, small))

    row(f"`{', '.join(_settings)}`, after `fit`", "same", "computed alike")(_standardized)


@row("`featurewise_center` without `fit`", "better", "an error, where Keras goes on without the mean")
def _(make: Maker, data: Data) -> Any:
    next(arrays(make(featurewise_center=True), data.images))
    return "a batch"


@row("`fit(augment=True, rounds=2, seed=1)`: mean of the channels", "same", "of the same views")
def _(make: Maker, data: Data) -> Any:
    maker = make(featurewise_center=True, horizontal_flip=True, zoom_range=0.2)
    maker.fit(data.images[:, ::4, ::4].astype("float32"), augment=True, rounds=2, seed=1)
    return np.ravel(maker.mean)


@row("`standardize(x)`", "same", "ours leaves `x` as it is, Keras changes it in place")
def _(make: Maker, data: Data) -> Any:
    return make(rescale=0.1, samplewise_center=True).standardize(data.images[0].astype("float32"))


@row("`data_format='channels_first'`: shape of a batch", "same", "")
def _(make: Maker, data: Data) -> Any:
    return next(flow(make(data_format="channels_first"), data.folder, class_mode=None)).shape


@row("`dtype='float16'`: type of a batch", "same", "")
def _(make: Maker, data: Data) -> Any:
    return str(next(flow(make(dtype="float16"), data.folder, class_mode=None)).dtype)


@row("`dtype='uint8'`", "rejected", "Keras's wraps around after rescaling; cast in the model")
def _(make: Maker, data: Data) -> Any:
    return str(next(flow(make(dtype="uint8"), data.folder, class_mode=None)).dtype)


@row("`interpolation_order=3`", "rejected", "views are sampled bilinearly (1) or by the nearest pixel (0)")
def _(make: Maker, data: Data) -> Any:
    return next(arrays(make(interpolation_order=3), data.images)).shape


@row("`flow`: floats of any range", "same", "standardized arrays pass unchanged")
def _(make: Maker, data: Data) -> Any:
    return next(arrays(make(), (data.images - 100.0) / 50))


@row("`flow`: five channels, no square", "same", "")
def _(make: Maker, data: Data) -> Any:
    return next(arrays(make(rotation_range=5), np.concatenate([data.images, data.images], axis=3)[:, :40, :, :5])).shape


@row("`flow((images, numbers))`: two inputs", "rejected", "give the second input to the model by a PyDataset of your own")
def _(make: Maker, data: Data) -> Any:
    return [part.shape for part in next(arrays(make(), (data.images, np.arange(len(data.images)))))]  # type: ignore[arg-type]


@row("`flow(x, y, sample_weight)`: one batch", "same", "")
def _(make: Maker, data: Data) -> Any:
    y = np.arange(len(data.images)) % 2
    batch = next(arrays(make(), data.images, np.eye(2)[y], sample_weight=y + 1.0))
    return batch[1].tolist(), batch[2].tolist()


@row("`flow(subset=...)` of mixed classes: validation samples", "same", "the first share")
def _(make: Maker, _data: Data) -> Any:
    places = np.arange(10)[:, None, None, None] * np.ones((1, 4, 4, 1))
    batch = arrays(make(validation_split=0.4), places, np.tile([0, 1], 5), subset="validation", batch_size=9)
    return [int(image.max()) for image in next(batch)[0]]


@row("`flow(subset=...)` sorted by class: validation samples", "better", "the first share of each class; Keras raises")
def _(make: Maker, _data: Data) -> Any:
    places = np.arange(10)[:, None, None, None] * np.ones((1, 4, 4, 1))
    batch = arrays(make(validation_split=0.4), places, np.repeat([0, 1], 5), subset="validation", batch_size=9)
    return [int(image.max()) for image in next(batch)[0]]


@row("`ignore_class_split=True`: validation samples", "same", "the first share")
def _(make: Maker, _data: Data) -> Any:
    places = np.arange(10)[:, None, None, None] * np.ones((1, 4, 4, 1))
    settings = {"subset": "validation", "batch_size": 9, "ignore_class_split": True}
    return [
        int(image.max()) for image in next(arrays(make(validation_split=0.4), places, np.repeat([0, 1], 5), **settings))[0]
    ]


for _attribute in ("filenames", "class_indices", "samples", "num_classes", "image_shape", "batch_size"):

    def _attribute_of(make: Maker, data: Data, name: str = _attribute) -> Any:
        return getattr(flow(make(), data.folder), name)

    row(f"`flow_from_directory`: `.{_attribute}`", "same", "")(_attribute_of)


@row("`.filepaths`, `.classes`, `.labels`, `.n`, `len()`", "same", "")
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(), data.folder)
    return (
        [Path(p).name for p in batches.filepaths],
        batches.classes.tolist(),
        batches.labels.tolist(),
        batches.n,
        len(batches),
    )


@row("`classes=[...]`: numbers of the classes", "same", "in the order given")
def _(make: Maker, data: Data) -> Any:
    return flow(make(), data.folder, classes=sorted((p.name for p in data.folder.iterdir()), reverse=True)).class_indices


@row("`classes=[...]` with a name that is no folder", "better", "an error, where Keras has a class of no files")
def _(make: Maker, data: Data) -> Any:
    return flow(make(), data.folder, classes=["none-of-these", *(p.name for p in data.folder.iterdir())]).num_classes


_CLASS_MODES = ("categorical", "binary", "sparse", "input", None)
for _class_mode in _CLASS_MODES:

    def _targets(make: Maker, data: Data, mode: str | None = _class_mode) -> Any:
        batch = flow(make(), data.folder, class_mode=mode)[1]
        if mode == "input":
            return f"the images again: {np.array_equal(*batch)}"
        return f"images alone, {batch.shape}" if mode is None else batch[1].astype(float).tolist()

    row(f"`class_mode={_class_mode!r}`: targets of a batch", "same", "")(_targets)


@row("`class_mode='sparse'`: type of the label numbers", "different", "whole numbers, which can index a list of names")
def _(make: Maker, data: Data) -> Any:
    return str(flow(make(), data.folder, class_mode="sparse")[1][1].dtype)


@row("`class_mode='binary'` with one class folder", "better", "an error, where Keras answers 0 for all")
def _(make: Maker, data: Data) -> Any:
    return flow(make(), data.folder, class_mode="binary", classes=[min(p.name for p in data.folder.iterdir())])[0][
        1
    ].tolist()


@row("hidden files (`._photo.jpg`)", "better", "listed in `skipped`; Keras ends with an error when it comes to them")
def _(make: Maker, data: Data) -> Any:
    return "counted" if any("._" in name for name in flow(make(), data.odd).filenames) else "left out"


@row("notes (`notes.txt`) in a class folder", "same", "left out, and listed in `skipped`")
def _(make: Maker, data: Data) -> Any:
    return "counted" if any("notes" in name for name in flow(make(), data.odd).filenames) else "left out"


@row("GIF files", "different", "images too, by their first frame")
def _(make: Maker, data: Data) -> Any:
    return "used" if any(name.endswith("gif") for name in flow(make(), data.odd).filenames) else "left out silently"


@row("an image whose name has no suffix", "better", "the content decides")
def _(make: Maker, data: Data) -> Any:
    return "used" if any(name.endswith("bare") for name in flow(make(), data.odd).filenames) else "left out silently"


@row("`follow_links=False`: a linked folder below a class", "same", "left out, and listed in `skipped`")
def _(make: Maker, data: Data) -> Any:
    return "used" if any("linked" in name for name in flow(make(), data.odd).filenames) else "left out"


@row("`follow_links=True`", "same", "")
def _(make: Maker, data: Data) -> Any:
    return "used" if any("linked" in name for name in flow(make(), data.odd, follow_links=True).filenames) else "left out"


def mean_model() -> keras.Model:
    """Answers the mean of each channel."""
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.GlobalAveragePooling2D()])


@row("a broken file in `predict`", "better", "its own row is NaN, with a warning, and every other row is its file's")
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(), data.broken, class_mode=None)
    answers = mean_model().predict(batches, verbose=0)
    lost = np.flatnonzero(np.isnan(answers).any(axis=1)).tolist()
    return f"{len(answers)} rows for {len(batches.filenames)} files, NaN for {[batches.filenames[i] for i in lost]}"


@row("a broken file in `evaluate`", "better", "left out with a warning, and the loss is a number")
def _(make: Maker, data: Data) -> Any:
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "categorical_crossentropy")
    return f"a finite loss: {bool(np.isfinite(model.evaluate(flow(make(rescale=1 / 255), data.broken), verbose=0)))}"


@row("a broken file in `fit`", "better", "another sample of the batch, with its own label, takes its place")
def _(make: Maker, data: Data) -> Any:
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "categorical_crossentropy")
    losses = model.fit(flow(make(rescale=1 / 255), data.broken, shuffle=True, seed=1), epochs=2, verbose=0).history["loss"]
    return f"finite losses: {bool(np.isfinite(losses).all())}"


@row("`target_size=(24, 40)`", "same", "height and width; the whole picture is squeezed")
def _(make: Maker, data: Data) -> Any:
    return next(flow(make(), data.folder, target_size=(24, 40), class_mode=None)).shape


@row("`interpolation` left out", "different", "bicubic with smoothing, where Keras takes the nearest pixel")
def _(make: Maker, data: Data) -> Any:
    batch = next(flow(make(), data.folder, class_mode=None))
    exact = next(flow(make(), data.folder, class_mode=None, interpolation="box"))
    return f"{np.abs(batch - exact).mean():.0f} levels from the exact mean of each pixel's area"


@row("`interpolation='bilinear'`: a batch", "different", "a large JPEG is decoded at 1/2 to 1/8 where that is enough")
def _(make: Maker, data: Data) -> Any:
    return next(flow(make(), data.folder, class_mode=None, interpolation="bilinear"))


@row("`keep_aspect_ratio=True`: shape shown", "same", "the centre of the picture, in the shape of `target_size`")
def _(make: Maker, data: Data) -> Any:
    return next(flow(make(), data.folder, class_mode=None, keep_aspect_ratio=True, target_size=(20, 30))).shape


@row("`color_mode='grayscale'` on label maps, `interpolation='nearest'`", "same", "values stay exact")
def _(make: Maker, data: Data) -> Any:
    settings = {"class_mode": None, "color_mode": "grayscale", "interpolation": "nearest", "classes": ["masks"]}
    return np.unique(next(flow(make(), data.masks, **settings))).astype(int).tolist()


@row("label maps, turned and zoomed: values", "better", "`interpolation='nearest'` holds for views; Keras's mix values")
def _(make: Maker, data: Data) -> Any:
    settings = {"class_mode": None, "color_mode": "grayscale", "interpolation": "nearest", "classes": ["masks"], "seed": 1}
    values = np.unique(next(flow(make(rotation_range=40, zoom_range=0.2), data.masks, **settings)))
    return values.astype(int).tolist() if len(values) < 9 else f"{len(values)} different"


@row("label maps, turned, with `interpolation_order=0`: values", "same", "")
def _(make: Maker, data: Data) -> Any:
    settings = {"class_mode": None, "color_mode": "grayscale", "interpolation": "nearest", "classes": ["masks"], "seed": 1}
    return np.unique(next(flow(make(rotation_range=40, interpolation_order=0), data.masks, **settings))).astype(int).tolist()


def overlap(make: Maker, data: Data, more: dict[str, Any]) -> str:
    """How well photographs and masks agree that were made by two generators with one seed."""
    views: dict[str, Any] = {"rotation_range": 40, "width_shift_range": 0.2, "zoom_range": 0.3, "horizontal_flip": True}
    settings: dict[str, Any] = {"class_mode": None, "shuffle": True, "seed": 5, "interpolation": "nearest"}
    pictures = flow(make(**views, **more), data.masks, classes=["pictures"], **settings)
    masks = flow(make(**views), data.masks, classes=["masks"], color_mode="grayscale", **settings)
    agree = [((next(pictures)[..., :1] > 100) == (next(masks) > 1)).mean() for _ in range(4)]
    return f"agree in {'all' if np.mean(agree) > 0.98 else 'few'} pixels"


@row("two zipped generators, pictures and masks, equal seeds", "same", "a view follows from seed, epoch and place")
def _(make: Maker, data: Data) -> Any:
    return overlap(make, data, {})


@row(
    "zipped generators, brightness for the pictures alone",
    "better",
    "one more number drawn shifts all later views of Keras's",
)
def _(make: Maker, data: Data) -> Any:
    return overlap(make, data, {"brightness_range": (0.9, 1.0)})


@row("`color_mode='rgba'`", "rejected", "transparency is shown on a plain ground, as all of Headstart sees it")
def _(make: Maker, data: Data) -> Any:
    return next(flow(make(), data.folder, class_mode=None, color_mode="rgba")).shape


@row("a photograph stored on its side (EXIF)", "better", "turned upright")
def _(make: Maker, data: Data) -> Any:
    image = next(flow(make(), data.turned, class_mode=None))[0]
    return "upright" if image[0, :, 0].mean() > image[-1, :, 0].mean() else "on its side"


@row("`subset='training'` and `'validation'` of a folder", "same", "the first share of each class folder is validation")
def _(make: Maker, data: Data) -> Any:
    return [flow(make(validation_split=0.34), data.folder, subset=name).filenames for name in ("training", "validation")]


@row("copies of a picture in both subsets", "better", "a copy joins the validation subset; without labels nothing moves")
def _(make: Maker, data: Data) -> Any:
    digests = [
        {Path(path).read_bytes() for path in flow(make(validation_split=0.34), data.odd, subset=name).filepaths}
        for name in ("training", "validation")
    ]
    return f"{len(digests[0] & digests[1])} on both sides"


@row("the validation subset of an augmenting generator", "better", "not augmented: the same pictures in each epoch")
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(rotation_range=40, validation_split=0.34), data.folder, subset="validation", class_mode=None)
    return "augmented" if not np.array_equal(next(batches), next(batches)) else "not augmented"


@row("`save_to_dir`, `save_prefix`, `save_format`: files of one batch", "same", "never written over files that are there")
def _(make: Maker, data: Data) -> Any:
    folder = Path(tempfile.mkdtemp(dir=data.scratch))
    next(flow(make(), data.folder, save_to_dir=str(folder), save_prefix="a", save_format="jpg"))
    return sorted({f"{path.name.split('_')[0]}...{path.suffix}" for path in folder.iterdir()}), len([*folder.iterdir()])


def of_frame(make: Any, data: Data, frame: pd.DataFrame | None = None, **settings: Any) -> Any:
    """Batches of a data frame."""
    given = {"target_size": (SIZE, SIZE), "shuffle": False, "batch_size": 4} | settings
    return make.flow_from_dataframe(data.frame if frame is None else frame, str(data.folder), **given)


_FRAME_ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("`class_mode='raw'`, one column", {"y_col": "number", "class_mode": "raw"}),
    ("`class_mode='raw'`, two columns", {"y_col": ["number", "size"], "class_mode": "raw"}),
    ("`class_mode='multi_output'`", {"y_col": ["number", "size"], "class_mode": "multi_output"}),
    ("`class_mode='categorical'`", {}),
    ("`class_mode='categorical'`, lists of labels", {"y_col": "labels"}),
    ("`weight_col`", {"weight_col": "size", "class_mode": "sparse"}),
)
for _title, _given in _FRAME_ROWS:

    def _of_frame(make: Maker, data: Data, settings: dict[str, Any] = _given) -> Any:
        parts = next(of_frame(make(), data, **settings))[1:]
        return [np.array(part).astype(float).tolist() for part in parts]

    row(f"`flow_from_dataframe`: {_title}: a batch", "same", "")(_of_frame)


@row(
    "`class_mode='multi_output'` in `model.fit` on TensorFlow", "better", "columns come as a tuple; of a list Keras 3 raises"
)
def _(make: Maker, data: Data) -> Any:
    image = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, [keras.layers.Dense(1, name=name)(pooled) for name in ("first", "second")])
    model.compile("sgd", ["mse", "mse"])
    batches = of_frame(make(rescale=1 / 255), data, y_col=["number", "size"], class_mode="multi_output")
    return sorted(model.fit(batches, verbose=0).history)


@row("`x_col`, `filenames` of a frame", "same", "as the frame has them")
def _(make: Maker, data: Data) -> Any:
    return of_frame(make(), data, data.frame.rename(columns={"filename": "path"}), x_col="path").filenames


@row("`class_mode='sparse'` on whole numbers", "better", "classes by size; Keras takes texts alone")
def _(make: Maker, data: Data) -> Any:
    return of_frame(make(), data, y_col="number", class_mode="sparse").class_indices


@row("`class_mode='other'`", "rejected", "`raw` is its name")
def _(make: Maker, data: Data) -> Any:
    return next(of_frame(make(), data, y_col="number", class_mode="other"))[1].tolist()


@row("rows that name no file", "same", "left out with a warning, and listed in `skipped`")
def _(make: Maker, data: Data) -> Any:
    frame = data.frame.copy()
    frame.loc[1, "filename"] = "nowhere.jpg"
    return of_frame(make(), data, frame).samples


@row("`validate_filenames=False` and a missing file, in `predict`", "better", "the row stays in its place, as NaN")
def _(make: Maker, data: Data) -> Any:
    frame = data.frame.copy()
    frame.loc[1, "filename"] = "nowhere.jpg"
    answers = mean_model().predict(of_frame(make(), data, frame, class_mode=None, validate_filenames=False), verbose=0)
    return f"{len(answers)} rows, NaN in {np.flatnonzero(np.isnan(answers).any(axis=1)).tolist()}"


@row("`subset` of a frame sorted by class: classes in validation", "better", "the first share of each class")
def _(make: Maker, data: Data) -> Any:
    return sorted({*np.ravel(of_frame(make(validation_split=0.34), data, subset="validation").classes).tolist()})


@row("`subset` of a mixed frame", "same", "the first share")
def _(make: Maker, data: Data) -> Any:
    order = [i + PER_CLASS * j for i in range(PER_CLASS) for j in range(2)]
    return of_frame(make(validation_split=0.34), data, data.frame.iloc[order], subset="validation").filenames


@row("`drop_duplicates=True`", "rejected", "Keras warns and drops nothing: `frame.drop_duplicates()` before the call")
def _(make: Maker, data: Data) -> Any:
    return of_frame(make(), data, pd.concat([data.frame, data.frame]), drop_duplicates=True).samples


@row("a misspelt argument (`colour_mode=`)", "better", "an error; Keras's frames ignore it")
def _(make: Maker, data: Data) -> Any:
    return next(of_frame(make(), data, colour_mode="grayscale"))[0].shape


@row("`keep_aspect_ratio=True` of a frame", "better", "honoured; Keras's frames ignore it")
def _(make: Maker, data: Data) -> Any:
    batches = [next(of_frame(make(), data, keep_aspect_ratio=keep))[0] for keep in (False, True)]
    return "ignored" if np.array_equal(*batches) else "honoured"


@row("`for batch in flow`: batches of 3 that ten steps give", "same", "without end")
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(), data.folder, class_mode=None)
    return [len(batch) for _, batch in zip(range(10), batches, strict=False)]


@row("`.index_array`, `.batch_index`, `.total_batches_seen` after four `next`", "same", "")
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(), data.folder)
    for _ in range(4):
        next(batches)
    return batches.index_array.tolist(), batches.batch_index, batches.total_batches_seen


@row("`reset()`: the next batch", "same", "the first of the epoch")
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(), data.folder, class_mode="sparse")
    first = next(batches)[1]
    next(batches)
    batches.reset()
    return f"the first again: {np.array_equal(next(batches)[1], first)}"


@row("`seed=1`: two generators in the same order", "same", "")
def _(make: Maker, data: Data) -> Any:
    one, other = (flow(make(), data.folder, shuffle=True, seed=1, class_mode=None) for _ in range(2))
    return np.array_equal(next(one), next(other))


@row("`seed=1`: order of the first epoch", "different", "drawn by another generator of random numbers")
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(), data.folder, shuffle=True, seed=1)
    next(batches)
    return batches.index_array.tolist()


@row("`seed` left out: two generators in the same order", "different", "a seed that is left out is 0, in all of Headstart")
def _(make: Maker, data: Data) -> Any:
    one, other = (flow(make(), data.folder, shuffle=True, class_mode=None) for _ in range(2))
    return np.array_equal(next(one), next(other))


@row("the program's own `numpy.random` state after a batch", "better", "Keras's seeds it anew at each batch")
def _(make: Maker, data: Data) -> Any:
    np.random.seed(7)
    expected = np.random.RandomState(7).random()
    next(flow(make(rotation_range=4), data.folder, shuffle=True, seed=1))
    return "left alone" if np.random.random() == expected else "changed"


@row("`model.predict(flow, steps=2)`: rows", "same", "")
def _(make: Maker, data: Data) -> Any:
    return mean_model().predict(flow(make(), data.folder), steps=2, verbose=0).shape


@row("`model.fit(flow, steps_per_epoch=2, epochs=3)`: epochs", "same", "")
def _(make: Maker, data: Data) -> Any:
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "categorical_crossentropy")
    history = model.fit(flow(make(rescale=1 / 255), data.folder, shuffle=True), steps_per_epoch=2, epochs=3, verbose=0)
    return len(history.history["loss"])


@row("an empty folder", "better", "an error, where Keras finds 0 images")
def _(make: Maker, data: Data) -> Any:
    folder = Path(tempfile.mkdtemp(dir=data.scratch))
    return flow(make(), folder).samples


@row("a folder of `train` and `test` folders", "better", "an error, where Keras takes them for classes")
def _(make: Maker, data: Data) -> Any:
    folder = Path(tempfile.mkdtemp(dir=data.scratch))
    shutil.copytree(data.folder, folder / "train")
    shutil.copytree(data.folder, folder / "test")
    return flow(make(), folder).class_indices


@row(
    "`set_processing_attrs`, `white_list_formats`, `image_data_generator`",
    "different",
    "how Keras's iterators are made; not public",
)
def _(make: Maker, data: Data) -> Any:
    batches = flow(make(), data.folder)
    names = ("set_processing_attrs", "white_list_formats", "image_data_generator")
    return "there" if all(hasattr(batches, name) for name in names) else "not there"


def prepared(source: Path, scratch: Path) -> Data:
    """Copies of some of the photographs of two classes, and what is broken and odd among them."""
    classes = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))[:2]
    folder = scratch / "folder"
    rows = []
    for number, path in enumerate(classes):
        (folder / path.name).mkdir(parents=True)
        files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in (".jpg", ".jpeg", ".png")][:PER_CLASS]
        for i, file in enumerate(files):
            shutil.copy(file, folder / path.name / f"{i * 7}{file.suffix}")
            labels = [path.name, "photograph"] if i % 2 else [path.name]
            rows.append((f"{path.name}/{i * 7}{file.suffix}", path.name, 10 - number * 3, i + 0.5, labels))
    frame = pd.DataFrame(rows, columns=["filename", "class", "number", "size", "labels"])
    first, second = (folder / path.name for path in classes)
    broken, odd = scratch / "broken", scratch / "odd"
    shutil.copytree(folder, broken)
    shutil.copytree(folder, odd)
    victim = sorted((broken / first.name).iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:400])
    original = sorted(first.iterdir())[0]
    (odd / first.name / "._photo.jpg").write_bytes(b"\0\5\26\7")
    (odd / first.name / "notes.txt").write_text("blurred ones are by M.")
    shutil.copy(original, odd / first.name / f"zz-copy{original.suffix}")
    with Image.open(original) as image:
        image.convert("P").save(odd / first.name / "animation.gif")
        image.save(odd / first.name / "bare", "PNG")
        images = np.asarray(image.convert("RGB").resize((40, 40)))
    (odd / second.name / "linked").symlink_to(folder / first.name)
    more = [np.roll(images, 3 * i, axis=1) for i in range(8)]
    random = np.random.default_rng(0)
    for i in range(8):
        mask = np.ones((64, 64), np.uint8)
        row, column = random.integers(12, 28, 2)
        mask[row : row + 24, column : column + 20] = 3
        for name, pixels in (("masks", mask), ("pictures", np.where(mask == 3, 250, 10).astype(np.uint8))):
            (scratch / "masks" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(scratch / "masks" / name / f"{i}.png")
    (scratch / "turned" / "a").mkdir(parents=True)
    side = Image.fromarray(np.repeat(np.linspace(0, 255, 48).astype(np.uint8)[None], 48, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 8
    side.save(scratch / "turned" / "a" / "side.jpg", exif=exif)
    return Data(folder, broken, odd, scratch / "masks", scratch / "turned", frame, np.stack(more), scratch)


def looked(look: Callable[[Maker, Data], Any], make: Maker, data: Data) -> Any:
    """Return the output of a class; an error in a few words."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return look(make, data)
    except HeadstartError as error:
        return f"{type(error).__name__} {error.code}"
    except Exception as error:  # noqa: BLE001  what the other class ends with is what the row is about
        return type(error).__name__


def compared(ours: Any, theirs: Any) -> tuple[bool, str, str]:
    """Whether two results agree, and both in words."""
    if isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray) and ours.shape == theirs.shape:
        spread = max(1e-9, float(np.abs(theirs).max()))
        difference = float(np.abs(ours.astype(float) - theirs).mean()) / spread
        told = f"{'x'.join(map(str, ours.shape))}; differ by {difference:.4f} of the largest value"
        return difference < 0.01, told, told
    return str(ours) == str(theirs), short(ours), short(theirs)


def short(value: Any) -> str:
    """A value in a cell."""
    text = str(value).replace("|", "/")
    return text if len(text) <= 90 else f"{text[:60]}... ({len(text)} characters)"


def lines(data: Data) -> Iterator[tuple[str, bool]]:
    """The rows of the table, and whether each is as documented."""
    version = importlib.metadata.version("keras")
    yield f"| argument or behaviour | Headstart | Keras {version} | verdict | |", True
    yield "| --- | --- | --- | --- | --- |", True
    for one in ROWS:
        agree, ours, theirs = compared(looked(one.look, ImageDataGenerator, data), looked(one.look, KerasGenerator, data))
        expected = agree or one.verdict != "same"
        verdict = "same" if agree else one.verdict if expected else "NOT THE SAME"
        cells = ("as Keras" if agree and len(ours) > 60 else ours, theirs)
        yield f"| {one.title} | {cells[0]} | {cells[1]} | {verdict} | {one.why} |", expected


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with a folder per class")
    parser.add_argument("--out", type=Path, help="a guide whose table is replaced")
    arguments = parser.parse_args()
    keras.utils.disable_interactive_logging()
    with tempfile.TemporaryDirectory() as scratch:
        data = prepared(arguments.folder or Path(demo.__file__).parent / "demo_images" / "clothing" / "train", Path(scratch))
        table = [*lines(data)]
    text = "\n".join(line for line, _ in table)
    print(text.replace(scratch, "."))
    counts = {name: sum(f"| {name} |" in line for line, _ in table) for name in VERDICTS}
    print("\n" + ", ".join(f"{number} {name}" for name, number in counts.items()), file=sys.stderr)
    if arguments.out:
        guide = arguments.out.read_text(encoding="utf-8")
        before, after = guide.split(BEGIN)[0], guide.split(END)[1]
        arguments.out.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    unexpected = [line for line, expected in table if not expected]
    print(*unexpected, sep="\n", file=sys.stderr)
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main())
