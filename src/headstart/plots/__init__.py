"""Evaluation: the pictures. One function per figure, drawn on given axes."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.errors import printable
from headstart.metrics import Evaluation
from headstart.plots.svg import save_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "PALETTE",
    "TrialPoint",
    "draw_confusion",
    "draw_leaderboard",
    "draw_loss",
    "draw_roc",
    "label",
    "new_axes",
    "save_svg",
]

BLUE, ORANGE = "#3d85c6", "#d55e00"
# Of middle lightness: each has a contrast of 3 to 1 on white and on near-black. Colour-blind eyes tell them apart
# (after Okabe and Ito, "Color Universal Design", 2008), and dashes repeat the difference.
PALETTE = (BLUE, ORANGE, "#1a9a76", "#b868a0", "#a37a00", "#7b7f86")
_DASHES = ("-", (0, (4, 1.5)))
_MANY_CLASSES, _MANY_NUMBERS, _MANY_TRIALS = 12, 20, 12


class TrialPoint(NamedTuple):
    """A trial in the picture of execution time against ``val_loss``."""

    trial: str
    total_seconds: float
    val_loss: float
    on_front: bool


def new_axes() -> Axes:
    """Axes on a figure of their own; pyplot and its windows are left alone."""
    from matplotlib.figure import Figure

    axes: Axes = Figure(figsize=(5.0, 5.0), layout="constrained").add_subplot()
    return axes


def label(text: object, cells: int = 24) -> str:
    r"""A name that is safe in a picture: one line, at most ``cells`` columns wide (East Asian characters take two).

    Example:
        >>> label("a\nb"), label("abcdefgh", 5)
        ('a\\nb', 'abcd…')
    """
    shown = printable(text)
    widths = _widths(shown)
    if sum(widths) <= cells:
        return shown
    kept = int((np.cumsum(widths) <= cells - 1).sum())
    return shown[:kept] + "…"


def _widths(text: str) -> list[int]:
    return [2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text]


def draw_roc(ax: Axes, evaluation: Evaluation) -> Axes:
    """ROC curves: for two classes the second one's, with its threshold; else micro, macro and up to 12 classes."""
    ax.plot([0, 1], [0, 1], color=_ink(), alpha=0.35, linewidth=0.9, linestyle=(0, (1, 2)))
    (_draw_binary_roc if evaluation.task == "binary" else _draw_class_rocs)(ax, evaluation)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="false positive rate", ylabel="true positive rate")
    _dress(ax, grid="both")
    _legend_below(ax, columns=2)
    return ax


