"""Doors: results as tables for a person and as rows for a script."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headstart.dataset import natural_key
from headstart.errors import UsageError, printable
from headstart.export import Exported
from headstart.leaderboard import Row, ranked, read_leaderboard
from headstart.predictor import Prediction
from headstart.run import Run
from headstart.runfolder import RunFolder, read_json

__all__ = [
    "as_csv",
    "csv_text",
    "entries",
    "expand",
    "export_entry",
    "prediction_rows",
    "show_evaluation",
    "show_exports",
    "show_leaderboard",
    "show_run",
    "show_stack",
]

Entry = dict[str, Any]


def entries(runs: Sequence[Path]) -> list[Entry]:
    """Trials of one run or several as plain rows, best first, with the front drawn over all of them."""
    run_of: dict[int, str] = {}
    rows: list[Row] = []
    for path in runs:
        for row in read_leaderboard(RunFolder.open(path).path / "leaderboard.csv"):
            named = Row(**{**row.to_json(), "trial": f"{len(rows)}\0{row.trial}"})  # type: ignore[arg-type]
            run_of[len(rows)] = str(path)
            rows.append(named)
    found = []
    for row in ranked(rows):
        number, _, trial = row.trial.partition("\0")
        found.append({"run": run_of[int(number)], **row.to_json(), "trial": trial})
    return found


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """CSV as text, cells made printable."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([printable(c) for c in columns])
    writer.writerows([["" if c is None else printable(c) for c in row] for row in rows])
    return text.getvalue()


def as_csv(rows: Sequence[Entry]) -> str:
    """Leaderboard entries as CSV."""
    columns = list(rows[0]) if rows else ["run", "trial"]
    return csv_text(columns, [[row[c] for c in columns] for row in rows])


