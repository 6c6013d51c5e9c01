"""Part B: the table of baselines: what a network has to be better than; shipped where no network comes near."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from headstart.export.tree_arrays import Trees
from headstart.foundation.arrays import Array
from headstart.training.classical.boosted_trees import fit_trees

__all__ = ["BASELINES"]

_MIN_SHARE = 1e-6  # of a class or label that the training rows may lack


def _fit_constant(
    _rows: Array,
    labels: Array,
    _val_rows: Array,
    _val_labels: Array,
    task: str,
    num_classes: int,
    **_: Any,
) -> Trees:
    """The shares of the classes or labels, or the mean of the targets: the constant with the least loss, as a bare root."""
    if task == "multiclass":
        shares = np.bincount(labels, minlength=num_classes) / len(labels)
        return _root(np.log(np.clip(shares, _MIN_SHARE, None)), "softmax")
    means = np.atleast_1d(np.asarray(labels, np.float64).mean(axis=0))
    if task == "regression":
        return _root(means, "identity")
    shares = np.clip(means, _MIN_SHARE, 1 - _MIN_SHARE)
    return _root(np.log(shares / (1 - shares)), "sigmoid")


def _root(base: Array, link: str) -> Trees:
    whole, single = np.zeros(1, np.int32), np.zeros(1, np.float32)
    return Trees(whole, single, whole, whole, np.zeros(1, bool), np.zeros(1), whole, whole, base, link)


# From rows, labels, validation rows, validation labels, the name of the task and the number of classes, then ``seed`` and
# ``deadline``, to trees.
BASELINES: dict[str, Callable[..., Trees]] = {"baseline": _fit_constant, "trees": fit_trees}
