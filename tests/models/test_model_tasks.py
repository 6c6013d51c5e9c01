"""The model on every task, on rows of features and on images: how it is measured, what it says, that it comes back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score

import headstart as hs
from headstart.data.dataset import Dataset
from headstart.data.readers.folders.folder import read_folder
from headstart.data.readers.read import read, read_table
from headstart.data.tables.preprocess import code_sizes, encode
from headstart.data.tasks import TASKS
from headstart.evaluation.classification import Classification
from headstart.evaluation.multilabel import MultiLabel
from headstart.evaluation.regression import Regression
from headstart.foundation.errors import DatasetError, UsageError
from headstart.models.fitting import gather
from headstart.models.model import Model

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

TARGETS = {"binary": "grown", "multiclass": "kind", "multilabel": "wet,cold", "regression": "price,heat"}
CASES = [
    *((task, head) for task in TARGETS for head in ("linear", "mlp", "trees")),
    ("multiclass", "ovr_linear"),
]
EVALUATIONS = {"binary": Classification, "multiclass": Classification, "multilabel": MultiLabel, "regression": Regression}


class Fitted(NamedTuple):
    """A model, and the table that it was fitted on, as a file, as a data set, and as a frame."""

    model: Model
    path: Path
    dataset: Dataset
    frame: pd.DataFrame


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def fitted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_table: Callable[..., Path]
) -> Fitted:
    """A model of every task and kind; tests only look at it."""
    task, head = request.param
    path = make_table(tmp_path_factory.mktemp("table") / "rows.csv", task, split=True)
    model = Model("table", head=head)
    if head == "mlp":
        model.compile(epochs=3, learning_rate=0.01)
    dataset = read_table(path, target=TARGETS[task])
    assert dataset.task == task
    model.fit(dataset)
    return Fitted(model, path, dataset, pd.read_csv(path))


def answers(frame: pd.DataFrame, task: str) -> Array:
    """The numbers of a table of predictions."""
    return frame[[name for name in frame if name.startswith("predicted_" if task == "regression" else "p_")]].to_numpy(float)


def test_evaluate_matches_scikit_learn(fitted: Fitted) -> None:
    """Evaluated on test rows only, from predictions in user units; and the model has learned something."""
    model, path, dataset, frame = fitted
    evaluation = model.evaluate()
    test = dataset.indices("test")
    told, truth = model.predict(frame.iloc[test]), dataset.labels[test]
    assert isinstance(evaluation, EVALUATIONS[dataset.task])
    assert (evaluation.split, len(evaluation), evaluation.classes) == ("test", len(test), dataset.classes)
    np.testing.assert_allclose(evaluation.answers, answers(told, dataset.task), rtol=1e-4, atol=2e-6)
    numbers = answers(told, dataset.task)
    if isinstance(evaluation, Classification):
        assert evaluation.accuracy == accuracy_score([dataset.classes[i] for i in truth], told["predicted"])
        assert evaluation.accuracy > evaluation.baseline_accuracy
    elif isinstance(evaluation, MultiLabel):
        auc = roc_auc_score(truth, numbers, average="macro")
        assert evaluation.to_json()["roc_auc"]["macro"] == pytest.approx(auc, abs=1e-4)
        assert auc > 0.7
    else:
        measured = evaluation.to_json()
        assert measured["mae"] == pytest.approx(mean_absolute_error(truth, numbers), rel=1e-4)
        assert measured["r2"] == pytest.approx(r2_score(truth, numbers), abs=1e-3)
        assert mean_absolute_error(truth, numbers) < mean_absolute_error(
            truth, np.tile(np.median(truth, axis=0), (len(truth), 1))
        )
    again = model.evaluate(path)
    assert (again.split, again.to_json()) == ("test", evaluation.to_json())


def test_history_and_val_loss_use_the_loss_and_metric_of_the_task(fitted: Fitted) -> None:
    """``val_loss`` is the validation loss in the scale of training; the history has the task's metric."""
    model, _, _, _ = fitted
    assert model.dataset is not None
    data, task = model.dataset, TASKS[fitted.dataset.task]
    validation = data.indices("validation")
    told = answers(model.predict(fitted.frame.iloc[validation]), task.name)
    scaling = data.scaling
    scaled = told if scaling is None else scaling.apply(told) - np.log(scaling.factors) / scaling.deviations
    score = task.score(data.targets[validation], scaled)
    if model.part_b.is_one_vs_rest:
        assert model.val_loss > score  # which is of samples that the calibration has seen
    else:
        assert model.val_loss == pytest.approx(score, rel=1e-3)
    assert bool(model.history) == (f"val_{task.metric}" in model.history.history) == (model.recipe.network != "trees")


