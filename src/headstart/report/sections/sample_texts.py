"""Artefacts, the report: one sample in words: what is true of it, and what was answered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.evaluation.classification import Classification
from headstart.evaluation.evaluation import Evaluation
from headstart.evaluation.multilabel import MultiLabel
from headstart.foundation.arrays import Array
from headstart.report.formatting import measured, percent

__all__ = ["SampleText", "said"]


class SampleText(NamedTuple):
    """One sample in words.

    Attributes:
        truth: What is true of it.
        answer: What was answered.
        beside: The probability that goes with it, or how far off a value is.
        is_right: Whether both are the same; of values that is not asked.
    """

    truth: str
    answer: str
    beside: str
    is_right: bool


def said(evaluation: Evaluation, position: int, *, is_unsure: bool = False) -> SampleText:
    """What was answered for one sample, in words.

    Args:
        evaluation: All answers.
        position: Which sample.
        is_unsure: Of several labels, tell of the one nearest to its threshold; of the one that was answered worst if not.
    """
    if isinstance(evaluation, Classification):
        truth, answer = int(evaluation.labels[position]), int(evaluation.predicted[position])
        chance = percent(float(evaluation.probabilities[position, answer]))
        return SampleText(evaluation.classes[truth], evaluation.classes[answer], chance, truth == answer)
    if isinstance(evaluation, MultiLabel):
        return _said_labels(evaluation, position, is_unsure=is_unsure)
    return _said_values(evaluation, position)


def _said_labels(evaluation: MultiLabel, position: int, *, is_unsure: bool) -> SampleText:
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


def _said_values(evaluation: Evaluation, position: int) -> SampleText:
    """Of several targets the one that is off the most, measured by the spread of its truth."""
    truth, answer = evaluation.labels[position], evaluation.answers[position]
    spread = evaluation.labels.std(axis=0)
    worst = int(np.argmax(np.abs(answer - truth) / np.where(spread > 0, spread, 1.0)))
    name = "" if len(truth) == 1 else f"{evaluation.classes[worst]} "
    off = _signed(float(answer[worst] - truth[worst]))
    return SampleText(name + measured(float(truth[worst])), measured(float(answer[worst])), off, is_right=False)


def _signed(value: float) -> str:
    return f"+{measured(value)}" if value > 0 else measured(value).replace("-", "−")
