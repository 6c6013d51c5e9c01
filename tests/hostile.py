"""Tables as they should not be: what the tests and ``stress/hostile_tables.py`` feed to every verb."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

__all__ = ["HostileTable", "hostile_table", "hostile_tables"]

Cells = list[str]
Random = np.random.Generator

_ODD_TEXTS = (
    'say "what"',
    "two\nlines",
    "two\r\nlines",
    "a,b",
    "a;b",
    "a\tb",
    "a|b",
    "🙂",
    "👩‍👩‍👧‍👦 family",
    "naïve café",
    "日本語",
    "ÅÄÖ ß",
    "'",
    '"',
    "' quoted '",
    "=1+1",
    "<script>alert(1)</script>",
    "\u202eright to left",
    "\ufeff",
    "\x07 bell",
    "x" * 500,
    " ",
    "-",
    "?",
    "NaN",
    "NULL",
    "None",
    "inf",
    "0x10",
    "1_000",
    "1,5",
    "1.000,5",
    "١٢٣",
    "²",
    "−5",
    "1e400",
    "-0",
    "%",
    "$5",
    "True",
    "..",
    "/tmp",
    "../x",
    "c0",
    "row",
)
_HUGE = (
    "1e308",
    "-1e308",
    "1.8e308",
    "1e-308",
    "4e-324",
    "1e39",
    "-1e39",
    "3.4e38",
    "1e-46",
    "0",
    "-0.0",
    "9007199254740993",
)
_NAMES = (
    "size",
    "row",
    "path",
    "split",
    "predicted",
    "probabilities",
    "rows",
    "label",
    "error",
    "p_a",
    "",
    "size",
    "Größe",
    "🙂",
    "two\nlines",
    "a,b",
    'the "x"',
    "1",
    "-1",
    "c0",
    "c1",
    "encoder/0",
    "model/0",
    "nan",
    "x" * 300,
    "a:b",
    "..",
    "id",
    "__class__",
)


def _words(*words: str) -> Callable[[Random, int], Cells]:
    return lambda random, rows: [words[number] for number in random.integers(0, len(words), rows)]


def _numbers(random: Random, rows: int) -> Cells:
    return [f"{value:.4f}" for value in random.normal(10, 3, rows)]


def _with_gaps(share: float, fill: str = "") -> Callable[[Random, int], Cells]:
    return lambda random, rows: [cell if random.random() > share else fill for cell in _numbers(random, rows)]


def _days(random: Random, rows: int) -> list[Any]:
    return [np.datetime64("1960-01-01") + int(day) for day in random.integers(0, 30_000, rows)]


def _iso_dates(random: Random, rows: int) -> Cells:
    return [str(day) for day in _days(random, rows)]


def _western_dates(random: Random, rows: int) -> Cells:
    parts = [str(day).split("-") for day in _days(random, rows)]
    return [f"{day}/{month}/{year}" for year, month, day in parts]


def _odd_dates(random: Random, rows: int) -> Cells:
    odd = ("0000-00-00", "31.2.2020", "9999-12-31", "0001-01-01", "2020-13-01", "2020-01-01T25:00", "1.1.70")
    return [
        odd[number] if number < len(odd) else day
        for number, day in zip(random.integers(0, 20, rows), _iso_dates(random, rows), strict=True)
    ]


def _mixed(random: Random, rows: int) -> Cells:
    kinds = [_numbers(random, rows), _iso_dates(random, rows), _words(*_ODD_TEXTS)(random, rows)]
    return [kinds[kind][row] for row, kind in enumerate(random.integers(0, 3, rows))]


def _different(random: Random, rows: int) -> Cells:
    return [f"level {number}" for number in random.permutation(rows)]


def _one_alone(random: Random, rows: int) -> Cells:
    cells = _words("a", "b")(random, rows)
    return [*cells[:-1], "alone"] if rows else cells


def _lists(random: Random, rows: int) -> Cells:
    return [";".join(word for word in ("wet", "cold", "dark") if random.random() < 0.5) for _ in range(rows)]


def _many(random: Random, rows: int) -> Cells:
    return [f"level {number}" for number in random.integers(0, 10_000, rows)]


COLUMNS: dict[str, Callable[[Random, int], Cells]] = {
    "numbers": _numbers,
    "gaps": _with_gaps(0.3),
    "question marks": _with_gaps(0.5, "?"),
    "words among numbers": _with_gaps(0.04, "unknown"),
    "empty": lambda _, rows: [""] * rows,
    "constant": lambda _, rows: ["7"] * rows,
    "infinities": _words("inf", "-inf", "1", "2", "3.5", "Infinity", "nan"),
    "huge and tiny": _words(*_HUGE),
    "counts": lambda _, rows: [str(row) for row in range(rows)],
    "large counts": lambda random, rows: [str(10**15 + int(value)) for value in random.integers(0, 10**6, rows)],
    "skewed": lambda random, rows: [f"{value:.6g}" for value in np.exp(8 * random.normal(size=rows))],
    "three words": _words("red", "green", "blue"),
    "two words": _words("yes", "no"),
    "truth": _words("True", "False", "true", "FALSE"),
    "bits": _words("0", "1"),
    "many words": _many,
    "different words": _different,
    "odd texts": _words(*_ODD_TEXTS),
    "dates": _iso_dates,
    "western dates": _western_dates,
    "odd dates": _odd_dates,
    "mixed": _mixed,
    "commas for points": lambda random, rows: [cell.replace(".", ",") for cell in _numbers(random, rows)],
}
TARGETS: dict[str, Callable[[Random, int], Cells]] = {
    **{
        kind: COLUMNS[kind]
        for kind in ("numbers", "gaps", "huge and tiny", "infinities", "bits", "skewed", "dates", "mixed")
    },
    **{kind: COLUMNS[kind] for kind in ("constant", "empty", "odd texts", "many words", "different words", "counts")},
    "two": _words("yes", "no"),
    "three": _words("ash", "elm", "oak"),
    "two with gaps": _words("yes", "no", "yes", "no", ""),
    "ten": _words("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    "one alone": _one_alone,
    "lists": _lists,
    "odd classes": _words("a;b", "two\nlines", "🙂", "<b>", 'the "x"', "p_a"),
    "skewed classes": _words("a", *["b"] * 30),
    "words among numbers": _with_gaps(0.04, "unknown"),
}
_USABLE = ("two", "two", "three", "two with gaps", "numbers", "skewed", "lists", "odd classes", "ten", "words among numbers")
# The first are the usual ones, and as likely as all the others together.
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1")
_SEPARATORS = (",", ";", "\t", "|", " ")
_QUOTES = ("minimal", "all", "single", "none")
_LINE_ENDS = ("\n", "\r\n", "\r")
# Where tables are small, splits, classes and statistics come to nothing.
_SMALL, _LARGER, _LARGEST = (0, 1, 2, 3, 5, 8, 12, 20), (30, 50, 80, 120, 200, 300), 12_000


@dataclass(frozen=True)
class HostileTable:
    """A file to learn from, and another one to answer for.

    Attributes:
        what: In words, for messages.
        content: The file.
        later: Fresh rows of the same columns, which hold categories and kinds of cells that were not there before.
        num_rows: Rows of ``content`` besides a header; None where nobody could tell, without quotes say.
    """

    what: str
    content: bytes
    later: bytes
    num_rows: int | None

    def __repr__(self) -> str:
        return self.what


def hostile_table(number: int) -> HostileTable:
    """A table of any kind, encoding and size, by its number; nearly half of them can be learned from."""
    random = np.random.default_rng(number)
    kinds = [_any(sorted(COLUMNS), random) for _ in range(int(random.integers(0, 7)))]
    target = _any(_USABLE if random.random() < 0.6 else sorted(TARGETS), random)
    rows = int(_any(_SMALL if random.random() < 0.2 else _LARGER, random))
    if "many words" in (*kinds, target) and random.random() < 0.25:
        rows = _LARGEST
    names = [*(_any(_NAMES, random) for _ in kinds), _any(("kind", "label", "y", "", "size"), random)]
    has_header = random.random() < 0.75
    form = _Form(
        encoding=_any(_ENCODINGS, random, usual=0.5),
        separator=_any(_SEPARATORS, random, usual=0.5),
        quotes=_any(_QUOTES, random, usual=0.5),
        line_end=_any(_LINE_ENDS, random, usual=0.5),
        ragged=float(_any((0.0, 0.05, 0.3), random, usual=0.5)),
        blanks=float(_any((0.0, 0.1), random, usual=0.5)),
        zeros=random.random() < 0.03,
    )
    cells = [COLUMNS[kind](random, rows) for kind in kinds] + [TARGETS[target](random, rows)]
    content = form.write(names if has_header else None, cells, random)
    num_later = min(max(rows, 1), 40)
    fresh = [_unseen(COLUMNS[kind](random, num_later), random) for kind in kinds] + [TARGETS[target](random, num_later)]
    order = [*range(len(fresh))]
    if has_header and random.random() < 0.5:
        random.shuffle(order)
    if kinds and random.random() < 0.3:
        order.remove(len(kinds))  # as tables are that one wants answers for
    later = form.write([names[i] for i in order] if has_header else None, [fresh[i] for i in order], random)
    shown = [name[:20] for name in names] if has_header else "no header"
    what = f"number {number}: {rows} rows of {', '.join(kinds) or 'nothing'} -> {target}; {shown}; {form}"
    return HostileTable(what, content, later, rows if form.is_plain else None)


def hostile_tables() -> st.SearchStrategy[HostileTable]:
    """Such tables for Hypothesis."""
    return st.builds(hostile_table, st.integers(0, 2**32 - 1))


def _any(values: Sequence[Any], random: Random, usual: float = 0.0) -> Any:
    """One of the values; the first of them in a share of the cases."""
    return values[0 if random.random() < usual else int(random.integers(len(values)))]


@dataclass(frozen=True)
class _Form:
    """How a table is written down."""

    encoding: str
    separator: str
    quotes: str
    line_end: str
    ragged: float
    blanks: float
    zeros: bool

    @property
    def is_plain(self) -> bool:
        """Whether each row can be told from the next without guessing."""
        # With \r at the end of lines, csv leaves \n without quotes.
        is_quoted = self.quotes == "all" or (self.quotes == "minimal" and self.separator != " " and self.line_end != "\r")
        return is_quoted and self.encoding.startswith("utf") and not self.ragged and not self.zeros

    def write(self, names: Cells | None, columns: list[Cells], random: Random) -> bytes:
        """The bytes of a file."""
        file = io.StringIO(newline="")
        rows = [[*row] for row in zip(*columns, strict=True)] if columns else []
        for row in rows:
            if random.random() < self.ragged:
                row[:] = row[: int(random.integers(0, len(row) + 1))] or [*row, "more"]
        if names is not None:
            rows.insert(0, [*names])
        for row in rows:
            if random.random() < self.blanks:
                file.write(self.line_end)
            if self.quotes == "none":
                file.write(self.separator.join(row) + self.line_end)
                continue
            quoting = csv.QUOTE_ALL if self.quotes == "all" else csv.QUOTE_MINIMAL
            quote = "'" if self.quotes == "single" else '"'
            csv.writer(
                file, delimiter=self.separator, quotechar=quote, quoting=quoting, lineterminator=self.line_end
            ).writerow(row)
        text = file.getvalue()
        return (text[:40] + "\0" + text[40:] if self.zeros else text).encode(self.encoding, "replace")


def _unseen(cells: Cells, random: Random) -> Cells:
    """Some of the cells are something else now."""
    odd = ("unseen", "", "inf", "1e300", "2020-01-01", "🙂", "-1", "x" * 1000, "two\nlines")
    return [odd[int(random.integers(len(odd)))] if random.random() < 0.2 else cell for cell in cells]
