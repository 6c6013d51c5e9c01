"""The model: compile, fit, evaluate, predict, save and load on a few photographs, and the same answers at both ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from headstart.data.augmentation.presets import AUGMENTATIONS
from headstart.data.readers.arrays import read_arrays
from headstart.data.readers.folders.folder import read_folder
from headstart.features import engines
from headstart.features.backbones.backbones import BACKBONES, Backbone
from headstart.features.engines import make_engine
from headstart.features.extraction import extract
from headstart.foundation.errors import BackboneError, DatasetError, RunError, TrainingError, UsageError
from headstart.foundation.runs.files import read_csv
from headstart.models.fitting import open_store
from headstart.models.model import Model
from headstart.training.schedules import SCHEDULES
from headstart.training.trials.trial import Trial

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

CLASSES = ("circle", "square", "triangle")
SPLITS = {"train": 6, "validation": 3, "test": 3}


def columns(frame: pd.DataFrame) -> Array:
    """The probabilities of a table of predictions."""
    return frame[[name for name in frame.columns if name.startswith("p_")]].to_numpy()


def files(folder: Path) -> list[str]:
    """The test photographs."""
    return sorted(map(str, (folder / "test").rglob("*.jpg")))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, make_photos: Callable[..., Path]) -> Path:
    """Thirty-six photographs of three classes, split."""
    return make_photos(tmp_path_factory.mktemp("model") / "photos", splits=SPLITS)


@pytest.fixture(scope="module")
def fitted(data: Path) -> Model:
    """A model with a linear head; tests only look at it."""
    model = Model("efficientnet_lite0", pooling="avg")
    model.fit(data)
    return model


@pytest.fixture(scope="module")
def saved(fitted: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was saved; tests only read it."""
    folder = tmp_path_factory.mktemp("saved")
    fitted.save(folder)
    return folder


def test_model_learns_shapes(data: Path, fitted: Model) -> None:
    """Fitted on shapes with one colour per class, it predicts all unseen files, and the evaluation names its split."""
    evaluation = fitted.evaluate(data)
    assert (len(evaluation.labels), evaluation.split, evaluation.accuracy) == (9, "test", 1.0)
    assert fitted.evaluate().to_json() == evaluation.to_json()
    assert fitted.history.history.keys() >= {"loss", "val_loss", "val_accuracy"}


