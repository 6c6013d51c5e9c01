"""Doors: ``fit`` and ``resume`` for Python, with the words of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Union

from headstart.data.dataset import Dataset
from headstart.data.readers.column_names import column_of, columns_of
from headstart.data.readers.table import read_table
from headstart.features.part_a import PIXELS
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.foundation.machine import choose_backend
from headstart.foundation.progress import Progress
from headstart.foundation.runs.run_folder import RunFolder
from headstart.search.planning.budget import parse_seconds
from headstart.search.request import Request
from headstart.search.run import Run
from headstart.search.search import resume as resume_search
from headstart.search.search import search
from headstart.training.networks.networks import NETWORKS, adopt

if TYPE_CHECKING:
    import keras
    import pandas as pd

__all__ = ["demo_folder", "fit", "resume"]

OwnNetwork = Union["keras.Model", Callable[..., "keras.KerasTensor"]]


def fit(  # noqa: PLR0913 - the options of the command line, by the same names
    data: str | os.PathLike[str] | Dataset | pd.DataFrame | Array,
    *,
    target: str | int | Sequence[str | int] | None = None,
    image: str | int | None = None,
    group: str | int | None = None,
    task: str | None = None,
    plan: str | os.PathLike[str] = "quick",
    trial: str | OwnNetwork | Sequence[str | OwnNetwork] = (),
    validation: float = 0.2,
    folds: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    budget: str | float | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    started: float | None = None,
) -> Run:
    """Train and compare models on labelled images or a table; leave a run folder with the best one, its report and numbers.

    Args:
        data: A folder of class folders; a CSV or Parquet file, of image paths if a column holds some, else of features;
            ``"demo"``; a data frame or an array ``(rows, columns)``; or a ``Dataset``, as the readers make one.
        target: Name or position of the target column of a table, or several, in a sequence or joined by commas; found if
            None.
        image: Name or position of its column of image paths.
        group: Name or position of its column of what belongs together, such as a patient; see ``read_table``.
        task: ``binary``, ``multiclass``, ``multilabel`` or ``regression``; inferred if None.
        plan: A key of ``PLANS``, or the path of a TOML file as ``docs/plans.md`` has it.
        trial: Only these trials: ``[backbone][-stage][-pooling][-SIDEpx][-Nviews]-network``, or ``table-network``. A
            network of your own, a ``keras.Model`` or a function as ``networks.adopt`` takes them, is the trial of its name:
            on Lite0's features, or at the pixels if it takes images (on a table: ``Model("table", head=...)``). A model
            ends in the task's own output, and is copied, trained by the plan's settings (how it was compiled does not
            count) and left as it was; behind a function, Headstart puts the output layer.
        validation: Share for validation, and for test, where the data brings no split.
        folds: Cross-validate each trial on the training and validation samples in so many folds, and try the mean of the
            models of all folds; 0: no folds; None: only the heads of plan ``best`` and tables below 500 rows, in 5, and
            without that mean.
        weights: Local weights file for a network of keras.applications.
        budget: ``"30s"``, ``"5m"``, ``"1h"`` or seconds, counted from the call.
        out: Folder of the run; ``runs/<data name>-NNN`` if None.
        seed: Seed of splits, initial weights, shuffling and dropout.
        progress: Told how far the run is; silent if None.
        started: ``time.perf_counter()`` value from which budget and wall clock count; the call itself if None.

    Raises:
        HeadstartError: The data, an argument or the budget does not allow a model.

    Example::

        run = hs.fit("flowers/", budget="2m")
        run.leaderboard()
    """
    if not isinstance(data, str | os.PathLike | Dataset) and hasattr(data, "__array__"):
        data = read_table(data, target=target, image=image, group=group, task=task)
        target = image = group = task = None
    asked = columns_of(target)
    trials = _trial_names([trial] if isinstance(trial, str) or callable(trial) else trial)
    request = Request(
        data=data if isinstance(data, Dataset) else str(demo_folder()) if data == "demo" else _path(data),
        target=",".join(asked) if isinstance(asked, list) else asked,
        image=column_of(image),
        group=column_of(group),
        task=task,
        plan=os.fspath(plan),
        trials=trials,
        validation=validation,
        folds=folds,
        weights=Path(weights) if weights else None,
        budget_seconds=parse_seconds(budget) if isinstance(budget, str) else budget,
        out=Path(out) if out else None,
        seed=seed,
        started=started,
    )
    return search(request, progress)


def resume(
    path: str | os.PathLike[str],
    *,
    networks: Sequence[OwnNetwork] = (),
    progress: Progress | None = None,
    started: float | None = None,
) -> Run:
    """Go on with a run that was killed, from where it stood; one that is complete is left as it is.

    Args:
        path: The run folder.
        networks: The networks of your own that ``fit`` was given: a run folder holds their names, not their code.
        progress: Told how far the run is; silent if None.
        started: ``time.perf_counter()`` value from which its budget counts, anew; the call itself if None.

    Raises:
        UsageError: Keras is at work in this process on another backend than the run's (H005).
        RunError: It is no run (H503), or cannot be resumed (H511 to H513, H515).

    Example::

        run = hs.resume("runs/flowers-001")
    """
    folder = RunFolder.open(Path(path))
    backend = folder.state.get("backend")
    if backend and not (folder.path / "manifest.json").is_file():
        choose_backend(backend)
    for network in networks:
        adopt(network)
    return resume_search(folder.path, progress, started=started)


def _path(data: object) -> str:
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    raise UsageError(
        "H045",
        "this is no data to fit on",
        received=type(data).__name__,
        expected="the path of a folder or a table, a data frame, an array (rows, columns), or a Dataset",
        advice="hs.read_table for rows, hs.read_arrays for images in memory",
    )


def _trial_names(trials: Sequence[str | OwnNetwork]) -> tuple[str, ...]:
    """The names of trials, networks among them adopted."""
    found: list[str] = []
    own: dict[str, OwnNetwork] = {}
    for trial in trials:
        if isinstance(trial, str):
            found.append(trial)
            continue
        name = adopt(trial)
        if own.setdefault(name, trial) is not trial:
            raise UsageError(
                "H029",
                "the network needs a name of its own",
                received=f"two networks called {name}",
                expected="a name for each",
                advice='name the function with def, or the model: keras.Model(..., name="mine")',
            )
        found.append("-".join([*_beginning(trial, name), name]))
    return tuple(found)


def _beginning(network: OwnNetwork, name: str) -> list[str]:
    """What stands before a network's name in its trial: the pixels, in the size that a model may insist on."""
    if not NETWORKS[name].takes_images:
        return []
    inputs = getattr(network, "inputs", None)
    side = inputs[0].shape[1] if inputs else None
    return [PIXELS, f"{side}px"] if side else [PIXELS]


def demo_folder() -> Path:
    """The folder of the demo: ``clothing/{train,validation,test}/<class>/*.jpg``; its NOTICE.md names source and licence."""
    return Path(__file__).parent / "demo_images" / "clothing"
