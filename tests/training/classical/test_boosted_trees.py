"""Trees: what scikit-learn answers, from plain arrays."""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from headstart.export.graphs.tree_arrays import Trees, collapse, projection
from headstart.foundation.errors import RunError
from headstart.training.classical import boosted_trees
from headstart.training.classical.boosted_trees import (
    Fold,
    _base,
    _boost,
    _Boosted,
    _codes,
    _model,
    _of_all,
    _Problem,
    _rounds,
    _Shape,
    fit_trees,
)

Array = np.ndarray[Any, Any]


def make(num_rows: int, seed: int = 0, width: int = 4) -> tuple[Array, Array]:
    """Rows, some of whose values are repeated, and a score that depends on two columns together."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(num_rows, width)).astype(np.float32)
    rows[:, 1] = np.round(rows[:, 1], 1)
    return rows, rows[:, 0] * rows[:, 1] + random.normal(size=num_rows) / 4


def fit_one(rows: Array, labels: Array, val_rows: Array, val_labels: Array, *description: Any, **options: Any) -> Trees:
    """Trees of a single fold."""
    (trees,) = fit_trees([Fold(rows, labels, val_rows, val_labels)], *description, **options)
    return trees


def labels_of(task: str, score: Array) -> Array:
    """Labels in the shape of a task."""
    if task == "binary":
        return (score > 0).astype(np.int64)
    if task == "multiclass":
        return np.digitize(score, [-0.5, 0.5])
    if task == "multilabel":
        return np.stack([score > 0, score > 0.5], axis=1).astype(np.int64)
    return np.stack([score, -score, np.abs(score)], axis=1)


NUM_CLASSES = {"binary": 2, "multiclass": 3, "multilabel": 2, "regression": 3}
UNITS = NUM_CLASSES | {"binary": 1}


@pytest.mark.parametrize("link", ["sigmoid", "softmax", "identity"])
def test_trees_predict_as_scikit_learn_does(link: str) -> None:
    """The arrays predict what the fitted booster does, also for values equal to thresholds."""
    task = {"sigmoid": "binary", "softmax": "multiclass", "identity": "regression"}[link]
    rows, score = make(300)
    labels = score if link == "identity" else labels_of(task, score)
    problem = _Problem(rows, labels, rows, labels, link, UNITS[task] if link == "softmax" else 1, 0)
    model = _model(problem, _Shape(0.1, 31, 1.0)).set_params(max_iter=30).fit(rows, labels)
    trees = _of_all([_Boosted(_rounds(model, problem), _base(model, problem), [0.0])], link, _codes(rows, labels))
    others = np.concatenate([make(500, seed=1)[0], np.tile(trees.thresholds[:, None], (1, 4))])
    if isinstance(model, HistGradientBoostingRegressor):
        expected = model.predict(others)[:, None]
    else:
        assert isinstance(model, HistGradientBoostingClassifier)
        expected = model.predict_proba(others)[:, 1:] if link == "sigmoid" else model.predict_proba(others)
    np.testing.assert_allclose(trees.predict(others), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("small", "tuned", "seconds", "shapes"),
    [(61, 61, 600, [1, 2]), (61, 61, 0, [1]), (60, 61, 600, [0, 1, 2]), (60, 60, 600, [0])],
    ids=["few rows", "no time", "more rows", "many rows"],
)
def test_several_shapes_of_trees_are_tried(
    small: int, tuned: int, seconds: float, shapes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one with the lowest loss is returned; which are tried depends on the rows and the time."""
    rows, score = make(60)
    tried: list[tuple[_Shape, float]] = []

    def boost(problem: _Problem, shape: _Shape, deadline: float) -> _Boosted:
        boosted = _boost(problem, shape, deadline)
        tried.append((shape, min(boosted.losses)))
        return boosted

    monkeypatch.setattr(boosted_trees, "_boost", boost)
    monkeypatch.setattr(boosted_trees, "_SMALL", small)
    monkeypatch.setattr(boosted_trees, "_TUNED", tuned)
    problem = _Problem(rows, score, *make(60, seed=1), "identity", 1, 0)
    (best,) = boosted_trees._best_shape([problem], time.perf_counter() + seconds)
    assert [shape for shape, _ in tried] == [boosted_trees._SHAPES[number] for number in shapes]
    assert best.losses[len(best.rounds)] == min(loss for _, loss in tried)


