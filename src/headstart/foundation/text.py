"""Formatting of names: natural sort order, printable text, short lists, HTML, and the name that was probably meant."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["alike", "html_card", "html_table", "listed", "natural_key", "nearest", "printable", "with_suggestion"]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key for natural order, which ignores case: ``img2`` comes before ``img10``."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts if p] or [(0, 0, "")]


def printable(text: object) -> str:
    r"""Make text safe for a terminal or a CSV cell: control characters and undecodable bytes become escapes.

    Example:
        >>> printable("a\nb\x1b[31m")
        'a\\nb\\x1b[31m'
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in shown
    )


def listed(names: Sequence[str], most: int = 20) -> str:
    """Join names for a message; after the first ``most``, only their number is given."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def alike(names: Iterable[str]) -> list[list[str]]:
    """Groups of two or more names that differ only in case, blanks or Unicode form, in the order of the names.

    Example:
        >>> alike(["Yes", "no", "yes ", "maybe"])
        [['Yes', 'yes ']]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault("".join(unicodedata.normalize("NFC", name).casefold().split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known name most similar to a word, ignoring case; an empty string if none is similar.

    Example:
        >>> nearest("Learning-rate", ["learning_rate", "tail_rate"])
        'learning_rate'
    """
    import difflib  # needed for errors only, and this module is imported by nearly every other

    by_case = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word[:100].casefold(), list(by_case), n=1)
    return by_case[matches[0]] if matches else ""


def with_suggestion(names: str | Sequence[str], known: Iterable[str]) -> str:
    """Return an unknown name, or several, for a message, with the known name that is most similar to the first.

    Example:
        >>> with_suggestion("onxx", ["onnx", "openvino"]), with_suggestion(["torchscript", "x"], ["onnx", "openvino"])
        ('onxx; did you mean onnx?', 'torchscript, x')
    """
    names = [names] if isinstance(names, str) else names
    close = nearest(names[0], known) if names else ""
    return ", ".join(map(printable, names)) + (f"; did you mean {printable(close)}?" if close else "")


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table, for notebooks, whose first column holds names; every text is escaped.

    Example:
        >>> html_table(["a", "b"], [["<b>", 1]]).partition("<tbody>")[2]
        '<tr><td style="text-align: left">&lt;b&gt;</td><td>1</td></tr></tbody></table>'
    """

    def line(tag: str, cells: Sequence[object]) -> str:
        name, *others = [html.escape(printable(cell)) for cell in cells]
        numbers = "".join(f"<{tag}>{text}</{tag}>" for text in others)
        return f'<tr><{tag} style="text-align: left">{name}</{tag}>{numbers}</tr>'

    body = "".join(line("td", row) for row in rows)
    return f'<table class="dataframe"><thead>{line("th", columns)}</thead><tbody>{body}</tbody></table>'


def html_card(title: str, lines: Iterable[str], table: str = "") -> str:
    """A title, a table and lines below it as HTML, for notebooks; texts are escaped, the table is HTML already."""
    texts = "".join(f"<div>{html.escape(printable(line))}</div>" for line in lines)
    return f"<div><strong>{html.escape(printable(title))}</strong>{table}{texts}</div>"