def test_predicted_labels_follow_the_thresholds(fitted: Fitted) -> None:
    """A label is predicted at or above its own threshold; classes and values need no thresholds."""
    model, _, dataset, frame = fitted
    told = model.predict(frame)
    numbers = answers(told, dataset.task)
    assert len(model.thresholds) == {"binary": 1, "multilabel": 2}.get(dataset.task, 0)
    if dataset.task == "multilabel":
        are_on = numbers >= np.round(model.thresholds, 6)
        expected = [";".join(name for name, on in zip(dataset.classes, row, strict=True) if on) for row in are_on]
        assert list(told["predicted"]) == expected
        assert {"", "wet;cold"} < set(expected)
    elif dataset.task != "regression":
        assert list(told["predicted"]) == [dataset.classes[i] for i in numbers.argmax(axis=1)]
        np.testing.assert_allclose(numbers.sum(axis=1), 1, atol=1e-5)
    else:
        assert list(told.columns) == ["row", "predicted_price", "predicted_heat"]
    assert list(told["row"]) == list(range(1, len(frame) + 1))


def test_saved_model_predicts_and_evaluates_as_before(fitted: Fitted, tmp_path: Path) -> None:
    """Saved and loaded, twice: the same predictions for files, frames and arrays, and the same metrics."""
    model, path, dataset, frame = fitted
    assert model.dataset is not None
    model.save(tmp_path / "first")
    Model.load(tmp_path / "first").save(tmp_path / "second")
    if (tmp_path / "first" / "model.keras").exists():
        with zipfile.ZipFile(tmp_path / "first" / "model.keras") as archive:
            weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
            assert "optimizer" not in weights  # nor does it depend on how often a run was interrupted
    expected = model.predict(frame)
    for folder in ("first", "second"):
        loaded = Model.load(tmp_path / folder)
        assert loaded.thresholds == model.thresholds
        assert loaded.dataset is not None
        assert loaded.dataset.scaling == model.dataset.scaling
        pd.testing.assert_frame_equal(loaded.predict(path), expected, rtol=1e-5, atol=2e-6)
        assert loaded.conformal == model.conformal
        sets = loaded.predict(path, coverage=0.8)
        assert list(sets.columns)[: len(expected.columns)] == list(expected.columns)
        assert len(sets.columns) == len(expected.columns) + (2 * len(dataset.classes) if dataset.task == "regression" else 1)
        seen = loaded.evaluate(dataset.take(dataset.indices("train")))
        assert (seen.split, seen.num_seen) == ("train", len(seen))
        with pytest.raises(DatasetError, match="H110"):
            loaded.evaluate()
    features = ["size", "since", "colour", "town"]
    pd.testing.assert_frame_equal(loaded.predict(frame[features].to_numpy()), expected, rtol=1e-5, atol=2e-6)
    # The target is not known to a model that comes from a folder alone: a data set says it.
    test = dataset.take(dataset.indices("test"))
    assert loaded.evaluate(test).loss == pytest.approx(model.evaluate(test).loss, rel=1e-4)


def test_predict_accepts_reordered_columns_and_any_cells(fitted: Fitted) -> None:
    """Columns are found by name; unseen words, missing cells and bad numbers are accepted; a missing column is H115."""
    model, _, dataset, frame = fitted
    assert model.encoding is not None
    turned = frame[list(frame)[::-1]].assign(extra=3).iloc[::-1]
    numbers = answers(model.predict(frame), dataset.task)
    np.testing.assert_allclose(answers(model.predict(turned), dataset.task), numbers[::-1], rtol=1e-5, atol=2e-6)
    odd = pd.DataFrame(
        {"size": ["much", None, "1e30"], "since": ["31.12.1999", "soon", None], "colour": ["mauve", "", "red"]}
    )
    odd = odd.assign(town=["Town 3 <é>", "elsewhere", None])
    with pytest.warns(UserWarning, match="treated as missing|training data") as told:
        assert np.isfinite(answers(model.predict(odd), dataset.task)).all()
    assert {str(warning.message).partition(" are outside")[0] for warning in told} == {
        "size: 1 of 1 values",
        'size: 1 of 3 cells is not a number and is treated as missing ("much")',
        'since: 1 of 3 cells is not a date and is treated as missing ("soon")',
    }
    with pytest.raises(DatasetError, match="colour") as caught:
        model.predict(frame.drop(columns="colour"))
    assert caught.value.code == "H115"
    assert len(model.predict(frame.iloc[:0])) == 0