def test_trees_of_all_folds_have_the_number_of_rounds_that_suits_their_mean() -> None:
    """A fold whose loss rises early is not cut there, since its own minimum is partly luck."""
    parts = [make(80, seed=seed) for seed in range(3)]
    folds = [
        Fold(rows, score[:, None], *(array[:20] for array in (other, values[:, None])))
        for (rows, score), (other, values) in zip(parts, parts[1:] + parts[:1], strict=True)
    ]
    together = fit_trees(folds, "regression", 1, seed=0)
    alone = [fit_trees([fold], "regression", 1, seed=0)[0] for fold in folds]
    assert len({len(trees.roots) for trees in together}) == 1
    assert len({len(trees.roots) for trees in alone}) > 1

    def loss(several: list[Trees]) -> float:
        pairs = zip(several, folds, strict=True)
        return float(np.mean([np.square(one.predict(fold.val_rows) - fold.val_labels).mean() for one, fold in pairs]))

    assert loss(alone) <= loss(together)


@pytest.mark.parametrize("task", list(NUM_CLASSES))
def test_fit_trees_supports_every_task(task: str) -> None:
    """Predictions have the shape of a network's, are better than a constant, and are restored from the arrays."""
    (rows, score), (val_rows, val_score) = make(400), make(200, seed=1)
    labels, val_labels = labels_of(task, score), labels_of(task, val_score)
    trees = fit_one(rows, labels, val_rows, val_labels, task, NUM_CLASSES[task], seed=0)
    answers = trees.predict(val_rows)
    assert answers.shape == (200, UNITS[task])
    assert answers.dtype == np.float32
    if task == "regression":
        assert np.square(answers - val_labels).mean() < 0.5 * val_labels.var(axis=0).mean()
    elif task == "multiclass":
        assert (answers.argmax(axis=1) == val_labels).mean() > 0.7
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    else:
        assert ((answers > 0.5) == val_labels.reshape(answers.shape)).mean() > 0.7
    again = Trees.from_weights([np.array(array) for array in trees.weights()])
    assert again.link == trees.link
    np.testing.assert_array_equal(again.predict(val_rows), answers)
    assert all(array.dtype != object for array in trees.weights())


def one_hot(levels: Array, num_levels: int) -> Array:
    """One-hot columns of level numbers, the last for other values."""
    return np.eye(num_levels + 1, dtype=np.float32)[levels]


@pytest.mark.parametrize("task", list(NUM_CLASSES))
def test_fit_trees_reads_one_hot_columns_as_one(task: str) -> None:
    """Each category is one column to the trees, which learn from it, and predict from the rows as they are encoded."""
    random = np.random.default_rng(0)
    levels, (rows, _) = random.integers(0, 12, 600), make(600)
    score = np.linspace(-2, 2, 12)[random.permutation(12)][levels] + 0.1 * rows[:, 0]
    encoded = np.hstack([rows[:, :1], one_hot(levels, 12), rows[:, 1:]])
    labels = labels_of(task, score)
    trees = fit_one(encoded, labels, encoded, labels, task, NUM_CLASSES[task], seed=0, one_hot=[range(1, 14)])
    assert trees.columns.tolist() == [0, *[1] * 13, *range(2, rows.shape[1] + 1)]
    assert trees.features.max() <= rows.shape[1]
    matrix = projection(trees.columns, trees.factors)
    assert matrix is not None
    np.testing.assert_array_equal(collapse(encoded, trees.columns, trees.factors), encoded @ matrix)
    constant = fit_one(rows[:, 1:], labels, rows[:, 1:], labels, task, NUM_CLASSES[task], seed=0)
    losses = [_loss(trees.predict(given), labels) for trees, given in ((trees, encoded), (constant, rows[:, 1:]))]
    assert losses[0] < 0.5 * losses[1]


def _loss(answers: Array, labels: Array) -> float:
    truth = np.eye(answers.shape[1])[labels] if answers.shape[1] > 1 and labels.ndim == 1 else labels.reshape(answers.shape)
    return float(np.square(answers - truth).mean())


def test_codes_order_levels_by_their_smoothed_mean_label() -> None:
    """A level of one row stays near the middle, whatever its label; other columns are left as they are."""
    levels = np.repeat([0, 1, 2, 3], [100, 100, 100, 1])
    labels = np.concatenate([np.tile([0, 1], 50), np.zeros(100), np.ones(100), [0.0]])
    rows = np.hstack([one_hot(levels, 4), np.ones((301, 1), np.float32)])
    columns, factors = _codes(rows, labels, [range(5)])
    assert columns.tolist() == [0, 0, 0, 0, 0, 1]
    assert factors[[1, 3, 2]].tolist() == [0, 1, 4]  # all 0; one row; all 1
    assert factors[5] == 1


