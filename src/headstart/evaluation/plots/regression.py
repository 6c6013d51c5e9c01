"""Figures of regression tasks: predicted against true values, and residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.evaluation.plots.axes import BLUE, ORANGE, dress, ink, legend_below, scale
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_residuals", "draw_scatter"]

_MAX_POINTS = 2000
_SEED = 2000
_WIDE = 1000.0  # ratio of the largest to the smallest true value above which axes are logarithmic
_BINS = 30
_DASHED = (0, (4, 2))


def draw_scatter(ax: Axes, truth: Array, answers: Array) -> Axes:
    """Draw predicted against true values, with the line on which both are equal; at most 2000 points, sampled if more.

    Both axes are logarithmic if all true values are positive and span more than a factor of 1000. Predictions of 0 or less,
    which such an axis cannot show, are drawn in another colour at its lower edge.

    Args:
        ax: The axes.
        truth: True values, ``(n,)``.
        answers: Predicted values, ``(n,)``.
    """
    is_wide = _is_wide(truth)
    truth, answers = _sample(truth, answers)
    on_axis = answers > 0 if is_wide else np.ones(len(answers), dtype=bool)
    bounds = _bounds(np.concatenate([truth, answers[on_axis]]), is_wide)
    ax.plot(bounds, bounds, color=ink(), alpha=0.5, linewidth=0.9, linestyle=_DASHED, label="predicted = true")
    _dots(ax, truth[on_axis], answers[on_axis], BLUE)
    if not on_axis.all():
        beyond = truth[~on_axis]
        _dots(ax, beyond, np.full(len(beyond), bounds[0]), ORANGE, label="predicted 0 or less")
    for axis in "xy" if is_wide else "":
        scale(ax, axis, np.array(bounds))
    ax.set(xlim=bounds, ylim=bounds, aspect="equal", xlabel="true", ylabel="predicted")
    dress(ax, grid="both")
    legend_below(ax, columns=2)
    return ax


def draw_residuals(ax: Axes, truth: Array, answers: Array) -> Axes:
    """Draw residuals (predicted minus true) against predicted values, with a histogram of the residuals at the side.

    Args:
        ax: The axes.
        truth: True values, ``(n,)``.
        answers: Predicted values, ``(n,)``.
    """
    residuals = np.asarray(answers, np.float64) - truth
    xs, ys = _sample(answers, residuals)
    most = float(np.abs(residuals).max()) * 1.08 or 1.0
    ax.axhline(0.0, color=ink(), alpha=0.5, linewidth=0.9, linestyle=_DASHED)
    _dots(ax, xs, ys, BLUE)
    if _is_wide(truth):
        scale(ax, "x", np.asarray(answers))
    ax.set(ylim=(-most, most), xlabel="predicted", ylabel="residual: predicted − true")
    dress(ax, grid="both")
    beside = ax.inset_axes((1.03, 0.0, 0.22, 1.0), sharey=ax)
    beside.hist(
        residuals, bins=np.linspace(-most, most, _BINS + 1).tolist(), orientation="horizontal", color=BLUE, alpha=0.7
    )
    beside.axhline(0.0, color=ink(), alpha=0.5, linewidth=0.9, linestyle=_DASHED)
    beside.set(xticks=[])
    dress(beside, grid=None)
    beside.tick_params(labelleft=False)
    return ax


def _sample(first: Array, second: Array) -> tuple[Array, Array]:
    """At most 2000 pairs; with more, a random sample with a fixed seed."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if len(first) <= _MAX_POINTS:
        return first, second
    kept = np.sort(np.random.default_rng(_SEED).choice(len(first), _MAX_POINTS, replace=False))
    return first[kept], second[kept]


def _dots(ax: Axes, x: Array, y: Array, colour: str, label: str | None = None) -> None:
    """Draw points, more transparent the more there are."""
    alpha = 0.8 if len(x) <= 100 else 0.5 if len(x) <= 500 else 0.3
    ax.plot(x, y, "o", color=colour, alpha=alpha, markersize=4.5, markeredgewidth=0, label=label, clip_on=False)


def _is_wide(truth: Array) -> bool:
    return bool(np.min(truth) > 0 and np.max(truth) > _WIDE * np.min(truth))


def _bounds(values: Array, is_wide: bool) -> tuple[float, float]:
    """Limits of both axes, with a small margin around all values."""
    low, high = float(values.min()), float(values.max())
    if is_wide:
        margin = (high / low) ** 0.04
        return low / margin, high * margin
    margin = 0.04 * (high - low) or 0.5 + 0.01 * abs(low)
    return low - margin, high + margin
