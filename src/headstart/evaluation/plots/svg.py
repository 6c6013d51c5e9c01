"""Write figures as SVG files that take their text colour from the page around them, light or dark."""

from __future__ import annotations

import html
import io
import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.foundation.runs.files import write_bytes
from headstart.foundation.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["save_svg"]

_INK = "#123457"  # a colour that nothing else uses, replaced by currentColor in the SVG
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the layout is the same on every machine
    "font.size": 9.0,
    "svg.fonttype": "none",
    "image.interpolation": "none",
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "grid.linewidth": 0.7,
    "grid.alpha": 0.16,
    "axes.linewidth": 0.8,
    "legend.fontsize": 8.5,
} | dict.fromkeys(
    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"),
    _INK,
)
_GLOBALS = threading.Lock()  # matplotlib's settings and Python's warning filters are global to the process


def save_svg(draw: Callable[[Axes], object], path: Path, size: tuple[float, float], title: str = "") -> str:
    """Draw on new axes and write them as an SVG whose text takes the colour of the page around it.

    Equal input gives equal bytes.

    Args:
        draw: Function that draws on the axes it receives.
        path: The file, written atomically.
        size: Width and height in inches.
        title: Description of the figure for screen readers. Defaults to none.

    Returns:
        The text of the file: one ``<svg>`` element that can be embedded in an HTML page.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _GLOBALS, warnings.catch_warnings(), rc_context(_STYLE | {"svg.hashsalt": path.stem}):
        # The browser draws the text with its own fonts, so a glyph missing from the layout font does not matter.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    text = _adapted(buffer.getvalue(), title)
    write_bytes(path, text.encode("utf-8"))
    return text


def _adapted(svg: str, title: str) -> str:
    """Reduce the file to its ``<svg>`` element, with the page's colours and fonts and without ids that other figures use."""
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor").replace("'DejaVu Sans'", _FONT)
    referred = set(re.findall(r"[\"(]#([^\")]+)[\")]", svg))
    svg = re.sub(r'(<[^<>]*?) id="([^"]*)"', lambda m: m[0] if m[2] in referred else m[1], svg)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    # Opened on its own, the file follows the browser's light or dark mode.
    style = "svg:root{color:#1d232b}@media (prefers-color-scheme:dark){svg:root{color:#e4e8ee}}"
    head = f'<svg role="img" aria-label="{html.escape(printable(title))}" stroke-linejoin="round" '
    return re.sub(r"(<svg[^>]*>)", rf"\1\n <style>{style}</style>", head + svg.removeprefix("<svg").lstrip(), count=1)
