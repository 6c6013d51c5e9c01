"""Results of the command line: tables for a terminal, and plain values for ``--json``."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from headstart.console import plain, result_console
from headstart.evaluation.summary import summary_lines
from headstart.export.export_folder import Exported
from headstart.foundation.cache.cache_contents import BOUND_VARIABLE, KINDS, bound_bytes, parts
from headstart.foundation.cache.cache_folder import cache_folder
from headstart.leaderboard_display import Entry, entries, show_leaderboard
from headstart.report.contents import Contents, text
from headstart.search.run import Run

__all__ = [
    "cache_state",
    "export_entry",
    "show_cache",
    "show_evaluation",
    "show_exports",
    "show_run",
    "show_stack",
]


def show_run(run: Run) -> None:
    """Print the results of a finished run: leaderboard, evaluation, findings, and what to run next."""
    state, console = run.folder.state, result_console()
    console.print()
    show_leaderboard(entries([run.path]))
    if isinstance(choice := state.get("choice"), dict):
        console.print(plain(f"Selected: {choice.get('reason')}."))
    console.print()
    if (run.path / "evaluation.json").exists():
        show_evaluation(run.evaluation, "rows" if state.get("data_kind") == "table" else "images")
    for line in _finding_lines(run):
        console.print(plain(line))
    console.print()
    if "wall_seconds" in state:
        console.print(plain(f"Finished in {state['wall_seconds']:.1f} s. Report: {run.report}"), soft_wrap=True)
    is_table = state.get("data_kind") == "table"
    given, formats = ("NEW_ROWS.csv", "onnx saved_model") if is_table else (shlex.quote(_any_image(run)), "onnx openvino")
    path = shlex.quote(str(run.path))
    commands = [f"predict {path} {given}", f"export {path} --to {formats}"]
    commands += [] if is_table else ["fit PATH/TO/YOUR/PHOTOS"]
    console.print("\nTry next:")
    for command in commands:
        console.print(plain(f"  headstart {command}"), soft_wrap=True)  # one line each, so that it can be copied


def _finding_lines(run: Run) -> list[str]:
    """One line per finding; samples are named by their path within the data, as in the report.

    Raises:
        RunError: findings.json is not as Headstart writes it (H502); the report would leave it out.
    """
    if not (run.path / "findings.json").exists():
        return []
    run.folder.json("findings.json")
    fields = ("code", "title", "measured")
    findings = [[text(finding.get(field)) for field in fields] for finding in Contents.read(run.folder).findings]
    return [f"{code}  {title}: {measured}" for code, title, measured in findings]


def show_evaluation(value: Mapping[str, Any], nouns: str = "images") -> None:
    """Print the scores of an evaluation, with the number of samples and the intervals.

    Args:
        value: Output of ``Evaluation.to_json``.
        nouns: Plural noun for the samples. Defaults to ``images``.
    """
    console = result_console()
    for line in summary_lines(value, nouns):
        console.print(plain(line))


def export_entry(exported: Exported) -> Entry:
    """An export as plain values for ``--json``."""
    numbers = {"file_mb": exported.file_mb, "max_difference": exported.max_difference, "seconds": exported.seconds}
    return {"format": exported.format, "path": str(exported.path), **numbers}


def show_exports(exports: Sequence[Exported]) -> None:
    """Print the exported files, with the largest difference of each from the trained model."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("format", "path", "MB", "largest difference", "seconds"):
        table.add_column(name, justify="left" if name in ("format", "path") else "right", overflow="fold")
    for e in exports:
        table.add_row(e.format, plain(e.path), f"{e.file_mb:.1f}", f"{e.max_difference:.1e}", f"{e.seconds:.1f}")
    result_console().print(table)
    result_console().print("Each file was loaded in a fresh process and gave the predictions of the trained model.")


def cache_state(removed_bytes: int) -> Entry:
    """The cache as plain values: folder, size limit, and the size, age and meaning of each kind of content.

    Args:
        removed_bytes: Number of bytes that were just removed.
    """
    now, held = time.time(), list(parts())
    contents = [
        {
            "kind": part.kind,
            "meaning": KINDS[part.kind].meaning,
            "num_files": part.num_files,
            "bytes": part.num_bytes,
            "unused_seconds": max(0.0, now - part.last_used),
            "oldest_seconds": max(0.0, now - part.first_used),
            "counts_towards_bound": KINDS[part.kind].is_pruned,
        }
        for part in held
    ]
    return {
        "folder": str(cache_folder()),
        "bytes": sum(part.num_bytes for part in held),
        "bound_bytes": bound_bytes(),
        "removed_bytes": removed_bytes,
        "contents": contents,
    }


def show_cache(state: Entry) -> None:
    """Print the contents of the cache."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("kind", "MB", "files", "last used", "oldest", "what it is"):
        table.add_column(name, justify="right" if name in ("MB", "files") else "left", overflow="fold")
    for row in state["contents"]:
        ages = [_age(row[name]) for name in ("unused_seconds", "oldest_seconds")]
        table.add_row(row["kind"], f"{row['bytes'] / 1e6:,.1f}", str(row["num_files"]), *ages, plain(row["meaning"]))
    console = result_console()
    if state["contents"]:
        console.print(table)
    console.print(plain(f"{state['bytes'] / 1e6:,.1f} MB in {state['folder']}"))
    pruned = ", ".join(kind for kind, row in KINDS.items() if row.is_pruned)
    console.print(
        f"{pruned} are limited to {state['bound_bytes'] / 1e9:g} GB; the least recently used are removed first "
        f"({BOUND_VARIABLE} sets the limit)."
    )
    if state["removed_bytes"]:
        console.print(f"{state['removed_bytes'] / 1e6:,.1f} MB were just removed.")


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


def show_stack(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print the installed stack, from Python down to the hardware."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "found", "use"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(plain, row))
    result_console().print(table)


def _any_image(run: Run) -> str:
    rows = run.folder.rows("predictions.csv") if (run.path / "predictions.csv").exists() else []
    return rows[0].get("path", "PHOTO.jpg") if rows else "PHOTO.jpg"
