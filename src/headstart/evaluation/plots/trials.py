"""Figures of trials: loss curves, and execution time against ``val_loss``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.evaluation.plots.axes import BLUE, DASHES, ORANGE, PALETTE, dress, label, legend_below, scale, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TrialPoint", "draw_leaderboard", "draw_loss"]

_MANY_TRIALS = 12


class TrialPoint(NamedTuple):
    """A trial in the figure of execution time against ``val_loss``."""

    trial: str
    total_seconds: float
    val_loss: float
    on_front: bool


def draw_loss(ax: Axes, history: Sequence[Mapping[str, float | None]]) -> Axes:
    """Draw training and validation loss by epoch and mark the best epoch; logarithmic over a factor of more than 20.

    Args:
        ax: The axes.
        history: Rows with ``epoch``, ``loss`` and ``val_loss``; a value that is None or not finite leaves a gap.
    """
    from matplotlib.ticker import MaxNLocator

    columns = {key: _column(history, key) for key in ("epoch", "loss", "val_loss")}
    epochs = np.where(np.isnan(columns["epoch"]), np.arange(1, len(history) + 1), columns["epoch"])
    dot = "o" if len(history) <= 2 else ""  # a line through one point is invisible
    ax.plot(epochs, columns["loss"], color=ORANGE, linestyle=DASHES[1], linewidth=1.5, marker=dot, label="training")
    ax.plot(epochs, columns["val_loss"], color=BLUE, linewidth=2.2, marker=dot, label="validation")
    if np.isfinite(columns["val_loss"]).any():
        best = int(np.nanargmin(columns["val_loss"]))
        text = f"best {columns['val_loss'][best]:.3f}, epoch {epochs[best]:g}"
        ax.plot(epochs[best], columns["val_loss"][best], "o", color=BLUE, markersize=7, label=text)
    scale(ax, "y", np.concatenate([columns["loss"], columns["val_loss"]]))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    ax.set(xlabel="epoch", ylabel="loss")
    if len(epochs) == 1:
        ax.set_xlim(epochs[0] - 1, epochs[0] + 1)
    dress(ax, grid="y")
    legend_below(ax, columns=3)
    return ax


def draw_leaderboard(ax: Axes, points: Sequence[TrialPoint]) -> Axes:
    """Draw execution time against ``val_loss``, the Pareto front as a line.

    Trials are named; if there are more than 12, only those on the front.
    """
    front = sorted((p for p in points if p.on_front), key=lambda p: p.total_seconds)
    others = [p for p in points if not p.on_front]
    ax.plot([p.total_seconds for p in others], [p.val_loss for p in others], "o", color=PALETTE[-1], markersize=6)
    x, y = [p.total_seconds for p in front], [p.val_loss for p in front]
    ax.plot(x, y, "-o", color=BLUE, drawstyle="steps-post", markersize=7, linewidth=1.4)
    scale(ax, "x", np.array([p.total_seconds for p in points]))
    scale(ax, "y", np.array([p.val_loss for p in points]))
    ax.margins(0.14, 0.16)
    ax.set(xlabel="execution time, seconds", ylabel="validation loss")
    dress(ax, grid="both")
    _name_points(ax, points if len(points) <= _MANY_TRIALS else front)
    return ax


def _name_points(ax: Axes, points: Sequence[TrialPoint]) -> None:
    """Write each name next to its point, at the first of six positions where it overlaps no other point or name."""
    from matplotlib.transforms import Bbox

    ax.autoscale_view()
    to_points = 72 / ax.figure.dpi
    room = ax.bbox.width * to_points
    pixels = ax.transData.transform(np.array([(p.total_seconds, p.val_loss) for p in points]).reshape(-1, 2))
    spots = [tuple((pixel - ax.bbox.min) * to_points) for pixel in pixels]
    taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    for point, (x, y) in zip(points, spots, strict=True):
        text = label(point.trial, 34)
        span = 4.7 * width(text)
        for dx, dy, side in ((3, 12, 0), (-3, -12, 1), (-9, 0, 1), (9, 0, 0), (-3, 12, 1), (3, -12, 0)):
            left = x + dx - side * span
            box = Bbox.from_extents(left, y + dy - 6, left + span, y + dy + 6)
            if left > 0 and box.x1 < room and not box.count_overlaps(taken):
                taken.append(box)
                style: Any = {"ha": ("left", "right")[side], "va": "center", "fontsize": 8, "parse_math": False}
                place = point.total_seconds, point.val_loss
                ax.annotate(text, place, (dx, dy), textcoords="offset points", **style)
                break


def _column(history: Sequence[Mapping[str, float | None]], key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    column = np.array([row.get(key) for row in history], dtype=np.float64)  # None becomes NaN
    return np.where(np.isfinite(column), column, np.nan)
