"""The runs in a folder, whole or not, as plain values and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from headstart.console import plain, result_console
from headstart.foundation.errors import RunError
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.text import natural_key
from headstart.leaderboard_display import Entry

__all__ = ["listed_runs", "show_runs"]

_FIELDS = ("status", "data_name", "task", "best", "wall_seconds")


def listed_runs(folder: Path) -> list[Entry]:
    """List the folders in a folder in natural order, each as a run or with the reason why it is none.

    Args:
        folder: A folder of runs; a run folder is listed alone.

    Returns:
        For each ``run``, ``status``, ``data_name``, ``task``, ``best``, ``wall_seconds`` and ``problem``. A value that is
        not known is None, and so is the ``problem`` of a run that can be read.

    Raises:
        RunError: The folder does not exist (H503).
    """
    try:
        inside = [folder] if (folder / "run.json").exists() else [path for path in folder.iterdir() if _is_shown(path)]
    except OSError as error:
        raise RunError(
            "H503",
            "not a run folder",
            received=f"{folder}: {error.strerror or error}",
            expected="a folder that holds runs, such as the `runs` that `headstart fit` makes where it is started",
            advice="name the folder: headstart runs DIR, or make a run: headstart fit DATA",
        ) from error
    return [_entry(path) for path in sorted(inside, key=lambda path: natural_key(path.name))]


def _is_shown(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _entry(path: Path) -> Entry:
    entry: Entry = {"run": str(path), **dict.fromkeys(_FIELDS), "problem": None}
    try:
        state = RunFolder.open(path).state
    except RunError as error:
        return entry | {"problem": f"{error.title} ({error.code})"}
    return entry | {key: state.get(key) for key in _FIELDS}


def show_runs(found: Sequence[Entry], folder: Path) -> None:
    """Print runs as a table, one line each, with the folders that are no whole runs below it."""
    console = result_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "data", "task", "best", "seconds"):
        table.add_column(name, justify="right" if name == "seconds" else "left", overflow="fold")
    whole = [entry for entry in found if entry["problem"] is None]
    for entry in whole:
        table.add_row(*map(plain, [entry["run"], entry["data_name"], entry["task"], _best(entry), _seconds(entry)]))
    if whole:
        console.print(table)
    else:
        console.print(plain(f"No runs in {folder}."))
    for entry in found:
        if entry["problem"] is not None:
            console.print(plain(f"{entry['run']}: {entry['problem']}"), style="dim")


def _best(entry: Entry) -> str:
    best: dict[str, Any] | None = entry["best"]
    ended = "" if entry["status"] == "done" else f"{entry['status']}"
    if not best:
        return ended
    metric = next(
        (f"{name[4:]} {value:.3f}" for name, value in best.items() if name.startswith("val_") and name != "val_loss"), ""
    )
    return ", ".join(part for part in (best["trial"], metric, ended) if part)


def _seconds(entry: Entry) -> str:
    return "" if entry["wall_seconds"] is None else f"{entry['wall_seconds']:.1f}"
