"""Trees as a network: what the arrays predict, in built-in layers."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.export.graphs.tree_arrays import Trees
from headstart.training.classical.boosted_trees import Fold, fit_trees
from headstart.training.networks.tree_network import num_weights, tree_network

UNITS = {"binary": 1, "multiclass": 3, "multilabel": 2, "regression": 2}


def fitted(task: str, *, num_rows: int = 300, one_hot: tuple[range, ...] = ()) -> tuple[Trees, np.ndarray]:
    """Trees of a task, and rows of which many are equal to a threshold."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(num_rows, 6)).round(1).astype(np.float32)
    for block in one_hot:
        rows[:, block.start : block.stop] = np.eye(len(block))[random.integers(0, len(block), num_rows)]
    score = rows[:, 0] * rows[:, 1] + rows[:, 3] + random.normal(size=num_rows) / 4
    labels = {
        "binary": (score > 0).astype(np.int64),
        "multiclass": np.digitize(score, [-0.5, 0.5]),
        "multilabel": np.stack([score > 0, score > 0.5], axis=1).astype(np.int64),
        "regression": np.stack([score, -score], axis=1),
    }[task]
    half = num_rows // 2
    num_classes = max(2, UNITS[task])
    given = rows[:half], labels[:half], rows[half:], labels[half:]
    return fit_trees([Fold(*given)], task, num_classes, seed=0, one_hot=one_hot)[0], rows


@pytest.mark.parametrize("task", UNITS)
def test_tree_network_predicts_what_the_trees_do(task: str) -> None:
    """Each row reaches the same leaves, also where a value is a threshold, which goes left."""
    trees, rows = fitted(task)
    rows[:50, trees.features[0]] = trees.thresholds[0]
    network = tree_network(trees)
    assert network.count_params() == num_weights(trees)
    np.testing.assert_allclose(network.predict(rows, verbose=0), trees.predict(rows), atol=1e-5)


def test_tree_network_of_a_mean_of_trees_and_of_ordered_levels() -> None:
    """Levels that trees read as one column are put together by the first layer."""
    trees, rows = fitted("binary", num_rows=4400, one_hot=(range(2, 5),))
    assert trees.columns.tolist() == [0, 1, 2, 2, 2, 3]
    mean = Trees.mean([trees, trees])
    np.testing.assert_allclose(tree_network(mean).predict(rows, verbose=0), mean.predict(rows), atol=1e-5)


def test_tree_network_of_a_bare_root_is_constant() -> None:
    """A tree without a split has one leaf, which every row reaches."""
    rows, labels = np.ones((40, 2), np.float32), np.tile([0, 1], 20)
    trees = fit_trees([Fold(rows, labels, rows, labels)], "binary", 2, seed=0)[0]
    np.testing.assert_allclose(tree_network(trees).predict(rows, verbose=0), 0.5, atol=1e-6)
