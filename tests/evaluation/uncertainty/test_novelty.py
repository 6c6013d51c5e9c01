"""Novelty detection: what is told apart, how many held-out samples stay in, and layers that compute the same."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from headstart.evaluation.uncertainty.novelty import THRESHOLD, WITHIN, Novelty, fit_novelty
from headstart.foundation.arrays import Array

FEATURES, CLASSES = 60, 4


def cloud(random: np.random.Generator, number: int, axes: Array, centres: Array) -> tuple[Array, Array]:
    """Samples about the centres of classes, in a subspace, with a little noise in all directions."""
    classes = random.integers(0, len(centres), number)
    inside = centres[classes] + random.normal(0, 0.3, (number, axes.shape[0]))
    return (inside @ axes + 0.5 + random.normal(0, 0.05, (number, FEATURES))).astype(np.float32), classes


class Made:
    """Training, held-out and test samples of some classes; one more class; and samples of another subspace."""

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        axes, elsewhere = random.normal(size=(2, 8, FEATURES)) / 8
        centres = random.normal(0, 2, (CLASSES + 1, 8))
        self.train, self.classes = cloud(random, 400, axes, centres[:CLASSES])
        self.held_out, _ = cloud(random, 150, axes, centres[:CLASSES])
        self.test, _ = cloud(random, 400, axes, centres[:CLASSES])
        self.other_class, _ = cloud(random, 100, axes, centres[CLASSES:])
        self.elsewhere, _ = cloud(random, 100, elsewhere, centres[:CLASSES])

    def fit(self, *, has_classes: bool) -> Novelty:
        """Fit it to the training samples, with limits from those held out."""
        return fit_novelty(self.train, self.classes if has_classes else None, self.held_out)


@pytest.fixture(scope="module")
def made() -> Made:
    """The samples, which tests only look at."""
    return Made()


@pytest.mark.parametrize("has_classes", [True, False])
def test_known_samples_stay_in_and_those_of_another_kind_do_not(made: Made, has_classes: bool) -> None:
    """99% of held-out samples stay in, by definition; nearly as many new ones do, and none of another subspace does."""
    novelty = made.fit(has_classes=has_classes)
    assert (novelty.scores(made.held_out) < THRESHOLD).mean() >= WITHIN
    assert (novelty.scores(made.test) < THRESHOLD).mean() >= 0.96
    assert (novelty.scores(made.elsewhere) >= THRESHOLD).all()


def test_one_more_class_is_unknown_if_classes_are_given(made: Made) -> None:
    """It lies in the subspace of the others, and at another place."""
    assert (made.fit(has_classes=True).scores(made.other_class) >= THRESHOLD).mean() >= 0.9


def test_the_median_of_held_out_samples_has_a_score_near_one_percent(made: Made) -> None:
    """So that scores mean the same in every run."""
    for has_classes in (True, False):
        assert 0.003 <= np.median(made.fit(has_classes=has_classes).scores(made.held_out)) <= 0.03


def test_the_length_of_features_does_not_matter(made: Made) -> None:
    """A picture with more contrast has longer features, and is no other kind of picture."""
    novelty = made.fit(has_classes=True)
    np.testing.assert_allclose(novelty.scores(3 * made.test), novelty.scores(made.test), atol=1e-3)


@pytest.mark.parametrize("has_classes", [True, False])
def test_layers_compute_the_same_scores(made: Made, has_classes: bool) -> None:
    """In float32, far outside too."""
    novelty = made.fit(has_classes=has_classes)
    given = keras.Input((FEATURES,))
    model = keras.Model(given, keras.layers.Dense(3)(given))
    both = novelty.added_to(model, given)
    assert both.output_names[1] == "unknown"
    for rows in (made.test, made.other_class, made.elsewhere, 1e4 * made.elsewhere):
        answers, scores = both.predict(rows, verbose=0)
        np.testing.assert_array_equal(answers, model.predict(rows, verbose=0))
        np.testing.assert_allclose(scores[:, 0], novelty.scores(rows), atol=2e-4)


@pytest.mark.parametrize(("number", "width"), [(2, 60), (3, 1), (5, 2), (40, 60)])
def test_few_samples_and_few_features_give_scores(number: int, width: int) -> None:
    """Two images, one held out: poor, but numbers."""
    random = np.random.default_rng(0)
    rows = random.normal(1, 0.1, (number + 1, width))
    for classes in (None, np.arange(number) % 2):
        scores = fit_novelty(rows[:-1], classes, rows[-1:]).scores(rows)
        assert np.isfinite(scores).all()
        assert scores[-1] < THRESHOLD


def test_equal_samples_and_zeros_give_scores() -> None:
    """Pictures of one colour have one row; a row of zeros has no direction."""
    rows = np.ones((20, 6))
    novelty = fit_novelty(rows, np.arange(20) % 2, rows[:5])
    assert (novelty.scores(rows) < THRESHOLD).all()
    assert np.isfinite(novelty.scores(np.zeros((1, 6)))).all()
