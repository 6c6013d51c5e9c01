"""Novelty detection: how unlike the training images an image is, from the features that its prediction is made of.

Features are divided by their length, and two distances are taken from the training features. The *residual* is the squared
distance from the subspace of their principal components; it is large for another kind of picture. The *relative Mahalanobis
distance* (J. Ren et al., 2021, "A simple fix to Mahalanobis distance for improving near-OOD detection",
https://arxiv.org/abs/2106.09022) is that to the nearest class, less that to all classes together, within the subspace; it is
large for a class that is not among them, and needs one class per image. Covariances are shrunk by the estimate of O. Ledoit
and M. Wolf (2004, "A well-conditioned estimator for large-dimensional covariance matrices").

Each distance is scaled by those of held-out images. Beside a relative distance, the residual counts only where it is larger
than that of 97% of them: a smaller one says nothing about classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.features.backbones.network_weights import set_weights
from headstart.foundation.arrays import Array

if TYPE_CHECKING:
    import keras

__all__ = ["NAME", "THRESHOLD", "WITHIN", "Novelty", "at_unit_length", "fit_novelty"]

NAME = "unknown"  # of the output
THRESHOLD = 0.5  # score at and above which an image is unknown
WITHIN = 0.99  # share of held-out images below it
_COMPONENTS = 128
_PER_COMPONENT = 2  # samples, and features, at least: with fewer, the subspace would hold all training images
_USUAL = 0.97  # share of held-out images whose residual is usual
_WEIGHT_BEYOND = 3.0  # of a residual beyond that, beside the relative distance
_RIDGE = 1e-8  # of a covariance of features at unit length
_LEAST_RESIDUAL, _LEAST_RELATIVE, _LEAST_LIMIT = 0.01, 1.0, 0.5  # held-out images may be copies, so that none differs
_MARGIN = 1e-3  # of the limit, for rounding
_STEEPNESS = math.log(WITHIN / (1 - WITHIN))  # the median of held-out images has a score of about 0.01


class _Scale(NamedTuple):
    """Scale of a distance, on which 0 is the median of held-out images, and 1 a limit that most of them do not exceed."""

    median: float
    limit: float

    @property
    def factor(self) -> float:
        return 1 / (self.limit - self.median)

    def apply(self, distances: Array) -> Array:
        scaled: Array = (distances - self.median) * self.factor
        return scaled


class _Classes(NamedTuple):
    """Classes within the subspace of ``k`` components.

    Attributes:
        within: Matrix ``(k, k)`` to the space where the covariance within classes is the identity.
        overall: The same for the covariance of all classes together.
        centres: Means of the classes in the first of these spaces, ``(classes, k)``.
    """

    within: Array
    overall: Array
    centres: Array


class _Space(NamedTuple):
    """The training features: their mean at unit length, principal components ``(features, k)``, and classes if any."""

    mean: Array
    components: Array
    classes: _Classes | None

    def distances(self, features: Array) -> tuple[Array, Array | None]:
        """Residual and relative Mahalanobis distance of each image, ``(n,)``; the latter is None without classes."""
        x = at_unit_length(features) - self.mean
        z = x @ self.components
        residual = (x**2).sum(axis=1) - (z**2).sum(axis=1)
        if self.classes is None:
            return residual, None
        within, overall = z @ self.classes.within, z @ self.classes.overall
        nearest = (2 * within @ self.classes.centres.T - (self.classes.centres**2).sum(axis=1)).max(axis=1)
        return residual, (within**2).sum(axis=1) - nearest - (overall**2).sum(axis=1)


@dataclass(frozen=True)
class Novelty:
    """A fitted novelty detector; ``fit_novelty`` makes it.

    Attributes:
        num_held_out: Number of held-out images that the scales and the limit come from.
        space: What is known of the training features.
        residual: Scale of the residual.
        relative: Scale of the relative Mahalanobis distance; None without classes.
        limit: Limit of the sum of both, in their scales.
    """

    num_held_out: int
    space: _Space
    residual: _Scale
    relative: _Scale | None
    limit: float

    def to_json(self) -> dict[str, Any]:
        """Describe the score for ``signature.json``: the name of its output, and how it is read."""
        return {
            "name": NAME,
            "shape": [None, 1],
            "threshold": THRESHOLD,
            "meaning": f"0 to 1: {WITHIN:.0%} of held-out images are below the threshold",
            "num_samples": self.num_held_out,
        }

    def scores(self, features: Array) -> Array:
        """Score features ``(n, features)``: ``(n,)``, from 0 to 1, and ``THRESHOLD`` or more for an unknown image."""
        from scipy.special import expit

        total = _total(*self.space.distances(features), self.residual, self.relative)
        score: Array = expit(_STEEPNESS * (total / self.limit - 1))
        return score

    def added_to(self, model: keras.Model, features: keras.KerasTensor) -> keras.Model:
        """Add the score as another output of a model, whose tensor ``features`` it is computed from."""
        import keras

        return keras.Model(model.inputs[0], [*model.outputs, self.output(features)], name=model.name)

    def output(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Build the score as built-in layers: from features ``(batch, features)`` to ``(batch, 1)``, named ``unknown``."""
        from keras import layers

        space, steepness = self.space, _STEEPNESS / self.limit
        x = layers.UnitNormalization(axis=1, name=f"{NAME}_unit_length")(features)
        centred = layers.BatchNormalization(
            epsilon=1e-12, center=False, scale=False, trainable=False, name=f"{NAME}_centred"
        )
        x = centred(x)
        set_weights(centred, [space.mean, np.ones_like(space.mean)])
        z = _dense(x, space.components, name="components")
        parts = layers.Concatenate(name=f"{NAME}_residual_parts")([_squares(x, "features"), _squares(z, "components")])
        factor, (width, k) = self.residual.factor, space.components.shape
        kernel, bias = factor * np.repeat([1.0, -1.0], [width, k])[:, None], -factor * self.residual.median
        if space.classes is None or self.relative is None:
            return _dense(parts, steepness * kernel, steepness * (bias - self.limit), activation="sigmoid")
        beyond = _dense(parts, kernel, bias - 1, name="residual", activation="relu")
        within = _dense(z, space.classes.within, name="within_classes")
        overall = _dense(z, space.classes.overall, name="of_all_classes")
        centres = space.classes.centres
        near = _dense(within, 2 * centres.T, -(centres**2).sum(axis=1), name="classes")
        nearest = layers.GlobalMaxPooling1D(name=f"{NAME}_nearest")(
            layers.Reshape((len(centres), 1), name=f"{NAME}_by_class")(near)
        )
        squares = [_squares(within, "within_classes"), _squares(overall, "of_all_classes")]
        parts = layers.Concatenate(name=f"{NAME}_parts")([*squares, nearest, beyond])
        factor = self.relative.factor
        kernel = np.repeat([factor, -factor, _WEIGHT_BEYOND], [k, k + 1, 1])[:, None]
        bias = -factor * self.relative.median
        return _dense(parts, steepness * kernel, steepness * (bias - self.limit), activation="sigmoid")


