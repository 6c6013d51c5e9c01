"""BASELINES, the table of models that a network should beat. The best one becomes the model if no network is close."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headstart.export.graphs.tree_arrays import Trees
from headstart.foundation.arrays import Array
from headstart.training.classical.boosted_trees import Fold, fit_trees

__all__ = ["BASELINES", "CONSTANT"]

CONSTANT = "baseline"  # name of the constant prediction

_MIN_SHARE = 1e-6  # for a class or label without training rows


def _fit_constants(folds: Sequence[Fold], task: str, num_classes: int, **_: Any) -> list[Trees]:
    return [_fit_constant(fold.rows, fold.labels, task, num_classes) for fold in folds]


def _fit_constant(rows: Array, labels: Array, task: str, num_classes: int) -> Trees:
    """Fit the constant prediction with the lowest loss: shares of classes or labels, or means of targets; as a bare root."""
    if task == "multiclass":
        shares = np.bincount(labels, minlength=num_classes) / len(labels)
        return _root(np.log(np.clip(shares, _MIN_SHARE, None)), "softmax", rows.shape[1])
    means = np.atleast_1d(np.asarray(labels, np.float64).mean(axis=0))
    if task == "regression":
        return _root(means, "identity", rows.shape[1])
    shares = np.clip(means, _MIN_SHARE, 1 - _MIN_SHARE)
    return _root(np.log(shares / (1 - shares)), "sigmoid", rows.shape[1])


def _root(base: Array, link: str, width: int) -> Trees:
    whole, single = np.zeros(1, np.int32), np.zeros(1, np.float32)
    columns, factors = np.arange(width, dtype=np.int32), np.ones(width, np.float32)
    return Trees(whole, single, whole, whole, np.zeros(1, bool), np.zeros(1), whole, whole, base, columns, factors, link)


# Functions by name. Arguments: folds, name of the task and number of classes; keyword arguments: ``seed``, ``one_hot`` and
# ``deadline``. Each returns ``Trees`` for every fold.
BASELINES: dict[str, Callable[..., list[Trees]]] = {CONSTANT: _fit_constants, "trees": fit_trees}