def test_predictions_are_in_the_order_of_the_files(data: Path, fitted: Model, tmp_path: Path) -> None:
    """There is one row per file, with its class; an unreadable file has an error instead of numbers."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    asked = [files(data)[5], str(broken), files(data)[0]]
    frame = fitted.predict(asked)
    assert list(frame["path"]) == asked
    assert list(frame["predicted"])[::2] == ["square", "circle"]
    np.testing.assert_allclose(columns(frame)[::2].sum(axis=1), 1, rtol=1e-4)
    assert np.isnan(columns(frame)[1]).all()
    assert frame["error"][1]


def test_joined_keras_model_predicts_as_predict_does(data: Path, fitted: Model) -> None:
    """Both parts as one Keras model, applied to prepared pixels, give the predictions of ``predict`` on files."""
    from headstart.data.images import preprocess as pixels

    asked = files(data)
    squares = np.stack([pixels.load(Path(path).read_bytes(), **fitted.part.geometry.as_dict()) for path in asked])
    joined = fitted.keras().predict(squares.astype(np.float32), verbose=0)
    np.testing.assert_allclose(columns(fitted.predict(asked)), joined, atol=1e-4)


def test_loaded_model_gives_the_same_predictions(data: Path, fitted: Model, saved: Path) -> None:
    """Probabilities for files and arrays, and the evaluation, are the same after saving and loading."""
    loaded = Model.load(saved)
    np.testing.assert_allclose(columns(loaded.predict(files(data))), columns(fitted.predict(files(data))), atol=1e-6)
    images = np.random.default_rng(0).integers(0, 256, (3, 50, 60, 3), dtype=np.uint8)
    np.testing.assert_allclose(columns(loaded.predict(images)), columns(fitted.predict(images)), atol=1e-6)
    np.testing.assert_allclose(columns(loaded.predict(images[1])), columns(fitted.predict(images))[1:2], atol=1e-6)
    np.testing.assert_allclose(
        columns(loaded.predict(Path(files(data)[0]))), columns(fitted.predict(files(data)))[:1], atol=1e-6
    )
    ours, theirs = loaded.evaluate(data), fitted.evaluate(data)
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)
    assert ours.to_json()["confusion_matrix"] == theirs.to_json()["confusion_matrix"]


def test_save_fails_if_all_sampled_images_have_changed(data: Path, tmp_path: Path) -> None:
    """H311: a model without golden samples could not be checked and is not saved."""
    copy = Path(shutil.copytree(data, tmp_path / "photos"))
    model = Model("efficientnet_lite0", pooling="avg")
    model.fit(copy)
    for file in copy.rglob("*.jpg"):
        file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(TrainingError) as caught:
        model.save(tmp_path / "saved")
    assert caught.value.code == "H311"


def test_loaded_model_can_be_saved_again(data: Path, fitted: Model, saved: Path, tmp_path: Path) -> None:
    """A loaded model has no samples, but saved again it has its golden samples and gives the same predictions."""
    Model.load(saved).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in saved.iterdir()}
    np.testing.assert_array_equal(*(np.load(folder / "golden.npz")["inputs"] for folder in (saved, tmp_path)))
    again = Model.load(tmp_path)
    np.testing.assert_allclose(columns(again.predict(files(data))), columns(fitted.predict(files(data))), atol=1e-6)


def test_plain_keras_loads_a_saved_model(data: Path, fitted: Model, saved: Path) -> None:
    """The file is a Keras model of built-in layers that needs no code of Headstart and reproduces the golden predictions."""
    model = keras.models.load_model(saved / "model.keras", compile=False, safe_mode=True)
    golden = np.load(saved / "golden.npz")
    answered = model.predict(golden["inputs"].astype(np.float32), verbose=0)
    np.testing.assert_allclose(answered, golden["answers"], atol=1e-5)
    assert len(golden["inputs"]) == 8
    assert json.loads((saved / "signature.json").read_text())["labels"] == list(CLASSES)


def test_load_rejects_a_changed_file(fitted: Model, tmp_path: Path) -> None:
    """H506: with one more byte, model.keras is not the model that was signed."""
    fitted.save(tmp_path)
    with (tmp_path / "model.keras").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RunError, match=r"model\.keras") as caught:
        Model.load(tmp_path)
    assert caught.value.code == "H506"


def test_load_reports_a_missing_file(fitted: Model, tmp_path: Path) -> None:
    """An empty folder, or a signature without its model, is a three-line error."""
    with pytest.raises(RunError, match="H502"):
        Model.load(tmp_path / "nowhere")
    fitted.save(tmp_path)
    (tmp_path / "model.keras").unlink()
    with pytest.raises(RunError):
        Model.load(tmp_path)


def test_load_runs_no_code_from_the_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is rebuilt from its name; Keras never loads a model from the file."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was deserialised")

    monkeypatch.setattr(keras.models, "load_model", refuse)
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", refuse)
    assert Model.load(saved).dataset is not None


def test_methods_before_fit_raise_an_error(data: Path, tmp_path: Path) -> None:
    """H302 with the advice to call fit, for every method except compile and fit."""
    model = Model("efficientnet_lite0")
    verbs: list[Callable[[], object]] = [
        model.evaluate,
        lambda: model.part_b,
        model.keras,
        lambda: model.predict(files(data)),
        lambda: model.save(tmp_path / "out"),
        lambda: model.export("onnx", out=tmp_path / "export"),
    ]
    for verb in verbs:
        with pytest.raises(TrainingError, match="call fit first") as caught:
            verb()
        assert caught.value.code == "H302"
    assert not (tmp_path / "export").exists()


def test_compile_settings_reach_the_training(data: Path) -> None:
    """Optimizer, loss and epochs are used; fitting again trains a new model."""
    model = Model("efficientnet_lite0", head="mlp", pooling="avg")
    model.compile(optimizer=keras.optimizers.RMSprop(learning_rate=1e-3), epochs=2, batch_size=8, seed=5)
    history = model.fit(data)
    assert history.epoch == [0, 1]
    assert history.history["learning_rate"][0] == pytest.approx(1e-3)
    first = model.part_b.network.get_weights()
    model.compile(optimizer="sgd", loss="categorical_crossentropy", epochs=1, seed=6)
    assert len(model.fit(data)) == 1
    assert any(not np.array_equal(old, new) for old, new in zip(first, model.part_b.network.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"batch_size": 0}, "H032", "batch_size = 0"),
        ({"batch_size": 48}, "H032", "batch_size = 48"),
        ({"epochs": 0}, "H032", "epochs = 0"),
        ({"epochs": True}, "H032", "epochs = True"),
        ({"learning_rate": -1}, "H032", "learning_rate = -1"),
        ({"learning_rate": float("nan")}, "H032", "learning_rate = nan"),
        ({"tail_rate": 2}, "H032", "tail_rate = 2"),
        ({"patience": None}, "H032", "patience = None"),
        ({"views": 0}, "H032", "views = 0"),
        ({"seed": -1}, "H032", "seed = -1"),
        ({"optimizer": "adamm"}, "H032", "optimizer = 'adamm'"),
        ({"optimizer": keras.optimizers.Adam}, "H032", "optimizer = <class"),
        ({"loss": "mse"}, "H032", "loss = 'mse'"),
        ({"schedule": "cosin"}, "H032", "schedule = 'cosin'"),
        ({"augmentation": "sunny", "views": 2}, "H032", "augmentation = 'sunny'"),
        ({"augmentation": {"rotate": 3}, "views": 2}, "H012", "rotate"),
        ({"options": None}, "H032", "options = None"),
        ({"options": {"dropout": 2}}, "H032", "options.dropout = 2"),
        ({"options": {"depth": 2}}, "H031", "options.depth"),
        ({"foo": 1}, "H031", "foo"),
        ({"batchsize": 8}, "H031", "batchsize"),
        ({"schedule": "cosine", "patience": 3}, "H035", "patience with the schedule cosine"),
        ({"tail_rate": 0.5}, "H035", "tail_rate with efficientnet_lite0"),
        ({"augmentation": "light"}, "H008", "augmentation"),
    ],
)
def test_compile_rejects_an_invalid_setting(settings: dict[str, Any], code: str, said: str) -> None:
    """The rules of a plan file apply, the error names the setting, and the recipe does not change."""
    model = Model("efficientnet_lite0", "mlp")
    before = model.recipe
    with pytest.raises(UsageError) as caught:
        model.compile(**settings)
    assert caught.value.code == code
    assert said in caught.value.received
    assert len(str(caught.value).splitlines()) == 4
    assert model.recipe is before


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": None, "schedule": None, "epochs": None, "batch_size": None, "augmentation": None, "loss": None},
        {"optimizer": "RMSprop", "learning_rate": np.float32(1e-3), "epochs": np.int64(3), "batch_size": np.int64(8)},
        {"options": {"units": (64, 32), "dropout": None, "regularizer": keras.regularizers.L2(1e-4)}},
        {"options": {"units": None, "regularizer": None}, "seed": 2**32 - 1},
        {"optimizer": keras.optimizers.SGD(0.1), "learning_rate": 0.01, "schedule": "step", "patience": 2},
        {"views": 3, "augmentation": AUGMENTATIONS["strong"]},
        {"views": 3, "augmentation": {"rotation": 10}},
    ],
)
def test_compile_accepts_values_that_a_plan_file_cannot_hold(settings: dict[str, Any]) -> None:
    """None for an optional setting, NumPy numbers, tuples, and objects of Keras and of Headstart."""
    Model("efficientnet_lite0", "dnn").compile(**settings)


def test_compile_rejects_settings_that_the_solver_ignores() -> None:
    """H035 for epochs of a solved linear head; with an optimizer they are used."""
    model = Model("efficientnet_lite0")
    with pytest.raises(UsageError, match=r"H035[^\0]*epochs, batch_size for a linear head"):
        model.compile(batch_size=8, epochs=3)
    model.compile(optimizer="sgd", batch_size=8, epochs=3)
    assert (model.recipe.epochs, model.recipe.batch_size) == (3, 8)


@pytest.mark.parametrize("settings", [{"learning_rate": 1e-3}, {"schedule": "cosine"}])
def test_compile_rejects_a_second_schedule(settings: dict[str, Any]) -> None:
    """H041 for a rate or a schedule together with an optimizer that has its own schedule."""
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    model = Model("efficientnet_lite0", "mlp")
    model.compile(optimizer, patience=2)  # its own schedule leaves it to patience when to stop
    with pytest.raises(UsageError, match="H041"):
        model.compile(optimizer, **settings)
    model.compile(optimizer)


def test_compile_resets_the_rate_with_the_optimizer_but_keeps_the_schedule() -> None:
    """A new optimizer starts with its own rate, or a search for one; an earlier schedule stays in force."""
    model = Model("efficientnet_lite0", "mlp")
    model.compile("sgd", learning_rate=0.5, schedule="cosine")
    model.compile("adam")
    assert (model.recipe.learning_rate, model.recipe.schedule) == (None, "cosine")
    scheduled = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    with pytest.raises(UsageError, match=r"H041[^\0]*to None"):
        model.compile(scheduled)
    model.compile(scheduled, schedule=None)


@pytest.mark.parametrize("optimizer", ["nadam", "Nadam", keras.optimizers.Nadam()], ids=["name", "class", "object"])
def test_compile_rejects_an_optimizer_without_support_for_two_rates(optimizer: Any) -> None:
    """H041 if layers of the backbone are trained, for the optimizer's name and for an object."""
    Model("efficientnet_lite0", "mlp").compile(optimizer)
    with pytest.raises(UsageError, match="H041"):
        Model("efficientnet_lite0", "mlp", stage="stage6_block3").compile(optimizer)


