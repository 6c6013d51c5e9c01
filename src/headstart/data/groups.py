"""Groups of samples that must stay in one split: copies of an image or row, and user-supplied groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.data.near_duplicates import find_near_duplicates
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.foundation.text import printable

__all__ = ["DUPLICATES", "check_duplicates", "duplicate_groups", "group_duplicates", "sides_of"]

DUPLICATES = ("group", "keep")  # how near duplicates are treated if that is not decided automatically


def duplicate_groups(digests: Sequence[str], near: Array | None = None) -> tuple[int, ...]:
    """Group number of each sample: samples with equal contents, or with contents that are near duplicates, share a group.

    Args:
        digests: Content digest of each sample.
        near: For each different digest, in order of first occurrence, the position of a near duplicate among them, or its
            own, as ``find_near_duplicates`` returns. Defaults to None: only contents are compared.
    """
    contents: dict[str, int] = {}
    places = [contents.setdefault(digest, len(contents)) for digest in digests]
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(place if near is None else int(near[place]), len(numbers)) for place in places)


def group_duplicates(dataset: Dataset, thumbnails: Array | None = None) -> Dataset:
    """Set ``duplicate_groups`` of a data set to its groups of exact and near duplicates.

    Equal rows of a table are treated as copies unless most rows recur, because its columns then have few values. Pictures
    that look alike are treated as copies unless more than 10 of them do and differ, as pictures of a fixed camera. The data
    set's ``duplicates`` can override both.

    Args:
        dataset: The samples.
        thumbnails: Grey thumbnails of its images, ``(n, 16, 16)``, uint8. Defaults to None: only contents are compared.
    """
    if dataset.table is not None:
        groups = duplicate_groups(dataset.digests)
        are_few = 2 * len(set(groups)) < len(groups) and not dataset.duplicates
        if are_few or dataset.duplicates == "keep":
            groups = tuple(range(len(groups)))
        return replace(dataset, duplicate_groups=groups)
    if thumbnails is None or dataset.duplicates == "keep":
        return replace(dataset, duplicate_groups=duplicate_groups(dataset.digests), num_in_scenes=0, num_indistinct=0)
    _, first = np.unique(np.array([*dataset.digests], np.str_), return_index=True)
    near = find_near_duplicates(thumbnails[np.sort(first)], has_scenes=dataset.duplicates != "group")
    groups = duplicate_groups(dataset.digests, near.groups)
    return replace(dataset, duplicate_groups=groups, num_in_scenes=near.num_in_scenes, num_indistinct=near.num_indistinct)


def check_duplicates(duplicates: str | None) -> None:
    """Reject an unknown treatment of near duplicates.

    Raises:
        UsageError: The value is neither None nor one of ``DUPLICATES`` (H130).
    """
    if duplicates not in (None, *DUPLICATES):
        raise UsageError(
            "H130",
            "unknown treatment of duplicates",
            received=f"--duplicates {printable(duplicates)}",
            expected="group: near duplicates stay in one split, however many look alike; keep: they are separate samples",
            advice="leave it out to decide automatically, or --duplicates keep",
        )


def sides_of(dataset: Dataset) -> tuple[int, ...]:
    """Number of the set of samples that each sample must stay together with: its copies and its user-supplied group."""
    groups = dataset.duplicate_groups or duplicate_groups(dataset.digests)
    if not dataset.groups:
        return groups
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, places = np.unique(np.array(dataset.groups, np.str_), return_inverse=True)
    alone = np.array(dataset.groups, np.str_) == ""
    places = np.where(alone, len(names) + np.arange(len(places)), places)
    first = max(groups) + 1  # user-supplied groups are numbered after the groups of copies
    size = first + len(names) + len(places)
    links = coo_array((np.ones(len(groups)), (np.array(groups), first + places)), shape=(size, size))
    _, numbers = connected_components(links, directed=False)
    return tuple(int(numbers[group]) for group in groups)
