"""Section about sets of classes and intervals of values: how often they contained the truth, by class and by target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.data.target_scaling import Scaling
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.intervals import wilson_interval
from headstart.evaluation.uncertainty.conformal import Conformal, PredictionSets
from headstart.foundation.arrays import Array
from headstart.foundation.errors import UsageError
from headstart.report.contents import MALFORMED, Contents
from headstart.report.formatting import count, decimal, interval, measured, percent, plural
from headstart.report.page import Markup, escape, folded, note, paragraph, table

__all__ = ["prediction_sets"]

_COVERAGE = 0.9
_FOLDED_ROWS = 30


def prediction_sets(contents: Contents) -> Markup:
    """Section "Prediction sets": the share of evaluated samples whose truth is in the set, or in the interval."""
    evaluation = contents.predictions
    if evaluation is None:
        return note("There are no predictions yet.")
    try:
        scaling = contents.signature.get("scaling_of_targets")
        conformal = Conformal.from_json(contents.signature.get("conformal"))
        scale = None if scaling is None else Scaling.from_json(scaling)
        sets = conformal.with_coverage(_COVERAGE, evaluation.task, evaluation.classes, scale)
        build = _values if evaluation.task == "regression" else _labels if evaluation.task == "multilabel" else _classes
        return build(contents, evaluation, sets)
    except UsageError:
        return note(f"There are too few held-out samples for a coverage of {_COVERAGE:.0%}.")
    except MALFORMED:
        return note("signature.json holds no limits of sets for these predictions.")


def _classes(contents: Contents, evaluation: Evaluation, sets: PredictionSets) -> Markup:
    inside, labels = sets.contains(evaluation.answers), evaluation.labels
    hits, sizes = inside[np.arange(len(labels)), labels], inside.sum(axis=1)
    rows = [
        (name, count(of_class.sum()), _share(contents, hits[of_class]), decimal(float(sizes[of_class].mean()), 2))
        for number, name in enumerate(evaluation.classes)
        if (of_class := labels == number).any()
    ]
    text = "Sets that should contain the true class with a probability of {} did so for {} of {}; they have {} on average."
    size = f"{decimal(float(sizes.mean()), 2)} classes"
    head = ("Class", f"{contents.noun.capitalize()}s", "True class in the set", "Classes in the set, mean")
    return _section(contents, evaluation, text, hits, size, head, rows)


def _labels(contents: Contents, evaluation: Evaluation, sets: PredictionSets) -> Markup:
    inside, is_on = sets.contains(evaluation.answers), evaluation.labels == 1
    rows = [
        (name, count(is_on[:, place].sum()), _share(contents, inside[is_on[:, place], place]))
        for place, name in enumerate(evaluation.classes)
        if is_on[:, place].any()
    ]
    text = "Sets that should contain all true labels with a probability of {} did so for {} of {}; they have {} on average."
    size = f"{decimal(float(inside.sum(axis=1).mean()), 2)} labels"
    head = ("Label", f"{contents.noun.capitalize()}s that have it", "Label in the set")
    return _section(contents, evaluation, text, (inside | ~is_on).all(axis=1), size, head, rows)


def _values(contents: Contents, evaluation: Evaluation, sets: PredictionSets) -> Markup:
    low, high = sets.interval(evaluation.answers)
    hits, widths = (low <= evaluation.labels) & (evaluation.labels <= high), np.median(high - low, axis=0)
    rows = [
        (name, _share(contents, hits[:, place]), measured(float(widths[place])))
        for place, name in enumerate(evaluation.classes)
    ]
    head = ("Target", "True value in the interval", "Width of the interval, median")
    samples = _samples(contents, evaluation)
    about = f"Intervals that should contain the true value with a probability of {_COVERAGE:.0%}, on {samples}."
    return Markup(paragraph(about) + table(head, rows))


def _section(
    contents: Contents,
    evaluation: Evaluation,
    text: str,
    hits: Array,
    size: str,
    head: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> Markup:
    about = text.format(f"{_COVERAGE:.0%}", percent(float(hits.mean())), _samples(contents, evaluation), size)
    body = table(head, rows)
    of_each = "The probability is that of all samples together; it can be lower for one class and higher for another."
    kinds = ("label", "labels") if evaluation.task == "multilabel" else ("class", "classes")
    by_class = folded(plural(len(rows), *kinds), body, is_open=len(rows) <= _FOLDED_ROWS)
    return Markup(paragraph(about) + by_class + paragraph(of_each, "small"))


def _samples(contents: Contents, evaluation: Evaluation) -> str:
    return f"{plural(len(evaluation), contents.noun)} of the {evaluation.split or 'evaluated'} split"


def _share(contents: Contents, hits: Array) -> Markup:
    """Share of samples, with its 95% interval if samples are independent."""
    bounds = "" if contents.is_grouped else interval(wilson_interval(int(hits.sum()), len(hits)))
    value = escape(percent(float(hits.mean())))
    return Markup(f"{value}<small>{escape(bounds)}</small>") if bounds else value
