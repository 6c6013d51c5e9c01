"""Results of the command line: tables for a terminal, and plain values for ``--json`` and ``--csv``."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headstart.evaluation.leaderboard import Row, metric_of, ranked, read_leaderboard
from headstart.evaluation.summary import summary_lines
from headstart.export.export_folder import Exported
from headstart.foundation.cache.cache_contents import BOUND_VARIABLE, KINDS, bound_bytes, parts
from headstart.foundation.cache.cache_folder import cache_folder
from headstart.foundation.csv_output import to_csv
from headstart.foundation.errors import UsageError
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.text import natural_key, printable
from headstart.report.contents import Contents, text
from headstart.search.run import Run

__all__ = [
    "as_csv",
    "cache_state",
    "entries",
    "expand",
    "export_entry",
    "show_cache",
    "show_evaluation",
    "show_exports",
    "show_leaderboard",
    "show_run",
    "show_stack",
]

Entry = dict[str, Any]


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


def show_leaderboard(rows: Sequence[Entry]) -> None:
    """Print leaderboard entries as a table."""
    several = len({row["run"] for row in rows}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (["run"] if several else []) + ["trial"]:
        table.add_column(name, overflow="fold")
    metrics = list(dict.fromkeys(metric_of(row) for row in rows)) or ["accuracy"]
    head = " / ".join(_METRICS.get(metric, metric) for metric in metrics)
    has_folds = any("fold_loss" in row for row in rows)
    names = ("val_loss", head, "Part A s", "Part B s", "total s", "params", "ms/sample", "MB", "front")
    for name in names + ((f"folds {head}",) if has_folds else ()):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [row["run"]] if several else []
        cells.append(row["trial"] + (" (interrupted)" if row["status"] == "interrupted" else ""))
        if row["val_loss"] is None:
            table.add_row(*map(_plain, cells), Text(f"{row['status']}: {row['reason']}", style="dim"))
        else:
            table.add_row(*map(_plain, [*cells, *_numbers(row)]))
    console = _console()
    console.print(table)
    if len({_data_of(Path(row["run"])) for row in rows}) > 1:
        console.print("These runs used different data, so their losses and ranks cannot be compared.")


def _data_of(run: Path) -> tuple[object, ...]:
    state = RunFolder.open(run).state
    return state.get("data_digest"), state.get("task")


_METRICS = {"macro_auc": "macro AUC"}  # column headings that differ from the metric's key


def _numbers(row: Entry) -> list[str]:
    metric = metric_of(row)
    part_a = f"{row['part_a_seconds']:.1f}" + (" (stored)" if row["part_a_cached"] else "")
    numbers = [f"{row['val_loss']:.4f}", _decimals(row[f"val_{metric}"]), part_a, f"{row['part_b_seconds']:.1f}"]
    numbers += [f"{row['total_seconds']:.1f}", _millions(row["num_params"]), _short(row["ms_per_sample"])]
    numbers += [f"{row['file_mb']:.1f}", "●" if row["on_front"] else ""]
    if f"fold_{metric}" in row:
        numbers.append(f"{row[f'fold_{metric}']:.3f} ± {row[f'fold_{metric}_deviation']:.3f}")
    return numbers


def _decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _millions(num_params: int) -> str:
    return f"{num_params / 1e6:.2f} M" if num_params >= 10_000 else f"{num_params:,}"


def show_run(run: Run) -> None:
    """Print the results of a finished run: leaderboard, evaluation, findings, and what to run next."""
    state, console = run.folder.state, _console()
    console.print()
    rows = entries([run.path])
    show_leaderboard(rows)
    if isinstance(choice := state.get("choice"), dict):
        reason = f"Selected: {choice.get('reason')}. "
        console.print(_plain(f"{reason}● Pareto-optimal: no other trial is both faster and better."))
    console.print()
    if (run.path / "evaluation.json").exists():
        show_evaluation(run.evaluation, "rows" if state.get("data_kind") == "table" else "images")
    for line in _finding_lines(run):
        console.print(_plain(line))
    console.print()
    if "wall_seconds" in state:
        console.print(_plain(f"Finished in {state['wall_seconds']:.1f} s. Report: {run.report}"))
    is_table = state.get("data_kind") == "table"
    given, formats = ("NEW_ROWS.csv", "onnx saved_model") if is_table else (shlex.quote(_any_image(run)), "onnx openvino")
    console.print("\nTry next:")
    console.print(_plain(f"  headstart predict {shlex.quote(str(run.path))} {given}"))
    console.print(_plain(f"  headstart export {shlex.quote(str(run.path))} --to {formats}"))
    if not is_table:
        console.print(_plain("  headstart fit PATH/TO/YOUR/PHOTOS"))


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
    console = _console()
    for line in summary_lines(value, nouns):
        console.print(_plain(line))


def expand(paths: Sequence[str]) -> list[str]:
    """Replace each folder by the files below it, in natural order and without hidden ones; keep files as they are.

    Raises:
        UsageError: There is no file (H006).
    """
    files: list[str] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = (
                p for p in path.rglob("*") if p.is_file() and not any(q.startswith(".") for q in p.relative_to(path).parts)
            )
            files += sorted(map(str, inside), key=natural_key)
        else:
            files.append(name)
    if not files:
        raise UsageError(
            "H006",
            "nothing to predict",
            received=f"{' '.join(paths)}, which contains no files",
            expected="image files or folders of images; tables if the run was fitted on a table",
            advice="pass at least one file",
        )
    return files


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
        table.add_row(e.format, _plain(e.path), f"{e.file_mb:.1f}", f"{e.max_difference:.1e}", f"{e.seconds:.1f}")
    _console().print(table)
    _console().print("Each file was loaded in a fresh process and gave the predictions of the trained model.")


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
        table.add_row(row["kind"], f"{row['bytes'] / 1e6:,.1f}", str(row["num_files"]), *ages, _plain(row["meaning"]))
    console = _console()
    if state["contents"]:
        console.print(table)
    console.print(_plain(f"{state['bytes'] / 1e6:,.1f} MB in {state['folder']}"))
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
        table.add_row(*map(_plain, row))
    _console().print(table)


def _console() -> Console:
    console = Console(highlight=False)
    # A pipe has no width to fit into, and wrapped cells would be hard to parse.
    return console if console.is_terminal else Console(highlight=False, width=200)


def _plain(text: object) -> Text:
    return Text(printable(text))


def _any_image(run: Run) -> str:
    rows = run.folder.rows("predictions.csv") if (run.path / "predictions.csv").exists() else []
    return rows[0].get("path", "PHOTO.jpg") if rows else "PHOTO.jpg"
