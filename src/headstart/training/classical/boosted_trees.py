"""Gradient-boosted trees, fitted by scikit-learn and stored as plain arrays instead of a pickle.

Boosting rounds are added until the validation loss stops falling; rounds after the minimum are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from headstart.export.graphs.tree_arrays import Trees, collapse, softmax
from headstart.foundation.arrays import Array
from headstart.foundation.machine import usable_cores

__all__ = ["Fold", "fit_trees"]

_TUNED = 50_000  # with more rows, only the first shape is tried, which sees all columns
_SMALL = 2000  # with fewer rows, categories stay one-hot, and splits see some of the columns
_SMOOTHING = 20.0  # rows of the overall mean that are added to a level
_SHRINKAGE = 30.0  # maximum of rounds times rate
_PATIENCE = 3.0  # rounds times rate without a lower validation loss
_MIN_STEP, _MAX_STEP = 10, 40  # rounds between two checks of the deadline; each step bins the rows anew
_ALONE = 200_000  # with fewer numbers in the rows, a second thread costs more than it gains


class _Shape(NamedTuple):
    """Learning rate, largest number of leaves of a tree, and share of the columns that each split may choose from."""

    rate: float
    num_leaves: int
    share: float


# On nine small tables, splits that choose from a third of the columns lowered the test loss by 2% on average, and trees of
# 8 leaves were better than trees of 31 on five. Where columns act only together, splits have to see all of them, but few
# rows do not show that. Twice the rate halved the time, and the loss was higher on five of six tables, by 1% on average.
_SHAPES = (_Shape(0.1, 31, 1.0), _Shape(0.05, 31, 0.3), _Shape(0.05, 8, 0.3))


class _Round(NamedTuple):
    """The trees added by one round, as scikit-learn's arrays of nodes, and the output that each tree adds to."""

    trees: list[Array]
    outputs: list[int]


class _Boosted(NamedTuple):
    """Rounds of a booster, and the validation loss before the first and after each."""

    rounds: list[_Round]
    base: Array
    losses: list[float]


class Fold(NamedTuple):
    """Rows to learn from, and rows to stop by. Labels have the shape of the task; values are standardised."""

    rows: Array
    labels: Array
    val_rows: Array
    val_labels: Array


@dataclass(frozen=True)
class _Problem:
    """The input of one booster. Labels are one number per row: a label number, 0 or 1, or a value."""

    rows: Array
    labels: Array
    val_rows: Array
    val_labels: Array
    link: str
    units: int
    seed: int


def fit_trees(
    folds: Sequence[Fold],
    task: str,
    num_classes: int,
    *,
    seed: int,
    one_hot: Sequence[range] = (),
    deadline: float = float("inf"),
) -> list[Trees]:
    """Fit boosted trees for each fold, one booster per label or target, until the validation loss has stopped falling.

    All folds get the shape of trees and the number of rounds with the lowest mean loss, so that the loss on a fold is hardly
    lower than on other rows: selected for each fold, they made trees look better than models that were better on test rows.

    With many rows, the one-hot columns of a category become one column, in which its levels are ordered by their mean label:
    trees that choose among hundreds of columns take many times as long, and were not better.

    Args:
        folds: Rows, float32 ``(n, width)``, without NaN, and labels; a single one if there are no folds.
        task: A key of ``TASKS``.
        num_classes: Number of classes, labels or targets.
        seed: Seed of scikit-learn's random numbers.
        one_hot: For each category, the range of its one-hot columns. Defaults to none.
        deadline: ``time.perf_counter()`` value after which no further rounds are started. Defaults to none.
    """
    from threadpoolctl import threadpool_limits

    link = {"multiclass": "softmax", "regression": "identity"}.get(task, "sigmoid")
    units = num_classes if link == "softmax" else 1
    codes = [
        _codes(fold.rows, _one_number(fold.labels, task), one_hot if len(fold.rows) >= _SMALL else ()) for fold in folds
    ]
    problems = [_problems(fold, by, link, units, seed) for fold, by in zip(folds, codes, strict=True)]
    num_targets = len(problems[0])
    boosted = []
    with threadpool_limits(1 if problems[0][0].rows.size < _ALONE else usable_cores()):
        for number in range(num_targets):
            now = time.perf_counter()
            of_target = [of_fold[number] for of_fold in problems]
            boosted.append(_best_shape(of_target, now + (deadline - now) / (num_targets - number)))
    return [_of_all(of_fold, link, by) for of_fold, by in zip(zip(*boosted, strict=True), codes, strict=True)]


