"""What stays on one side of a split: copies of a picture or a row, and the groups that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.foundation.arrays import Array

__all__ = ["duplicate_groups", "group_duplicates", "sides_of"]

_BLOCK = 2048

_MIN_CORRELATION = 0.997  # of 16x16 thumbnails; a re-encoded or resized copy has more, another picture less

_MAX_DIFFERENCE = 4.0  # mean absolute grey levels out of 255

_MIN_CONTRAST = 4.0  # standard deviation in grey levels below which a thumbnail tells too little


def duplicate_groups(digests: Sequence[str], thumbnails: Array | None = None) -> tuple[int, ...]:
    """Group number of each sample: equal content, or thumbnails that a copy of the same picture would give.

    Args:
        digests: Content digest of each sample.
        thumbnails: ``(n, 16, 16)`` uint8 grey, or None to compare contents alone.
    """
    parent = list(range(len(digests)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str, int] = {}
    for i, digest in enumerate(digests):
        parent[i] = first.setdefault(digest, i)
    if thumbnails is not None and first:
        representatives = np.fromiter(first.values(), np.int64)
        for i, j in _near_pairs(thumbnails[representatives]):
            a, b = root(int(representatives[i])), root(int(representatives[j]))
            parent[max(a, b)] = min(a, b)
    roots = [root(i) for i in range(len(digests))]
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(r, len(numbers)) for r in roots)


def group_duplicates(dataset: Dataset, thumbnails: Array | None = None) -> Dataset:
    """The data set with its groups of exact and near duplicates.

    Where most rows of a table recur, its columns have few values, and rows that are alike are no copies.
    """
    groups = duplicate_groups(dataset.digests, thumbnails)
    if dataset.table is not None and 2 * len(set(groups)) < len(groups):
        groups = tuple(range(len(groups)))
    return replace(dataset, duplicate_groups=groups)


def sides_of(dataset: Dataset) -> tuple[int, ...]:
    """The number of what moves as one, for each sample: copies, and what the user says belongs together."""
    groups = dataset.duplicate_groups or duplicate_groups(dataset.digests)
    if not dataset.groups:
        return groups
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, places = np.unique(np.array(dataset.groups, np.str_), return_inverse=True)
    alone = np.array(dataset.groups, np.str_) == ""
    places = np.where(alone, len(names) + np.arange(len(places)), places)
    first = max(groups) + 1  # behind the groups of copies stand those of the user
    size = first + len(names) + len(places)
    links = coo_array((np.ones(len(groups)), (np.array(groups), first + places)), shape=(size, size))
    _, numbers = connected_components(links, directed=False)
    return tuple(int(numbers[group]) for group in groups)


def _near_pairs(thumbnails: Array) -> list[tuple[int, int]]:
    """Pairs of thumbnails that show the same picture, by correlation and by grey level; blocks keep memory flat."""
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    contrast = flat.std(axis=1)
    normalised = flat - flat.mean(axis=1, keepdims=True)
    normalised /= np.maximum(np.linalg.norm(normalised, axis=1, keepdims=True), 1e-6)
    pairs = []
    for start in range(0, len(flat), _BLOCK):
        for other in range(start, len(flat), _BLOCK):
            similar = normalised[start : start + _BLOCK] @ normalised[other : other + _BLOCK].T
            for a, b in np.argwhere(similar > _MIN_CORRELATION):
                i, j = start + int(a), other + int(b)
                if i < j and min(contrast[i], contrast[j]) > _MIN_CONTRAST and _same_levels(flat[i], flat[j]):
                    pairs.append((i, j))
    return pairs


def _same_levels(one: Array, two: Array) -> bool:
    return float(np.abs(one - two).mean()) < _MAX_DIFFERENCE
