"""The commands of ``headstart``: one short function per command; the verbs of finished runs are in ``run_commands``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart import run_commands
from headstart.command_options import Json, Quiet, RunPath, print_json
from headstart.foundation.errors import RunError
from headstart.foundation.text import printable

if TYPE_CHECKING:
    from headstart.search.run import Run

__all__ = ["STOPPED_EARLY", "app", "interrupted"]

STOPPED_EARLY = -1  # returned by a command whose run was interrupted and has a model all the same

app = typer.Typer(
    name="headstart",
    help="Train and compare models on labelled images or a table, and find the fastest good one for this machine.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # otherwise rich would take the brackets in a help text for markup
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        str,
        typer.Argument(metavar="DATA", help="A folder with one folder per class, a table such as CSV, or 'demo'."),
    ],
    target: Annotated[
        str | None, typer.Option(help="Column to predict, by name or position; separate several by commas.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Column of image paths, by name or position.")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Column of groups, for example patient IDs: all samples of a group stay in one split."),
    ] = None,
    time_column: Annotated[
        str | None,
        typer.Option(
            "--time",
            help="Column of dates or numbers to split by: the last samples are for the test, those before for validation.",
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="binary, multiclass, multilabel or regression; inferred from the labels by default.")
    ] = None,
    duplicates: Annotated[
        str | None,
        typer.Option(
            help="group: near duplicates stay in one split, however many look alike; keep: they are separate samples. By "
            "default, pictures of which more than 10 look alike are separate, such as those of a fixed camera."
        ),
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
    epochs: Annotated[
        int | None, typer.Option(help="Maximum number of epochs of every trial that has any. Default: the plan's.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of every trial trained with an optimizer. Default: the plan's.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples per training step, a power of two. Default: chosen for the data.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Local weights file for a keras.applications backbone.")] = None,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Fit linear heads to your own validation split too, once it has selected them."),
    ] = False,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Also learn which images are unlike the training images, for predict --unknown."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Run folder to create. Default: runs/<data name>-NNN.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed for splits, initial weights, shuffling and dropout.")] = 0,
    backend: Annotated[
        str | None, typer.Option(help="Keras backend: tensorflow, torch or jax. Default: the KERAS_BACKEND variable.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int | None:
    """Train and compare models on your data; save the best one and a report."""
    if chosen := backend or os.environ.get("KERAS_BACKEND"):
        from headstart.foundation.machine import choose_backend

        choose_backend(chosen, is_variable=not backend)
    from headstart.api import fit as fit_model

    start = partial(
        fit_model,
        data,
        target=target,
        image=image,
        group=group,
        time=time_column,
        task=task,
        duplicates=duplicates,
        plan=plan,
        trial=trial or (),
        validation=validation,
        folds=folds,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        weights=weights,
        refit=refit,
        unknown=unknown,
        budget=budget,
        out=out,
        seed=seed,
        progress=not quiet,
    )
    return _run(start, as_json)


@app.command()
def resume(
    run: RunPath,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int | None:
    """Resume a run that was killed or ended by Ctrl-C, on the backend it started with; a complete run is only shown."""
    from headstart.api import resume as resume_run

    return _run(partial(resume_run, run, progress=not quiet), as_json)


@app.command()
def extend(
    run: RunPath,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="New labelled samples: a folder of class folders, or a table.")
    ],
    budget: Annotated[
        str | None, typer.Option(help="Time limit for the whole process, report included, such as 30s, 5m or 1h.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to create. Default: runs/<data name>-NNN.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int | None:
    """Fit the model of a run anew with more samples or classes, of which only the new ones are computed."""
    from headstart.api import extend as extend_run

    return _run(partial(extend_run, run, data, budget=budget, out=out, progress=not quiet), as_json)


@app.command()
def demo(as_json: Json = False, quiet: Quiet = False) -> int | None:
    """Run fit on the photographs that ship with Headstart."""
    return fit("demo", as_json=as_json, quiet=quiet)


for verb in (
    run_commands.leaderboard,
    run_commands.evaluate,
    run_commands.predict,
    run_commands.label,
    run_commands.export,
    run_commands.runs,
):
    app.command()(verb)


@app.command()
def stack(as_json: Json = False) -> None:
    """Show what is installed, from Python to the GPU, and what Headstart will use."""
    from headstart import display
    from headstart.foundation.machine import stack as layers

    rows = layers()
    if as_json:
        print_json({"layers": [{"layer": a.strip(), "found": b, "use": c} for a, b, c in rows]})
    else:
        display.show_stack(rows)


@app.command()
def cache(
    clear: Annotated[
        list[str] | None,
        typer.Option(
            "--clear",
            metavar="WHAT...",
            help="Remove any of rows, squares, graphs, pictures, keras, matplotlib and notes, or all.",
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
        print_json(state)
    else:
        display.show_cache(state)


def _run(start: Callable[..., Run], as_json: bool) -> int | None:
    """Carry out a run, whose time counts from the start of this process, and print its results."""
    from headstart import display
    from headstart.foundation.native_logs import hush_native_libraries
    from headstart.foundation.stopwatch import process_age_seconds

    hush_native_libraries()

    with _stoppable():
        run = start(started=time.perf_counter() - process_age_seconds())
    if as_json:
        print_json(run.to_json())
    else:
        display.show_run(run)
    return _ending(run)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn Ctrl-C into an error that says how to continue the run, if there is one."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise interrupted(str(error)) from error


def _ending(run: Run) -> int | None:
    """If the run was interrupted, print how to continue it, and return the status for that."""
    if run.folder.state.get("status") != "interrupted":
        return None
    text = f"Interrupted: the best model so far was saved. To train the other trials: headstart resume {run.path}"
    print(printable(text), file=sys.stderr)  # noqa: T201
    return STOPPED_EARLY


def interrupted(how_to_continue: str = "") -> RunError:
    """Create the error for a command that Ctrl-C ended without a result (H530).

    Args:
        how_to_continue: What is left, and what to type. Defaults to general advice.
    """
    return RunError(
        "H530",
        "interrupted",
        received="Ctrl-C before the command had ended",
        expected="a command that ends by itself; a fit that is stopped during a later trial still ends with the best one",
        advice=how_to_continue or "list the runs with headstart runs, and continue one with headstart resume RUN",
        exit_code=130,
    )
