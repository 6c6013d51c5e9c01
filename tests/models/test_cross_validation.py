"""The whole: cross-validation judges each sample once, by a model that has not seen a bit of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data.dataset import Dataset
from headstart.data.folds import folds_to_select_on, make_folds
from headstart.data.readers.read import read_table
from headstart.data.tasks import TASKS
from headstart.evaluation.classification import Classification
from headstart.evaluation.multilabel import MultiLabel
from headstart.evaluation.regression import Regression
from headstart.features.features import FeatureRows
from headstart.features.tables.table_features import encode_table
from headstart.foundation.progress import Silent
from headstart.models import cross_validation as folds
from headstart.models.cross_validation import OUT_OF_FOLD, FoldScores, cross_validate, scores_of
from headstart.models.fitting import gather
from headstart.models.model import Model
from headstart.training.trained import Trained
from headstart.training.trials.trial import Trial, parse_trial

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

TARGETS = {"binary": "grown", "multiclass": "kind", "multilabel": "wet,cold", "regression": "price,heat"}
NUM_FOLDS = 3


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, make_table: Callable[..., Path]) -> dict[str, Dataset]:
    """A table of every task, its split decided."""
    folder, part = tmp_path_factory.mktemp("folds"), parse_trial("table-linear").part
    found = {}
    for task, target in TARGETS.items():
        dataset = read_table(make_table(folder / f"{task}.csv", task, rows=120), target=target)
        found[task], _ = gather(dataset, part, validation=0.2, seed=0)
    return found


def rows_of(dataset: Dataset, trial: Trial) -> FeatureRows:
    """A row for every sample."""
    return gather(dataset, trial.part, validation=0.2, seed=0)[1]


class Spy:
    """Notes what each model was fitted to, and with what it ended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.fitted: list[tuple[Dataset, dict[str, Any], list[Array]]] = []
        train = Model.train

        def spied(model: Model, dataset: Dataset, *arguments: Any, **options: Any) -> Trained:
            trained = train(model, dataset, *arguments, **options)
            assert model.encoding is not None
            self.fitted.append((dataset, model.encoding, trained.weights))
            return trained

        patch.setattr(Model, "train", spied)


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("network", ["linear", "trees"])
def test_cross_validate_scores_every_sample_once(tables: dict[str, Dataset], task: str, network: str) -> None:
    """Each sample outside the test split is predicted once, in the user's units; scores and their spread are over folds."""
    dataset, trial = tables[task], parse_trial(f"table-{network}")
    scores = cross_validate(dataset, rows_of(dataset, trial), trial, NUM_FOLDS, Silent())
    assert scores is not None
    assert sorted(scores.positions) == dataset.indices("train", "validation").tolist()
    assert len(scores.losses) == len(scores.metrics) == NUM_FOLDS
    assert scores.metric == TASKS[task].metric
    sizes = [len(answers) for answers in scores.answers]
    measured = [
        TASKS[task].measure(dataset.labels[positions], answers)
        for positions, answers in zip(np.split(scores.positions, np.cumsum(sizes)[:-1]), scores.answers, strict=True)
    ]
    assert scores.metrics == pytest.approx(measured, abs=1e-5)
    if task != "regression":
        losses = [
            TASKS[task].score(dataset.labels[positions], answers)
            for positions, answers in zip(np.split(scores.positions, np.cumsum(sizes)[:-1]), scores.answers, strict=True)
        ]
        assert scores.losses == pytest.approx(losses)
    summary = scores.summary()
    assert summary["fold_metric"] == pytest.approx(np.mean(measured))
    assert summary["fold_loss_deviation"] == pytest.approx(np.std(scores.losses, ddof=1))
    evaluation = scores.evaluation(dataset)
    assert isinstance(evaluation, {"multilabel": MultiLabel, "regression": Regression}.get(task, Classification))
    assert (evaluation.split, len(evaluation)) == (OUT_OF_FOLD, len(scores.positions))
    np.testing.assert_array_equal(evaluation.labels, dataset.labels[scores.positions])
    assert evaluation.headline.value is not None
    assert {"binary": 0.6, "multiclass": 0.5, "multilabel": 0.7, "regression": 0.3}[task] < np.mean(measured) < 1


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("network", ["linear", "trees"])
def test_cross_validate_learns_nothing_from_the_held_out_fold(
    tables: dict[str, Dataset], task: str, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage in all cells and labels of a fold does not change its encoding, scaling or weights by a bit."""
    dataset, trial = tables[task], parse_trial(f"table-{network}")
    features = rows_of(dataset, trial)
    dealt = make_folds(dataset, NUM_FOLDS)
    monkeypatch.setattr(folds, "make_folds", lambda *_, **__: dealt)  # which are decided before anything is learned
    spy = Spy(monkeypatch)
    cross_validate(dataset, features, trial, NUM_FOLDS, Silent())
    clean = list(spy.fitted)
    assert len({repr(encoding) for _, encoding, _ in clean}) == NUM_FOLDS  # each is learned anew
    for fold in range(NUM_FOLDS):
        spy.fitted.clear()
        cross_validate(poisoned(dataset, dealt == fold), features, trial, NUM_FOLDS, Silent())
        (before, encoding, weights), (after, other_encoding, other_weights) = clean[fold], spy.fitted[fold]
        assert other_encoding == encoding
        assert after.scaling == before.scaling
        assert after.split == before.split
        for ours, theirs in zip(weights, other_weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        others = [number for number in range(NUM_FOLDS) if number != fold]
        assert all(
            spy.fitted[number][1] != clean[number][1] for number in others
        )  # the garbage is seen where it is not held out


def poisoned(dataset: Dataset, where: Array) -> Dataset:
    """The data set with other cells and other labels there."""
    assert dataset.table is not None
    columns = []
    for column in dataset.table.columns:
        cells = column.copy()
        cells[where] = "1e30"
        columns.append(cells)
    labels = dataset.labels.copy()
    labels[where] = 1e12 if dataset.task == "regression" else 1 - labels[where] % 2
    return replace(dataset, table=replace(dataset.table, columns=tuple(columns)), labels=labels)


def test_cross_validate_trains_networks(tables: dict[str, Dataset]) -> None:
    """One-vs-rest networks are trained by Keras and calibrated on a validation split taken from the other folds."""
    dataset = tables["multiclass"]
    for name in ("table-mlp", "table-ovr_linear"):
        trial = parse_trial(name)
        if trial.recipe.network == "mlp":
            trial = replace(trial, recipe=replace(trial.recipe, epochs=2, learning_rate=0.01))
        scores = cross_validate(dataset, rows_of(dataset, trial), trial, 2, Silent())
        assert scores is not None
        assert sorted(scores.positions) == dataset.indices("train", "validation").tolist()
        np.testing.assert_allclose(np.concatenate(scores.answers).sum(axis=1), 1, rtol=1e-5)


def test_cross_validate_returns_none_after_the_deadline(tables: dict[str, Dataset]) -> None:
    """Scores of only some of the folds would not be comparable."""
    dataset, trial = tables["binary"], parse_trial("table-linear")
    assert cross_validate(dataset, rows_of(dataset, trial), trial, NUM_FOLDS, Silent(), deadline=0.0) is None


def test_fold_scores_summary_matches_values_by_hand() -> None:
    """Means, and sample standard deviations."""
    summary = FoldScores("r2", [1.0, 3.0], [0.5, 0.7], [], []).summary()
    assert summary == pytest.approx(
        {"fold_loss": 2.0, "fold_loss_deviation": 2**0.5, "fold_metric": 0.6, "fold_metric_deviation": 0.02**0.5}
    )


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_scores_of_held_out_predictions_are_those_of_the_folds(
    task: str, tables: dict[str, Dataset], tmp_path: Path
) -> None:
    """Each fold is scored by predictions of its samples, in the user's units, without a training."""
    model, dataset = Model("table", "trees"), tables[task]
    features = encode_table(dataset, model.part)
    model.train(dataset, features, tmp_path)
    held_out, numbers = model.held_out(features), folds_to_select_on(dataset, seed=0)
    scores = scores_of(dataset, held_out, numbers)
    assert len(scores.losses) == numbers.max() + 1
    assert sorted(scores.positions) == np.flatnonzero(numbers >= 0).tolist()
    first = np.flatnonzero(numbers == 0)
    assert scores.losses[0] == TASKS[task].score(dataset.targets[first], held_out.at(first))
    np.testing.assert_array_equal(scores.answers[0], dataset.in_units(held_out.at(first)))
    assert len(scores.evaluation(dataset).answers) == len(scores.positions)