def test_fit_rejects_a_loss_of_another_task_before_part_a(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H040: the data decide the task, and no image is decoded for a training that cannot succeed."""
    monkeypatch.setattr("headstart.models.model.extract", None)
    model = Model("efficientnet_lite0", "mlp")
    model.compile(loss="binary_crossentropy")
    with pytest.raises(UsageError, match=r"H040[^\0]*sparse_categorical_crossentropy or categorical_crossentropy"):
        model.fit(data)


@pytest.mark.parametrize("settings", [{}, {"augmentation": None}])
def test_views_are_augmented_without_a_named_augmentation(data: Path, settings: dict[str, Any]) -> None:
    """If augmentation is left out or None, the second view of each image has another row than the first."""
    model, dataset = Model("efficientnet_lite0", pooling="avg"), read_folder(data)
    model.compile(views=2, **settings)
    plain = extract(dataset, model.part, open_store())
    train, views = dataset.indices("train"), model.views(dataset)
    rows, copies = plain.rows(train), views.rows(np.arange(len(train)))
    assert (np.abs(rows - copies).max(axis=1) > 1e-3).all()
    model.compile(views=1)
    assert model.recipe.views_augmentation is None


@pytest.mark.parametrize(("head", "settings"), [("mlp", {"pooling": "avg"}), ("cnn", {"backbone": "pixels", "side": 20})])
def test_trial_schedule_is_the_one_used_in_training(
    head: str, settings: dict[str, Any], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule that a trial reports before training is used if the recipe names none."""
    used = []

    def spied(name: str, callbacks: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: used.append(name) or callbacks(*arguments)

    for name, callbacks in list(SCHEDULES.items()):
        monkeypatch.setitem(SCHEDULES, name, spied(name, callbacks))
    model = Model(head=head, **settings)
    model.compile(epochs=1, learning_rate=1e-3)
    model.fit(data)
    assert used == [Trial(model.part, model.recipe).schedule]


def test_two_classes_are_binary(data: Path, tmp_path: Path) -> None:
    """Fitted on arrays of two classes, the model has one sigmoid, predicts a column per class, and keeps this when saved."""
    random = np.random.default_rng(0)
    labels = np.array(["dark", "light"] * 15)
    levels = np.where(labels == "light", 170, 70)[:, None, None, None]
    images = np.clip(levels + random.normal(0, 30, (30, 24, 24, 3)), 0, 255).astype(np.uint8)
    model = Model("efficientnet_lite0", pooling="avg")
    model.fit(read_arrays(images, labels))
    evaluation = model.evaluate()
    assert (evaluation.task, evaluation.accuracy) == ("binary", 1.0)
    frame = model.predict(images[:4])
    assert list(frame["predicted"]) == list(labels[:4])
    np.testing.assert_allclose(columns(frame).sum(axis=1), 1, rtol=1e-5)
    assert model.keras().output_shape == (None, 1)
    model.save(tmp_path)
    np.testing.assert_allclose(columns(Model.load(tmp_path).predict(images[:4])), columns(frame), atol=1e-6)


def test_fit_leaves_out_and_lists_an_unreadable_file(data: Path, tmp_path: Path, make_photos: Callable[..., Path]) -> None:
    """Fit continues without the file, and the model's data set contains the reason."""
    folder = make_photos(tmp_path / "photos", per_class=8)
    (folder / "circle" / "broken.jpg").write_bytes(b"no picture")
    model = Model("efficientnet_lite0", pooling="avg")
    model.fit(folder)
    assert model.dataset is not None
    assert len(model.dataset) == 24
    ((path, reason),) = model.dataset.skipped
    assert path.endswith("broken.jpg")
    assert reason


@pytest.mark.parametrize(
    ("classes", "name", "received", "advice"),
    [
        (["circle", "square", "triangle"], "1.jpg", "none of 18 files can be read, such as", "open "),
        (
            ["square"],
            "IMG_1.HEIC",
            "none of 6 files of square can be read, such as",
            "pip install pillow-heif; convert them to JPEG, and fit again: python -c ",
        ),
        (
            ["circle", "square"],
            "1.nef",
            "none of 12 files of circle, square can be read, such as",
            "convert them to JPEG with a raw developer",
        ),
        (
            ["circle", "square", "triangle"],
            "LICENSE",
            "none of 18 files can be read, such as",
            "give the folder that holds the images",
        ),
    ],
)
def test_fit_rejects_a_class_of_which_no_image_can_be_read(
    tmp_path: Path, make_photos: Callable[..., Path], classes: list[str], name: str, received: str, advice: str
) -> None:
    """H137 names how many files, one of them with the reason, and the command that converts photos of cameras."""
    folder = make_photos(tmp_path / "photos", per_class=6)
    for number, file in enumerate(file for each in classes for file in sorted((folder / each).iterdir())):
        file.write_bytes(b"no picture %d" % number)
        file.rename(file.with_name(f"{file.stem}-{name}" if "." in name else f"{name}-{number}"))
    with pytest.raises(DatasetError) as caught:
        Model("efficientnet_lite0", pooling="avg").fit(folder)
    assert caught.value.code == "H137"
    assert received in caught.value.received
    assert caught.value.received.endswith("not an image in a supported format")
    assert advice in caught.value.advice


def test_model_checks_names_when_it_is_created() -> None:
    """An unknown backbone or head is reported before any data are read."""
    with pytest.raises(BackboneError, match="H201"):
        Model("efficientnet_lite9")
    with pytest.raises(UsageError, match="H002"):
        Model("efficientnet_lite0", head="transformer")


def test_num_params_matches_the_published_number(fitted: Model) -> None:
    """Lite0 without its top has 3.4 million parameters, as its authors count them."""
    assert fitted.num_params() == pytest.approx(3.4e6, rel=0.02)


def tiny_network(image: Any, weights: Path | None, load: bool) -> Any:
    """A convolution whose published weights are those of seed 0; a weights file names another seed."""
    convolution = keras.layers.Conv2D(8, 3, strides=4, padding="same", activation="relu", name="convolution")
    x = convolution(keras.layers.Rescaling(1 / 255)(image))
    seed = int(weights.read_text()) if weights else 0
    if load:
        convolution.set_weights([np.random.default_rng(seed).normal(size=(3, 3, 3, 8)), np.zeros(8)])
    return x


def test_load_needs_the_local_weights_of_part_a(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its weights file it predicts as before; without it, or with another one, loading is an error."""

    def digest(weights: Path | None) -> str:
        return weights.read_text() if weights else "0"

    monkeypatch.setitem(BACKBONES, "tiny", Backbone("tiny", 32, tiny_network, digest, "this test", "Apache-2.0"))
    monkeypatch.setattr(engines, "has_gpu", lambda: True)  # Keras computes, so that nothing needs to be converted
    own, other = tmp_path / "own.weights.h5", tmp_path / "other.weights.h5"
    own.write_text("7")
    other.write_text("8")
    model = Model("tiny", pooling="avg_max", weights=str(own))
    model.fit(data)
    model.save(tmp_path / "saved")
    expected = columns(model.predict(files(data)))
    assert expected.std() > 0.01
    loaded = Model.load(tmp_path / "saved", weights=str(own))
    np.testing.assert_allclose(columns(loaded.predict(files(data))), expected, atol=1e-4)
    for weights in (None, str(other)):
        with pytest.raises(RunError) as caught:
            Model.load(tmp_path / "saved", weights=weights)
        assert caught.value.code == "H507"


def test_fit_does_not_change_the_data_set(data: Path) -> None:
    """A data set can be fitted on again: fit gives the model a copy with a split."""
    dataset = read_folder(data / "train")
    Model("efficientnet_lite0", pooling="avg").fit(dataset)
    assert set(dataset.split) == {""}
    assert dataset.duplicate_groups == ()


def test_predict_takes_images_in_every_form(data: Path, fitted: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an image is given as, its prediction is that of the file, and the backbone is compiled once."""
    paths = files(data)[:3]
    pictures = [Image.open(path) for path in paths]
    expected = fitted.predict(paths).filter(like="p_").to_numpy()
    engines: list[object] = []
    monkeypatch.setattr(fitted, "_engine_of", lru_cache(lambda part: engines.append(part) or make_engine(part)))
    given = (pictures, [Path(path).read_bytes() for path in paths], pd.Series(pictures, index=["x", "y", "z"]))
    for samples in given:
        told = fitted.predict(samples)
        assert told.filter(like="p_").to_numpy() == pytest.approx(expected, abs=1e-4)
        assert list(told["path"]) == ["[0]", "[1]", "[2]"]
    assert list(told.index) == ["x", "y", "z"]
    frame = pd.DataFrame({"id": [7, 8, 9], "file": paths}, index=[30, 20, 10])
    assert list(fitted.predict(frame).index) == [30, 20, 10]
    told = fitted.predict(frame.assign(file=[paths[0], None, paths[2]]))
    assert list(told.index) == [30, 20, 10]
    assert list(told["error"].fillna("")) == ["", "cannot be read: no such file or directory", ""]
    assert len(engines) == 1


def test_evaluate_of_images_without_class_folders_says_what_to_give(data: Path, fitted: Model, tmp_path: Path) -> None:
    """H110 names the folder around that of a class, and H122 that around the folder of an image."""
    test = data / "test"
    with pytest.raises(DatasetError, match="H110") as caught:
        fitted.evaluate(test / "circle")
    assert caught.value.advice == f"give the folder that holds the class folders: {test}"
    shutil.copytree(test / "circle", tmp_path / "new")
    with pytest.raises(DatasetError, match="H110") as caught:
        fitted.evaluate(tmp_path / "new")
    assert caught.value.advice == f"move them into class folders, such as {tmp_path / 'new' / 'circle'}"
    with pytest.raises(DatasetError, match="H122") as caught:
        fitted.evaluate(next((test / "circle").iterdir()))
    assert caught.value.advice == f"give such a folder: {test}"


def test_evaluate_leaves_numbers_predictions_and_figures(data: Path, fitted: Model, tmp_path: Path) -> None:
    """``out`` gets what the evaluation holds; a folder with files in it is rejected before anything is computed."""
    evaluation = fitted.evaluate(data, out=tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"evaluation.json", "predictions.csv", "skipped.csv", "roc.svg", "confusion.svg"}
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == evaluation.to_json()
    rows = read_csv(tmp_path / "out" / "predictions.csv")
    assert [row["label"] for row in rows] == [evaluation.classes[k] for k in evaluation.labels]
    with pytest.raises(RunError) as caught:
        fitted.evaluate(data, out=tmp_path / "out")
    assert caught.value.code == "H501"


def test_model_is_described_in_a_line_and_as_a_table(fitted: Model) -> None:
    """A model that is not fitted says so."""
    assert repr(Model(head="mlp")) == "Model(efficientnet_lite0-grid2-mlp, not fitted)"
    assert repr(fitted) == f"Model(efficientnet_lite0-avg-linear, fitted on {SPLITS['train'] * 3} images)"
    assert ">efficientnet_lite0-avg</td>" in fitted._repr_html_()
