"""The leaderboard of the command line: as a table that fits the terminal, as CSV, and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from headstart.console import plain, result_console
from headstart.evaluation.leaderboard import ESSENTIAL, Column, Row, headings, notes, ranked, read_leaderboard, shown_columns
from headstart.foundation.csv_output import to_csv
from headstart.foundation.runs.run_folder import RunFolder

__all__ = ["Entry", "as_csv", "entries", "show_leaderboard"]

Entry = dict[str, Any]

_ANY_WIDTH = 100_000  # columns to measure a table in: more than any table needs


def entries(runs: Sequence[Path]) -> list[Entry]:
    """Trials of one or more runs as plain values, best first, with one Pareto front over all of them."""
    run_of: dict[int, str] = {}
    rows: list[Row] = []
    for path in runs:
        for row in read_leaderboard(RunFolder.open(path)):
            named = replace(row, trial=f"{len(rows)}\0{row.trial}")
            run_of[len(rows)] = str(path)
            rows.append(named)
    result = []
    for row in ranked(rows):
        number, _, trial = row.trial.partition("\0")
        result.append({"run": run_of[int(number)], **row.to_json(), "trial": trial})
    return result


def as_csv(rows: Sequence[Entry]) -> str:
    """Leaderboard entries as CSV."""
    # The columns of all rows: runs of different tasks have different metrics, and only some trials have folds.
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["run", "trial"]
    return to_csv(columns, [[row.get(c) for c in columns] for row in rows])


def show_leaderboard(entries: Sequence[Entry]) -> None:
    """Print leaderboard entries as a table, with the reasons for missing and shortened trials below it.

    Trials are never abbreviated. As many columns as fit follow their names, and the least important ones are dropped. If
    not even the essential ones fit, the numbers of a trial follow on the line after its name.
    """
    rows, console = [Row.from_json(entry) for entry in entries], result_console()
    several = len({entry["run"] for entry in entries}) > 1
    names = [[entry["run"], entry["trial"]] if several else [entry["trial"]] for entry in entries]
    for number in range(len(shown_columns(rows)), ESSENTIAL - 1, -1):
        columns = shown_columns(rows, number)
        table = _table(names, rows, columns)
        if console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum <= console.width:
            console.print(table)
            if any(column.heading == "front" for column in columns) and any(row.on_front for row in rows):
                console.print("● Pareto-optimal: no other trial is both faster and better.")
            break
    else:
        _show_list(console, names, rows)
    for line in notes(rows):
        console.print(plain(line), style="dim")
    if len({_data_of(Path(entry["run"])) for entry in entries}) > 1:
        console.print("These runs used different data, so their losses and ranks cannot be compared.")


def _table(names: Sequence[Sequence[str]], rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ["run", "trial"][-max(map(len, names), default=1) :]:
        table.add_column(heading, no_wrap=True)
    for heading in headings(columns, rows):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in zip(names, rows, strict=True):
        table.add_row(*map(plain, [*name, *_cells(row, columns)]))
    return table


def _show_list(console: Console, names: Sequence[Sequence[str]], rows: Sequence[Row]) -> None:
    columns = shown_columns(rows, ESSENTIAL)
    for name, row in zip(names, rows, strict=True):
        for part in name:
            console.print(plain(part), style="bold", soft_wrap=True)  # a name stays one word, also where it is wrapped
        cells = zip(headings(columns, [row]), _cells(row, columns), strict=False)
        console.print(plain("  " + "  ".join(f"{heading} {cell}" for heading, cell in cells)))


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    """Cells of a row; the status of a trial without a result replaces the first."""
    return [row.status] if row.val_loss is None else [column.cell(row) for column in columns]


def _data_of(run: Path) -> tuple[object, ...]:
    state = RunFolder.open(run).state
    return state.get("data_digest"), state.get("task")
