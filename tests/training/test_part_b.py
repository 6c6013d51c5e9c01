"""The whole: Part B answers alike as it was trained, as it is shipped, and as it comes back from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from headstart.data.dataset import Dataset
from headstart.data.target_scaling import Scaling
from headstart.data.tasks import ONE_VS_REST, TASKS
from headstart.features.part_a import PartA
from headstart.training.classical.baselines import BASELINES
from headstart.training.classical.boosted_trees import Fold
from headstart.training.networks.networks import NETWORKS
from headstart.training.part_b import PartB
from headstart.training.recipe import Recipe

# Keras 3.15 on TensorFlow asks NumPy 2 for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Array = np.ndarray[Any, Any]

NUM_DENSE, CODES = 5, [7]
OF_A_TABLE = [name for name, network in NETWORKS.items() if not network.takes_images]
CASES = [(task, name) for task in TASKS for name in (*OF_A_TABLE, *BASELINES) if task == "multiclass" or name[:4] != "ovr_"]


class Case(NamedTuple):
    """A Part B with weights, rows for it, and its data."""

    part_b: PartB
    rows: Array
    dataset: Dataset


def make(task: str, network: str) -> Case:
    """A Part B of a table whose weights are random, or trees of random labels."""
    random = np.random.default_rng(0)
    classes = ("ash", "elm") if task == "binary" else ("ash", "elm", "oak")
    num_rows = 60
    labels: Array = np.arange(num_rows) % len(classes)
    scaling = Scaling((True, False, False), (2.0, -5.0, 0.0), (0.5, 100.0, 1.0)) if task == "regression" else None
    if task == "multilabel":
        labels = random.integers(0, 2, (num_rows, 3))
    elif scaling is not None:
        labels = scaling.invert(random.normal(size=(num_rows, 3)))
    names = tuple(map(str, range(num_rows)))
    dataset = Dataset("made", task, "", classes, names, labels, names, ("train",) * num_rows, scaling=scaling)
    rows = random.normal(size=(num_rows, NUM_DENSE + len(CODES))).astype(np.float32)
    rows[:, -1] = random.integers(0, CODES[0], num_rows)
    part_b = PartB(PartA("table"), Recipe(network), dataset, rows.shape[1:], num_rows, CODES)
    if part_b.is_baseline:
        targets = dataset.targets
        trees = BASELINES[network]([Fold(rows, targets, rows, targets)], task, len(classes), seed=0)[0]
        part_b.set_weights(trees.weights())
    else:
        built, _ = part_b.build()
        shapes = [weight.shape for weight in built.get_weights()]
        size = 0.1 if NETWORKS[network].has_members else 1.0  # deep networks with such weights would be sure of everything
        part_b.set_weights([size * random.uniform(0.1, 0.9, shape).astype(np.float32) for shape in shapes])  # variances too
    return Case(part_b, rows, dataset)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    """Every network of a table and every baseline for every task; tests only look at it."""
    return make(*request.param)


def test_part_b_and_the_saved_model_predict_alike(case: Case) -> None:
    """``answers`` are in the scale of training; the saved model gives the same in units, normalised over classes."""
    part_b, rows, dataset = case
    answers = part_b.answers(rows)
    output = part_b.output(rows)
    assert answers.shape == (len(rows), dataset.num_classes)
    assert output.dtype == np.float32
    assert output.shape[1] == TASKS[dataset.task].units(dataset.num_classes)
    shipped = TASKS[dataset.task].to_answers(output)
    expected = dataset.in_units(answers)
    size = np.abs(expected) + (1 if dataset.scaling is None else dataset.labels.std(axis=0))
    assert (np.abs(shipped - expected) / size).max() < 2e-5
    if TASKS[dataset.task].has_classes:
        np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    if part_b.recipe.network != "baseline":
        assert np.ptp(answers, axis=0).min() > 0


def test_part_b_restores_from_a_trial_folder(case: Case, tmp_path: Path) -> None:
    """Predictions are equal to the bit, and existing files are left as they are."""
    part_b, rows, dataset = case
    part_b.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [part_b.file]
    other = PartB(part_b.part, part_b.recipe, dataset, part_b.shape, part_b.num_samples, CODES)
    weights = other.restore(tmp_path)
    np.testing.assert_array_equal(other.answers(rows), part_b.answers(rows))
    assert len(weights) == len(other._weights) > 0
    (tmp_path / part_b.file).write_bytes(b"of the training")
    part_b.save(tmp_path)
    assert (tmp_path / part_b.file).read_bytes() == b"of the training"


def test_part_b_loads_from_a_saved_model(case: Case, tmp_path: Path) -> None:
    """``load`` takes its weights out of the whole model, which has extra layers for units and normalisation."""
    part_b, rows, dataset = case
    if part_b.is_baseline:
        part_b.save(tmp_path)
    else:
        part_b.shipped().save(tmp_path / "model.keras")
    other = PartB(part_b.part, part_b.recipe, dataset, part_b.shape, part_b.num_samples, CODES)
    other.load(tmp_path / part_b.file)
    np.testing.assert_array_equal(other.answers(rows), part_b.answers(rows))
    np.testing.assert_array_equal(other.output(rows), part_b.output(rows))


def test_part_b_counts_its_parameters(case: Case) -> None:
    """Parameters of the network; for trees the learned numbers; for a linear head by hand."""
    part_b, _, dataset = case
    units = TASKS[dataset.task].units(dataset.num_classes)
    if part_b.recipe.network == "linear":
        assert part_b.num_params() == (NUM_DENSE + 1) * units
    elif part_b.recipe.network == "baseline":
        assert part_b.num_params() == 1 + units
    else:
        assert part_b.num_params() > units * NUM_DENSE
    assert part_b.is_baseline or part_b.num_params() == part_b.network.count_params()


@pytest.mark.parametrize("network", ["ovr_linear", "ovr_mlp"])
def test_calibrated_one_vs_rest_is_saved_as_one_model(network: str, tmp_path: Path) -> None:
    """Probabilities score better than before, the networks are unchanged, and the file gives these probabilities."""
    part_b, rows, dataset = make("multiclass", network)
    assert part_b.task is ONE_VS_REST
    before = ONE_VS_REST.score(dataset.labels, part_b.answers(rows))
    models = [part_b.network.get_layer(f"class_{number}").get_weights() for number in range(3)]
    part_b.calibrate(dataset.labels, rows)
    answers = part_b.answers(rows)
    assert ONE_VS_REST.score(dataset.labels, answers) < before
    for number, weights in enumerate(models):
        for ours, theirs in zip(part_b.network.get_layer(f"class_{number}").get_weights(), weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    part_b.shipped().save(tmp_path / "model.keras")
    shipped = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(shipped.predict(rows, verbose=0), answers, atol=1e-6)


def test_calibrating_twice_has_little_effect() -> None:
    """The second calibration has hardly anything to correct: slopes and offsets accumulate in one layer."""
    part_b, rows, dataset = make("multiclass", "ovr_linear")
    part_b.calibrate(dataset.labels, rows)
    once = ONE_VS_REST.score(dataset.labels, part_b.answers(rows))
    part_b.calibrate(dataset.labels, rows)
    assert ONE_VS_REST.score(dataset.labels, part_b.answers(rows)) <= once + 1e-6


def test_one_vs_rest_works_after_an_inner_cut(tmp_path: Path) -> None:
    """The last blocks of a backbone are trained with it, and it is calibrated and saved from image to probabilities."""
    part = PartA("efficientnet_lite0", "avg", stage="stage6_block4", side=64)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (6, 64, 64, 3)).astype(np.float32)
    tensors = part.tensors()
    rows = keras.Model(tensors.image, tensors.row).predict(images, verbose=0)
    _, _, dataset = make("multiclass", "ovr_linear")
    part_b = PartB(part, Recipe("ovr_linear"), dataset, rows.shape[1:], 60)
    network, tail = part_b.build()
    assert tail
    part_b.set_weights([weight + 0.01 * random.random(weight.shape) for weight in network.get_weights()])
    part_b.calibrate(np.arange(6) % 3, rows)
    answers = part_b.answers(rows)
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(part_b.output(images), answers, atol=1e-4)
    part_b.shipped().save(tmp_path / "model.keras")
    loaded = PartB(part, Recipe("ovr_linear"), dataset, images.shape[1:], 60)  # all that is known of a saved model
    loaded.load(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.answers(rows), answers, atol=1e-5)
    assert loaded.num_params() == part_b.num_params()
