"""Data: mixing the pictures of a batch, and their targets with them."""

from __future__ import annotations

import math

import numpy as np

from headstart.data.augmentation.augmentation import Augmentation
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError

__all__ = ["check_targets", "mix"]


def mix(images: Array, targets: Array, augmentation: Augmentation, random: np.random.Generator) -> tuple[Array, Array]:
    """Mix each picture of a batch with another one of it: mixup (Zhang 2018), or cutmix (Yun 2019).

    Every pair has a share of its own, drawn from Beta(alpha, alpha). Where both are asked for, a draw decides for the batch.

    Args:
        images: ``(n, height, width, channels)``; whole numbers are rounded again.
        targets: Floats, ``(n,)`` or ``(n, classes)``: probabilities, one-hot to begin with.
        augmentation: Its ``mixup`` and ``cutmix`` count; with neither, all stays as it is.
        random: Where the pairs and shares are drawn from.

    Returns:
        Images and targets like those given; these are not changed.

    Raises:
        UsageError: The targets are no floats, one (or one row) a picture (H013).
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
    """Refuse targets of which no share can be taken (H013)."""
    if targets.dtype.kind == "f" and targets.ndim in (1, 2):
        return
    raise UsageError(
        "H013",
        "targets of this kind cannot be mixed",
        received=f"mixup or cutmix, with targets of {targets.dtype}, shape {targets.shape}",
        expected="a probability of each class: floats, one row a picture",
        advice="ask for labels='one_hot' and the loss categorical_crossentropy, or switch mixup and cutmix off",
    )


def _pasted(images: Array, partners: Array, shares: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Rectangles out of the partners, anywhere, and the share of each picture that is left of it."""
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