@pytest.mark.parametrize(("num_rows", "num_columns"), [(30, 6), (31, 3)])
def test_fit_trees_keeps_one_hot_columns_of_few_rows(
    num_rows: int, num_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few rows are learned faster than levels can be ordered well."""
    monkeypatch.setattr(boosted_trees, "_SMALL", 31)
    rows = np.hstack([one_hot(np.arange(num_rows) % 3, 3), make(num_rows)[0][:, :2]])
    labels = (np.arange(num_rows) % 3 == 0).astype(int)
    trees = fit_one(rows, labels, rows, labels, "binary", 2, seed=0, one_hot=[range(4)])
    assert trees.columns[-1] + 1 == num_columns


def test_fit_trees_is_deterministic() -> None:
    """The same rows and seed give the same arrays."""
    rows, score = make(200)
    first, second = (fit_one(rows, score[:, None], rows, score[:, None], "regression", 1, seed=3) for _ in range(2))
    for one, other in zip(first.weights(), second.weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fit_trees_stops_on_noise() -> None:
    """Labels of pure noise leave few trees or none, and the prediction is then the share of the class."""
    random = np.random.default_rng(0)
    rows, labels = make(300)[0], random.integers(0, 2, 300)
    trees = fit_one(rows, labels, rows[:50], 1 - labels[:50], "binary", 2, seed=0)
    assert trees.num_params == 2  # a leaf and a base
    np.testing.assert_allclose(trees.predict(rows), labels.mean(), atol=1e-6)


def test_fit_trees_of_classes_without_training_rows() -> None:
    """Such a class has a small probability, whether one or two of the others exist."""
    rows = make(60)[0]
    for labels in (np.zeros(60, np.int64), np.arange(60) % 2, np.arange(60) % 3):
        answers = fit_one(rows, labels, rows, (labels + 1) % 4, "multiclass", 4, seed=0).predict(rows)
        assert ((answers > 0) & (answers < 1)).all()
        assert (answers[:, 3] < 0.05).all()
    answers = fit_one(rows, np.ones((60, 1), int), rows, np.ones((60, 1), int), "multilabel", 1, seed=0).predict(rows)
    np.testing.assert_allclose(answers, 60.5 / 61, atol=1e-6)


def test_fit_trees_of_a_single_class() -> None:
    """Only the share of the class is left."""
    rows = make(30)[0]
    trees = fit_one(rows, np.zeros(30, int), rows, np.zeros(30, int), "binary", 2, seed=0)
    np.testing.assert_allclose(trees.predict(rows), 0.5 / 31, atol=1e-6)


def test_fit_trees_stops_at_the_deadline() -> None:
    """After the deadline, each booster has its first rounds."""
    rows, score = make(400)
    targets = labels_of("regression", score)
    trees = fit_one(rows, targets, rows, targets, "regression", 3, seed=0, deadline=time.perf_counter())
    assert len(trees.roots) == 30
    assert set(trees.outputs.tolist()) == {0, 1, 2}


def test_fit_trees_of_two_rows() -> None:
    """Two rows are enough to predict; no rows have no predictions."""
    rows = np.array([[0.0], [1.0]], np.float32)
    trees = fit_one(rows, np.array([[0.0], [1.0]]), rows, np.array([[0.0], [1.0]]), "regression", 1, seed=0)
    assert np.isfinite(trees.predict(rows)).all()
    assert trees.predict(rows[:0]).shape == (0, 1)


def _spoilt(arrays: dict[str, Array], name: str) -> None:
    """Arrays that are no trees, each in its own way."""
    if name == "a loop":
        arrays["left"][0] = arrays["right"][0] = 0
        arrays["left"][1], arrays["right"][1] = 2, 2
        arrays["left"][2], arrays["right"][2] = 1, 1
    elif name == "a node that is not there":
        arrays["right"][0] = len(arrays["right"])
    elif name == "a negative column":
        arrays["features"][0] = -1
    elif name == "a column too many":
        arrays["features"][0] = 4
    elif name == "no trees":
        arrays["roots"] = arrays["outputs"] = np.zeros(0, np.int32)
    elif name == "nodes of another number":
        arrays["values"] = arrays["values"][:-1]
    elif name == "nodes of text":
        arrays["left"] = arrays["left"].astype("U")
    elif name == "an array too few":
        del arrays["base"]
    else:
        arrays["link"] = np.array([9])


@pytest.mark.parametrize(
    "name",
    [
        *("a loop", "a node that is not there", "a negative column", "a column too many", "no trees"),
        *("nodes of another number", "nodes of text", "an array too few", "an unknown link"),
    ],
)
def test_invalid_tree_arrays_are_rejected(tmp_path: Path, name: str) -> None:
    """H502 before any prediction: a loop would never end."""
    rows, score = make(200)
    trees = fit_one(rows, labels_of("binary", score), rows, labels_of("binary", score), "binary", 2, seed=0)
    arrays = dict(zip((field.name for field in fields(Trees)), trees.weights(), strict=True))
    np.savez(tmp_path / "model.npz", *arrays.values())
    assert Trees.read(tmp_path / "model.npz", 4) is not None
    _spoilt(arrays, name)
    np.savez(tmp_path / "model.npz", *arrays.values())
    with pytest.raises(RunError, match="H502"):
        Trees.read(tmp_path / "model.npz", 4)
