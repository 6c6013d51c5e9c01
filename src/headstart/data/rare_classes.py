"""Leave out classes with too few samples for training and validation: typing errors, or what is truly rare."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.data.tasks import TASKS, infer_task
from headstart.foundation.text import listed

__all__ = ["LEAST_TO_SPLIT", "without_rare_classes"]

LEAST_TO_SPLIT = 3  # different samples of a class, one for each split


def without_rare_classes(dataset: Dataset, task: str | None = None) -> Dataset:
    """Leave out classes of which there are too few different samples to split, as long as two classes remain.

    A split into training, validation and test needs three different samples of each class, and validation samples taken from
    the user's training split need two. If the user gave validation samples, nothing is left out.

    Args:
        dataset: The data set, before Headstart splits it.
        task: The task that the user asked for. Defaults to None: inferred anew if classes are left out.

    Returns:
        The data set, with the samples of the classes left out as skipped.
    """
    given = {name for name in dataset.split if name}
    if not TASKS[dataset.task].has_classes or "validation" in given:
        return dataset
    least = 2 if given else LEAST_TO_SPLIT
    different: dict[int, set[object]] = defaultdict(set)
    contents = dataset.digests if dataset.table is None else dataset.paths  # equal rows need not be copies
    for label, content, split in zip(dataset.labels.tolist(), contents, dataset.split, strict=True):
        if split != "test":
            different[label].add(content)
    kept = [label for label in range(dataset.num_classes) if len(different[label]) >= least]
    if len(kept) in (dataset.num_classes, 0, 1):
        return dataset
    counts = np.bincount(dataset.labels, minlength=dataset.num_classes)
    numbers = np.full(dataset.num_classes, -1)  # the new number of each class
    numbers[kept] = np.arange(len(kept))
    gone = np.flatnonzero(numbers[dataset.labels] < 0).tolist()
    skipped = []
    for i in gone:
        label = dataset.labels[i]
        samples = "1 sample" if counts[label] == 1 else f"{counts[label]} samples"
        kind = "different ones" if dataset.table is None else "of each class"
        reason = f"its class {dataset.classes[label]} has {samples}, and a split needs {least} {kind}"
        skipped.append(Skipped(dataset.paths[i] if dataset.table is None else f"row {dataset.paths[i]}", reason))
    classes = tuple(dataset.classes[label] for label in kept)
    rest = dataset.without(skipped, gone)
    labels = numbers[rest.labels]
    inferred, reason = infer_task(classes, task)
    names = [name for name, number in zip(dataset.classes, numbers, strict=True) if number < 0]
    told = [dataset.task_reason, f"left out, with too few samples: {listed(names)}"]
    told += [] if inferred == dataset.task else [reason]
    return replace(rest, classes=classes, labels=labels, task=inferred, task_reason="; ".join(told))
