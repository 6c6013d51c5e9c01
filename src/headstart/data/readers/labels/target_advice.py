"""Advice for target columns that cannot be learned: the next thing to type."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from headstart.data.tables.dates import learn_dates
from headstart.data.tables.files.read_cells import table_name
from headstart.data.tables.name_hints import is_id_name
from headstart.data.tables.preprocess import readings_of
from headstart.data.tables.table import Table
from headstart.foundation.text import listed, printable

__all__ = ["about_one_value", "about_texts", "another_target"]

_NUM_TRIED, _MAX_CLASSES, _MAX_UNITS = 500, 20, 6
_OPPOSITES = {"yes": "no", "true": "false", "y": "n"}
_INEXACT = "~≈<>±= "
_MIN_READ = 0.9  # share of texts that must be dates, times or durations
_DURATION = re.compile(r"-?\d+(:[0-5]?\d){1,2}(\.\d+)?", re.ASCII)
_DOTTED = re.compile(r"\d{1,2}\.\d{1,2}\.")  # the day comes first in 31.1.2024
_READ = {  # by suffix: how pandas reads a file that is not CSV
    ".parquet": "read_parquet({})",
    ".pq": "read_parquet({})",
    ".feather": "read_feather({})",
    ".arrow": "read_feather({})",
    ".json": "read_json({})",
    ".jsonl": "read_json({}, lines=True)",
    ".ndjson": "read_json({}, lines=True)",
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"), "read_excel({})"),
}
_DATES = 'd = pandas.to_datetime({cells}, format="mixed", utc=True{day_first}); '

# By what the texts are: their name, what to predict, statements, and the numbers in terms of the cells.
_MOMENTS = {
    "duration": (
        "durations or times of day",
        "seconds (h:mm:ss or m:ss)",
        r'd = {cells}.astype(str).str.replace(r"^(-?)(\d+:[\d.]+)$", r"\g<1>0:\2", regex=True); ',
        "pandas.to_timedelta(d).dt.total_seconds()",
    ),
    "time": ("times of day", "seconds since midnight", _DATES, "(d - d.dt.normalize()).dt.total_seconds()"),
    "date": ("dates", "days", _DATES, '(d - pandas.Timestamp("2000-01-01", tz="UTC")) / pandas.Timedelta(days=1)'),
}


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
    filled = f"{{cells}}.astype(object).fillna({json.dumps(no)})"
    return f"if blank means {no}, write it: {_rewritten(table, name, 'filled', filled)}; else {other}"


def _rewritten(table: Table, name: str, suffix: str, numbers: str, statements: str = "") -> str:
    """Command that writes a table with other cells in one column to a CSV file beside it, whose name gets a suffix."""
    path = Path(table.source or "TABLE.csv")
    read = f"pandas.{_READ.get(path.suffix.lower(), _read_csv(table))}".format(_text(path))
    out = path.with_name(f"{table_name(path)}-{suffix}.csv")
    cells = f"t[{_text(name)}]"
    statements, numbers = statements.replace("{cells}", cells), numbers.replace("{cells}", cells)
    program = f"import pandas; t = {read}; {statements}{cells} = {numbers}; t.to_csv({_text(out)}, index=False)"
    return f"python -c {shlex.quote(program)}"


def _read_csv(table: Table) -> str:
    separator = {"": ",", " ": r"\s+"}.get(table.separator, table.separator)
    settings = "" if separator == "," else f", sep={_text(separator)}"
    if all(name == f"c{place}" for place, name in enumerate(table.names)):
        return f'read_csv({{}}{settings}, header=None).rename(columns="c{{{{}}}}".format)'
    return f"read_csv({{}}{settings})"


def _text(value: str | PurePath) -> str:
    """A text or a path as a string in Python, in double quotes so that a shell can take it in single ones."""
    return json.dumps(str(value), ensure_ascii=False)


def _moments(texts: Sequence[str]) -> tuple[str, bool]:
    """Recognise dates, times or durations: what most texts are, and whether the day comes first; "" for anything else."""
    if sum(map(bool, map(_DURATION.fullmatch, texts))) > _MIN_READ * len(texts):
        return "duration", False
    different, counts = np.unique(np.array(texts, object), return_counts=True)
    found = learn_dates(different, counts, np.arange(len(different)))
    if found is None or counts[np.isfinite(found.days)].sum() <= _MIN_READ * len(texts):
        return "", False
    is_day_first = found.reading["order"].startswith("D") or any(map(_DOTTED.match, texts))
    return "time" if found.reading["holds"] == "time" else "date", is_day_first


def about_texts(table: Table, name: str, texts: Sequence[str]) -> tuple[str, str]:
    """Describe different texts that hardly recur, if they are amounts, dates or durations, and advise; else ("", "")."""
    some = [*texts[:: 1 + len(texts) // _NUM_TRIED]]
    kind, is_day_first = _moments(some)
    if kind:
        called, unit, statements, numbers = _MOMENTS[kind]
        statements = statements.replace("{day_first}", ", dayfirst=True" if is_day_first else "")
        command = _rewritten(table, name, unit.split()[0], numbers, statements)
        return called, f"predict a number of {unit}: {command}"
    found = [next(iter(readings.values())) for text in some if (readings := readings_of(text.strip(_INEXACT)))]
    units = Counter(reading.unit for reading in found)
    if 10 * len(found) < 9 * len(some) or len(units) > _MAX_UNITS:
        return "", ""
    if len(units) < 2:
        return "numbers with other signs", "write plain numbers into the column, such as 12.5"
    shown = listed([unit or "none" for unit, _ in units.most_common()])
    return f"amounts with the units {shown}", "write all amounts in one unit, as numbers, such as 0.5 instead of 500 g"
