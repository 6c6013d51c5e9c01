"""Ensemble: several trained models as one, whose weighted mean is tuned on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.evaluation.thresholds import best_thresholds
from headstart.evaluation.uncertainty.conformal import Conformal, fit_conformal
from headstart.evaluation.uncertainty.novelty import Novelty
from headstart.features.features import FeatureRows
from headstart.features.part_a import PartA
from headstart.foundation.arrays import Array
from headstart.foundation.runs.files import replacing
from headstart.models.golden_samples import Signed
from headstart.models.model import Model
from headstart.models.signature import sign
from headstart.training.examples import HeldOut
from headstart.training.networks.networks import ENSEMBLES, Joined, join
from headstart.training.networks.one_vs_rest import numbered
from headstart.training.networks.outputs import in_units, outputs_of

if TYPE_CHECKING:
    import keras

    from headstart.data.dataset import Dataset

__all__ = ["FOLDS_NAME", "NAME", "Ensemble", "mixing_weights"]

NAME, FOLDS_NAME = ENSEMBLES
_ROUNDS = 500
_MIN_WEIGHT = 0.02  # a member below it changes hardly anything, and costs as much time as the others


def mixing_weights(task: str, answers: Sequence[Array], labels: Array) -> Array:
    """Find the weights, summing to one, that minimise the loss of the weighted mean of several models' predictions.

    The problem is convex. Probabilities are weighted by expectation-maximisation for mixture weights (Dempster, Laird and
    Rubin, 1977), which lowers the loss in every round; each label of a multi-label sample counts as a sample of its own.
    Values are weighted by non-negative least squares (Lawson and Hanson, 1974). Members with a weight below 0.02 are left
    out.

    Args:
        task: A key of ``TASKS``.
        answers: Predictions of each member, ``(n, columns)``, in the scale of ``labels``.
        labels: ``Dataset.targets`` of the samples.

    Example:
        >>> sure, wrong = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.1, 0.9], [0.9, 0.1]])
        >>> mixing_weights("binary", [sure, wrong], np.array([0, 1]))
        array([1., 0.])
    """
    mix = _least_squares if task == "regression" else _most_likely
    weights = mix(task, answers, labels)
    kept = np.flatnonzero(weights >= _MIN_WEIGHT)
    weights = np.zeros(len(answers))
    weights[kept] = mix(task, [answers[int(i)] for i in kept], labels)
    return weights


def _most_likely(task: str, answers: Sequence[Array], labels: Array) -> Array:
    """Mixture weights by expectation-maximisation, from the probability that each member gave to the true label."""
    if task == "multilabel":
        true = np.stack([np.where(labels == 1, p, 1 - p).ravel() for p in answers])
    else:
        true = np.stack([p[np.arange(len(labels)), labels] for p in answers])
    true = np.clip(true, 1e-7, 1).astype(np.float64)
    weights = np.full(len(true), 1 / len(true))
    for _ in range(_ROUNDS):
        shares = weights[:, None] * true
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return weights


def _least_squares(_task: str, answers: Sequence[Array], labels: Array) -> Array:
    from scipy.optimize import nnls

    columns = np.stack([np.asarray(values, np.float64).ravel() for values in answers], axis=1)
    emphasis = 1e3 * np.abs(columns).max(initial=1.0) * len(columns) ** 0.5  # weight of the equation "they sum to one"
    left, right = np.vstack([columns, np.full(len(answers), emphasis)]), np.append(labels.ravel(), emphasis)
    weights, _ = nnls(left, right)
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(answers), 1 / len(answers))


class Ensemble:
    """Several models with one input as one model, which predicts the weighted mean of their predictions.

    Args:
        members: Trained models whose Part A takes images of one geometry, or rows of one encoding.
        weights: Weight of each member, summing to one.
        dataset: The data set that they were fitted on.
    """

    def __init__(self, members: Sequence[Model], weights: Sequence[float], dataset: Dataset) -> None:
        self.dataset = dataset
        self._members = list(members)
        self._weights = [float(weight) for weight in weights]
        self.thresholds: tuple[float, ...] = ()
        self.conformal = Conformal()

    @property
    def parts(self) -> list[PartA]:
        """Part A of each member."""
        return [member.part for member in self._members]

    def answers(self, features: Sequence[FeatureRows], indices: Array) -> Array:
        """Predict stored rows: ``(n, columns)``, in the user's units. ``features`` has one entry for each of ``parts``."""
        return self.in_units(self._scaled_answers(features, indices))

    def in_units(self, scaled: Array) -> Array:
        """Convert predictions from the scale of ``Dataset.targets`` to the user's units, as the saved model does."""
        return self.dataset.in_units(scaled)

    def _scaled_answers(self, features: Sequence[FeatureRows], indices: Array) -> Array:
        pairs = zip(self._weights, self._members, features, strict=True)
        mean: Array = np.sum([weight * member.scaled_answers(rows, indices) for weight, member, rows in pairs], axis=0)
        return mean.astype(np.float32)

    def tune(self, held_out: HeldOut) -> None:
        """Tune thresholds, sets of classes, and means or medians of log-scaled targets on held-out predictions."""
        labels, scaling = self.dataset.labels[held_out.samples], self.dataset.scaling
        if scaling is not None and any(scaling.logs):
            self.dataset = self.dataset.smeared(labels, held_out.answers)
        answers = self.dataset.in_units(held_out.answers)
        self.conformal = fit_conformal(self.dataset.task, labels, answers, self.dataset.scaling)
        self.thresholds = best_thresholds(self.dataset.task, labels, answers)

    def learn_unknown(self, features: Sequence[FeatureRows]) -> None:
        """Fit the score of unknown images, on the features of the first member that has a backbone."""
        place = next(place for place, part in enumerate(self.parts) if part.cards)
        self._members[place].learn_unknown([features[place]])

    def unknown_scores(self, features: Sequence[FeatureRows], indices: Array) -> Array:
        """Score stored rows as ``Model.unknown_scores`` does."""
        members = zip(self._members, features, strict=True)
        return next((one.unknown_scores([rows], indices) for one, rows in members if one.novelty), np.zeros(0))

    @property
    def novelty(self) -> Novelty | None:
        """How the score of unknown images was fitted; None if there is no score."""
        return next((member.novelty for member in self._members if member.novelty), None)

    @property
    def _is_of_heads(self) -> bool:
        """Whether all members are heads on one backbone, which then computes each image once."""
        part = self.parts[0]
        return not (part.is_table or part.is_inner) and all(other == part for other in self.parts)

    def num_params(self) -> int:
        """Count the parameters of all members; those of a backbone that they share count once."""
        if not self._is_of_heads:
            return sum(member.part_b.num_weights() for member in self._members)
        first, *others = self._members
        return first.num_params() + sum(int(member.part_b.head().count_params()) for member in others)

    def keras(self) -> keras.Model:
        """Return one Keras model of built-in layers, from images (0 to 255) or encoded rows to the mean of all outputs."""
        if self._is_of_heads:  # names of weights must be unique in an .h5 file
            heads = [numbered(member.part_b.head(), number) for number, member in enumerate(self._members, start=1)]
            joined = join(self.parts[0], lambda _: _mean(heads, self._weights))
            mean = _knowing(joined, self.novelty)
        else:
            mean = _mean([_knowing(member.part_b.joined(), member.novelty) for member in self._members], self._weights)
        return mean if self.dataset.scaling is None else in_units(mean, self.dataset.scaling)

    def write(self, out: Path) -> None:
        """Write model.keras, signature.json, golden.npz and preprocess.py, as ``Model.write`` does."""
        whole = self.keras()
        with replacing(out / "model.keras") as temporary:
            whole.save(temporary)
        members = [
            {"weight": weight, "part_a": member.part.name, "network": member.recipe.network}
            for weight, member in zip(self._weights, self._members, strict=True)
        ]
        made: dict[str, object] = {"network": NAME, "members": members}

        tuned = (self.thresholds, self._members[0].encoding, self.conformal, self.novelty)
        sign(out, Signed(self.dataset, self.parts[0], made, partial(outputs_of, whole), *tuned))


def _knowing(joined: Joined, novelty: Novelty | None) -> keras.Model:
    """The whole model, with the score of unknown images as another output if there is one."""
    return joined.whole if novelty is None else novelty.added_to(joined.whole, joined.features)


def _mean(networks: Sequence[keras.Model], weights: Sequence[float]) -> keras.Model:
    """Networks with inputs of one shape as one network with the weighted mean of their first outputs, and all others."""
    import keras

    given = networks[0].inputs[0]
    inputs = keras.Input(given.shape[1:], name=given.name)
    shares, others = [], []
    for number, (weight, network) in enumerate(zip(weights, networks, strict=True), start=1):
        renamed = keras.Model(network.inputs[0], network.outputs, name=f"member{number}")
        answers, *more = keras.tree.flatten(renamed(inputs))
        shares.append(keras.layers.Rescaling(weight, name=f"weight{number}")(answers))
        others += more
    mean = keras.layers.Add(name="mean")(shares)
    return keras.Model(inputs, [mean, *others] if others else mean, name="headstart")
