"""Benchmark: does the score of unknown images tell classes that were left out, and pictures of something else?

Usage: python benchmarks/unknown.py DATA OTHER... [--trial NAME ...]

DATA has one folder per class within train, validation and test. For each pair of its classes, the score is fitted to the
training images of the other classes, as ``headstart fit --unknown`` does it, with limits from their validation images. Their
test images are then told from all images of the two classes that were left out, and from those of each OTHER data set. The
area under the ROC curve (AUC) is that of the two groups by the score; ``in`` is the share of images below the threshold.

All that is computed from stored features: the exported files give the same scores, which the tests check.

Exit status 1: with one of the trials, the mean AUC is below 0.85 for classes left out or below 0.98 for other data, or less
than 99% of validation images are in.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

from headstart.data.dataset import Dataset
from headstart.data.readers.read import read
from headstart.evaluation.uncertainty.novelty import THRESHOLD, WITHIN, fit_novelty
from headstart.features.extraction import extract
from headstart.foundation.arrays import Array
from headstart.models.fitting import open_store
from headstart.training.trials.trial import parse_trial

_TRIALS = [f"efficientnet_lite{number}-grid2-linear" for number in range(3)]
_CLASS_LEFT_OUT, _OTHER_DATA = 0.85, 0.98


class Images(NamedTuple):
    """Features of the readable images of a data set, with their class numbers and splits."""

    features: Array
    classes: Array
    splits: Array


def main() -> int:
    """Measure, print, and compare with the limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("others", nargs="+", metavar="OTHER")
    parser.add_argument("--trial", nargs="+", default=_TRIALS)
    given = parser.parse_args()
    print(f"{'trial':44} {'against':22} {'AUC':>6} {'least':>6}  in: validation   test  against")
    is_good = True
    known, others = read(given.data), [read(other) for other in given.others]
    for trial in given.trial:
        images = _images(known, trial)
        against = [_images(other, trial).features for other in others]
        found = np.array([_measure(images, pair, against) for pair in combinations(range(known.num_classes), 2)])
        least = [_CLASS_LEFT_OUT, *[_OTHER_DATA] * len(others)]
        for place, name in enumerate([f"2 of {known.num_classes} classes", *(other.name for other in others)]):
            area, validation, test, other = found[:, place].mean(axis=0)
            inside = f"{validation:14.1%} {test:6.1%} {other:8.1%}"
            print(f"{trial:44} {name:22} {area:6.3f} {found[:, place, 0].min():6.3f}  {inside}", flush=True)
            is_good = is_good and area >= least[place] and found[:, place, 1].min() >= WITHIN
    return int(not is_good)


def _images(dataset: Dataset, trial: str) -> Images:
    features = extract(dataset, parse_trial(trial, weights=None, seed=0).part, open_store())
    usable = [i for i in range(len(dataset)) if i not in features.failures]
    return Images(features.rows(usable), dataset.labels[usable], np.array(dataset.split)[usable])


def _measure(images: Images, pair: tuple[int, int], others: list[Array]) -> list[list[float]]:
    """AUC, and shares of validation, test and other images below the threshold: for two classes, then for other data."""
    left_out = np.isin(images.classes, pair)
    train, validation, test = ((images.splits == name) & ~left_out for name in ("train", "validation", "test"))
    novelty = fit_novelty(images.features[train], images.classes[train], images.features[validation])
    held_out, known = novelty.scores(images.features[validation]), novelty.scores(images.features[test])
    rows = []
    for other in (images.features[left_out], *others):
        scores = novelty.scores(other)
        is_other = np.repeat([0, 1], [len(known), len(scores)])
        area = roc_auc_score(is_other, np.concatenate([known, scores]))
        rows.append([area, *((values < THRESHOLD).mean() for values in (held_out, known, scores))])
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
