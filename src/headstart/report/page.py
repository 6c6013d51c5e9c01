"""Artefacts, the report: the elements of the page. Every string is escaped here, and nowhere else."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files

from headstart.evaluation.plots.svg import save_svg
from headstart.foundation.text import printable
from headstart.report.contents import MALFORMED, Contents, text

__all__ = ["Markup", "escape", "figure", "folded", "guarded", "note", "page", "paragraph", "section", "table"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Markup(str):
    """Text that is HTML already; every other string is escaped on its way into the page."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Text as HTML: control characters and undecodable bytes shown as escapes, markup made harmless."""
    return value if isinstance(value, Markup) else Markup(html.escape(printable(value)))


def paragraph(value: object, kind: str = "") -> Markup:
    """A paragraph, of a style sheet class if one is named."""
    return Markup(f'<p class="{kind}">{escape(value)}</p>' if kind else f"<p>{escape(value)}</p>")


def note(value: object) -> Markup:
    """A remark in place of what is not there."""
    return paragraph(value, "note")


def table(columns: Sequence[object], rows: Iterable[Sequence[object]], marks: Sequence[str] = (), words: int = 1) -> Markup:
    """A table that scrolls sideways where the screen is narrow.

    Args:
        columns: Headings.
        rows: Cells.
        marks: A style sheet class for each row, or none.
        words: How many of the first columns hold words; the others hold numbers, set to the right.
    """

    def line(tag: str, cells: Sequence[object], mark: str = "") -> str:
        body = "".join(f"<{tag}{'' if i < words else ' class=n'}>{escape(cell)}</{tag}>" for i, cell in enumerate(cells))
        return f'<tr class="{mark}">{body}</tr>' if mark else f"<tr>{body}</tr>"

    lines = [line("td", row, marks[i] if i < len(marks) else "") for i, row in enumerate(rows)]
    head = line("th", columns)
    return Markup(
        f'<div class="scroll" tabindex="0"><table><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def folded(summary: object, body: Markup, *, is_open: bool) -> Markup:
    """A part that the reader can open and close; print shows it as it stands."""
    state = " open" if is_open else ""
    return Markup(f"<details{state}><summary>{escape(summary)}</summary>{body}</details>")


def figure(contents: Contents, name: str, draw: Callable[..., object], size: tuple[float, float], caption: object) -> Markup:
    """Write ``plots/<name>.svg`` and set it with its caption; a wide picture keeps a readable size and scrolls."""
    svg = save_svg(draw, contents.folder.path / "plots" / f"{name}.svg", size, title=text(name))
    pixels = 96 * size[0]
    least = f"min-width:{0.8 * pixels:.0f}px;" if pixels > 500 else ""
    frame = f'<div class="scroll" tabindex="0"><div style="{least}max-width:{1.2 * pixels:.0f}px">{svg}</div></div>'
    return Markup(f"<figure>{frame}<figcaption>{escape(caption)}</figcaption></figure>")


def section(name: str, title: str, build: Callable[[Contents], Markup], contents: Contents) -> Markup:
    """A section with its heading."""
    return Markup(f'<section id="{name}"><h2>{escape(title)}</h2>{guarded(build, contents)}</section>')


def guarded(build: Callable[[Contents], Markup], contents: Contents) -> Markup:
    """A part of the page; where the folder's files make no sense, a note that says so."""
    try:
        return build(contents)
    except MALFORMED as error:  # the files were written by anyone; one bad file must not take the page with it
        return note(f"This part cannot be shown, a file of the run is malformed: {type(error).__name__}: {error}")


def page(title: str, header: Markup, links: Sequence[tuple[str, str]], sections: Sequence[Markup]) -> str:
    """The whole document."""
    style = files("headstart.report").joinpath("report.css").read_text("utf-8")
    anchors = "".join(f'<a href="#{name}">{escape(words)}</a>' for name, words in links)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{escape(title)} · Headstart</title>
<style>
{style}</style>
</head>
<body>
<main>
{header}
<nav aria-label="Sections">{anchors}</nav>
{"".join(sections)}
<footer>Made by Headstart from the files of the run.</footer>
</main>
</body>
</html>
"""
