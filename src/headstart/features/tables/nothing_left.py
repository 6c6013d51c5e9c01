"""Advice for a table without a column to learn from: count words, or join the columns of another table."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence

from headstart.features.tables.column import Note
from headstart.foundation.errors import DatasetError

__all__ = ["nothing_left", "words_command"]


def _join_command(column: str) -> str:
    """Advice to join the columns of another table by an id."""
    name = json.dumps(column, ensure_ascii=False)
    joined = f'pandas.read_csv("TABLE.csv").merge(pandas.read_csv("OTHER.csv"), on={name})'
    program = f'import pandas; {joined}.to_csv("JOINED.csv", index=False)'
    return f"join columns that describe the rows, for example from a second table: python -c {shlex.quote(program)}"


def words_command(column: str, file: str = "TABLE.csv") -> str:
    """Command that replaces a column of text in a CSV file by counts of its words, hashed to 256 columns.

    Hashing learns nothing from the table, so that test rows and later tables are converted in the same way.

    Example:
        >>> words_command("message")[:60]
        "python -c 'import pandas; from sklearn.feature_extraction.tex"
    """
    program = (
        "import pandas; from sklearn.feature_extraction.text import HashingVectorizer as Words; "
        f't = pandas.read_csv({json.dumps(file)}); texts = t.pop({json.dumps(column, ensure_ascii=False)}).fillna(""); '
        "w = Words(n_features=256, alternate_sign=False, norm=None).transform(texts).toarray(); "
        'pandas.DataFrame(w).add_prefix("word").join(t).to_csv("WORDS.csv", index=False)'
    )
    return f"python -c {shlex.quote(program)}"


# What to do if no column is left, by the code of a column that was dropped, the most telling first.
_ADVICE: dict[str, Callable[[str], str]] = {
    "D220": lambda column: f"count words first: {words_command(column)}",
    "D205": lambda _: "add columns that are known before the target is; what determines it needs no model, only a lookup",
    "D210": lambda column: f"write the numbers in {column} in one unit, without signs",
    "D215": lambda column: f"write the dates in {column} in one notation, preferably 2024-01-31",
    "D203": _join_command,
    "D216": _join_command,
}


def nothing_left(notes: Sequence[Note], num_rows: int) -> DatasetError:
    """Create the error for a table all of whose columns were dropped (H114).

    Args:
        notes: Notes on these columns.
        num_rows: Number of training rows.
    """
    column = {note.code: note.measured.rpartition(": ")[0] for note in notes}
    usual = "add columns that describe the samples, with more than one value"
    if num_rows < 2:
        usual = "add rows: values that differ between rows take at least two for training, and a useful model needs dozens"
    return DatasetError(
        "H114",
        "no column is left to learn from",
        received="; ".join(f"{note.code} {note.measured}" for note in notes) or "no columns besides the target",
        expected="a column whose values differ between rows and do more than identify a row",
        advice=next((advice(column[code]) for code, advice in _ADVICE.items() if code in column and num_rows > 1), usual),
    )
