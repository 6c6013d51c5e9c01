"""Evaluation, the pictures: ROC curves and confusion matrices, of classes and of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.metrics import Classification, MultiLabel
from headstart.plots.axes import BLUE, DASHES, ORANGE, PALETTE, dress, ink, label, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_confusion", "draw_label_confusions", "draw_roc", "most_mistaken"]

_MANY_CLASSES, _MANY_NUMBERS = 12, 20
_ROW = 4  # small matrices beside one another
_PITCH = (2.9, 3.1)  # from one small matrix to the next, in cells

Array = np.ndarray[Any, Any]


def draw_roc(ax: Axes, evaluation: Classification | MultiLabel) -> Axes:
    """ROC curves: for two classes the second one's, with its threshold; else micro, macro and up to 12 classes or labels."""
    ax.plot([0, 1], [0, 1], color=ink(), alpha=0.35, linewidth=0.9, linestyle=(0, (1, 2)))
    if isinstance(evaluation, MultiLabel):
        _draw_rocs(ax, evaluation, evaluation.labels == 1)
    elif evaluation.task == "binary":
        _draw_binary_roc(ax, evaluation)
    else:
        _draw_rocs(ax, evaluation, evaluation.labels[:, None] == np.arange(len(evaluation.classes)))
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="false positive rate", ylabel="true positive rate")
    dress(ax, grid="both")
    legend_below(ax, columns=2)
    return ax


def _draw_rocs(ax: Axes, evaluation: Classification | MultiLabel, truth: Array) -> None:
    from sklearn.metrics import roc_curve

    auc, scores = evaluation.roc_auc, evaluation.answers
    known = [k for k, name in enumerate(evaluation.classes) if auc["per_class"][name] is not None]
    grid = np.linspace(0.0, 1.0, 501)
    mean = np.zeros_like(grid)
    for place, k in enumerate(known):
        fpr, tpr, _ = roc_curve(truth[:, k], scores[:, k])
        mean += np.interp(grid, fpr, tpr) / len(known)
        if len(evaluation.classes) <= _MANY_CLASSES:
            name = f"{label(evaluation.classes[k], 20)}  {auc['per_class'][evaluation.classes[k]]:.3f}"
            dash = DASHES[place // len(PALETTE) % 2]
            ax.plot(fpr, tpr, color=PALETTE[place % len(PALETTE)], linewidth=0.9, linestyle=dash, label=name)
    if auc["micro"] is not None:
        fpr, tpr, _ = roc_curve(truth.ravel(), scores.ravel())
        ax.plot(fpr, tpr, color=ink(), linewidth=2.4, label=f"micro  {auc['micro']:.3f}")
    if known:
        name = f"macro  {auc['macro']:.3f}"
        ax.plot([0, *grid], [0, *mean], color=ink(), linewidth=2.4, linestyle=(0, (2.5, 1.5)), label=name)


def _draw_binary_roc(ax: Axes, evaluation: Classification) -> None:
    from sklearn.metrics import roc_curve

    positive, name = evaluation.labels == 1, evaluation.classes[1]
    if evaluation.roc_auc["per_class"][name] is None:
        return
    fpr, tpr, _ = roc_curve(positive, evaluation.answers[:, 1])
    area = f"{label(name)}  {evaluation.roc_auc['per_class'][name]:.3f}"
    ax.plot(fpr, tpr, color=BLUE, linewidth=2.4, label=area)
    answered = evaluation.predicted == 1
    point = float(answered[~positive].mean()), float(answered[positive].mean())
    ax.plot(*point, "o", color=ORANGE, markersize=7, label=f"threshold {evaluation.threshold:.3g}")


def draw_confusion(ax: Axes, matrix: Array, classes: Sequence[str]) -> Axes:
    """Confusion matrix: colour is the share of the row, blue if right, orange if wrong; counts up to 20 classes."""
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
    """Red, green, blue and opacity of each cell: what is right in one colour, what is wrong in another."""
    from matplotlib.colors import to_rgb

    n = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.empty((n, n, 4))
    pixels[..., :3] = to_rgb(ORANGE)
    pixels[np.arange(n), np.arange(n), :3] = to_rgb(BLUE)
    # A single mistake among thousands stays visible; an empty cell is clear.
    pixels[..., 3] = np.where(counts > 0, 0.12 + 0.83 * shares**0.7, 0.0)
    return pixels


def most_mistaken(matrices: Mapping[str, Array], most: int = _MANY_CLASSES) -> list[str]:
    """The labels with the most wrong answers, at most so many, in the order of the labels."""
    wrong = {name: int(np.sum(matrix) - np.trace(matrix)) for name, matrix in matrices.items()}
    kept = sorted(wrong, key=lambda name: -wrong[name])[:most]
    return [name for name in matrices if name in set(kept)]


def draw_label_confusions(ax: Axes, matrices: Mapping[str, Array]) -> Axes:
    """A small confusion matrix for each label, coloured as ``draw_confusion``; of many, the 12 with the most mistakes.

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