def _problems(fold: Fold, codes: tuple[Array, Array], link: str, units: int, seed: int) -> list[_Problem]:
    """The input of the booster of each label or target."""
    given, val_given = (collapse(np.asarray(part, np.float32), *codes) for part in (fold.rows, fold.val_rows))
    targets, val_targets = (array.reshape(len(array), -1).T for array in (fold.labels, fold.val_labels))
    return [
        _Problem(given, target, val_given, val_target, link, units, seed)
        for target, val_target in zip(targets, val_targets, strict=True)
    ]


def _codes(rows: Array, labels: Array, one_hot: Sequence[range] = ()) -> tuple[Array, Array]:
    """Columns and factors that turn one-hot columns into the rank of the level by its mean label; see ``Trees``.

    The means are drawn towards that of all rows, so that those of rare levels do not reveal the labels of their rows.
    """
    is_first, factors = np.ones(rows.shape[1], np.int32), np.ones(rows.shape[1], np.float32)
    for block in one_hot:
        levels = rows[:, block.start : block.stop]
        means = (levels.T @ labels + _SMOOTHING * labels.mean()) / (levels.sum(axis=0) + _SMOOTHING)
        is_first[block.start + 1 : block.stop] = 0
        factors[block.start : block.stop] = np.argsort(np.argsort(means))
    return (np.cumsum(is_first) - 1).astype(np.int32), factors


def _one_number(labels: Array, task: str) -> Array:
    """One number per row to order levels by: whether it is of the most frequent class, or the mean of its targets."""
    if task == "multiclass":
        labels = labels == np.bincount(labels).argmax()
    mean: Array = labels.reshape(len(labels), -1).mean(axis=1, dtype=np.float32)
    return mean


def _best_shape(problems: Sequence[_Problem], deadline: float) -> list[_Boosted]:
    """Boosters of all folds, with the shape and the number of rounds that have the lowest mean loss."""
    num_rows = len(problems[0].rows)
    tried = _SHAPES[1:] if num_rows < _SMALL else _SHAPES
    best, lowest = list[_Boosted](), float("inf")
    for shape in tried if num_rows < _TUNED else tried[:1]:
        start = time.perf_counter()
        boosted = []
        for number, problem in enumerate(problems):
            now = time.perf_counter()
            boosted.append(_boost(problem, shape, now + (deadline - now) / (len(problems) - number)))
        losses = _mean_losses(boosted)
        num_rounds = int(np.argmin(losses))
        if losses[num_rounds] < lowest:
            best, lowest = [one._replace(rounds=one.rounds[:num_rounds]) for one in boosted], losses[num_rounds]
        spent = time.perf_counter() - start
        if time.perf_counter() + 2 * spent >= deadline:
            break
    return best


def _mean_losses(boosted: Sequence[_Boosted]) -> Array:
    """Mean loss of several boosters by the number of rounds; one that stopped earlier keeps its last loss."""
    longest = max(len(one.losses) for one in boosted)
    mean: Array = np.mean([one.losses + one.losses[-1:] * (longest - len(one.losses)) for one in boosted], axis=0)
    return mean


def _boost(problem: _Problem, shape: _Shape, deadline: float) -> _Boosted:
    if problem.link != "identity" and len(np.unique(problem.labels)) < 2:
        return _prior(problem)
    model = _model(problem, shape)
    most, step, rounds = round(_SHRINKAGE / shape.rate), _MIN_STEP, list[_Round]()
    base, losses = np.zeros(0), list[float]()
    codes = _codes(problem.rows, problem.labels)
    while len(rounds) < most:
        start = time.perf_counter()
        model.set_params(max_iter=min(len(rounds) + step, most)).fit(problem.rows, problem.labels)
        if not losses:
            base = _base(model, problem)
            sums = np.tile(base, (len(problem.val_rows), 1))
            losses = [_LOSSES[problem.link](sums, problem.val_labels)]
        for added in _rounds(model, problem)[len(rounds) :]:
            rounds.append(added)
            sums = sums + _join([added], np.zeros_like(base), problem.link, codes).sums(problem.val_rows)
            losses.append(_LOSSES[problem.link](sums, problem.val_labels))
        following = min(2 * step, _MAX_STEP)
        expected = (time.perf_counter() - start) * following / step
        step = following
        is_past = len(rounds) - int(np.argmin(losses)) >= _PATIENCE / shape.rate
        if is_past or time.perf_counter() + expected > deadline:
            break
    return _Boosted(rounds, base, losses)


