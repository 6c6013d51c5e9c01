"""The data of a run, extended by more samples and classes: its samples keep their splits, and the others get one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.class_names import OpenClasses, in_order
from headstart.data.dataset import Dataset
from headstart.data.groups import group_duplicates, sides_of
from headstart.data.rare_classes import LEAST_TO_SPLIT, rare_classes, without_classes
from headstart.data.readers.read import read
from headstart.data.readers.tables.table import Known
from headstart.data.skipped import Skipped
from headstart.data.tables.files.read_cells import read_cells
from headstart.data.tasks import TASKS, infer_task
from headstart.export.signature_reader import read_signature
from headstart.foundation.errors import DatasetError, RunError
from headstart.foundation.runs.file_reading import held_to
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.runs.schema import LOADABLE
from headstart.foundation.text import listed
from headstart.models.scoring import contents_of
from headstart.search.request import Request

__all__ = ["extended", "extension_of"]

_GONE = "the run has it, but it is gone from its data or has changed"
_NOT_IN_RUN = "it is new in the data of the run: give these as the new data to add it"
_KNOWN = "it is in the run already"


def extension_of(folder: RunFolder, data: str, out: Path | None, budget_seconds: float | None) -> Request:
    """Make the request that extends a run: its settings, and the trials that its model was made of.

    Args:
        folder: A run with a model.
        data: Path of the new data.
        out: Run folder to create; None for the default.
        budget_seconds: Time limit; None for no limit, whatever the run had.

    Raises:
        RunError: The data of the run existed only in its process (H511), or are not found from here (H512).
    """
    earlier = Request.from_run(folder)
    signature = held_to(folder.path / "signature.json", read_signature(folder.path), LOADABLE)
    made, rows, best = signature["part_b"], folder.state["trials"], folder.state["best"] or {}
    if "members" in made:
        wanted = {(member["part_a"], member["network"]) for member in made["members"]}
        trials = tuple(row["trial"] for row in rows if (row["part_a"], row["part_b"]) in wanted)
    else:
        trials = tuple(row["trial"] for row in rows if row["trial"] == best.get("trial"))
    folder_of = str(folder.path.resolve())
    return replace(earlier, data=data, extends=folder_of, trials=trials, out=out, budget_seconds=budget_seconds)


def extended(
    request: Request, read_earlier: Callable[[Request], Dataset], say: Callable[[str], None] = lambda _: None
) -> Dataset:
    """Read the data of a run and those that extend it.

    Samples of the run are recognised by content and keep their splits. New samples keep those that their folders or table
    give them. Of the others, copies of the run's samples and members of its groups go where these are, and the rest is
    divided among the splits that Headstart made.

    Args:
        request: The request of the extension.
        read_earlier: Function that reads the data of the extended run.
        say: Receives what was found.

    Raises:
        RunError: The data of the run are not found from here (H512) or are other data (H513), or runs extend each other in
            a circle (H517).
        DatasetError: The new data cannot be read, do not fit those of the run (H054), or add nothing to them (H055).
    """
    _check_chain(request)
    folder = RunFolder.open(Path(request.extends or ""))
    earlier = Request.from_run(folder)
    if earlier.time:
        raise _not_fitting(f"{folder.path}, which was split over time by {earlier.time}", "a run without --time")
    encoding = read_signature(folder.path).get("encoding")
    old = _with_splits(read_earlier(earlier), folder, encoding)
    data = str(request.data)
    found = read(data, known=_known(folder, old, data))
    _check_fit(old, found, say)
    new = _named_apart(_only_new(found, old, encoding, data), old, data)
    say(f"{len(old)} {old.sample_noun}s of {folder.path}, and {len(new)} new ones")
    return _joined(old, new, request)


def _check_chain(request: Request) -> None:
    """Reject runs that extend each other in a circle, which only a changed run.json can say."""
    seen: list[str] = []
    while request.extends:
        if request.extends in seen:
            raise RunError(
                "H517",
                "runs extend each other in a circle",
                received=" → ".join([*seen, request.extends]),
                expected="a run that extends an earlier one",
                advice="fit again on all data: headstart fit DATA",
            )
        seen.append(request.extends)
        request = Request.from_run(RunFolder.open(Path(request.extends)))


def _with_splits(dataset: Dataset, folder: RunFolder, encoding: Mapping[str, Any] | None) -> Dataset:
    """The samples that the run used, in its splits; those that are gone or have changed are listed as skipped."""
    rows_of: dict[str, list[dict[str, str]]] = defaultdict(list)
    rows = [{**where, **what} for where, what in zip(folder.rows("splits.csv"), folder.rows("contents.csv"), strict=True)]
    for row in rows:
        rows_of[row["digest"]].append(row)
    used, split, others = [], [], []
    for place, content in enumerate(contents_of(dataset, encoding)):
        if rows_of[content]:
            used.append(place)
            split.append(rows_of[content].pop(0)["split"])
        else:
            others.append(Skipped(dataset.name_of(place), _NOT_IN_RUN))
    prefix = "" if dataset.table is None else "row "
    gone = [Skipped(prefix + row.get(dataset.key, ""), _GONE) for left in rows_of.values() for row in left]
    if 2 * len(gone) > len(rows):
        raise RunError(
            "H513",
            "the data have changed since the run began",
            received=f"{dataset.name}, without {len(gone)} of the {len(rows)} {dataset.sample_noun}s of {folder.path}",
            expected="the data that the run was fitted on",
            advice="fit again on all data: headstart fit DATA",
        )
    kept = dataset.take(used)
    made = tuple(folder.state.get("made_splits", ()))
    return replace(kept, split=tuple(split), made_splits=made, skipped=(*kept.skipped, *others, *gone))


def _known(folder: RunFolder, old: Dataset, data: str) -> Known:
    """How the run read its data, so that further data are read in the same way, with further classes if there are any."""
    classes = OpenClasses(old.classes)
    if old.table is not None:
        columns, reads = old.table_columns, old.table.names
        return Known(classes, old.task, old.target_columns, None, columns, reads, old.set_aside, None, old.group_column)
    targets, image = old.target_columns, folder.state.get("image")
    if Path(data).suffix.lower() == ".csv" and Path(data).is_file() and read_cells(Path(data))[0].names[:2] == _TO_LABEL:
        image, targets = _TO_LABEL[0], _TO_LABEL[1:]
    return Known(classes, old.task, targets, image, group=old.group_column)


_TO_LABEL = ("path", "label")  # first columns of a list that label wrote


def _check_fit(old: Dataset, new: Dataset, say: Callable[[str], None]) -> None:
    """Reject new data of another kind, task or form.

    Raises:
        DatasetError: They do not fit the run (H054).
    """
    forms = [_form(dataset) for dataset in (old, new)]
    if forms[0] != forms[1] or old.root != new.root:
        raise _not_fitting(f"{new.name}: {forms[1]}", f"{forms[0]} like those of the run; archives have to be unpacked")
    have_classes = [TASKS[dataset.task].has_classes for dataset in (old, new)]
    if have_classes[0] != have_classes[1] or (not have_classes[0] and old.task != new.task):
        raise _not_fitting(f"{new.name}, read as data for {new.task}", f"data for {old.task}")
    if not have_classes[0] and len(old.target_columns) != 1 and set(old.classes) - set(new.classes):
        raise _not_fitting(f"{new.name} with {listed(list(new.classes))}", f"the columns {listed(list(old.classes))}")
    if old.arrays is not None and new.arrays is not None and old.arrays.shape[1:] != new.arrays.shape[1:]:
        raise _not_fitting(f"images of shape {new.arrays.shape[1:]}", f"images of shape {old.arrays.shape[1:]}")
    if bool(old.groups) and not new.groups:
        raise _not_fitting(f"{new.name} without the column {old.group_column}", f"a table with {old.group_column}")
    if old.table is not None and new.table is not None:
        if missing := [name for name in old.table.names if name not in new.table.names]:
            raise _not_fitting(f"{new.name} without {listed(missing)}", f"a table with {listed(list(old.table.names))}")
        if more := [name for name in new.table.names if name not in old.table.names]:
            say(f"columns that the run does not have are left out: {listed(more)}")


def _form(dataset: Dataset) -> str:
    return "rows" if dataset.table is not None else "images in memory" if dataset.arrays is not None else "image files"


def _only_new(new: Dataset, old: Dataset, encoding: Mapping[str, Any] | None, data: str) -> Dataset:
    """New samples without those of the run: images of equal content, and rows if the table has the rows of the run too."""
    left = Counter(contents_of(old, encoding))
    contents = contents_of(new, encoding)
    are_known = []
    for content in contents:
        are_known.append(left[content] > 0)
        left[content] -= old.table is not None and left[content] > 0  # as many rows as the run has
    if old.table is not None and 2 * sum(are_known) < len(old):  # equal rows by chance
        are_known = [False] * len(new)
    places = np.flatnonzero(are_known).tolist()
    rest = new.without([Skipped(new.name_of(place), _KNOWN) for place in places], places)
    rest = _without_rare(rest, old)
    if len(rest):
        return rest
    others = [skipped for skipped in rest.skipped if skipped.reason != _KNOWN]
    raise DatasetError(
        "H055",
        "nothing to extend the run by",
        received=f"{data}: {len(new)} labelled {new.sample_noun}s, {len(places)} of them in the run already"
        + (f"; skipped: {others[0].path}: {others[0].reason}" if others else ""),
        expected=f"labelled {new.sample_noun}s that the run does not have",
        advice="give the folder or table of the new samples",
    )


def _without_rare(new: Dataset, old: Dataset) -> Dataset:
    """Leave out further classes of which there are too few samples to divide, as ``fit`` does it."""
    if not TASKS[new.task].has_classes or any(new.split) or not old.made_splits:
        return new
    rare = [label for label in rare_classes(new, LEAST_TO_SPLIT) if new.classes[label] not in old.classes]
    return without_classes(new, rare, LEAST_TO_SPLIT)


def _named_apart(new: Dataset, old: Dataset, data: str) -> Dataset:
    """Rows and images in memory, which are named by their number, by the name of their file as well."""
    if new.table is None and new.arrays is None:
        return new
    name, number = Path(data).name, 1
    while any(path.startswith(f"{name}:") for path in old.paths):
        number += 1
        name = f"{Path(data).name} ({number})"
    return replace(new, paths=tuple(f"{name}:{path}" for path in new.paths))


def _joined(old: Dataset, new: Dataset, request: Request) -> Dataset:
    task, reason, classes = old.task, old.task_reason, old.classes
    if set(new.classes) - set(classes):
        classes = in_order([*old.classes, *new.classes])
        if TASKS[task].has_classes:
            task, reason = infer_task(classes, request.task if request.task == "multiclass" else None)
        reason += f"; new: {listed([name for name in classes if name not in old.classes])}"
    both = replace(old, task=task, task_reason=reason).relabelled(classes, task).plus(new.relabelled(classes, task))
    sides = sides_of(group_duplicates(both))  # near copies are found when images are decoded
    decided = {side: name for side, name in zip(sides, both.split, strict=True) if name}
    split = [name or decided.get(side, "") for side, name in zip(sides, both.split, strict=True)]
    to_split = () if any(new.split) else tuple(name for name in ("test", "validation") if name in old.made_splits)
    if not to_split:
        split = [name or "train" for name in split]
    return replace(both, split=tuple(split), to_split=to_split, name=f"{old.name}-extended")


def _not_fitting(received: str, expected: str) -> DatasetError:
    return DatasetError(
        "H054",
        "the new data do not fit the run",
        received=received,
        expected=expected,
        advice="give data of the form that the run has, or fit on all of them: headstart fit DATA",
    )
