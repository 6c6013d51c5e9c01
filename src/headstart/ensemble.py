"""The whole: several trained models as one: the mean of their probabilities, weighted by what suits the validation split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from headstart.extractor import PartA
from headstart.features import Features
from headstart.model import Model
from headstart.runfolder import replacing
from headstart.signature import sign

if TYPE_CHECKING:
    import keras

    from headstart.dataset import Dataset

__all__ = ["NAME", "Ensemble", "mixing_weights"]

Array = np.ndarray[Any, Any]

NAME = "ensemble"
_ROUNDS = 500
_LEAST_WEIGHT = 0.02  # a member with less says hardly anything, and costs as much as the others


def mixing_weights(probabilities: Sequence[Array], labels: Array) -> Array:
    """The weights, summing to one, under which the mean of several answers has the least cross-entropy.

    The problem is convex; expectation-maximisation for mixture weights (Dempster, Laird and Rubin, 1977) goes down in
    every round. Members whose weight comes out below 0.02 are left out.

    Args:
        probabilities: Of each member, ``(n, classes)``.
        labels: Label numbers, ``(n,)``.

    Example:
        >>> sure, wrong = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.1, 0.9], [0.9, 0.1]])
        >>> mixing_weights([sure, wrong], np.array([0, 1]))
        array([1., 0.])
    """
    true = np.stack([np.clip(p[np.arange(len(labels)), labels], 1e-7, 1) for p in probabilities]).astype(np.float64)
    weights = np.full(len(true), 1 / len(true))
    for keep in (np.zeros(len(true)), np.full(len(true), _LEAST_WEIGHT)):
        weights = np.where(weights >= keep, weights, 0.0)
        weights /= weights.sum()
        for _ in range(_ROUNDS):
            shares = weights[:, None] * true
            weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return weights


class Ensemble:
    """Models that see the same image, as one model.

    Args:
        members: Trained models whose Part A takes the image in the same geometry.
        weights: Of each, summing to one.
    """

    def __init__(self, members: Sequence[Model], weights: Sequence[float]) -> None:
        self._members = list(members)
        self._weights = [float(weight) for weight in weights]

    @property
    def parts(self) -> list[PartA]:
        """Part A of each member."""
        return [member.part for member in self._members]

    def answers(self, features: Sequence[Features], indices: Array) -> Array:
        """Probabilities ``(n, classes)`` of stored rows; ``features`` are those of ``parts``, in that order."""
        pairs = zip(self._weights, self._members, features, strict=True)
        mean: Array = np.sum([weight * member.probabilities(rows, indices) for weight, member, rows in pairs], axis=0)
        return mean.astype(np.float32)

    def num_params(self) -> int:
        """Parameters of all members."""
        return sum(member.num_params() for member in self._members)

    def keras(self) -> keras.Model:
        """One Keras model of built-in layers: image of 0..255 in, the weighted mean of the members' outputs out."""
        import keras

        size = self.parts[0].geometry.size
        image = keras.Input((size, size, 3), name="image")
        shares = []
        for number, (weight, member) in enumerate(zip(self._weights, self._members, strict=True), start=1):
            whole = member.keras()
            renamed = keras.Model(whole.inputs[0], whole.outputs[0], name=f"member{number}")
            shares.append(keras.layers.Rescaling(weight, name=f"weight{number}")(renamed(image)))
        return keras.Model(image, keras.layers.Add(name="probabilities")(shares), name="headstart")

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model.keras, signature.json, golden.npz and preprocess.py; see ``Model.save``."""
        out = Path(folder)
        joined = self.keras()
        with replacing(out / "model.keras") as temporary:
            joined.save(temporary)
        members = [
            {"weight": weight, "part_a": member.part.name, "network": member.recipe.network}
            for weight, member in zip(self._weights, self._members, strict=True)
        ]
        sign(out, joined, cast("Dataset", self._members[0].dataset), self.parts[0], {"network": NAME, "members": members})