def test_keras_model_of_a_table_takes_encoded_rows(fitted: Fitted) -> None:
    """On rows from the encoder, the whole model predicts in user units, as ``predict`` does."""
    model, _, dataset, frame = fitted
    assert model.encoding is not None
    rows = encode({name: frame[name].to_numpy() for name in ("size", "since", "colour", "town")}, model.encoding)
    assert code_sizes(model.encoding)  # there is a category large enough to be embedded
    shipped = model.part_b.output if model.part_b.is_baseline else model.keras().predict_on_batch
    output = TASKS[dataset.task].to_answers(np.asarray(shipped(rows)))
    np.testing.assert_allclose(output, answers(model.predict(frame), dataset.task), rtol=1e-4, atol=2e-6)


def test_evaluate_rejects_a_table_without_the_labels_of_the_model(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """H110: there is nothing to evaluate."""
    model = Model("table", head="linear")
    model.fit(read_table(make_table(tmp_path / "labels.csv", "multilabel"), target="wet,cold"))
    with pytest.raises(DatasetError, match="H110"):
        model.evaluate(read_table(make_table(tmp_path / "values.csv", "regression"), target="price,heat"))


def test_evaluate_rejects_images_for_a_table_model_and_vice_versa(
    make_table: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    """H110, also if the classes have the same names."""
    model = Model("table", head="baseline")
    model.fit(read_table(make_table(tmp_path / "rows.csv", "multiclass")))
    images = replace(read_folder(pictures), classes=("ash", "elm", "oak"))
    with pytest.raises(DatasetError, match="images") as caught:
        model.evaluate(images)
    assert caught.value.code == "H110"


def test_user_function_takes_rows_of_a_table(make_table: Callable[..., Path], tmp_path: Path, networks: None) -> None:
    """The function gets encoded rows with embedded categories, and the task's output layer is added."""
    import keras

    def two_layers(rows: Any) -> Any:
        return keras.layers.Dense(4, activation="relu")(keras.layers.Dense(8, activation="relu")(rows))

    model = Model("table", head=two_layers)
    model.compile(epochs=2, learning_rate=0.01)
    model.fit(read_table(make_table(tmp_path / "rows.csv", "multiclass")))
    assert model.keras().output_shape == (None, 3)
    assert any(layer.name == "embedding_1" for layer in model.keras().layers)


# Images


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, make_photos: Callable[..., Path]) -> Path:
    """Thirty-six photographs, and tables of their labels and of values to predict."""
    folder = make_photos(tmp_path_factory.mktemp("pictures"), splits={"train": 6, "validation": 3, "test": 3})
    files = sorted(folder.rglob("*.jpg"))
    values = {"circle": 0.5, "square": 20.25, "triangle": -7.0}
    for name, header, cells in (
        ("labels", "round,angular", {"circle": "1,0", "square": "0,1", "triangle": "0,1"}),
        ("values", "value", {key: str(value) for key, value in values.items()}),
    ):
        lines = [f"{path.relative_to(folder)},{path.parts[-3]},{cells[path.parts[-2]]}" for path in files]
        (folder / f"{name}.csv").write_text("\n".join([f"image,split,{header}", *lines]) + "\n")
    return folder


@pytest.mark.parametrize(("name", "task"), [("labels", "multilabel"), ("values", "regression")])
def test_model_of_images_with_labels_or_values(pictures: Path, name: str, task: str, tmp_path: Path) -> None:
    """Fitted on a table of paths, evaluated, loaded again, and used on files: all in the user's units."""
    table = pictures / f"{name}.csv"
    dataset = read(table, target=None if name == "labels" else "value", task=task)
    model = Model("efficientnet_lite0", pooling="avg")
    model.fit(dataset)
    evaluation = model.evaluate()
    assert (dataset.task, evaluation.split, len(evaluation)) == (task, "test", 9)
    assert evaluation.headline.value is not None
    measured = evaluation.to_json()
    assert (measured["r2"] if task == "regression" else measured["roc_auc"]["macro"]) > 0.9
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    files = [dataset.paths[i] for i in dataset.indices("test")]
    told = loaded.predict(files)
    pd.testing.assert_frame_equal(told, model.predict(files), rtol=1e-4, atol=1e-4)
    assert list(told["path"]) == files
    expected = dataset.labels[dataset.indices("test")]
    if task == "regression":
        assert list(told.columns) == ["path", "predicted"]
        assert np.abs(told["predicted"].to_numpy() - expected[:, 0]).mean() < 5
    else:
        assert list(told["predicted"]) == [dataset.label_texts()[i] for i in dataset.indices("test")]
    assert loaded.evaluate(dataset).loss == pytest.approx(model.evaluate(dataset).loss, rel=1e-2, abs=1e-4)


def test_one_vs_rest_of_images_is_saved_as_one_model(pictures: Path, tmp_path: Path) -> None:
    """Three calibrated sigmoids share a backbone, and the saved file gives the probabilities of ``predict``."""
    model = Model("efficientnet_lite0", head="ovr_linear", pooling="avg")
    model.fit(read_folder(pictures))
    evaluation = model.evaluate()
    assert isinstance(evaluation, Classification)
    assert (evaluation.task, evaluation.accuracy) == ("multiclass", 1.0)
    np.testing.assert_allclose(evaluation.answers.sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path)
    files = sorted(map(str, (pictures / "test").rglob("*.jpg")))
    pd.testing.assert_frame_equal(Model.load(tmp_path).predict(files), model.predict(files), rtol=1e-4, atol=1e-5)
    with np.load(tmp_path / "golden.npz") as golden:
        np.testing.assert_allclose(golden["answers"].sum(axis=1), 1, rtol=1e-5)


# Refusals


def test_fit_rejects_data_of_the_other_kind(pictures: Path, make_table: Callable[..., Path], tmp_path: Path) -> None:
    """H042 for a table with an image model and for images with a table model, before anything is computed."""
    table = read_table(make_table(tmp_path / "rows.csv", "binary"))
    for model, data in ((Model("efficientnet_lite0"), table), (Model("table"), read_folder(pictures))):
        with pytest.raises(UsageError) as caught:
            model.fit(data)
        assert caught.value.code == "H042"
        assert model.trained is None


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression"])
def test_fit_rejects_one_vs_rest_for_other_tasks(task: str, make_table: Callable[..., Path], tmp_path: Path) -> None:
    """H043 for every task except multiclass."""
    data = read_table(make_table(tmp_path / "rows.csv", task), target=TARGETS[task])
    with pytest.raises(UsageError) as caught:
        Model("table", head="ovr_mlp").fit(data)
    assert caught.value.code == "H043"


def test_fit_rejects_a_loss_of_another_task(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """H040, once the data show the task."""
    model = Model("table", head="mlp")
    model.compile(loss="huber", epochs=1)
    with pytest.raises(UsageError, match="H040"):
        model.fit(read_table(make_table(tmp_path / "rows.csv", "binary")))


@pytest.mark.parametrize("settings", [{"side": 32}, {"stage": "stage3"}])
def test_model_of_a_table_rejects_image_settings(settings: dict[str, Any]) -> None:
    """H008, raised when the model is created."""
    with pytest.raises(UsageError, match="H008"):
        Model("table", head="mlp", **settings)


def test_restored_one_vs_rest_model_is_calibrated(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """Weights in a trial's folder, which ensembles and resumed runs use, give the predictions that were scored."""
    model = Model("table", "ovr_mlp")
    model.compile("adam", epochs=3, learning_rate=0.01)
    dataset, features = gather(read_table(make_table(tmp_path / "t.csv", "multiclass")), model.part, validation=0.2, seed=0)
    trained = model.train(dataset, features, tmp_path)
    validation = dataset.indices("validation")
    expected = model.scaled_answers(features, validation)
    again = Model("table", "ovr_mlp").restore(dataset, features, tmp_path)
    np.testing.assert_allclose(again.scaled_answers(features, validation), expected, atol=1e-6)
    flattered = TASKS["multiclass"].score(dataset.labels[validation], expected)
    assert flattered < trained.val_loss  # which is of samples that the calibration has not seen
    told = TASKS["multiclass"].score(dataset.labels[validation], model.held_out(features).at(validation))
    assert told == pytest.approx(trained.val_loss, rel=1e-6)


def test_array_columns_are_matched_by_position() -> None:
    """Arrays without the target, and arrays of only the columns that the model reads, give the same predictions."""
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 3))
    rows = np.column_stack([features[:, 0] > 0, features, np.ones(200)]).astype(float)
    model = Model("table", "linear")
    model.fit(read_table(rows, target="0"))
    expected = model.predict(rows)
    assert (expected["predicted"].astype(float) == rows[:, 0]).mean() > 0.9
    for fewer in (rows[:, 1:], rows[:, 1:4]):
        pd.testing.assert_frame_equal(model.predict(fewer), expected)


@pytest.mark.parametrize("network", ["linear", "trees", "baseline"])
@pytest.mark.parametrize("made_splits", [("train", "test", "validation"), ("test",)])
def test_validation_labels_are_learned_if_headstart_made_the_split(
    network: str, made_splits: tuple[str, ...], make_table: Callable[..., Path], tmp_path: Path
) -> None:
    """Each validation sample is predicted by models that have not seen it; the test split has no influence."""
    path = make_table(tmp_path / "t.csv", "binary")
    dataset, features = gather(read_table(path), Model("table", network).part, validation=0.2, seed=0)
    dataset = replace(dataset, made_splits=made_splits)
    is_ours = "validation" in made_splits
    fitted = [Model("table", network) for _ in range(3)]
    for model, split in zip(fitted, ("", "validation", "test"), strict=True):
        labels = dataset.labels.copy()
        flipped = dataset.indices(split)[::3] if split else []
        labels[flipped] = 1 - labels[flipped]
        (tmp_path / f"{network}{split}").mkdir()
        model.train(replace(dataset, labels=labels), features, tmp_path / f"{network}{split}")
    once, changed, tested = ([*model.trained.weights] for model in fitted if model.trained is not None)
    assert all(map(np.array_equal, once, tested))
    held_out = fitted[0].held_out(features)
    assert ({*held_out.samples} == {*dataset.indices("train"), *dataset.indices("validation")}) == is_ours
    if is_ours or network == "baseline":
        assert is_ours != all(map(np.array_equal, once, changed))
    validation = dataset.indices("validation")
    loss = TASKS["binary"].score(dataset.labels[validation], held_out.at(validation))
    assert loss == pytest.approx(fitted[0].val_loss, rel=1e-6)
    if is_ours and network != "baseline":
        assert TASKS["binary"].score(dataset.labels[validation], fitted[0].answers([features], validation)) < loss


def test_refit_learns_from_the_users_own_validation_split_too(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """After it has selected the penalty: the score stays, and the weights are those of all labels."""
    table = make_table(tmp_path / "t.csv", "binary", split=True)
    read = read_table(table)
    dataset, features = gather(read, Model("table").part, validation=0.2, seed=0)
    assert dataset.made_splits == ()
    flipped = dataset.indices("validation")[::3]
    labels = dataset.labels.copy()
    labels[flipped] = 1 - labels[flipped]
    weights, losses = [], []
    for number, given in enumerate((dataset, replace(dataset, refits=True), replace(dataset, refits=True, labels=labels))):
        (folder := tmp_path / str(number)).mkdir()
        model = Model("table")
        trained = model.train(given, features, folder)
        np.testing.assert_array_equal(np.sort(model.held_out(features).samples), dataset.indices("validation"))
        weights.append(trained.weights[0])
        losses.append(trained.val_loss)
    assert losses[0] == pytest.approx(losses[1], rel=0.01)  # the solver centres and scales by all samples that it will fit
    assert not np.allclose(weights[0], weights[1], rtol=1e-3)
    assert not np.allclose(weights[1], weights[2], rtol=1e-3)
    run = hs.fit(table, trial="table-linear", refit=True, out=tmp_path / "run", progress=False)
    shipped = Model.load(run.path).part_b.network.get_weights()[0]
    np.testing.assert_allclose(shipped, weights[1], atol=1e-6)


def test_values_out_of_all_proportion_are_not_fitted(make_table: Callable[..., Path], tmp_path: Path) -> None:
    """A validation value of 1e17 beside training values of 20 is selected on, as a user would see from ``val_loss``."""
    dataset, features = gather(
        read_table(make_table(tmp_path / "t.csv", "regression"), target="heat"), Model("table").part, validation=0.2, seed=0
    )
    labels = dataset.labels.copy()
    labels[dataset.indices("validation")[0]] = 1e17
    model = Model("table")
    trained = model.train(replace(dataset, labels=labels), features, tmp_path)
    np.testing.assert_array_equal(model.held_out(features).samples, dataset.indices("validation"))
    assert trained.val_loss > 1e28
    assert np.isfinite(trained.weights[0]).all()
