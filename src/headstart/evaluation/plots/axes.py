"""Colours, labels and axes shared by all figures."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.foundation.progress_display import is_notebook
from headstart.foundation.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BLUE", "DASHES", "ORANGE", "PALETTE", "dress", "ink", "label", "legend_below", "new_axes", "scale", "width"]

BLUE, ORANGE = "#3d85c6", "#d55e00"
# Colours of medium lightness, with a contrast of 3:1 on white and on near-black. They can be distinguished by colour-blind
# readers (after Okabe and Ito, "Color Universal Design", 2008); line styles repeat the distinction.
PALETTE = (BLUE, ORANGE, "#1a9a76", "#b868a0", "#a37a00", "#7b7f86")
DASHES = ("-", (0, (4, 1.5)))


def new_axes() -> Axes:
    """Create axes on a new figure: in a notebook one of pyplot, which is shown and closed after the cell.

    Elsewhere the figure is without pyplot, which would keep it in memory and may open windows.
    """
    from matplotlib.figure import Figure

    make: Callable[..., Figure] = Figure
    if is_notebook():
        from matplotlib import pyplot

        make = pyplot.figure
    axes: Axes = make(figsize=(5.0, 5.0), layout="constrained").add_subplot()
    return axes


def label(text: object, cells: int = 24) -> str:
    r"""Shorten a name for a figure: printable, on one line, at most ``cells`` columns wide (see ``width``; 24 by default).

    Example:
        >>> label("a\nb"), label("abcdefgh", 5)
        ('a\\nb', 'abcd…')
    """
    shown = printable(text)
    if width(shown) <= cells:
        return shown
    kept = int((np.cumsum([width(character) for character in shown]) <= cells - 1).sum())
    return shown[:kept] + "…"


def width(text: str) -> int:
    """Width of a text in columns; East Asian characters take two.

    Example:
        >>> width("한국"), width("ab")
        (4, 2)
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def scale(ax: Axes, axis: str, values: np.ndarray[Any, Any]) -> None:
    """Make an axis logarithmic, with plain numbers, if all values are positive and span more than a factor of 20."""
    from matplotlib.ticker import LogLocator, NullFormatter

    finite = values[np.isfinite(values)]
    if len(finite) == 0 or finite.min() <= 0 or finite.max() / finite.min() <= 20:
        return
    one = ax.xaxis if axis == "x" else ax.yaxis
    ax.set(**{f"{axis}scale": "log"})
    one.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if finite.max() / finite.min() < 500 else (1.0,), numticks=7))
    one.set_major_formatter(lambda value, _: f"{value:g}")
    one.set_minor_formatter(NullFormatter())


def dress(ax: Axes, grid: str | None) -> None:
    """Style axes with faint spines and an optional faint grid (``x``, ``y`` or ``both``) behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_alpha(0.5)
    ax.tick_params(which="both", length=0, pad=5)
    ax.set_axisbelow(True)
    if grid:
        ax.grid(axis=grid)  # type: ignore[arg-type]


def legend_below(ax: Axes, columns: int) -> None:
    """Put the legend below the axes, without parsing mathtext in names."""
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        place: Any = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.14), "ncols": columns}
        legend = ax.legend(**place, frameon=False, handlelength=1.8, columnspacing=1.4)
        for text in legend.get_texts():
            text.set_parse_math(False)


def ink() -> Any:
    """Text colour of the current matplotlib settings."""
    from matplotlib import rcParams

    return rcParams["text.color"]