def show_leaderboard(rows: Sequence[Entry]) -> None:
    """Print a leaderboard."""
    several = len({row["run"] for row in rows}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (["run"] if several else []) + ["trial"]:
        table.add_column(name, overflow="fold")
    has_folds = any("fold_accuracy" in row for row in rows)
    names = ("val_loss", "val_acc", "Part A s", "Part B s", "total s", "params", "ms/img", "MB", "front")
    for name in names + (("folds acc",) if has_folds else ()):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [row["run"]] if several else []
        cells.append(row["trial"] + (" (interrupted)" if row["status"] == "interrupted" else ""))
        if row["val_loss"] is None:
            table.add_row(*map(_plain, cells), Text(f"{row['status']}: {row['reason']}", style="dim"))
            continue
        part_a = f"{row['part_a_seconds']:.1f}" + (" (stored)" if row["part_a_cached"] else "")
        numbers = [f"{row['val_loss']:.4f}", f"{row['val_accuracy']:.3f}", part_a, f"{row['part_b_seconds']:.1f}"]
        numbers += [f"{row['total_seconds']:.1f}", f"{row['num_params'] / 1e6:.2f} M", f"{row['ms_per_sample']:.1f}"]
        numbers += [f"{row['file_mb']:.1f}", "●" if row["on_front"] else ""]
        if "fold_accuracy" in row:
            numbers.append(f"{row['fold_accuracy']:.3f} ± {row['fold_accuracy_deviation']:.3f}")
        table.add_row(*map(_plain, [*cells, *numbers]))
    _console().print(table)


def show_run(run: Run) -> None:
    """Print what a finished run found, and where everything is."""
    state, console = run.folder.state, _console()
    console.print()
    show_leaderboard(entries([run.path]))
    if state.get("best"):
        console.print(_plain(f"Kept: {state['best']['trial']}, the lowest val_loss. ● no other is both faster and better."))
    console.print()
    if (run.path / "evaluation.json").exists():
        show_evaluation(run.evaluation)
    for finding in read_json(run.path / "findings.json") if (run.path / "findings.json").exists() else []:
        console.print(_plain(f"{finding['code']}  {finding['title']}: {finding['measured']}"))
    console.print()
    console.print(_plain(f"Finished in {state['wall_seconds']:.1f} s. Report: {run.report}"))
    image = _any_image(run)
    console.print("\nTry next:")
    console.print(_plain(f"  headstart predict {shlex.quote(str(run.path))} {shlex.quote(image)}"))
    console.print(_plain(f"  headstart export {shlex.quote(str(run.path))} --to onnx openvino"))
    console.print(_plain("  headstart fit PATH/TO/YOUR/PHOTOS"))


def show_evaluation(value: Mapping[str, Any]) -> None:
    """Print the numbers of an evaluation, with n and the interval beside them."""
    low, high = value["accuracy_interval"]
    console = _console()
    line = (
        f"{value['split']}: accuracy {value['accuracy']:.1%} on {value['n']} images (95% interval {low:.1%} to {high:.1%};"
    )
    console.print(_plain(f"{line} always the most common class: {value['baseline_accuracy']:.1%})"))
    auc = value["roc_auc"]["macro"]
    text = f"loss {value['loss']:.4f}, balanced accuracy {value['balanced_accuracy']:.1%}"
    console.print(_plain(text + (f", ROC-AUC {auc:.4f} (macro)" if auc is not None else "")))
    if value.get("num_skipped"):
        console.print(_plain(f"Found and not evaluated: {value['num_skipped']}"))
    if value["optimistic"]:
        console.print(_plain(f"The model has seen samples of the {value['split']} split before: this number is optimistic."))


def expand(paths: Sequence[str]) -> list[str]:
    """Files as they are; a folder as the files below it in natural order, without hidden ones.

    Raises:
        UsageError: There is not a single file (H006).
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
            received=" ".join(paths),
            expected="image files, or folders that hold some",
            advice="name at least one image",
        )
    return files


def prediction_rows(answers: Sequence[Prediction], classes: Sequence[str]) -> tuple[list[str], list[list[object]]]:
    """Columns and rows of predictions, in the order of the files; ``error`` is a column where there is one."""
    has_errors = any(answer.error for answer in answers)
    columns = ["path", "predicted", *(f"p_{name}" for name in classes), *(["error"] if has_errors else [])]
    rows: list[list[object]] = []
    for answer in answers:
        given = [None] * len(classes) if answer.probabilities is None else answer.probabilities
        probabilities = [None if p is None else round(float(p), 6) for p in given]
        rows.append([answer.path, answer.predicted, *probabilities, *([answer.error] if has_errors else [])])
    return columns, rows


def export_entry(exported: Exported) -> Entry:
    """One export as plain values."""
    numbers = {"file_mb": exported.file_mb, "max_difference": exported.max_difference, "seconds": exported.seconds}
    return {"format": exported.format, "path": str(exported.path), **numbers}


def show_exports(exports: Sequence[Exported]) -> None:
    """Print what was written and how well it agrees."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("format", "path", "MB", "largest difference", "seconds"):
        table.add_column(name, justify="left" if name in ("format", "path") else "right", overflow="fold")
    for e in exports:
        table.add_row(e.format, _plain(e.path), f"{e.file_mb:.1f}", f"{e.max_difference:.1e}", f"{e.seconds:.1f}")
    _console().print(table)
    _console().print("Each file was loaded by a fresh process and gave the trained model's answers.")


def show_stack(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print the stack, top to bottom."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "found", "use"):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(_plain, row))
    _console().print(table)


def _console() -> Console:
    console = Console(highlight=False)
    # In a pipe there is no width to fit into: a wrapped cell would only hurt whoever reads it.
    return console if console.is_terminal else Console(highlight=False, width=200)


def _plain(text: object) -> Text:
    return Text(printable(text))


def _any_image(run: Run) -> str:
    from headstart.runfolder import read_csv

    rows = read_csv(run.path / "predictions.csv") if (run.path / "predictions.csv").exists() else []
    return rows[0]["path"] if rows else "PHOTO.jpg"
