"""The weights of an ensemble suit the validation split, and the one model that it becomes gives the weighted mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headstart as hs
from headstart.data.dataset import Dataset
from headstart.data.tasks import TASKS, Task
from headstart.foundation.errors import RunError
from headstart.models.ensemble import NAME, Ensemble, mixing_weights
from headstart.models.fitting import gather
from headstart.models.model import Model
from headstart.search.model_choice import Choice
from headstart.search.planning.plan_file import Entry
from headstart.search.planning.plans import PLANS
from headstart.training.examples import HeldOut

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # Keras 3.15 with NumPy 2
)


def example(task: Task, members: int, columns: int, seed: int) -> tuple[Array, list[Array]]:
    """Targets of a task, and answers of several members, the first of them better than chance."""
    random = np.random.default_rng(seed)
    if task.has_classes:
        labels = random.integers(0, columns, 40)
        return labels, [random.dirichlet(np.ones(columns), 40) for _ in range(members)]
    if task.name == "multilabel":
        labels = random.integers(0, 2, (40, columns))
        return labels, [random.uniform(0.02, 0.98, (40, columns)) for _ in range(members)]
    labels = random.normal(size=(40, columns))
    return labels, [labels * random.uniform(0, 1) + random.normal(size=(40, columns)) for _ in range(members)]


@given(
    task=st.sampled_from(list(TASKS.values())),
    members=st.integers(1, 5),
    columns=st.integers(2, 4),
    seed=st.integers(0, 10_000),
)
def test_mixing_weights_are_at_least_as_good_as_the_best_member(task: Task, members: int, columns: int, seed: int) -> None:
    """Weights are non-negative and sum to one, and the mixture scores at least as well as its best member."""
    labels, answers = example(task, members, 2 if task.name == "binary" else columns, seed)
    weights = mixing_weights(task.name, answers, labels)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert all(weight == 0 or weight >= 0.019 for weight in weights)
    mixed = task.score(labels, np.sum([w * p for w, p in zip(weights, answers, strict=True)], axis=0))
    assert mixed <= min(task.score(labels, p) for p in answers) + 0.01


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_mixing_weights_of_two_members_are_optimal(task: Task) -> None:
    """The problem is convex, so a fine grid over the one free weight finds the same minimum."""
    labels, answers = example(task, 2, 2 if task.name == "binary" else 3, seed=5)
    first, _ = mixing_weights(task.name, answers, labels)
    grid = np.linspace(0, 1, 201)
    scores = [task.score(labels, w * answers[0] + (1 - w) * answers[1]) for w in grid]
    assert 0.05 < grid[int(np.argmin(scores))] < 0.95
    assert abs(first - grid[int(np.argmin(scores))]) <= 0.01


def test_mixing_weights_leave_out_a_useless_member() -> None:
    """A member that is always wrong gets no weight next to one that is always right, for every task."""
    labels = np.array([0, 1, 0, 1])
    right = np.eye(2)[labels] * 0.8 + 0.1
    assert mixing_weights("binary", [right, 1 - right], labels).tolist() == [1.0, 0.0]
    assert mixing_weights("multilabel", [right, 1 - right], np.eye(2, dtype=int)[labels]).tolist() == [1.0, 0.0]
    values = np.array([[1.0], [-2.0], [3.0]])
    assert mixing_weights("regression", [-values, values], values).tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


def test_mixing_weights_of_all_zero_predictions_are_equal() -> None:
    """Predictions of 0 for standardised targets still have weights that sum to one."""
    weights = mixing_weights("regression", [np.zeros((4, 1)), np.zeros((4, 1))], np.array([[1.0], [-1.0], [2.0], [0.0]]))
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


def _a_bad_one(job: Any) -> Any:
    return replace(job.rows[0], val_loss=np.inf) if job.rows else None


@pytest.mark.parametrize(("plan", "weights"), [("quick", (0.5, 0.5)), ("best", (0.25, 0.75))])
def test_ensemble_is_a_trial_and_is_saved_as_one_model(
    make_photos: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan: str,
    weights: tuple[float, float],
) -> None:
    """It has a row in the leaderboard, is selected if it is best, and its graph predicts the mean of its members.

    Heads on one Part A get equal weights; in the plan with several of these, the weights are tuned.
    """
    photos = make_photos(tmp_path / "photos", per_class=12)
    monkeypatch.setitem(PLANS, plan, (Entry("avg-linear"), Entry("avg-mlp")))
    # On photographs as plain as these one member would do.
    monkeypatch.setattr("headstart.search.ensembling.mixing_weights", lambda *_: np.array([0.25, 0.75]))
    monkeypatch.setattr("headstart.search.state.SearchState.best_network", property(_a_bad_one))
    monkeypatch.setattr("headstart.search.state.choose", lambda rows, *_: Choice(rows[-1], rows[-1], {}) if rows else None)
    run = hs.fit(photos, plan=plan, folds=0, out=tmp_path / "run")
    board = run.leaderboard().set_index("trial")
    assert NAME in board.index
    assert run.to_json()["best"]["trial"] == NAME
    members = board.drop(NAME)
    assert board.loc[NAME, "part_b_seconds"] == pytest.approx(members["part_b_seconds"].sum())
    assert board.loc[NAME, "part_b"] == " ".join(
        f"{w:.2f}×{head}" for w, head in zip(weights, ("linear", "mlp"), strict=True)
    )
    # Both read the same rows, from one backbone.
    assert board.loc[NAME, "part_a_seconds"] == pytest.approx(members["part_a_seconds"].iloc[0])
    assert members["ms_per_sample"].max() < board.loc[NAME, "ms_per_sample"] < members["ms_per_sample"].sum()
    assert members["num_params"].max() < board.loc[NAME, "num_params"] < 1.1 * members["num_params"].max()
    assert board.loc[NAME, "num_params"] == keras.models.load_model(run.path / "model.keras", compile=False).count_params()
    stored = (run.path / "predictions.csv").read_text().splitlines()
    paths, expected = [line.split(",")[0] for line in stored[1:]], [line.split(",")[3:] for line in stored[1:]]
    answered = run.predict(paths)
    names = [f"p_{name}" for name in run.to_json()["classes"]]
    np.testing.assert_allclose(answered[names].to_numpy(), np.array(expected, float), atol=1e-4)
    assert [export.path.name for export in run.export("h5", "litert")] == ["model.h5", "model.tflite"]
    with pytest.raises(RunError) as caught:
        Model.load(run.path)
    assert caught.value.code == "H514"


def test_ensemble_is_one_keras_model() -> None:
    """It has built-in layers only and the members' weights, and predicts the weighted mean for an image."""
    dataset = hs.read_arrays(np.random.default_rng(0).integers(0, 256, (24, 20, 20, 3), dtype=np.uint8), np.arange(24) % 2)
    members = [Model("pixels", "cnn", side=20) for _ in range(2)]
    for number, member in enumerate(members):
        member.compile(epochs=1, learning_rate=1e-3, seed=number)
        member.fit(dataset)
    whole = Ensemble(members, [0.25, 0.75], dataset).keras()
    images = np.random.default_rng(1).integers(0, 256, (3, 20, 20, 3)).astype(np.float32)
    alone = [np.asarray(member.keras()(images)) for member in members]
    np.testing.assert_allclose(np.asarray(whole(images)), 0.25 * alone[0] + 0.75 * alone[1], atol=1e-6)
    assert whole.count_params() == sum(member.num_params() for member in members)


