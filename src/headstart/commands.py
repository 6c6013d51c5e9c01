"""The commands of ``headstart``: one short function per command, which parses options and prints results."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.foundation.text import printable

if TYPE_CHECKING:
    from headstart.search.run import Run

__all__ = ["app"]

app = typer.Typer(
    name="headstart",
    help="Train and compare models on labelled images or a table, and find the fastest good one for this machine.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # otherwise rich would take the brackets in a help text for markup
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, and nothing else.")]

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/flowers-001.")]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from headstart.foundation.machine import versions

        print(f"headstart {versions()['headstart']}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


@app.command()
def fit(  # noqa: PLR0913, PLR0917 - the options of CONTRACT.md
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A folder with one folder per class, a CSV or Parquet file, or 'demo'.")
    ],
    target: Annotated[
        str | None, typer.Option(help="Column to predict, by name or position; separate several by commas.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Column of image paths, by name or position.")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Column of groups, for example patient IDs: all samples of a group stay in one split."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="binary, multiclass, multilabel or regression; inferred from the labels by default.")
    ] = None,
    plan: Annotated[
        str, typer.Option(help="Models to compare: quick, balanced, best, scratch, one_vs_rest, or a TOML file.")
    ] = "quick",
    trial: Annotated[
        list[str] | None,
        typer.Option(
            help="Run only these trials: [backbone][-stage][-pooling][-SIDEpx][-Nviews]-network, or table-network."
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time limit for the whole process, report included, such as 30s, 5m or 1h.")
    ] = None,
    validation: Annotated[float, typer.Option(help="Share of validation samples if the data have no split.")] = 0.2,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Number of cross-validation folds on the training and validation samples, 0 for none. By default 5 for "
            "tables with fewer than 500 rows and for the heads of plan best, otherwise none."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Local weights file for a keras.applications backbone.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to create. Default: runs/<data name>-NNN.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed for splits, initial weights, shuffling and dropout.")] = 0,
    backend: Annotated[
        str | None, typer.Option(help="Keras backend: tensorflow, torch or jax. Default: the KERAS_BACKEND variable.")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show progress.")] = False,
) -> None:
    """Train and compare models on your data; save the best one and a report."""
    if backend := backend or os.environ.get("KERAS_BACKEND"):
        from headstart.foundation.machine import choose_backend

        choose_backend(backend)
    from headstart.api import fit as fit_model
    from headstart.console import hush_native_libraries, make_progress
    from headstart.foundation.stopwatch import process_age_seconds

    hush_native_libraries()

    run = fit_model(
        data,
        target=target,
        image=image,
        group=group,
        task=task,
        plan=plan,
        trial=trial or (),
        validation=validation,
        folds=folds,
        weights=weights,
        budget=budget,
        out=out,
        seed=seed,
        progress=None if quiet else make_progress(),
        started=time.perf_counter() - process_age_seconds(),
    )
    _show_run(run, as_json)
    _exit_as(run)


@app.command()
def resume(
    run: RunFolder,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show progress.")] = False,
) -> None:
    """Resume a killed run on the backend it started with; a complete run is only shown."""
    from headstart.api import resume as resume_run
    from headstart.console import hush_native_libraries, make_progress
    from headstart.foundation.stopwatch import process_age_seconds

    hush_native_libraries()

    is_complete = (run / "manifest.json").is_file()
    started = time.perf_counter() - process_age_seconds()
    resumed = resume_run(run, progress=None if quiet else make_progress(), started=started)
    _show_run(resumed, as_json)
    if not is_complete:
        _exit_as(resumed)


@app.command()
def demo(
    as_json: Json = False, quiet: Annotated[bool, typer.Option("--quiet", help="Do not show progress.")] = False
) -> None:
    """Run fit on the photographs that ship with Headstart."""
    fit("demo", as_json=as_json, quiet=quiet)


@app.command()
def leaderboard(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or more run folders.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV to standard output.")] = False,
    as_json: Json = False,
) -> None:
    """Show the trials of one or more runs by execution time and val_loss, with the Pareto front."""
    from headstart import display

    entries = display.entries(runs)
    if as_json:
        _print_json({"trials": entries})
    elif as_csv:
        sys.stdout.write(display.as_csv(entries))
    else:
        display.show_leaderboard(entries)


@app.command()
def evaluate(
    run: RunFolder,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="Labelled samples: a folder with one folder per class, or a table.")
    ],
    as_json: Json = False,
) -> None:
    """Evaluate the model of a run on labelled samples."""
    from headstart import display
    from headstart.search.run import Run

    opened = Run(run)
    evaluation = opened.evaluate(data)
    for path, reason in evaluation.skipped[:10]:
        print(printable(f"not evaluated: {path}: {reason}"), file=sys.stderr)  # noqa: T201
    if as_json:
        _print_json(evaluation.to_json())
    else:
        display.show_evaluation(evaluation.to_json(), opened.sample_nouns)


@app.command()
def predict(
    run: RunFolder,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATHS...", help="Images or folders of images; tables if the run was fitted on one."),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write. Default: standard output.")] = None,
    as_json: Json = False,
) -> None:
    """Predict images or table rows; a file that cannot be read becomes a row with an error."""
    from headstart import display
    from headstart.foundation.csv_output import to_csv
    from headstart.search.run import Run

    columns, rows, num_errors = Run(run).answers(display.expand(paths))
    if out is not None:
        from headstart.foundation.runs.files import write_csv

        write_csv(out, columns, rows)
    if as_json:
        _print_json({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})
    elif out is None:
        sys.stdout.write(to_csv(columns, rows))
    if num_errors:
        raise typer.Exit(1)


@app.command()
def export(
    run: RunFolder,
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
        _print_json({"exports": [display.export_entry(e) for e in exports]})
    else:
        display.show_exports(exports)


@app.command()
def stack(as_json: Json = False) -> None:
    """Show what is installed, from Python to the GPU, and what Headstart will use."""
    from headstart import display
    from headstart.foundation.machine import stack as layers

    rows = layers()
    if as_json:
        _print_json({"layers": [{"layer": a.strip(), "found": b, "use": c} for a, b, c in rows]})
    else:
        display.show_stack(rows)


@app.command()
def cache(
    clear: Annotated[
        list[str] | None,
        typer.Option(
            "--clear",
            metavar="WHAT...",
            help="Remove any of rows, squares, graphs, keras, matplotlib and notes, or all.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the contents, size and age of the cache, after pruning it to HEADSTART_CACHE_GB (20 GB by default)."""
    from headstart import display
    from headstart.foundation.cache import cache_contents

    removed = cache_contents.clear(clear) if clear else cache_contents.prune()
    state = display.cache_state(removed)
    if as_json:
        _print_json(state)
    else:
        display.show_cache(state)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False))  # noqa: T201


def _show_run(run: Run, as_json: bool) -> None:
    from headstart import display

    if as_json:
        _print_json(run.to_json())
    else:
        display.show_run(run)


def _exit_as(run: Run) -> None:
    """Exit with status 130 if the run was interrupted."""
    if run.folder.state.get("status") == "interrupted":
        raise typer.Exit(130)
