"""Texts for one sample on the page: its true label and its prediction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.evaluation.classification import Classification
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.multilabel import MultiLabel
from headstart.foundation.arrays import Array
from headstart.report.formatting import measured, percent

__all__ = ["SampleText", "sample_text"]


class SampleText(NamedTuple):
    """Texts for one sample.

    Attributes:
        truth: True label, labels or value.
        answer: Predicted label, labels or value.
        beside: Probability of the prediction, or error of the value.
        is_right: Whether the prediction is correct; always False for values.
    """

    truth: str
    answer: str
    beside: str
    is_right: bool


def sample_text(evaluation: Evaluation, position: int, *, is_unsure: bool = False) -> SampleText:
    """Describe the prediction of one sample.

    Args:
        evaluation: The evaluation.
        position: Position of the sample in it.
        is_unsure: With several labels per sample, show the probability of the label closest to its threshold. Defaults to
            False, which shows that of the worst predicted label.
    """
    if isinstance(evaluation, Classification):
        truth, answer = int(evaluation.labels[position]), int(evaluation.predicted[position])
        chance = percent(float(evaluation.probabilities[position, answer]))
        return SampleText(evaluation.classes[truth], evaluation.classes[answer], chance, truth == answer)
    if isinstance(evaluation, MultiLabel):
        return _text_of_labels(evaluation, position, is_unsure=is_unsure)
    return _text_of_values(evaluation, position)


def _text_of_labels(evaluation: MultiLabel, position: int, *, is_unsure: bool) -> SampleText:
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
        bool((truth == answer).all()),
    )


def _text_of_values(evaluation: Evaluation, position: int) -> SampleText:
    """Describe the target with the largest error relative to the standard deviation of its true values."""
    truth, answer = evaluation.labels[position], evaluation.answers[position]
    spread = evaluation.labels.std(axis=0)
    worst = int(np.argmax(np.abs(answer - truth) / np.where(spread > 0, spread, 1.0)))
    name = "" if len(truth) == 1 else f"{evaluation.classes[worst]} "
    off = _signed(float(answer[worst] - truth[worst]))
    return SampleText(name + measured(float(truth[worst])), measured(float(answer[worst])), off, is_right=False)


def _signed(value: float) -> str:
    return f"+{measured(value)}" if value > 0 else measured(value).replace("-", "−")