@pytest.mark.parametrize(
    ("task", "target", "heads"),
    [
        ("binary", "grown", ("linear", "mlp")),
        ("multiclass", "kind", ("linear", "ovr_linear", "mlp")),
        ("multilabel", "wet,cold", ("linear", "mlp")),
        ("regression", "price,heat", ("linear", "mlp")),
        ("multiclass", "kind", ("linear", "trees")),
        ("regression", "price,heat", ("linear", "trees")),
    ],
)
def test_ensemble_on_a_table_is_scored_as_it_is_saved(
    task: str, target: str, heads: tuple[str, ...], make_table: Callable[..., Path], tmp_path: Path
) -> None:
    """For every task, with one-vs-rest among the members, the saved predictions are the scored ones, in user units."""
    dataset = hs.read_table(make_table(tmp_path / "rows.csv", task), target=target)
    members = [Model("table", head) for head in heads]
    dataset, features = gather(dataset, members[0].part, validation=0.2, seed=0)
    for member in members:
        if member.recipe.network == "mlp":
            member.compile(epochs=2, learning_rate=0.01)
        member.fit(dataset)
    weights = {2: [0.25, 0.75], 3: [0.5, 0.3, 0.2]}[len(heads)]
    ensemble = Ensemble(members, weights, dataset)
    validation = dataset.indices("validation")
    answers = [member.held_out(features).at(validation) for member in members]
    ensemble.tune(HeldOut(validation, np.average(answers, axis=0, weights=weights)))
    assert len(ensemble.thresholds) == {"binary": 1, "multilabel": 2}.get(task, 0)
    test = dataset.indices("test")
    answers = ensemble.answers([features] * len(heads), test)
    shipped = TASKS[task].to_answers(ensemble.keras().predict(features.rows(test), verbose=0))
    np.testing.assert_allclose(shipped, answers, rtol=1e-4, atol=1e-5)
    if TASKS[task].has_classes:
        np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    assert TASKS[task].measure(dataset.labels[test], answers) > {"regression": 0.2, "multilabel": 0.7}.get(task, 0.5)
    ensemble.write(tmp_path / "saved")
    with np.load(tmp_path / "saved" / "golden.npz") as golden:
        again = keras.models.load_model(tmp_path / "saved" / "model.keras", compile=False, safe_mode=True)
        np.testing.assert_allclose(again.predict(golden["inputs"], verbose=0), golden["answers"], rtol=1e-5, atol=1e-6)


