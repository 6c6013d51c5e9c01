"""Evaluation of regression tasks: mean errors and R² of each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from headstart.evaluation.evaluation import Evaluation, Headline, check_names, count_groups, finite
from headstart.evaluation.intervals import bootstrap_interval
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Regression", "evaluate_values"]


@final
@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Regression(Evaluation):
    """Evaluation of a model that predicts values; the task is ``regression``.

    With several targets, each score is the mean over the targets, and ``per_target`` has the scores of each target.

    Attributes:
        mse: Mean squared error.
        rmse: Root mean squared error, in units of the target.
        mae: Mean absolute error, in units of the target.
        mae_interval: 95% bootstrap interval of the mean absolute error; None for a single sample.
        mape: Mean absolute error as a share of the true value, over true values other than 0; None if all are 0.
        mape_n: Number of true values that ``mape`` is computed from.
        r2: Coefficient of determination; None for a target that does not vary.
        baseline_mse: Mean squared error of the best constant prediction for it, the mean of the true values of this split.
        baseline_mae: Mean absolute error of the best constant prediction for it, the median of the true values of this
            split.
        per_target: All of these scores for each target, by its name.
    """

    mse: float
    rmse: float
    mae: float
    mae_interval: tuple[float, float] | None
    mape: float | None
    mape_n: int
    r2: float | None
    baseline_mse: float
    baseline_mae: float
    per_target: Mapping[str, Mapping[str, Any]]

    @property
    def headline(self) -> Headline:
        """The mean absolute error (lower is better), with the median baseline."""
        return Headline("mae", self.mae, self.mae_interval, self.baseline_mae)

    def to_json(self) -> dict[str, Any]:
        """Return the scores as ``headstart evaluate --json`` prints them: plain Python values without NaN."""
        numbers = {name: getattr(self, name) for name in (*_AVERAGED, "mae_interval", "mape_n")}
        value = self._shared_json() | _plain(numbers) | {"targets": list(self.classes)}
        if len(self.classes) > 1:
            value["per_target"] = {name: _plain(row) for name, row in self.per_target.items()}
        return value

    def plot_scatter(self, ax: Axes | None = None, target: str | None = None) -> Axes:
        """Draw predicted against true values of one target (the first by default), and return the axes."""
        from headstart.evaluation.plots.axes import new_axes  # imports matplotlib, which only plots need
        from headstart.evaluation.plots.regression import draw_scatter

        return draw_scatter(ax or new_axes(), *self.target(target))

    def plot_residuals(self, ax: Axes | None = None, target: str | None = None) -> Axes:
        """Draw residuals (predicted minus true) of one target (the first by default), and return the axes."""
        from headstart.evaluation.plots.axes import new_axes
        from headstart.evaluation.plots.regression import draw_residuals

        return draw_residuals(ax or new_axes(), *self.target(target))

    def target(self, name: str | None = None) -> tuple[Array, Array]:
        """True and predicted values of one target (the first by default), each ``(n,)``."""
        column = 0 if name is None else self.classes.index(name)
        return self.labels[:, column], self.answers[:, column]


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # squares may overflow; such scores become None in JSON
def evaluate_values(
    task: str, targets: Sequence[str], labels: Array, answers: Array, *, split: str, groups: Array | None = None
) -> Regression:
    """Evaluate the predictions of a ``regression`` task; arguments as in ``evaluate_predictions``.

    Raises:
        ValueError: The shapes do not fit, or a value is not finite.
    """
    names = tuple(targets)
    check_names(task, names, least=1)
    truth, values = _checked(names, labels, answers)
    per_target = {name: _numbers(truth[:, k], values[:, k], groups) for k, name in enumerate(names)}
    means = {key: _mean([row[key] for row in per_target.values()]) for key in _AVERAGED}
    return Regression(
        task=task,
        split=split,
        classes=names,
        labels=truth,
        answers=values,
        predicted=values,
        loss=means["mse"],
        num_groups=count_groups(groups),
        mae_interval=_interval(np.abs(values - truth).mean(axis=1), groups),
        mape_n=sum(row["mape_n"] for row in per_target.values()),
        per_target=per_target,
        **means,
    )


_AVERAGED = ("mse", "rmse", "mae", "mape", "r2", "baseline_mse", "baseline_mae")


def _checked(targets: tuple[str, ...], labels: Any, answers: Any) -> tuple[Array, Array]:
    truth, values = np.asarray(labels, np.float64), np.asarray(answers, np.float64)
    if truth.ndim != 2 or truth.shape[1] != len(targets) or len(truth) == 0 or not np.isfinite(truth).all():
        raise ValueError(f"labels must be finite numbers for {len(targets)} targets, received shape {truth.shape}")
    if values.shape != truth.shape or not np.isfinite(values).all():
        raise ValueError(f"predictions must be finite numbers of shape {truth.shape}, received shape {values.shape}")
    return truth, values


def _numbers(truth: Array, values: Array, groups: Array | None) -> dict[str, Any]:
    error = values - truth
    spread, known = np.square(truth - truth.mean()), truth != 0
    mse = float(np.square(error).mean())
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": float(np.abs(error).mean()),
        "mae_interval": _interval(np.abs(error), groups),
        "mape": float(np.abs(error[known] / truth[known]).mean()) if known.any() else None,
        "mape_n": int(known.sum()),
        # Whether values vary cannot be read off the spread: the rounded mean of equal numbers may differ from them.
        "r2": None if truth.min() == truth.max() else float(1 - np.square(error).sum() / spread.sum()),
        "baseline_mse": float(spread.mean()),
        "baseline_mae": float(np.abs(truth - np.median(truth)).mean()),
    }


def _interval(errors: Array, groups: Array | None) -> tuple[float, float] | None:
    def mean(counts: Array) -> Array:
        shares: Array = counts / counts.sum(axis=1, keepdims=True)
        return shares @ errors

    return bootstrap_interval(mean, len(errors), groups=groups)


def _mean(values: Sequence[float | None]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _plain(numbers: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in numbers.items():
        is_pair = isinstance(value, tuple) and all(finite(bound) is not None for bound in value)
        plain[name] = list(value) if is_pair else value if name == "mape_n" else None if value is None else finite(value)
    return plain