def _draw_class_rocs(ax: Axes, evaluation: Evaluation) -> None:
    from sklearn.metrics import roc_curve

    auc, scores = evaluation.roc_auc, evaluation.probabilities
    truth = evaluation.labels[:, None] == np.arange(len(evaluation.classes))
    known = [k for k, name in enumerate(evaluation.classes) if auc["per_class"][name] is not None]
    grid = np.linspace(0.0, 1.0, 501)
    mean = np.zeros_like(grid)
    for place, k in enumerate(known):
        fpr, tpr, _ = roc_curve(truth[:, k], scores[:, k])
        mean += np.interp(grid, fpr, tpr) / len(known)
        if len(evaluation.classes) <= _MANY_CLASSES:
            name = f"{label(evaluation.classes[k], 20)}  {auc['per_class'][evaluation.classes[k]]:.3f}"
            dash = _DASHES[place // len(PALETTE) % 2]
            ax.plot(fpr, tpr, color=PALETTE[place % len(PALETTE)], linewidth=0.9, linestyle=dash, label=name)
    fpr, tpr, _ = roc_curve(truth.ravel(), scores.ravel())
    ax.plot(fpr, tpr, color=_ink(), linewidth=2.4, label=f"micro  {auc['micro']:.3f}")
    if known:
        name = f"macro  {auc['macro']:.3f}"
        ax.plot([0, *grid], [0, *mean], color=_ink(), linewidth=2.4, linestyle=(0, (2.5, 1.5)), label=name)


def _draw_binary_roc(ax: Axes, evaluation: Evaluation) -> None:
    from sklearn.metrics import roc_curve

    positive, name = evaluation.labels == 1, evaluation.classes[1]
    if evaluation.roc_auc["per_class"][name] is None:
        return
    fpr, tpr, _ = roc_curve(positive, evaluation.probabilities[:, 1])
    area = f"{label(name)}  {evaluation.roc_auc['per_class'][name]:.3f}"
    ax.plot(fpr, tpr, color=BLUE, linewidth=2.4, label=area)
    answered = evaluation.predicted == 1
    point = float(answered[~positive].mean()), float(answered[positive].mean())
    ax.plot(*point, "o", color=ORANGE, markersize=7, label=f"threshold {evaluation.threshold:.3g}")


def draw_confusion(ax: Axes, matrix: np.ndarray[Any, Any], classes: Sequence[str]) -> Axes:
    """Confusion matrix: colour is the share of the row, blue if right, orange if wrong; counts up to 20 classes."""
    from matplotlib.colors import to_rgb

    counts, n = np.asarray(matrix), len(classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.empty((n, n, 4))
    pixels[..., :3] = to_rgb(ORANGE)
    pixels[np.arange(n), np.arange(n), :3] = to_rgb(BLUE)
    # A single mistake among thousands stays visible; an empty cell is clear.
    pixels[..., 3] = np.where(counts > 0, 0.12 + 0.83 * shares**0.7, 0.0)
    ax.imshow(pixels, aspect="equal")
    size = 8.0 if n <= _MANY_NUMBERS else 6.0
    names = [label(name, 18) for name in classes]
    ax.set_xticks(range(n), names, rotation=90 if n > 3 else 0, fontsize=size, parse_math=False)
    ax.set_yticks(range(n), names, fontsize=size, parse_math=False)
    if n <= _MANY_NUMBERS:
        for row, column in np.ndindex(n, n):
            faint = 0.3 if counts[row, column] == 0 else 1.0
            number = f"{counts[row, column]:d}"
            ax.text(column, row, number, ha="center", va="center", fontsize=size, alpha=faint, color=_ink())
    ax.set(xlabel="predicted", ylabel="true")
    _dress(ax, grid=None)
    ax.spines[:].set_visible(False)
    ax.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    ax.grid(which="minor", alpha=0.12, linewidth=0.5)
    ax.tick_params(which="minor", length=0)
    return ax


def draw_loss(ax: Axes, history: Sequence[Mapping[str, float | None]]) -> Axes:
    """Training and validation loss by epoch, the best epoch marked; logarithmic where the values are far apart.

    Args:
        ax: The axes.
        history: Rows with ``epoch``, ``loss`` and ``val_loss``; a value that is None or not finite leaves a gap.
    """
    from matplotlib.ticker import MaxNLocator

    columns = {key: _column(history, key) for key in ("epoch", "loss", "val_loss")}
    epochs = np.where(np.isnan(columns["epoch"]), np.arange(1, len(history) + 1), columns["epoch"])
    dot = "o" if len(history) <= 2 else ""  # a line through one point is invisible
    ax.plot(epochs, columns["loss"], color=ORANGE, linestyle=_DASHES[1], linewidth=1.5, marker=dot, label="training")
    ax.plot(epochs, columns["val_loss"], color=BLUE, linewidth=2.2, marker=dot, label="validation")
    if np.isfinite(columns["val_loss"]).any():
        best = int(np.nanargmin(columns["val_loss"]))
        text = f"best {columns['val_loss'][best]:.3f}, epoch {epochs[best]:g}"
        ax.plot(epochs[best], columns["val_loss"][best], "o", color=BLUE, markersize=7, label=text)
    _scale(ax, "y", np.concatenate([columns["loss"], columns["val_loss"]]))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    ax.set(xlabel="epoch", ylabel="loss")
    if len(epochs) == 1:
        ax.set_xlim(epochs[0] - 1, epochs[0] + 1)
    _dress(ax, grid="y")
    _legend_below(ax, columns=3)
    return ax


def draw_leaderboard(ax: Axes, points: Sequence[TrialPoint]) -> Axes:
    """Execution time against ``val_loss``: the Pareto front joined, trials named (of many, those on the front)."""
    front = sorted((p for p in points if p.on_front), key=lambda p: p.total_seconds)
    behind = [p for p in points if not p.on_front]
    ax.plot([p.total_seconds for p in behind], [p.val_loss for p in behind], "o", color=PALETTE[-1], markersize=6)
    x, y = [p.total_seconds for p in front], [p.val_loss for p in front]
    ax.plot(x, y, "-o", color=BLUE, drawstyle="steps-post", markersize=7, linewidth=1.4)
    _scale(ax, "x", np.array([p.total_seconds for p in points]))
    _scale(ax, "y", np.array([p.val_loss for p in points]))
    ax.margins(0.14, 0.16)
    ax.set(xlabel="execution time, seconds", ylabel="validation loss")
    _dress(ax, grid="both")
    _name_points(ax, points if len(points) <= _MANY_TRIALS else front)
    return ax


def _name_points(ax: Axes, points: Sequence[TrialPoint]) -> None:
    """Write each name beside its point, at the first of six places where it meets no other point or name."""
    from matplotlib.transforms import Bbox

    ax.autoscale_view()
    to_points = 72 / ax.figure.dpi
    width = ax.bbox.width * to_points
    pixels = ax.transData.transform(np.array([(p.total_seconds, p.val_loss) for p in points]).reshape(-1, 2))
    spots = [tuple((pixel - ax.bbox.min) * to_points) for pixel in pixels]
    taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in spots]
    for point, (x, y) in zip(points, spots, strict=True):
        text = label(point.trial, 34)
        span = 4.7 * sum(_widths(text))
        for dx, dy, side in ((3, 12, 0), (-3, -12, 1), (-9, 0, 1), (9, 0, 0), (-3, 12, 1), (3, -12, 0)):
            left = x + dx - side * span
            box = Bbox.from_extents(left, y + dy - 6, left + span, y + dy + 6)
            if left > 0 and box.x1 < width and not box.count_overlaps(taken):
                taken.append(box)
                style: Any = {"ha": ("left", "right")[side], "va": "center", "fontsize": 8, "parse_math": False}
                place = point.total_seconds, point.val_loss
                ax.annotate(text, place, (dx, dy), textcoords="offset points", **style)
                break


def _column(history: Sequence[Mapping[str, float | None]], key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    column = np.array([row.get(key) for row in history], dtype=np.float64)  # None becomes NaN
    return np.where(np.isfinite(column), column, np.nan)


def _scale(ax: Axes, axis: str, values: np.ndarray[Any, Any]) -> None:
    """A logarithmic axis with plain numbers where all values are positive and more than a factor of 20 apart."""
    from matplotlib.ticker import LogLocator, NullFormatter

    finite = values[np.isfinite(values)]
    if len(finite) == 0 or finite.min() <= 0 or finite.max() / finite.min() <= 20:
        return
    one = ax.xaxis if axis == "x" else ax.yaxis
    ax.set(**{f"{axis}scale": "log"})
    one.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if finite.max() / finite.min() < 500 else (1.0,)))
    one.set_major_formatter(lambda value, _: f"{value:g}")
    one.set_minor_formatter(NullFormatter())


def _dress(ax: Axes, grid: str | None) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_alpha(0.5)
    ax.tick_params(length=0, pad=5)
    ax.set_axisbelow(True)
    if grid:
        ax.grid(axis=grid)  # type: ignore[arg-type]


def _legend_below(ax: Axes, columns: int) -> None:
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        place: Any = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.14), "ncols": columns}
        legend = ax.legend(**place, frameon=False, handlelength=1.8, columnspacing=1.4)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _ink() -> Any:
    from matplotlib import rcParams

    return rcParams["text.color"]
