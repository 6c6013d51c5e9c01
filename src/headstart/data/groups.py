"""Groups of samples that must stay in one split: copies of an image or row, and user-supplied groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.data.dataset import Dataset
from headstart.foundation.arrays import Array

__all__ = ["duplicate_groups", "group_duplicates", "sides_of"]

_BLOCK = 2048

_MIN_CORRELATION = 0.997  # of 16x16 thumbnails; re-encoded or resized copies are above it, different images below

_MAX_DIFFERENCE = 4.0  # mean absolute difference of copies, in grey levels out of 255

_MIN_CONTRAST = 4.0  # standard deviation in grey levels below which a thumbnail is not compared: it has too little detail


def duplicate_groups(digests: Sequence[str], thumbnails: Array | None = None) -> tuple[int, ...]:
    """Group number of each sample: samples with equal contents, or with thumbnails of the same image, share a group.

    Args:
        digests: Content digest of each sample.
        thumbnails: Grey thumbnails, ``(n, 16, 16)``, uint8. Defaults to None: only contents are compared.
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
    """Set ``duplicate_groups`` of a data set to its groups of exact and near duplicates.

    If most rows of a table recur, its columns have few values, and equal rows are not treated as copies.
    """
    groups = duplicate_groups(dataset.digests, thumbnails)
    if dataset.table is not None and 2 * len(set(groups)) < len(groups):
        groups = tuple(range(len(groups)))
    return replace(dataset, duplicate_groups=groups)


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


def _near_pairs(thumbnails: Array) -> list[tuple[int, int]]:
    """Pairs of thumbnails of the same image, by correlation and grey level, compared in blocks to limit memory."""
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
