"""Figures of classification and multi-label tasks: ROC curves and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.evaluation.plots.axes import BLUE, DASHES, ORANGE, PALETTE, dress, ink, label, legend_below
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_binary_roc", "draw_confusion", "draw_label_confusions", "draw_roc", "most_mistaken"]

_MANY_CLASSES, _MANY_NUMBERS = 12, 20
_ROW = 4  # small matrices per row
_PITCH = (2.9, 3.1)  # distance from one small matrix to the next, in cells


def draw_roc(ax: Axes, names: Sequence[str], truth: Array, scores: Array, areas: Mapping[str, Any]) -> Axes:
    """Draw ROC curves of several classes or labels: micro and macro average, and one curve per name for up to 12 names.

    Args:
        ax: The axes.
        names: Names of the columns.
        truth: True for positives, ``(n, columns)``.
        scores: Scores, higher for more likely positives, ``(n, columns)``.
        areas: Areas under the curves from ``roc_areas``: ``micro``, ``macro`` and ``per_class``.
    """
    from sklearn.metrics import roc_curve

    _draw_diagonal(ax)
    known = [k for k, name in enumerate(names) if areas["per_class"][name] is not None]
    grid = np.linspace(0.0, 1.0, 501)
    mean = np.zeros_like(grid)
    for place, k in enumerate(known):
        fpr, tpr, _ = roc_curve(truth[:, k], scores[:, k])
        mean += np.interp(grid, fpr, tpr) / len(known)
        if len(names) <= _MANY_CLASSES:
            text = f"{label(names[k], 20)}  {areas['per_class'][names[k]]:.3f}"
            dash = DASHES[place // len(PALETTE) % 2]
            ax.plot(fpr, tpr, color=PALETTE[place % len(PALETTE)], linewidth=0.9, linestyle=dash, label=text)
    if areas["micro"] is not None:
        fpr, tpr, _ = roc_curve(truth.ravel(), scores.ravel())
        ax.plot(fpr, tpr, color=ink(), linewidth=2.4, label=f"micro  {areas['micro']:.3f}")
    if known:
        text = f"macro  {areas['macro']:.3f}"
        ax.plot([0, *grid], [0, *mean], color=ink(), linewidth=2.4, linestyle=(0, (2.5, 1.5)), label=text)
    return _framed(ax)


def draw_binary_roc(ax: Axes, name: str, truth: Array, scores: Array, area: float | None, threshold: float) -> Axes:
    """Draw the ROC curve of the positive class with the point of its threshold; no curve if the area is not defined.

    Args:
        ax: The axes.
        name: Name of the positive class.
        truth: True for positives, ``(n,)``.
        scores: Probabilities of the positive class, ``(n,)``.
        area: Area under the curve; None if positives or negatives are missing.
        threshold: Probability at or above which the positive class is predicted.
    """
    from sklearn.metrics import roc_curve

    _draw_diagonal(ax)
    if area is not None:
        fpr, tpr, _ = roc_curve(truth, scores)
        ax.plot(fpr, tpr, color=BLUE, linewidth=2.4, label=f"{label(name)}  {area:.3f}")
        predicted = scores >= threshold
        point = float(predicted[~truth].mean()), float(predicted[truth].mean())
        ax.plot(*point, "o", color=ORANGE, markersize=7, label=f"threshold {threshold:.3g}")
    return _framed(ax)


def _draw_diagonal(ax: Axes) -> None:
    ax.plot([0, 1], [0, 1], color=ink(), alpha=0.35, linewidth=0.9, linestyle=(0, (1, 2)))


def _framed(ax: Axes) -> Axes:
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="false positive rate", ylabel="true positive rate")
    dress(ax, grid="both")
    legend_below(ax, columns=2)
    return ax


def draw_confusion(ax: Axes, matrix: Array, classes: Sequence[str]) -> Axes:
    """Draw a confusion matrix. Colour shows the share of the row, blue if correct and orange if wrong.

    Args:
        ax: The axes.
        matrix: Counts, ``(classes, classes)``; rows are true classes. Counts are written for up to 20 classes.
        classes: Names of the classes.
    """
    counts, n = np.asarray(matrix), len(classes)
    ax.imshow(_colours(counts), aspect="equal")
    size = 8.0 if n <= _MANY_NUMBERS else 6.0
    names = [label(name, 18) for name in classes]
    ax.set_xticks(range(n), names, rotation=90 if n > 3 else 0, fontsize=size, parse_math=False)
    ax.set_yticks(range(n), names, fontsize=size, parse_math=False)
    if n <= _MANY_NUMBERS:
        for row, column in np.ndindex(n, n):
            faint = 0.3 if counts[row, column] == 0 else 1.0
            number = f"{counts[row, column]:d}"
            ax.text(column, row, number, ha="center", va="center", fontsize=size, alpha=faint, color=ink())
    ax.set(xlabel="predicted", ylabel="true")
    dress(ax, grid=None)
    ax.spines[:].set_visible(False)
    ax.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    ax.grid(which="minor", alpha=0.12, linewidth=0.5)
    ax.tick_params(which="minor", length=0)
    return ax


def _colours(counts: Array) -> Array:
    """RGBA colour of each cell: correct predictions in one colour, mistakes in another."""
    from matplotlib.colors import to_rgb

    n = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.empty((n, n, 4))
    pixels[..., :3] = to_rgb(ORANGE)
    pixels[np.arange(n), np.arange(n), :3] = to_rgb(BLUE)
    # The lower bound keeps a single mistake among thousands visible; empty cells are transparent.
    pixels[..., 3] = np.where(counts > 0, 0.12 + 0.83 * shares**0.7, 0.0)
    return pixels


def most_mistaken(matrices: Mapping[str, Array], most: int = _MANY_CLASSES) -> list[str]:
    """Names of the labels with the most mistakes, at most ``most`` (12 by default), in the order of the labels."""
    wrong = {name: int(np.sum(matrix) - np.trace(matrix)) for name, matrix in matrices.items()}
    kept = sorted(wrong, key=lambda name: -wrong[name])[:most]
    return [name for name in matrices if name in set(kept)]


def draw_label_confusions(ax: Axes, matrices: Mapping[str, Array]) -> Axes:
    """Draw a small confusion matrix for each label, or for the 12 labels with the most mistakes.

    Args:
        ax: The axes.
        matrices: For each label ``[[tn, fp], [fn, tp]]``.
    """
    names = most_mistaken(matrices)
    columns = min(_ROW, max(len(names), 1))
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        _draw_small(ax, column * _PITCH[0], row * _PITCH[1], np.asarray(matrices[name]), name)
        if column == 0:
            for at, answer in enumerate(("no", "yes")):
                ax.text(-0.12, row * _PITCH[1] + at + 0.5, answer, ha="right", va="center", fontsize=8)
    num_rows = -(-len(names) // columns)
    for column, at in np.ndindex(min(columns, len(names)), 2):
        below = (num_rows - (0 if (num_rows - 1) * columns + column < len(names) else 1)) * _PITCH[1] - 0.95
        ax.text(column * _PITCH[0] + at + 0.5, below, ("no", "yes")[at], ha="center", va="top", fontsize=8)
    ax.set(xlim=(-0.6, columns * _PITCH[0] - 0.8), ylim=(num_rows * _PITCH[1] - 0.65, -0.7), aspect="equal")
    ax.set(xlabel="predicted", ylabel="true", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def _draw_small(ax: Axes, left: float, top: float, counts: Array, name: str) -> None:
    from matplotlib.patches import Rectangle

    colours = _colours(counts)
    ax.text(left + 1, top - 0.15, label(name, 17), ha="center", va="bottom", fontsize=8.5, parse_math=False)
    for row, column in np.ndindex(2, 2):
        corner = left + column, top + row
        ax.add_patch(
            Rectangle(corner, 1, 1, facecolor=tuple(colours[row, column]), edgecolor=(*_grey(), 0.35), linewidth=0.5)
        )
        style: Any = {"ha": "center", "va": "center", "fontsize": 8, "alpha": 1.0 if counts[row, column] else 0.3}
        ax.text(corner[0] + 0.5, corner[1] + 0.5, f"{counts[row, column]:d}", **style)


def _grey() -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(PALETTE[-1])
