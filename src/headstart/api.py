"""``fit`` and ``resume`` as Python functions, with the options of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Union

from headstart.data.dataset import Dataset
from headstart.data.readers.labels.column_names import column_of, columns_of
from headstart.data.readers.read import read_table
from headstart.features.part_a import PIXELS
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.foundation.machine import choose_backend
from headstart.foundation.progress import Progress
from headstart.foundation.progress_display import make_progress
from headstart.foundation.runs.run_folder import RunFolder
from headstart.models.model import Model
from headstart.search.extension import extension_of
from headstart.search.planning.budget import parse_seconds
from headstart.search.request import Request
from headstart.search.run import Run
from headstart.search.search import resume as resume_search
from headstart.search.search import search
from headstart.training.networks.networks import NETWORKS, adopt

if TYPE_CHECKING:
    import keras
    import pandas as pd

__all__ = ["demo_folder", "extend", "fit", "load", "resume"]

OwnNetwork = Union["keras.Model", Callable[..., "keras.KerasTensor"]]


def fit(  # noqa: PLR0913 - the options of the command line, by the same names
    data: str | os.PathLike[str] | Dataset | pd.DataFrame | Array,
    *,
    target: str | int | Sequence[str | int] | None = None,
    image: str | int | None = None,
    group: str | int | None = None,
    time: str | int | None = None,
    task: str | None = None,
    duplicates: str | None = None,
    plan: str | os.PathLike[str] = "quick",
    trial: str | OwnNetwork | Sequence[str | OwnNetwork] = (),
    validation: float = 0.2,
    folds: int | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    refit: bool = False,
    unknown: bool = False,
    budget: str | float | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Progress | bool = True,
    started: float | None = None,
) -> Run:
    """Train and compare models on labelled images or a table, and save the best one with a report in a run folder.

    Args:
        data: A folder with one folder per class; a table such as a CSV file, of image paths if one of its columns holds
            paths, of features otherwise; ``"demo"``; a data frame or an array ``(rows, columns)``; or a ``Dataset`` from
            one of the readers.
        target: Name or position of the target column of a table. For several targets, a sequence or one string separated
            by commas. Detected by default.
        image: Name or position of the column of image paths. Detected by default.
        group: Name or position of the column of groups, for example patient IDs: all samples of a group stay in one
            split (see ``read_table``). Defaults to None, for independent samples.
        time: Name or position of a column of dates or numbers by which the data are split: the last samples are the test
            split, those before them validation (see ``read_table``). Defaults to None, for samples without an order.
        task: ``binary``, ``multiclass``, ``multilabel`` or ``regression``. Inferred from the labels by default.
        duplicates: ``"group"`` to keep near duplicates in one split however many look alike, ``"keep"`` to treat them as
            separate samples. By default, near duplicates stay in one split unless more than 10 pictures look alike, as
            those of a fixed camera.
        plan: A key of ``PLANS``, or the path of a TOML file as described in ``docs/plans.md``. Defaults to ``"quick"``.
        trial: Run only these trials: ``[backbone][-stage][-pooling][-SIDEpx][-Nviews]-network``, or ``table-network``.
            Also accepts a network of your own, a ``keras.Model`` or a function (see ``networks.adopt``), which becomes the
            trial of its name: on Lite0's features, or at the pixels if it takes images (on a table, use
            ``Model("table", head=...)``). A model must end in the task's output layer; it is copied, trained with the
            plan's settings (its own ``compile`` is ignored) and left unchanged. To the output of a function, Headstart
            adds the output layer. Defaults to all trials of the plan.
        validation: Share of the samples for validation, and for test, if the data have no split. Defaults to 0.2.
        folds: Cross-validate each trial on the training and validation samples with this many folds, and also try the
            mean of the models of all folds. 0 means no folds. By default, only the heads of plan ``best`` and tables with
            fewer than 500 rows are cross-validated, in 5 folds and without that mean.
        epochs: Maximum number of epochs of every trial that has any. Defaults to the plan's own, as do the next two.
        learning_rate: Learning rate of every trial that is trained with an optimizer.
        batch_size: Samples per step, a power of two, of every trial that is trained in steps. Trials without such a setting,
            such as trees and linear heads that a solver fits, are trained as always, which is reported.
        weights: Local weights file for a ``keras.applications`` backbone.
        refit: Whether linear heads that a solver fits are fitted to your own validation split too, once it has selected
            them. A validation split that Headstart made is used in this way always. Defaults to False.
        unknown: Whether the model also tells how unlike the training images an image is, as a second output of every
            exported file and for ``Run.predict(..., unknown=True)``. It needs images and a backbone. Defaults to False.
        budget: Time limit for the whole run, counted from the call: ``"30s"``, ``"5m"``, ``"1h"`` or a number of seconds.
            Unlimited by default.
        out: Run folder to create. Defaults to ``runs/<data name>-NNN``.
        seed: Random seed for splits, initial weights, shuffling and dropout. Defaults to 0.
        progress: True to show what is being done and the best trial so far: on standard error, in a notebook as one display
            that is updated. False for silence, or an object that receives the progress. Defaults to True.
        started: ``time.perf_counter()`` value from which budget and wall-clock time are counted. Defaults to the time of
            the call.

    Returns:
        The finished run: leaderboard, evaluation, report and the selected model.

    Raises:
        HeadstartError: The data, an argument or the budget does not allow a model to be trained.

    Example::

        run = hs.fit("flowers/", budget="2m")
        run.leaderboard()
    """
    if not isinstance(data, str | os.PathLike | Dataset) and hasattr(data, "__array__"):
        data = read_table(data, target=target, image=image, group=group, time=time, task=task)
        target = image = group = time = task = None
    asked = columns_of(target)
    trials = _trial_names([trial] if isinstance(trial, str) or callable(trial) else trial)
    request = Request(
        data=data if isinstance(data, Dataset) else str(demo_folder()) if data == "demo" else _path(data),
        target=",".join(asked) if isinstance(asked, list) else asked,
        image=column_of(image),
        group=column_of(group),
        time=column_of(time),
        task=task,
        duplicates=duplicates,
        plan=os.fspath(plan),
        trials=trials,
        validation=validation,
        folds=folds,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        weights=Path(weights) if weights else None,
        refit=refit,
        unknown=unknown,
        budget_seconds=parse_seconds(budget) if isinstance(budget, str) else budget,
        out=Path(out) if out else None,
        seed=seed,
        started=started,
    )
    shown = make_progress(progress)
    try:
        return search(request, shown)
    finally:
        shown.end()


def extend(
    run: Run | str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    budget: str | float | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | bool = True,
    started: float | None = None,
) -> Run:
    """Fit the model of a run anew with more samples, and with more classes if they have any; that run stays as it is.

    Samples of the run are recognised by content and keep their splits. New ones keep the splits that their folders or table
    give them; the others are for training, or are divided among the splits that Headstart made. Only new images go through
    the backbone, and only the trials that the run's model was made of are fitted.

    Args:
        run: A finished run, or its folder.
        data: Path of the new labelled samples: a folder of class folders, or a table as it was given to ``fit``.
        budget: As in ``fit``. Defaults to None: no limit, whatever the run had.
        out: Run folder to create. Defaults to ``runs/<data name>-NNN``.
        progress: As in ``fit``. Defaults to True.
        started: As in ``fit``. Defaults to the time of the call.

    Returns:
        The new run.

    Raises:
        RunError: The run has no model (H505), its data existed only in the process that fitted it (H511), are not found
            from here (H512), or are other data by now (H513).
        DatasetError: The new data cannot be read, do not fit the run (H054), or add nothing to it (H055).

    Example::

        run = hs.extend("runs/flowers-001", "new/")
    """
    opened = run if isinstance(run, Run) else Run(run)
    opened.require_model()
    seconds = parse_seconds(budget) if isinstance(budget, str) else budget
    request = replace(extension_of(opened.folder, _path(data), Path(out) if out else None, seconds), started=started)
    shown = make_progress(progress)
    try:
        return search(request, shown)
    finally:
        shown.end()


def resume(
    path: str | os.PathLike[str],
    *,
    networks: Sequence[OwnNetwork] = (),
    progress: Progress | bool = True,
    started: float | None = None,
) -> Run:
    """Resume a run that was killed or ended by Ctrl-C, from where it stopped; a complete run is left unchanged.

    Args:
        path: The run folder.
        networks: Your own networks that were passed to ``fit``: a run folder holds their names, not their code. Defaults
            to none.
        progress: True to show what is being done and the best trial so far: on standard error, in a notebook as one display
            that is updated. False for silence, or an object that receives the progress. Defaults to True.
        started: ``time.perf_counter()`` value from which the budget is counted anew. Defaults to the time of the call.

    Returns:
        The finished run, equal to the bit to one that was never killed (seconds aside).

    Raises:
        UsageError: Keras already runs on another backend in this process (H005).
        RunError: The folder is not a run (H503), another process is writing to it (H516), or it cannot be resumed (H511
            to H513, H515).

    Example::

        run = hs.resume("runs/flowers-001")
    """
    folder = RunFolder.open(Path(path))
    backend = folder.state.get("backend")
    if backend and not folder.is_complete:
        choose_backend(backend)
    for network in networks:
        adopt(network)
    shown = make_progress(progress)
    try:
        return resume_search(folder.path, shown, started=started)
    finally:
        shown.end()


def load(path: str | os.PathLike[str]) -> Run | Model:
    """Open a run folder as a ``Run``, or the folder of a saved model as a ``Model``; both predict and evaluate.

    Args:
        path: A folder that ``fit``, ``headstart fit`` or ``Model.save`` wrote.

    Raises:
        RunError: The folder is neither (H503), was written by another version (H504), was changed (H506), contains links
            (H520), or cannot be read (H502).

    Example::

        hs.load("runs/flowers-001").predict("new/")
    """
    folder = Path(path)
    is_model = (folder / "signature.json").is_file() and not (folder / "run.json").is_file()
    return Model.load(folder) if is_model else Run(folder)


def _path(data: object) -> str:
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    raise UsageError(
        "H045",
        "unsupported data type",
        received=type(data).__name__,
        expected="the path of a folder or a table, a data frame, an array (rows, columns), or a Dataset",
        advice="use hs.read_table for rows, or hs.read_arrays for images in memory",
    )


def _trial_names(trials: Sequence[str | OwnNetwork]) -> tuple[str, ...]:
    """Replace each network among the trials by the name of a trial that trains it."""
    names: list[str] = []
    own: dict[str, OwnNetwork] = {}
    for trial in trials:
        if isinstance(trial, str):
            names.append(trial)
            continue
        name = adopt(trial)
        if own.setdefault(name, trial) is not trial:
            raise UsageError(
                "H029",
                "invalid network name",
                received=f"two networks called {name}",
                expected="a different name for each network",
                advice='define the function with def, or name the model: keras.Model(..., name="mine")',
            )
        names.append("-".join([*_prefix(trial, name), name]))
    return tuple(names)


def _prefix(network: OwnNetwork, name: str) -> list[str]:
    """Parts of a trial's name before its network: for a network of images ``pixels``, and the side that its input fixes."""
    if not NETWORKS[name].takes_images:
        return []
    inputs = getattr(network, "inputs", None)
    side = inputs[0].shape[1] if inputs else None
    return [PIXELS, f"{side}px"] if side else [PIXELS]


def demo_folder() -> Path:
    """Folder of the demo photographs, ``{train,validation,test}/<class>/*.jpg``; its NOTICE.md names source and licence."""
    return Path(__file__).parent / "demo_images" / "clothing"
