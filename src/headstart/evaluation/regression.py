"""Evaluation: values. How far off they are on average, and how much of the truth's spread they explain."""

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
    """What values a model answered on one split, beside the truth; the task is ``regression``.

    With several targets each number is the mean over them, and ``per_target`` has those of each.

    Attributes:
        mse: Mean squared error.
        rmse: Its root, in units of the target.
        mae: Mean absolute error.
        mae_interval: The 95% interval of the mean absolute error over resampled splits; None for a single sample.
        mape: Mean absolute error as a share of the truth, over the truths other than 0; None where all are 0.
        mape_n: How many truths that is.
        r2: Share of the truth's variance that is explained; None for a target that does not vary.
        baseline_mse: Mean squared error of the best constant answer for it, the mean of this split's truth.
        baseline_mae: Mean absolute error of the best constant answer for it, the median of this split's truth.
        per_target: The same numbers by the name of the target.
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
        """The mean absolute error; lower is better."""
        return Headline("mae", self.mae, self.mae_interval, self.baseline_mae)

    def to_json(self) -> dict[str, Any]:
        """The object of ``headstart evaluate --json``; plain Python values, no NaN."""
        numbers = {name: getattr(self, name) for name in (*_AVERAGED, "mae_interval", "mape_n")}
        value = self._shared_json() | _plain(numbers) | {"targets": list(self.classes)}
        if len(self.classes) > 1:
            value["per_target"] = {name: _plain(row) for name, row in self.per_target.items()}
        return value

    def plot_scatter(self, ax: Axes | None = None, target: str | None = None) -> Axes:
        """Draw the answers against the truth of one target, the first if none is named, and return the axes."""
        from headstart.evaluation.plots.axes import new_axes  # matplotlib, which nothing else here needs
        from headstart.evaluation.plots.regression import draw_scatter  # matplotlib, which nothing else here needs

        return draw_scatter(ax or new_axes(), *self.target(target))

    def plot_residuals(self, ax: Axes | None = None, target: str | None = None) -> Axes:
        """Draw the residuals (answer minus truth) of one target against the answers, with their histogram."""
        from headstart.evaluation.plots.axes import new_axes
        from headstart.evaluation.plots.regression import draw_residuals

        return draw_residuals(ax or new_axes(), *self.target(target))

    def target(self, name: str | None = None) -> tuple[Array, Array]:
        """Truth and answers of one target, the first if none is named, each ``(n,)``."""
        column = 0 if name is None else self.classes.index(name)
        return self.labels[:, column], self.answers[:, column]


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # squares may be infinite or nothing: told as unknown
def evaluate_values(
    task: str, targets: Sequence[str], labels: Array, answers: Array, *, split: str, groups: Array | None = None
) -> Regression:
    """The numbers of ``regression``; see ``evaluate_predictions``.

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
        raise ValueError(f"labels of shape {truth.shape}; a finite number for each of {len(targets)} targets is needed")
    if values.shape != truth.shape or not np.isfinite(values).all():
        raise ValueError(f"answers of shape {values.shape}; finite numbers of shape {truth.shape} are needed")
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
        # The mean of equal numbers may be a hair beside them: not the spread tells whether they vary.
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
