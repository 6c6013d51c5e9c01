"""Texts for samples on the page: true label, prediction, and the number by which they are sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headstart.evaluation.classification import Classification
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.hard_samples import credit, margin
from headstart.evaluation.multilabel import MultiLabel
from headstart.foundation.arrays import Array
from headstart.report.formatting import measured, percent

__all__ = ["SampleText", "sample_texts"]


class SampleText(NamedTuple):
    """Texts for one sample.

    Attributes:
        truth: True label, labels or value.
        answer: Predicted label, labels or value.
        beside: Probability of the prediction, or error of the value.
        number: The number by which the samples are sorted.
        is_right: Whether the prediction is correct; always False for values.
    """

    truth: str
    answer: str
    beside: str
    number: str
    is_right: bool


def sample_texts(evaluation: Evaluation, positions: Sequence[int], *, is_unsure: bool = False) -> list[SampleText]:
    """Describe the predictions of samples.

    Args:
        evaluation: The evaluation.
        positions: Positions of the samples in it.
        is_unsure: Whether the samples are those of ``most_unsure``. Defaults to False, for those of ``most_wrong``. With
            several labels per sample, this decides whether the label closest to its threshold or the worst is shown.
    """
    numbers = margin(evaluation) if is_unsure else credit(evaluation)
    return [_text(evaluation, i, float(numbers[i]), is_unsure=is_unsure) for i in positions]


def _text(evaluation: Evaluation, position: int, number: float, *, is_unsure: bool) -> SampleText:
    if isinstance(evaluation, Classification):
        truth, answer = int(evaluation.labels[position]), int(evaluation.predicted[position])
        chance = percent(float(evaluation.probabilities[position, answer]))
        return SampleText(evaluation.classes[truth], evaluation.classes[answer], chance, _share(number), truth == answer)
    if isinstance(evaluation, MultiLabel):
        shown = _share(number if is_unsure else float(np.exp(number)))
        return _text_of_labels(evaluation, position, shown, is_unsure=is_unsure)
    return _text_of_values(evaluation, position, f"{-number:.3g} SD")


def _share(share: float) -> str:
    """A share as a percentage with three digits, however small: samples are sorted by it."""
    return f"{100 * share:.3g}%"


def _text_of_labels(evaluation: MultiLabel, position: int, number: str, *, is_unsure: bool) -> SampleText:
    truth, answer, chances = (
        table[position] for table in (evaluation.labels, evaluation.predicted, evaluation.probabilities)
    )
    thresholds = np.array([evaluation.thresholds[name] for name in evaluation.classes])
    label = int(np.argmin(np.abs(chances - thresholds)) if is_unsure else np.argmax(np.abs(truth - chances)))
    beside = f"{evaluation.classes[label]} {percent(float(chances[label]))}"

    def words(given: Array) -> str:
        return ", ".join(evaluation.classes[k] for k in np.flatnonzero(given)) or "none"

    return SampleText(
        words(truth),
        words(answer),
        beside + (f", threshold {percent(float(thresholds[label]))}" if is_unsure else ""),
        number,
        bool((truth == answer).all()),
    )


def _text_of_values(evaluation: Evaluation, position: int, number: str) -> SampleText:
    """Describe the target with the largest error relative to the standard deviation of its true values."""
    truth, answer = evaluation.labels[position], evaluation.answers[position]
    spread = evaluation.labels.std(axis=0)
    worst = int(np.argmax(np.abs(answer - truth) / np.where(spread > 0, spread, 1.0)))
    name = "" if len(truth) == 1 else f"{evaluation.classes[worst]} "
    off = _signed(float(answer[worst] - truth[worst]))
    return SampleText(name + measured(float(truth[worst])), measured(float(answer[worst])), off, number, is_right=False)


def _signed(value: float) -> str:
    return f"+{measured(value)}" if value > 0 else measured(value).replace("-", "−")