def test_ensemble_tunes_thresholds_on_held_out_predictions() -> None:
    """Members may have been trained on the validation split, so that no member predicts it."""
    dataset = Dataset(
        "t", "binary", "", ("no", "yes"), tuple("abcdef"), np.array([0, 0, 0, 1, 1, 1]), tuple("abcdef"), ("validation",) * 6
    )
    dataset = dataset.take(np.repeat(np.arange(6), 10))
    likely = np.repeat([0.1, 0.1, 0.1, 0.3, 0.3, 0.3], 10)
    ensemble = Ensemble([], [], dataset)
    ensemble.tune(HeldOut(np.arange(60), np.stack([1 - likely, likely], axis=1)))
    assert ensemble.thresholds == (pytest.approx(0.2),)


@pytest.mark.parametrize("backbones", [("efficientnet_lite0", "efficientnet_lite1"), ("efficientnet_lite0",) * 2])
def test_ensemble_has_one_score_of_unknown_images(
    backbones: tuple[str, str], make_photos: Callable[..., Path], tmp_path: Path
) -> None:
    """From the features of its first member, whether the members share a backbone or have their own."""
    dataset = hs.read_folder(make_photos(tmp_path / "photos", per_class=12))
    members = [Model(name, pooling="avg", side=224) for name in backbones]
    rows = []
    for number, member in enumerate(members):
        dataset, features = gather(dataset, member.part, validation=0.2, seed=0)
        member.part = features.part
        (folder := tmp_path / str(number)).mkdir()
        member.train(dataset, features, folder)
        rows.append(features)
    ensemble = Ensemble(members, [0.5, 0.5], dataset)
    everything = np.arange(len(dataset))
    assert not len(ensemble.unknown_scores(rows, everything))
    ensemble.learn_unknown(rows)
    scores = ensemble.unknown_scores(rows, everything)
    assert scores.shape == (len(dataset),)
    whole = ensemble.keras()
    size = members[0].part.geometry.size
    answers, unknown = whole.predict(np.zeros((2, size, size, 3), np.float32), verbose=0)
    assert (answers.shape, unknown.shape) == ((2, 3), (2, 1))
    assert whole.output_names[0] != whole.output_names[1]
