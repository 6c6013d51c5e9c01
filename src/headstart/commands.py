"""The commands of ``headstart``: one short function a verb; the work is done below."""

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
    help="Labelled images or a table in; the fastest good model on this machine, an honest report and a file to ship out.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # what stands in brackets in a help text is text
)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else there.")]

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as fit printed it.")]


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
        str, typer.Argument(metavar="DATA", help="A folder of class folders, a CSV or Parquet file, or 'demo'.")
    ],
    target: Annotated[
        str | None, typer.Option(help="The column to predict, by name or position; several, joined by commas.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="The column of image paths, by name or position.")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="The column of what belongs together, such as a patient: it stays on one side of each split."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="binary, multiclass, multilabel or regression; inferred if left out.")
    ] = None,
    plan: Annotated[str, typer.Option(help="quick, balanced, best, scratch, one_vs_rest, or a TOML file.")] = "quick",
    trial: Annotated[
        list[str] | None,
        typer.Option(help="Only these: [backbone][-stage][-pooling][-SIDEpx][-Nviews]-network, or table-network."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="30s, 5m, 1h; the whole process ends within it.")] = None,
    validation: Annotated[float, typer.Option(help="Share for validation where the data brings no split.")] = 0.2,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Folds of a cross-validation on the training and validation samples, 0 for none; unasked, 5 for tables of "
            "less than 500 rows and for the heads of plan best."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file for a network of keras.applications.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/<data name>-NNN.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, weights, shuffling and dropout.")] = 0,
    backend: Annotated[str | None, typer.Option(help="tensorflow, torch or jax; default KERAS_BACKEND.")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Train and compare models; keep the best, with a report."""
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
    run: RunFolder, as_json: Json = False, quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False
) -> None:
    """Go on with a run that was killed, on the backend it began with; one that is complete is shown as it is."""
    from headstart.api import resume as resume_run
    from headstart.console import hush_native_libraries, make_progress
    from headstart.foundation.stopwatch import process_age_seconds

    hush_native_libraries()

    is_complete = (run / "manifest.json").is_file()
    started = time.perf_counter() - process_age_seconds()
    found = resume_run(run, progress=None if quiet else make_progress(), started=started)
    _show_run(found, as_json)
    if not is_complete:
        _exit_as(found)


@app.command()
def demo(as_json: Json = False, quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False) -> None:
    """Fit on the photographs that ship with Headstart."""
    fit("demo", as_json=as_json, quiet=quiet)


@app.command()
def leaderboard(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or more run folders.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
    as_json: Json = False,
) -> None:
    """Trials by execution time and val_loss, the Pareto front marked."""
    from headstart import display as tables

    entries = tables.entries(runs)
    if as_json:
        _print_json({"trials": entries})
    elif as_csv:
        sys.stdout.write(tables.as_csv(entries))
    else:
        tables.show_leaderboard(entries)


@app.command()
def evaluate(
    run: RunFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Labelled samples: a folder of class folders, or a table.")],
    as_json: Json = False,
) -> None:
    """Measure a run's model on labelled samples."""
    from headstart import display as tables
    from headstart.search.run import Run

    opened = Run(run)
    evaluation = opened.evaluate(data)
    for path, reason in evaluation.skipped[:10]:
        print(printable(f"not evaluated: {path}: {reason}"), file=sys.stderr)  # noqa: T201
    if as_json:
        _print_json(evaluation.to_json())
    else:
        tables.show_evaluation(evaluation.to_json(), opened.sample_nouns)


@app.command()
def predict(
    run: RunFolder,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATHS...", help="Images, or folders of images; for a model of features, tables.")
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write; stdout if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Answer for images or rows of features; what cannot be read is a row with an error."""
    from headstart import display as tables
    from headstart.foundation.csv_output import to_csv
    from headstart.search.run import Run

    columns, rows, num_errors = Run(run).answers(tables.expand(paths))
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
    to: Annotated[list[str], typer.Option("--to", metavar="FORMAT...", help="keras h5 saved_model onnx openvino litert")],
    out: Annotated[Path | None, typer.Option(help="Folder to write into; default RUN/exports.")] = None,
    as_json: Json = False,
) -> None:
    """Write the model to ship; each file is checked by a fresh process against the trained model."""
    from headstart import display as tables
    from headstart.search.run import Run

    exports = Run(run).export(*to, out=out)
    if as_json:
        _print_json({"exports": [tables.export_entry(e) for e in exports]})
    else:
        tables.show_exports(exports)


@app.command()
def stack(as_json: Json = False) -> None:
    """Show every layer of the stack that is there, and what will be used."""
    from headstart import display as tables
    from headstart.foundation.machine import stack as layers

    rows = layers()
    if as_json:
        _print_json({"layers": [{"layer": a.strip(), "found": b, "use": c} for a, b, c in rows]})
    else:
        tables.show_stack(rows)


@app.command()
def cache(
    clear: Annotated[
        list[str] | None,
        typer.Option("--clear", metavar="WHAT...", help="Remove rows, squares, graphs, keras, matplotlib, notes or all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the cache holds, how large and how old it is; it is kept within HEADSTART_CACHE_GB, 20 GB by default."""
    from headstart import display as tables
    from headstart.foundation.cache import cache_contents

    removed = cache_contents.clear(clear) if clear else cache_contents.prune()
    state = tables.cache_state(removed)
    if as_json:
        _print_json(state)
    else:
        tables.show_cache(state)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False))  # noqa: T201


def _show_run(run: Run, as_json: bool) -> None:
    from headstart import display as tables

    if as_json:
        _print_json(run.to_json())
    else:
        tables.show_run(run)


def _exit_as(run: Run) -> None:
    """End as the run did."""
    if run.folder.state.get("status") == "interrupted":
        raise typer.Exit(130)
