"""Search for near duplicates among thumbnails: re-encoded, resized or slightly brighter copies of one picture."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["NearDuplicates", "find_near_duplicates"]

_BLOCK = 512

_MIN_CORRELATION = 0.997  # of 16x16 thumbnails; re-encoded or resized copies are above it, different images below

_SCENE_CORRELATION = 0.985  # pictures of a fixed camera are above it, and those of different scenes below

_MAX_DIFFERENCE = 5.0  # root mean square difference of copies, in grey levels out of 255

_NOISE = 0.8  # such a difference that re-encoding and rounding alone cause, at any correlation of pictures of one scene

_MIN_CONTRAST = 4.0  # standard deviation in grey levels below which a thumbnail is not compared: it has too little detail

_MAX_COPIES = 10  # of one picture; more pictures that look alike show one scene


class NearDuplicates(NamedTuple):
    """Result of the search.

    Attributes:
        groups: Position of the first copy of each picture, ``(n,)``.
        num_in_scenes: Number of pictures that look like 10 or more others, and were found to be different by what differs.
        num_indistinct: Number of these that may be copies of others: their thumbnails do not differ by more than noise.
    """

    groups: Array
    num_in_scenes: int
    num_indistinct: int


def find_near_duplicates(thumbnails: Array, *, has_scenes: bool = True) -> NearDuplicates:
    """Find groups of near duplicates in time quadratic and memory linear in their number.

    Pictures of a fixed camera, of one machine part or of one body part look alike without being copies. So where more than
    10 thumbnails look alike, they are compared again by what distinguishes them from their mean and from its brighter and
    darker versions. This is repeated until at most 10 look alike, or until they show nothing more that could be compared.
    Of the latter, those are copies of one another that do not differ by more than the noise of re-encoding, unless they are
    more than half of all: these show one scene, in details too small for a thumbnail.

    Args:
        thumbnails: Grey thumbnails, ``(n, height, width)``, uint8.
        has_scenes: Whether pictures that look alike may show one scene; otherwise all are copies. Defaults to True.
    """
    flat = thumbnails.reshape(len(thumbnails), math.prod(thumbnails.shape[1:]))
    groups, in_scenes, num_indistinct = np.arange(len(flat)), np.zeros(len(flat), bool), 0
    even = np.full((1, flat.shape[1]), flat.shape[1] ** -0.5, np.float32)
    waiting = [(np.arange(len(flat)), even)]
    while waiting:
        members, known = waiting.pop()
        scenes, copies, compared = _alike(flat, members, known)
        sizes, num_copies = np.bincount(scenes, minlength=1), np.bincount(copies, minlength=1)
        are_few = sizes[scenes] <= _MAX_COPIES if has_scenes else np.ones(len(members), bool)
        groups[members[are_few]] = members[copies[are_few]]
        if len(known) == 1:
            in_scenes[members[~are_few & (num_copies[copies] > _MAX_COPIES)]] = True
        else:
            for places in _indistinct(flat, np.delete(members, compared)):
                if 2 * len(places) > len(flat):
                    num_indistinct += len(places)
                else:
                    groups[places], in_scenes[places] = places[0], False
        for number in np.flatnonzero(sizes > _MAX_COPIES) if has_scenes else ():
            scene = members[scenes == number]
            mean = _detail(flat[scene].mean(axis=0, dtype=np.float32)[None], known)
            waiting.append((scene, np.concatenate([known, mean / np.linalg.norm(mean)])))
    return NearDuplicates(groups, int(in_scenes.sum()), num_indistinct)


def _detail(flat: Array, known: Array) -> Array:
    """Remove from thumbnails, ``(n, pixels)``, their components along ``known``, ``(m, pixels)``, which is orthonormal."""
    flat = flat.astype(np.float32)
    detail: Array = flat - (flat @ known.T) @ known
    return detail


def _indistinct(flat: Array, members: Array) -> list[Array]:
    """Groups of two or more members whose thumbnails do not differ by more than noise, from the mean of the group either."""
    if not len(members):
        return []
    detail = flat[members].astype(np.float32)
    detail -= detail.mean(axis=0)
    square, most = (detail**2).sum(axis=1), _NOISE**2 * detail.shape[1]
    numbers = np.arange(len(members))
    for start in range(0, len(members), _BLOCK):
        for other in range(start, len(members), _BLOCK):
            ours, theirs = slice(start, start + _BLOCK), slice(other, other + _BLOCK)
            if (numbers[ours] == numbers[start]).all() and (numbers[theirs] == numbers[start]).all():
                continue
            distance = square[ours, None] + square[None, theirs] - 2 * detail[ours] @ detail[theirs].T
            i, j = np.nonzero(distance < most)
            numbers = _joined(numbers, i + start, j + other)
    found = []
    for number in np.flatnonzero(np.bincount(numbers, minlength=1) > 1):
        group = np.flatnonzero(numbers == number)
        if (((detail[group] - detail[group].mean(axis=0)) ** 2).sum(axis=1) < most).all():  # else a slow change of light
            found.append(members[group])
    return found


def _alike(flat: Array, members: Array, known: Array) -> tuple[Array, Array, Array]:
    """Compare thumbnails by what is not ``known`` of them.

    Returns:
        Two numberings ``(len(members),)`` of connected components by their first member: thumbnails that look alike, and
        among these the copies; and the positions of the members that show enough to be compared.
    """
    detail = _detail(flat[members], known)
    contrast = np.linalg.norm(detail, axis=1) / np.sqrt(max(1, detail.shape[1]))
    compared = np.flatnonzero(contrast > _MIN_CONTRAST)
    detail, contrast = detail[compared], contrast[compared]
    detail /= (contrast * np.sqrt(np.float32(detail.shape[1])))[:, None]
    level = flat[members[compared]].mean(axis=1, dtype=np.float32)
    scenes = copies = np.arange(len(compared))
    for start in range(0, len(compared), _BLOCK):
        for other in range(start, len(compared), _BLOCK):
            ours, theirs = slice(start, start + _BLOCK), slice(other, other + _BLOCK)
            if (copies[ours] == copies[start]).all() and (copies[theirs] == copies[start]).all():
                continue
            similar = detail[ours] @ detail[theirs].T
            i, j = np.nonzero(similar > _SCENE_CORRELATION)
            i, j, correlation = i + start, j + other, similar[i, j]
            square = (level[i] - level[j]) ** 2 + contrast[i] ** 2 + contrast[j] ** 2
            square -= 2 * contrast[i] * contrast[j] * correlation
            are_copies = (square < _MAX_DIFFERENCE**2) & ((correlation > _MIN_CORRELATION) | (square < _NOISE**2))
            scenes, copies = _joined(scenes, i, j), _joined(copies, i[are_copies], j[are_copies])
    found = np.arange(len(members)), np.arange(len(members))
    for numbers, components in zip(found, (scenes, copies), strict=True):
        numbers[compared] = compared[components]
    return *found, compared


def _joined(numbers: Array, i: Array, j: Array) -> Array:
    """Join the components of each pair; a component's number is the position of its first member."""
    one, two = numbers[i], numbers[j]
    if (one == two).all():
        return numbers
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), np.int8), (one, two)), shape=(len(numbers), len(numbers)))
    _, joined = connected_components(links, directed=False)
    _, first, places = np.unique(joined[numbers], return_index=True, return_inverse=True)
    return first[places]