def _model(problem: _Problem, shape: _Shape) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if problem.link == "identity" else HistGradientBoostingClassifier
    return kind(
        learning_rate=shape.rate,
        max_leaf_nodes=shape.num_leaves,
        max_features=shape.share,
        min_samples_leaf=int(np.clip(len(problem.rows) // 30, 3, 20)),
        early_stopping=False,
        warm_start=True,
        random_state=problem.seed,
    )


def _prior(problem: _Problem) -> _Boosted:
    """Class frequencies for training rows of a single class, with half a row added to each class."""
    if problem.link == "softmax":
        shares = np.bincount(problem.labels, minlength=problem.units) + 0.5
        return _Boosted([], np.log(shares / shares.sum()), [0.0])
    num_positive, num_rows = int(problem.labels.sum()), len(problem.labels)
    return _Boosted([], np.log([(num_positive + 0.5) / (num_rows - num_positive + 0.5)]), [0.0])


def _outputs(model: Any, problem: _Problem) -> list[int]:
    """The outputs that the trees of a round add to. With two classes, only the second has trees."""
    if problem.link != "softmax":
        return [0]
    outputs: list[int] = model.classes_[-model.n_trees_per_iteration_ :].tolist()
    return outputs


def _base(model: Any, problem: _Problem) -> Array:
    """The initial prediction of scikit-learn; a class without training rows is treated as having half a row."""
    base = np.zeros(problem.units)
    base[_outputs(model, problem)] = model._baseline_prediction.ravel()
    if problem.link == "softmax":
        counts = np.bincount(problem.labels, minlength=problem.units)
        seen = counts > 0
        base[~seen] = np.log(0.5) + (base[seen] - np.log(counts[seen])).mean()
    return base


def _rounds(model: Any, problem: _Problem) -> list[_Round]:
    outputs = _outputs(model, problem)
    return [_Round([tree.nodes for tree in trees], outputs) for trees in model._predictors]


_ROOT_ALONE = np.array(
    [(0.0, 0, 0.0, False, 0, 0, True)],
    {
        "names": ("value", "feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "is_leaf"),
        "formats": (float, int, float, bool, int, int, bool),
    },
)


def _of_all(boosted: Sequence[_Boosted], link: str, codes: tuple[Array, Array]) -> Trees:
    """Combine boosters with separate outputs into one set of trees."""
    base = np.concatenate([one.base for one in boosted])
    first = np.cumsum([0] + [len(one.base) for one in boosted])
    rounds = [
        _Round(trees, [int(start) + output for output in outputs])
        for start, one in zip(first, boosted, strict=False)
        for trees, outputs in one.rounds
    ]
    return _join(rounds or [_Round([_ROOT_ALONE], [0])], base, link, codes)


def _join(rounds: Sequence[_Round], base: Array, link: str, codes: tuple[Array, Array]) -> Trees:
    trees = [tree for one in rounds for tree in one.trees]
    nodes = {name: np.concatenate([tree[name] for tree in trees]) for name in _ROOT_ALONE.dtype.names or ()}
    roots = np.cumsum([0] + [len(tree) for tree in trees])
    start = np.repeat(roots[:-1], np.diff(roots))
    is_leaf, itself = nodes["is_leaf"].astype(bool), np.arange(len(start))
    return Trees(
        features=np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int32),
        thresholds=_rounded_down(np.where(is_leaf, 0.0, nodes["num_threshold"])),
        left=np.where(is_leaf, itself, nodes["left"] + start).astype(np.int32),
        right=np.where(is_leaf, itself, nodes["right"] + start).astype(np.int32),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        values=np.where(is_leaf, nodes["value"], 0.0),
        roots=roots[:-1].astype(np.int32),
        outputs=np.array([output for one in rounds for output in one.outputs], np.int32),
        base=base,
        columns=codes[0],
        factors=codes[1],
        link=link,
    )


def _rounded_down(thresholds: Array) -> Array:
    """Round thresholds down to float32, so that comparing a float32 gives the same result as with the exact threshold."""
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
    return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single)


_LOSSES: dict[str, Callable[[Array, Array], float]] = {
    "sigmoid": lambda sums, labels: float((np.logaddexp(0.0, sums[:, 0]) - labels * sums[:, 0]).mean()),
    "softmax": lambda sums, labels: float(-np.log(np.clip(softmax(sums)[np.arange(len(labels)), labels], 1e-7, 1)).mean()),
    "identity": lambda sums, labels: float(np.square(sums[:, 0] - labels).mean()),
}
