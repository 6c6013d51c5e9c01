"""Doors: ``fit`` for Python, with the words of the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from headstart.budget import parse_seconds
from headstart.dataset import Dataset
from headstart.demo import demo_folder
from headstart.progress import Progress
from headstart.run import Run
from headstart.search import Request, search

__all__ = ["fit"]


def fit(  # noqa: PLR0913 - the options of the command line, by the same names
    data: str | os.PathLike[str] | Dataset,
    *,
    target: str | None = None,
    image: str | None = None,
    task: str | None = None,
    plan: str = "quick",
    trial: str | Sequence[str] = (),
    validation: float = 0.2,
    weights: str | os.PathLike[str] | None = None,
    budget: str | float | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    started: float | None = None,
) -> Run:
    """Train and compare models on labelled images; leave a run folder with the best one, its report and its numbers.

    Args:
        data: A folder of class folders, a CSV or Parquet file with a column of image paths, ``"demo"``, or a ``Dataset``.
        target: Name or position of the label column of a table.
        image: Name or position of its column of image paths.
        task: ``binary`` or ``multiclass``; inferred if None.
        plan: A key of ``PLANS``.
        trial: Only these trials: ``[backbone-][pooling-]network``.
        validation: Share for validation, and for test, where the data brings no split.
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
    request = Request(
        data=data if isinstance(data, Dataset) else str(demo_folder()) if data == "demo" else os.fspath(data),
        target=target,
        image=image,
        task=task,
        plan=plan,
        trials=(trial,) if isinstance(trial, str) else tuple(trial),
        validation=validation,
        weights=Path(weights) if weights else None,
        budget_seconds=parse_seconds(budget) if isinstance(budget, str) else budget,
        out=Path(out) if out else None,
        seed=seed,
        started=started,
    )
    return search(request, progress)