def fit_novelty(features: Array, classes: Array | None, held_out: Array) -> Novelty:
    """Fit a novelty detector.

    Args:
        features: Features of training images, ``(n, features)``.
        classes: Class number of each, ``(n,)``; None if images do not have one class each.
        held_out: Features of images that were not trained on, ``(m, features)``, which set the limit.

    Example:
        >>> random = np.random.default_rng(0)
        >>> known = random.normal(size=(400, 2)) @ np.ones((2, 8)) + random.normal(size=(400, 8)) / 9
        >>> found = fit_novelty(known[:300], None, known[300:])
        >>> bool((found.scores(known[300:]) < THRESHOLD).mean() >= WITHIN)
        True
    """
    space = _fit_space(at_unit_length(features), classes)
    residual, relative = space.distances(held_out)
    usual = _scale(residual, float(np.quantile(residual, _USUAL)), _LEAST_RESIDUAL)
    scale = None if relative is None else _scale(relative, _limit(relative), _LEAST_RELATIVE)
    limit = max(_LEAST_LIMIT, _limit(_total(residual, relative, usual, scale))) + _MARGIN
    return Novelty(len(held_out), space, usual, scale, limit)


def _fit_space(x: Array, classes: Array | None) -> _Space:
    from sklearn.decomposition import PCA

    num = max(1, min(_COMPONENTS, min(x.shape) // _PER_COMPONENT))
    with np.errstate(invalid="ignore"):  # shares of a variance of 0, which are not used
        found = PCA(num, svd_solver="randomized" if min(x.shape) > 2 * num else "full", random_state=0).fit(x)
    if classes is None:
        return _Space(found.mean_, found.components_.T, None)
    z = found.transform(x)
    numbers, of_sample = np.unique(classes, return_inverse=True)
    means = np.stack([z[of_sample == number].mean(axis=0) for number in range(len(numbers))])
    within = _whitening(z - means[of_sample])
    return _Space(found.mean_, found.components_.T, _Classes(within, _whitening(z), means @ within))


def _whitening(centred: Array) -> Array:
    """Matrix to a space where the covariance of the rows is the identity."""
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    covariance += _RIDGE * np.eye(len(covariance))  # samples may all be equal
    inverse: Array = np.linalg.cholesky(np.linalg.inv(covariance))
    return inverse


def at_unit_length(features: Array) -> Array:
    """Divide features ``(n, features)`` by their lengths: pictures with more contrast have longer ones."""
    found: Array = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    return found


def _total(residual: Array, relative: Array | None, usual: _Scale, scale: _Scale | None) -> Array:
    """Both distances in their scales as one."""
    scaled = usual.apply(residual)
    if relative is None or scale is None:
        return scaled
    total: Array = scale.apply(relative) + _WEIGHT_BEYOND * np.maximum(scaled - 1, 0)
    return total


def _scale(distances: Array, limit: float, least: float) -> _Scale:
    median = float(np.median(distances))
    return _Scale(median, max(limit, median + least))


def _limit(distances: Array) -> float:
    """The smallest limit that at least 99% of the distances do not exceed."""
    return float(np.sort(distances)[math.ceil(WITHIN * len(distances) - 1e-9) - 1])


def _dense(
    x: keras.KerasTensor, kernel: Array, bias: Array | float = 0.0, *, name: str = "", activation: str | None = None
) -> keras.KerasTensor:
    """Apply a Dense layer with these weights. The last one, without a name of its own, is named like the output."""
    from keras import layers

    layer = layers.Dense(kernel.shape[1], activation=activation, trainable=False, name=f"{NAME}_{name}" if name else NAME)
    y = layer(x)
    set_weights(layer, [kernel, np.broadcast_to(bias, kernel.shape[1:])])
    return y


def _squares(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.Multiply(name=f"{NAME}_{name}_squared")([x, x])
