"""Mixup and cutmix: combining the images of a batch, and their targets."""

from __future__ import annotations

import math

import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

__all__ = ["check_targets", "mix"]


def mix(images: Array, targets: Array, augmentation: Augmentation, random: np.random.Generator) -> tuple[Array, Array]:
    """Combine each image of a batch with another one, by mixup (Zhang 2018) or cutmix (Yun 2019).

    The share of each pair is drawn from Beta(alpha, alpha). If both methods are switched on, one of them is chosen at random
    for the batch, in proportion to their alphas.

    Args:
        images: ``(n, height, width, channels)``; integer images are rounded to integers again.
        targets: Floats ``(n,)`` or ``(n, classes)``: probabilities, usually one-hot.
        augmentation: Its ``mixup`` and ``cutmix`` are used; if both are 0, images and targets are returned unchanged.
        random: Random generator for pairs and shares.

    Returns:
        New images and targets, of the shapes and types of those given.

    Raises:
        UsageError: Targets are not floats of shape ``(n,)`` or ``(n, classes)`` (H013).
    """
    amounts = augmentation.scaled
    if not augmentation.mixes:
        return images, targets
    check_targets(targets)
    is_mixup = amounts.cutmix == 0 or (
        amounts.mixup > 0 and random.random() < amounts.mixup / (amounts.mixup + amounts.cutmix)
    )
    alpha = amounts.mixup if is_mixup else amounts.cutmix
    shares = random.beta(alpha, alpha, len(images)).astype(np.float32)
    partners = random.permutation(len(images))
    if is_mixup:
        weights = shares.reshape(-1, 1, 1, 1)
        blend = images[partners] * (1 - weights)
        blend += images * weights
        mixed = np.rint(blend).astype(images.dtype) if images.dtype.kind in "iu" else blend.astype(images.dtype, copy=False)
    else:
        mixed, shares = _pasted(images, partners, shares, random)
    weights = shares.reshape(-1, *[1] * (targets.ndim - 1))
    return mixed, (targets * weights + targets[partners] * (1 - weights)).astype(targets.dtype)


def check_targets(targets: Array) -> None:
    """Reject targets that cannot be mixed because they are not floats of shape ``(n,)`` or ``(n, classes)``.

    Raises:
        UsageError: The targets have another type or shape (H013).
    """
    if targets.dtype.kind == "f" and targets.ndim in (1, 2):
        return
    raise UsageError(
        "H013",
        "targets cannot be mixed",
        received=f"mixup or cutmix, with targets of {targets.dtype}, shape {targets.shape}",
        expected="class probabilities as floats, one row per image",
        advice="use labels='one_hot' and the loss categorical_crossentropy, or switch mixup and cutmix off",
    )


def _pasted(images: Array, partners: Array, shares: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Paste a random rectangle of its partner into each image; also return the share of the image that remains."""
    height, width = images.shape[1:3]
    mixed, left = images.copy(), shares.copy()
    places = random.random((len(images), 2))
    for i, (partner, share) in enumerate(zip(partners, shares, strict=True)):
        side = math.sqrt(1 - share)
        top, bottom = _interval(places[i, 0], side, height)
        start, stop = _interval(places[i, 1], side, width)
        mixed[i, top:bottom, start:stop] = images[partner, top:bottom, start:stop]
        left[i] = 1 - (bottom - top) * (stop - start) / (height * width)
    return mixed, left


def _interval(centre: float, side: float, length: int) -> tuple[int, int]:
    return max(0, round((centre - side / 2) * length)), min(length, round((centre + side / 2) * length))
