"""Active learning: which unlabelled samples to label next, so that the model improves most.

The most uncertain samples are clustered by k-means, in which more uncertain ones weigh more, and the one nearest to each
centre is chosen (F. Zhdanov, 2019, "Diverse mini-batch Active Learning", https://arxiv.org/abs/1901.05954). So what is
chosen is uncertain, typical of its surroundings, and unlike the rest of the choice. The most uncertain samples alone are
often odd, or alike.
"""

from __future__ import annotations

import numpy as np

from headstart.foundation.arrays import Array

__all__ = ["choose", "uncertainties"]

_COMPONENTS = 128
_LEAST_WEIGHT = 1e-3  # of a sample that the model is sure of
_CANDIDATES = 5  # the most uncertain samples that are clustered, for each one that is chosen


def uncertainties(task: str, answers: Array) -> Array:
    """Uncertainty of each prediction from 0 to 1, ``(n,)``.

    For classes it is 1 less the lead of the most probable class over the next; for labels the mean over labels of the same,
    for each label and its absence. Values have none of their own, so that all are equally uncertain.

    Args:
        task: A key of ``TASKS``.
        answers: Predictions ``(n, columns)``, as probabilities or values.

    Example:
        >>> uncertainties("multiclass", np.array([[0.5, 0.4, 0.1], [0.9, 0.1, 0.0]])).round(3).tolist()
        [0.9, 0.2]
    """
    if task == "regression":
        return np.ones(len(answers))
    if task == "multilabel":
        of_labels: Array = (1 - np.abs(2 * answers - 1)).mean(axis=1)
        return of_labels
    ordered = np.sort(answers, axis=1)
    found: Array = 1 - (ordered[:, -1] - ordered[:, -2])
    return found


def choose(features: Array, weights: Array, number: int) -> list[int]:
    """Choose samples that are uncertain, typical and different from each other, the most useful first.

    Args:
        features: Features of the samples, ``(n, features)``.
        weights: Uncertainty of each, ``(n,)``.
        number: Number of samples to choose; all are returned if there are no more.

    Returns:
        Their positions. The first ones stand for the clusters with the most uncertainty.

    Example:
        >>> features = np.array([[0.0, 0], [0, 1], [9, 9], [9, 8], [9, 8.4]])
        >>> choose(features, np.array([1.0, 0.1, 0.2, 0.2, 0.5]), 2)
        [0, 4]
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    order = np.argsort(-weights, kind="stable")
    candidates = order[: _CANDIDATES * number]
    num_different = len(np.unique(features[candidates], axis=0))
    if number >= min(len(features), num_different):
        return [int(place) for place in order[:number]]
    x = features[candidates]
    if min(x.shape) > 2 * _COMPONENTS:
        x = PCA(_COMPONENTS, svd_solver="randomized", random_state=0).fit_transform(x)
    given = weights[candidates] + _LEAST_WEIGHT
    clusters = KMeans(number, n_init=3, random_state=0).fit(x, sample_weight=given)
    distances = clusters.transform(x)[np.arange(len(x)), clusters.labels_]
    nearest = np.lexsort((distances, clusters.labels_))
    _, first = np.unique(clusters.labels_[nearest], return_index=True)
    totals = np.bincount(clusters.labels_, given, minlength=number)
    chosen = candidates[nearest[first]]
    of_chosen = totals[clusters.labels_[nearest[first]]]
    return [int(place) for place in chosen[np.argsort(-of_chosen, kind="stable")]]
