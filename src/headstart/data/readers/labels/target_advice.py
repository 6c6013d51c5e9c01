"""Advice for target columns that cannot be learned: the next thing to type."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence

import numpy as np

from headstart.data.tables.dates import are_dates
from headstart.data.tables.name_hints import is_id_name
from headstart.data.tables.preprocess import readings_of
from headstart.data.tables.table import Table
from headstart.foundation.text import listed, printable

__all__ = ["about_one_value", "about_texts", "another_target"]

_NUM_TRIED, _MAX_CLASSES, _MAX_UNITS = 500, 20, 6
_OPPOSITES = {"yes": "no", "true": "false", "y": "n"}
_INEXACT = "~≈<>±= "


def another_target(table: Table, besides: Sequence[str]) -> str:
    """Advice to name the target: the first column whose values recur, else the first one that is no id."""
    others = [name for name in table.names if name not in besides and not is_id_name(name)]
    if not others:
        return "add a column with the label of each row"
    name = next((name for name in others if _recur(table.head(name, _NUM_TRIED))), others[0])
    return f"choose another column, for example --target {shlex.quote(printable(name))}"


def _recur(cells: Sequence[object]) -> bool:
    texts = [text for text in map(str, cells) if text not in ("", "nan", "NaT")]
    return 1 < len(set(texts)) <= min(_MAX_CLASSES, len(texts) // 2)


def about_one_value(table: Table, name: str, values: Sequence[str], besides: Sequence[str], *, has_blank: bool) -> str:
    """Advice for a target with fewer than two values: blank cells beside the only one may stand for its opposite."""
    other = another_target(table, besides)
    if len(values) != 1 or not has_blank:
        return other
    no = _OPPOSITES.get(values[0].lower(), "0")
    column = json.dumps(name, ensure_ascii=False)
    program = (
        f'import pandas; t = pandas.read_csv("TABLE.csv"); t[{column}] = t[{column}].fillna({json.dumps(no)}); '
        't.to_csv("FILLED.csv", index=False)'
    )
    return f"if blank means {no}, write it: python -c {shlex.quote(program)}; else {other}"


def about_texts(name: str, texts: Sequence[str]) -> tuple[str, str]:
    """Describe different texts that hardly recur, if they are amounts or dates, and advise; ("", "") for all others."""
    some = [*texts[:: 1 + len(texts) // _NUM_TRIED]]
    if are_dates(np.array(some, object), 0.9):
        column = json.dumps(name, ensure_ascii=False)
        days = f'(pandas.to_datetime(t[{column}]) - pandas.Timestamp("2000-01-01")).dt.days'
        program = f'import pandas; t = pandas.read_csv("TABLE.csv"); t[{column}] = {days}; t.to_csv("DAYS.csv", index=False)'
        return "dates or times", f"predict a number of days: python -c {shlex.quote(program)}"
    found = [next(iter(readings.values())) for text in some if (readings := readings_of(text.strip(_INEXACT)))]
    units = Counter(reading.unit for reading in found)
    if 10 * len(found) < 9 * len(some) or len(units) > _MAX_UNITS:
        return "", ""
    if len(units) < 2:
        return "numbers with other signs", "write plain numbers into the column, such as 12.5"
    shown = listed([unit or "none" for unit, _ in units.most_common()])
    return f"amounts with the units {shown}", "write all amounts in one unit, as numbers, such as 0.5 instead of 500 g"
