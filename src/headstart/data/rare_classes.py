"""Leave out classes with too few samples for training and validation: typing errors, or what is truly rare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.skipped import Skipped
from headstart.data.tasks import TASKS, infer_task
from headstart.foundation.text import listed

__all__ = ["LEAST_TO_SPLIT", "rare_classes", "without_classes", "without_rare_classes"]

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
    rare = rare_classes(dataset, least)
    if not rare or len(rare) >= dataset.num_classes - 1:
        return dataset
    rest = without_classes(dataset, rare, least)
    inferred, reason = infer_task(rest.classes, task)
    reasons = [dataset.task_reason, f"left out, with too few samples: {listed([dataset.classes[label] for label in rare])}"]
    reasons += [] if inferred == dataset.task else [reason]
    return replace(rest, task=inferred, task_reason="; ".join(reasons))


def rare_classes(dataset: Dataset, least: int) -> list[int]:
    """Classes with fewer than ``least`` different samples outside the test split."""
    different: dict[int, set[object]] = defaultdict(set)
    contents = dataset.digests if dataset.table is None else dataset.paths  # equal rows need not be copies
    for label, content, split in zip(dataset.labels.tolist(), contents, dataset.split, strict=True):
        if split != "test":
            different[label].add(content)
    return [label for label in range(dataset.num_classes) if len(different[label]) < least]


def without_classes(dataset: Dataset, labels: Sequence[int], least: int) -> Dataset:
    """Leave out the samples of these classes, which have fewer than ``least`` different ones, as skipped."""
    counts = np.bincount(dataset.labels, minlength=dataset.num_classes)
    kept = [label for label in range(dataset.num_classes) if label not in labels]
    numbers = np.full(dataset.num_classes, -1)  # the new number of each class
    numbers[kept] = np.arange(len(kept))
    gone = np.flatnonzero(numbers[dataset.labels] < 0).tolist()
    skipped = []
    for i in gone:
        label = dataset.labels[i]
        samples = "1 sample" if counts[label] == 1 else f"{counts[label]} samples"
        kind = "different ones" if dataset.table is None else "of each class"
        reason = f"its class {dataset.classes[label]} has {samples}, and a split needs {least} {kind}"
        skipped.append(Skipped(dataset.name_of(i), reason))
    rest = dataset.without(skipped, gone)
    return replace(rest, classes=tuple(dataset.classes[label] for label in kept), labels=numbers[rest.labels])
