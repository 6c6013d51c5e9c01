"""Commands on finished runs: compare, evaluate, predict, export and list them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headstart.command_options import Json, RunPath, print_json
from headstart.foundation.text import printable

__all__ = ["evaluate", "export", "label", "leaderboard", "predict", "runs"]


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or more run folders.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV to standard output.")] = False,
    as_json: Json = False,
) -> None:
    """Show the trials of one or more runs by execution time and val_loss, with the Pareto front."""
    from headstart.leaderboard_display import as_csv as csv_of
    from headstart.leaderboard_display import entries, show_leaderboard

    trials = entries(runs)
    if as_json:
        print_json({"trials": trials})
    elif as_csv:
        sys.stdout.write(csv_of(trials))
    else:
        show_leaderboard(trials)


def evaluate(
    run: RunPath,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="Labelled samples: a folder with one folder per class, or a table.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the numbers, the predictions and the figures to. Default: none.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Evaluate the model of a run on labelled samples."""
    from headstart import display
    from headstart.search.run import Run

    opened = Run(run)
    evaluation = opened.evaluate(data, out=out)
    for path, reason in evaluation.skipped[:10]:
        print(printable(f"not evaluated: {path}: {reason}"), file=sys.stderr)  # noqa: T201
    if as_json:
        print_json(evaluation.to_json())
    else:
        display.show_evaluation(evaluation.to_json(), opened.sample_nouns)


def predict(
    run: RunPath,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATHS...", help="Images or folders of images; tables if the run was fitted on one."),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write. Default: standard output.")] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Add sets of classes, or intervals, that contain the truth with this probability: 0.9."
        ),
    ] = None,
    unknown: Annotated[
        bool,
        typer.Option(
            "--unknown",
            help="Add how unlike the training images an image is, 0 to 1, and predict 'unknown' from 0.5 on.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict images or table rows; a file that cannot be read becomes a row with an error."""
    from headstart.data.prediction_inputs import expand
    from headstart.foundation.csv_output import to_csv
    from headstart.search.run import Run

    columns, rows, num_errors = Run(run).answers(expand(paths), coverage=coverage, unknown=unknown)
    if out is not None:
        from headstart.foundation.runs.files import write_csv

        write_csv(out, columns, rows)
    if as_json:
        print_json({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})
    elif out is None:
        sys.stdout.write(to_csv(columns, rows))
    if num_errors:
        raise typer.Exit(1)


def label(
    run: RunPath,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS...", help="Unlabelled images or folders of images; a table if the run was fitted on one."
        ),
    ],
    number: Annotated[int, typer.Option(help="Number of samples to choose.")] = 50,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to_label.csv and a page with thumbnails to. Default: CSV on standard output."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose which unlabelled images or table rows to label next."""
    from headstart.foundation.csv_output import to_csv
    from headstart.search.run import Run

    found = Run(run).to_label(paths, number, out)
    chosen = len(found.rows) - found.num_errors
    left_out = {"in the run already": found.num_known, "equal to others": found.num_copies, "unreadable": found.num_errors}
    reasons = "; ".join(f"{count} {why}" for why, count in left_out.items() if count)
    print(f"{chosen} to label{f' ({reasons})' if reasons else ''}", file=sys.stderr)  # noqa: T201
    if as_json:
        print_json({"samples": [dict(zip(found.columns, row, strict=True)) for row in found.rows]})
    elif out is None:
        sys.stdout.write(to_csv(found.columns, found.rows))
    if found.num_errors:
        raise typer.Exit(1)


def export(
    run: RunPath,
    to: Annotated[
        list[str],
        typer.Option("--to", metavar="FORMAT...", help="One or more of keras, h5, saved_model, onnx, openvino and litert."),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: RUN/exports.")] = None,
    as_json: Json = False,
) -> None:
    """Export the model of a run, and verify each file in a fresh process against the trained model."""
    from headstart import display
    from headstart.search.run import Run

    exports = Run(run).export(*to, out=out)
    if as_json:
        print_json({"exports": [display.export_entry(e) for e in exports]})
    else:
        display.show_exports(exports)


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A folder of runs.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the runs in a folder: data, task, best trial and seconds; folders that are not whole runs are named as such."""
    from headstart.run_list import listed_runs, show_runs

    found = listed_runs(folder)
    if as_json:
        print_json({"runs": found})
    else:
        show_runs(found, folder)
