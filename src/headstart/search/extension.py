"""The data of a run, extended by more samples and classes: its samples keep their splits, and the others get one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from headstart.data.class_names import OpenClasses, in_order
from headstart.data.dataset import Dataset
from headstart.data.readers.read import read
from headstart.data.readers.tables.table import Known
from headstart.data.skipped import Skipped
from headstart.data.tasks import TASKS, infer_task
from headstart.export.signature_reader import read_signature
from headstart.foundation.errors import DatasetError
from headstart.foundation.runs.files import read_csv
from headstart.foundation.runs.run_folder import RunFolder
from headstart.foundation.text import listed
from headstart.search.request import Request

__all__ = ["extended", "extension_of"]


def extension_of(folder: RunFolder, data: str, out: Path | None) -> Request:
    """Make the request that extends a run: its settings, and the trials that its model was made of.

    Args:
        folder: A run with a model.
        data: Path of the new data.
        out: Run folder to create; None for the default.

    Raises:
        RunError: The data of the run existed only in its process (H511), or are not found from here (H512).
    """
    earlier = Request.from_run(folder)
    made = read_signature(folder.path)["part_b"]
    members = made.get("members")
    if members is None:
        trials = [folder.state["best"]["trial"]]
    else:
        wanted = {(member["part_a"], member["network"]) for member in members}
        trials = [row["trial"] for row in folder.state["trials"] if (row["part_a"], row["part_b"]) in wanted]
    return replace(earlier, data=data, extends=str(folder.path.resolve()), trials=tuple(trials), out=out)


def extended(
    request: Request, read_earlier: Callable[[Request], Dataset], say: Callable[[str], None] = lambda _: None
) -> Dataset:
    """Read the data of a run and those that extend it.

    Samples of the run keep their splits. New samples keep those that their folders or table give them, and the others are
    divided as ``fit`` does it; copies of samples of the run are left out.

    Args:
        request: The request of the extension.
        read_earlier: Function that reads the data of the extended run.
        say: Receives what was found.

    Raises:
        RunError: The data of the run are not found from here (H512).
        DatasetError: The new data cannot be read, do not fit those of the run (H054), or add nothing to them (H055).
    """
    folder = RunFolder.open(Path(request.extends or ""))
    earlier = read_earlier(Request.from_run(folder))
    old = _with_splits(earlier, folder, say)
    data = str(request.data)
    found = read(data, known=_known(folder, old), group=request.group)
    if (found.table is None) != (old.table is None) or (found.arrays is None) != (old.arrays is None):
        raise _not_fitting(f"{found.name}: {found.sample_noun}s", f"{old.sample_noun}s, as in {folder.path}")
    new = _without_copies(found, old, data)
    say(f"{len(old)} {old.sample_noun}s of {folder.path}, and {len(new)} new ones")
    return _joined(old, new, request)


def _with_splits(dataset: Dataset, folder: RunFolder, say: Callable[[str], None]) -> Dataset:
    """The samples that the run used, in its splits."""
    split_of = {row[dataset.key]: row["split"] for row in read_csv(folder.path / "splits.csv")}
    used = [i for i, path in enumerate(dataset.paths) if path in split_of]
    if len(used) < len(split_of):
        say(f"{len(split_of) - len(used)} {dataset.sample_noun}s of the run are no longer there")
    kept = dataset.take(used)
    made = tuple(folder.state.get("made_splits", ()))
    return replace(kept, split=tuple(split_of[path] for path in kept.paths), made_splits=made)


def _known(folder: RunFolder, old: Dataset) -> Known:
    """How the run read its data, so that further data are read in the same way, with further classes if there are any."""
    classes = OpenClasses(old.classes) if old.task != "regression" else old.classes
    columns = old.table_columns if old.table is not None else ()
    reads = old.table.names if old.table is not None else ()
    image = folder.state.get("image")
    return Known(classes, old.task, old.target_columns, image, columns, reads, old.set_aside, None, old.group_column)


def _without_copies(new: Dataset, old: Dataset, data: str) -> Dataset:
    """New images that are in the run already, left out; equal rows of a table need not be copies."""
    known = {*old.digests} if old.table is None else set()
    copies = [i for i, digest in enumerate(new.digests) if digest in known]
    skipped = [Skipped(new.paths[i], "it is in the run already") for i in copies]
    rest = new.without(skipped, copies)
    if not len(rest):
        reasons = f"; skipped: {rest.skipped[0].reason}" if rest.skipped else ""
        raise DatasetError(
            "H055",
            "nothing to extend the run by",
            received=f"{data}: {len(new)} {new.sample_noun}s, {len(copies)} of them in the run already{reasons}",
            expected=f"labelled {new.sample_noun}s that the run does not have",
            advice="give the folder or table of the new samples",
        )
    if rest.table is None:
        return rest
    name = Path(data).name
    return replace(rest, paths=tuple(f"{name}:{path}" for path in rest.paths))


def _joined(old: Dataset, new: Dataset, request: Request) -> Dataset:
    task, reason, classes = old.task, old.task_reason, old.classes
    if set(new.classes) - set(classes):
        classes = in_order([*old.classes, *new.classes])
        if TASKS[task].has_classes:
            task, reason = infer_task(classes, request.task if request.task == "multiclass" else None)
        reason += f"; new: {listed([name for name in classes if name not in old.classes])}"
    both = replace(old, task=task, task_reason=reason).relabelled(classes, task).plus(new.relabelled(classes, task))
    to_split = tuple(name for name in ("test", "validation") if name in old.split) if not any(new.split) else ()
    split = both.split if to_split else tuple(name or "train" for name in both.split)
    return replace(both, split=split, to_split=to_split, name=f"{old.name}-extended")


def _not_fitting(received: str, expected: str) -> DatasetError:
    return DatasetError(
        "H054",
        "the new data do not fit the run",
        received=received,
        expected=expected,
        advice="give data of the same kind, or fit on all of them: headstart fit DATA",
    )
